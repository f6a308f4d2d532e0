/* jdiag */
#include "jdiag/kube/kube.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>

#include "jdiag/crypto/crypto.h"
#include "jdiag/json.h"
#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/log.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/tls.h"

static struct identity ca, other_ca, server_id, first, second;

static char *base64(const char *text)
{
	auto_buf struct buf b = BUF_INIT(65536);

	base64_encode(&b, text, strlen(text), false);
	return xstrdup(buf_str(&b));
}

/* A kubeconfig with these further members of cluster and user; then one GET. */
static int get(const struct tls_server *s, const char *cluster, const char *user, int times,
	       struct error *err)
{
	auto_free char *text = xasprintf("current-context: x\n"
					 "contexts: [{name: x, context: {cluster: c, user: u}}]\n"
					 "clusters: [{name: c, cluster: {server: '%s'%s}}]\n"
					 "users: [{name: u, user: {%s}}]\n",
					 s->base.url, cluster, user);
	struct kube_options o = {.no_input = true, .request_timeout_ms = 60000};
	struct kube *k = NULL;
	int rc;

	tempdir_file("config", 0600, text);
	o.kubeconfig = tempdir_path("config");
	log_level = -1;
	rc = kube_open(&k, &o, err);
	log_level = 0;
	for (int i = 0; rc == 0 && i < times; i++) {
		json_t *v = NULL;

		rc = kube_get_pod(k, "shop", "p", &v, err);
		json_decref(v);
	}
	kube_close(k);
	return rc;
}

static char *trust(const struct identity *id)
{
	auto_free char *data = base64(id->cert_pem);

	return xasprintf(", certificate-authority-data: %s", data);
}

static void authority_in_line(void **state)
{
	auto_free char *cluster = trust(&ca);
	struct tls_server s;
	struct error err = {0};

	(void)state;
	tls_start(&s, &server_id, NULL, "{}");
	if (get(&s, cluster, "token: t", 1, &err) != 0)
		fail_msg("%s", err.msg);
	assert_non_null(strstr(s.head, "\r\nAuthorization: Bearer t\r\n"));
	tls_stop(&s);
}

static void untrusted_server_gets_no_token(void **state)
{
	auto_free char *cluster = trust(&other_ca);
	struct tls_server s;
	struct error err = {0};

	(void)state;
	tls_start(&s, &server_id, NULL, "{}");
	assert_int_equal(get(&s, cluster, "token: canary", 1, &err), -1);
	assert_int_equal(err.code, ERR_API);
	assert_non_null(strstr(err.msg, "is not trusted"));
	assert_non_null(strstr(err.hint, "certificate-authority-data of cluster 'c'"));
	assert_string_equal(s.head, "");
	if (get(&s, ", insecure-skip-tls-verify: true", "token: t", 1, &err) != 0)
		fail_msg("%s", err.msg);
	tls_stop(&s);
}

static void name_is_taken_from_the_kubeconfig(void **state)
{
	auto_free char *data = trust(&ca);
	auto_free char *cluster = xasprintf("%s, tls-server-name: api.example", data);
	struct tls_server s;
	struct error err = {0};

	(void)state;
	tls_start(&s, &server_id, NULL, "{}");
	if (get(&s, cluster, "token: t", 1, &err) != 0)
		fail_msg("%s", err.msg);
	assert_string_equal(s.sni, "api.example");
	tls_stop(&s);
}

static void certificate_from_files(void **state)
{
	struct tls_server s;
	struct error err = {0};

	(void)state;
	tempdir_file("ca.crt", 0600, ca.cert_pem);
	tempdir_file("crt", 0600, first.cert_pem);
	tempdir_file("key", 0600, first.key_pem);
	tls_start(&s, &server_id, &ca, "{}");
	if (get(&s, ", certificate-authority: ca.crt", "client-certificate: crt, client-key: ./key",
		1, &err) != 0)
		fail_msg("%s", err.msg);
	assert_string_equal(s.peer, "first");
	tls_stop(&s);
}

/* What the plugin prints at its run number n. */
static void plugin_answer(int n, const struct identity *id, const char *expires)
{
	auto_json json_t *o = json_pack(
		"{s:s, s:s, s:{s:s, s:s, s:s}}", "apiVersion", "client.authentication.k8s.io/v1",
		"kind", "ExecCredential", "status", "clientCertificateData", id->cert_pem,
		"clientKeyData", id->key_pem, "expirationTimestamp", expires);
	auto_free char *line = json_to_line(o);
	char name[16];

	snprintf(name, sizeof(name), "answer%d", n);
	tempdir_file(name, 0600, line);
}

/* A new certificate is no good on a connection that was made with the old one. */
static void plugin_renews_the_certificate(void **state)
{
	static const char user[] = "exec: {apiVersion: client.authentication.k8s.io/v1, "
				   "interactiveMode: Never, command: ./plugin}";
	auto_free char *cluster = trust(&ca);
	struct tls_server s;
	struct error err = {0};

	(void)state;
	plugin_answer(1, &first, "2020-01-01T00:00:00Z");
	plugin_answer(2, &second, "2120-01-01T00:00:00Z");
	tempdir_file("runs", 0600, "");
	tempdir_file("plugin", 0700,
		     "#!/bin/sh\ncd \"${0%/*}\"\necho >> runs\ncat answer$(wc -l < runs)\n");
	tls_start(&s, &server_id, &ca, "{}");
	if (get(&s, cluster, user, 1, &err) != 0)
		fail_msg("%s", err.msg);
	assert_string_equal(s.peer, "first");
	tempdir_file("runs", 0600, "");
	if (get(&s, cluster, user, 3, &err) != 0)
		fail_msg("%s", err.msg);
	assert_string_equal(s.peer, "second");
	tls_stop(&s);
}

static int setup(void **state)
{
	make_identity(&ca, NULL, "ca", NULL);
	make_identity(&other_ca, NULL, "other ca", NULL);
	make_identity(&server_id, &ca, "server", "DNS:api.example,IP:127.0.0.1");
	make_identity(&first, &ca, "first", NULL);
	make_identity(&second, &ca, "second", NULL);
	return tempdir_make(state);
}

static int teardown(void **state)
{
	struct identity *all[] = {&ca, &other_ca, &server_id, &first, &second};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		free_identity(all[i]);
	return tempdir_remove(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(authority_in_line),
		cmocka_unit_test(untrusted_server_gets_no_token),
		cmocka_unit_test(name_is_taken_from_the_kubeconfig),
		cmocka_unit_test(certificate_from_files),
		cmocka_unit_test(plugin_renews_the_certificate),
	};

	if (io_secure_stdio() != 0)
		return 1;
	return cmocka_run_group_tests(tests, setup, teardown);
}
