/*
 * Look at the few files in a container that tell about a JVM. Done by a child with the JVM's own
 * identity and a deadline: whatever the container makes of its file system (links, FIFOs, a FUSE
 * server that never answers) can neither be reached with our privileges nor hold the helper up.
 */
#ifndef REMOTE_JVM_PEEK_H
#define REMOTE_JVM_PEEK_H

#include <stdint.h>
#include <sys/types.h>

#include "remote/base/buf.h"
#include "remote/base/error.h"
#include "remote/jvm_args.h"
#include "remote/procfs.h"

struct peek_request {
	pid_t pid, ns_pid;
	uid_t uid; /* effective, host view */
	gid_t gid;
	uint64_t started;   /* seconds since the epoch: an older hsperfdata is not this JVM's */
	const char *libjvm; /* as mapped; "" when the release file is not wanted */
};

enum peek_socket { PEEK_NO_SOCKET, PEEK_SOCKET, PEEK_FOREIGN_SOCKET };

struct peek {
	int tmp_error; /* 0, or the errno of opening /tmp (ELOOP: it is a symbolic link) */
	enum peek_socket socket; /* /tmp/.java_pidNSPID: the JVM's own, or what is there instead */
	char version[64];	 /* JAVA_VERSION of the release file beside libjvm; "" unknown */
	char modules[JVM_MODULES_SIZE]; /* MODULES of it */
};

/* hsperf (its maximum is the limit; larger files are ignored) gets a file that belongs to the JVM's
 * user, is not older than the JVM and begins as hsperfdata does; else it stays empty. */
int jvm_peek(const struct procfs *p, const struct peek_request *r, struct peek *ret,
	     struct buf *hsperf, struct error *err) must_check;

/* JAVA_VERSION="..." in the text of a release file. */
bool release_version(const char *text, char *dst, size_t size);

/* The names in MODULES="...", with a blank between them. */
bool release_modules(const char *text, char *dst, size_t size);

#endif
