#include "jdiag/doctor.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/deliver_end.h"
#include "jdiag/gcs/gcs.h"
#include "jdiag/interrupt.h"
#include "remote/base/str.h"

bool doctor_has_cluster(const struct doctor *d)
{
	return d->target.kind != TARGET_SSH;
}

bool doctor_has_pod(const struct doctor *d)
{
	return d->target.kind == TARGET_POD;
}

bool doctor_one_jvm(const struct doctor *d)
{
	return doctor_has_pod(d) ||
	       (d->target.kind == TARGET_SSH && (d->o->container || d->o->host_pid || d->o->jvm));
}

static bool to_bucket(const struct doctor *d)
{
	return doctor_one_jvm(d) && d->o->to && str_starts(d->o->to, "gs://");
}

static bool from_node(const struct doctor *d)
{
	return d->o->upload_from == UPLOAD_FROM_NODE;
}

/* In the order of the way. A step is tried when none of those that it needs has failed. */
static const struct step {
	const char *name;
	const char *needs;			 /* names, separated by blanks */
	bool (*applies)(const struct doctor *d); /* NULL: always */
	doctor_step_fn *run;
	bool optional; /* what only some commands need: a failure is a warning */
} steps[] = {
	{"kubeconfig", "", doctor_has_cluster, doctor_kubeconfig, false},
	{"api", "kubeconfig", doctor_has_cluster, doctor_api, false},
	{"credentials", "api", doctor_has_cluster, doctor_credentials, false},
	{"get-pods", "credentials", doctor_has_pod, doctor_get_pods, false},
	{"list-pods", "credentials", doctor_has_cluster, doctor_list_pods, true},
	{"get-workloads", "credentials", doctor_has_pod, doctor_get_workloads, true},
	{"pod", "credentials get-pods", doctor_has_pod, doctor_pod, false},
	{"get-nodes", "credentials", doctor_has_cluster, doctor_get_nodes, false},
	{"list-nodes", "credentials", doctor_has_cluster, doctor_list_nodes, true},
	{"address", "pod get-nodes credentials", NULL, doctor_address, false},
	{"tcp", "address", NULL, doctor_tcp, false},
	{"ssh", "tcp", NULL, doctor_ssh, false},
	{"sudo", "ssh", NULL, doctor_sudo, false},
	{"helper", "sudo", NULL, doctor_helper, false},
	{"node-curl", "helper", from_node, doctor_curl, false},
	{"container", "helper", doctor_has_pod, doctor_container, false},
	{"jvm", "helper container", NULL, doctor_jvm, false},
	{"attach", "jvm", NULL, doctor_attach, false},
	{"strategy", "jvm", doctor_one_jvm, doctor_strategy, false},
	{"spool", "strategy", doctor_one_jvm, doctor_spool, false},
	{"pod-disk", "strategy", doctor_one_jvm, doctor_pod_disk, false},
	{"pause", "strategy", doctor_one_jvm, doctor_pause, false},
	{"destination", "", doctor_one_jvm, doctor_destination, false},
	{"bucket-read", "destination", to_bucket, doctor_bucket_read, true},
};

_Static_assert(ARRAY_SIZE(steps) <= DOCTOR_MAX_STEPS, "each step has a line");

const char *doctor_state_name(enum doctor_state state)
{
	static const char *const names[] = {
		[DOCTOR_OK] = "ok",
		[DOCTOR_WARN] = "warn",
		[DOCTOR_FAIL] = "fail",
		[DOCTOR_SKIPPED] = "-",
	};

	return names[state];
}

size_t doctor_name_width(void)
{
	size_t width = 0;

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		if (strlen(steps[i].name) > width)
			width = strlen(steps[i].name);
	return width;
}

void doctor_say(struct doctor_line *l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(l->text, sizeof(l->text), fmt, ap);
	va_end(ap);
}

void doctor_warn(struct doctor_line *l, const char *fix, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(l->text, sizeof(l->text), fmt, ap);
	va_end(ap);
	snprintf(l->fix, sizeof(l->fix), "%s", fix);
	l->state = DOCTOR_WARN;
}

int doctor_init(struct doctor *d, const struct options *o, const char *target, struct error *err)
{
	*d = (struct doctor){.o = o};
	session_init(&d->session, o);
	if (target_parse(target, &d->target, err) < 0)
		return -1;
	if (d->target.kind == TARGET_WORKLOAD) {
		error_set(err, ERR_USAGE, "'%s' may have many pods: name one of them, or a node",
			  d->target.name);
		return error_hint(err, "its pods: kubectl get pods");
	}
	if (doctor_one_jvm(d))
		return capture_options_take(&d->options, o, &d->target, err);
	return delivery_check_upload(o, o->to, err);
}

void doctor_release(struct doctor *d)
{
	(void)session_close(&d->session);
	json_decref(d->ps);
	json_decref(d->jvm);
	json_decref(d->inspect);
	gcs_close(d->gcs);
	free(d->bucket);
}

static const struct doctor_line *line_of(const struct doctor *d, const char *name, size_t len)
{
	for (size_t i = 0; i < d->n; i++)
		if (strlen(d->lines[i].name) == len && strncmp(d->lines[i].name, name, len) == 0)
			return &d->lines[i];
	return NULL;
}

/* The first needed step that has failed or was not tried itself, or NULL. */
static const struct doctor_line *in_the_way(const struct doctor *d, const struct step *s)
{
	const char *at = s->needs, *word;
	size_t len;

	while ((word = option_next_word(&at, &len))) {
		const struct doctor_line *l = line_of(d, word, len);

		if (l && (l->state == DOCTOR_FAIL || l->state == DOCTOR_SKIPPED))
			return l;
	}
	return NULL;
}

/* One that was not tried says after which: that is said on. */
static void skip(struct doctor_line *l, const struct doctor_line *cause)
{
	l->state = DOCTOR_SKIPPED;
	if (cause->state == DOCTOR_SKIPPED)
		doctor_say(l, "%s", cause->text);
	else
		doctor_say(l, "not tried: '%s' has failed", cause->name);
}

/* 0, or -1 when the user has ended it. */
static int try(struct doctor *d, const struct step *s, struct doctor_line *l, struct error *first,
	       struct error *err)
{
	struct error e = {0};

	if (interrupt_check(err) < 0)
		return -1;
	if (s->run(d, l, &e) == 0)
		return 0;
	if (e.code == ERR_INTERRUPTED) {
		*err = e;
		return -1;
	}
	l->state = s->optional ? DOCTOR_WARN : DOCTOR_FAIL;
	snprintf(l->text, sizeof(l->text), "%s", e.msg);
	snprintf(l->fix, sizeof(l->fix), "%s", e.hint);
	if (!s->optional && !first->code)
		*first = e;
	return 0;
}

static int verdict(const struct doctor *d, const struct error *first, struct error *err)
{
	size_t failed = 0;
	const char *name = "";

	for (size_t i = d->n; i-- > 0;)
		if (d->lines[i].state == DOCTOR_FAIL) {
			failed++;
			name = d->lines[i].name;
		}
	if (!failed)
		return 0;
	if (failed == 1)
		return error_set(err, first->code, "one step fails: '%s'", name);
	return error_set(err, first->code, "%zu steps fail, the first one is '%s'", failed, name);
}

int doctor_walk(struct doctor *d, void (*tell)(const struct doctor *d, const struct doctor_line *l),
		struct error *err)
{
	struct error first = {0};

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		const struct step *s = &steps[i];
		struct doctor_line *l = &d->lines[d->n];
		const struct doctor_line *cause = in_the_way(d, s);

		if (s->applies && !s->applies(d))
			continue;
		*l = (struct doctor_line){.name = s->name};
		if (cause)
			skip(l, cause);
		else if (try(d, s, l, &first, err) < 0)
			return -1;
		d->n++;
		tell(d, l);
	}
	return verdict(d, &first, err);
}
