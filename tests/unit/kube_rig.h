/*
 * A cluster API inside a test that answers by a script: the n-th request gets the n-th step. Needs
 * server.h, fixture.h, tempdir.h, jansson.
 */
#ifndef TESTS_UNIT_KUBE_RIG_H
#define TESTS_UNIT_KUBE_RIG_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/kube/kube.h"
#include "remote/base/log.h"
#include "tests/unit/fixture.h"
#include "tests/unit/server.h"
#include "tests/unit/tempdir.h"

struct step {
	const char *asks;   /* the request line, up to " HTTP/1.1" */
	const char *status; /* "200 OK"; NULL: the connection breaks */
	const char *body;   /* NULL: fixture */
	const char *fixture;
};

struct script {
	const struct step *steps;
	int n, wrong;
	char heads[8][4096], bodies[8][4096]; /* as they came */
};

static inline size_t content_length(const char *head)
{
	const char *at = strcasestr(head, "\r\nContent-Length:");

	return at ? strtoul(at + 17, NULL, 10) : 0;
}

static inline void take_request(struct script *script, int n, int fd, const char *head)
{
	size_t len = content_length(head), got = 0;
	ssize_t r = 1;

	if (len >= sizeof(script->bodies[n]))
		abort();
	snprintf(script->heads[n], sizeof(script->heads[n]), "%s", head);
	while (got < len && (r = recv(fd, script->bodies[n] + got, len - got, 0)) > 0)
		got += (size_t)r;
}

static inline void follow_script(struct server *s, int fd, const char *head)
{
	struct script *script = s->ctx;
	int n = s->requests - 1;
	const struct step *step = &script->steps[n];
	size_t len;

	if (n >= script->n || n >= 8) {
		script->wrong++;
		server_answer(fd, "500 Too Many", "", "");
		return;
	}
	take_request(script, n, fd, head);
	len = strlen(step->asks);
	if (strncmp(head, step->asks, len) != 0 || strncmp(head + len, " HTTP/1.1\r\n", 11) != 0) {
		fprintf(stderr, "request %d is not '%s': %s\n", n, step->asks, head);
		script->wrong++;
	}
	if (!step->status) {
		server_reset(fd);
		shutdown(fd, SHUT_RD);
	} else {
		char *text = step->fixture ? fixture(step->fixture) : strdup(step->body);

		server_answer(fd, step->status, "Content-Type: application/json\r\n", text);
		free(text);
	}
}

static inline struct kube *script_start(struct server *s, struct script *script,
					const struct step *steps, int n)
{
	struct kube_options o = {.request_timeout_ms = 60000};
	struct error err = {0};
	struct kube *k = NULL;
	char text[512];

	memset(script, 0, sizeof(*script));
	script->steps = steps;
	script->n = n;
	server_start(s, follow_script);
	s->ctx = script;
	snprintf(text, sizeof(text),
		 "current-context: rig\n"
		 "clusters: [{name: c, cluster: {server: '%s/'}}]\n"
		 "contexts: [{name: rig, context: {cluster: c, user: u, namespace: shop}}]\n"
		 "users: [{name: u, user: {token: canary}}]\n",
		 s->url);
	tempdir_file("config", 0600, text);
	o.kubeconfig = tempdir_path("config");
	log_level = -1; /* plain http is warned about */
	if (kube_open(&k, &o, &err) != 0) {
		fprintf(stderr, "%s\n", err.msg);
		abort();
	}
	log_level = 0;
	return k;
}

/* Whether it went by the script to its end. */
static inline bool script_stop(struct server *s, struct script *script, struct kube *k)
{
	kube_close(k);
	server_stop(s);
	if (s->requests != script->n)
		fprintf(stderr, "%d requests instead of %d\n", s->requests, script->n);
	return s->requests == script->n && !script->wrong;
}

#endif
