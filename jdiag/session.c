#include "jdiag/session.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "jdiag/helper/helper.h"
#include "jdiag/json.h"
#include "jdiag/kube/kube.h"
#include "jdiag/ssh/ssh.h"
#include "remote/base/io.h"
#include "remote/base/log.h"
#include "remote/base/str.h"

void session_init(struct session *s, const struct options *o)
{
	*s = (struct session){.o = o, .port = o->ssh_port};
}

bool session_disconnect(struct session *s)
{
	bool clean = helper_stop(s->helper);

	ssh_close(s->ssh);
	s->helper = NULL;
	s->ssh = NULL;
	return clean;
}

bool session_close(struct session *s)
{
	bool clean = session_disconnect(s);

	kube_close(s->kube);
	s->kube = NULL;
	session_forget_node(s);
	return clean;
}

int session_open_cluster(struct session *s, struct error *err)
{
	const struct options *o = s->o;
	const struct kube_options k = {
		.kubeconfig = o->kubeconfig,
		.context = o->context,
		.cluster = o->cluster,
		.user = o->user,
		.as = o->as,
		.namespace_ = o->namespace_,
		.request_timeout_ms = o->request_timeout_ms,
		.no_input = o->no_input,
	};

	return s->kube ? 0 : kube_open(&s->kube, &k, err);
}

/* GKE says which instance of Compute Engine a node is: gcloud knows its host key by that. */
static void take_instance(struct session *s, const json_t *node)
{
	const json_t *id = json_object_get(json_at(node, "metadata.annotations"),
					   "container.googleapis.com/instance_id");
	const char *number = json_is_string(id) ? json_string_value(id) : "";

	s->instance[0] = '\0';
	if (str_only(number, "0123456789") && strlen(number) <= 20)
		snprintf(s->instance, sizeof(s->instance), "compute.%s", number);
}

int session_take_node(struct session *s, const json_t *object, struct error *err)
{
	take_instance(s, object);
	if (!str_copy(s->node, sizeof(s->node), json_str_at(object, "metadata.name", "")))
		return error_set(err, ERR_API, "the name of a node is too long");
	if (strcmp(json_str_at(object, "status.nodeInfo.architecture", ""), "arm64") == 0)
		s->machine = "aarch64";
	return session_find_address(s, object, err);
}

int session_resolve_node(struct session *s, const char *node, struct error *err)
{
	auto_json json_t *object = NULL;

	if (kube_get_node(s->kube, node, &object, err) < 0)
		return -1;
	return session_take_node(s, object, err);
}

static const char *pod_namespace(const struct session *s)
{
	return s->ns[0] ? s->ns : kube_namespace(s->kube);
}

static int read_pod(struct session *s, const char *name, struct pod *ret, struct error *err)
{
	auto_json json_t *object = NULL;

	if (kube_get_pod(s->kube, pod_namespace(s), name, &object, err) < 0)
		return -1;
	return pod_from_json(object, ret, err);
}

int session_read_pod(struct session *s, const char *name, struct error *err)
{
	if (session_open_cluster(s, err) < 0 || read_pod(s, name, &s->pod, err) < 0)
		return -1;
	s->has_pod = true;
	if (pod_check_reachable(&s->pod, err) < 0)
		return -1;
	s->container = pod_pick_container(&s->pod, s->o->container, err);
	return s->container ? 0 : -1;
}

int session_resolve_pod(struct session *s, const char *name, struct error *err)
{
	if (session_read_pod(s, name, err) < 0)
		return -1;
	return session_resolve_node(s, s->pod.node, err);
}

int session_resolve_ssh(struct session *s, const struct target *t, struct error *err)
{
	if (!str_copy(s->node, sizeof(s->node), t->host) ||
	    !str_copy(s->address, sizeof(s->address), t->host) ||
	    !str_copy(s->user, sizeof(s->user), t->user))
		return error_set(err, ERR_USAGE, "host or user of '%s' is too long", t->host);
	if (t->port)
		s->port = t->port;
	return 0;
}

int session_resolve_target(struct session *s, const struct target *t, struct error *err)
{
	struct pod pod;

	if (t->kind == TARGET_SSH)
		return session_resolve_ssh(s, t, err);
	if (t->kind == TARGET_WORKLOAD) {
		error_set(err, ERR_USAGE, "'%s' may have many pods: name one of them, or a node",
			  t->name);
		return error_hint(err, "its pods: kubectl get pods");
	}
	if (session_open_cluster(s, err) < 0)
		return -1;
	if (t->kind == TARGET_NODE)
		return session_resolve_node(s, t->name, err);
	if (read_pod(s, t->name, &pod, err) < 0)
		return -1;
	if (!pod.node[0])
		return error_set(err, ERR_TARGET, "pod '%s' is on no node", t->name);
	return session_resolve_node(s, pod.node, err);
}

char *session_node_target(const struct session *s)
{
	bool v6 = strchr(s->node, ':');
	auto_free char *port = s->port ? xasprintf(":%u", s->port) : xstrdup("");

	if (s->kube)
		return xasprintf("node/%s", s->node);
	return xasprintf("ssh://%s%s%s%s%s%s", s->user, s->user[0] ? "@" : "", v6 ? "[" : "",
			 s->node, v6 ? "]" : "", port);
}

static enum host_key_mode host_key_mode(const char *word)
{
	return !word || strcmp(word, "strict") == 0 ? HOST_KEY_STRICT
	       : strcmp(word, "accept-new") == 0    ? HOST_KEY_ACCEPT_NEW
						    : HOST_KEY_IGNORE;
}

/* What stands on the command line wins over what stands in the target, and that over a variable of
 * the environment. */
static const char *user(const struct session *s)
{
	bool given = option_given(s->o, option_find("ssh-user"));

	return s->user[0] && !given ? s->user : s->o->ssh_user;
}

struct ssh_options session_ssh_options(const struct session *s)
{
	const struct options *o = s->o;

	return (struct ssh_options){
		.host = s->address,
		.port = s->port,
		.user = user(s),
		.identities = o->identities[0] ? o->identities : NULL,
		.known_hosts = o->known_hosts,
		.host_keys_given = o->host_key,
		.host_keys = host_key_mode(o->host_key),
		.way = o->ssh,
		.config_file = o->ssh_config,
		.extra = o->ssh_extra[0] ? o->ssh_extra : NULL,
		.jumps = o->jumps,
		.instance = s->instance[0] ? s->instance : NULL,
		.no_input = o->no_input,
	};
}

static int open_ssh(struct session *s, struct error *err)
{
	const struct ssh_options o = session_ssh_options(s);
	uint64_t start = now_ms();

	if (ssh_open(&s->ssh, &o, err) < 0)
		return -1;
	log_at(LOG_STEP, "ssh to '%s' in %llu ms", s->address,
	       (unsigned long long)(now_ms() - start));
	return 0;
}

/* The first address is the one that was meant: that it does not answer is the error, unless another
 * one answers and is not as it should be. */
int session_open_ssh(struct session *s, struct error *err)
{
	struct error first = {0}, why = {0};

	while (open_ssh(s, &why) < 0) {
		if (!first.code || why.sys != EHOSTUNREACH)
			first = why;
		if (why.sys != EHOSTUNREACH || !session_next_address(s, &first)) {
			if (err)
				*err = first;
			return -1;
		}
		why = (struct error){0};
	}
	session_forget_node(s);
	return 0;
}

int session_start_helper(struct session *s, struct error *err)
{
	const struct helper_options o = {.sudo = s->o->sudo, .machine = s->machine};
	uint64_t start = now_ms();

	if (helper_start(&s->helper, s->ssh, &o, err) < 0)
		return error_prefix(err, "node '%s'", s->node);
	log_at(LOG_STEP, "helper started in %llu ms", (unsigned long long)(now_ms() - start));
	return 0;
}

int session_connect(struct session *s, struct error *err)
{
	return session_open_ssh(s, err) < 0 ? -1 : session_start_helper(s, err);
}

void session_set_uninterruptible(struct session *s, bool on)
{
	if (s->ssh)
		ssh_set_uninterruptible(s->ssh, on);
}

int session_recheck(struct session *s, struct error *err)
{
	struct pod now;

	if (!s->has_pod)
		return 0;
	if (read_pod(s, s->pod.name, &now, err) < 0)
		return error_prefix(err, "cannot check the pod again");
	return pod_check_unchanged(&s->pod, &now, s->container->name, err);
}

int session_read_restarts(struct session *s, const char *ns, const char *pod, const char *uid,
			  const char *container, uint64_t *ret, struct error *err)
{
	auto_json json_t *object = NULL;
	struct pod now;

	if (session_open_cluster(s, err) < 0 || kube_get_pod(s->kube, ns, pod, &object, err) < 0 ||
	    pod_from_json(object, &now, err) < 0)
		return -1;
	if (strcmp(now.uid, uid) != 0)
		return error_set(err, ERR_TARGET, "pod '%s' is another one now", pod);
	for (unsigned int i = 0; i < now.n_containers; i++)
		if (strcmp(now.containers[i].name, container) == 0) {
			*ret = now.containers[i].restarts;
			return 0;
		}
	return error_set(err, ERR_TARGET, "pod '%s' has no container '%s' any more", pod,
			 container);
}
