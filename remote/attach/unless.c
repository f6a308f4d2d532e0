#include "remote/attach/unless.h"

#include <errno.h>
#include <string.h>

#include "remote/base/io.h"
#include "remote/base/str.h"
#include "remote/netns.h"
#include "remote/port_probe.h"
#include "remote/proc_net.h"

static int is_open_jar(void *ctx, const char *link)
{
	const char *prefix = ctx, *slash = strrchr(link, '/');

	return slash && str_starts(slash + 1, prefix) && strstr(slash, ".jar");
}

static int check_jar(const struct target *t, char *prefix, struct error *err)
{
	int rc = proc_each_fd(t->proc, t->ref.pid, is_open_jar, prefix);

	if (rc == 0)
		return 0;
	if (rc < 0)
		return error_sys(err, rc == -ENOENT || rc == -ESRCH ? ERR_TARGET : ERR_NODE, -rc,
				 "cannot read the descriptors of process %d", (int)t->ref.pid);
	error_set(err, ERR_REFUSED, "the JVM has a jar '%s...' open already", prefix);
	err->sys = EEXIST;
	return -1;
}

static int check_port(struct unless *u, const struct target *t, uint16_t port, struct error *err)
{
	auto_fd int ns = netns_open(t->proc, &t->ref, err);
	int sys;

	if (ns < 0)
		return -1;
	u->claim = port_claim(ns, port, err);
	if (u->claim < 0 || port_probe(t, ns, port, &sys, err) < 0)
		return -1;
	return sys ? error_sys(err, ERR_REFUSED, sys, "the JVM cannot listen on port %u", port) : 0;
}

int unless_check(struct unless *u, const struct target *t, const struct jsonr *params,
		 struct error *err)
{
	char prefix[128] = "";
	uint64_t port = 0;

	if (jsonr_u64(params, "unless_port", &port, err) < 0 ||
	    jsonr_string(params, "unless_jar", prefix, sizeof(prefix), err) < 0)
		return -1;
	if (port > UINT16_MAX)
		return error_set(err, ERR_FAILED, "'unless_port' is no port");
	if (*prefix && check_jar(t, prefix, err) < 0)
		return -1;
	return port ? check_port(u, t, (uint16_t)port, err) : 0;
}

void unless_release(struct unless *u)
{
	fd_close(&u->claim);
}
