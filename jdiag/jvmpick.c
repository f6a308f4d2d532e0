#include "jdiag/jvmpick.h"

#include <jansson.h>
#include <string.h>

#include "jdiag/command.h"
#include "jdiag/helper/helper.h"
#include "jdiag/json.h"
#include "jdiag/session.h"
#include "remote/base/buf.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"

#define PS_TIMEOUT_MS 30000

#define MIN_ID_PREFIX 4

/* --container without an API: the id, which nobody can take from another; else a name; */
static bool container_is(const json_t *jvm, const char *wanted)
{
	return strcmp(json_str_at(jvm, "container", ""), wanted) == 0;
}

static bool container_is_called(const json_t *jvm, const char *wanted)
{
	return strcmp(json_str_at(jvm, "name", ""), wanted) == 0;
}

/* else an id that is shortened, as docker and crictl print it; of a container of a user's, who may
 * choose it, also the whole. Two that begin alike are refused by the caller. */
static bool container_begins(const json_t *jvm, const char *wanted)
{
	return strlen(wanted) >= MIN_ID_PREFIX &&
	       jvm_id_begins(json_str_at(jvm, "container", ""), wanted);
}

bool jvm_id_begins(const char *id, const char *wanted)
{
	const char *slash = str_starts(id, "user:") ? strchr(id, '/') : NULL;

	return str_starts(id, wanted) || (slash && str_starts(slash + 1, wanted));
}

bool jvm_is_called(const json_t *jvm, const char *wanted)
{
	const char *main_class = json_str_at(jvm, "main", "");
	const char *last = strrchr(main_class, '.');
	uint64_t pid;

	if (str_to_u64(wanted, UINT32_MAX, &pid))
		return json_u64_at(jvm, "ns_pid", 0) == pid || json_u64_at(jvm, "pid", 0) == pid;
	return strcmp(main_class, wanted) == 0 || (last && strcmp(last + 1, wanted) == 0);
}

typedef bool container_fn(const json_t *jvm, const char *wanted);

static bool is_wanted(const struct session *s, const json_t *jvm, container_fn *matches)
{
	const struct options *o = s->o;

	/* The node may name others than those it was asked for. */
	if (s->has_pod && strcmp(json_str_at(jvm, "container", ""), s->container->id) != 0)
		return false;
	if (!s->has_pod && o->container && !matches(jvm, o->container))
		return false;
	return !o->jvm || jvm_is_called(jvm, o->jvm);
}

static json_t *ps_params(const struct session *s)
{
	json_t *params = json_object();

	if (s->has_pod)
		json_object_set_new(params, "containers", json_pack("[s]", s->container->id));
	else if (s->o->host_pid)
		json_object_set_new(params, "pid", json_integer((json_int_t)s->o->host_pid));
	return params;
}

static int hint_ps(const struct session *s, struct error *err)
{
	if (s->has_pod)
		return error_hint(err, "list the JVMs there: %s ps %s -n %s", command_program(),
				  s->pod.name, s->pod.ns);
	if (s->port)
		return error_hint(err, "list the JVMs there: %s ps ssh://%s:%u", command_program(),
				  s->node, s->port);
	return error_hint(err, "list the JVMs there: %s ps ssh://%s", command_program(), s->node);
}

int jvm_check_container(const struct session *s, const json_t *answer, uint64_t *ret,
			struct error *err)
{
	const json_t *container = json_array_get(json_at(answer, "containers"), 0);
	uint64_t n = json_u64_at(container, "processes", 0);

	if (n == 0) {
		error_set(err, ERR_TARGET, "container '%s' of pod '%s' is not on node '%s'",
			  s->container->name, s->pod.name, s->node);
		return error_hint(err, "has the pod moved or restarted? run the command again");
	}
	*ret = n;
	return 0;
}

static int not_found(const struct session *s, const json_t *answer, struct error *err)
{
	uint64_t n;

	if (s->has_pod && jvm_check_container(s, answer, &n, err) < 0)
		return -1;
	if (s->o->jvm)
		error_set(err, ERR_TARGET, "no JVM matches --jvm '%s'", s->o->jvm);
	else if (s->has_pod)
		error_set(err, ERR_TARGET, "no JVM runs in container '%s' of pod '%s'",
			  s->container->name, s->pod.name);
	else if (s->o->host_pid)
		error_set(err, ERR_TARGET, "process %llu on '%s' is not a JVM",
			  (unsigned long long)s->o->host_pid, s->node);
	else
		error_set(err, ERR_TARGET, "no JVM runs in container '%s' on '%s'",
			  s->o->container ? s->o->container : "", s->node);
	return hint_ps(s, err);
}

/* More than one container: that is what has to be chosen first. */
static bool in_one_container(const json_t *candidates)
{
	const char *first = json_str_at(json_array_get(candidates, 0), "container", "");
	const json_t *jvm;
	size_t i;

	json_array_foreach (candidates, i, jvm)
		if (strcmp(json_str_at(jvm, "container", ""), first) != 0)
			return false;
	return true;
}

static int several_containers(const json_t *candidates, const char *wanted, struct error *err)
{
	auto_buf struct buf list = BUF_INIT(900);
	const json_t *jvm;
	size_t i;

	error_set(err, ERR_TARGET, "'%s' means more than one container, choose one by its id",
		  wanted);
	json_array_foreach (candidates, i, jvm)
		buf_addf(&list, "%s--container %.127s  %.60s%s%.60s (host pid %llu)", i ? "\n" : "",
			 json_str_at(jvm, "container", ""), json_str_at(jvm, "pod", ""),
			 *json_str_at(jvm, "pod", "") ? "/" : "", json_str_at(jvm, "name", ""),
			 (unsigned long long)json_u64_at(jvm, "pid", 0));
	return error_hint(err, "%s", buf_str(&list));
}

static int unnamed(const struct session *s, struct error *err)
{
	error_set(err, ERR_TARGET, "'%s' has more containers than names were looked up for",
		  s->node);
	return error_hint(err, "give the whole id instead of '%s': %s ps ssh://%s", s->o->container,
			  command_program(), s->node);
}

/* A pid of a container is many JVMs' on a host; its own is one's. */
static int ambiguous(const struct session *s, const json_t *candidates, struct error *err)
{
	auto_buf struct buf list = BUF_INIT(900);
	const json_t *jvm;
	size_t i;

	error_set(err, ERR_TARGET, "%zu JVMs match, choose one with %s",
		  json_array_size(candidates),
		  s->has_pod ? "--jvm PID or --jvm MAINCLASS" : "--pid PID");
	json_array_foreach (candidates, i, jvm) {
		unsigned long long pid = json_u64_at(jvm, "pid", 0);
		const char *main_class = json_str_at(jvm, "main", "?"), *before = i ? "\n" : "";

		if (s->has_pod)
			buf_addf(&list, "%s--jvm %llu  %.200s (host pid %llu)", before,
				 (unsigned long long)json_u64_at(jvm, "ns_pid", 0), main_class,
				 pid);
		else
			buf_addf(&list, "%s--pid %llu  %.100s  %.60s%s%.60s", before, pid,
				 main_class, json_str_at(jvm, "pod", ""),
				 *json_str_at(jvm, "pod", "") ? "/" : "",
				 json_str_at(jvm, "name", ""));
	}
	return error_hint(err, "%s", buf_str(&list));
}

static void add_candidates(const struct session *s, const json_t *answer, container_fn *matches,
			   json_t *candidates)
{
	json_t *jvm;
	size_t i;

	json_array_foreach (json_at(answer, "jvms"), i, jvm)
		if (json_u64_at(jvm, "pid", 0) && is_wanted(s, jvm, matches))
			json_array_append(candidates, jvm);
}

int jvm_list(struct session *s, json_t **ret, struct error *err)
{
	auto_json json_t *params = ps_params(s);

	if (helper_call(s->helper, "ps", params, PS_TIMEOUT_MS, ret, err) < 0)
		return err && err->code == ERR_TARGET ? hint_ps(s, err) : -1;
	return 0;
}

int jvm_choose(const struct session *s, const json_t *answer, json_t **ret, struct error *err)
{
	static container_fn *const ways[] = {container_is, container_is_called, container_begins};
	auto_json json_t *candidates = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(ways) && json_array_size(candidates) == 0; i++) {
		/* whoever has made that so would be the only one of that name */
		if (i > 0 && !s->has_pod && s->o->container &&
		    json_bool_at(answer, "unnamed", false))
			return unnamed(s, err);
		add_candidates(s, answer, ways[i], candidates);
	}
	if (json_array_size(candidates) == 0)
		return not_found(s, answer, err);
	if (!s->has_pod && s->o->container && !in_one_container(candidates))
		return several_containers(candidates, s->o->container, err);
	if (json_array_size(candidates) > 1)
		return ambiguous(s, candidates, err);
	*ret = json_incref(json_array_get(candidates, 0));
	return 0;
}

int jvm_pick(struct session *s, json_t **ret, struct error *err)
{
	auto_json json_t *answer = NULL;

	return jvm_list(s, &answer, err) < 0 ? -1 : jvm_choose(s, answer, ret, err);
}

int jvm_check_attachable(const json_t *jvm, struct error *err)
{
	const char *reason = json_str_at(jvm, "reason", "no reason was given");

	if (json_bool_at(jvm, "attachable", false))
		return 0;
	error_set(err, ERR_ATTACH, "the JVM (pid %llu) cannot be attached to: %s",
		  (unsigned long long)json_u64_at(jvm, "ns_pid", 0), reason);
	if (strstr(reason, "DisableAttachMechanism") || strstr(reason, "-Xrs"))
		return error_hint(err, "nothing was done to it; it has to be started without that "
				       "option (look at JAVA_TOOL_OPTIONS too)");
	return error_hint(err, "nothing was done to it");
}

json_t *jvm_reference(const json_t *jvm)
{
	return json_pack("{s:I, s:I, s:s}", "pid", (json_int_t)json_u64_at(jvm, "pid", 0),
			 "start_time", (json_int_t)json_u64_at(jvm, "start_time", 0), "container",
			 json_str_at(jvm, "container", ""));
}
