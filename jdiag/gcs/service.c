#include "jdiag/gcs/service.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/gcs/internal.h"
#include "remote/base/io.h"
#include "remote/base/str.h"

static int find_base(struct gcs *g, const struct gcs_service *s, struct error *err)
{
	const char *override = getenv(s->variable);

	g->base = endpoint_base(override && *override ? override : s->base, s->suffix);
	if (endpoint_parse(g->base, &g->endpoint) && endpoint_is_base(g->base) &&
	    endpoint_may_see_secrets(&g->endpoint))
		return 0;
	error_set(err, ERR_USAGE, "%s: '%s' cannot be used as the address of the service",
		  s->variable, override ? override : "");
	return error_hint(err, "only https://*.googleapis.com (or loopback) is trusted with "
			       "credentials");
}

int gcs_service_open(struct gcs **ret, const struct gcs_service *s, const struct gcs_options *o,
		     struct error *err)
{
	struct http_options http = {.code = s->code};
	struct gcs *g = xcalloc(1, sizeof(*g));

	g->token = (struct google_token){
		.scope = s->scope, .code = s->code, .tick = o->tick, .tick_ctx = o->tick_ctx};
	if (find_base(g, s, err) < 0 ||
	    credentials_find(&g->token.cred, o->token_command, err) < 0) {
		gcs_close(g);
		return -1;
	}
	http.no_proxy = endpoint_is_loopback(&g->endpoint);
	g->http = http_client_new(&http);
	http_client_set_tick(g->http, o->tick, o->tick_ctx);
	*ret = g;
	return 0;
}

int gcs_service_get(struct gcs *g, const char *path, size_t max_body, struct http_response *ret,
		    struct error *err)
{
	auto_free char *url = xasprintf("%s%s", g->base, path);
	const struct gcs_request req = {.method = "GET", .url = url, .max_body = max_body};

	return gcs_do(g, &req, ret, err);
}

const char *gcs_identity(const struct gcs *g)
{
	if (g->token.cred.account)
		return g->token.cred.account;
	return credentials_from(&g->token.cred);
}

static bool is_google_machine(void)
{
	auto_buf struct buf name = BUF_INIT(256);

	/* as Google's libraries tell it (cloud.google.com/go/compute/metadata, testOnGCE) */
	return io_read_file(AT_FDCWD, "/sys/class/dmi/id/product_name", &name) == 0 &&
	       str_starts(buf_str(&name), "Google");
}

bool gcs_credentials_likely(const char *token_command)
{
	static const char *const variables[] = {"GOOGLE_APPLICATION_CREDENTIALS",
						"GCE_METADATA_HOST"};
	struct credentials c = {0};
	bool found = false;

	for (size_t i = 0; i < ARRAY_SIZE(variables); i++) {
		const char *v = getenv(variables[i]);

		if (v && *v)
			return true;
	}
	if (credentials_find(&c, token_command, NULL) == 0)
		found = c.kind != CRED_METADATA;
	credentials_release(&c);
	return found || is_google_machine();
}
