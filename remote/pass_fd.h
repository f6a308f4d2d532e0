/* A descriptor from a child to the helper, through a socket pair. */
#ifndef REMOTE_PASS_FD_H
#define REMOTE_PASS_FD_H

#include "remote/base/compiler.h"

/* 0 or -errno. */
int pass_fd(int channel, int fd) must_check;

/* What has been passed, without waiting; -errno, -EPROTO when there is none. */
int take_fd(int channel) must_check;

#endif
