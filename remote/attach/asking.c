#include "remote/attach/asking.h"

#include <errno.h>
#include <string.h>

#include "remote/base/io.h"
#include "remote/base/log.h"
#include "remote/mount.h"

static int ask(struct asking *a, uint64_t reply_ms, size_t max_reply, struct error *err)
{
	struct hotspot_request q = {
		.proc = a->target->proc,
		.ref = &a->target->ref,
		.jvm = &a->target->jvm,
		.tmp = a->cover >= 0 ? a->cover : a->tmp,
		.data = &a->request,
		.reply_ms = reply_ms,
		.max_reply = max_reply,
	};

	return hotspot_start(&a->hotspot, &q, err);
}

static int not_sent(struct error *err)
{
	if (err->sys != E2BIG)
		err->sys = ENOTCONN;
	return -1;
}

static int start(struct asking *a, const struct question *q, struct error *err)
{
	const struct target *t = a->target;

	if (a->tmp < 0)
		a->tmp = mount_open_tmp(t->root, err);
	if (a->tmp < 0)
		return -1;
	buf_reset(&a->request);
	if (hotspot_encode(&a->request, t->jvm.version, q->command, q->args, q->n_args, err) < 0)
		return -1;
	return ask(a, q->reply_ms, q->max_reply, err);
}

int asking_start(struct asking *a, const struct target *t, const struct question *q,
		 struct error *err)
{
	hotspot_stop(&a->hotspot);
	a->target = t;
	return start(a, q, err) < 0 ? not_sent(err) : 0;
}

int asking_fd(const struct asking *a)
{
	return a->hotspot.child.fd;
}

/* The JVM's user cannot make the trigger file: cover /tmp and try once more. */
static int cover_and_retry(struct asking *a, struct error *err)
{
	const struct hotspot_request q = a->hotspot.req;

	hotspot_stop(&a->hotspot);
	a->cover = mount_tmpfs(a->target, a->tmp, err);
	if (a->cover < 0 || ask(a, q.reply_ms, q.max_reply, err) < 0)
		return not_sent(err);
	return 0;
}

int asking_step(struct asking *a, struct hotspot_reply *ret, struct error *err)
{
	struct error e = {0};
	int rc = hotspot_step(&a->hotspot, &e);

	if (rc == 0)
		return 0;
	if (rc < 0 && a->hotspot.unwritable && a->cover < 0)
		return cover_and_retry(a, err);
	if (rc < 0) {
		*err = e;
		return -1;
	}
	return hotspot_parse_reply(&a->hotspot.raw, ret, err) < 0 ? -1 : 1;
}

void asking_end(struct asking *a)
{
	struct error left = {0};

	hotspot_stop(&a->hotspot);
	if (a->cover >= 0 && mount_detach(a->target, a->cover, &left) < 0)
		log_at(LOG_WARN, "%s", left.msg);
	fd_close(&a->cover);
}

void asking_release(struct asking *a)
{
	asking_end(a);
	fd_close(&a->tmp);
	if (a->request.data) /* options of an agent may be secrets */
		explicit_bzero(a->request.data, a->request.cap);
	buf_release(&a->request);
}
