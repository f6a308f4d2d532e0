#include "remote/attach/ending.h"

#include <arpa/inet.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "remote/base/io.h"

/* ---- of the pidfd; <linux/pidfd.h> of 6.15, which is newer than the headers here ---- */

struct pidfd_answer {
	uint64_t mask, cgroup;
	uint32_t ids[11];
	int32_t exit_code;
};

#define ANSWER_HAS_EXIT (1ull << 3)
#define GET_INFO _IOWR(0xff, 11, struct pidfd_answer) /* the size says which version */

static bool ask_pidfd(int pidfd, int *ret)
{
	struct pidfd_answer a = {.mask = ANSWER_HAS_EXIT};

	if (pidfd < 0 || ioctl(pidfd, GET_INFO, &a) < 0 || !(a.mask & ANSWER_HAS_EXIT))
		return false;
	*ret = a.exit_code;
	return true;
}

/* ---- by events ---- */

#define MESSAGE_OFFSET (NLMSG_HDRLEN + (int)offsetof(struct cn_msg, data))
#define EVENT_OFFSET(member) (MESSAGE_OFFSET + (int)offsetof(struct proc_event, member))

/* Only the end of this one: a node starts and ends thousands of others. (The filter's loads take
 * the bytes as big endian.) */
static int filter_events(int fd, pid_t pid)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)EVENT_OFFSET(what)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl((uint32_t)PROC_EVENT_EXIT), 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 (uint32_t)EVENT_OFFSET(event_data.exit.process_pid)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl((uint32_t)pid), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = {.len = ARRAY_SIZE(code), .filter = code};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

static int say(int fd, enum proc_cn_mcast_op op)
{
	struct {
		struct nlmsghdr head;
		struct cn_msg message;
		enum proc_cn_mcast_op op;
	} m = {
		.head = {.nlmsg_len = sizeof(m), .nlmsg_type = NLMSG_DONE},
		.message = {.id = {CN_IDX_PROC, CN_VAL_PROC}, .len = sizeof(m.op)},
		.op = op,
	};

	return send(fd, &m, sizeof(m), MSG_NOSIGNAL) == (ssize_t)sizeof(m) ? 0 : -1;
}

bool ending_can_listen(const char *release)
{
	unsigned int major, minor;

	return sscanf(release, "%3u.%5u", &major, &minor) == 2 &&
	       (major > 6 || (major == 6 && minor >= 6));
}

static bool can_listen(void)
{
	struct utsname u;

	return uname(&u) == 0 && ending_can_listen(u.release);
}

static void listen_to_events(struct ending *e, const struct procref *ref)
{
	struct sockaddr_nl groups = {.nl_family = AF_NETLINK, .nl_groups = CN_IDX_PROC};
	auto_fd int fd =
		socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_CONNECTOR);

	if (fd < 0 || filter_events(fd, ref->pid) < 0 ||
	    bind(fd, (struct sockaddr *)&groups, sizeof(groups)) < 0 ||
	    say(fd, PROC_CN_MCAST_LISTEN) < 0)
		return;
	e->events = STEAL_FD(fd);
}

void ending_watch(struct ending *e, const struct procref *ref, bool events)
{
	e->ref = ref;
	if (events && can_listen())
		listen_to_events(e, ref);
}

static bool read_event(int fd, int *ret)
{
	struct {
		struct nlmsghdr head;
		struct cn_msg message;
		unsigned char event[sizeof(struct proc_event)];
	} m = {0};
	struct sockaddr_nl from = {0};
	socklen_t from_len = sizeof(from);
	struct proc_event event;
	ssize_t n = recvfrom(fd, &m, sizeof(m), 0, (struct sockaddr *)&from, &from_len);

	/* Younger kernels have grown the event, older ones its union: the members stay in place. */
	if (n < EVENT_OFFSET(event_data.exit.exit_signal) || from.nl_pid != 0)
		return false;
	memcpy(&event, m.event, sizeof(event));
	*ret = (int)event.event_data.exit.exit_code;
	return true;
}

/* ---- both ---- */

bool ending_status(const struct ending *e, int *ret)
{
	return e->ref &&
	       (ask_pidfd(e->ref->pidfd, ret) || (e->events >= 0 && read_event(e->events, ret)));
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

void ending_release(struct ending *e)
{
	/* The kernel has counted its listeners by what they say. */
	if (e->events >= 0)
		say(e->events, PROC_CN_MCAST_IGNORE);
	fd_close(&e->events);
}
