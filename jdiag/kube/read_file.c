#include "jdiag/kube/read_file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "remote/base/error.h"
#include "remote/base/io.h"

#define PIPE_WAIT_MS 30000
#define CHUNK 65536

/* One piece; 0 at the end. */
static ssize_t read_some(int fd, struct buf *b, uint64_t deadline)
{
	char chunk[CHUNK];
	ssize_t n;
	int rc;

	for (;;) {
		n = read(fd, chunk, sizeof(chunk));
		if (n >= 0)
			break;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		rc = io_wait(fd, POLLIN, deadline);
		if (rc <= 0)
			return rc ? rc : -ETIMEDOUT;
	}
	buf_add(b, chunk, (size_t)n);
	return b->overflow ? -EFBIG : n;
}

int read_config_file(const char *path, struct buf *b)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	uint64_t deadline = now_ms() + PIPE_WAIT_MS;
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode))
		return -EINVAL;
	do {
		n = read_some(fd, b, deadline);
	} while (n > 0);
	return (int)n;
}

char *path_from(const char *dir, const char *path)
{
	return path[0] == '/' ? xstrdup(path) : xasprintf("%s/%s", dir, path);
}
