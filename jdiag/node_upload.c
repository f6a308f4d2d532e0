#include "jdiag/node_upload.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/helper/helper.h"
#include "jdiag/interrupt.h"
#include "jdiag/json.h"
#include "jdiag/progress.h"
#include "jdiag/secret.h"
#include "jdiag/sink/sink.h"
#include "remote/base/log.h"

#define POLL_MS 200

static json_t *parameters(const struct sink *sink, const struct node_upload *u)
{
	char *headers[2];
	json_t *params;

	sink_headers(sink, u->offset, u->size, u->crc32c, headers);
	params = json_pack("{s:s, s:s, s:I, s:[s, s]}", "id", u->id, "uri",
			   secret_str(sink_session(sink)), "offset", (json_int_t)u->offset,
			   "headers", headers[0], headers[1]);
	free(headers[0]);
	free(headers[1]);
	return params;
}

/* They hold the session's address. */
static void wipe(const json_t *params)
{
	const char *uri = json_str_at(params, "uri", "");

	secret_wipe((char *)uri, strlen(uri));
}

static void log_result(const json_t *result)
{
	log_at(LOG_STEP, "the node's curl: status %llu after %llu bytes",
	       (unsigned long long)json_u64_at(result, "status", 0),
	       (unsigned long long)json_u64_at(result, "bytes", 0));
}

/* Until the request ends. 0: it has, the bucket knows the rest; 1: the node cannot; -1. */
static int follow(struct helper *h, uint32_t id, const struct node_upload *u,
		  struct progress *progress, struct error *why, struct error *err)
{
	uint64_t bytes = 0;

	for (;;) {
		struct helper_message m;

		if (interrupt_check(err) < 0 || helper_next(h, POLL_MS, &m, err) < 0)
			return -1;
		if (m.kind != HELPER_NOTHING && m.request != id)
			continue;
		switch (m.kind) {
		case HELPER_PROGRESS:
			bytes = json_u64_at(m.json, "bytes", bytes);
			break;
		case HELPER_RESULT:
			log_result(m.json);
			return 0;
		case HELPER_ERROR:
			*(m.error.code == ERR_NODE ? why : err) = m.error;
			return m.error.code == ERR_NODE ? 1 : -1;
		default:
			break;
		}
		progress_bytes(progress, bytes, u->size);
	}
}

static int send_once(struct helper *h, struct sink *sink, const struct node_upload *u,
		     struct progress *progress, struct error *why, struct error *err)
{
	auto_json json_t *params = parameters(sink, u);
	uint32_t id;
	int rc = helper_request(h, "upload", params, &id, err);

	wipe(params);
	if (rc < 0)
		return -1;
	return follow(h, id, u, progress, why, err);
}

int upload_from_node(struct helper *h, struct sink *sink, struct node_upload *u,
		     struct progress *progress, struct error *why, struct error *err)
{
	bool ask = u->again;

	progress_phase(progress, "upload");
	for (;; ask = true) {
		int rc = ask ? sink_check(sink, u->size, u->crc32c, &u->offset, err) : SINK_REWIND;

		if (rc != SINK_REWIND)
			return rc;
		log_at(LOG_STEP, "the node sends from byte %llu on", (unsigned long long)u->offset);
		rc = send_once(h, sink, u, progress, why, err);
		if (rc)
			return rc;
	}
}
