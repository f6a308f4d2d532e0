/* An agent's file from this machine's disk. Private to this folder. */
#ifndef JDIAG_AGENT_FILE_H
#define JDIAG_AGENT_FILE_H

#include "remote/base/buf.h"
#include "remote/base/error.h"

/* A regular file of at most MAX_AGENT_FILE bytes, into b. ERR_USAGE. */
int agent_file_read(struct buf *b, char sha256[65], const char *path, struct error *err) must_check;

#endif
