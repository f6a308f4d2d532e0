#include "remote/attach/unless.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "remote/base/io.h"
#include "remote/base/str.h"
#include "remote/enter.h"
#include "remote/netns.h"
#include "remote/port_probe.h"
#include "remote/proc_net.h"

#define MAX_PATH 1024
#define LOOK_MS 5000

/* ---- a jar that is open ---- */

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

/* ---- a file that is there ---- */

/* In the child, which sees what the JVM sees and may what it may: 0 or an errno. */
static int try_file(const char *path)
{
	auto_fd int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return errno;
	return S_ISREG(st.st_mode) ? 0 : EINVAL;
}

static int look_run(void *ctx, struct buf *answer, struct error *err)
{
	int sys = try_file(ctx);

	(void)err;
	buf_add(answer, &sys, sizeof(sys));
	return 0;
}

static int check_file(const struct target *t, char *path, struct error *err)
{
	struct enter_request r = target_enter(t);
	int sys = EIO;
	auto_buf struct buf answer = BUF_INIT(sizeof(sys));

	r.run = look_run;
	r.ctx = path;
	r.timeout_ms = LOOK_MS;
	if (enter_run(t->proc, &r, &answer, err) < 0)
		return error_prefix(err, "cannot look for '%s'", path);
	if (answer.len == sizeof(sys))
		memcpy(&sys, answer.data, sizeof(sys));
	if (!sys)
		return 0;
	error_set(err, ERR_REFUSED, "the JVM could not read '%s' (any more): %s", path,
		  strerror(sys));
	err->sys = ENOENT;
	return error_hint(err, "another run may have removed it: run the same command again");
}

/* ---- a port that is free ---- */

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
	char prefix[128] = "", file[MAX_PATH] = "";
	uint64_t port = 0;

	if (jsonr_u64(params, "unless_port", &port, err) < 0 ||
	    jsonr_string(params, "unless_jar", prefix, sizeof(prefix), err) < 0 ||
	    jsonr_string(params, "needs", file, sizeof(file), err) < 0)
		return -1;
	if (port > UINT16_MAX)
		return error_set(err, ERR_FAILED, "'unless_port' is no port");
	if (*file && *file != '/')
		return error_set(err, ERR_FAILED, "'needs' is no path");
	if ((*prefix && check_jar(t, prefix, err) < 0) || (*file && check_file(t, file, err) < 0))
		return -1;
	return port ? check_port(u, t, (uint16_t)port, err) : 0;
}

void unless_release(struct unless *u)
{
	fd_close(&u->claim);
}
