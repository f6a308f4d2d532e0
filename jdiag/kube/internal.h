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

/* One GET, in the words of RBAC: for messages, and to tell what a 404 means. */
struct kube_get {
	const char *verb;     /* "get", "list" */
	const char *resource; /* "pods" */
	const char *ns;	      /* NULL: not namespaced, or all namespaces */
	const char *name;     /* NULL: a list */
	const char *path;     /* with query, after the server's URL */
	bool has_selector;    /* then a 400 is the user's */
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
void auth_headers_release(struct auth_headers *h);

/* GET with retries; any status comes back as an answer. */
int kube_send(struct kube *k, const struct kube_get *get, struct http_response *ret,
	      struct error *err) must_check;

/* kube_send, and only a 200 with a JSON object is success. *ret_status (may be NULL) is the status
 * also on failure, 0 when there was none. */
int kube_fetch(struct kube *k, const struct kube_get *get, struct json_t **ret, long *ret_status,
	       struct error *err) must_check;

/* What a response other than 200 means, in words; always -1. */
int kube_status_error(const struct kube *k, const struct kube_get *get,
		      const struct http_response *r, struct error *err);

#endif
