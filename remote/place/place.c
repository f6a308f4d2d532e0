/*
 * A file on its way into a container: received in memory, checked, then
 *	staged		under a temporary name in the first directory that takes it (a child that is
 *			polled: disks are slow)
 *	committed	renamed, and looked at by the JVM's path (another one)
 * Where no directory takes it that is the container's alone the same happens on a tmpfs of ours
 * (mounted.h), and without that in a directory that others of the pod may have, too.
 */
#include "remote/place/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/base/log.h"
#include "remote/base/str.h"
#include "remote/capture/holder.h"
#include "remote/place/jobs.h"
#include "remote/place/mounted.h"
#include "remote/place/spots.h"

#define UNDO_MS 2000
#define LEAST_UNDO_MS 100

struct placing {
	struct target *t; /* borrowed */
	struct place_request req;
	int memory; /* memfd */
	uint64_t have;
	struct sha256 *digest;
	struct spots spots; /* directories to try */
	struct agent_mount mount;
	struct enter_child child;
	struct buf answer;
	struct staged staged;
	unsigned int tried; /* of the directories */
	char temp[PLACE_TEMP_SIZE];
	struct place_result result;
	int worst; /* ENOSPC, EROFS */
	enum {
		IN_OWN,	   /* a directory that is the container's alone */
		IN_MOUNT,  /* our tmpfs */
		IN_SHARED, /* any directory */
		IN_GIVEN,  /* that of the file that is replaced, whatever it is */
	} where;
	enum { RECEIVING, STAGING, COMMITTING, DONE } phase;
};

int placing_new(struct placing **ret, struct target *t, const struct place_request *r,
		struct error *err)
{
	int fd = memfd_create("jdiag-place", MFD_CLOEXEC);
	struct placing *p;

	if (fd < 0)
		return error_sys(err, ERR_NODE, errno, "cannot make room in memory");
	p = xcalloc(1, sizeof(*p));
	*p = (struct placing){
		.t = t,
		.req = *r,
		.memory = fd,
		.digest = sha256_new(),
		.mount = AGENT_MOUNT_INIT,
		.child = ENTER_CHILD_INIT,
		.answer = BUF_INIT(sizeof(struct staged)),
		.worst = EROFS,
	};
	*ret = p;
	return 0;
}

/* ---- what a child is told ---- */

static struct place_job job_of(const struct placing *p)
{
	return (struct place_job){
		.spots = &p->spots,
		.shared = p->where == IN_SHARED || p->where == IN_GIVEN,
		.tried = p->where == IN_SHARED ? p->tried : 0,
		.spot = p->staged.spot,
		.dir = p->where == IN_MOUNT ? p->mount.fd : -1,
		.name = p->req.name,
		.temp = p->temp,
		.content = {p->memory, p->req.size, p->req.sha256},
		.exec = p->req.exec,
		.replace = *p->req.path,
		.existed = p->staged.existed,
		.inode = p->staged.inode,
		.path = *p->result.path ? p->result.path : NULL,
	};
}

static int stage(struct placing *p, struct error *err)
{
	struct place_job j = job_of(p);

	buf_reset(&p->answer);
	p->staged = (struct staged){0};
	return job_stage_start(p->t, &j, &p->child, err);
}

/* ---- the beginning: everything has been received ---- */

static int check_digest(const struct placing *p, struct error *err)
{
	char hex[SHA256_HEX_SIZE];

	if (strcmp(sha256_hex(p->digest, hex), p->req.sha256) == 0)
		return 0;
	return error_set(err, ERR_CAPTURE, "'%s' did not arrive as it was sent: its digest is %s",
			 p->req.name, hex);
}

static int choose_temp(struct placing *p, struct error *err)
{
	unsigned char random[8];
	char hex[2 * sizeof(random) + 1];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return error_sys(err, ERR_FAILED, errno, "cannot get random bytes");
	snprintf(p->temp, sizeof(p->temp), "%s%s", PLACE_TEMP,
		 str_hex(hex, random, sizeof(random)));
	return 0;
}

static int use_mount(struct placing *p, struct error *err)
{
	if (!p->mount.is_new && agent_mount_lock(&p->mount, err) < 0)
		return -1;
	p->where = IN_MOUNT;
	return p->mount.is_new ? 0 : agent_mount_writable(p->t, &p->mount, true, err);
}

/* The one place of a file that is to be replaced. */
static int find_replaced(struct placing *p, struct error *err)
{
	char dir[PLACE_PATH_SIZE], name[PLACE_NAME_SIZE];
	bool below;

	if (!place_path_split(p->req.path, dir, name, &below))
		return error_set(err, ERR_USAGE, "'%s' is no path of ours", p->req.path);
	if (!below && !agent_mount_find(p->t, dir, &p->mount))
		return error_sys(err, ERR_NODE, ENOENT, "nothing of ours is mounted on '%s'", dir);
	if (!below)
		return use_mount(p, err);
	p->where = IN_GIVEN;
	snprintf(p->spots.list[0].path, PLACE_PATH_SIZE, "%s", dir);
	p->spots.list[0].name = "its directory";
	p->spots.n = 1;
	p->spots.root = spots_root(p->t);
	return 0;
}

static int begin(struct placing *p, struct error *err)
{
	if (check_digest(p, err) < 0 || choose_temp(p, err) < 0)
		return -1;
	if (!procref_alive(p->t->proc, &p->t->ref))
		return error_set(err, ERR_TARGET, "process %d has ended", (int)p->t->ref.pid);
	if (capture_lock(p->t, err) < 0)
		return -1;
	p->phase = STAGING;
	if (!*p->req.path)
		spots_find(p->t, &p->spots);
	else if (find_replaced(p, err) < 0)
		return -1;
	return stage(p, err);
}

int placing_add(struct placing *p, const void *data, size_t len, struct error *err)
{
	if (p->phase != RECEIVING || len > p->req.size - p->have)
		return error_set(err, ERR_CAPTURE, "'%s' is longer than %llu bytes", p->req.name,
				 (unsigned long long)p->req.size);
	if (io_write_full(p->memory, data, len) < 0)
		return error_sys(err, ERR_NODE, ENOMEM, "cannot keep '%s' in memory", p->req.name);
	sha256_add(p->digest, data, len);
	p->have += len;
	if (p->have < p->req.size)
		return 0;
	return begin(p, err) < 0 ? -1 : 1;
}

/* ---- the end ---- */

static void note(struct placing *p, const char *why)
{
	size_t len = strlen(p->result.why);

	snprintf(p->result.why + len, sizeof(p->result.why) - len, "%s%s", len ? "; " : "", why);
}

/* The last possibility is gone, too. */
static int no_place(struct placing *p, struct error *err)
{
	error_set(err, ERR_NODE, "no place in the container for '%s': %s", p->req.name,
		  p->result.why);
	err->sys = p->worst;
	return error_hint(err, p->worst == ENOSPC
				       ? "make room there"
				       : "let the JVM's user have a directory that only it can "
					 "write to: its home, or its working directory");
}

static int set_path(struct placing *p, const char *dir, const char *below, struct error *err)
{
	char path[PLACE_PATH_SIZE];

	if (spot_join(path, dir, below ? below : p->req.name) &&
	    (!below || spot_join(p->result.path, path, p->req.name))) {
		if (!below)
			snprintf(p->result.path, sizeof(p->result.path), "%s", path);
		return 0;
	}
	return error_sys(err, ERR_NODE, ENAMETOOLONG, "'%s' in the container", dir);
}

static int commit_in_directory(struct placing *p, struct error *err)
{
	struct place_job j;

	if (set_path(p, p->spots.list[p->staged.spot].path, PLACE_DIR, err) < 0)
		return -1;
	j = job_of(p);
	p->phase = COMMITTING;
	buf_reset(&p->answer);
	return job_commit_start(p->t, &j, &p->child, err);
}

/* It is a tmpfs, and proved to be: nothing there waits for anybody. */
static int commit_in_mount(struct placing *p, struct error *err)
{
	struct place_job j = job_of(p);
	struct committed c;

	if (job_commit(p->t, &j, &c, err) < 0)
		return -1;
	p->result.existed = p->staged.existed = c.existed;
	p->staged.inode = c.inode;
	return agent_mount_writable(p->t, &p->mount, false, err);
}

/* By the path that the JVM will use. */
static int finish_in_mount(struct placing *p, struct error *err)
{
	struct place_job j;

	if (set_path(p, p->mount.point, NULL, err) < 0)
		return -1;
	p->result.mounted = true;
	j = job_of(p);
	if (job_verify(p->t, &j, err) < 0)
		return -1;
	p->phase = DONE;
	return 1;
}

static void leave_mount(struct placing *p, uint64_t timeout_ms)
{
	struct place_job j = job_of(p);
	struct error e = {0};

	if (p->mount.is_new) {
		if (agent_mount_remove(p->t, &p->mount, &e) < 0)
			log_at(LOG_WARN, "%s", e.msg);
	} else if (p->mount.fd >= 0) {
		if (agent_mount_writable(p->t, &p->mount, true, &e) < 0 ||
		    job_undo(p->t, &j, timeout_ms, &e) < 0)
			log_at(LOG_WARN, "'%s' may be left in the container: %s", p->temp, e.msg);
		if (agent_mount_writable(p->t, &p->mount, false, &e) < 0)
			log_at(LOG_WARN, "%s", e.msg);
	}
	agent_mount_close(&p->mount);
}

/* The mount is none, either: what others of the pod may have, too. */
static int go_to_shared(struct placing *p, struct error *err)
{
	leave_mount(p, UNDO_MS);
	p->where = IN_SHARED;
	return stage(p, err);
}

/* No directory took it. */
static int go_to_mount(struct placing *p, struct error *err)
{
	struct error e = {0};

	if (agent_mount_find(p->t, NULL, &p->mount) || agent_mount_make(p->t, &p->mount, &e) == 0)
		return use_mount(p, err) < 0 ? -1 : stage(p, err);
	note(p, e.msg);
	if (e.sys == ENOSPC)
		p->worst = ENOSPC;
	return go_to_shared(p, err);
}

static int staged_in_mount(struct placing *p, struct error *err)
{
	struct error e = {0};

	if (commit_in_mount(p, err) < 0)
		return -1;
	if (p->mount.attached || agent_mount_attach(p->t, &p->mount, &e) == 0)
		return finish_in_mount(p, err);
	note(p, e.msg);
	return go_to_shared(p, err);
}

static int take_staged(struct placing *p, struct error *err)
{
	if (p->answer.len != sizeof(p->staged))
		return error_set(err, ERR_FAILED, "the helper's child gave no answer");
	memcpy(&p->staged, p->answer.data, sizeof(p->staged));
	p->staged.why[sizeof(p->staged.why) - 1] = '\0';
	if (p->staged.why[0])
		note(p, p->staged.why);
	if (p->staged.worst == ENOSPC)
		p->worst = ENOSPC;
	if (p->where == IN_OWN)
		p->tried = p->staged.tried;
	return 0;
}

static int after_staging(struct placing *p, struct error *err)
{
	if (take_staged(p, err) < 0)
		return -1;
	if (p->staged.found)
		return p->where == IN_MOUNT ? staged_in_mount(p, err) : commit_in_directory(p, err);
	if (p->where == IN_SHARED || *p->req.path)
		return no_place(p, err);
	return p->where == IN_MOUNT ? go_to_shared(p, err) : go_to_mount(p, err);
}

static int after_commit(struct placing *p, struct error *err)
{
	struct committed c;

	if (p->answer.len != sizeof(c))
		return error_set(err, ERR_FAILED, "the helper's child gave no answer");
	memcpy(&c, p->answer.data, sizeof(c));
	p->result.existed = c.existed;
	p->phase = DONE;
	return 1;
}

int placing_step(struct placing *p, struct place_result *ret, struct error *err)
{
	int rc;

	if (p->phase == RECEIVING)
		return 0;
	rc = enter_collect(&p->child, &p->answer, err);
	if (rc > 0)
		rc = p->phase == STAGING ? after_staging(p, err) : after_commit(p, err);
	if (rc > 0)
		*ret = p->result;
	return rc;
}

int placing_fd(const struct placing *p)
{
	return p->child.fd;
}

static uint64_t time_to_undo(uint64_t end_by)
{
	uint64_t now = now_ms();

	if (!end_by || end_by > now + UNDO_MS)
		return UNDO_MS;
	return end_by > now + LEAST_UNDO_MS ? end_by - now : LEAST_UNDO_MS;
}

static void undo(struct placing *p, uint64_t timeout_ms)
{
	struct place_job j = job_of(p);
	struct error e = {0};

	if (p->where == IN_MOUNT)
		leave_mount(p, timeout_ms);
	else if (p->spots.n && job_undo(p->t, &j, timeout_ms, &e) < 0)
		log_at(LOG_WARN, "'%s' may be left in the container: %s", p->temp, e.msg);
}

void placing_free(struct placing *p, uint64_t end_by)
{
	if (!p)
		return;
	enter_stop(&p->child);
	if (p->phase == STAGING || p->phase == COMMITTING)
		undo(p, time_to_undo(end_by));
	agent_mount_close(&p->mount);
	fd_close(&p->memory);
	sha256_free(p->digest);
	buf_release(&p->answer);
	free(p);
}
