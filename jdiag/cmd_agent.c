/* jdiag agent load: an agent into running JVMs, by a file that stays with their containers. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/agent/ended.h"
#include "jdiag/agent/known.h"
#include "jdiag/agent/module.h"
#include "jdiag/agent/place.h"
#include "jdiag/agent/source.h"
#include "jdiag/command.h"
#include "jdiag/fleet.h"
#include "jdiag/helper/helper.h"
#include "jdiag/json.h"
#include "jdiag/jvmpick.h"
#include "jdiag/kube/kube.h"
#include "jdiag/manifest.h"
#include "jdiag/output.h"
#include "jdiag/progress.h"
#include "jdiag/reconnect.h"
#include "jdiag/select.h"
#include "jdiag/session.h"
#include "jdiag/survey.h"
#include "remote/base/str.h"

#define INSPECT_TIMEOUT_MS 60000
#define PLACE "/" AGENT_DIR "/"
#define NOT_ALLOWED "-XX:-EnableDynamicAgentLoading"

struct job {
	struct agent_source *agent; /* borrowed */
	struct session *session;    /* borrowed */
	bool one_of_many;	    /* the session has its node, and goes on to the next target */
	struct progress *progress;
	json_t *jvm; /* owned: as `ps` gave it */
	struct jvmref ref;
	struct placed placed;
	bool is_placed, is_open; /* is_open: the JVM has this very jar already */
	bool warns;		 /* the JVM will, on its standard error (JEP 451) */
};

/* ---- the JVM ---- */

static int resolve(struct job *j, const struct target *t, struct error *err)
{
	struct session *s = j->session;

	progress_phase(j->progress, "resolve");
	if (t->kind == TARGET_NODE)
		return error_set(err, ERR_USAGE, "'node/%s' is no pod", t->name);
	if (t->kind == TARGET_SSH)
		return j->one_of_many ? 0 : session_resolve_ssh(s, t, err);
	if (s->o->host_pid)
		return error_set(err, ERR_USAGE, "--pid goes with ssh://HOST, use --jvm for a pod");
	memcpy(s->ns, t->ns, sizeof(s->ns));
	if (!j->one_of_many)
		return session_resolve_pod(s, t->name, err);
	if (session_read_pod(s, t->name, err) < 0)
		return -1;
	/* It was found on this node, which may be some time ago. */
	if (strcmp(s->pod.node, s->node) != 0)
		return error_set(err, ERR_TARGET, "pod '%s' has moved to node '%s'", t->name,
				 s->pod.node);
	return 0;
}

static int find_jvm(void *job, struct error *err)
{
	struct job *j = job;

	progress_phase(j->progress, "inspect");
	json_decref(STEAL(j->jvm));
	if (jvm_pick(j->session, &j->jvm, err) < 0)
		return -1;
	jvmref_from_json(j->jvm, &j->ref);
	return jvm_check_attachable(j->jvm, err);
}

static struct agent_request request_of(const struct job *j)
{
	return (struct agent_request){
		.kind = j->agent->kind,
		.path = j->agent->kind == AGENT_MODULE ? j->agent->given : j->placed.path,
		.options = j->agent->options,
	};
}

/* Before anything is copied: by the path where the file is going to be, if nothing is in the way.
 */
static int check_agent(struct job *j, struct error *err)
{
	const json_t *hello = helper_hello(j->session->helper);
	unsigned int release = jvmref_release(&j->ref);
	struct agent_request r;

	if (agent_source_for(j->agent, json_str_at(hello, "arch", ""), release, err) < 0)
		return -1;
	snprintf(j->placed.path, sizeof(j->placed.path), "/tmp" PLACE "%s", j->agent->name);
	r = request_of(j);
	return agent_check_request(&r, release, err);
}

/* By the digest in its name: under whatever name it was loaded before. */
static bool is_this_jar(const struct job *j, const char *path)
{
	auto_free char *end = xasprintf("%.12s.jar", j->agent->sha256);

	return str_ends(path, end) && strstr(path, PLACE);
}

/* A jar that jdiag has loaded; NULL: it is not open. */
static const char *find_jar(const struct job *j, const json_t *seen, bool this)
{
	const json_t *path;
	size_t i;

	json_array_foreach (json_at(seen, "jars"), i, path) {
		const char *text = json_string_value(path);

		if (strstr(text, PLACE) && is_this_jar(j, text) == this)
			return text;
	}
	return NULL;
}

/* Its agentmain would run a second time: no harm to many, but not what most expect. */
static int look_for_it(struct job *j, struct error *err)
{
	auto_json json_t *seen = NULL;
	const char *other;

	if (j->agent->kind != AGENT_JAR)
		return 0;
	if (survey(j->session->helper, &j->ref, &seen, err) < 0)
		return -1;
	other = find_jar(j, seen, false);
	j->is_open = find_jar(j, seen, true) != NULL;
	if (j->is_open)
		progress_note(j->progress,
			      "the JVM has this jar open already: its agent starts once more");
	else if (other && (j->session->o->dry_run || !agent_class_can_be_asked(&j->ref)))
		progress_note(j->progress,
			      "warning: the JVM has '%s' open: if that has the class %s, too, its "
			      "code would run, and not that of this jar",
			      other, j->agent->jar.agent_class);
	return 0;
}

/* It would come from the jar that was first, and this one not even be opened. */
static int check_class(struct job *j, struct error *err)
{
	const char *name = j->agent->jar.agent_class;
	bool known;

	if (j->agent->kind != AGENT_JAR || j->is_open)
		return 0;
	if (agent_class_known(j->session->helper, &j->ref, name, &known, err) < 0)
		return -1;
	if (!known)
		return 0;
	error_set(err, ERR_REFUSED,
		  "the JVM has a class '%s' already, from elsewhere: its code would run, and not "
		  "that of this jar",
		  name);
	return error_hint(err, "another version of an agent takes a new JVM: restart the "
			       "container, then load it");
}

/* ---- the plan ---- */

static char *where_of(const struct session *s)
{
	return s->has_pod ? xasprintf("%s/%s", s->pod.ns, s->pod.name) : xstrdup(s->node);
}

static json_t *describe(const struct job *j)
{
	return json_pack("{s:o, s:o, s:o}", "target", manifest_target(j->session, j->jvm), "jvm",
			 manifest_jvm(j->jvm), "agent", agent_source_json(j->agent));
}

static void print_plan(const struct job *j)
{
	auto_free char *agent = agent_source_text(j->agent), *where = where_of(j->session);
	auto_free char *line = xasprintf(
		"%s: would load %s into JVM %llu (%s, %s), %s%s", where, agent,
		(unsigned long long)j->ref.ns_pid, *j->ref.main ? j->ref.main : "?",
		*j->ref.version ? j->ref.version : "version unknown",
		j->agent->kind == AGENT_MODULE ? "which has it" : "from the container, as ",
		j->agent->name);
	auto_json json_t *object = NULL;

	progress_clear(j->progress);
	if (j->session->o->output != OUTPUT_JSON) {
		output_line(line);
		return;
	}
	object = describe(j);
	if (j->agent->kind != AGENT_MODULE)
		json_set_text(object, "file", j->agent->name);
	output_json("AgentLoadPlan", object);
}

/* The JVM is not asked: that would be an action on it. Its command line is there to be read. */
static int plan(struct job *j, struct error *err)
{
	auto_json json_t *params = jvmref_params(&j->ref), *answer = NULL;

	if (helper_call(j->session->helper, "inspect", params, INSPECT_TIMEOUT_MS, &answer, err) <
	    0)
		return -1;
	print_plan(j);
	if (j->agent->kind == AGENT_MODULE ||
	    !strstr(json_str_at(answer, "flags", ""), NOT_ALLOWED))
		return 0;
	return error_set(err, ERR_ATTACH,
			 "the JVM lets no agents in: it was started with " NOT_ALLOWED);
}

/* ---- the work ---- */

static void announce(const struct job *j)
{
	const struct agent_request r = request_of(j);

	if (j->warns)
		progress_note(j->progress, "the JVM prints four lines of warning into its log: an "
					   "agent has been loaded dynamically (JEP 451)");
	if (j->agent->kind == AGENT_MODULE && module_is_open(&r))
		progress_note(j->progress, "warning: without authentication, everybody who reaches "
					   "that port can run code in the JVM");
}

static int place(struct job *j, struct error *err)
{
	const struct agent_source *a = j->agent;
	const struct buf *data = agent_source_data(a);

	if (a->kind == AGENT_MODULE)
		return 0;
	progress_phase(j->progress, "place");
	if (agent_place(j->session->helper, &j->ref, a->name, data->data, data->len, a->sha256,
			a->kind == AGENT_LIBRARY, NULL, &j->placed, err) < 0)
		return -1;
	j->is_placed = true;
	return 0;
}

/* After a failure: what is where. */
static void clean_up(struct job *j, struct error *err)
{
	struct error e = {0};
	bool removed;

	if (!j->is_placed || (agent_is_out(err) && j->placed.existed))
		return;
	if (agent_is_out(err) &&
	    agent_unplace(j->session->helper, &j->ref, j->placed.path, &removed, &e) == 0) {
		j->is_placed = false;
		return;
	}
	if (agent_is_out(err))
		progress_note(j->progress, "warning: '%s' stays in the container: %s",
			      j->placed.path, e.msg);
	else if (err->code == ERR_ATTACH && err->sys == ECANCELED)
		progress_note(j->progress, "'%s' stays in the container, the JVM may use it",
			      j->placed.path);
	else
		progress_note(j->progress,
			      "'%s' stays in the container: whether the agent is loaded is not "
			      "known",
			      j->placed.path);
}

static int load(struct job *j, struct error *err)
{
	const struct agent_request r = request_of(j);

	progress_phase(j->progress, "load");
	if (agent_load(j->session->helper, &j->ref, &r, err) == 0)
		return 0;
	if (err->sys == ESRCH)
		return agent_tell_end(j->session, j->session->container, err);
	clean_up(j, err);
	return -1;
}

static void print_result(const struct job *j)
{
	auto_free char *agent = agent_source_text(j->agent), *where = where_of(j->session);
	auto_free char *line = NULL;
	auto_json json_t *object = describe(j);

	if (j->is_placed)
		json_object_set_new(object, "place",
				    json_pack("{s:s, s:b, s:s}", "path", j->placed.path, "mounted",
					      j->placed.mounted, "why", j->placed.why));
	json_object_set_new(object, "warns", json_boolean(j->warns));
	line = xasprintf("%s: loaded %s into JVM %llu (%s)%s%s%s%s%s", where, agent,
			 (unsigned long long)j->ref.ns_pid, *j->ref.main ? j->ref.main : "?",
			 j->is_placed ? ", from " : "", j->is_placed ? j->placed.path : "",
			 *j->placed.why ? " (" : "", j->placed.why, *j->placed.why ? ")" : "");
	if (j->session->o->output == OUTPUT_JSON)
		output_json("AgentLoad", object);
	else if (j->session->o->output == OUTPUT_NAME)
		output_line(where);
	else
		output_line(line);
}

static int run_job(struct job *j, const struct target *t, struct error *err)
{
	struct session *s = j->session;

	if (resolve(j, t, err) < 0)
		return -1;
	progress_phase(j->progress, "connect");
	if (session_steadily(s, j->progress, NULL, NULL, err) < 0 ||
	    session_steadily(s, j->progress, find_jvm, j, err) < 0 || check_agent(j, err) < 0 ||
	    look_for_it(j, err) < 0)
		return -1;
	if (s->o->dry_run)
		return plan(j, err);
	progress_phase(j->progress, "attach");
	if (session_recheck(s, err) < 0 ||
	    (j->agent->kind != AGENT_MODULE &&
	     agent_check_allowed(s->helper, &j->ref, &j->warns, err) < 0) ||
	    check_class(j, err) < 0)
		return -1;
	announce(j);
	if (place(j, err) < 0)
		return -1;
	return load(j, err);
}

static int load_into(struct agent_source *a, struct session *s, bool one_of_many,
		     const struct target *t, struct error *err)
{
	struct job j = {.agent = a, .session = s, .one_of_many = one_of_many};
	int rc;

	j.progress = progress_new(s->o->progress, s->o->quiet);
	rc = run_job(&j, t, err);
	progress_end(j.progress, rc < 0 ? err : NULL);
	if (rc == 0 && !s->o->dry_run)
		print_result(&j);
	json_decref(j.jvm);
	return rc;
}

/* ---- one target, several targets ---- */

static int load_one(struct agent_source *a, const struct options *o, struct kube *kube,
		    const struct target *t, struct error *err)
{
	struct session s;
	int rc;

	session_init(&s, o);
	s.kube = kube;
	rc = load_into(a, &s, false, t, err);
	session_close(&s);
	return rc;
}

static int load_in_worker(void *ctx, struct session *s, const struct selected *t, struct error *err)
{
	return load_into(ctx, s, true, &t->target, err);
}

static int load_all(struct agent_source *a, const struct options *o, char *const *targets,
		    struct error *err)
{
	static const struct fleet_command command = {.work = load_in_worker};
	auto_cleanup(selection_release) struct selection all = {0};
	struct target t;
	bool single;

	if (select_is_single(targets, &t, &single, err) < 0)
		return -1;
	if (single)
		return load_one(a, o, NULL, &t, err);
	if (select_targets(&all, o, targets, false, err) < 0)
		return -1;
	if (all.n == 1 && load_one(a, o, STEAL(all.kube), &all.targets[0].target, err) < 0)
		return fleet_fail_only(o, &all, err);
	if (all.n == 1)
		return 0;
	if (o->host_pid)
		return error_set(err, ERR_USAGE, "--pid names one JVM, and these are %zu targets",
				 all.n);
	return fleet_run(&command, a, o, &all, err);
}

static int run(const struct options *o, char *const *argv, struct error *err)
{
	auto_cleanup(agent_source_release) struct agent_source agent = {0};

	if (agent_source_open(&agent, o, err) < 0)
		return -1;
	return load_all(&agent, o, argv + 1, err);
}

const struct command cmd_agent = {
	.name = "agent",
	.verbs = "load",
	.arguments = "load [TARGET...]",
	.summary = "load agents into running JVMs",
	.options = "jar native module options container jvm pid dry-run",
	.examples = "$ jdiag agent load web-0 -n shop --jar profiler.jar --options interval=10ms\n"
		    "$ jdiag agent load deploy/web --all --native libtrace.so -o json\n"
		    "$ jdiag agent load web-0 -c app --module jdk.management.agent",
	.flags = CMD_MANY_TARGETS,
	.run = run,
};
