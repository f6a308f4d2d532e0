#include "jdiag/scrape.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "jdiag/helper/helper.h"
#include "jdiag/http/http.h"
#include "jdiag/interrupt.h"
#include "jdiag/json.h"
#include "jdiag/podnet.h"
#include "jdiag/survey.h"
#include "remote/base/io.h"

#define AGAIN_MS 50

/* What Prometheus asks for. */
static const char *const headers[] = {
	"Accept: "
	"application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
	NULL,
};

static void close_podnet(struct podnet **p)
{
	podnet_close(*p);
}

static void free_client(struct http_client **c)
{
	http_client_free(*c);
}

static void attach(void *ctx, int fd)
{
	podnet_attach(ctx, fd);
}

static int pump(void *ctx, struct error *err)
{
	return podnet_pump(ctx, err);
}

static int poll_for(void *ctx, struct pollfd *fds, unsigned int max)
{
	return podnet_poll(ctx, fds, max);
}

static int get(struct podnet *p, const char *url, struct http_response *ret, struct error *err)
{
	struct http_options o = {.no_proxy = true, .code = ERR_FAILED};
	auto_cleanup(free_client) struct http_client *client = http_client_new(&o);
	struct http_stream stream = {
		.attach = attach,
		.pump = pump,
		.poll = poll_for,
		.ctx = p,
	};
	struct http_request r = {
		.method = "GET",
		.url = url,
		.headers = headers,
		.timeout_ms = SCRAPE_TIMEOUT_MS,
		.max_body = MAX_SCRAPE,
		.stream = &stream,
	};

	return http_do(client, &r, ret, err);
}

static int not_metrics(const char *url, const char *why, struct error *err)
{
	error_set(err, ERR_FAILED, "what '%s' answers is not for Prometheus: %s", url, why);
	if (err)
		err->sys = EPROTO;
	return -1;
}

static int judge(const struct http_response *r, const char *url, struct scrape *ret,
		 struct error *err)
{
	char type[256] = "", status[32];
	struct error why = {0};

	if (r->status != 200) {
		snprintf(status, sizeof(status), "HTTP status %ld", r->status);
		return not_metrics(url, status, err);
	}
	(void)http_response_header(r, "Content-Type", type, sizeof(type));
	if (prom_parse(buf_str(&r->body), r->body.len, type, &ret->summary, &why) < 0)
		return not_metrics(url, why.msg, err);
	if (!ret->summary.samples)
		return not_metrics(url, "it has no sample", err);
	ret->bytes = r->body.len;
	return 0;
}

static int scrape(struct podnet *p, uint16_t port, const char *path, struct scrape *ret,
		  struct error *err)
{
	const char *address = podnet_address(p);
	bool v6 = strchr(address, ':') != NULL;
	auto_cleanup(http_response_release) struct http_response r = {0};
	auto_free char *url = xasprintf("http://%s%s%s:%u%s%s", v6 ? "[" : "", address,
					v6 ? "]" : "", port, *path == '/' ? "" : "/", path);
	struct scrape s = {0};
	uint64_t started = now_ms();

	if (get(p, url, &r, err) < 0 || judge(&r, url, &s, err) < 0)
		return -1;
	s.ms = now_ms() - started;
	snprintf(s.address, sizeof(s.address), "%s", address);
	*ret = s;
	return 0;
}

/* It may listen on an address of the pod's interfaces only. */
static int open_interface(struct podnet **ret, struct helper *h, const struct jvmref *j,
			  uint16_t port, const struct error *refused, struct error *err)
{
	auto_json struct json_t *seen = NULL;
	const char *address;

	if (survey(h, j, &seen, err) < 0)
		return -1;
	address = survey_interface(seen, port);
	if (address)
		return podnet_open(ret, h, j, address, port, err);
	*err = *refused;
	return -1;
}

static int open_when_listening(struct podnet **ret, struct helper *h, const struct jvmref *j,
			       uint16_t port, uint64_t wait_ms, struct error *err)
{
	uint64_t deadline = now_ms() + wait_ms;

	for (;;) {
		struct error e = {0};

		if (podnet_open(ret, h, j, NULL, port, &e) == 0)
			return 0;
		if (e.sys != ECONNREFUSED || helper_lost(h)) {
			*err = e;
			return -1;
		}
		if (now_ms() >= deadline)
			return open_interface(ret, h, j, port, &e, err);
		poll(NULL, 0, AGAIN_MS);
		if (interrupt_check(err) < 0)
			return -1;
	}
}

int scrape_pod(struct helper *h, const struct jvmref *j, uint16_t port, const char *path,
	       uint64_t wait_ms, struct scrape *ret, struct error *err)
{
	auto_cleanup(close_podnet) struct podnet *p = NULL;

	if (open_when_listening(&p, h, j, port, wait_ms, err) < 0)
		return -1;
	return scrape(p, port, path, ret, err);
}
