#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/interrupt.h"
#include "jdiag/json.h"
#include "jdiag/kube/internal.h"
#include "jdiag/kube/kubeconfig.h"
#include "jdiag/kube/names.h"
#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/log.h"
#include "remote/base/str.h"

#define MAX_TRIES 4
#define MAX_RETRY_WAIT_MS 30000
#define DEFAULT_RETRY_WAIT_MS 1000

static int no_configuration(struct error *err)
{
	error_set(err, ERR_USAGE, "no kubeconfig, and this is not a pod");
	return error_hint(err, "name one with --kubeconfig FILE or KUBECONFIG, or put it at "
			       "~/.kube/config\n(or reach a host without a cluster API: "
			       "ssh://USER@HOST --container NAME)");
}

static void replace(char **text, const char *with)
{
	if (!with || !*with)
		return;
	free(*text);
	*text = xstrdup(with);
}

static int in_cluster(struct kube *k, const struct kube_options *o, struct error *err)
{
	int rc = kube_config_in_cluster(&k->config, SERVICE_ACCOUNT_DIR,
					getenv("KUBERNETES_SERVICE_HOST"),
					getenv("KUBERNETES_SERVICE_PORT"), err);

	if (rc == 1)
		return no_configuration(err);
	if (rc == 0 && o->context && *o->context)
		rc = error_set(err, ERR_USAGE, "no context '%s': there is no kubeconfig",
			       o->context);
	replace(&k->config.namespace_, o->namespace_);
	replace(&k->config.as, o->as);
	return rc;
}

static int configure(struct kube *k, const struct kube_options *o, struct error *err)
{
	auto_json json_t *merged = NULL;

	if (kubeconfig_load(o->kubeconfig, getenv("KUBECONFIG"), getenv("HOME"), &merged, err) != 0)
		return -1;
	if (json_is_null(merged))
		return in_cluster(k, o, err);
	return kube_config_resolve(&k->config, merged, o, err);
}

/* Other credentials of the entry come before its plugin, as in client-go. */
static int prepare_plugin(struct kube *k, bool no_input, struct error *err)
{
	const struct kube_config *c = &k->config;

	if (!c->exec || c->token.data || c->token_file || c->username || c->cert_pem)
		return 0;
	k->plugin = exec_plugin_new(c, no_input, err);
	return k->plugin ? 0 : -1;
}

static void warn(const struct kube_config *c)
{
	if (c->insecure)
		log_at(LOG_WARN,
		       "warning: the certificate of the cluster API '%s' is not verified "
		       "(insecure-skip-tls-verify)",
		       c->server);
	if (str_starts(c->server, "http://"))
		log_at(LOG_WARN, "warning: the cluster API '%s' is used without encryption",
		       c->server);
}

int kube_open(struct kube **ret, const struct kube_options *o, struct error *err)
{
	struct kube *k = xcalloc(1, sizeof(*k));

	k->timeout_ms = o->request_timeout_ms;
	if (configure(k, o, err) != 0 || prepare_plugin(k, o->no_input, err) != 0)
		goto fail;
	if (!name_is_label(k->config.namespace_)) {
		error_set(err, ERR_USAGE, "'%s' cannot be the name of a namespace",
			  k->config.namespace_);
		goto fail;
	}
	warn(&k->config);
	*ret = k;
	return 0;
fail:
	kube_close(k);
	return -1;
}

void kube_close(struct kube *k)
{
	if (!k)
		return;
	exec_plugin_free(k->plugin);
	http_client_free(k->http);
	secret_release(&k->http_cert);
	secret_release(&k->sent_token);
	kube_config_release(&k->config);
	free(k);
}

void kube_disconnect(struct kube *k)
{
	http_client_free(k->http);
	k->http = NULL;
}

const char *kube_namespace(const struct kube *k)
{
	return k->config.namespace_;
}

const char *kube_context(const struct kube *k)
{
	return k->config.context;
}

const char *kube_server(const struct kube *k)
{
	return k->config.server;
}

/* http's errors, with what to do about them in a kubeconfig's terms. */
static int explain_transport(const struct kube *k, struct error *err)
{
	const struct kube_config *c = &k->config;

	if (!err || err->code != ERR_API)
		return -1;
	if (err->sys == EKEYREJECTED && *c->file)
		error_hint(err,
			   "set certificate-authority-data of cluster '%s' in '%s' to the CA that "
			   "signed it,\nor tls-server-name if only the name differs",
			   c->cluster, c->file);
	else if (err->sys == EKEYEXPIRED)
		error_hint(err,
			   "renew the certificate of cluster '%s', or set the clock of this "
			   "machine if it is wrong",
			   c->cluster);
	else if (err->sys == EINVAL)
		error_hint(err, "check the certificates and keys of cluster '%s' and user '%s'",
			   c->cluster, c->user);
	else if (err->sys != EFBIG)
		error_hint(err,
			   "is this the right cluster, and can it be reached from here?\n"
			   "(context '%s', cluster '%s'; a VPN, a proxy-url or authorized networks "
			   "may be missing)",
			   c->context, c->cluster);
	return error_prefix(err, "cluster API");
}

static int send_once(struct kube *k, const struct kube_get *get, const char *url, bool again,
		     struct http_response *ret, struct error *err)
{
	auto_cleanup(auth_headers_release) struct auth_headers h = {0};
	struct http_request req = {
		.method = get->is_patch ? "PATCH"
			  : get->body	? "POST"
					: "GET",
		.url = url,
		.body = get->body,
		.body_len = get->body ? strlen(get->body) : 0,
		.timeout_ms = k->timeout_ms,
		.max_body = get->name ? MAX_API_OBJECT : MAX_API_BODY,
	};

	if (get->anonymous)
		kube_authenticate_nobody(k, &h);
	else if (kube_authenticate(k, again, &h, err) != 0)
		return -1;
	if (get->body)
		auth_headers_add(&h, get->is_patch ? "Content-Type: application/merge-patch+json"
						   : "Content-Type: application/json");
	req.headers = (const char *const *)h.lines;
	if (http_do(k->http, &req, ret, err) != 0)
		return explain_transport(k, err);
	return 0;
}

static int wait_ms(uint64_t ms, struct error *err)
{
	uint64_t end = now_ms() + ms, now;

	while ((now = now_ms()) < end) {
		if (interrupt_check(err) != 0)
			return -1;
		poll(NULL, 0, end - now < 200 ? (int)(end - now) : 200);
	}
	return 0;
}

static bool is_busy(long status)
{
	return status == 429 || status == 503;
}

/* How long the server wants us to wait; 0: not worth trying again. */
static uint64_t retry_wait(const struct http_response *r)
{
	uint64_t asked = http_retry_after_ms(r);

	return asked > MAX_RETRY_WAIT_MS ? 0 : asked ? asked : DEFAULT_RETRY_WAIT_MS;
}

int kube_send(struct kube *k, const struct kube_get *get, struct http_response *ret,
	      struct error *err)
{
	auto_free char *url = xasprintf("%s%s", k->config.server, get->path);
	bool again = false, refreshed = false, reset = false;
	struct error why = {0};
	uint64_t wait;

	for (int tries = 1;; tries++) {
		if (send_once(k, get, url, again, ret, &why) != 0) {
			/* this does no harm twice: an idle connection may have been cut */
			if (why.sys == ECONNRESET && why.code == ERR_API && !reset) {
				reset = true;
				continue;
			}
			if (err)
				*err = why;
			return -1;
		}
		if (ret->status == 401 && k->plugin && !refreshed && !get->anonymous) {
			again = refreshed = true;
		} else if (is_busy(ret->status) && tries < MAX_TRIES && (wait = retry_wait(ret))) {
			log_at(LOG_STEP, "the cluster API is busy (%ld): waiting %llu ms",
			       ret->status, (unsigned long long)wait);
			again = false;
			if (wait_ms(wait, err) != 0) {
				http_response_release(ret);
				return -1;
			}
		} else {
			return 0;
		}
		http_response_release(ret);
	}
}

int kube_fetch(struct kube *k, const struct kube_get *get, json_t **ret, long *ret_status,
	       struct error *err)
{
	auto_cleanup(http_response_release) struct http_response r = {0};
	auto_json json_t *root = NULL;

	if (ret_status)
		*ret_status = 0;
	if (kube_send(k, get, &r, err) != 0)
		return -1;
	if (ret_status)
		*ret_status = r.status;
	if (r.status != 200)
		return kube_status_error(k, get, &r, err);
	root = json_from_text(buf_str(&r.body), r.body.len, "answer of the cluster API", ERR_API,
			      err);
	if (root && !json_is_object(root))
		error_set(err, ERR_API, "answer of the cluster API is not an object");
	if (!json_is_object(root))
		return error_hint(err,
				  "is '%s' a cluster API, and no login page or proxy? check the "
				  "server of cluster '%s'",
				  k->config.server, k->config.cluster);
	*ret = STEAL(root);
	return 0;
}
