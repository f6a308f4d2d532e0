/*
 * HotSpot's attach protocol (JDK 8 to 26): a Unix socket `.java_pidN` in the JVM's /tmp, which it
 * opens when it finds a file `.attach_pidN` there on SIGQUIT. Sources: attachListener_posix.cpp,
 * attachListener.cpp, os.cpp (signal_thread_entry).
 *
 * The peer of the JVM is a child with its host-view uid and gid and nothing else; it works relative
 * to a descriptor of the JVM's /tmp. The signal is sent here, by root, after the proof of design.md
 * (safety rule 1), and never when the socket answers or when the JVM runs with -Xrs.
 */
#ifndef REMOTE_ATTACH_HOTSPOT_H
#define REMOTE_ATTACH_HOTSPOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "remote/base/buf.h"
#include "remote/base/error.h"
#include "remote/enter.h"
#include "remote/jvm.h"
#include "remote/procref.h"

#define HOTSPOT_MAX_ARGS 3
#define HOTSPOT_V1_MAX_ARG 1024 /* longer ones are closed without a word */
#define HOTSPOT_MAX_REQUEST (256 * 1024)

/*
 * Encode a request: version 1 (all JVMs) while every argument fits, else version 2 (JDK 24 and
 * later; the version is the JVM's). n_args is at most 3. ERR_ATTACH when it does not fit;
 * err->sys is E2BIG when it would into version 2.
 */
int hotspot_encode(struct buf *request, const char *version, const char *command,
		   const char *const *args, size_t n_args, struct error *err) must_check;

struct hotspot_reply {
	int code;	  /* says little: "dumpheap" answers 0 whatever happens */
	const char *text; /* behind the first line; borrowed */
};

/* "<int>\n" and text. ERR_ATTACH when it is something else. */
int hotspot_parse_reply(const struct buf *raw, struct hotspot_reply *ret,
			struct error *err) must_check;

/* What the reply of `dumpheap` says. ERR_CAPTURE in the JVM's words unless a dump was created;
 * *pause_ms from "[N bytes in S secs]", 0 without it (JDK 8). */
int hotspot_check_dump(const struct hotspot_reply *reply, uint64_t *pause_ms,
		       struct error *err) must_check;

/* Used and committed bytes in the text of `jcmd GC.heap_info`, metaspace excluded; false when no
 * collector that is known (Serial, Parallel, CMS, G1, ZGC, Shenandoah) speaks there. */
bool hotspot_parse_heap_info(const char *text, uint64_t *used, uint64_t *capacity);

/* "17.0.15", "1.8.0_504": what hsperfdata calls the version, from the text of `jcmd VM.version`.
 * False (ret untouched) when it does not say. */
bool hotspot_parse_version(const char *text, char *ret, size_t size) must_check;

/* 8, 11, 17 ... of such a version; 0 when unknown. */
unsigned int hotspot_release(const char *version);

/* Does the text of `jcmd help GC.heap_dump` list that option ("-overwrite", "-parallel")? */
bool hotspot_help_lists(const char *text, const char *option);

/* Does this JVM go back to patch lengths in a dump that it has written (8, 11.0.0 to 11.0.13, all
 * below 14, and what is unknown)? */
bool hotspot_patches_dump(const char *version);

/* Does this errno say that the JVM's user may not write its /tmp, so that a private tmpfs may lie
 * over it for a while? Not when it is only full: the application uses it, and what it makes below
 * the cover would be lost. Not when the JVM listens there: with its socket out of sight it opens
 * another one, and the file of the first stays for good, which no client can tell from a live one.
 */
bool hotspot_tmp_unwritable(const struct jvm *jvm, int sys);

struct hotspot_request {
	const struct procfs *proc;
	const struct procref *ref;
	const struct jvm *jvm;
	int tmp;		/* O_PATH of its /tmp; borrowed until hotspot_stop */
	const struct buf *data; /* hotspot_encode; borrowed until hotspot_stop */
	uint64_t reply_ms;	/* for the whole answer; 0: a day */
	size_t max_reply;	/* bytes; 0: MAX_ATTACH_REPLY */
};

/* One request under way. */
struct hotspot {
	struct hotspot_request req;
	struct enter_child child;
	struct buf raw; /* the reply */
	enum { HOTSPOT_IDLE, HOTSPOT_FIRST, HOTSPOT_TRIGGERED } phase;
	bool triggered;	 /* our .attach_pidN may be there */
	bool signalled;	 /* SIGQUIT was sent */
	bool unwritable; /* failed because the JVM cannot write its /tmp */
};

/* Is there an attach socket in this /tmp? (Whose, is another question.) */
bool hotspot_listens(int tmp, pid_t ns_pid);

/* Begin; poll child.fd for reading, then call hotspot_step. */
int hotspot_start(struct hotspot *a, const struct hotspot_request *req,
		  struct error *err) must_check;

/* 1: the whole reply is in a->raw; 0: not yet; -1: failed (ERR_ATTACH): err->sys is ENOTCONN when
 * the JVM was sent nothing of the request, ETIMEDOUT when it has not answered in time. */
int hotspot_step(struct hotspot *a, struct error *err) must_check;

/* End it wherever it is, remove the trigger file, free. The JVM goes on with what it was asked. May
 * take 2.5 s when the JVM was signalled and has not reacted yet. */
void hotspot_stop(struct hotspot *a);

#endif
