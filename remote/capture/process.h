/*
 * The capture process: forked by `begin`, and from then on nobody's. In its own session, with no
 * descriptor of the connection, it holds the lock of the JVM until the dump is written and the lock
 * of its spool directory until that is gone. It attaches (attach/), lets the drain take what the
 * JVM writes (drain/), writes the state (spool/), undoes everything in the container, and then
 * stays to keep the spool until its time to live has passed.
 */
#ifndef REMOTE_CAPTURE_PROCESS_H
#define REMOTE_CAPTURE_PROCESS_H

#include <stdbool.h>

#include "remote/base/error.h"
#include "remote/capture/request.h"
#include "remote/wire/json.h"

/* What it says once, when its first state is saved or when it could not come that far. */
struct capture_report {
	bool failed;
	bool exists; /* there was one of that id already; nothing was started */
	struct error error;
};

/* Fork it. params: of `begin`, for the target. lifeline: a pipe's read end; when that pipe ends,
 * the capture is removed; -1: it goes on without anybody. *ret_report is to be polled and read.
 * When nobody has the other end of the report any more, it gives up before the JVM was touched. */
int capture_process_start(const struct jsonr *params, const struct capture_request *r, int lifeline,
			  int *ret_report, struct error *err) must_check;

/* 1: *ret; 0: not yet; -1: it died. */
int capture_report_read(int fd, struct capture_report *ret, struct error *err) must_check;

#endif
