/* A descriptor from a child to the helper, through a socket pair. */
#ifndef REMOTE_PASS_FD_H
#define REMOTE_PASS_FD_H

#include "remote/base/compiler.h"
#include "remote/enter.h"

/* 0 or -errno. */
int pass_fd(int channel, int fd) must_check;

/* What has been passed, without waiting; -errno, -EPROTO when there is none. */
int take_fd(int channel) must_check;

/* enter_run of a child that passes one by *channel, which is set for it. The descriptor, or -1. */
int enter_run_passing(const struct procfs *p, struct enter_request r, int *channel,
		      struct buf *answer, struct error *err) must_check;

#endif
