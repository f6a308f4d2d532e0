/* jdiag spool: the captures that lie on nodes, and away with them. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/captures.h"
#include "jdiag/command.h"
#include "jdiag/json.h"
#include "jdiag/output.h"
#include "jdiag/reconnect.h"
#include "jdiag/record.h"
#include "jdiag/session.h"
#include "remote/base/log.h"
#include "remote/base/str.h"

struct listing {
	const struct options *o;
	struct table *table; /* owned */
	size_t found;
};

/* ---- one node, by what the user named or by a record ---- */

static int resolve(struct session *s, const char *target, const json_t *record, struct error *err)
{
	struct target t;

	if (!target)
		return record_resolve(record, s, err);
	return target_parse(target, &t, err) < 0 ? -1 : session_resolve_target(s, &t, err);
}

/* ---- list ---- */

static void format_age(char dst[24], uint64_t created, uint64_t now)
{
	if (created)
		str_format_age(dst, now > created ? now - created : 0);
	else
		snprintf(dst, 24, "-");
}

/* "web" of the pod, else whoever began it. */
static const char *whose(const json_t *label, const json_t *state)
{
	const char *pod = json_str_at(label, "manifest.target.pod", "");

	return *pod ? pod : json_str_at(state, "owner", "");
}

static const char *phase_of(const json_t *entry, const json_t *state)
{
	const char *phase = json_str_at(state, "phase", "unreadable");

	/* nobody works on it any more */
	return !json_bool_at(entry, "alive", false) && state && strcmp(phase, "complete") != 0 &&
			       strcmp(phase, "failed") != 0
		       ? "dead"
		       : phase;
}

static void add_row(struct listing *l, const char *node, const json_t *entry, uint64_t now)
{
	const json_t *state = json_at(entry, "state");
	struct error ignored = {0};
	auto_json json_t *label = label_from_text(json_str_at(state, "label", "{}"), &ignored);
	char stored[16] = "", raw[16] = "", age[24], left[24];
	uint64_t expires = json_u64_at(state, "expires", 0);
	const char *cells[] = {json_str_at(entry, "id", ""),
			       whose(label, state),
			       phase_of(entry, json_is_object(state) ? state : NULL),
			       stored,
			       raw,
			       node,
			       age};
	const char *wide[] = {cells[0],
			      cells[1],
			      json_str_at(state, "owner", ""),
			      cells[2],
			      stored,
			      raw,
			      json_str_at(state, "format", ""),
			      json_str_at(state, "strategy", ""),
			      node,
			      json_str_at(entry, "path", ""),
			      left,
			      age};

	if (json_is_object(state)) {
		str_format_size(stored, json_u64_at(state, "stored", 0));
		str_format_size(raw, json_u64_at(state, "raw", 0));
	}
	format_age(age, json_u64_at(state, "created", 0), now);
	format_age(left, expires > now ? now : 0, expires);
	table_row(l->table, l->o->output == OUTPUT_WIDE ? wide : cells);
	if (!json_is_object(state) && !l->o->quiet)
		log_at(LOG_WARN, "%s: cannot be read: %s", cells[0],
		       json_str_at(entry, "error", "it has no state"));
}

static void print_json(const char *node, const json_t *entry, uint64_t now)
{
	auto_json json_t *object = json_deep_copy(entry);

	json_object_set_new(object, "node", json_string(node));
	json_object_set_new(object, "now", json_integer((json_int_t)now));
	output_json("Capture", object);
}

static void add_all(struct listing *l, const char *node, const json_t *list)
{
	uint64_t now = json_u64_at(list, "now", 0);
	const json_t *entry;
	size_t i;

	json_array_foreach (json_at(list, "spools"), i, entry) {
		if (!capture_id_is(json_str_at(entry, "id", "")))
			continue;
		l->found++;
		if (l->o->output == OUTPUT_JSON)
			print_json(node, entry, now);
		else if (l->o->output == OUTPUT_NAME)
			output_line(json_str_at(entry, "id", ""));
		else
			add_row(l, node, entry, now);
	}
}

struct ask {
	struct session session;
	const char *id;
	bool asked;
	json_t *list; /* owned */
};

static int ask_list(void *ask, struct error *err)
{
	struct ask *a = ask;

	return capture_list(a->session.helper, &a->list, err);
}

static int list_node(struct listing *l, const char *target, const json_t *record, struct error *err)
{
	struct options o = *l->o;
	struct ask a = {0};
	int rc;

	if (record)
		record_options(record, &o);
	session_init(&a.session, &o);
	rc = resolve(&a.session, target, record, err);
	if (rc == 0)
		rc = session_steadily(&a.session, NULL, ask_list, &a, err);
	if (rc == 0)
		add_all(l, a.session.node, a.list);
	json_decref(a.list);
	(void)session_close(&a.session);
	return rc;
}

/* Of the records of one node the first one says how to reach it. */
static bool is_known(const json_t *records, size_t i)
{
	const char *address = json_str_at(json_array_get(records, i), "address", "");
	uint64_t port = json_u64_at(json_array_get(records, i), "port", 0);

	for (size_t k = 0; k < i; k++)
		if (strcmp(json_str_at(json_array_get(records, k), "address", ""), address) == 0 &&
		    json_u64_at(json_array_get(records, k), "port", 0) == port)
			return true;
	return false;
}

/* A node that does not answer does not hide the others. */
static int list_recorded(struct listing *l, struct error *err)
{
	auto_json json_t *records = record_list();
	struct error first = {0};
	const json_t *record;
	size_t i;

	json_array_foreach (records, i, record) {
		struct error e = {0};

		if (is_known(records, i) || list_node(l, NULL, record, &e) == 0)
			continue;
		if (e.code == ERR_INTERRUPTED) {
			*err = e;
			return -1;
		}
		error_prefix(&e, "node '%s'", json_str_at(record, "node", "?"));
		if (first.code)
			output_error(&e);
		else
			first = e;
	}
	if (!first.code)
		return 0;
	*err = first;
	return -1;
}

static int list(const struct options *o, char *const *argv, struct error *err)
{
	static const char *const titles[] = {"NAME", "POD",  "PHASE", "STORED",
					     "RAW",  "NODE", "AGE",   NULL};
	static const char *const wide[] = {"NAME", "POD",    "OWNER",	 "PHASE", "STORED",
					   "RAW",  "FORMAT", "STRATEGY", "NODE",  "PATH",
					   "LEFT", "AGE",    NULL};
	struct listing l = {.o = o};
	int rc;

	if (argv[0] && argv[1])
		return error_set(err, ERR_USAGE, "'spool list' takes one TARGET, not also '%s'",
				 argv[1]);
	l.table = table_new(o->output == OUTPUT_WIDE ? wide : titles);
	rc = argv[0] ? list_node(&l, argv[0], NULL, err) : list_recorded(&l, err);
	if (o->output == OUTPUT_TEXT || o->output == OUTPUT_WIDE)
		table_print(l.table);
	table_free(l.table);
	if (rc == 0 && l.found == 0 && !o->quiet)
		log_at(LOG_WARN, "no capture found");
	return rc;
}

/* ---- rm ---- */

/* Asked again, it may be gone because the first answer was lost. */
static int ask_remove(void *ask, struct error *err)
{
	struct ask *a = ask;
	bool again = a->asked;

	a->asked = true;
	return capture_remove(a->session.helper, a->id, err) == 0 ||
			       (again && err->code == ERR_TARGET)
		       ? 0
		       : -1;
}

static int remove_there(struct options *o, const char *id, const char *target, const json_t *record,
			struct error *err)
{
	struct ask a = {.id = id};
	int rc;

	session_init(&a.session, o);
	rc = resolve(&a.session, target, record, err);
	if (rc == 0)
		rc = session_steadily(&a.session, NULL, ask_remove, &a, err);
	(void)session_close(&a.session);
	return rc;
}

static void print_removed(const struct options *o, const char *id)
{
	auto_json json_t *object = json_pack("{s:s, s:s}", "id", id, "phase", "removed");

	if (o->output == OUTPUT_JSON)
		output_json("Capture", object);
	else
		output_line(id);
}

static int rm(const struct options *o, char *const *argv, struct error *err)
{
	const char *id = argv[0], *target = id ? argv[1] : NULL;
	auto_json json_t *record = NULL;
	struct options with = *o;
	struct error e = {0};
	int rc;

	if (!id || !capture_id_is(id))
		return error_set(err, ERR_USAGE, "'spool rm' needs the ID of a capture");
	if (target && argv[2])
		return error_set(err, ERR_USAGE,
				 "'spool rm' takes an ID and a TARGET, not also '%s'", argv[2]);
	if (record_load(id, &record, &e) < 0 && !target) {
		*err = e;
		return error_hint(err, "name its node: %s spool rm %s node/NODE", command_program(),
				  id);
	}
	if (record)
		record_options(record, &with);
	rc = remove_there(&with, id, target, record, err);
	/* it is not on the node that our record names: then there is nothing to be remembered */
	if (rc == 0 || (err->code == ERR_TARGET && record && !target))
		record_delete(id);
	if (rc < 0 && err->code == ERR_TARGET && record && !target) {
		if (!o->quiet)
			log_at(LOG_WARN, "capture '%s' is not on its node any more", id);
		rc = 0;
	}
	if (rc == 0)
		print_removed(o, id);
	return rc;
}

static int run(const struct options *o, char *const *argv, struct error *err)
{
	if (argv[0] && strcmp(argv[0], "rm") == 0)
		return rm(o, argv + 1, err);
	return list(o, argv[0] && strcmp(argv[0], "list") == 0 ? argv + 1 : argv, err);
}

const struct command cmd_spool = {
	.name = "spool",
	.arguments = "[list] [TARGET] | rm ID [TARGET]",
	.summary = "list the captures that lie on nodes, or remove one",
	.examples = "$ jdiag spool\n"
		    "$ jdiag spool list node/gke-pool-1-x7k2 -o wide\n"
		    "$ jdiag spool rm 3f09c1d2a4b5e678",
	.flags = CMD_ONE_TARGET | CMD_ARGS,
	.run = run,
};
