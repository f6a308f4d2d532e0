/* jdiag tidy: remove what a killed run may have left on a node. */
#include <jansson.h>

#include "jdiag/command.h"
#include "jdiag/helper/helper.h"
#include "jdiag/json.h"
#include "jdiag/output.h"
#include "jdiag/session.h"
#include "remote/base/log.h"
#include "remote/base/str.h"

#define TIDY_TIMEOUT_MS 60000

static int resolve(struct session *s, const struct target *t, struct error *err)
{
	switch (t->kind) {
	case TARGET_SSH:
		return session_resolve_ssh(s, t, err);
	case TARGET_NODE:
		if (session_open_cluster(s, err) < 0)
			return -1;
		return session_resolve_node(s, t->name, err);
	case TARGET_POD:
	default:
		error_set(err, ERR_USAGE, "'%s' is a pod, tidy works on a node", t->name);
		return error_hint(err, "name it as node/NODE or ssh://HOST");
	}
}

/* What is meant to stay is told of, and is no failure. */
static int tell_kept(const json_t *kept, struct error *err)
{
	const json_t *first = NULL, *entry;
	auto_free char *many = NULL;
	size_t i, n = 0;

	json_array_foreach (kept, i, entry) {
		if (json_is_true(json_at(entry, "stays"))) {
			log_at(LOG_WARN, "kept: %s: %s", json_str_at(entry, "what", "?"),
			       json_str_at(entry, "reason", "?"));
			continue;
		}
		first = first ? first : entry;
		n++;
	}
	if (!n)
		return 0;
	many = xasprintf("%zu things were kept, the first: ", n);

	error_set(err, ERR_FAILED, "%s%s: %s",
		  n > 1 ? many : "kept: ", json_str_at(first, "what", "?"),
		  json_str_at(first, "reason", "?"));
	return error_hint(err, "what a capture under way holds goes away with it; --force removes "
			       "finished and failed captures, too");
}

static int print_answer(const struct options *o, const json_t *answer, struct error *err)
{
	const json_t *entry;
	size_t i;

	if (o->output == OUTPUT_JSON) {
		output_json("Tidy", answer);
	} else {
		json_array_foreach (json_at(answer, "removed"), i, entry)
			if (json_is_string(entry))
				output_line(json_string_value(entry));
	}
	return tell_kept(json_at(answer, "kept"), err);
}

static int run(const struct options *o, char *const *argv, struct error *err)
{
	auto_json json_t *params =
		json_pack("{s:b, s:b}", "dry_run", o->dry_run, "finished", o->force);
	auto_json json_t *answer = NULL;
	struct session s;
	struct target t;
	int rc;

	if (target_parse(argv[0], &t, err) < 0)
		return -1;
	session_init(&s, o);
	rc = resolve(&s, &t, err);
	if (rc == 0)
		rc = session_connect(&s, err);
	if (rc == 0)
		rc = helper_call(s.helper, "tidy", params, TIDY_TIMEOUT_MS, &answer, err);
	if (rc == 0)
		rc = print_answer(o, answer, err);
	session_close(&s);
	return rc;
}

const struct command cmd_tidy = {
	.name = "tidy",
	.arguments = "node/NODE|ssh://HOST",
	.summary = "remove what a killed run may have left on a node",
	.options = "dry-run force",
	.examples = "$ jdiag tidy node/gke-pool-1-x7k2\n"
		    "$ jdiag tidy ssh://admin@10.0.0.7 --dry-run",
	.flags = CMD_ONE_TARGET,
	.run = run,
};
