/*
 * One command of the JVM's attach protocol, by the helper's `ask`, and its reply as text.
 * Everything in the reply is the JVM's word: hostile.
 */
#ifndef JDIAG_ASK_H
#define JDIAG_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jdiag/jvmref.h"
#include "remote/base/buf.h"
#include "remote/base/error.h"

#define ASK_TIMEOUT_MS 15000
#define MAX_ASK_REPLY (16 * MiB)

struct helper;

struct ask_reply {
	int code;	 /* by the first line; says little (facts of the command count) */
	struct buf text; /* behind it; NUL-terminated by buf_str */
};

void ask_reply_release(struct ask_reply *r);

/* args: at most 3. timeout_ms 0: ASK_TIMEOUT_MS. ERR_ATTACH; err->sys ESRCH: the JVM has ended, the
 * message says how if it is known. Any of the node's codes with ENOTCONN: nothing was asked. ret
 * starts zeroed. */
int jvm_ask(struct helper *h, const struct jvmref *j, const char *command, const char *const *args,
	    size_t n_args, uint64_t timeout_ms, struct ask_reply *ret,
	    struct error *err) must_check;

/* The same with conditions that the helper checks in the same moment, and holds until the answer.
 */
struct ask_request {
	const char *command;
	const char *const *args;
	size_t n_args;
	uint64_t timeout_ms;
	uint16_t unless_port; /* 0: none. ERR_REFUSED with the errno that the JVM would get there */
	const char *unless_jar; /* beginning of a name, or NULL. ERR_REFUSED, EEXIST: it is open */
	const char *needs; /* a path, or NULL. ERR_REFUSED, ENOENT: the JVM could not read it */
};

int jvm_ask_if(struct helper *h, const struct jvmref *j, const struct ask_request *q,
	       struct ask_reply *ret, struct error *err) must_check;

/* The value of a boolean VM flag by `printflag`: 1, 0, -1 (no such flag: older JVMs), -2 with err.
 */
int jvm_flag(struct helper *h, const struct jvmref *j, const char *name,
	     struct error *err) must_check;

#endif
