#include "jdiag/check_object.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/gcs/gcs.h"
#include "jdiag/gcs/object_source.h"
#include "jdiag/interrupt.h"
#include "jdiag/json.h"
#include "jdiag/manifest.h"
#include "jdiag/progress.h"
#include "remote/base/str.h"

struct object_check {
	const char *url;
	char *bucket, *object, *manifest_name; /* owned */
	struct gcs *gcs;		       /* owned */
	struct object_source source;
	json_t *manifest; /* owned; NULL: none */
	struct progress *progress;
	struct check_result *result;
};

static int tick(void *ctx, struct error *err)
{
	(void)ctx;
	return interrupt_check(err);
}

/* 1, 0 when there is none, -1. */
static int read_manifest(struct object_check *c, struct error *err)
{
	struct object_source s = {0};
	auto_buf struct buf text = BUF_INIT(MAX_MANIFEST);
	struct error e = {0};
	char chunk[4096];
	size_t n = 1;

	if (object_source_open(&s, c->gcs, c->bucket, c->manifest_name, &e) < 0) {
		if (e.code == ERR_TARGET)
			return 0;
		*err = e;
		return -1;
	}
	while (n && !text.overflow && object_source_read(&s, chunk, sizeof(chunk), &n, err) == 0)
		buf_add(&text, chunk, n);
	object_source_close(&s);
	if (n && !text.overflow)
		return -1;
	if (text.overflow)
		return error_set(err, ERR_CAPTURE, "'%s' is too large for a manifest",
				 c->manifest_name);
	c->manifest = json_from_text(text.data, text.len, c->manifest_name, ERR_CAPTURE, err);
	return c->manifest ? 1 : -1;
}

static int compare(struct object_check *c, struct error *err)
{
	struct check_claim claims[3] = {check_claim_name(c->object), CHECK_CLAIM("the bucket")};
	const struct check_artifact a = {
		.source = {.name = c->url, .read = object_source_read, .ctx = &c->source},
		.size = c->source.info.size,
		.claims = claims,
		.n_claims = c->manifest ? 3 : 2,
	};

	claims[1].size = c->source.info.size;
	claims[1].crc32c = c->source.info.crc;
	claims[1].has_crc32c = c->source.info.has_crc;
	if (c->manifest && check_claim_manifest(c->manifest, &claims[2], err) < 0)
		return error_prefix(err, "'%s'", c->url);
	progress_phase(c->progress, "check");
	check_run(&a, c->progress, c->result);
	return 0;
}

static int check(struct object_check *c, const char *token_command, struct error *err)
{
	const struct gcs_options o = {.token_command = token_command, .tick = tick};

	if (gcs_split_url(c->url, &c->bucket, &c->object, err) < 0 ||
	    gcs_open(&c->gcs, &o, err) < 0)
		return -1;
	c->manifest_name = xasprintf("%s%s", c->object, MANIFEST_SUFFIX);
	if (read_manifest(c, err) < 0)
		return -1;
	if (object_source_open(&c->source, c->gcs, c->bucket, c->object, err) < 0) {
		if (err->code == ERR_TARGET)
			c->result->mark = CHECK_MISSING;
		if (err->code == ERR_TARGET && c->manifest)
			err->code = ERR_CAPTURE; /* its manifest says that it should be there */
		return -1;
	}
	return compare(c, err);
}

void check_object(const char *url, const char *token_command, struct progress *p,
		  struct check_result *ret, bool *ret_manifest)
{
	struct object_check c = {.url = url, .progress = p, .result = ret};

	(void)check(&c, token_command, &ret->error); /* the result has the error */
	*ret_manifest = c.manifest != NULL;
	object_source_close(&c.source);
	json_decref(c.manifest);
	gcs_close(c.gcs);
	free(c.bucket);
	free(c.object);
	free(c.manifest_name);
}
