/* From the kubeconfig to the node's address. */
#include <stdlib.h>
#include <string.h>

#include "jdiag/doctor.h"
#include "jdiag/kube/access.h"
#include "jdiag/kube/kube.h"
#include "remote/base/buf.h"
#include "remote/base/str.h"

int doctor_kubeconfig(struct doctor *d, struct doctor_line *l, struct error *err)
{
	const struct kube *k;

	if (session_open_cluster(&d->session, err) < 0)
		return -1;
	k = d->session.kube;
	doctor_say(l, "%s%s%s, namespace '%s'", *kube_context(k) ? "context '" : "in a pod",
		   kube_context(k), *kube_context(k) ? "'" : "", kube_namespace(k));
	return 0;
}

int doctor_api(struct doctor *d, struct doctor_line *l, struct error *err)
{
	struct kube *k = d->session.kube;
	const char *server = kube_server(k);
	char version[64] = "";

	if (kube_look(k, version, sizeof(version), err) < 0)
		return -1;
	if (str_starts(server, "http://"))
		doctor_warn(l, "use the https:// address of the cluster in the kubeconfig",
			    "'%s' answers %s, without encryption", server, version);
	else if (!kube_is_verified(k))
		doctor_warn(l,
			    "set certificate-authority-data in the kubeconfig, instead of "
			    "insecure-skip-tls-verify",
			    "'%s' answers %s, its certificate is not verified", server, version);
	else
		doctor_say(l, "'%s' answers%s%s, its certificate is trusted", server,
			   *version ? " " : "", version);
	return 0;
}

int doctor_credentials(struct doctor *d, struct doctor_line *l, struct error *err)
{
	if (kube_who(d->session.kube, d->user, sizeof(d->user), err) < 0)
		return -1;
	if (*d->user)
		doctor_say(l, "accepted, as user '%s'", d->user);
	else
		doctor_say(l, "accepted");
	return 0;
}

/* Who does not say may allow it all the same: the next steps try. */
static int not_known(struct doctor_line *l, const struct error *why, struct error *err)
{
	if (why->code == ERR_INTERRUPTED) {
		*err = *why;
		return -1;
	}
	doctor_warn(l, "", "not known, the cluster API does not say: %.300s", why->msg);
	return 0;
}

/* purpose: what needs it, when not everything does. */
static int ask(struct doctor *d, struct doctor_line *l, const struct kube_access *a,
	       const char *purpose, struct error *err)
{
	auto_free char *place = a->ns ? xasprintf(" in namespace '%s'", a->ns) : xstrdup("");
	auto_free char *rule = kube_access_rule(a, d->user);
	struct error why = {0};
	int may = kube_may(d->session.kube, a, &why);

	if (may < 0)
		return not_known(l, &why, err);
	if (may) {
		doctor_say(l, "allowed%s", place);
		return 0;
	}
	error_set(err, ERR_API, "not allowed to %s %s%s%s%s", a->verb, a->resource, place,
		  *purpose ? ", which is needed for " : "", purpose);
	return error_hint(err, "%s", rule);
}

int doctor_get_pods(struct doctor *d, struct doctor_line *l, struct error *err)
{
	const struct kube_access a = {.verb = "get",
				      .resource = "pods",
				      .ns = kube_namespace(d->session.kube),
				      .name = d->target.name};

	return ask(d, l, &a, "", err);
}

/* Of a node the names of all pods are looked up. */
int doctor_list_pods(struct doctor *d, struct doctor_line *l, struct error *err)
{
	const struct kube_access a = {.verb = "list",
				      .resource = "pods",
				      .ns = doctor_has_pod(d) ? kube_namespace(d->session.kube)
							      : NULL};

	return ask(d, l, &a, doctor_has_pod(d) ? "-l and deploy/NAME" : "the names of pods", err);
}

/* deploy/NAME and the like: one line for all of them. */
int doctor_get_workloads(struct doctor *d, struct doctor_line *l, struct error *err)
{
	static const struct {
		const char *group, *resource;
	} kinds[] = {{"apps", "deployments"},
		     {"apps", "statefulsets"},
		     {"apps", "daemonsets"},
		     {"apps", "replicasets"},
		     {"batch", "jobs"}};
	const char *ns = kube_namespace(d->session.kube);
	auto_buf struct buf missing = BUF_INIT(256), rules = BUF_INIT(1000);

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const struct kube_access a = {.verb = "get",
					      .group = kinds[i].group,
					      .resource = kinds[i].resource,
					      .ns = ns};
		auto_free char *rule = kube_access_rule(&a, d->user);
		struct error why = {0};
		int may = kube_may(d->session.kube, &a, &why);

		if (may < 0)
			return not_known(l, &why, err);
		if (may)
			continue;
		buf_addf(&missing, "%s%s", missing.len ? ", " : "", kinds[i].resource);
		buf_addf(&rules, "%.*s\n", (int)strcspn(rule, "\n"), rule);
	}
	if (missing.len) {
		error_set(
			err, ERR_API,
			"not allowed to get %s in namespace '%s', which is needed for deploy/NAME "
			"and the like",
			buf_str(&missing), ns);
		return error_hint(err, "%s", buf_str(&rules));
	}
	doctor_say(l, "allowed in namespace '%s'", ns);
	return 0;
}

int doctor_list_nodes(struct doctor *d, struct doctor_line *l, struct error *err)
{
	const struct kube_access a = {.verb = "list", .resource = "nodes"};

	return ask(d, l, &a, "'nodes'", err);
}

int doctor_pod(struct doctor *d, struct doctor_line *l, struct error *err)
{
	const struct session *s = &d->session;

	if (session_read_pod(&d->session, d->target.name, err) < 0)
		return -1;
	doctor_say(l, "'%s' is %s on node '%s', container '%s' runs (%llu restarts)", s->pod.name,
		   s->pod.phase, s->pod.node, s->container->name,
		   (unsigned long long)s->container->restarts);
	return 0;
}

/* The node is known when the target is one, or when its pod was found. */
static const char *node_name(const struct doctor *d)
{
	if (d->target.kind == TARGET_NODE)
		return d->target.name;
	return d->session.has_pod && *d->session.pod.node ? d->session.pod.node : NULL;
}

int doctor_get_nodes(struct doctor *d, struct doctor_line *l, struct error *err)
{
	const struct kube_access a = {.verb = "get", .resource = "nodes", .name = node_name(d)};

	return ask(d, l, &a, "", err);
}

int doctor_address(struct doctor *d, struct doctor_line *l, struct error *err)
{
	struct session *s = &d->session;

	if (d->target.kind == TARGET_SSH) {
		if (session_resolve_ssh(s, &d->target, err) < 0)
			return -1;
		doctor_say(l, "'%s', without a cluster API", s->address);
		return 0;
	}
	if (session_resolve_node(s, node_name(d), err) < 0)
		return -1;
	doctor_say(l, "'%s' of node '%s', %s", s->address, s->node,
		   d->o->node_address ? d->o->node_address
		   : *s->instance     ? "by the Compute Engine API"
				      : "as the cluster lists it");
	return 0;
}
