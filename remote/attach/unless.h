/*
 * Conditions of a question: what has to be so in the moment in which it is asked, and not only when
 * somebody looked. They are checked once the caller has the lock of the JVM (capture/holder.h), and
 * hold against the other helpers of the node until unless_release: they take the port only with
 * such a claim, and remove files only with the lock. (Who asks may keep the claim for longer.)
 */
#ifndef REMOTE_ATTACH_UNLESS_H
#define REMOTE_ATTACH_UNLESS_H

#include "remote/base/error.h"
#include "remote/target.h"
#include "remote/wire/json.h"

struct unless {
	int claim; /* on the port, or -1 */
};

#define UNLESS_INIT ((struct unless){.claim = -1})

/* By "unless_port", "unless_jar" and "needs" of a request, each of which may be missing.
 * ERR_REFUSED with sys EEXIST: the JVM has such a jar open; ENOENT: it cannot read that file (any
 * more); EADDRINUSE, EACCES ...: it could not listen there. */
int unless_check(struct unless *u, const struct target *t, const struct jsonr *params,
		 struct error *err) must_check;

void unless_release(struct unless *u);

#endif
