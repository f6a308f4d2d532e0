#include "remote/jvm_peek.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"
#include "remote/enter.h"
#include "remote/hsperf.h"
#include "remote/rootpath.h"

#define PEEK_MS 5000
#define MAX_TMP_ENTRIES 4096
#define MAX_RELEASE_FILE (16 * KiB)
/* Start times are in ticks and btime is rounded: they may be late by two seconds. */
#define START_SLACK 2

struct peek_ctx {
	const struct peek_request *r;
	int root;
	const char *libjvm; /* as seen from root */
};

/* ---- in the child ---- */

static void look_for_socket(const struct peek_ctx *c, int tmp, struct peek *ret)
{
	char path[64];
	auto_fd int fd = -1;
	struct stat st;

	snprintf(path, sizeof(path), ".java_pid%d", (int)c->r->ns_pid);
	fd = rootpath_open(tmp, path, O_PATH);
	if (fd == -ENOENT) {
		ret->socket = PEEK_NO_SOCKET;
		return;
	}
	ret->socket = PEEK_FOREIGN_SOCKET;
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_uid == c->r->uid)
		ret->socket = PEEK_SOCKET;
}

/* The file may be left from an earlier JVM with the same pid in an earlier container, or planted.
 */
static bool read_hsperf(const struct peek_ctx *c, int tmp, const char *dir, struct buf *b)
{
	char path[NAME_MAX + 32];
	struct hsperf h;
	struct stat st;

	snprintf(path, sizeof(path), "%s/%d", dir, (int)c->r->ns_pid);
	buf_reset(b);
	return rootpath_read(tmp, path, b, &st) == 0 && st.st_uid == c->r->uid &&
	       st.st_mtime >= 0 && (uint64_t)st.st_mtime + START_SLACK >= c->r->started &&
	       hsperf_parse(&h, buf_str(b), b->len);
}

static void close_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

/* /tmp/hsperfdata_USER: the user's name in the container's passwd, which we do not know. */
static void look_for_hsperf(const struct peek_ctx *c, int tmp, struct buf *b)
{
	auto_fd int fd = rootpath_open(tmp, ".", O_RDONLY | O_DIRECTORY | O_NONBLOCK);
	auto_cleanup(close_dir) DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d)
		return;
	STEAL_FD(fd);
	for (int i = 0; i < MAX_TMP_ENTRIES; i++) {
		struct dirent *e = readdir(d);

		if (!e)
			break;
		if (str_starts(e->d_name, "hsperfdata_") && read_hsperf(c, tmp, e->d_name, b))
			return;
	}
	buf_reset(b);
}

/* key: with =" behind the name. */
static bool release_value(const char *text, const char *key, char *dst, size_t size)
{
	const char *s = strstr(text, key);
	size_t len;

	while (s && s != text && s[-1] != '\n')
		s = strstr(s + 1, key);
	if (!s)
		return false;
	s += strlen(key);
	len = strcspn(s, "\"\n");
	if (s[len] != '"' || len == 0 || len >= size)
		return false;
	memcpy(dst, s, len);
	dst[len] = '\0';
	return true;
}

bool release_version(const char *text, char *dst, size_t size)
{
	return release_value(text, "JAVA_VERSION=\"", dst, size);
}

bool release_modules(const char *text, char *dst, size_t size)
{
	return release_value(text, "MODULES=\"", dst, size);
}

/* HOME is the third directory above HOME/lib/server/libjvm.so, with JDK 8 the fourth
 * (HOME/lib/amd64/server) or, when it is not only a JRE, the fifth (HOME/jre/lib/amd64/server). */
static void look_for_release(const struct peek_ctx *c, struct peek *ret)
{
	char dir[PATH_MAX], path[PATH_MAX + sizeof("/release")], *slash;

	if (!str_copy(dir, sizeof(dir), c->libjvm))
		return;
	for (int cut = 1; (slash = strrchr(dir, '/')) != NULL && cut <= 5; cut++) {
		auto_buf struct buf b = BUF_INIT(MAX_RELEASE_FILE);

		*slash = '\0';
		snprintf(path, sizeof(path), "%s/release", dir);
		if (cut >= 3 && rootpath_read(c->root, path, &b, NULL) == 0 &&
		    release_version(buf_str(&b), ret->version, sizeof(ret->version))) {
			if (!release_modules(buf_str(&b), ret->modules, sizeof(ret->modules)))
				ret->modules[0] = '\0';
			return;
		}
	}
}

static int peek_run(void *ctx, struct buf *answer, struct error *err)
{
	const struct peek_ctx *c = ctx;
	auto_buf struct buf hsperf = BUF_INIT(MAX_HSPERF);
	auto_fd int tmp = rootpath_tmp(c->root);
	struct peek ret = {.tmp_error = tmp < 0 ? -tmp : 0};

	(void)err;
	if (!ret.tmp_error) {
		look_for_socket(c, tmp, &ret);
		look_for_hsperf(c, tmp, &hsperf);
	}
	look_for_release(c, &ret);
	buf_add(answer, &ret, sizeof(ret));
	buf_add(answer, buf_str(&hsperf), hsperf.len);
	return 0;
}

/* ---- in the helper ---- */

/* The path of a mapping is seen from our root where it can be: of a process in a chroot it begins
 * with that. What follows is opened below its root, so a wrong guess finds nothing. */
static const char *below_root(const struct procfs *p, const struct peek_request *r)
{
	char link[32], root[PATH_MAX];
	ssize_t len;

	snprintf(link, sizeof(link), "%d/root", (int)r->pid);
	len = readlinkat(p->fd, link, root, sizeof(root));
	if (len <= 1 || (size_t)len >= strlen(r->libjvm) ||
	    memcmp(r->libjvm, root, (size_t)len) != 0 || r->libjvm[len] != '/')
		return r->libjvm;
	return r->libjvm + len;
}

int jvm_peek(const struct procfs *p, const struct peek_request *r, struct peek *ret,
	     struct buf *hsperf, struct error *err)
{
	auto_fd int root = rootpath_root(p, r->pid);
	auto_buf struct buf answer = BUF_INIT(sizeof(struct peek) + MAX_HSPERF);
	struct peek_ctx c = {.r = r, .root = root, .libjvm = below_root(p, r)};
	struct enter_request e = {
		.take_creds = true,
		.uid = r->uid,
		.gid = r->gid,
		.fds = {root},
		.n_fds = 1,
		.run = peek_run,
		.ctx = &c,
		.timeout_ms = PEEK_MS,
	};

	if (root < 0)
		return error_sys(err, root == -ENOENT ? ERR_TARGET : ERR_NODE, -root,
				 "cannot open the root directory of process '%d'", (int)r->pid);
	if (enter_run(p, &e, &answer, err) < 0)
		return error_prefix(err, "cannot look into the container of process '%d'",
				    (int)r->pid);
	if (answer.len < sizeof(*ret))
		return error_set(err, ERR_FAILED, "the answer of the helper's child is too short");
	memcpy(ret, answer.data, sizeof(*ret));
	ret->version[sizeof(ret->version) - 1] = '\0';
	ret->modules[sizeof(ret->modules) - 1] = '\0';
	buf_add(hsperf, answer.data + sizeof(*ret), answer.len - sizeof(*ret));
	return 0;
}
