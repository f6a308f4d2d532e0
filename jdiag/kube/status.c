/* What the cluster API means with an answer that is not 200, in the user's words. */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "jdiag/json.h"
#include "jdiag/kube/internal.h"

/* The Status object that real API servers send, or NULL: login pages, proxies, other servers. */
static json_t *status_object(const struct http_response *r)
{
	auto_json json_t *root =
		json_from_text(buf_str(&r->body), r->body.len, "answer", ERR_API, NULL);

	return strcmp(json_str_at(root, "kind", ""), "Status") == 0 ? STEAL(root) : NULL;
}

/* " in namespace 'x'", or where else it was looked for. */
static const char *where(const struct kube_get *get, char *dst, size_t size)
{
	if (get->ns)
		snprintf(dst, size, " in namespace '%s'", get->ns);
	else
		snprintf(dst, size, "%s",
			 strcmp(get->resource, "pods") == 0 ? " in all namespaces" : "");
	return dst;
}

/* A strange server could echo what we sent. */
static bool echoes_secret(const struct kube *k, const char *text)
{
	const char *const secrets[] = {secret_str(&k->sent_token), secret_str(&k->config.password)};

	for (size_t i = 0; i < ARRAY_SIZE(secrets); i++)
		if (*secrets[i] && strstr(text, secrets[i]))
			return true;
	return strstr(text, "Bearer ") || strstr(text, "Basic ");
}

static const char *message(const struct kube *k, const json_t *status)
{
	const char *text = json_str_at(status, "message", "");

	return echoes_secret(k, text) ? "" : text;
}

static int unauthorized(const struct kube *k, struct error *err)
{
	const struct kube_config *c = &k->config;

	error_set(err, ERR_API, "the cluster API '%s' does not accept the credentials of user '%s'",
		  c->server, c->user);
	if (k->plugin)
		return error_hint(err, "log in again for credential plugin '%s' (context '%s')",
				  exec_plugin_command(k->plugin), c->context);
	if (c->token_file)
		return error_hint(err,
				  "the token in '%s' has expired, or is of another cluster "
				  "(context '%s')",
				  c->token_file, c->context);
	if (c->token.data || c->username || c->cert_pem)
		return error_hint(err,
				  "the %s of user '%s' has expired, or is of another cluster "
				  "(context '%s'): get a new kubeconfig",
				  c->token.data ? "token"
				  : c->username ? "password"
						: "client certificate",
				  c->user, c->context);
	return error_hint(err, "the kubeconfig has no credentials for context '%s'", c->context);
}

static int forbidden(const struct kube *k, const struct kube_get *get, const json_t *status,
		     struct error *err)
{
	const char *group = get->group ? get->group : "";
	bool cluster_wide = !get->ns;
	char place[96];

	error_set(err, ERR_API, "not allowed to %s %s%s: %s", get->verb, get->resource,
		  where(get, place, sizeof(place)),
		  *message(k, status) ? message(k, status) : "403 Forbidden");
	if (err)
		err->sys = EACCES;
	if (strstr(json_str_at(status, "message", ""), "\"system:anonymous\""))
		return error_hint(err,
				  "the request had no credentials that count: check user '%s' of "
				  "context '%s'",
				  k->config.user, k->config.context);
	return error_hint(err,
			  "it takes a %s with: apiGroups [\"%s\"], resources [\"%s\"], verbs "
			  "[\"%s\"]\ncheck with: kubectl auth can-i %s %s%s%s%s%s%s",
			  cluster_wide ? "ClusterRole" : "Role", group, get->resource, get->verb,
			  get->verb, get->resource, *group ? "." : "", group, get->ns ? " -n " : "",
			  get->ns ? get->ns : "", cluster_wide && !get->name ? " -A" : "");
}

static int not_found(const struct kube *k, const struct kube_get *get, const json_t *status,
		     struct error *err)
{
	if (!status) {
		error_set(err, ERR_API, "'%s' does not answer like a cluster API (404)",
			  k->config.server);
		return error_hint(err, "check the server of cluster '%s' in '%s'",
				  k->config.cluster, k->config.file);
	}
	if (!get->name)
		return error_set(err, ERR_API, "the cluster API '%s' has no %s: %s",
				 k->config.server, get->resource, message(k, status));
	if (get->ns) {
		error_set(err, ERR_TARGET, "no %.*s '%s' in namespace '%s'",
			  (int)strlen(get->resource) - 1, get->resource, get->name, get->ns);
		return error_hint(err, "see what there is: kubectl get %s -n %s", get->resource,
				  get->ns);
	}
	error_set(err, ERR_TARGET, "no node '%s' in the cluster", get->name);
	return error_hint(err, "see what there is: kubectl get nodes");
}

static int redirect(const struct kube *k, const struct http_response *r, struct error *err)
{
	char location[200] = "";

	if (!http_response_header(r, "Location", location, sizeof(location)))
		location[0] = '\0';
	location[strcspn(location, "?#")] = '\0'; /* login pages carry state there */
	if (!*location || echoes_secret(k, location))
		snprintf(location, sizeof(location), "(not shown)");
	error_set(err, ERR_API,
		  "the cluster API '%s' redirects (%ld) to '%s', which is never followed",
		  k->config.server, r->status, location);
	return error_hint(err,
			  "credentials would go there too: if that is the API, make it the "
			  "server of cluster '%s'",
			  k->config.cluster);
}

static int other(const struct kube *k, const struct kube_get *get, const struct http_response *r,
		 const json_t *status, struct error *err)
{
	char type[64] = "";

	if (status && r->status == 400 && get->has_selector)
		return error_set(err, ERR_USAGE, "the cluster API does not take the selector: %s",
				 message(k, status));
	if (!http_response_header(r, "Content-Type", type, sizeof(type)))
		snprintf(type, sizeof(type), "no content type");
	if (status)
		error_set(err, ERR_API, "the cluster API cannot %s %s: %s (%ld)", get->verb,
			  get->resource, message(k, status), r->status);
	else
		error_set(err, ERR_API, "the cluster API '%s' answers %ld (%s)", k->config.server,
			  r->status, type);
	if (r->status == 429 || r->status == 503)
		return error_hint(err, "it is busy: try again later");
	if (status)
		return -1;
	return error_hint(err, "is this a cluster API? check the server of cluster '%s'",
			  k->config.cluster);
}

int kube_status_error(const struct kube *k, const struct kube_get *get,
		      const struct http_response *r, struct error *err)
{
	auto_json json_t *status = status_object(r);

	if (r->status >= 300 && r->status < 400)
		return redirect(k, r, err);
	if (r->status == 401)
		return unauthorized(k, err);
	if (r->status == 403)
		return forbidden(k, get, status, err);
	if (r->status == 404)
		return not_found(k, get, status, err);
	return other(k, get, r, status, err);
}
