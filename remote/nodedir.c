#include "remote/nodedir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/base/str.h"

int jdiag_name_new(char name[JDIAG_NAME_SIZE], struct error *err)
{
	unsigned char id[JDIAG_ID_DIGITS / 2];

	if (getrandom(id, sizeof(id), 0) != (ssize_t)sizeof(id))
		return error_sys(err, ERR_FAILED, errno, "cannot get random bytes");
	memcpy(name, JDIAG_PREFIX, sizeof(JDIAG_PREFIX));
	str_hex(name + strlen(JDIAG_PREFIX), id, sizeof(id));
	return 0;
}

bool jdiag_name_is(const char *name)
{
	return str_starts(name, JDIAG_PREFIX) && strlen(name) == JDIAG_NAME_SIZE - 1 &&
	       str_only(name + strlen(JDIAG_PREFIX), "0123456789abcdef");
}

static int is_this(void *ctx, const char *path)
{
	const struct stat *wanted = ctx;
	struct stat st;

	return stat(path, &st) == 0 && st.st_dev == wanted->st_dev && st.st_ino == wanted->st_ino;
}

/* So that it is found though it is in no usual place. */
static int make_link(const struct nodedir *n)
{
	char path[64];
	struct stat st;

	if (fstat(n->base, &st) < 0)
		return -1;
	if (nodedir_each_base(is_this, &st))
		return 0;
	snprintf(path, sizeof(path), "%s/%s", NODEDIR_RUN, n->name);
	return symlink(n->path, path);
}

static int open_dir(int at, const char *name)
{
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int make_inside(struct nodedir *n, uid_t uid, gid_t gid)
{
	n->lock = openat(n->dir, "unlocked", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	/* Only then by its name: a sweep would take one that is not locked for a dead helper's. */
	if (n->lock < 0 || flock(n->lock, LOCK_EX | LOCK_NB) < 0 ||
	    renameat(n->dir, "unlocked", n->dir, "lock") < 0 || mkdirat(n->dir, "dump", 0700) < 0)
		return -1;
	n->dump = open_dir(n->dir, "dump");
	return n->dump < 0 || fchown(n->dump, uid, gid) < 0 ? -1 : make_link(n);
}

int nodedir_create(struct nodedir *n, const struct nodedir_base *base, const char *name, uid_t uid,
		   gid_t gid, struct error *err)
{
	struct nodedir made = NODEDIR_INIT;
	struct error ignored;

	snprintf(made.path, sizeof(made.path), "%s/%s", base->path, name);
	snprintf(made.name, sizeof(made.name), "%s", name);
	made.base = open(base->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (made.base < 0 || mkdirat(made.base, name, 0700) < 0) {
		error_sys(err, ERR_NODE, errno, "cannot create '%s'", made.path);
		fd_close(&made.base);
		return -1;
	}
	made.dir = open_dir(made.base, name);
	if (made.dir < 0 || make_inside(&made, uid, gid) < 0) {
		error_sys(err, ERR_NODE, errno == EEXIST ? EBUSY : errno, "cannot set up '%s'",
			  made.path);
		if (nodedir_remove(&made, &ignored) < 0)
			return error_prefix(err, "and '%s' is left", made.path);
		return -1;
	}
	*n = made;
	return 0;
}

int nodedir_note_pid(const struct nodedir *n, const struct procfs *p, struct error *err)
{
	uint64_t start_time;
	char text[64];
	ssize_t len;
	int rc = proc_read_start_time(p, getpid(), &start_time);

	if (rc < 0)
		return error_sys(err, ERR_NODE, -rc, "cannot read one's own start time");
	len = snprintf(text, sizeof(text), "%d %llu\n", (int)getpid(),
		       (unsigned long long)start_time);
	if (pwrite(n->lock, text, (size_t)len, 0) != len || ftruncate(n->lock, len) < 0)
		return error_sys(err, ERR_NODE, errno, "cannot write '%s/lock'", n->path);
	return 0;
}
