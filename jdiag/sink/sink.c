#include "jdiag/sink/backend.h"

#include <string.h>

#include "remote/base/str.h"

int sink_open(struct sink **ret, const struct sink_options *o, struct error *err)
{
	const char *to = o->to;

	if (!to || !*to)
		return error_set(err, ERR_USAGE, "the destination is empty");
	/* Names are made by us; one that leaves its directory is never right. */
	if (!o->name || !*o->name || *o->name == '.' || strchr(o->name, '/'))
		return error_set(err, ERR_FAILED, "'%s' cannot be the name of an artifact",
				 o->name ? o->name : "");
	if (strcmp(to, "-") == 0)
		return stdout_sink_open(ret, o, err);
	if (str_starts(to, "gs://"))
		return gcs_sink_open(ret, o, err);
	if (strstr(to, "://")) {
		error_set(err, ERR_USAGE, "cannot write to '%s': not a kind of destination", to);
		return error_hint(err, "use a file, a directory, - or gs://BUCKET/PREFIX/");
	}
	return file_sink_open(ret, o, err);
}

uint64_t sink_free_bytes(const struct sink *s)
{
	return s->ops->free_bytes ? s->ops->free_bytes(s) : UINT64_MAX;
}

int sink_extent(struct sink *s, uint64_t available, bool final, struct error *err)
{
	return s->ops->extent ? s->ops->extent(s, available, final, err) : 0;
}

int sink_write(struct sink *s, const void *data, size_t len, uint64_t *ret_offset,
	       struct error *err)
{
	return s->ops->write(s, data, len, ret_offset, err);
}

int sink_finish(struct sink *s, uint64_t *ret_offset, struct error *err)
{
	return s->ops->finish(s, ret_offset, err);
}

bool sink_can_hand_off(const struct sink *s)
{
	return s->ops->session != NULL;
}

const struct secret *sink_session(const struct sink *s)
{
	return s->ops->session(s);
}

void sink_headers(const struct sink *s, uint64_t offset, uint64_t size, uint32_t crc, char *ret[2])
{
	s->ops->headers(s, offset, size, crc, ret);
}

int sink_check(struct sink *s, uint64_t size, uint32_t crc, uint64_t *ret_offset, struct error *err)
{
	return s->ops->check(s, size, crc, ret_offset, err);
}

int sink_companion(struct sink *s, const char *suffix, const char *text, size_t len,
		   struct error *err)
{
	return s->ops->companion ? s->ops->companion(s, suffix, text, len, err) : 0;
}

const char *sink_url(const struct sink *s)
{
	return s->url;
}

void sink_abort(struct sink *s)
{
	if (s)
		s->ops->abort(s);
}
