#include "remote/pass_fd.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "remote/base/io.h"

union control {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr head;
};

int pass_fd(int channel, int fd)
{
	union control control = {0};
	char one = 0;
	struct iovec byte = {.iov_base = &one, .iov_len = 1};
	struct msghdr m = {.msg_iov = &byte,
			   .msg_iovlen = 1,
			   .msg_control = control.bytes,
			   .msg_controllen = sizeof(control.bytes)};

	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	return sendmsg(channel, &m, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

int take_fd(int channel)
{
	union control control;
	char byte;
	struct iovec v = {.iov_base = &byte, .iov_len = 1};
	struct msghdr m = {.msg_iov = &v,
			   .msg_iovlen = 1,
			   .msg_control = control.bytes,
			   .msg_controllen = sizeof(control.bytes)};
	ssize_t got = recvmsg(channel, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	const struct cmsghdr *c = got == 1 ? CMSG_FIRSTHDR(&m) : NULL;
	int fd;

	if (got < 0)
		return -errno;
	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
	    c->cmsg_len != CMSG_LEN(sizeof(fd)))
		return -EPROTO;
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

int enter_run_passing(const struct procfs *p, struct enter_request r, int *channel,
		      struct buf *answer, struct error *err)
{
	auto_fd int ours = -1, theirs = -1;
	int pair[2], fd;

	if (r.n_fds == ENTER_MAX_FDS ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return error_set(err, ERR_FAILED, "cannot make a pair of sockets");
	ours = pair[0];
	theirs = *channel = pair[1];
	r.fds[r.n_fds++] = theirs;
	if (enter_run(p, &r, answer, err) < 0)
		return -1;
	fd = take_fd(ours);
	if (fd < 0)
		return error_sys(err, ERR_FAILED, -fd, "the helper's child passed no descriptor");
	return fd;
}
