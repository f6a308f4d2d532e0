/* Files in a container that live as long as it does: the helper's `place` and `unplace`. */
#ifndef JDIAG_AGENT_PLACE_H
#define JDIAG_AGENT_PLACE_H

#include <stdbool.h>
#include <stddef.h>

#include "jdiag/jvmref.h"
#include "remote/base/error.h"

struct helper;

#define AGENT_DIR ".jdiag-agents" /* what the helper calls it */
#define AGENT_NAME_SIZE 101	  /* of a file that `place` takes */

struct placed {
	char path[1024]; /* as the JVM sees it */
	bool mounted;	 /* on a mount of ours */
	bool existed; /* it was there already: somebody else may want it, it is not to be removed */
	char why[256]; /* why no better place was taken; "" for the first */
};

/* replace: the path of an earlier one, or NULL. exec: code will be mapped from it. ERR_NODE with
 * err->sys EROFS or ENOSPC. */
int agent_place(struct helper *h, const struct jvmref *j, const char *name, const void *data,
		size_t len, const char *sha256, bool exec, const char *replace, struct placed *ret,
		struct error *err) must_check;

/* *ret_removed false: it was not there. */
int agent_unplace(struct helper *h, const struct jvmref *j, const char *path, bool *ret_removed,
		  struct error *err) must_check;

/* The same for all beside it whose name begins with `begin` and ends with the one in path.
 * ret_name: of the last one, "" if there is none. */
int agent_unplace_like(struct helper *h, const struct jvmref *j, const char *path,
		       const char *begin, char ret_name[AGENT_NAME_SIZE],
		       struct error *err) must_check;

#endif
