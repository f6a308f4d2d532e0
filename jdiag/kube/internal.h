/* What the parts of the API client share. */
#ifndef JDIAG_KUBE_INTERNAL_H
#define JDIAG_KUBE_INTERNAL_H

#include "jdiag/http/http.h"
#include "jdiag/kube/exec_plugin.h"
#include "jdiag/kube/kube.h"
#include "jdiag/kube/resolve.h"

struct kube {
	struct kube_config config;
	struct exec_plugin *plugin; /* NULL: none, or other credentials come first */
	struct http_client *http;   /* made for http_cert; NULL until the first request */
	struct secret http_cert;
	struct secret sent_token; /* the last one */
	uint64_t timeout_ms;
};

/* One GET, in the words of RBAC: for messages, and to tell what a 404 means. Or a question that is
 * asked by POST and makes nothing: it may be asked again, as a GET may. Or a PATCH that names the
 * resourceVersion which it changes: the second of two alike is a 409. */
struct kube_get {
	const char *verb;     /* "get", "list", "patch" */
	const char *group;    /* "apps"; NULL or "": the core group */
	const char *resource; /* "pods" */
	const char *ns;	      /* NULL: not namespaced, or all namespaces */
	const char *name;     /* NULL: a list */
	const char *path;     /* with query, after the server's URL */
	const char *body;     /* JSON: a POST; NULL: a GET */
	bool is_patch;	      /* body is a merge patch */
	bool has_selector;    /* then a 400 is the user's */
	bool anonymous;	      /* without credentials */
};

/* Headers of one request: credentials and impersonation. Wiped when released. */
struct auth_headers {
	char **lines; /* NULL-terminated */
	size_t n;
};

/* Fill h, running the plugin or reading the token file when needed, and make k->http fit the client
 * certificate. `again`: the server refused what we sent last. */
int kube_authenticate(struct kube *k, bool again, struct auth_headers *h,
		      struct error *err) must_check;
/* No credentials but the client certificate of the kubeconfig, without which some servers take no
 * connection. */
void kube_authenticate_nobody(struct kube *k, struct auth_headers *h);
void auth_headers_add(struct auth_headers *h, const char *line);
void auth_headers_release(struct auth_headers *h);

/* Ask, with retries; any status comes back as an answer. */
int kube_send(struct kube *k, const struct kube_get *get, struct http_response *ret,
	      struct error *err) must_check;

/* kube_send, and only a 200 with a JSON object is success. *ret_status (may be NULL) is the status
 * also on failure, 0 when there was none. */
int kube_fetch(struct kube *k, const struct kube_get *get, struct json_t **ret, long *ret_status,
	       struct error *err) must_check;

/* kube_fetch of one object, which has the name that was asked for. */
int kube_fetch_object(struct kube *k, const struct kube_get *get, struct json_t **ret,
		      long *ret_status, struct error *err) must_check;

/* ERR_USAGE: "'x/y' cannot be the name of a pod". Always -1. */
int kube_bad_name(const char *what, const char *name, struct error *err);

/* What a response other than 200 means, in words; always -1. */
int kube_status_error(const struct kube *k, const struct kube_get *get,
		      const struct http_response *r, struct error *err);

/* To an error that may be a 403: the rule of RBAC that was missing, if that is what it says, and
 * how to give it to the user (who is asked for). Always -1. */
int kube_add_rule(struct kube *k, const struct kube_get *get, struct error *err);

/* The value of a key of a ConfigMap, as kube_read_configmap. For that and for fuzzing. */
int kube_configmap_value(const struct json_t *object, const char *name, const char *key, char **ret,
			 size_t *ret_len, struct error *err) must_check;

#endif
