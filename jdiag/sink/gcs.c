#include <stdlib.h>
#include <string.h>

#include "jdiag/gcs/gcs.h"
#include "jdiag/sink/backend.h"
#include "remote/base/log.h"
#include "remote/base/str.h"

struct gcs_sink {
	struct sink base;
	struct gcs *gcs;
	struct gcs_upload *upload;
	char *bucket, *object; /* owned */
};

static int gcs_extent(struct sink *base, uint64_t available, bool final, struct error *err)
{
	struct gcs_sink *s = (struct gcs_sink *)base;

	return gcs_upload_extent(s->upload, available, final, err);
}

static int gcs_write(struct sink *base, const void *data, size_t len, uint64_t *ret_offset,
		     struct error *err)
{
	struct gcs_sink *s = (struct gcs_sink *)base;

	return gcs_upload_write(s->upload, data, len, ret_offset, err);
}

static int gcs_finish(struct sink *base, uint64_t *ret_offset, struct error *err)
{
	struct gcs_sink *s = (struct gcs_sink *)base;

	return gcs_upload_finish(s->upload, ret_offset, err);
}

static int gcs_companion(struct sink *base, const char *suffix, const char *text, size_t len,
			 struct error *err)
{
	struct gcs_sink *s = (struct gcs_sink *)base;
	auto_free char *object = xasprintf("%s%s", s->object, suffix);

	return gcs_put_small(s->gcs, s->bucket, object, "application/json", text, len, err);
}

static const struct secret *gcs_session(const struct sink *base)
{
	return gcs_upload_session(((const struct gcs_sink *)base)->upload);
}

static void gcs_headers(const struct sink *base, uint64_t offset, uint64_t size, uint32_t crc,
			char *ret[2])
{
	gcs_upload_headers(((const struct gcs_sink *)base)->upload, offset, size, crc, ret);
}

static int gcs_check(struct sink *base, uint64_t size, uint32_t crc, uint64_t *ret_offset,
		     struct error *err)
{
	return gcs_upload_check(((struct gcs_sink *)base)->upload, size, crc, ret_offset, err);
}

static void gcs_abort(struct sink *base)
{
	struct gcs_sink *s = (struct gcs_sink *)base;

	gcs_upload_free(s->upload);
	gcs_close(s->gcs);
	free(s->bucket);
	free(s->object);
	free(base->url);
	free(s);
}

static const struct sink_ops gcs_ops = {
	.extent = gcs_extent,
	.write = gcs_write,
	.finish = gcs_finish,
	.companion = gcs_companion,
	.session = gcs_session,
	.headers = gcs_headers,
	.check = gcs_check,
	.abort = gcs_abort,
};

/* gs://BUCKET, gs://BUCKET/PREFIX/ and gs://BUCKET/OBJECT. */
static int split(const struct sink_options *o, char **ret_bucket, char **ret_object,
		 struct error *err)
{
	const char *at = o->to + strlen("gs://");
	size_t n = strcspn(at, "/");
	const char *rest = at + n + (at[n] == '/');
	auto_free char *bucket = xstrndup(at, n);
	auto_free char *object =
		!*rest || str_ends(rest, "/") ? xasprintf("%s%s", rest, o->name) : xstrdup(rest);

	if (gcs_check_names(bucket, object, err) < 0)
		return -1;
	*ret_bucket = STEAL(bucket);
	*ret_object = STEAL(object);
	return 0;
}

static int check_absent(const struct gcs_sink *s, const char *suffix, struct error *err)
{
	auto_free char *companion = xasprintf("%s%s", s->object, suffix ? suffix : "");

	if (gcs_check_absent(s->gcs, s->bucket, s->object, err) < 0)
		return -1;
	return suffix ? gcs_check_absent(s->gcs, s->bucket, companion, err) : 0;
}

static int begin(struct gcs_sink *s, const struct sink_options *o, struct error *err)
{
	const struct gcs_options gcs = {
		.token_command = o->token_command, .tick = o->tick, .tick_ctx = o->tick_ctx};

	if (gcs_open(&s->gcs, &gcs, err) < 0)
		return -1;
	/* The bucket looks at ifGenerationMatch only when the last byte has come. A name of the
	 * user's own choice is worth a question before that; not where a run that was killed may
	 * have finished it, which the bytes will show. */
	if (!o->take_over && !str_ends(s->object, o->name) &&
	    check_absent(s, o->companion, err) < 0)
		return -1;
	if (gcs_upload_begin(s->gcs, s->bucket, s->object, o->content_type, o->metadata, &s->upload,
			     err) < 0)
		return -1;
	if (gcs_is_public(s->gcs, s->bucket))
		log_at(LOG_WARN,
		       "warning: everybody can read the objects of bucket '%s', and a heap dump "
		       "holds what the program knows: passwords, keys, personal data",
		       s->bucket);
	return 0;
}

int gcs_sink_open(struct sink **ret, const struct sink_options *o, struct error *err)
{
	struct gcs_sink *s = xcalloc(1, sizeof(*s));

	s->base.ops = &gcs_ops;
	if (split(o, &s->bucket, &s->object, err) < 0 || begin(s, o, err) < 0) {
		gcs_abort(&s->base);
		return -1;
	}
	s->base.url = xasprintf("gs://%s/%s", s->bucket, s->object);
	*ret = &s->base;
	return 0;
}
