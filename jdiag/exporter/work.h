/*
 * One pod with a connection to its node, and the JVMs in it that inject, status and eject work on.
 */
#ifndef JDIAG_EXPORTER_WORK_H
#define JDIAG_EXPORTER_WORK_H

#include <stdbool.h>

#include "jdiag/exporter/find.h"
#include "jdiag/exporter/mark.h"
#include "jdiag/jvmref.h"
#include "remote/base/error.h"

#define EXPORTER_VARIABLE "PROMETHEUS_CONFIG" /* asked for by a survey of exporter_jvm_look */

struct exporter_settings;
struct json_t;
struct pod_container;
struct progress;
struct session;
struct target;

struct exporter_work {
	struct session *session;	    /* borrowed */
	struct exporter_settings *settings; /* borrowed; NULL: of inject only */
	struct progress *progress;	    /* borrowed */
	struct json_t *pod;		    /* owned: with its annotations; NULL behind ssh:// (and
					       before, unless it was read already) */
	struct json_t *answer;		    /* owned: of `ps` */
	struct json_t *results;		    /* owned: an array of what became of each JVM */
};

/* A JVM of it. */
struct exporter_jvm {
	const struct json_t *jvm; /* as `ps` has it; borrowed */
	struct jvmref ref;
	const struct pod_container *container; /* borrowed; NULL: behind ssh:// */
	struct json_t *survey;		       /* owned */
	struct exporter_found found;	       /* by what can be seen */
	struct mark mark;
	bool marked;	    /* the mark is of this very JVM */
	bool outlived;	    /* it is of one that has ended since: of the same pid, or the
			       container's own */
	bool restarted;	    /* and this one is in its place: of the same pid, or alone in the
			       container */
	char mark_why[128]; /* there is one that cannot be read; else "" */
};

/* The pod of t (or t itself, behind ssh://), from the API, and the address of its node; has_node:
 * that is connected to already, and has to be its node still. */
int exporter_work_resolve(struct exporter_work *w, const struct target *t, bool has_node,
			  struct error *err) must_check;
void exporter_work_release(struct exporter_work *w);

/* Read the pod once more: it has to be the same one. */
int exporter_work_reread(struct exporter_work *w, struct error *err) must_check;

/* Connect if need be, and ask for the JVMs: *ret, a new array of those that -c and --jvm mean, in
 * the order of the pod's containers. ERR_TARGET: there is none. */
int exporter_work_find(struct exporter_work *w, struct json_t **ret, struct error *err) must_check;

/* Did that fail only because no JVM runs in the pod, of which none was named? */
bool exporter_work_is_empty(const struct exporter_work *w, const struct error *why);

/* Does the pod share the ports of its node? Not without a pod. */
bool exporter_has_node_network(const struct exporter_work *w) must_check;

/* ERR_TARGET: which there are, and how one is chosen. */
int exporter_work_ambiguous(const struct exporter_work *w, const struct json_t *jvms,
			    struct error *err);

/* What is known of one. It becomes the session's container. ret starts zeroed. */
int exporter_jvm_look(struct exporter_work *w, const struct json_t *jvm, struct exporter_jvm *ret,
		      struct error *err) must_check;
void exporter_jvm_release(struct exporter_jvm *j);

/* Does the JVM that it is of run? */
bool exporter_mark_runs(const struct exporter_work *w, const struct mark *m) must_check;

/* A new result: where it is, and the state: "injected" ... Goes into w->results as well; borrowed.
 * j NULL: of the pod. */
struct json_t *exporter_result(struct exporter_work *w, const struct exporter_jvm *j,
			       const char *state);

/* A result of one that failed while the others go on: "failed", with code, reason and hint. jvm: as
 * `ps` has it. */
void exporter_result_failed(struct exporter_work *w, const struct json_t *jvm,
			    const struct error *why);

/* Does that say that this JVM has ended, and nothing else? */
bool exporter_jvm_ended(const struct error *why) must_check;

/* The mark's members of a result. */
void exporter_result_mark(struct json_t *result, const struct mark *m);

#endif
