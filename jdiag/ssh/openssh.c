#include <stdlib.h>

#include "jdiag/ssh/openssh_session.h"
#include "remote/base/io.h"
#include "remote/base/log.h"

#define EXEC_MS 30000

static struct open_session *of(struct ssh_session *s)
{
	return (struct open_session *)s;
}

static struct ssh_session *backend_alloc(void)
{
	struct open_session *s = xcalloc(1, sizeof(*s));

	s->dir = OPEN_DIR_INIT;
	s->control = MUX_INIT;
	s->stderr_fd = -1;
	s->exec_ms = EXEC_MS;
	words_init(&s->words);
	return &s->base;
}

static int backend_open(struct ssh_session *base, const struct ssh_options *o,
			const struct ssh_config *c, struct error *err)
{
	struct open_session *s = of(base);

	if (open_master_start(s, o, c, err) < 0)
		return -1;
	log_at(LOG_STEP, "ssh: %s port %u: the OpenSSH client has logged in, process %d",
	       base->host, base->port, (int)s->pid);
	return open_tell_host_key(s, c, err);
}

static void backend_close(struct ssh_session *base)
{
	struct open_session *s = of(base);

	while (s->channels)
		open_channel_close((struct ssh_channel *)s->channels);
	open_master_end(s);
	open_dir_remove(&s->dir);
	words_release(&s->words);
	free(s);
}

const struct ssh_backend ssh_openssh = {
	.name = "openssh",
	.alloc = backend_alloc,
	.open = backend_open,
	.close = backend_close,
	.exec = open_exec,
	.read = open_read,
	.write = open_write,
	.write_eof = open_write_eof,
	.eof = open_eof,
	.wait = open_wait,
	.poll = open_poll,
	.exit_status = open_exit_status,
	.channel_close = open_channel_close,
};
