/* jdiag */
#include "jdiag/http/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/wait.h>

#include "remote/base/io.h"
#include "tests/unit/tls.h"

static struct identity ca, other_ca, same_name_ca, by_name, by_address, client;
static struct identity rsa_ca, rsa_same_name_ca, by_rsa;

/* One GET; 0 when the answer is "ok". */
static int get(const struct tls_server *s, struct http_options o, struct error *err)
{
	struct http_request req = {.method = "GET", .url = s->base.url};
	struct http_response r = {0};
	struct http_client *c;
	int rc;

	o.code = ERR_API;
	o.no_proxy = true;
	c = http_client_new(&o);
	rc = http_do(c, &req, &r, err);
	if (rc == 0) {
		assert_int_equal(r.status, 200);
		assert_string_equal(buf_str(&r.body), "ok");
	}
	http_response_release(&r);
	http_client_free(c);
	return rc;
}

static void works(const struct identity *id, struct http_options o)
{
	struct tls_server s;
	struct error err = {0};

	tls_start(&s, id, NULL, "ok");
	if (get(&s, o, &err) != 0)
		fail_msg("%s", err.msg);
	tls_stop(&s);
}

static void fails(const struct identity *id, struct http_options o, int sys)
{
	struct tls_server s;
	struct error err = {0};

	tls_start(&s, id, NULL, "ok");
	assert_int_equal(get(&s, o, &err), -1);
	if (err.sys != sys)
		fail_msg("%d: %s", err.sys, err.msg);
	assert_int_equal(err.code, ERR_API);
	tls_stop(&s);
}

static void trusted_certificate_is_taken(void **state)
{
	(void)state;
	works(&by_address, (struct http_options){.ca_pem = ca.cert_pem});
}

static void untrusted_certificate_is_refused(void **state)
{
	(void)state;
	fails(&by_address, (struct http_options){.ca_pem = other_ca.cert_pem}, EKEYREJECTED);
	fails(&by_address, (struct http_options){.ca_pem = NULL}, EKEYREJECTED);
}

/* A cluster made anew: its CA has the name of the old one. */
static void ca_of_the_same_name_is_told(void **state)
{
	(void)state;
	fails(&by_address, (struct http_options){.ca_pem = same_name_ca.cert_pem}, EKEYREJECTED);
	fails(&by_rsa, (struct http_options){.ca_pem = rsa_same_name_ca.cert_pem}, EKEYREJECTED);
	works(&by_rsa, (struct http_options){.ca_pem = rsa_ca.cert_pem});
}

static void name_has_to_match(void **state)
{
	(void)state;
	fails(&by_name, (struct http_options){.ca_pem = ca.cert_pem}, EKEYREJECTED);
	fails(&by_name,
	      (struct http_options){.ca_pem = ca.cert_pem, .server_name = "other.example"},
	      EKEYREJECTED);
}

static void server_name_changes_only_tls(void **state)
{
	struct tls_server s;
	struct error err = {0};
	char host[64];

	(void)state;
	tls_start(&s, &by_name, NULL, "ok");
	if (get(&s, (struct http_options){.ca_pem = ca.cert_pem, .server_name = "api.example"},
		&err) != 0)
		fail_msg("%s", err.msg);
	assert_string_equal(s.sni, "api.example");
	snprintf(host, sizeof(host), "\r\nHost: 127.0.0.1:%u\r\n", s.base.port);
	assert_non_null(strstr(s.head, host));
	tls_stop(&s);
}

/* An address is verified as one, and is no SNI (RFC 6066). */
static void server_name_may_be_an_address(void **state)
{
	struct tls_server s;
	struct error err = {0};

	(void)state;
	tls_start(&s, &by_address, NULL, "ok");
	if (get(&s, (struct http_options){.ca_pem = ca.cert_pem, .server_name = "10.1.2.3"},
		&err) != 0)
		fail_msg("%s", err.msg);
	assert_string_equal(s.sni, "");
	if (get(&s, (struct http_options){.ca_pem = ca.cert_pem, .server_name = "fd00::7"}, &err) !=
	    0)
		fail_msg("%s", err.msg);
	tls_stop(&s);
}

static void insecure_is_only_on_demand(void **state)
{
	(void)state;
	works(&by_name, (struct http_options){.insecure = true});
}

static void client_certificate_is_shown(void **state)
{
	const struct http_options with = {
		.ca_pem = ca.cert_pem, .cert_pem = client.cert_pem, .key_pem = client.key_pem};
	const struct http_options without = {.ca_pem = ca.cert_pem};
	struct tls_server s;
	struct error err = {0};

	(void)state;
	tls_start(&s, &by_address, &ca, "ok");
	if (get(&s, with, &err) != 0)
		fail_msg("%s", err.msg);
	assert_string_equal(s.peer, "client");
	assert_int_equal(get(&s, without, &err), -1);
	assert_int_equal(err.code, ERR_API);
	tls_stop(&s);
}

/* Also: nobody is asked for a passphrase. */
static void unusable_keys_are_told(void **state)
{
	struct http_options o = {.ca_pem = ca.cert_pem, .cert_pem = client.cert_pem};

	(void)state;
	o.key_pem = client.locked_key_pem;
	fails(&by_address, o, EINVAL);
	o.key_pem = by_name.key_pem;
	fails(&by_address, o, EINVAL);
	o.key_pem = "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\n";
	fails(&by_address, o, EINVAL);
	fails(&by_address, (struct http_options){.ca_pem = "-----BEGIN CERTIFICATE-----\nx\n"},
	      EINVAL);
}

static void plain_answer_is_no_tls(void **state)
{
	struct http_options o = {.ca_pem = ca.cert_pem, .no_proxy = true, .code = ERR_API};
	struct http_client *c = http_client_new(&o);
	struct http_request req = {.method = "GET"};
	struct http_response r = {0};
	struct error err = {0};
	struct server s = {.listener = -1};
	char url[64], chunk[512];
	int fd;

	(void)state;
	server_listen(&s);
	snprintf(url, sizeof(url), "https://127.0.0.1:%u", s.port);
	req.url = url;
	if (fork() == 0) {
		fd = accept(s.listener, NULL, NULL);
		if (recv(fd, chunk, sizeof(chunk), 0) > 0)
			server_send(fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
		_exit(0);
	}
	assert_int_equal(http_do(c, &req, &r, &err), -1);
	assert_int_equal(err.sys, EPROTO);
	http_client_free(c);
	close(s.listener);
	wait(NULL);
}

static int make_all(void **state)
{
	(void)state;
	make_identity(&ca, NULL, "ca", NULL);
	make_identity(&other_ca, NULL, "other ca", NULL);
	make_identity(&same_name_ca, NULL, "ca", NULL);
	make_identity(&rsa_ca, NULL, "rsa ca", NULL);
	make_identity(&rsa_same_name_ca, NULL, "rsa ca", NULL);
	make_identity(&by_rsa, &rsa_ca, "server", "IP:127.0.0.1");
	make_identity(&by_name, &ca, "server", "DNS:api.example");
	make_identity(&by_address, &ca, "server", "IP:127.0.0.1,IP:10.1.2.3,IP:fd00::7");
	make_identity(&client, &ca, "client", NULL);
	return 0;
}

static int free_all(void **state)
{
	struct identity *all[] = {&ca,	   &other_ca, &same_name_ca, &rsa_ca, &rsa_same_name_ca,
				  &by_rsa, &by_name,  &by_address,   &client};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		free_identity(all[i]);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trusted_certificate_is_taken),
		cmocka_unit_test(untrusted_certificate_is_refused),
		cmocka_unit_test(ca_of_the_same_name_is_told),
		cmocka_unit_test(name_has_to_match),
		cmocka_unit_test(server_name_changes_only_tls),
		cmocka_unit_test(server_name_may_be_an_address),
		cmocka_unit_test(insecure_is_only_on_demand),
		cmocka_unit_test(client_certificate_is_shown),
		cmocka_unit_test(unusable_keys_are_told),
		cmocka_unit_test(plain_answer_is_no_tls),
	};

	if (io_secure_stdio() != 0)
		return 1;
	return cmocka_run_group_tests(tests, make_all, free_all);
}
