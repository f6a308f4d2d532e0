/* What a heap dump is going to be: for the person who is asked, and as the result of --dry-run. */
#ifndef JDIAG_PLAN_H
#define JDIAG_PLAN_H

struct json_t;
struct preflight;
struct session;

/* All borrowed. */
struct plan {
	const struct session *session;
	const struct json_t *jvm;      /* as `ps` gave it */
	const struct json_t *manifest; /* as manifest_new made it */
	const struct preflight *preflight;
	const char *url; /* of the sink */
};

/* A few lines, each as a label and a text, handed to `line` unescaped. */
void plan_tell(const struct plan *p, void (*line)(const char *text));

/* One object on stdout, kind HeapDumpPlan. */
void plan_print_json(const struct plan *p);

#endif
