#include "jdiag/exporter/before_asked.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "jdiag/agent/load.h"
#include "jdiag/exporter/metaspace.h"
#include "jdiag/exporter/program.h"
#include "jdiag/exporter/properties.h"
#include "jdiag/exporter/settings.h"
#include "jdiag/exporter/walk.h"
#include "jdiag/json.h"
#include "jdiag/options.h"
#include "jdiag/progress.h"
#include "jdiag/session.h"

#define FIRST_WITH_MODULES 9
#define FIRST_WITHOUT_MANAGER 18 /* unless it was allowed at the start (JEP 411) */

/* ---- what it says of itself ---- */

static void forget(struct ask_reply *r)
{
	if (r->text.data) /* both may hold secrets */
		explicit_bzero(r->text.data, r->text.cap);
	ask_reply_release(r);
}

void before_forget(struct looking *l)
{
	forget(&l->properties);
	forget(&l->options);
}

/* Its version is not seen from outside where it has no hsperfdata and no release file. */
static int learn_version(struct looking *l, struct error *err)
{
	static before_check *const java[] = {before_check_java};
	auto_free char *version = java_property(buf_str(&l->properties.text), "java.version");

	if (!version)
		return error_set(err, ERR_ATTACH, "the JVM does not tell its system properties");
	if (jvmref_release(&l->j->ref))
		return 0;
	snprintf(l->j->ref.version, sizeof(l->j->ref.version), "%s", version);
	return before_run(l, java, ARRAY_SIZE(java), err);
}

static int learn(struct looking *l, struct error *err)
{
	const char *const args[] = {"VM.command_line"};
	struct helper *h = l->w->session->helper;

	if (jvm_ask(h, &l->j->ref, "properties", NULL, 0, 0, &l->properties, err) < 0 ||
	    learn_version(l, err) < 0)
		return -1;
	return jvm_ask(h, &l->j->ref, "jcmd", args, 1, 0, &l->options, err);
}

/* ---- the program ---- */

static const char *properties(struct looking *l)
{
	return buf_str(&l->properties.text);
}

static int check_allowed(struct looking *l, struct error *err)
{
	return agent_check_allowed(l->w->session->helper, &l->j->ref, &l->b->warns, err);
}

static int check_metaspace(struct looking *l, struct error *err)
{
	struct metaspace m;
	struct error why = {0};

	if (metaspace_ask(l->w->session->helper, &l->j->ref, &m, err) < 0)
		return -1;
	if (metaspace_check(&m, &why) == 0)
		return 0;
	if (l->w->session->o->force) {
		progress_note(l->w->progress, "--force: little metaspace is left in the JVM");
		return 0;
	}
	*err = why;
	return -1;
}

static int check_manager(struct looking *l, struct error *err)
{
	/* it was told already */
	if (json_bool_at(l->j->survey, "security_manager", false))
		return 0;
	return program_check_manager(properties(l), err);
}

static int check_settings(struct looking *l, struct error *err)
{
	return program_check_settings(properties(l), l->w->settings->generation, err);
}

static int check_http(struct looking *l, struct error *err)
{
	return program_check_http(properties(l), err);
}

/* The JVM has them open: they are on a class path, whether something of them is loaded or not. */
static int check_open_jars(struct looking *l, struct error *err)
{
	const json_t *jars = json_at(l->j->survey, "jars"), *jar;
	size_t i;

	json_array_foreach (jars, i, jar) {
		const char *path = json_string_value(jar), *slash = strrchr(path, '/');

		if (!program_shares_jar(slash ? slash + 1 : path, l->w->settings->generation))
			continue;
		error_set(err, ERR_REFUSED,
			  "the program has a library of the exporter open ('%.200s'): of the same "
			  "classes the JVM takes the program's, and the exporter may end on them",
			  path);
		return error_hint(err, "take an exporter that shares nothing with it, by --jar "
				       "FILE; or let the program serve its metrics itself");
	}
	return 0;
}

static int check_class_path(struct looking *l, struct error *err)
{
	if (program_check_class_path(properties(l), l->w->settings->generation, err) < 0)
		return -1;
	return check_open_jars(l, err);
}

static int check_modules(struct looking *l, struct error *err)
{
	if (jvmref_release(&l->j->ref) < FIRST_WITH_MODULES)
		return 0;
	return program_check_modules(json_str_at(l->j->survey, "modules", ""), properties(l),
				     buf_str(&l->options.text), l->w->settings->generation, err);
}

/* ---- by its classes ---- */

static int check_library(struct looking *l, struct error *err)
{
	const struct exporter_settings *s = l->w->settings;
	const struct exporter_found *f = &l->b->found;
	const char *class = "";

	if (s->generation >= EXPORTER_1_0)
		class = f->library;
	if (s->generation >= EXPORTER_0_20 && f->collector[0])
		class = f->collector;
	if (!*class)
		return 0;
	error_set(
		err, ERR_REFUSED,
		"the program has a library that exporter %s brings with it, too: it would end the "
		"JVM where that is of another version or has the same metrics (%s)",
		s->jar.version, class);
	return error_hint(err,
			  "take an exporter that shares nothing with it: --jar FILE with %s; or "
			  "let the program serve its metrics itself",
			  class == f->collector ? "0.16.1" : "0.20.0");
}

/* WildFly has such a class, which only its own loaders find, and makes the MBean server with it at
 * its start: the exporter takes the one that is there. */
static int check_mbeans(struct looking *l, struct error *err)
{
	return l->b->found.mbeans ? 0 : program_check_mbeans(properties(l), err);
}

static int check_manager_class(struct looking *l, struct error *err)
{
	const struct exporter_found *f = &l->b->found;

	if (!f->manager[0] || jvmref_release(&l->j->ref) >= FIRST_WITHOUT_MANAGER)
		return 0;
	error_set(err, ERR_REFUSED,
		  "the program may have set a security manager (it has '%s'): where that does not "
		  "let the exporter listen, the exporter ends the JVM",
		  f->manager);
	return error_hint(err, "grant it its permissions, and start the JVM with the agent");
}

/* Java 8 stands still for it: not to try something, and not where it would be refused anyway. */
static bool may_look(struct looking *l)
{
	if (jvmref_release(&l->j->ref) >= FIRST_WITH_MODULES)
		return true;
	if (json_array_size(l->b->against))
		return false;
	if (l->w->session->o->dry_run)
		progress_note(l->w->progress,
			      "--dry-run: the classes of Java 8 are not looked at, since it would "
			      "stand still for that");
	return !l->w->session->o->dry_run;
}

static int check_walk(struct looking *l, struct error *err)
{
	return jvmref_release(&l->j->ref) >= FIRST_WITH_MODULES
		       ? 0
		       : exporter_walk_allowed(l->w, l->j, err);
}

static int ask_classes(struct looking *l, struct error *err)
{
	static before_check *const first[] = {check_walk};
	static before_check *const classes[] = {check_library, check_manager_class, check_mbeans};
	size_t before = json_array_size(l->b->against);

	if (!may_look(l))
		return 0;
	if (before_run(l, first, ARRAY_SIZE(first), err) < 0)
		return -1;
	if (json_array_size(l->b->against) > before)
		return 0;
	if (exporter_find_classes(l->w->session->helper, &l->j->ref, &l->b->found, err) < 0)
		return -1;
	return before_run(l, classes, ARRAY_SIZE(classes), err);
}

int before_ask(struct looking *l, struct error *err)
{
	static before_check *const program[] = {check_allowed,	check_metaspace, check_manager,
						check_settings, check_http,	 check_class_path,
						check_modules};

	if (learn(l, err) < 0 || before_run(l, program, ARRAY_SIZE(program), err) < 0)
		return -1;
	return ask_classes(l, err);
}
