/*
 * Become the target: the only identity that a JVM accepts from its attach client (facts:
 * SO_PEERCRED has to show the JVM's euid and egid, in user namespaces their host view), with
 * nothing else kept.
 */
#ifndef REMOTE_CREDS_H
#define REMOTE_CREDS_H

#include <sys/types.h>

#include "remote/base/compiler.h"
#include "remote/base/error.h"

/*
 * In a single-threaded child that will not come back: real, effective, saved and file-system uid
 * and gid, no supplementary groups, no capabilities in any set (bounding and ambient too), also
 * when uid is 0; no_new_privs; not dumpable. Asked back from the kernel afterwards (containerd
 * CVE-2024-40635, crun CVE-2026-30892: a wrong uid was never noticed). ERR_NODE.
 */
int creds_drop(uid_t uid, gid_t gid, struct error *err) must_check;

/* The questions alone: ERR_NODE unless everything is as creds_drop leaves it. */
int creds_verify(uid_t uid, gid_t gid, struct error *err) must_check;

#endif
