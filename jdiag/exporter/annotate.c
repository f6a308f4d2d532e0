/* Which annotations of a pod a mark sets and removes: its own, and those of Prometheus's keys that
 * are nobody else's. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "jdiag/exporter/mark.h"
#include "jdiag/exporter/mark_record.h"
#include "jdiag/json.h"
#include "jdiag/kube/pod.h"
#include "remote/base/str.h"

/* Whose one of Prometheus's keys is. */
enum holder {
	FREE,	 /* the pod does not have it */
	OURS,	 /* of this mark, or of one whose container has gone on */
	OTHER,	 /* of another mark, whose page is scraped by it */
	FOREIGN, /* the user's */
};

struct holders {
	enum holder of[MARK_KEYS];
	char other[64]; /* the container of OTHER */
};

static const json_t *annotations_of(const json_t *pod)
{
	return json_at(pod, "metadata.annotations");
}

/* What a mark gives a key. Returns dst. */
static const char *value_by(const struct mark *m, size_t k, char dst[256])
{
	if (k == MARK_PORT)
		snprintf(dst, 256, "%llu", (unsigned long long)m->port);
	else
		snprintf(dst, 256, "%s", k == MARK_SCRAPE ? "true" : m->path);
	return dst;
}

static bool has_value(const json_t *annotations, size_t k, const struct mark *m)
{
	const json_t *v = json_object_get(annotations, mark_keys[k]);
	char value[256];

	return json_is_string(v) && strcmp(json_string_value(v), value_by(m, k, value)) == 0;
}

/* The keys mean something together: once one was changed, none of them is the mark's any more. */
static bool is_intact(const json_t *annotations, const struct mark_record *r)
{
	for (size_t k = 0; k < MARK_KEYS; k++)
		if (r->set[k] && json_object_get(annotations, mark_keys[k]) &&
		    !has_value(annotations, k, &r->mark))
			return false;
	return true;
}

static void hold(struct holders *h, const json_t *annotations, const struct mark_record *r,
		 enum holder by)
{
	if (!is_intact(annotations, r))
		return;
	for (size_t k = 0; k < MARK_KEYS; k++) {
		if (!r->set[k] || h->of[k] == FREE)
			continue;
		if (by == OTHER)
			memcpy(h->other, r->mark.container, sizeof(h->other));
		if (by == OTHER || h->of[k] == FOREIGN)
			h->of[k] = by;
	}
}

/* The marks of a container, but for that of a name. */
static void hold_others_of(struct holders *h, const json_t *pod, const char *container,
			   const char *name)
{
	char names[MAX_MARKS][MARK_NAME];
	size_t n = mark_names(pod, container, names);

	for (size_t i = 0; i < n; i++) {
		struct mark_record r;
		char why[128];

		if (strcmp(names[i], name) != 0 && mark_record_read(pod, names[i], &r, why) == 1)
			hold(h, annotations_of(pod), &r,
			     mark_is_current(&r.mark, pod) ? OTHER : OURS);
	}
}

static void hold_others(struct holders *h, const json_t *pod, const char *name)
{
	struct pod p;

	if (pod_from_json(pod, &p, NULL) != 0)
		return;
	for (unsigned int i = 0; i < p.n_containers; i++)
		hold_others_of(h, pod, p.containers[i].name, name);
}

/* own: the mark of that name as it is, or NULL. */
static struct holders find_holders(const json_t *pod, const char *name,
				   const struct mark_record *own)
{
	const json_t *annotations = annotations_of(pod);
	struct holders h = {.other = ""};

	for (size_t k = 0; k < MARK_KEYS; k++)
		h.of[k] = json_object_get(annotations, mark_keys[k]) ? FOREIGN : FREE;
	if (own)
		hold(&h, annotations, own, OURS);
	hold_others(&h, pod, name);
	return h;
}

static bool any_is_held(const struct holders *h)
{
	for (size_t k = 0; k < MARK_KEYS; k++)
		if (h->of[k] == OTHER || h->of[k] == FOREIGN)
			return true;
	return false;
}

/* The key to speak of: one that is in the way, rather than one that only is not ours. */
static size_t first_held(const struct holders *h, const json_t *annotations, const struct mark *m)
{
	size_t any = MARK_KEYS;

	for (size_t k = MARK_KEYS; k-- > 0;) {
		if (h->of[k] != OTHER && h->of[k] != FOREIGN)
			continue;
		if (any == MARK_KEYS || !has_value(annotations, k, m))
			any = k;
	}
	return any;
}

/* Prometheus's own default for the path is what most rules have, too. */
static bool is_scraped(const json_t *annotations, const struct holders *h, const struct mark *m)
{
	for (size_t k = 0; k < MARK_KEYS; k++) {
		bool usual = k == MARK_PATH && strcmp(m->path, "/metrics") == 0;

		if (h->of[k] == OURS || (h->of[k] == FREE && (usual || !any_is_held(h))))
			continue;
		if (!has_value(annotations, k, m))
			return false;
	}
	return true;
}

static void tell_held(const json_t *annotations, const struct holders *h, const struct mark *m,
		      char told[MARK_TOLD])
{
	size_t k = first_held(h, annotations, m);
	const char *value = "";
	char escaped[64];

	told[0] = '\0';
	if (k == MARK_KEYS || is_scraped(annotations, h, m))
		return;
	value = json_str_at(json_object_get(annotations, mark_keys[k]), "", "");
	str_escape(escaped, sizeof(escaped), value, strlen(value), NULL);
	snprintf(told, MARK_TOLD,
		 "%s '%s' is %s%s%s, and is left alone: a Prometheus that goes by these "
		 "annotations does not scrape port %llu of container '%s' (jdiag targets has it)",
		 mark_keys[k], escaped, h->of[k] == OTHER ? "for container '" : "the pod's own",
		 h->of[k] == OTHER ? h->other : "", h->of[k] == OTHER ? "'" : "",
		 (unsigned long long)m->port, m->container);
}

/* Whether the annotation says the same, in whatever order. */
static bool is_same_mark(const json_t *annotations, const char *key, const char *text)
{
	const json_t *v = json_object_get(annotations, key);
	auto_json json_t *a = NULL, *b = NULL;

	if (!json_is_string(v))
		return false;
	a = json_from_text(json_string_value(v), json_string_length(v), "mark", ERR_API, NULL);
	b = json_from_text(text, strlen(text), "mark", ERR_API, NULL);
	return a && json_equal(a, b);
}

static json_t *patch_or_nothing(json_t *patch)
{
	if (json_object_size(patch) > 0)
		return patch;
	json_decref(patch);
	return NULL;
}

json_t *mark_set(const json_t *pod, const struct mark *m, char ret_told[MARK_TOLD])
{
	const json_t *annotations = annotations_of(pod);
	char name[MARK_NAME] = "", why[128], value[256];
	bool named = mark_name(m, name);
	auto_free char *key = xasprintf(MARK_PREFIX "%s", name), *text = NULL;
	struct mark_record own, now = {.mark = *m};
	bool has_own = named && mark_record_read(pod, name, &own, why) == 1;
	const struct holders h = find_holders(pod, name, has_own ? &own : NULL);
	json_t *patch = json_object();

	for (size_t k = 0; k < MARK_KEYS; k++) {
		now.set[k] = h.of[k] == OURS || (h.of[k] == FREE && !any_is_held(&h));
		if (now.set[k] && !has_value(annotations, k, m))
			json_object_set_new(patch, mark_keys[k],
					    json_string(value_by(m, k, value)));
	}
	text = mark_text(&now);
	if (!is_same_mark(annotations, key, text))
		json_object_set_new(patch, key, json_string(text));
	tell_held(annotations, &h, m, ret_told);
	return patch_or_nothing(patch);
}

/* Which of the keys that the mark has set stay, and why. */
static void tell_kept(const struct holders *h, const struct mark_record *own, char told[MARK_TOLD])
{
	told[0] = '\0';
	for (size_t k = 0; k < MARK_KEYS; k++) {
		if (!own->set[k] || (h->of[k] != FOREIGN && h->of[k] != OTHER))
			continue;
		if (h->of[k] == OTHER)
			snprintf(told, MARK_TOLD, "%s stays: it is for container '%s', too",
				 mark_keys[k], h->other);
		else
			snprintf(told, MARK_TOLD,
				 "%s stays: the pod's annotations for Prometheus have been "
				 "changed since",
				 mark_keys[k]);
		return;
	}
}

json_t *mark_clear(const json_t *pod, const char *name, char ret_told[MARK_TOLD])
{
	const json_t *annotations = annotations_of(pod);
	auto_free char *key = xasprintf(MARK_PREFIX "%s", name);
	struct mark_record own;
	struct holders h;
	char why[128];
	json_t *patch;

	ret_told[0] = '\0';
	if (!json_object_get(annotations, key))
		return NULL;
	patch = json_object();
	json_object_set_new(patch, key, json_null());
	if (mark_record_read(pod, name, &own, why) == 0) {
		snprintf(ret_told, MARK_TOLD,
			 "the pod's annotations for Prometheus stay: which of them are jdiag's is "
			 "not known, as the mark cannot be read: %s",
			 why);
		return patch;
	}
	h = find_holders(pod, name, &own);
	for (size_t k = 0; k < MARK_KEYS; k++)
		if (own.set[k] && h.of[k] == OURS)
			json_object_set_new(patch, mark_keys[k], json_null());
	tell_kept(&h, &own, ret_told);
	return patch;
}

/* ---- handed on ---- */

/* What mark_clear makes, as far as it removes. Whether any of Prometheus's keys is among that. */
static bool remove_from(json_t *pod, const json_t *patch)
{
	json_t *annotations = json_at(pod, "metadata.annotations");
	bool any = false;
	const char *key;
	json_t *v;

	json_object_foreach ((json_t *)patch, key, v)
		json_object_del(annotations, key);
	for (size_t k = 0; k < MARK_KEYS; k++)
		any |= json_object_get(patch, mark_keys[k]) != NULL;
	return any;
}

/* The first mark that is current. */
static bool find_heir(const json_t *object, const char *not_of, struct mark *ret)
{
	struct pod pod;

	if (pod_from_json(object, &pod, NULL) != 0)
		return false;
	for (unsigned int i = 0; i < pod.n_containers; i++) {
		char names[MAX_MARKS][MARK_NAME], why[128];
		const char *container = pod.containers[i].name;
		size_t n =
			strcmp(container, not_of) == 0 ? 0 : mark_names(object, container, names);

		for (size_t k = 0; k < n; k++)
			if (mark_read(object, names[k], ret, why) == 1 &&
			    mark_is_current(ret, object))
				return true;
	}
	return false;
}

json_t *mark_hand_on(const json_t *pod, const char *name, const char *not_to,
		     char ret_told[MARK_TOLD])
{
	json_t *patch = mark_clear(pod, name, ret_told);
	auto_json json_t *rest = json_deep_copy(pod), *set = NULL;
	char told[MARK_TOLD];
	struct mark heir;

	if (!remove_from(rest, patch) || !find_heir(rest, not_to, &heir))
		return patch;
	set = mark_set(rest, &heir, told);
	json_object_update(patch, set);
	if (!*ret_told)
		snprintf(ret_told, MARK_TOLD,
			 "the pod's annotations for Prometheus are handed on: they name port %llu "
			 "of container '%s' now",
			 (unsigned long long)heir.port, heir.container);
	return patch;
}
