#include "jdiag/targets.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/exporter/mark.h"
#include "jdiag/json.h"
#include "jdiag/kube/pod.h"
#include "remote/base/str.h"

#define DEFAULT_PATH "/metrics"
#define MAX_PATH 255
#define MAX_PAGES (POD_MAX_CONTAINERS * MAX_MARKS + 1) /* of a pod */
#define MAX_LABEL_VALUE 63
#define LABEL_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."

/* What of one pod is looked at. */
struct looking {
	struct targets *t;
	const json_t *object, *annotations;
	struct pod pod;
	char address[INET6_ADDRSTRLEN + 2]; /* with the brackets of IPv6 */
	uint16_t marked[MAX_PAGES]; /* ports that marks are about, whatever became of them */
	size_t n_marked;
	uint16_t taken[MAX_PAGES]; /* ports that are targets */
	size_t n_taken;
};

/* One page. */
struct page {
	const char *container; /* "" */
	const char *path, *scheme;
	uint64_t port;
};

/* ---- what is left out ---- */

static void note(struct targets *t, json_t *kind, const char *fmt, ...) printf_like(3, 4);

static void note(struct targets *t, json_t *kind, const char *fmt, ...)
{
	char text[512], safe[512];
	va_list ap;

	t->left_out++;
	if (json_array_size(kind) >= MAX_TARGET_NOTES)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	str_escape(safe, sizeof(safe), text, strlen(text), NULL);
	json_array_append_new(kind, json_string(safe));
}

static const char *annotation(const json_t *annotations, const char *key)
{
	const json_t *v = json_object_get(annotations, key);

	return json_is_string(v) ? json_string_value(v) : "";
}

static bool scrape_is(const json_t *annotations, const char *word)
{
	return strcmp(annotation(annotations, "prometheus.io/scrape"), word) == 0;
}

static bool has_mark(const json_t *annotations)
{
	const char *key;
	json_t *v;

	json_object_foreach ((json_t *)annotations, key, v)
		if (str_starts(key, MARK_PREFIX))
			return true;
	return false;
}

/* ---- a target ---- */

/* value has been checked. For Prometheus an empty label is none. */
static void add_label(json_t *labels, const char *name, const char *value)
{
	if (*value)
		json_object_set_new(labels, name, json_string(value));
}

/* The API takes nothing else as a label's value. */
static bool is_label_value(const char *s)
{
	return strlen(s) <= MAX_LABEL_VALUE && str_only(s, LABEL_CHARACTERS);
}

static const char *app_of(const json_t *pod)
{
	const json_t *labels = json_at(pod, "metadata.labels");
	const char *name = annotation(labels, "app.kubernetes.io/name");
	const char *app = *name ? name : annotation(labels, "app");

	return is_label_value(app) ? app : "";
}

static json_t *labels_of(const struct looking *l, const struct page *p)
{
	json_t *labels = json_object();

	if (strcmp(p->path, DEFAULT_PATH) != 0)
		add_label(labels, "__metrics_path__", p->path);
	if (strcmp(p->scheme, "http") != 0)
		add_label(labels, "__scheme__", p->scheme);
	add_label(labels, "namespace", l->pod.ns);
	add_label(labels, "pod", l->pod.name);
	add_label(labels, "container", p->container);
	add_label(labels, "node", l->pod.node);
	add_label(labels, "app", app_of(l->object));
	return labels;
}

static bool is_in(const uint16_t *ports, size_t n, uint64_t port)
{
	for (size_t i = 0; i < n; i++)
		if (ports[i] == port)
			return true;
	return false;
}

/* Prometheus escapes a "?" of the path, and asks for what is not there. */
static bool is_path(const char *path)
{
	size_t len = strlen(path);

	if (path[0] != '/' || len > MAX_PATH)
		return false;
	for (size_t i = 0; i < len; i++)
		if (path[i] <= ' ' || path[i] > '~' || path[i] == '?' || path[i] == '#')
			return false;
	return true;
}

static void add_page(struct looking *l, const struct page *p)
{
	auto_free char *target = NULL;

	if (!is_path(p->path)) {
		note(l->t, l->t->problems, "pod '%s/%s': '%.64s' is no path to scrape", l->pod.ns,
		     l->pod.name, p->path);
		return;
	}
	if (is_in(l->taken, l->n_taken, p->port)) {
		note(l->t, l->t->problems,
		     "pod '%s/%s': container '%s' is marked with port %u, which is "
		     "another one's",
		     l->pod.ns, l->pod.name, p->container, (unsigned int)p->port);
		return;
	}
	l->taken[l->n_taken++] = (uint16_t)p->port;
	target = xasprintf("%s:%u", l->address, (unsigned int)p->port);
	json_array_append_new(l->t->groups, json_pack("{s:[s], s:o}", "targets", target, "labels",
						      labels_of(l, p)));
}

/* ---- what the marks say ---- */

static void take_mark(struct looking *l, const struct pod_container *c, const char *name)
{
	struct targets *t = l->t;
	char why[128] = "";
	struct mark m;
	int rc = mark_read(l->object, name, &m, why);

	if (rc == 0 && why[0])
		note(t, t->problems, "pod '%s/%s': the mark of container '%s' cannot be read: %s",
		     l->pod.ns, l->pod.name, c->name, why);
	if (rc != 1)
		return;
	if (m.port == 0 || m.port > UINT16_MAX) {
		note(t, t->problems, "pod '%s/%s': the mark of container '%s' has no port",
		     l->pod.ns, l->pod.name, c->name);
		return;
	}
	l->marked[l->n_marked++] = (uint16_t)m.port;
	if (!c->running)
		note(t, t->resting, "pod '%s/%s': container '%s' is not running: %s", l->pod.ns,
		     l->pod.name, c->name, c->state);
	else if (!mark_is_current(&m, l->object))
		note(t, t->problems,
		     "pod '%s/%s': container '%s' was started again since it was injected: inject "
		     "it again",
		     l->pod.ns, l->pod.name, c->name);
	else
		add_page(l, &(struct page){c->name, m.path, "http", m.port});
}

static void take_marks(struct looking *l, const struct pod_container *c)
{
	char names[MAX_MARKS][MARK_NAME];
	size_t n = mark_names(l->object, c->name, names);

	for (size_t i = 0; i < n; i++)
		take_mark(l, c, names[i]);
}

/* ---- what prometheus.io/ says ---- */

static void take_annotations(struct looking *l)
{
	const char *port = annotation(l->annotations, "prometheus.io/port");
	const char *path = annotation(l->annotations, "prometheus.io/path");
	const char *scheme = annotation(l->annotations, "prometheus.io/scheme");
	auto_free char *absolute = xasprintf("%s%s", *path == '/' ? "" : "/", path);
	struct page p = {"", *path ? absolute : DEFAULT_PATH, *scheme ? scheme : "http", 0};

	if (!scrape_is(l->annotations, "true"))
		return;
	if (!*port) {
		note(l->t, l->t->resting, "pod '%s/%s': it has no annotation prometheus.io/port",
		     l->pod.ns, l->pod.name);
	} else if (!str_to_u64(port, UINT16_MAX, &p.port) || p.port == 0) {
		note(l->t, l->t->problems,
		     "pod '%s/%s': prometheus.io/port is '%.32s', which is no port", l->pod.ns,
		     l->pod.name, port);
	} else if (strcmp(p.scheme, "http") != 0 && strcmp(p.scheme, "https") != 0) {
		note(l->t, l->t->problems,
		     "pod '%s/%s': prometheus.io/scheme is '%.32s', which is neither http nor "
		     "https",
		     l->pod.ns, l->pod.name, p.scheme);
	} else if (!is_in(l->marked, l->n_marked, p.port)) {
		add_page(l, &p);
	}
}

/* ---- pods ---- */

/* The address once more from its bytes, so that it is nothing but an address. */
static bool take_address(struct looking *l)
{
	const char *text = json_str_at(l->object, "status.podIP", "");
	unsigned char bytes[16] = {0};
	char plain[INET6_ADDRSTRLEN];
	int family = strchr(text, ':') ? AF_INET6 : AF_INET;
	bool v6 = family == AF_INET6;

	if (inet_pton(family, text, bytes) != 1 || !inet_ntop(family, bytes, plain, sizeof(plain)))
		return false;
	snprintf(l->address, sizeof(l->address), "%s%s%s", v6 ? "[" : "", plain, v6 ? "]" : "");
	return true;
}

/* Why nobody should scrape it, or NULL. */
static const char *why_resting(struct looking *l)
{
	if (l->pod.deleting)
		return "it is being deleted";
	if (strcmp(l->pod.phase, "Running") != 0)
		return l->pod.phase[0] ? l->pod.phase : "it has no phase";
	if (scrape_is(l->annotations, "false"))
		return "prometheus.io/scrape is false";
	return take_address(l) ? NULL : "it has no address";
}

static void take_pod(struct targets *t, const json_t *object)
{
	struct looking l = {
		.t = t, .object = object, .annotations = json_at(object, "metadata.annotations")};
	struct error err = {0};
	const char *why;

	if (!has_mark(l.annotations) && !scrape_is(l.annotations, "true"))
		return;
	if (pod_from_json(object, &l.pod, &err) < 0) {
		note(t, t->problems, "pod '%s/%s': %s",
		     json_str_at(object, "metadata.namespace", "?"),
		     json_str_at(object, "metadata.name", "?"), err.msg);
		return;
	}
	why = why_resting(&l);
	if (why) {
		note(t, t->resting, "pod '%s/%s': %s", l.pod.ns, l.pod.name, why);
		return;
	}
	for (unsigned int i = 0; i < l.pod.n_containers; i++)
		take_marks(&l, &l.pod.containers[i]);
	take_annotations(&l);
}

static int by_name(const void *a, const void *b)
{
	const json_t *x = *(const json_t *const *)a, *y = *(const json_t *const *)b;
	int rc = strcmp(json_str_at(x, "metadata.namespace", ""),
			json_str_at(y, "metadata.namespace", ""));

	return rc ? rc
		  : strcmp(json_str_at(x, "metadata.name", ""),
			   json_str_at(y, "metadata.name", ""));
}

void targets_from_pods(struct targets *ret, const json_t *pods)
{
	size_t n = json_array_size(pods);
	auto_free const json_t **sorted = xcalloc(n + 1, sizeof(*sorted));

	*ret = (struct targets){
		.groups = json_array(), .problems = json_array(), .resting = json_array()};
	for (size_t i = 0; i < n; i++)
		sorted[i] = json_array_get(pods, i);
	qsort(sorted, n, sizeof(*sorted), by_name);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || by_name(&sorted[i - 1], &sorted[i]) != 0)
			take_pod(ret, sorted[i]);
}

void targets_release(struct targets *t)
{
	json_decref(t->groups);
	json_decref(t->problems);
	json_decref(t->resting);
	*t = (struct targets){.groups = NULL};
}

void targets_to_text(const struct targets *t, struct buf *ret)
{
	const json_t *group;
	size_t i;

	buf_adds(ret, "[");
	json_array_foreach (t->groups, i, group) {
		auto_free char *line = json_to_line(group);

		buf_addf(ret, "%s\n%s", i ? "," : "", line);
	}
	buf_addf(ret, "%s]\n", json_array_size(t->groups) ? "\n" : "");
}
