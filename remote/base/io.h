/* Descriptors: EINTR-safe loops with deadlines, and closing by scope. */
#ifndef REMOTE_BASE_IO_H
#define REMOTE_BASE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "remote/base/buf.h"
#include "remote/base/compiler.h"
#include "remote/base/error.h"

/* Monotonic milliseconds; only differences mean something. */
uint64_t now_ms(void);

/* Make 0, 1 and 2 valid (opened on /dev/null where closed) and ignore SIGPIPE. First thing in a
 * main. 0 or -errno. */
int io_secure_stdio(void) must_check;

/* All n bytes, or -errno (-EPIPE for an early end in io_read_full). 0 on success. */
int io_write_full(int fd, const void *data, size_t n) must_check;
int io_read_full(int fd, void *data, size_t n) must_check;

/* The same on a descriptor that may or may not be non-blocking, with a deadline in now_ms() time;
 * -ETIMEDOUT when it passes. */
int io_write_deadline(int fd, const void *data, size_t n, uint64_t deadline) must_check;

/* Wait until fd is ready for events (POLLIN, POLLOUT); 1 ready, 0 deadline passed, -errno. */
int io_wait(int fd, short events, uint64_t deadline) must_check;

/* A whole file, relative to dirfd, into b, whose maximum is the limit; refuses what is not a
 * regular file (opened O_NONBLOCK|O_NOFOLLOW|O_NOCTTY, so that a FIFO cannot hang us). -EFBIG when
 * it is larger than the limit. Files of /proc count as regular. 0 or -errno. */
int io_read_file(int dirfd, const char *path, struct buf *b) must_check;

/* From where fd stands to its end, into b, whose maximum is the limit. 0, -EFBIG or -errno. */
int io_read_all(int fd, struct buf *b) must_check;

int io_set_nonblock(int fd) must_check;
int io_set_cloexec(int fd) must_check;

void fd_close(int *fd); /* closes unless -1, sets -1, keeps errno */

#define auto_fd auto_cleanup(fd_close)

#endif
