#include "jdiag/exporter/before.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "jdiag/exporter/before_asked.h"
#include "jdiag/exporter/settings.h"
#include "jdiag/json.h"
#include "jdiag/jvmpick.h"
#include "jdiag/options.h"
#include "jdiag/progress.h"
#include "jdiag/session.h"
#include "jdiag/survey.h"
#include "remote/base/buf.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"

/* Classes, code, buffers of a scrape and the threads of its server: 15 to 25 MiB were seen. */
#define HEADROOM (32 * MiB)

/* Descriptors and threads, for its server, for what it reads and for what the JVM does besides. */
#define ROOM 32
#define ROOM_TO_ASK 4 /* threads */

void exporter_before_release(struct exporter_before *b)
{
	json_decref(b->against);
}

/* ---- what is seen from outside ---- */

static int check_vm(struct looking *l, struct error *err)
{
	const char *vm = json_str_at(l->j->jvm, "vm", "");

	if (strcmp(vm, "hotspot") == 0)
		return 0;
	error_set(err, ERR_ATTACH,
		  "the JVM is not HotSpot but '%s': agents cannot be loaded into it", vm);
	return error_hint(err, "start it with the agent: -javaagent:JAR=PORT:FILE");
}

int before_check_java(struct looking *l, struct error *err)
{
	const struct agent_jar *jar = &l->w->settings->jar;
	unsigned int release = jvmref_release(&l->j->ref);

	if (!release || jar->java <= release)
		return 0;
	error_set(err, ERR_REFUSED, "exporter %s needs Java %u, the JVM is %s", jar->version,
		  jar->java, l->j->ref.version);
	return error_hint(err, "take an older one: --jar FILE");
}

/* What was not seen may be a library, a setting or an agent. */
static int check_seen(struct looking *l, struct error *err)
{
	if (!json_bool_at(l->j->survey, "truncated", false))
		return 0;
	error_set(err, ERR_REFUSED,
		  "not all of the JVM could be looked at: it has more jars, files or sockets open "
		  "than are looked at, or its command line or environment cannot be read");
	return error_hint(err, "give it the agent at its start: -javaagent:JAR=PORT:FILE");
}

static int check_security(struct looking *l, struct error *err)
{
	if (!json_bool_at(l->j->survey, "security_manager", false))
		return 0;
	error_set(err, ERR_REFUSED,
		  "the JVM has a security manager: where that does not let the exporter listen, "
		  "the exporter ends the JVM");
	return error_hint(err, "grant it its permissions, and start the JVM with the agent");
}

/* By which the library in 1.0 is told of a file. */
static int check_variable(struct looking *l, struct error *err)
{
	if (l->w->settings->generation < EXPORTER_1_0 ||
	    !json_bool_at(l->j->survey, "variable", false))
		return 0;
	error_set(err, ERR_REFUSED,
		  "the JVM has %s in its environment, which exporter 1.0 takes for itself: it ends "
		  "the JVM where it does not know what is in that file, or cannot read it",
		  EXPORTER_VARIABLE);
	return error_hint(err, "take an exporter that does not look there: --jar FILE with 0.20.0");
}

static int check_room_of(struct looking *l, const char *name, const char *what, const char *limit,
			 struct error *err)
{
	uint64_t left = json_u64_at(l->j->survey, name, UINT64_MAX);

	if (left >= ROOM)
		return 0;
	error_set(err, ERR_REFUSED,
		  "%llu %s are left for the JVM (%s): the exporter ends it where it gets none",
		  (unsigned long long)left, what, limit);
	return error_hint(err, "raise the limit");
}

static int check_room(struct looking *l, struct error *err)
{
	return check_room_of(l, "tasks_left", "threads", "pids.max, or the user's limit", err) < 0
		       ? -1
		       : check_room_of(l, "files_left", "open files", "RLIMIT_NOFILE", err);
}

static int check_memory(struct looking *l, struct error *err)
{
	uint64_t limit = json_u64_at(l->j->survey, "memory.limit", 0);
	uint64_t left = json_u64_at(l->j->survey, "memory.left", 0);
	char has[16], need[16], of[16];

	if (!limit || left >= HEADROOM)
		return 0;
	if (l->w->session->o->force) {
		progress_note(l->w->progress, "--force: little memory is left in the container");
		return 0;
	}
	error_set(err, ERR_REFUSED,
		  "%s of memory are left in the container (limit %s), the exporter may take %s",
		  str_format_size(has, left), str_format_size(of, limit),
		  str_format_size(need, HEADROOM));
	return error_hint(err, "raise the limit, or go on with --force");
}

/* One that nobody has, that the JVM can have, and that the kernel gives to nobody: that is tried.
 * *ret_next: where to go on, if that is above it. */
static int try_port(struct exporter_work *w, const struct exporter_jvm *j, uint16_t port,
		    unsigned int *ret_next, struct error *err)
{
	auto_json json_t *answer = NULL;

	*ret_next = 0;
	if (survey_with(w->session->helper, &j->ref, port, NULL, &answer, err) < 0)
		return -1;
	*ret_next = survey_next(answer) == port ? port + 1u : survey_next(answer);
	return port_check_bind(port, answer, err) < 0 ? -1 : port_check_kept(port, answer, err);
}

/* From `first` on. */
static int choose_port(struct exporter_work *w, const struct exporter_jvm *j, uint16_t first,
		       const json_t *survey, uint16_t *ret, struct error *err)
{
	const struct port_range *range = &w->settings->ports;
	struct port_range rest = {first, range->last};
	struct error why = {0};
	unsigned int next = 0;

	while (port_choose(&rest, survey, w->pod, ret, &why) == 0) {
		if (try_port(w, j, *ret, &next, &why) == 0)
			return 0;
		if (why.code != ERR_REFUSED) {
			*err = why;
			return -1;
		}
		if (next <= *ret || next > range->last)
			break;
		rest.first = (uint16_t)next;
	}
	return port_none(range, &why, err);
}

/* By another pod of this run. */
static void tell_holder(const struct looking *l, uint16_t port, struct error *err)
{
	const char *who = exporter_has_node_network(l->w)
				  ? exporter_settings_holder(l->w->settings, port)
				  : NULL;

	if (!who)
		return;
	error_set(err, ERR_REFUSED,
		  "port %u is in use: by the exporter of %s, as both are in the node's own network",
		  port, who);
	error_hint(err, "give a range, of which each gets one: --port 9404-9499");
}

static int check_port(struct looking *l, struct error *err)
{
	const struct port_range *ports = &l->w->settings->ports;

	if (choose_port(l->w, l->j, ports->first, l->j->survey, &l->b->port, err) == 0)
		return 0;
	if (err->code == ERR_REFUSED && ports->first == ports->last)
		tell_holder(l, ports->first, err);
	return -1;
}

int exporter_before_next_port(struct exporter_work *w, const struct exporter_jvm *j,
			      struct exporter_before *b, struct error *err)
{
	const struct port_range *range = &w->settings->ports;
	auto_json json_t *now = NULL;
	struct error why = {0};

	if (b->port >= range->last) {
		error_set(&why, ERR_REFUSED, "somebody else has got port %u meanwhile", b->port);
		return port_none(range, &why, err);
	}
	if (survey(w->session->helper, &j->ref, &now, err) < 0)
		return -1;
	return choose_port(w, j, (uint16_t)(b->port + 1), now, &b->port, err);
}

/* What it had went with its container, and nobody but who gave it has it. */
static int check_config(struct looking *l, struct error *err)
{
	const char *had = l->j->mark.config;

	if (!l->j->restarted || l->w->session->o->config ||
	    strcmp(had, l->w->settings->config_sha256) == 0)
		return 0;
	if (!had[0])
		error_set(err, ERR_REFUSED,
			  "which configuration the exporter had before the restart is not known: "
			  "give one, --config");
	else
		error_set(err, ERR_REFUSED,
			  "before the restart the exporter had another configuration than the "
			  "default (%.12s), which is gone: give it again, --config",
			  had);
	return error_hint(err, "--config with the same file or ConfigMap; if it is to be the "
			       "default from now on: exporter eject first, which removes the mark");
}

/* ---- what the JVM is asked ---- */

static int check_attach(struct looking *l, struct error *err)
{
	return jvm_check_attachable(l->j->jvm, err);
}

/* By HotSpot's protocol. It starts a thread to answer, and JVMs end where they get none. */
static bool may_be_asked(struct looking *l)
{
	return check_vm(l, NULL) == 0 && check_attach(l, NULL) == 0 &&
	       json_u64_at(l->j->survey, "tasks_left", UINT64_MAX) >= ROOM_TO_ASK;
}

/* ---- all of it ---- */

static bool is_reason(enum err_code code)
{
	return code == ERR_REFUSED || code == ERR_ATTACH || code == ERR_USAGE;
}

/* -1: it could not be found out. */
int before_run(struct looking *l, before_check *const *checks, size_t n, struct error *err)
{
	for (size_t i = 0; i < n; i++) {
		struct error why = {0};
		json_t *reason;

		if (checks[i](l, &why) == 0)
			continue;
		/* the JVM has ended, or the connection: nothing of what is known counts */
		if (!is_reason(why.code) || why.sys == ESRCH) {
			*err = why;
			return -1;
		}
		reason = json_object();
		json_object_set_new(reason, "code", json_string(err_code_name(why.code)));
		json_set_text(reason, "reason", why.msg);
		json_set_text(reason, "hint", why.hint);
		json_array_append_new(l->b->against, reason);
	}
	return 0;
}

static enum err_code common_code(const json_t *against)
{
	const char *first = json_str_at(json_array_get(against, 0), "code", "");
	const json_t *reason;
	size_t i;

	json_array_foreach (against, i, reason)
		if (strcmp(json_str_at(reason, "code", ""), first) != 0)
			return ERR_REFUSED;
	return err_code_from_name(first);
}

static int tell(const struct looking *l, struct error *err)
{
	const json_t *against = l->b->against, *reason = json_array_get(against, 0);
	auto_buf struct buf list = BUF_INIT(sizeof(err->hint) - 1);
	size_t n = json_array_size(against), i;

	if (n == 1) {
		error_set(err, common_code(against), "%s", json_str_at(reason, "reason", ""));
		return error_hint(err, "%s%snothing was loaded", json_str_at(reason, "hint", ""),
				  *json_str_at(reason, "hint", "") ? "\n" : "");
	}
	error_set(err, common_code(against), "%zu reasons are against it, nothing was loaded", n);
	json_array_foreach (against, i, reason)
		buf_addf(&list, "%s%zu. %s", i ? "\n" : "", i + 1,
			 json_str_at(reason, "reason", ""));
	return error_hint(err, "%s", buf_str(&list));
}

int exporter_before(struct exporter_work *w, struct exporter_jvm *j, struct exporter_before *ret,
		    struct error *err)
{
	static before_check *const outside[] = {
		check_vm,	check_attach, check_seen, check_variable, before_check_java,
		check_security, check_memory, check_room, check_config,	  check_port,
	};
	auto_cleanup(before_forget) struct looking l = {.w = w, .j = j, .b = ret};

	ret->against = json_array();
	if (before_run(&l, outside, ARRAY_SIZE(outside), err) < 0 ||
	    (may_be_asked(&l) &&
	     (session_recheck(w->session, err) < 0 || before_ask(&l, err) < 0))) {
		json_decref(STEAL(ret->against));
		return -1;
	}
	if (ret->found.owner != EXPORTER_NONE || json_array_size(ret->against) == 0)
		return 0;
	return tell(&l, err);
}

int exporter_check_options(const char *options, struct error *err)
{
	size_t digits = strspn(options, "0123456789");

	if (!digits || digits > 5 || options[digits] != ':' || options[digits + 1] != '/')
		return error_set(err, ERR_REFUSED, "'%s' is not PORT:FILE", options);
	/* the expression ends with (.+), which takes no end of a line, and Java has more of these
	 */
	for (const char *p = options; *p; p++)
		if ((unsigned char)*p < ' ' || (unsigned char)*p > '~')
			return error_set(err, ERR_REFUSED,
					 "the path of the configuration is not plain text: '%s'",
					 options);
	return 0;
}
