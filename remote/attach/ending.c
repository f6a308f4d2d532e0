#include "remote/attach/ending.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

/* <linux/pidfd.h> of 6.15, which is newer than the headers here. */
struct pidfd_answer {
	uint64_t mask, cgroup;
	uint32_t ids[11];
	int32_t exit_code;
};

#define ANSWER_HAS_EXIT (1ull << 3)
#define GET_INFO _IOWR(0xff, 11, struct pidfd_answer) /* the size says which version */

bool ending_status(const struct procref *ref, int *ret)
{
	struct pidfd_answer a = {.mask = ANSWER_HAS_EXIT};

	if (ref->pidfd < 0 || ioctl(ref->pidfd, GET_INFO, &a) < 0 || !(a.mask & ANSWER_HAS_EXIT))
		return false;
	*ret = a.exit_code;
	return true;
}

const char *ending_text(int status, char *dst, size_t size)
{
	const char *name;

	if (WIFEXITED(status)) {
		snprintf(dst, size, "exit status %d", WEXITSTATUS(status));
		return dst;
	}
	name = sigabbrev_np(WTERMSIG(status));
	if (name)
		snprintf(dst, size, "killed by SIG%s", name);
	else
		snprintf(dst, size, "killed by signal %d", WTERMSIG(status));
	return dst;
}
