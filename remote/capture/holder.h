/* One at a time for each JVM, and who it is. */
#ifndef REMOTE_CAPTURE_HOLDER_H
#define REMOTE_CAPTURE_HOLDER_H

#include "remote/base/error.h"
#include "remote/target.h"

/* As target_lock; when a capture has the lock, ERR_REFUSED says which one, and whose it is. */
int capture_lock(struct target *t, struct error *err) must_check;

#endif
