#include "jdiag/command.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/interrupt.h"
#include "jdiag/nearest.h"
#include "remote/base/log.h"

const char *command_program(void)
{
	return strcmp(program_invocation_short_name, "kubectl-jdiag") == 0 ? "kubectl jdiag"
									   : "jdiag";
}

/* Where to read on, behind what the hint says already. */
static int see_help(const char *verb, struct error *err)
{
	bool known = verb && strcmp(verb, "help") != 0 && command_find(verb);

	return error_hint(err, "%s%ssee '%s help%s%s'", err->hint, err->hint[0] ? "\n" : "",
			  command_program(), known ? " " : "", known ? verb : "");
}

static int unknown_command(const char *name, struct error *err)
{
	struct nearest n;

	nearest_init(&n, name);
	for (const struct command *const *c = commands; *c; c++)
		if (!((*c)->flags & CMD_HIDDEN))
			nearest_offer(&n, (*c)->name);
	error_set(err, ERR_USAGE, "unknown command '%s'", name);
	if (n.best)
		error_hint(err, "did you mean '%s'?", n.best);
	return -1;
}

/* The command and its arguments (in *words): what -h and --version stand for, too. */
static int choose(const struct options *o, char **words, const struct command **ret,
		  char ***ret_arguments, struct error *err)
{
	const struct command *c = words[0] ? command_find(words[0]) : NULL;

	*ret_arguments = words[0] ? words + 1 : words;
	if (words[0] && !c)
		return unknown_command(words[0], err);
	if (o->help) {
		*ret_arguments = words; /* `jdiag heapdump x -h` is `jdiag help heapdump` */
		if (words[0])
			words[1] = NULL;
		c = &cmd_help;
	} else if (o->version) {
		c = &cmd_version;
		*ret_arguments = &words[0];
		words[0] = NULL;
	}
	if (!c)
		return error_set(err, ERR_USAGE, "no command given");
	*ret = c;
	return 0;
}

static int check_options(const struct options *o, const struct command *c, struct error *err)
{
	for (const struct option_spec *s = option_table; s->name; s++)
		if (option_given(o, s) && !option_taken(s, c))
			return error_set(err, ERR_USAGE, "'%s' does not take '--%s'", c->name,
					 s->name);
	return 0;
}

/* Also when it comes from a variable: nothing else could be printed. */
static int check_format(const struct options *o, const struct command *c, struct error *err)
{
	if (o->output < OUTPUT_FILE_SD || c->flags & CMD_DISCOVERY)
		return 0;
	error_set(err, ERR_USAGE, "'%s' does not take '-o %s'", c->name,
		  o->output == OUTPUT_FILE_SD ? "file_sd" : "http_sd");
	return error_hint(err, "valid: text, wide, name, json");
}

static int check_verb(const struct command *c, const char *verb, struct error *err)
{
	const char *at = c->verbs, *word;
	size_t len;

	if (!verb) {
		error_set(err, ERR_USAGE, "'%s' needs a verb", c->name);
		return error_hint(err, "valid: %s", c->verbs);
	}
	while ((word = option_next_word(&at, &len))) {
		auto_free char *known = xasprintf("%.*s", (int)len, word);

		if (strcmp(known, verb) == 0)
			return 0;
	}
	error_set(err, ERR_USAGE, "'%s' has no verb '%s'", c->name, verb);
	return error_hint(err, "valid: %s", c->verbs);
}

static int check_selection(const struct options *o, const struct command *c, size_t targets,
			   struct error *err)
{
	bool selects = o->selector || o->field_selector;

	if (targets && (selects || o->all_namespaces))
		return error_set(err, ERR_USAGE, "a TARGET and '%s' at once: one of them has to go",
				 selects ? "--selector" : "--all-namespaces");
	if (o->all && o->any)
		return error_set(err, ERR_USAGE, "--all and --any at once: one of them has to go");
	if (!targets && !selects && !(o->all_namespaces && c->flags & CMD_ALL_PODS))
		return error_set(err, ERR_USAGE, "'%s' needs a TARGET, or -l SELECTOR%s", c->name,
				 c->flags & CMD_ALL_PODS ? ", or -A" : "");
	return 0;
}

static int check_arguments(const struct options *o, const struct command *c, char *const *args,
			   struct error *err)
{
	size_t n = 0, most = c->flags & CMD_MANY_TARGETS ? SIZE_MAX : c->flags & CMD_ONE_TARGET;

	if (c->flags & CMD_ARGS)
		return 0;
	if (c->verbs && check_verb(c, *args, err) < 0)
		return -1;
	args += c->verbs != NULL;
	while (args[n])
		n++;
	if (n > most)
		return error_set(err, ERR_USAGE, "'%s' takes %s, not also '%s'", c->name,
				 most ? "one TARGET" : "no argument", args[most]);
	if (c->flags & CMD_MANY_TARGETS)
		return check_selection(o, c, n, err);
	if (n < most)
		return error_set(err, ERR_USAGE, "'%s' needs a %s", c->name, c->arguments);
	return 0;
}

/* Everything that can be wrong with the command line itself. */
static int prepare(char **words, struct options *o, const struct command **ret, char ***ret_args,
		   struct error *err)
{
	const struct command *c = NULL;
	char **args;

	if (choose(o, words, &c, &args, err) < 0)
		return -1;
	/* -h and --version stand in for a command whose options need not fit */
	if (!o->help && !o->version && check_options(o, c, err) < 0)
		return -1;
	if (options_from_environment(o, c, err) < 0 || check_format(o, c, err) < 0 ||
	    check_arguments(o, c, args, err) < 0)
		return -1;
	*ret = c;
	*ret_args = args;
	return 0;
}

int command_run(char *const *argv, struct options *o, struct error *err)
{
	auto_free char **words = NULL;
	const struct command *c = NULL;
	char **args = NULL;
	int rc = options_parse(argv, o, &words, err);
	const char *verb = words[0]; /* prepare may take it away */

	if (rc == 0)
		rc = prepare(words, o, &c, &args, err);
	if (rc < 0)
		return see_help(verb, err);
	log_level = o->quiet ? -1 : o->verbose;
	log_as_json = o->progress == PROGRESS_JSON;
	if (o->timeout_ms)
		interrupt_set_deadline(o->timeout_ms);
	rc = c->run(o, args, err);
	/* a usage error that says by itself what to do may be about a file */
	if (rc < 0 && err->code == ERR_USAGE && !err->hint[0])
		see_help(verb, err);
	return rc;
}
