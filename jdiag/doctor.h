/*
 * The whole way from the command line to a JVM and to the artifact's destination, step by step and
 * without touching the JVM: what each step found, or what is wrong and the line that fixes it. The
 * steps are the functions that the commands themselves use, so that doctor cannot know better.
 */
#ifndef JDIAG_DOCTOR_H
#define JDIAG_DOCTOR_H

#include "jdiag/capture_options.h"
#include "jdiag/preflight.h"
#include "jdiag/session.h"
#include "jdiag/target.h"
#include "remote/base/compiler.h"
#include "remote/base/error.h"

struct gcs;
struct json_t;

enum doctor_state {
	DOCTOR_OK,
	DOCTOR_WARN,	/* it works, but; or something is missing that only some commands need */
	DOCTOR_FAIL,	/* the commands would fail here, with the status of the error */
	DOCTOR_SKIPPED, /* not tried: a step before it, which it needs, has failed */
};

/* One step, when it is over. */
struct doctor_line {
	const char *name;
	enum doctor_state state;
	char text[sizeof(((struct error *)0)->msg)]; /* what was found, or what is wrong */
	char fix[sizeof(((struct error *)0)->hint)]; /* "" when there is nothing to do */
};

#define DOCTOR_MAX_STEPS 32

struct doctor {
	const struct options *o; /* borrowed */
	struct target target;
	struct session session;

	/* what steps leave for later ones */
	char user[256];		      /* by the cluster API's own words; "" unknown */
	enum host_key_mode host_keys; /* as the ssh_config and the options have it */
	struct error helper_error;
	struct json_t *ps, *jvm, *inspect; /* owned; NULL until known */
	struct capture_options options;
	struct preflight preflight;
	struct error no_place; /* for a spool */
	bool estimated;
	struct gcs *gcs; /* owned */
	char *bucket;	 /* owned; NULL: the destination is none */
	bool readable;	 /* its objects */

	struct doctor_line lines[DOCTOR_MAX_STEPS];
	size_t n;
};

/* ERR_USAGE where the options do not go together or with the target. o outlives d; release d also
 * on failure. */
int doctor_init(struct doctor *d, const struct options *o, const char *target,
		struct error *err) must_check;
void doctor_release(struct doctor *d);

/* All steps; each is told when it is over. 0 when all that is needed works; else -1 with the code
 * of the first failure, or ERR_INTERRUPTED. */
int doctor_walk(struct doctor *d, void (*tell)(const struct doctor *d, const struct doctor_line *l),
		struct error *err) must_check;

/* "ok", "warn", "fail", "-". */
const char *doctor_state_name(enum doctor_state state);

/* Length of the longest name of a step. */
size_t doctor_name_width(void);

/* ---- the steps; for the table in doctor.c ---- */

/* Found, or what is wrong (-1). A step that does not fail says what it found; it may make the line
 * a warning. */
typedef int doctor_step_fn(struct doctor *d, struct doctor_line *l, struct error *err);

void doctor_say(struct doctor_line *l, const char *fmt, ...) printf_like(2, 3);
void doctor_warn(struct doctor_line *l, const char *fix, const char *fmt, ...) printf_like(3, 4);

/* Whether one JVM is meant, and not a node or host as a whole. */
bool doctor_one_jvm(const struct doctor *d);
bool doctor_has_pod(const struct doctor *d);
bool doctor_has_cluster(const struct doctor *d);

doctor_step_fn doctor_kubeconfig, doctor_api, doctor_credentials, doctor_get_pods, doctor_list_pods,
	doctor_list_nodes, doctor_get_workloads, doctor_pod, doctor_get_nodes, doctor_address;
doctor_step_fn doctor_tcp, doctor_ssh, doctor_sudo, doctor_helper, doctor_curl;
doctor_step_fn doctor_container, doctor_jvm, doctor_attach, doctor_strategy, doctor_spool,
	doctor_pod_disk, doctor_pause;
doctor_step_fn doctor_destination, doctor_bucket_read;

#endif
