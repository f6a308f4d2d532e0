/* Where a node is reached: what the cluster says, what else it says where that does not answer, and
 * what the Compute Engine API says. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "jdiag/gce/gce.h"
#include "jdiag/gcs/service.h"
#include "jdiag/json.h"
#include "jdiag/kube/kube.h"
#include "jdiag/session.h"
#include "remote/base/log.h"
#include "remote/base/str.h"

void session_forget_node(struct session *s)
{
	json_decref(s->node_object);
	s->node_object = NULL;
	s->tried = 0;
}

static void gce_cleanup(struct gce **g)
{
	gce_close(*g);
}

static int not_believed(struct error *err)
{
	return error_hint(err, "whoever wrote the node's providerID would choose where to log in: "
			       "not done");
}

/* The name of a node is that of its instance, or begins with it where it is a whole host name. */
static int check_name(const char *node, const struct node_instance *i, struct error *err)
{
	size_t n = strlen(i->name);

	if (strncmp(node, i->name, n) == 0 && (!node[n] || node[n] == '.'))
		return 0;
	error_set(err, ERR_TARGET, "node '%s' says that it is instance '%s'", node, i->name);
	return not_believed(err);
}

/* Is it the instance's? Of an address that is not called internal the external one will do. */
static bool has_address(const json_t *instance, const char *address, bool internal)
{
	char external[NODE_ADDRESS_SIZE];

	return gce_has_internal(instance, address) ||
	       (!internal && gce_external(instance, external, sizeof(external)) &&
		strcmp(external, address) == 0);
}

static bool is_internal(const json_t *address)
{
	return strcmp(json_str_at(address, "type", ""), "InternalIP") == 0;
}

static bool has_one_of(const json_t *instance, const json_t *list, bool internal)
{
	const json_t *one;
	size_t i;

	json_array_foreach (list, i, one)
		if ((!internal || is_internal(one)) &&
		    has_address(instance, json_str_at(one, "address", ""), internal))
			return true;
	return false;
}

static bool lists_internal(const json_t *list)
{
	const json_t *one;
	size_t i;

	json_array_foreach (list, i, one)
		if (is_internal(one))
			return true;
	return false;
}

/* The instance has to be the machine that the cluster means: one of the node's own addresses is
 * its, an InternalIP where it has any, and so is the pod's. A node that has none yet cannot be
 * checked. */
static int check_same(const json_t *node, const char *host_ip, const json_t *instance,
		      const struct node_instance *i, struct error *err)
{
	const json_t *list = json_at(node, "status.addresses");

	if ((!json_array_size(list) || has_one_of(instance, list, lists_internal(list))) &&
	    (!host_ip || !*host_ip || has_address(instance, host_ip, false)))
		return 0;
	error_set(err, ERR_TARGET, "instance '%s' of project '%s' has no address of the node's",
		  i->name, i->project);
	return not_believed(err);
}

/* gcloud knows the host key of an instance by its number. */
static void take_id(struct session *s, const json_t *instance)
{
	const char *id = json_str_at(instance, "id", "");

	if (str_only(id, "0123456789") && strlen(id) <= 20)
		snprintf(s->instance, sizeof(s->instance), "compute.%s", id);
}

static int ask_gce(struct session *s, const json_t *node, bool external, struct error *err)
{
	const char *id = json_str_at(node, "spec.providerID", "");
	auto_cleanup(gce_cleanup) struct gce *own = NULL;
	auto_json json_t *instance = NULL;
	struct node_instance i;
	bool internal = false;

	if (!node_instance(node, &i)) {
		error_set(err, ERR_TARGET,
			  "node '%s' is no instance of the Compute Engine: its providerID is '%s'",
			  s->node, id);
		return error_hint(err, "choose another with --node-address internal, external, "
				       "hostname or a template");
	}
	if (check_name(s->node, &i, err) < 0 ||
	    (!s->gce && gce_open(&own, s->o->token_command, err) < 0) ||
	    gce_get_instance(own ? own : s->gce, i.project, i.zone, i.name, &instance, err) < 0 ||
	    check_same(node, s->has_pod ? s->pod.host_ip : NULL, instance, &i, err) < 0 ||
	    gce_address(instance, external, s->address, sizeof(s->address), &internal, err) < 0)
		return -1;
	take_id(s, instance);
	if (external && internal)
		log_at(LOG_WARN, "instance '%s' has no external address: using its internal '%s'",
		       i.name, s->address);
	return 0;
}

/* Is it worth to ask? Nobody is asked for that. */
static bool gce_may_know(const struct session *s, const json_t *node)
{
	struct node_instance i;

	return node_instance(node, &i) && gcs_credentials_likely(s->o->token_command);
}

/* The node lists no address at all. */
static int without_address(struct session *s, const json_t *node, struct error *why)
{
	struct error e = {0};

	if (!gce_may_know(s, node))
		return -1;
	if (ask_gce(s, node, true, &e) < 0)
		return error_hint(why, "nor does the Compute Engine API help: %s", e.msg);
	log_at(LOG_WARN, "%s: using '%s', by the Compute Engine API", why->msg, s->address);
	return 0;
}

int session_find_address(struct session *s, const json_t *node, struct error *err)
{
	const char *host_ip = s->has_pod ? s->pod.host_ip : NULL;
	struct error why = {0};
	enum node_way way;

	session_forget_node(s);
	if (node_way_parse(s->o->node_address, &way, err) < 0 || node_check(node, host_ip, err) < 0)
		return -1;
	if (way == NODE_GCE_INTERNAL || way == NODE_GCE_EXTERNAL)
		return ask_gce(s, node, way == NODE_GCE_EXTERNAL, err);
	if (node_address(node, s->o->node_address, host_ip, s->address, sizeof(s->address), &why) ==
	    0) {
		s->node_object = way == NODE_DEFAULT ? json_incref((json_t *)node) : NULL;
		return 0;
	}
	if (way == NODE_DEFAULT && why.code == ERR_TARGET && without_address(s, node, &why) == 0)
		return 0;
	if (err)
		*err = why;
	return -1;
}

/* The next address that the cluster knows; false: there is none. */
static bool next_candidate(struct session *s)
{
	char list[NODE_MAX_CANDIDATES][NODE_ADDRESS_SIZE];
	unsigned int n = node_candidates(s->node_object, s->has_pod ? s->pod.host_ip : NULL, list);

	if (++s->tried >= n || !str_copy(s->address, sizeof(s->address), list[s->tried]))
		return false;
	log_at(LOG_WARN, "node '%s' does not answer at '%s': trying its '%s'", s->node,
	       list[s->tried - 1], s->address);
	return true;
}

/* Was it one of the addresses that did not answer? */
static bool is_new(const struct session *s, const char *before)
{
	return strcmp(s->address, before) != 0 && !node_lists(s->node_object, NULL, s->address);
}

static bool ask_gce_instead(struct session *s, struct error *first)
{
	auto_free char *before = xstrdup(s->address);
	struct error why = {0};

	if (!gce_may_know(s, s->node_object)) {
		error_hint(first, "%s\nor say how to reach it with --node-address or --jump%s",
			   first->hint,
			   str_starts(json_str_at(s->node_object, "spec.providerID", ""), "gce:")
				   ? "; with Google credentials jdiag also asks the\nCompute "
				     "Engine API for its external address"
				   : "");
		return false;
	}
	if (ask_gce(s, s->node_object, true, &why) < 0) {
		if (why.code == ERR_INTERRUPTED)
			*first = why;
		else
			error_hint(first, "%s\nnor does the Compute Engine API help: %.200s",
				   first->hint, why.msg);
	} else if (is_new(s, before)) {
		log_at(LOG_WARN,
		       "node '%s' does not answer at '%s': trying '%s', by the Compute Engine API",
		       s->node, before, s->address);
		return true;
	}
	(void)!str_copy(s->address, sizeof(s->address), before);
	return false;
}

bool session_next_address(struct session *s, struct error *first)
{
	bool found;

	if (!s->node_object || first->code != ERR_SSH || first->sys != EHOSTUNREACH)
		return false;
	if (next_candidate(s))
		return true;
	found = ask_gce_instead(s, first);
	session_forget_node(s);
	return found;
}
