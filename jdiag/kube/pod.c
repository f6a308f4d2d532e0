#include "jdiag/kube/pod.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "jdiag/json.h"
#include "jdiag/kube/names.h"
#include "jdiag/kube/quantity.h"
#include "remote/base/str.h"

#define HEX "0123456789abcdef"
#define DIGIT "0123456789"
#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* An object of the API that breaks the API's own rules. */
static int strange(const char *what, struct error *err)
{
	return error_set(err, ERR_API, "the cluster API sent a pod whose %s is not valid", what);
}

static bool is_uid(const char *s)
{
	return str_only(s, LOWER UPPER DIGIT "-");
}

static bool is_word(const char *s)
{
	return str_only(s, LOWER UPPER DIGIT);
}

static bool is_address(const char *s)
{
	unsigned char bin[16];

	return inet_pton(AF_INET, s, bin) == 1 || inet_pton(AF_INET6, s, bin) == 1;
}

/* A string of the object that passes check into dst; absent or empty: "" where that is allowed. */
static int take(const json_t *object, const char *path, bool (*check)(const char *), bool optional,
		char *dst, size_t size, struct error *err)
{
	const json_t *v = json_at(object, path);
	const char *s = json_is_string(v) ? json_string_value(v) : "";

	if (v && !json_is_string(v) && !json_is_null(v))
		return strange(path, err);
	if (!*s && optional)
		dst[0] = '\0';
	else if (!check(s) || !str_copy(dst, size, s))
		return strange(path, err);
	return 0;
}

/* For people only, so anything goes once it is escaped; cut when it is too long. */
static void take_text(const json_t *object, const char *path, char *dst, size_t size)
{
	const char *s = json_str_at(object, path, "");

	str_escape(dst, size, s, strlen(s), "");
}

static int take_metadata(const json_t *o, struct pod *p, struct error *err)
{
	const json_t *deletion = json_at(o, "metadata.deletionTimestamp");

	if (take(o, "metadata.namespace", name_is_label, false, p->ns, sizeof(p->ns), err) != 0 ||
	    take(o, "metadata.name", name_is_subdomain, false, p->name, sizeof(p->name), err) !=
		    0 ||
	    take(o, "metadata.uid", is_uid, false, p->uid, sizeof(p->uid), err) != 0)
		return -1;
	p->deleting = deletion && !json_is_null(deletion);
	return 0;
}

static int take_placement(const json_t *o, struct pod *p, struct error *err)
{
	if (take(o, "spec.nodeName", name_is_subdomain, true, p->node, sizeof(p->node), err) != 0 ||
	    take(o, "spec.runtimeClassName", name_is_subdomain, true, p->runtime_class,
		 sizeof(p->runtime_class), err) != 0 ||
	    take(o, "spec.os.name", is_word, true, p->os, sizeof(p->os), err) != 0 ||
	    take(o, "status.hostIP", is_address, true, p->host_ip, sizeof(p->host_ip), err) != 0 ||
	    take(o, "status.phase", is_word, true, p->phase, sizeof(p->phase), err) != 0)
		return -1;
	take_text(o, "status.reason", p->reason, sizeof(p->reason));
	return 0;
}

static uint64_t probe_number(const json_t *probe, const char *field, uint64_t otherwise)
{
	uint64_t n = json_u64_at(probe, field, 0);

	/* the API makes an absent or zero value the default; int32 is its type */
	return !n ? otherwise : n > INT32_MAX ? INT32_MAX : n;
}

/* Until the startup probe has succeeded (status `started`), the kubelet runs no other probe and
 * restarts the container by that one's numbers. */
static void take_liveness(const json_t *spec, const json_t *status, struct pod_container *c)
{
	const json_t *startup = json_object_get(spec, "startupProbe");
	const json_t *probe = json_object_get(spec, "livenessProbe");

	c->starting = json_is_object(startup) && !json_bool_at(status, "started", false);
	if (c->starting)
		probe = startup;
	c->has_liveness = json_is_object(probe);
	if (c->has_liveness)
		c->liveness_budget_ms = probe_number(probe, "failureThreshold", 3) *
					probe_number(probe, "periodSeconds", 10) * 1000;
}

static int take_limit(const json_t *spec, const char *path, uint64_t *ret, struct error *err)
{
	const json_t *v = json_at(spec, path);

	if (!v || json_is_null(v))
		return 0;
	if (json_is_string(v) && quantity_to_bytes(json_string_value(v), ret))
		return 0;
	return strange(path, err);
}

static int take_spec(const json_t *spec, struct pod_container *c, struct error *err)
{
	if (take(spec, "name", name_is_label, false, c->name, sizeof(c->name), err) != 0)
		return -1;
	take_text(spec, "image", c->image, sizeof(c->image));
	if (take_limit(spec, "resources.limits.memory", &c->memory_limit, err) < 0)
		return -1;
	return take_limit(spec, "resources.limits.ephemeral-storage", &c->storage_limit, err);
}

/* "containerd://7bba..." */
static int take_id(const json_t *status, struct pod_container *c, struct error *err)
{
	const char *s = json_str_at(status, "containerID", "");
	const char *sep = strstr(s, "://");
	size_t n = sep ? (size_t)(sep - s) : 0;

	if (!*s && !c->running)
		return 0;
	if (!n || n >= sizeof(c->runtime) || strspn(s, LOWER DIGIT ".-") != n ||
	    strlen(sep + 3) != 64 || !str_only(sep + 3, HEX))
		return strange("container id", err);
	memcpy(c->runtime, s, n);
	c->runtime[n] = '\0';
	memcpy(c->id, sep + 3, 65);
	return 0;
}

static void take_state(const json_t *status, struct pod_container *c)
{
	static const char *const kinds[] = {"waiting", "terminated"};
	const json_t *state = json_object_get(status, "state");

	c->running = json_is_object(json_object_get(state, "running"));
	snprintf(c->state, sizeof(c->state), "%s", c->running ? "running" : "not started");
	for (size_t i = 0; i < ARRAY_SIZE(kinds) && !c->running; i++) {
		const json_t *v = json_object_get(state, kinds[i]);
		char reason[40];

		if (!json_is_object(v))
			continue;
		take_text(v, "reason", reason, sizeof(reason));
		snprintf(c->state, sizeof(c->state), "%s%s%s", kinds[i], *reason ? ": " : "",
			 reason);
	}
}

/* The status of a container by its name, or NULL. */
static const json_t *status_of(const json_t *statuses, const char *name)
{
	size_t i;
	json_t *one;

	json_array_foreach (statuses, i, one) {
		if (strcmp(json_str_at(one, "name", ""), name) == 0)
			return one;
	}
	return NULL;
}

static int add_container(struct pod *p, const json_t *spec, const json_t *statuses,
			 struct error *err)
{
	struct pod_container *c = &p->containers[p->n_containers];
	const json_t *status;

	if (p->n_containers == POD_MAX_CONTAINERS)
		return error_set(err, ERR_API, "pod '%s' has more than %d containers", p->name,
				 POD_MAX_CONTAINERS);
	*c = (struct pod_container){0};
	if (take_spec(spec, c, err) != 0)
		return -1;
	for (unsigned int i = 0; i < p->n_containers; i++)
		if (strcmp(p->containers[i].name, c->name) == 0)
			return strange("list of containers", err);
	status = status_of(statuses, c->name);
	take_state(status, c);
	take_liveness(spec, status, c);
	c->restarts = json_u64_at(status, "restartCount", 0);
	if (take_id(status, c, err) != 0)
		return -1;
	p->n_containers++;
	return 0;
}

/* An init container with restartPolicy Always runs as long as the pod: a sidecar. Of the others
 * only the one counts that is at work now. */
static bool belongs(const json_t *spec, const json_t *statuses, bool init)
{
	const json_t *status = status_of(statuses, json_str_at(spec, "name", ""));

	return !init || strcmp(json_str_at(spec, "restartPolicy", ""), "Always") == 0 ||
	       json_is_object(json_at(status, "state.running"));
}

static int take_containers(const json_t *o, struct pod *p, struct error *err)
{
	static const struct {
		const char *spec, *status;
		bool init;
	} lists[] = {
		{"spec.containers", "status.containerStatuses", false},
		{"spec.initContainers", "status.initContainerStatuses", true},
		{"spec.ephemeralContainers", "status.ephemeralContainerStatuses", false},
	};

	for (size_t n = 0; n < ARRAY_SIZE(lists); n++) {
		const json_t *specs = json_at(o, lists[n].spec);
		size_t i;
		json_t *spec;

		json_array_foreach (specs, i, spec) {
			const json_t *statuses = json_at(o, lists[n].status);

			if (!belongs(spec, statuses, lists[n].init))
				continue;
			if (add_container(p, spec, statuses, err) != 0)
				return -1;
			p->containers[p->n_containers - 1].init = lists[n].init;
		}
	}
	return p->n_containers ? 0 : strange("list of containers", err);
}

int pod_from_json(const json_t *object, struct pod *ret, struct error *err)
{
	struct pod p = {.n_containers = 0};

	/* items of a list have no kind */
	if (!json_is_object(object) || strcmp(json_str_at(object, "kind", "Pod"), "Pod") != 0)
		return error_set(err, ERR_API, "the cluster API sent something that is not a pod");
	if (take_metadata(object, &p, err) != 0 || take_placement(object, &p, err) != 0 ||
	    take_containers(object, &p, err) != 0)
		return -1;
	*ret = p;
	return 0;
}
