/* jdiag nodes: the nodes of the cluster, or instances of the Compute Engine, and how each is
 * reached. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "jdiag/command.h"
#include "jdiag/filter.h"
#include "jdiag/gce/gce.h"
#include "jdiag/interrupt.h"
#include "jdiag/json.h"
#include "jdiag/kube/kube.h"
#include "jdiag/node_record.h"
#include "jdiag/output.h"
#include "jdiag/rfc3339.h"
#include "jdiag/session.h"
#include "remote/base/buf.h"
#include "remote/base/log.h"
#include "remote/base/str.h"

struct listing {
	const struct options *o;
	struct filter *filter; /* owned; NULL: none, or the API filters */
	struct table *table;   /* owned */
	enum node_way way;
	bool gce;
	size_t found;
};

/* A column: its title, and the member of the record that it shows. */
struct column {
	const char *title, *key;
	bool wide;
};

static const struct column node_columns[] = {
	{"NAME", "name", false},       {"STATUS", "status", false},
	{"ADDRESS", "address", false}, {"ADDRESSES", "addresses", true},
	{"ZONE", "zone", true},	       {"ARCH", "arch", false},
	{"KERNEL", "kernel", true},    {"RUNTIME", "runtime", false},
	{"OS-IMAGE", "osImage", true}, {"AGE", NULL, false},
};

static const struct column instance_columns[] = {
	{"NAME", "name", false},	   {"STATUS", "status", false},
	{"ADDRESS", "address", false},	   {"INTERNAL", "internal", true},
	{"EXTERNAL", "external", true},	   {"ZONE", "zone", false},
	{"MACHINE", "machineType", false}, {"AGE", NULL, false},
};

#define MAX_COLUMNS ARRAY_SIZE(node_columns)
_Static_assert(ARRAY_SIZE(instance_columns) <= MAX_COLUMNS, "space for the columns of both");

static const struct column *column_at(const struct listing *l, size_t i)
{
	if (l->gce)
		return i < ARRAY_SIZE(instance_columns) ? &instance_columns[i] : NULL;
	return i < ARRAY_SIZE(node_columns) ? &node_columns[i] : NULL;
}

/* The next column that is shown, from *i on. */
static const struct column *next_column(const struct listing *l, size_t *i)
{
	const struct column *c;

	while ((c = column_at(l, (*i)++)))
		if (!c->wide || l->o->output == OUTPUT_WIDE)
			return c;
	return NULL;
}

static struct table *new_table(const struct listing *l)
{
	const char *titles[MAX_COLUMNS + 1] = {NULL};
	const struct column *c;
	size_t n = 0;

	for (size_t i = 0; (c = next_column(l, &i));)
		titles[n++] = c->title;
	return table_new(titles);
}

/* ---- one row ---- */

static char *age_cell(const json_t *record)
{
	int64_t created, now = (int64_t)time(NULL);
	char age[24];

	if (!rfc3339_to_unix(json_str_at(record, "creationTimestamp", ""), &created))
		return xstrdup("");
	return xstrdup(str_format_age(age, created < now ? (uint64_t)(now - created) : 0));
}

static char *addresses_cell(const json_t *record)
{
	auto_buf struct buf b = BUF_INIT(4096);
	const json_t *list = json_object_get(record, "addresses"), *one;
	size_t i;

	json_array_foreach (list, i, one)
		buf_addf(&b, "%s%s", b.len ? "," : "", json_str_at(one, "address", ""));
	return xstrdup(buf_str(&b));
}

static char *make_cell(const struct listing *l, const struct column *c, const json_t *record)
{
	const char *value = c->key ? json_str_at(record, c->key, "") : "";

	if (!c->key)
		return age_cell(record);
	if (strcmp(c->key, "addresses") == 0)
		return addresses_cell(record);
	if (!l->gce && strcmp(c->key, "status") == 0 && json_bool_at(record, "cordoned", false))
		return xasprintf("%s,Cordoned", value);
	return xstrdup(value);
}

static void add_row(struct listing *l, const json_t *record)
{
	char *cells[MAX_COLUMNS] = {NULL};
	const struct column *c;
	size_t n = 0;

	for (size_t i = 0; (c = next_column(l, &i));)
		cells[n++] = make_cell(l, c, record);
	table_row(l->table, (const char *const *)cells);
	while (n)
		free(cells[--n]);
}

/* A node's name is said as a TARGET. */
static void show(struct listing *l, const json_t *record)
{
	l->found++;
	if (l->o->output == OUTPUT_JSON) {
		output_json(l->gce ? "Instance" : "Node", record);
	} else if (l->o->output == OUTPUT_NAME) {
		auto_free char *line =
			xasprintf("%s%s", l->gce ? "" : "node/", json_str_at(record, "name", ""));

		output_line(line);
	} else {
		add_row(l, record);
	}
}

/* ---- nodes of the cluster ---- */

/* The address into the record, or why there is none. What is wrong with one node does not hide the
 * others; what is wrong with the API does. */
static int add_address(struct listing *l, struct session *s, const json_t *node, json_t *record,
		       struct error *err)
{
	struct error why = {0};
	int rc;

	if (l->way == NODE_GCE_INTERNAL || l->way == NODE_GCE_EXTERNAL)
		rc = session_take_node(s, node, &why);
	else
		rc = node_address(node, l->o->node_address, NULL, s->address, sizeof(s->address),
				  &why);
	if (rc == 0) {
		json_set_text(record, "address", s->address);
		return 0;
	}
	if (why.code != ERR_TARGET) {
		*err = why;
		return -1;
	}
	json_set_text(record, "addressError", why.msg);
	if (l->o->output != OUTPUT_JSON)
		log_at(LOG_WARN, "%s", why.msg);
	return 0;
}

static bool is_wanted(const struct listing *l, const json_t *record)
{
	auto_json json_t *view = node_record_for_filter(record);

	return !l->filter || filter_matches(l->filter, view);
}

static int list_nodes(struct listing *l, struct session *s, struct error *err)
{
	auto_json json_t *nodes = NULL;
	const json_t *node;
	size_t i;

	bool gce = l->way == NODE_GCE_INTERNAL || l->way == NODE_GCE_EXTERNAL;

	if (gce && gce_open(&s->gce, l->o->token_command, err) < 0)
		return -1;
	if (session_open_cluster(s, err) < 0 || kube_list_nodes(s->kube, &nodes, err) < 0)
		return -1;
	json_array_foreach (nodes, i, node) {
		auto_json json_t *record = NULL;

		if (interrupt_check(err) < 0 || node_record(node, &record, err) < 0)
			return -1;
		/* who filters by the address has each asked for it */
		if (add_address(l, s, node, record, err) < 0)
			return -1;
		if (is_wanted(l, record))
			show(l, record);
	}
	return 0;
}

static int parse_filter(struct listing *l, struct error *err)
{
	const char *unknown;

	if (l->gce || !l->o->filter)
		return 0;
	if (filter_parse(l->o->filter, &l->filter, err) < 0)
		return -1;
	unknown = filter_unknown_field(l->filter, node_record_fields);
	if (!unknown)
		return 0;
	error_set(err, ERR_USAGE, "bad filter: a node has no field '%s'", unknown);
	return error_hint(err, "there are: name, status, cordoned, zone, region, project, "
			       "machineType, labels.KEY, addresses, address,\narch, os, osImage, "
			       "kernel, runtime, kubelet, providerID, creationTimestamp");
}

/* ---- instances of the Compute Engine ---- */

static const char *find_project(const struct options *o)
{
	static const char *const variables[] = {"CLOUDSDK_CORE_PROJECT", "GOOGLE_CLOUD_PROJECT"};

	if (o->project)
		return o->project;
	for (size_t i = 0; i < ARRAY_SIZE(variables); i++) {
		const char *v = getenv(variables[i]);

		if (v && *v)
			return v;
	}
	return NULL;
}

static void add_instance_address(const struct listing *l, json_t *record)
{
	bool internal = l->way == NODE_INTERNAL || l->way == NODE_GCE_INTERNAL;
	const char *external = json_str_at(record, "external", "");
	const char *address =
		!internal && *external ? external : json_str_at(record, "internal", "");

	if (*address && strcmp(json_str_at(record, "status", ""), "RUNNING") == 0)
		json_set_text(record, "address", address);
}

static int list_instances(struct listing *l, struct gce *g, const char *project, struct error *err)
{
	auto_json json_t *instances = NULL;
	const json_t *one;
	size_t i;

	if (gce_list_instances(g, project, l->o->zone, l->o->filter, &instances, err) < 0)
		return -1;
	json_array_foreach (instances, i, one) {
		auto_json json_t *record = instance_record(one, project);

		add_instance_address(l, record);
		show(l, record);
	}
	return 0;
}

static int list_project(struct listing *l, struct session *s, struct error *err)
{
	const char *project = find_project(l->o);

	if (!project) {
		error_set(err, ERR_USAGE, "which project? none is named");
		return error_hint(err, "name it with --project ID or GOOGLE_CLOUD_PROJECT");
	}
	if (l->way == NODE_HOSTNAME || l->way == NODE_TEMPLATE)
		return error_set(err, ERR_USAGE,
				 "--node-address '%s' is for nodes of a cluster, not for instances",
				 l->o->node_address);
	/* what is wrong with the command line comes before what is wrong with the credentials */
	if (gce_check_project(project, err) < 0 ||
	    (l->o->zone && gce_check_zone(l->o->zone, err) < 0) ||
	    gce_open(&s->gce, l->o->token_command, err) < 0)
		return -1;
	return list_instances(l, s->gce, project, err);
}

static int check_options(const struct options *o, struct error *err)
{
	if (!o->zone || o->gce || o->project)
		return 0;
	error_set(err, ERR_USAGE, "--zone is for instances of the Compute Engine: give --gce, too");
	return error_hint(err, "of a cluster's nodes: --filter 'zone:%s'", o->zone);
}

static int run(const struct options *o, char *const *argv, struct error *err)
{
	struct listing l = {.o = o, .gce = o->gce || o->project};
	struct session s;
	int rc;

	(void)argv;
	if (check_options(o, err) < 0 || node_way_parse(o->node_address, &l.way, err) < 0 ||
	    parse_filter(&l, err) < 0) {
		filter_free(l.filter);
		return -1;
	}
	session_init(&s, o);
	l.table = new_table(&l);
	rc = l.gce ? list_project(&l, &s, err) : list_nodes(&l, &s, err);
	if (o->output == OUTPUT_TEXT || o->output == OUTPUT_WIDE)
		table_print(l.table);
	if (rc == 0 && !l.found)
		log_at(LOG_WARN, "no %s%s", l.gce ? "instance" : "node", o->filter ? " fits" : "");
	table_free(l.table);
	filter_free(l.filter);
	gce_close(s.gce);
	session_close(&s);
	return rc;
}

const struct command cmd_nodes = {
	.name = "nodes",
	.summary = "list nodes or instances, and how each is reached",
	.options = "filter gce project zone token-command",
	.examples = "$ jdiag nodes -o wide\n"
		    "$ jdiag nodes --filter 'status:RUNNING AND labels.pool:java'\n"
		    "$ jdiag nodes --node-address gce-external\n"
		    "$ jdiag nodes --project my-project --zone europe-west1-b",
	.flags = CMD_CLUSTER,
	.run = run,
};
