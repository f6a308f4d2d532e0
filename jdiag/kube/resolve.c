#include "jdiag/kube/resolve.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/json.h"
#include "jdiag/kube/entry.h"
#include "jdiag/kube/read_file.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"

void kube_config_release(struct kube_config *c)
{
	char *texts[] = {c->context,	 c->namespace_, c->file,     c->cluster, c->server,
			 c->server_name, c->ca_pem,	c->proxy,    c->user,	 c->cert_pem,
			 c->token_file,	 c->username,	c->exec_dir, c->as,	 c->as_uid};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		free(texts[i]);
	secret_release(&c->key_pem);
	secret_release(&c->token);
	secret_release(&c->password);
	json_decref(c->exec_extension);
	json_decref(c->exec);
	json_decref(c->as_groups);
	json_decref(c->as_extra);
	*c = (struct kube_config){0};
}

/* "no context 'x'", and the names that there are. */
static int no_such(const json_t *map, const char *kind, const char *name, struct error *err)
{
	auto_buf struct buf names = BUF_INIT(800);
	const char *key;
	json_t *v;

	error_set(err, ERR_USAGE, "no %s '%s' in the kubeconfig", kind, name);
	json_object_foreach ((json_t *)map, key, v) {
		buf_addf(&names, "%s%s", names.len ? ", " : "", key);
	}
	if (!names.len)
		return error_hint(err, "the kubeconfig names no %s at all", kind);
	return error_hint(err, "%ss there are: %s%s", kind, buf_str(&names),
			  names.overflow ? ", ..." : "");
}

static int find(const json_t *merged, const char *list, const char *kind, const char *name,
		const json_t **ret, struct error *err)
{
	const json_t *map = json_object_get(merged, list);

	*ret = json_object_get(map, name);
	return *ret ? 0 : no_such(map, kind, name, err);
}

/* The flag, else the field of the context. NULL when neither says it. */
static int choose(const char *flag, const json_t *context, const char *field, char **ret,
		  struct error *err)
{
	if (flag && *flag) {
		*ret = xstrdup(flag);
		return 0;
	}
	*ret = NULL;
	return context ? entry_text(context, field, ret, err) : 0;
}

static int no_context(const json_t *merged, struct error *err)
{
	no_such(json_object_get(merged, "contexts"), "context", "", err);
	/* keeps the hint's list: only the message differs */
	snprintf(err->msg, sizeof(err->msg),
		 "no context is chosen: the kubeconfig has no current-context");
	return -1;
}

static int resolve_context(struct kube_config *c, const json_t *merged,
			   const struct kube_options *o, struct error *err)
{
	const char *name =
		o->context && *o->context ? o->context : json_str_at(merged, "current-context", "");
	const json_t *context = NULL;

	if (*name && find(merged, "contexts", "context", name, &context, err) != 0)
		return -1;
	if (!*name && !(o->cluster && *o->cluster))
		return err ? no_context(merged, err) : -1;
	c->context = xstrdup(name);
	if (choose(o->cluster, context, "cluster", &c->cluster, err) != 0 ||
	    choose(o->user, context, "user", &c->user, err) != 0 ||
	    choose(o->namespace_, context, "namespace", &c->namespace_, err) != 0)
		return -1;
	if (!c->cluster)
		return error_set(err, ERR_USAGE, "context '%s' names no cluster", name);
	return 0;
}

/* "host:port" alone is https when anything says TLS, else http, as client-go has it. */
static int set_server(struct kube_config *c, const json_t *entry, struct error *err)
{
	auto_free char *text = NULL;
	bool tls = c->ca_pem || c->insecure || c->server_name;
	size_t len;

	if (entry_text(entry, "server", &text, err) != 0)
		return -1;
	if (!text)
		return error_set(err, ERR_USAGE, "cluster '%s' of kubeconfig '%s' has no server",
				 c->cluster, c->file);
	for (len = strlen(text); len && text[len - 1] == '/'; len--)
		text[len - 1] = '\0';
	c->server = strstr(text, "://") ? STEAL(text)
					: xasprintf("%s://%s", tls ? "https" : "http", text);
	if (str_starts(c->server, "http://") || str_starts(c->server, "https://"))
		return 0;
	return error_set(err, ERR_USAGE, "cluster '%s': its server is neither http nor https",
			 c->cluster);
}

static int check_proxy(const struct kube_config *c, struct error *err)
{
	static const char *const schemes[] = {"http://", "https://", "socks5://"};

	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++)
		if (!c->proxy || str_starts(c->proxy, schemes[i]))
			return 0;
	return error_set(err, ERR_USAGE,
			 "cluster '%s': its proxy-url is neither http, https nor socks5",
			 c->cluster);
}

/* extensions: [{name: client.authentication.k8s.io/exec, extension: ANYTHING}] */
static json_t *exec_extension(const json_t *entry)
{
	const json_t *list = entry_get(entry, "extensions");
	size_t i;
	json_t *one;

	json_array_foreach (list, i, one) {
		if (strcmp(json_str_at(one, "name", ""), "client.authentication.k8s.io/exec") == 0)
			return json_incref(json_object_get(one, "extension"));
	}
	return NULL;
}

static int resolve_cluster(struct kube_config *c, const json_t *merged, struct error *err)
{
	auto_secret struct secret ca = {0};
	const json_t *entry;

	if (find(merged, "clusters", "cluster", c->cluster, &entry, err) != 0)
		return -1;
	c->file = xstrdup(json_str_at(entry, "file", ""));
	c->insecure = entry_flag(entry, "insecure-skip-tls-verify");
	if (entry_text(entry, "tls-server-name", &c->server_name, err) != 0 ||
	    entry_text(entry, "proxy-url", &c->proxy, err) != 0 ||
	    entry_pem(entry, "certificate-authority", &ca, err) != 0)
		return -1;
	c->ca_pem = ca.data ? xstrdup(ca.data) : NULL;
	c->exec_extension = exec_extension(entry);
	if (c->insecure && c->ca_pem)
		return error_set(err, ERR_USAGE,
				 "cluster '%s' has both a certificate-authority and "
				 "insecure-skip-tls-verify",
				 c->cluster);
	if (set_server(c, entry, err) != 0)
		return -1;
	return check_proxy(c, err);
}

/* auth-provider was removed in Kubernetes 1.26: people still have such files. */
static int check_auth_provider(const struct kube_config *c, const json_t *entry, struct error *err)
{
	const json_t *provider = entry_get(entry, "auth-provider");

	if (!provider || c->exec)
		return 0;
	error_set(err, ERR_USAGE,
		  "user '%s' has auth-provider '%s', which Kubernetes removed in 1.26", c->user,
		  json_str_at(provider, "name", ""));
	return error_hint(err,
			  "get a new kubeconfig, on GKE: install gke-gcloud-auth-plugin, then\n"
			  "gcloud container clusters get-credentials CLUSTER");
}

static int take_secret(const json_t *entry, const char *field, struct secret *ret,
		       struct error *err)
{
	auto_free char *text = NULL;

	if (entry_text(entry, field, &text, err) != 0)
		return -1;
	if (text) {
		secret_set(ret, text, strlen(text));
		secret_wipe(text, strlen(text));
	}
	return 0;
}

static int resolve_credentials(struct kube_config *c, const json_t *entry, struct error *err)
{
	auto_secret struct secret cert = {0};

	if (entry_pem(entry, "client-certificate", &cert, err) != 0 ||
	    entry_pem(entry, "client-key", &c->key_pem, err) != 0 ||
	    entry_path(entry, "tokenFile", &c->token_file, err) != 0 ||
	    take_secret(entry, "token", &c->token, err) != 0 ||
	    take_secret(entry, "password", &c->password, err) != 0 ||
	    entry_text(entry, "username", &c->username, err) != 0)
		return -1;
	c->cert_pem = cert.data ? xstrdup(cert.data) : NULL;
	if (!c->cert_pem != !c->key_pem.data)
		return error_set(err, ERR_USAGE,
				 "user '%s' has only one of client-certificate and client-key",
				 c->user);
	if ((c->token.data || c->token_file) && c->username)
		return error_set(err, ERR_USAGE, "user '%s' has both a token and a username",
				 c->user);
	c->exec = json_incref(entry_get(entry, "exec"));
	c->exec_dir = xstrdup(json_str_at(entry, "dir", "."));
	return check_auth_provider(c, entry, err);
}

static bool strings_only(const json_t *list)
{
	size_t i;
	json_t *one;

	json_array_foreach (list, i, one) {
		if (!json_is_string(one))
			return false;
	}
	return json_is_array(list);
}

static int resolve_impersonation(struct kube_config *c, const json_t *entry, struct error *err)
{
	const char *key;
	json_t *v;

	if ((!c->as && entry_text(entry, "as", &c->as, err) != 0) ||
	    entry_text(entry, "as-uid", &c->as_uid, err) != 0)
		return -1;
	c->as_groups = json_incref(entry_get(entry, "as-groups"));
	c->as_extra = json_incref(entry_get(entry, "as-user-extra"));
	if (c->as_groups && !strings_only(c->as_groups))
		return error_set(err, ERR_USAGE, "user '%s': as-groups is not a list of texts",
				 c->user);
	if (c->as_extra && !json_is_object(c->as_extra))
		return error_set(err, ERR_USAGE, "user '%s': as-user-extra is not a mapping",
				 c->user);
	json_object_foreach (c->as_extra, key, v) {
		if (!strings_only(v))
			return error_set(err, ERR_USAGE,
					 "user '%s': as-user-extra is not a mapping to lists",
					 c->user);
	}
	if (!c->as && (c->as_uid || c->as_groups || c->as_extra))
		return error_set(err, ERR_USAGE,
				 "user '%s' impersonates groups, a uid or extras but no user (as)",
				 c->user);
	return 0;
}

static int resolve_user(struct kube_config *c, const json_t *merged, struct error *err)
{
	const json_t *entry;

	if (!c->user)
		return 0; /* anonymous, or --as alone */
	if (find(merged, "users", "user", c->user, &entry, err) != 0)
		return -1;
	if (resolve_credentials(c, entry, err) != 0)
		return -1;
	return resolve_impersonation(c, entry, err);
}

int kube_config_resolve(struct kube_config *c, const json_t *merged, const struct kube_options *o,
			struct error *err)
{
	if (o->as && *o->as)
		c->as = xstrdup(o->as);
	if (resolve_context(c, merged, o, err) != 0 || resolve_cluster(c, merged, err) != 0 ||
	    resolve_user(c, merged, err) != 0)
		return -1;
	if (!c->user)
		c->user = xstrdup("");
	if (!c->namespace_)
		c->namespace_ = xstrdup("default");
	return 0;
}

/* A small text file without the white space around it; NULL when it cannot be read. */
static char *read_line(const char *dir, const char *name)
{
	auto_free char *path = path_from(dir, name);
	auto_buf struct buf b = BUF_INIT(4096);
	const char *s;

	if (read_config_file(path, &b) < 0)
		return NULL;
	s = buf_str(&b) + strspn(buf_str(&b), " \t\r\n");
	return *s ? xstrndup(s, strcspn(s, " \t\r\n")) : NULL;
}

int kube_config_in_cluster(struct kube_config *c, const char *dir, const char *host,
			   const char *port, struct error *err)
{
	auto_free char *ca_path = path_from(dir, "ca.crt");
	auto_buf struct buf ca = BUF_INIT(MAX_CREDENTIAL_FILE);
	int rc;

	if (!host || !*host || !port || !*port)
		return 1;
	rc = read_config_file(ca_path, &ca);
	if (rc < 0)
		return error_sys(err, ERR_USAGE, -rc,
				 "in a pod, but cannot read its service account's '%s'", ca_path);
	c->ca_pem = xstrdup(buf_str(&ca));
	c->token_file = path_from(dir, "token");
	c->namespace_ = read_line(dir, "namespace");
	if (!c->namespace_)
		c->namespace_ = xstrdup("default");
	/* an IPv6 address comes bare */
	c->server = strchr(host, ':') ? xasprintf("https://[%s]:%s", host, port)
				      : xasprintf("https://%s:%s", host, port);
	c->context = xstrdup("");
	c->cluster = xstrdup("in-cluster");
	c->user = xstrdup("service account");
	c->file = xstrdup("");
	return 0;
}
