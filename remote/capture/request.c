#include "remote/capture/request.h"

#include <stdlib.h>

#include "remote/capture/capture.h"
#include "remote/spool/spool.h"

#define DEFAULT_TTL_S (24 * 3600)
#define MAX_TTL_S (30 * 24 * 3600)
#define MAX_DEADLINE_MS (7 * 24 * 3600 * 1000ull)

static int unknown_strategy(const char *name, struct error *err)
{
	auto_buf struct buf names = BUF_INIT(500);
	const struct strategy *s;

	for (size_t i = 0; (s = strategy_at(i)); i++)
		buf_addf(&names, "%s%s", i ? ", " : "", s->name);
	error_set(err, ERR_USAGE, "unknown strategy '%s'", name);
	return error_hint(err, "valid: %s", buf_str(&names));
}

static int parse_texts(const struct jsonr *p, struct capture_request *r, struct error *err)
{
	auto_free char *label = xmalloc(MAX_SPOOL_LABEL + 1);

	label[0] = '\0';
	if (jsonr_string(p, "id", r->id, sizeof(r->id), err) < 0 ||
	    jsonr_string(p, "strategy", r->strategy, sizeof(r->strategy), err) < 0 ||
	    jsonr_string(p, "dir", r->dir, sizeof(r->dir), err) < 0 ||
	    jsonr_string(p, "owner", r->owner, sizeof(r->owner), err) < 0 ||
	    jsonr_string(p, "label", label, MAX_SPOOL_LABEL + 1, err) < 0)
		return -1;
	if (!spool_id_is(r->id))
		return error_set(err, ERR_FAILED, "'%s' is no id of a capture", r->id);
	if (*r->strategy && !strategy_find(r->strategy))
		return unknown_strategy(r->strategy, err);
	r->label = STEAL(label);
	return 0;
}

static int parse_names(const struct jsonr *p, struct capture_request *r, struct error *err)
{
	char format[16] = "hprof", redact[16] = "none";

	if (jsonr_string(p, "format", format, sizeof(format), err) < 0 ||
	    jsonr_string(p, "redact", redact, sizeof(redact), err) < 0)
		return -1;
	if (!codec_from_format(format, &r->codec))
		return error_set(err, ERR_USAGE, "unknown format '%s'", format);
	if (!hprof_redact_from_name(redact, &r->redact))
		return error_set(err, ERR_USAGE, "unknown redaction '%s'", redact);
	return 0;
}

static int parse_numbers(const struct jsonr *p, struct capture_request *r, struct error *err)
{
	uint64_t parallel = 0, percent = 0;

	if (jsonr_u64(p, "parallel", &parallel, err) < 0 ||
	    jsonr_u64(p, "buffer", &r->buffer, err) < 0 ||
	    jsonr_u64(p, "buffer_percent", &percent, err) < 0 ||
	    jsonr_u64(p, "expected", &r->expected, err) < 0 ||
	    jsonr_u64(p, "deadline", &r->deadline, err) < 0 ||
	    jsonr_u64(p, "ttl", &r->ttl, err) < 0 || jsonr_bool(p, "live", &r->live, err) < 0 ||
	    jsonr_bool(p, "spool", &r->spool, err) < 0 || jsonr_bool(p, "sync", &r->sync, err) < 0)
		return -1;
	if (parallel > CAPTURE_MAX_PARALLEL)
		return error_set(err, ERR_USAGE, "at most %d threads can write a dump",
				 CAPTURE_MAX_PARALLEL);
	if (percent > 100)
		return error_set(err, ERR_USAGE, "a buffer of %llu %% of the memory",
				 (unsigned long long)percent);
	r->parallel = (unsigned int)parallel;
	r->percent = (unsigned int)percent;
	if (r->deadline > MAX_DEADLINE_MS)
		r->deadline = MAX_DEADLINE_MS;
	r->ttl = !r->ttl ? DEFAULT_TTL_S : r->ttl > MAX_TTL_S ? MAX_TTL_S : r->ttl;
	return 0;
}

int capture_request_parse(const struct jsonr *params, struct capture_request *ret,
			  struct error *err)
{
	struct capture_request r = {.live = true, .spool = true};

	if (parse_texts(params, &r, err) < 0 || parse_names(params, &r, err) < 0 ||
	    parse_numbers(params, &r, err) < 0) {
		capture_request_release(&r);
		return -1;
	}
	*ret = r;
	return 0;
}

void capture_request_release(struct capture_request *r)
{
	free(STEAL(r->label));
}
