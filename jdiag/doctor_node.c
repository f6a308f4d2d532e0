/* From the node's address to a helper that runs there. */
#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "jdiag/doctor.h"
#include "jdiag/helper/helper.h"
#include "jdiag/json.h"
#include "jdiag/ssh/config.h"
#include "jdiag/ssh/tcp.h"
#include "remote/base/io.h"

static int connect_to(const struct ssh_config *c, struct doctor_line *l, struct error *err)
{
	uint64_t start = now_ms();
	int fd = tcp_connect(c->host_name, c->port, start + c->connect_timeout_ms, err);

	if (fd < 0)
		return -1;
	close(fd);
	doctor_say(l, "port %u of '%s' is open (%llu ms)", c->port, c->host_name,
		   (unsigned long long)(now_ms() - start));
	return 0;
}

/* What stands between is SSH's own matter: the next step tries it. */
static int try_address(struct doctor *d, struct doctor_line *l, struct error *err)
{
	const struct ssh_options o = session_ssh_options(&d->session);
	auto_cleanup(ssh_config_release) struct ssh_config c = {0};

	if (ssh_check_name(o.host, "host", err) < 0 || ssh_config_load(&c, &o, err) < 0)
		return -1;
	d->host_keys = c.host_keys;
	if (c.n_jumps)
		doctor_say(l, "'%s' port %u, through %zu jump host%s, the first is '%s'",
			   c.host_name, c.port, c.n_jumps, c.n_jumps > 1 ? "s" : "",
			   c.jumps[0].host);
	else if (c.proxy_command)
		doctor_say(l, "'%s' port %u, by a ProxyCommand of the ssh_config", c.host_name,
			   c.port);
	else
		return connect_to(&c, l, err);
	return 0;
}

/* As session_open_ssh: where nobody answers, the node's other addresses are tried. */
int doctor_tcp(struct doctor *d, struct doctor_line *l, struct error *err)
{
	struct error first = {0}, why = {0};

	while (try_address(d, l, &why) < 0) {
		if (!first.code || why.sys != EHOSTUNREACH)
			first = why;
		if (why.sys != EHOSTUNREACH || !session_next_address(&d->session, &first)) {
			*err = first;
			return -1;
		}
		why = (struct error){0};
	}
	if (first.code) {
		auto_free char *found = xstrdup(l->text);

		doctor_warn(l, "choose it at once: --node-address", "%.200s; %.200s", first.msg,
			    found);
	}
	return 0;
}

int doctor_ssh(struct doctor *d, struct doctor_line *l, struct error *err)
{
	auto_free char *how = NULL;
	const struct ssh_session *s;

	if (session_open_ssh(&d->session, err) < 0)
		return -1;
	s = d->session.ssh;
	how = xasprintf("logged in as '%s', by %s%s%s", ssh_user(s), ssh_backend_name(s),
			*ssh_backend_why(s) ? ": " : "", ssh_backend_why(s));
	if (d->host_keys == HOST_KEY_IGNORE)
		doctor_warn(l, "add the host key to known_hosts and do not ignore it any more",
			    "%s; the host key was not checked", how);
	else
		doctor_say(l, "%s; the host key is known", how);
	return 0;
}

/* To become root and to start the helper is one command: what fails in it is told by the step that
 * it belongs to. */
int doctor_sudo(struct doctor *d, struct doctor_line *l, struct error *err)
{
	struct helper_how how;

	if (session_start_helper(&d->session, &d->helper_error) < 0) {
		const struct error *e = &d->helper_error;

		if (e->code == ERR_INTERRUPTED || (e->code == ERR_NODE && e->sys == EPERM)) {
			*err = *e;
			return -1;
		}
		doctor_warn(l, "", "not known: the helper did not start");
		return 0;
	}
	helper_how(d->session.helper, &how);
	if (how.sudo)
		doctor_say(l, "'%s' becomes root by sudo -n", ssh_user(d->session.ssh));
	else
		doctor_say(l, "not needed: '%s' is root", ssh_user(d->session.ssh));
	return 0;
}

int doctor_helper(struct doctor *d, struct doctor_line *l, struct error *err)
{
	const json_t *hello;
	struct helper_how how;

	if (!d->session.helper) {
		*err = d->helper_error;
		return -1;
	}
	hello = helper_hello(d->session.helper);
	helper_how(d->session.helper, &how);
	doctor_say(l, "runs %s; %.32s, Linux %.100s",
		   how.in_memory ? "in memory, from a tmpfs of its own"
				 : "from a directory of the node (there is no unshare)",
		   json_str_at(hello, "arch", "?"), json_str_at(hello, "kernel", "?"));
	return 0;
}

int doctor_curl(struct doctor *d, struct doctor_line *l, struct error *err)
{
	const char *path = json_str_at(helper_hello(d->session.helper), "curl", "");

	(void)err;
	/* no failure: the bytes go through this machine then */
	if (*path)
		doctor_say(l, "'%.200s'", path);
	else
		doctor_warn(l, "install curl on the node, or leave out --upload-from node",
			    "the node has no curl: the upload would go through this machine");
	return 0;
}
