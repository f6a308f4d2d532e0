#include "jdiag/kube/access.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/json.h"
#include "jdiag/kube/internal.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"

#define ACCESS_REVIEWS "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
#define SELF_REVIEWS "/apis/authentication.k8s.io/v1/selfsubjectreviews"

static json_t *parse(const struct http_response *r)
{
	return json_from_text(buf_str(&r->body), r->body.len, "answer", ERR_API, NULL);
}

int kube_look(struct kube *k, char *version, size_t size, struct error *err)
{
	const struct kube_get get = {
		.verb = "get", .resource = "version", .path = "/version", .anonymous = true};
	auto_cleanup(http_response_release) struct http_response r = {0};
	auto_json json_t *root = NULL;

	if (kube_send(k, &get, &r, err) < 0)
		return -1;
	root = parse(&r);
	/* where anonymous requests are off: 401 or 403, in the form that every cluster API has */
	if (r.status != 200 && strcmp(json_str_at(root, "kind", ""), "Status") != 0)
		return kube_status_error(k, &get, &r, err);
	if (r.status != 200 && r.status != 401 && r.status != 403)
		return kube_status_error(k, &get, &r, err);
	if (r.status == 200 && !*json_str_at(root, "gitVersion", "")) {
		error_set(err, ERR_API, "'%s' does not answer like a cluster API",
			  k->config.server);
		return error_hint(err, "check the server of cluster '%s' in '%s'",
				  k->config.cluster, k->config.file);
	}
	str_escape(version, size, json_str_at(root, "gitVersion", ""),
		   strlen(json_str_at(root, "gitVersion", "")), NULL);
	return 0;
}

bool kube_is_verified(const struct kube *k)
{
	return !k->config.insecure && str_starts(k->config.server, "https://");
}

/* Before 1.28: an authenticated request that everybody may make. */
static int who_by_version(struct kube *k, struct error *err)
{
	const struct kube_get get = {.verb = "get", .resource = "version", .path = "/version"};
	auto_cleanup(http_response_release) struct http_response r = {0};

	if (kube_send(k, &get, &r, err) < 0)
		return -1;
	return r.status == 200 || r.status == 403 ? 0 : kube_status_error(k, &get, &r, err);
}

int kube_who(struct kube *k, char *user, size_t size, struct error *err)
{
	const struct kube_get get = {
		.verb = "create",
		.group = "authentication.k8s.io",
		.resource = "selfsubjectreviews",
		.path = SELF_REVIEWS,
		.body = "{\"apiVersion\":\"authentication.k8s.io/v1\",\"kind\":"
			"\"SelfSubjectReview\"}",
	};
	auto_cleanup(http_response_release) struct http_response r = {0};
	auto_json json_t *root = NULL;
	const char *name;

	if (kube_send(k, &get, &r, err) < 0)
		return -1;
	root = parse(&r);
	name = json_str_at(root, "status.userInfo.username", "");
	user[0] = '\0';
	if (r.status == 404 || r.status == 405)
		return who_by_version(k, err);
	/* forbidden, yet known: the answer of RBAC names the user; an anonymous one is none */
	if (r.status == 403 && !strstr(json_str_at(root, "message", ""), "\"system:anonymous\""))
		return 0;
	if (r.status != 200 && r.status != 201)
		return kube_status_error(k, &get, &r, err);
	if (strcmp(name, "system:anonymous") == 0) {
		error_set(err, ERR_API,
			  "the cluster API '%s' does not know who asks: the request had no "
			  "credentials that count",
			  k->config.server);
		return error_hint(err, "check user '%s' of context '%s'", k->config.user,
				  k->config.context);
	}
	str_escape(user, size, name, strlen(name), NULL);
	return 0;
}

int kube_access_parse(const json_t *answer, struct error *err)
{
	const json_t *allowed = json_at(answer, "status.allowed");

	if (json_is_boolean(allowed))
		return json_is_true(allowed);
	return error_set(
		err, ERR_API,
		"the cluster API's answer about a permission is none: it has no 'allowed'");
}

static char *review(const struct kube_access *a)
{
	auto_json json_t *root =
		json_pack("{s:s, s:s, s:{s:{s:s, s:s}}}", "apiVersion", "authorization.k8s.io/v1",
			  "kind", "SelfSubjectAccessReview", "spec", "resourceAttributes", "verb",
			  a->verb, "resource", a->resource);
	json_t *attributes = json_at(root, "spec.resourceAttributes");

	if (!root)
		die_oom();
	if (a->group && *a->group)
		json_object_set_new(attributes, "group", json_string(a->group));
	if (a->ns)
		json_object_set_new(attributes, "namespace", json_string(a->ns));
	if (a->name)
		json_object_set_new(attributes, "name", json_string(a->name));
	return json_to_line(root);
}

int kube_may(struct kube *k, const struct kube_access *a, struct error *err)
{
	auto_free char *body = review(a);
	const struct kube_get get = {
		.verb = "create",
		.group = "authorization.k8s.io",
		.resource = "selfsubjectaccessreviews",
		.path = ACCESS_REVIEWS,
		.body = body,
	};
	auto_cleanup(http_response_release) struct http_response r = {0};
	auto_json json_t *root = NULL;

	if (kube_send(k, &get, &r, err) < 0)
		return -1;
	if (r.status != 200 && r.status != 201)
		return kube_status_error(k, &get, &r, err);
	root = parse(&r);
	return kube_access_parse(root, err);
}

/* "system:serviceaccount:NS:NAME" has an option of its own. */
static char *subject(const char *user)
{
	static const char prefix[] = "system:serviceaccount:";
	bool account = str_starts(user, prefix);
	auto_free char *word = str_shell_word(account ? user + strlen(prefix)
					      : *user ? user
						      : "USER");

	return xasprintf("--%s=%s", account ? "serviceaccount" : "user", word);
}

char *kube_access_rule(const struct kube_access *a, const char *user)
{
	const char *group = a->group ? a->group : "", *kind = a->ns ? "role" : "clusterrole";
	auto_free char *name = xasprintf("jdiag-%s-%s", a->verb, a->resource);
	auto_free char *place = a->ns ? xasprintf(" -n %s", a->ns) : xstrdup("");
	auto_free char *who = subject(user);

	return xasprintf("- {apiGroups: [\"%s\"], resources: [%s], verbs: [%s]}\n"
			 "kubectl create %s %s%s --verb=%s --resource=%s%s%s\n"
			 "kubectl create %sbinding %s%s --%s=%s %s",
			 group, a->resource, a->verb, kind, name, place, a->verb, a->resource,
			 *group ? "." : "", group, kind, name, place, kind, name, who);
}

/* To change the rules helps against RBAC's own 403 alone: an admission policy answers with one,
 * too, and RBAC does not say it like this. */
static bool is_rbac(const struct kube_get *get, const struct error *err)
{
	auto_free char *cannot = xasprintf("cannot %s resource", get->verb);

	return strstr(err->msg, cannot) || str_ends(err->msg, "403 Forbidden");
}

int kube_add_rule(struct kube *k, const struct kube_get *get, struct error *err)
{
	const struct kube_access a = {
		.verb = get->verb, .resource = get->resource, .group = get->group, .ns = get->ns};
	auto_free char *rule = NULL;
	char user[256] = "";

	if (!err || err->code != ERR_API || err->sys != EACCES ||
	    strstr(err->msg, "system:anonymous"))
		return -1;
	if (!is_rbac(get, err))
		return error_hint(err, "it is not RBAC that says this: see what admission "
				       "webhooks and policies the cluster has");
	if (kube_who(k, user, sizeof(user), NULL) < 0)
		user[0] = '\0';
	rule = kube_access_rule(&a, user);
	return error_hint(err, "%s", rule);
}
