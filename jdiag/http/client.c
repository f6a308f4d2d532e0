#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/http/internal.h"
#include "jdiag/secret.h"
#include "remote/base/str.h"

#define CONNECT_TIMEOUT_MS 10000
#define STALL_TIMEOUT_MS 60000

static char *copy_option(const char *s)
{
	return s && *s ? xstrdup(s) : NULL;
}

/* Go's proxy client leaves names to a SOCKS proxy; curl does so only for socks5h. */
static char *copy_proxy(const char *s)
{
	if (s && str_starts(s, "socks5://"))
		return xasprintf("socks5h://%s", s + strlen("socks5://"));
	return copy_option(s);
}

struct http_client *http_client_new(const struct http_options *o)
{
	struct http_client *c = xcalloc(1, sizeof(*c));

	/* counted by libcurl; free takes it back */
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		die_oom();
	c->multi = curl_multi_init();
	if (!c->multi)
		die_oom();
	c->ca_pem = copy_option(o->ca_pem);
	c->ca_file = copy_option(o->ca_file);
	c->cert_pem = copy_option(o->cert_pem);
	c->key_pem = copy_option(o->key_pem);
	c->server_name = copy_option(o->server_name);
	c->proxy = copy_proxy(o->proxy);
	c->no_proxy = o->no_proxy;
	c->insecure = o->insecure;
	c->connect_timeout_ms = o->connect_timeout_ms ? o->connect_timeout_ms : CONNECT_TIMEOUT_MS;
	c->stall_timeout_ms = o->stall_timeout_ms ? o->stall_timeout_ms : STALL_TIMEOUT_MS;
	c->code = o->code ? o->code : ERR_FAILED;
	return c;
}

static void free_secret(char *s)
{
	if (s)
		secret_wipe(s, strlen(s));
	free(s);
}

void http_client_free(struct http_client *c)
{
	if (!c)
		return;
	curl_multi_cleanup(c->multi);
	curl_global_cleanup();
	free(c->ca_pem);
	free(c->ca_file);
	free(c->cert_pem);
	free_secret(c->key_pem);
	free(c->server_name);
	free_secret(c->proxy); /* may hold a password */
	free(c);
}

void http_client_set_tick(struct http_client *c, int (*tick)(void *ctx, struct error *err),
			  void *ctx)
{
	c->tick = tick;
	c->tick_ctx = ctx;
	c->next_tick = 0;
}

/* From memory, so that no key ever lies in a temporary file. CURL_BLOB_NOCOPY: c outlives it. */
static void set_blob(CURL *easy, CURLoption option, char *pem)
{
	struct curl_blob blob = {pem, strlen(pem), CURL_BLOB_NOCOPY};

	curl_easy_setopt(easy, option, &blob);
}

static void apply_tls(const struct http_client *c, CURL *easy)
{
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, c->insecure ? 0l : 1l);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, c->insecure ? 0l : 2l);
	if (c->ca_pem || c->ca_file) {
		/* curl adds its built-in directory to what it was given otherwise (7.88,
		 * lib/vtls/openssl.c): all public CAs would do for a private cluster */
		curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
		curl_easy_setopt(easy, CURLOPT_CAINFO, c->ca_pem ? NULL : c->ca_file);
	}
	if (c->ca_pem)
		set_blob(easy, CURLOPT_CAINFO_BLOB, c->ca_pem);
	if (c->cert_pem)
		set_blob(easy, CURLOPT_SSLCERT_BLOB, c->cert_pem);
	if (c->key_pem)
		set_blob(easy, CURLOPT_SSLKEY_BLOB, c->key_pem);
	/* without one, OpenSSL asks the terminal for the passphrase of an encrypted key */
	curl_easy_setopt(easy, CURLOPT_KEYPASSWD, "");
}

static void apply_proxy(const struct http_client *c, CURL *easy)
{
	if (c->no_proxy) {
		curl_easy_setopt(easy, CURLOPT_PROXY, "");
	} else if (c->proxy) {
		/* named for this origin: no_proxy of the environment does not count */
		curl_easy_setopt(easy, CURLOPT_PROXY, c->proxy);
		curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
	}
}

void client_apply(const struct http_client *c, void *easy)
{
	apply_tls(c, easy);
	apply_proxy(c, easy);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)c->connect_timeout_ms);
}
