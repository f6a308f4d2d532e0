/* What tidy does with what place has put into a container. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/base/log.h"
#include "remote/enter.h"
#include "remote/place/dir.h"
#include "remote/place/mounted.h"
#include "remote/place/place.h"

#define SWEEP_MS 2000

/* ---- directories ---- */

struct sweep_job {
	int parent;
	bool dry;
};

static int run_sweep(void *ctx, struct buf *answer, struct error *err)
{
	const struct sweep_job *j = ctx;
	auto_fd int dir = placedir_open(j->parent, false);
	int left = dir < 0 ? dir : placedir_clean(dir, j->dry);

	(void)answer;
	if (left == 0 && (j->dry || unlinkat(j->parent, PLACE_DIR, AT_REMOVEDIR) == 0))
		return 0;
	return error_set(err, ERR_NODE, "others are in it");
}

bool place_sweep(const struct target *t, int parent, bool dry)
{
	struct sweep_job j = {parent, dry};
	struct enter_request r = {
		.target = &t->ref,
		.take_creds = true,
		.uid = t->jvm.uid,
		.gid = t->jvm.gid,
		.fds = {parent},
		.n_fds = 1,
		.run = run_sweep,
		.ctx = &j,
		.timeout_ms = SWEEP_MS,
	};
	struct error others = {0};

	return enter_run(t->proc, &r, NULL, &others) == 0;
}

/* ---- the tmpfs ---- */

static int run_count(void *ctx, struct buf *answer, struct error *err)
{
	const int *dir = ctx;
	int left = placedir_check(*dir);

	if (left == 0)
		left = placedir_clean(*dir, true);
	if (left < 0)
		return error_sys(err, ERR_NODE, -left, "cannot look into it");
	buf_add(answer, &left, sizeof(left));
	return 0;
}

static bool is_empty(const struct target *t, int dir)
{
	auto_buf struct buf answer = BUF_INIT(sizeof(int));
	struct enter_request r = {
		.target = &t->ref,
		.take_creds = true,
		.uid = t->jvm.uid,
		.gid = t->jvm.gid,
		.fds = {dir},
		.n_fds = 1,
		.run = run_count,
		.ctx = &dir,
		.timeout_ms = SWEEP_MS,
	};
	struct error unknown = {0};
	int left = -1;

	if (enter_run(t->proc, &r, &answer, &unknown) == 0 && answer.len == sizeof(left))
		memcpy(&left, answer.data, sizeof(left));
	return left == 0;
}

bool place_sweep_mount(struct target *t, const struct mount_line *line, bool dry)
{
	struct agent_mount m = AGENT_MOUNT_INIT;
	struct error e = {0};
	bool gone = false;

	if (agent_mount_open(t, line, &m) && agent_mount_lock(&m, &e) == 0) {
		gone = is_empty(t, m.fd);
		if (!dry && gone)
			gone = agent_mount_remove(t, &m, &e) == 0;
		else if (!dry && agent_mount_writable(t, &m, false, &e) < 0)
			log_at(LOG_WARN, "%s", e.msg);
	}
	agent_mount_close(&m);
	return gone;
}
