#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/base/log.h"
#include "remote/capture/holder.h"
#include "remote/enter.h"
#include "remote/place/jobs.h"
#include "remote/place/mounted.h"
#include "remote/place/place.h"

static int remove_from(struct target *t, struct agent_mount *m, struct place_job *j,
		       struct removed *ret, struct error *err)
{
	struct error e = {0};
	int rc;

	if (agent_mount_lock(m, err) < 0)
		return -1;
	j->dir = m->fd;
	rc = agent_mount_writable(t, m, true, err);
	if (rc == 0)
		rc = job_remove(t, j, ret, err);
	if (rc == 0 && !ret->left)
		rc = agent_mount_remove(t, m, err);
	else if (agent_mount_writable(t, m, false, &e) < 0)
		log_at(LOG_WARN, "%s", e.msg);
	return rc;
}

/* Where it is mounted, the tmpfs goes with its last file. */
static int remove_mounted(struct target *t, const char *dir, struct place_job *j,
			  struct removed *ret, struct error *err)
{
	struct agent_mount m = AGENT_MOUNT_INIT;
	int rc = 0;

	if (agent_mount_find(t, dir, &m))
		rc = remove_from(t, &m, j, ret, err);
	agent_mount_close(&m);
	return rc;
}

int place_remove(struct target *t, const char *path, const char *begin,
		 char ret_name[PLACE_NAME_SIZE], struct error *err)
{
	char dir[PLACE_PATH_SIZE], name[PLACE_NAME_SIZE];
	struct spots spots = {.n = 1};
	struct place_job j = {.spots = &spots, .dir = -1, .name = name, .content = {.fd = -1}};
	struct removed r = {.name = ""};
	bool below;
	int rc;

	*ret_name = '\0';
	if (!place_path_split(path, dir, name, &below) || (*begin && !place_name_is(begin)))
		return error_set(err, ERR_USAGE, "'%s' is nothing that was placed", path);
	if (capture_lock(t, err) < 0)
		return -1;
	j.begin = *begin ? begin : NULL;
	snprintf(spots.list[0].path, sizeof(spots.list[0].path), "%s", dir);
	rc = below ? job_remove(t, &j, &r, err) : remove_mounted(t, dir, &j, &r, err);
	memcpy(ret_name, r.name, PLACE_NAME_SIZE);
	return rc;
}
