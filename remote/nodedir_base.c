/* Where directories of ours may be, and which of these places is the best. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "remote/base/str.h"
#include "remote/nodedir.h"

#define MAX_DISKS 64

#ifndef CIFS_SUPER_MAGIC
#define CIFS_SUPER_MAGIC 0xff534d42
#endif
#define FUSE_MAGIC 0x65735546

int nodedir_each_base(int (*fn)(void *ctx, const char *path), void *ctx)
{
	static const char *const fixed[] = {"/var/lib", "/var/tmp", "/mnt/stateful_partition",
					    "/tmp", NODEDIR_RUN};
	DIR *d;
	struct dirent *e;
	char path[256];
	int n = 0, rc = 0;

	for (size_t i = 0; i < ARRAY_SIZE(fixed) && !rc; i++)
		rc = fn(ctx, fixed[i]);
	d = rc ? NULL : opendir("/mnt/disks"); /* local SSDs and attached disks of GKE nodes */
	if (!d)
		return rc;
	while (!rc && n < MAX_DISKS && (e = readdir(d))) {
		if (e->d_name[0] == '.' || strlen(e->d_name) > 64)
			continue;
		snprintf(path, sizeof(path), "/mnt/disks/%s", e->d_name);
		rc = fn(ctx, path);
		n++;
	}
	closedir(d);
	return rc;
}

/* NULL when a dump may lie here, else why not. */
static const char *why_not(const char *path, uint64_t *free)
{
	struct statvfs v;
	struct statfs s;
	struct stat st;

	if (stat(path, &st) < 0 || statvfs(path, &v) < 0 || statfs(path, &s) < 0)
		return strerror(errno);
	if (!S_ISDIR(st.st_mode))
		return "not a directory";
	if (v.f_flag & ST_RDONLY)
		return "read-only";
	if (st.st_uid != 0 || (st.st_mode & S_IWOTH && !(st.st_mode & S_ISVTX)))
		return "others could exchange what is in it";
	switch ((unsigned int)s.f_type) {
	case TMPFS_MAGIC:
	case RAMFS_MAGIC:
		return "in memory";
	case NFS_SUPER_MAGIC:
	case CIFS_SUPER_MAGIC:
	case FUSE_MAGIC:
		return "on a network";
	}
	*free = (uint64_t)v.f_bavail * v.f_frsize;
	return NULL;
}

bool nodedir_has_more(uint64_t free, uint64_t first)
{
	return free > first && free - first > first / 64;
}

static int consider(void *ctx, const char *path)
{
	struct nodedir_base *best = ctx;
	uint64_t free = 0;

	/* The first of equals wins: the fixed ones come in the order of preference. */
	if (strcmp(path, NODEDIR_RUN) == 0 || why_not(path, &free) ||
	    (best->path[0] && !nodedir_has_more(free, best->free)))
		return 0;
	if (str_copy(best->path, sizeof(best->path), path))
		best->free = free;
	return 0;
}

int nodedir_choose(const char *forced, struct nodedir_base *ret, struct error *err)
{
	struct nodedir_base best = {0};
	const char *why;

	if (*forced) {
		if (*forced != '/' || !str_copy(best.path, sizeof(best.path), forced))
			return error_set(err, ERR_USAGE, "'%s' is not an absolute path", forced);
		why = why_not(forced, &best.free);
		if (why && strcmp(why, "in memory") != 0)
			return error_set(err, ERR_NODE, "cannot use the directory '%s': %s", forced,
					 why);
	} else {
		(void)nodedir_each_base(consider, &best); /* never ends early */
		if (!best.path[0])
			return error_set(err, ERR_NODE,
					 "the node has no writable disk for the dump");
	}
	*ret = best;
	return 0;
}
