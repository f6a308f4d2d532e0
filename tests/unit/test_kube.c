/* jdiag */
#include "jdiag/kube/kube.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <signal.h>

#include "jdiag/interrupt.h"
#include "jdiag/json.h"
#include "remote/base/io.h"
#include "remote/base/log.h"
#include "tests/unit/fixture.h"
#include "tests/unit/server.h"
#include "tests/unit/tempdir.h"

/* A kubeconfig for the server, with the given user entry (flow style). */
static struct kube *open_with(const struct server *s, const char *user, const char *as)
{
	char path[128], text[2048];
	const struct kube_options o = {.kubeconfig = path, .as = as, .request_timeout_ms = 60000};
	struct error err = {0};
	struct kube *k = NULL;

	snprintf(path, sizeof(path), "%s/config", tempdir);
	snprintf(text, sizeof(text),
		 "current-context: rig\n"
		 "clusters: [{name: c, cluster: {server: '%s/'}}]\n"
		 "contexts: [{name: rig, context: {cluster: c, user: u, namespace: shop}}]\n"
		 "users: [{name: u, user: %s}]\n",
		 s->url, user);
	tempdir_file("config", 0600, text);
	log_level = -1; /* plain http is warned about */
	if (kube_open(&k, &o, &err) != 0)
		fail_msg("%s", err.msg);
	log_level = 0;
	return k;
}

static void send_fixture(int fd, const char *status, const char *name)
{
	char *text = fixture(name);

	server_answer(fd, status, "Content-Type: application/json\r\n", text);
	free(text);
}

static bool asks(const char *head, const char *path)
{
	char line[512];

	snprintf(line, sizeof(line), "GET %s HTTP/1.1\r\n", path);
	return strncmp(head, line, strlen(line)) == 0;
}

/* the continue tokens of the recorded pages */
#define PAGE1_NEXT "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MTg4OSwic3RhcnQiOiJsZWdhY3ktOFx1MDAwMCJ9"
#define PAGE2_NEXT "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MTg4OSwic3RhcnQiOiJub2R5bi0xN1x1MDAwMCJ9"

/* The API as recorded. */
static void api(struct server *s, int fd, const char *head)
{
	(void)s;
	if (!strstr(head, "\r\nAuthorization: Bearer good\r\n"))
		send_fixture(fd, "401 Unauthorized", "kube/unauthorized-401.json");
	else if (asks(head, "/api/v1/namespaces/shop/pods/checkout-17"))
		send_fixture(fd, "200 OK", "kube/pod.json");
	else if (asks(head, "/api/v1/nodes/gke-rig-pool-1"))
		send_fixture(fd, "200 OK", "kube/node.json");
	else if (asks(head, "/api/v1/namespaces/shop/pods?limit=500&labelSelector=tier%3Djava"))
		send_fixture(fd, "200 OK", "kube/pods-page1.json");
	else if (strstr(head, "&continue=" PAGE1_NEXT " "))
		send_fixture(fd, "200 OK", "kube/pods-page2.json");
	else if (strstr(head, "&continue=" PAGE2_NEXT " "))
		server_answer(fd, "200 OK", "", "{\"items\": [{}, {}, {}, {}]}");
	else if (strstr(head, "labelSelector=bad"))
		send_fixture(fd, "400 Bad Request", "kube/pods-badselector-400.json");
	else if (asks(head, "/api/v1/namespaces/shop"))
		server_answer(fd, "200 OK", "", "{}");
	else if (asks(head, "/api/v1/namespaces/nowhere"))
		server_answer(fd, "404 Not Found", "",
			      "{\"kind\": \"Status\", \"details\": {\"kind\": \"namespaces\"}}");
	else if (strstr(head, "/nodes/"))
		send_fixture(fd, "403 Forbidden", "kube/anonymous-403.json");
	else
		send_fixture(fd, "404 Not Found", "kube/pod-404.json");
}

static void objects_come_back(void **state)
{
	struct server s;
	struct error err = {0};
	auto_json json_t *pod = NULL, *node = NULL, *pods = NULL;
	struct kube *k;

	(void)state;
	server_start(&s, api);
	k = open_with(&s, "{token: good}", NULL);
	assert_string_equal(kube_namespace(k), "shop");
	assert_string_equal(kube_context(k), "rig");
	assert_string_equal(kube_server(k), s.url);
	assert_int_equal(kube_get_pod(k, "shop", "checkout-17", &pod, &err), 0);
	assert_string_equal(json_str_at(pod, "metadata.name", ""), "checkout-17");
	assert_int_equal(kube_get_node(k, "gke-rig-pool-1", &node, &err), 0);
	assert_string_equal(json_str_at(node, "kind", ""), "Node");
	assert_int_equal(kube_list_pods(k, "shop", "tier=java", NULL, &pods, &err), 0);
	assert_int_equal(json_array_size(pods), 10);
	assert_null(json_at(json_array_get(pods, 0), "metadata.managedFields"));
	kube_close(k);
	server_stop(&s);
}

static void another(struct server *s, int fd, const char *head)
{
	(void)s;
	if (asks(head, "/api/v1/nodes/n"))
		server_answer(fd, "200 OK", "", "{\"metadata\": {\"name\": \"other\"}}");
	else
		server_answer(fd, "200 OK", "",
			      "{\"metadata\": {\"name\": \"p\", \"namespace\": \"other\"}}");
}

static void other_objects_are_refused(void **state)
{
	struct server s;
	struct error err = {0};
	json_t *v = NULL;
	struct kube *k;

	(void)state;
	server_start(&s, another);
	k = open_with(&s, "{token: good}", NULL);
	assert_int_equal(kube_get_pod(k, "shop", "p", &v, &err), -1);
	assert_non_null(strstr(err.msg, "another object than 'p' of its pods"));
	assert_int_equal(kube_get_node(k, "n", &v, &err), -1);
	assert_non_null(strstr(err.msg, "another object than 'n' of its nodes"));
	assert_null(v);
	kube_close(k);
	server_stop(&s);
}

static void expect(const struct error *err, enum err_code code, const char *msg, const char *hint)
{
	if (err->code != code || !strstr(err->msg, msg) || !strstr(err->hint, hint))
		fail_msg("code %d\nmsg  '%s'\nhint '%s'", err->code, err->msg, err->hint);
	assert_null(strstr(err->msg, "canary"));
	assert_null(strstr(err->hint, "canary"));
}

static void errors_say_what_to_do(void **state)
{
	struct server s;
	struct error err = {0};
	json_t *v = NULL;
	struct kube *k;

	(void)state;
	server_start(&s, api);
	k = open_with(&s, "{token: good}", NULL);
	assert_int_equal(kube_get_pod(k, "shop", "none", &v, &err), -1);
	expect(&err, ERR_TARGET, "no pod 'none' in namespace 'shop'", "kubectl get pods -n shop");
	assert_int_equal(kube_get_pod(k, "nowhere", "none", &v, &err), -1);
	expect(&err, ERR_TARGET, "no namespace 'nowhere'", "kubectl get namespaces");
	assert_int_equal(kube_get_node(k, "none", &v, &err), -1);
	expect(&err, ERR_API, "not allowed to get nodes", "no credentials that count");
	assert_int_equal(kube_list_pods(k, NULL, "bad", NULL, &v, &err), -1);
	expect(&err, ERR_USAGE, "does not take the selector: found '=='", "");
	assert_int_equal(kube_get_pod(k, "shop", "..", &v, &err), -1);
	expect(&err, ERR_USAGE, "cannot be the name of a pod", "");
	assert_int_equal(kube_get_pod(k, "a/b", "x", &v, &err), -1);
	expect(&err, ERR_USAGE, "cannot be the name of a namespace", "");
	assert_int_equal(kube_get_node(k, "x?y", &v, &err), -1);
	expect(&err, ERR_USAGE, "cannot be the name of a node", "");
	kube_close(k);
	k = open_with(&s, "{token: canary}", NULL);
	assert_int_equal(kube_get_pod(k, "shop", "none", &v, &err), -1);
	expect(&err, ERR_API, "does not accept the credentials of user 'u'", "token of user 'u'");
	assert_null(v);
	kube_close(k);
	server_stop(&s);
}

static void forbid(struct server *s, int fd, const char *head)
{
	(void)s;
	(void)head;
	server_answer(fd, "403 Forbidden", "",
		      "{\"kind\": \"Status\", \"message\": \"pods is forbidden: User \\\"ci\\\" "
		      "cannot list resource\", \"code\": 403}");
}

static void missing_permission_is_named(void **state)
{
	struct server s;
	struct error err = {0};
	json_t *v = NULL;
	struct kube *k;

	(void)state;
	server_start(&s, forbid);
	k = open_with(&s, "{token: x}", NULL);
	assert_int_equal(kube_get_pod(k, "shop", "p", &v, &err), -1);
	expect(&err, ERR_API, "not allowed to get pods in namespace 'shop': pods is forbidden",
	       "a Role with: apiGroups [\"\"], resources [\"pods\"], verbs [\"get\"]\n"
	       "check with: kubectl auth can-i get pods -n shop");
	assert_int_equal(kube_list_pods(k, NULL, NULL, NULL, &v, &err), -1);
	expect(&err, ERR_API, "not allowed to list pods in all namespaces",
	       "a ClusterRole with: apiGroups [\"\"], resources [\"pods\"], verbs [\"list\"]\n"
	       "check with: kubectl auth can-i list pods -A");
	assert_int_equal(kube_get_node(k, "n", &v, &err), -1);
	expect(&err, ERR_API, "not allowed to get nodes: ", "kubectl auth can-i get nodes");
	kube_close(k);
	server_stop(&s);
}

/* What is sent: echoed back inside a pod. */
static void echo(struct server *s, int fd, const char *head)
{
	auto_json json_t *o = json_pack("{s:s}", "head", head);
	auto_free char *text = json_to_line(o);

	(void)s;
	server_answer(fd, "200 OK", "", text);
}

static char *head_sent(struct kube *k)
{
	auto_json json_t *v = NULL;
	struct error err = {0};

	if (kube_get_pod(k, "shop", "p", &v, &err) != 0)
		fail_msg("%s", err.msg);
	return xstrdup(json_str_at(v, "head", ""));
}

static void credentials_are_sent(void **state)
{
	static const struct {
		const char *user, *as, *header;
	} cases[] = {
		{"{token: abc}", NULL, "\r\nAuthorization: Bearer abc\r\n"},
		{"{token: 123}", NULL, "\r\nAuthorization: Bearer 123\r\n"},
		{"{username: u, password: p}", NULL, "\r\nAuthorization: Basic dTpw\r\n"},
		{"{token: a}", "jane", "\r\nImpersonate-User: jane\r\n"},
		{"{token: a, as: joe, as-uid: '7'}", NULL, "\r\nImpersonate-Uid: 7\r\n"},
		{"{token: a, as: joe, as-groups: [g1, g2]}", NULL,
		 "\r\nImpersonate-Group: g1\r\nImpersonate-Group: g2\r\n"},
		{"{token: a, as: joe, as-user-extra: {a/b: [x]}}", "ann",
		 "\r\nImpersonate-Extra-a%2Fb: x\r\n"},
		{"{}", NULL, "\r\nAccept: application/json\r\n"},
	};
	struct server s;

	(void)state;
	server_start(&s, echo);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct kube *k = open_with(&s, cases[i].user, cases[i].as);
		auto_free char *head = head_sent(k);

		if (!strstr(head, cases[i].header))
			fail_msg("%s: %s", cases[i].user, head);
		kube_close(k);
	}
	server_stop(&s);
}

static void token_file_is_read_each_time(void **state)
{
	struct server s;
	struct kube *k;
	struct error err = {0};
	json_t *v = NULL;
	char *head;

	(void)state;
	tempdir_file("token", 0600, "first\n");
	server_start(&s, echo);
	k = open_with(&s, "{token: stale, tokenFile: token}", NULL);
	head = head_sent(k);
	assert_non_null(strstr(head, "Bearer first\r\n"));
	free(head);
	tempdir_file("token", 0600, " second ");
	head = head_sent(k);
	assert_non_null(strstr(head, "Bearer second\r\n"));
	free(head);
	tempdir_file("token", 0600, "canary\ncanary");
	assert_int_equal(kube_get_pod(k, "shop", "p", &v, &err), -1);
	expect(&err, ERR_API, "control character", "");
	tempdir_file("token", 0600, "\n");
	assert_int_equal(kube_get_pod(k, "shop", "p", &v, &err), -1);
	expect(&err, ERR_USAGE, "is empty", "");
	kube_close(k);
	server_stop(&s);
}

/* The plugin counts its runs and gives that number as the token. */
#define COUNTING_PLUGIN                                                          \
	"#!/bin/sh\n"                                                            \
	"echo x >> \"${0%/*}/runs\"\n"                                           \
	"n=$(wc -l < \"${0%/*}/runs\")\n"                                        \
	"echo '{\"apiVersion\": \"client.authentication.k8s.io/v1\", \"kind\": " \
	"\"ExecCredential\", \"status\": {\"token\": \"run'$n'\"'\"$EXPIRES\"'}}'\n"

#define EXEC_USER(env)                                                             \
	"{exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin, " \
	"interactiveMode: Never, env: [{name: EXPIRES, value: '" env "'}]}}"

static void plugin_runs_once(void **state)
{
	struct server s;
	struct kube *k;

	(void)state;
	tempdir_file("plugin", 0700, COUNTING_PLUGIN);
	tempdir_file("runs", 0600, "");
	server_start(&s, echo);
	k = open_with(&s, EXEC_USER(", \"expirationTimestamp\": \"2126-01-01T00:00:00Z\""), NULL);
	for (int i = 0; i < 3; i++) {
		auto_free char *head = head_sent(k);

		assert_non_null(strstr(head, "Bearer run1\r\n"));
	}
	kube_close(k);
	server_stop(&s);
}

static void expired_credential_is_renewed(void **state)
{
	struct server s;
	struct kube *k;

	(void)state;
	tempdir_file("plugin", 0700, COUNTING_PLUGIN);
	tempdir_file("runs", 0600, "");
	server_start(&s, echo);
	k = open_with(&s, EXEC_USER(", \"expirationTimestamp\": \"2020-01-01T00:00:00Z\""), NULL);
	for (int i = 1; i <= 3; i++) {
		auto_free char *head = head_sent(k);
		char want[32];

		snprintf(want, sizeof(want), "Bearer run%d\r\n", i);
		assert_non_null(strstr(head, want));
	}
	kube_close(k);
	server_stop(&s);
}

static void accept_second_run(struct server *s, int fd, const char *head)
{
	if (strstr(head, "Bearer run2\r\n"))
		echo(s, fd, head);
	else
		send_fixture(fd, "401 Unauthorized", "kube/unauthorized-401.json");
}

static void refused_credential_is_renewed_once(void **state)
{
	struct server s;
	struct kube *k;
	struct error err = {0};
	json_t *v = NULL;
	char *head;

	(void)state;
	tempdir_file("plugin", 0700, COUNTING_PLUGIN);
	tempdir_file("runs", 0600, "");
	server_start(&s, accept_second_run);
	k = open_with(&s, EXEC_USER(""), NULL);
	head = head_sent(k);
	assert_non_null(strstr(head, "Bearer run2\r\n"));
	assert_int_equal(s.requests, 2);
	free(head);
	kube_close(k);
	/* runs 3 and 4 are not what the server wants */
	k = open_with(&s, EXEC_USER(""), NULL);
	assert_int_equal(kube_get_pod(k, "shop", "p", &v, &err), -1);
	expect(&err, ERR_API, "does not accept the credentials", "log in again");
	assert_int_equal(s.requests, 4);
	kube_close(k);
	server_stop(&s);
}

static void busy_twice(struct server *s, int fd, const char *head)
{
	if (s->requests == 1)
		server_answer(fd, "429 Too Many Requests", "Retry-After: 1\r\n", "slow down");
	else if (s->requests == 2)
		server_answer(fd, "503 Service Unavailable", "Retry-After: 0\r\n", "");
	else
		echo(s, fd, head);
}

static void retry_after_is_obeyed(void **state)
{
	struct server s;
	struct kube *k;
	uint64_t start = now_ms();
	char *head;

	(void)state;
	server_start(&s, busy_twice);
	k = open_with(&s, "{token: a}", NULL);
	head = head_sent(k);
	assert_int_equal(s.requests, 3);
	assert_in_range(now_ms() - start, 1000, 25000);
	free(head);
	kube_close(k);
	server_stop(&s);
}

static void reset_first(struct server *s, int fd, const char *head)
{
	if (s->requests > 1) {
		echo(s, fd, head);
		return;
	}
	server_reset(fd);
	shutdown(fd, SHUT_RD);
}

/* An idle connection that a load balancer has cut looks like this. */
static void broken_connection_is_tried_again(void **state)
{
	struct server s;
	struct kube *k;
	char *head;

	(void)state;
	server_start(&s, reset_first);
	k = open_with(&s, "{token: a}", NULL);
	head = head_sent(k);
	assert_int_equal(s.requests, 2);
	free(head);
	kube_close(k);
	server_stop(&s);
}

/* row 36: everything that is said at the highest verbosity */
static void nothing_secret_is_logged(void **state)
{
	static const char *const users[] = {"{token: canary}", "{tokenFile: token}",
					    "{username: u, password: canary}",
					    EXEC_USER(", \"expirationTimestamp\": \"canary\"")};
	int keep = dup(STDERR_FILENO), to;
	auto_free char *said = NULL;

	(void)state;
	tempdir_file("token", 0600, "canary");
	tempdir_file("plugin", 0700, COUNTING_PLUGIN);
	tempdir_file("runs", 0600, "canary");
	tempdir_file("said", 0600, "");
	to = open(tempdir_path("said"), O_WRONLY | O_APPEND);
	for (size_t i = 0; i < ARRAY_SIZE(users); i++) {
		struct server s;
		struct error err = {0};
		json_t *v = NULL;
		struct kube *k;

		server_start(&s, api);
		k = open_with(&s, users[i], NULL);
		log_level = 9;
		dup2(to, STDERR_FILENO);
		assert_int_equal(kube_get_pod(k, "shop", "p", &v, &err), -1);
		dup2(keep, STDERR_FILENO);
		log_level = 0;
		assert_null(strstr(err.msg, "canary"));
		assert_null(strstr(err.hint, "canary"));
		kube_close(k);
		server_stop(&s);
	}
	close(to);
	close(keep);
	said = read_text(tempdir_path("said"));
	assert_non_null(strstr(said, "/api/v1/namespaces/shop/pods/p: 401"));
	assert_null(strstr(said, "canary"));
}

/* Sends back the token that came: as a message, as an address, as a type. */
static void echo_token(struct server *s, int fd, const char *head)
{
	static const char *const statuses[] = {"403 Forbidden", "404 Not Found",
					       "422 Unprocessable Entity", "302 Found"};
	const char *token = strstr(head, "Bearer ");
	size_t len = token ? strcspn(token + 7, "\r") : 0;
	char headers[256], body[256];

	snprintf(headers, sizeof(headers), "Location: http://x/%.*s\r\n", (int)len, token + 7);
	snprintf(body, sizeof(body), "{\"kind\": \"Status\", \"message\": \"you sent %.*s\"}",
		 (int)len, token + 7);
	server_answer(fd, statuses[s->requests % 4], headers, body);
}

static void echoed_tokens_are_not_shown(void **state)
{
	static const char *const users[] = {"{token: canary}", "{tokenFile: token}", EXEC_USER("")};
	struct server s;

	(void)state;
	tempdir_file("token", 0600, "canary");
	tempdir_file("plugin", 0700, COUNTING_PLUGIN);
	server_start(&s, echo_token);
	for (size_t i = 0; i < ARRAY_SIZE(users); i++) {
		for (int n = 0; n < 4; n++) {
			struct error err = {0};
			struct kube *k;
			json_t *v = NULL;

			tempdir_file("runs", 0600, "");
			k = open_with(&s, users[i], NULL);
			assert_int_equal(kube_list_pods(k, "shop", NULL, NULL, &v, &err), -1);
			assert_int_equal(err.code, ERR_API);
			if (strstr(err.msg, "canary") || strstr(err.hint, "canary") ||
			    strstr(err.msg, "run1"))
				fail_msg("%s", err.msg);
			kube_close(k);
		}
	}
	server_stop(&s);
}

static void interrupt_and_be_busy(struct server *s, int fd, const char *head)
{
	(void)s;
	(void)head;
	server_answer(fd, "503 Service Unavailable", "Retry-After: 30\r\n", "");
	kill(getpid(), SIGINT);
}

/* Last: the interrupt flag stays set. */
static void interrupt_ends_the_wait(void **state)
{
	struct server s;
	struct error err = {0};
	json_t *v = NULL;
	struct kube *k;
	uint64_t start = now_ms();

	(void)state;
	interrupt_install();
	server_start(&s, interrupt_and_be_busy);
	k = open_with(&s, "{token: a}", NULL);
	assert_int_equal(kube_get_pod(k, "shop", "p", &v, &err), -1);
	assert_int_equal(err.code, ERR_INTERRUPTED);
	assert_in_range(now_ms() - start, 0, 25000);
	kube_close(k);
	server_stop(&s);
}

static void busy_for_long(struct server *s, int fd, const char *head)
{
	(void)s;
	(void)head;
	server_answer(fd, "503 Service Unavailable", "Retry-After: 3600\r\n", "");
}

static void redirect(struct server *s, int fd, const char *head)
{
	(void)s;
	(void)head;
	server_answer(fd, "307 Temporary Redirect",
		      "Location: http://127.0.0.1:1/login?state=canary\r\n", "");
}

static void login_page(struct server *s, int fd, const char *head)
{
	(void)s;
	(void)head;
	server_answer(fd, "200 OK", "Content-Type: text/html\r\n", "<html>canary</html>");
}

static void teapot(struct server *s, int fd, const char *head)
{
	(void)s;
	(void)head;
	server_answer(fd, "500 Internal Server Error", "Content-Type: text/html\r\n",
		      "<html>canary</html>");
}

static void echo_secrets(struct server *s, int fd, const char *head)
{
	(void)s;
	(void)head;
	server_answer(fd, "403 Forbidden", "",
		      "{\"kind\": \"Status\", \"message\": \"you sent canary\"}");
}

static void not_an_api(struct server *s, int fd, const char *head)
{
	(void)s;
	(void)head;
	server_answer(fd, "404 Not Found", "", "404 page not found\n");
}

static void deep(struct server *s, int fd, const char *head)
{
	char text[100001];

	(void)s;
	(void)head;
	memset(text, '[', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	server_answer(fd, "200 OK", "", text);
}

static void array(struct server *s, int fd, const char *head)
{
	(void)s;
	(void)head;
	server_answer(fd, "200 OK", "", "[]");
}

/* rows 32 and 33, and servers that are none */
static void strange_answers_are_errors(void **state)
{
	static const struct {
		void (*handle)(struct server *, int, const char *);
		const char *msg, *hint;
		int requests;
	} cases[] = {
		{busy_for_long, "answers 503", "try again later", 1},
		{redirect, "redirects (307) to 'http://127.0.0.1:1/login', which is never followed",
		 "server of cluster 'c'", 1},
		{login_page, "is not JSON", "check the server of cluster 'c'", 1},
		{teapot, "answers 500 (text/html)", "is this a cluster API?", 1},
		{echo_secrets, "not allowed to get pods in namespace 'shop': 403 Forbidden", "", 1},
		{not_an_api, "does not answer like a cluster API (404)", "check the server", 1},
		{deep, "nested too deep", "", 1},
		{array, "is not an object", "", 1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct server s;
		struct error err = {0};
		json_t *v = NULL;
		struct kube *k;

		server_start(&s, cases[i].handle);
		k = open_with(&s, "{token: canary}", NULL);
		assert_int_equal(kube_get_pod(k, "shop", "p", &v, &err), -1);
		expect(&err, ERR_API, cases[i].msg, cases[i].hint);
		assert_int_equal(s.requests, cases[i].requests);
		kube_close(k);
		server_stop(&s);
	}
}

static const char page[] = "{\"items\": [{}], \"metadata\": {\"continue\": \"next\"}}";

static void gone_once(struct server *s, int fd, const char *head)
{
	bool again = strstr(head, "continue=next");

	if (!again)
		server_answer(fd, "200 OK", "", page);
	else if (s->requests <= 2)
		server_answer(fd, "410 Gone", "", "{\"kind\": \"Status\", \"code\": 410}");
	else
		server_answer(fd, "200 OK", "", "{\"items\": [{}]}");
}

static void gone_always(struct server *s, int fd, const char *head)
{
	(void)s;
	if (strstr(head, "continue=next"))
		server_answer(fd, "410 Gone", "", "{\"kind\": \"Status\", \"code\": 410}");
	else
		server_answer(fd, "200 OK", "", page);
}

static void lost_list_begins_again_once(void **state)
{
	struct server s;
	struct error err = {0};
	json_t *v = NULL;
	struct kube *k;

	(void)state;
	server_start(&s, gone_once);
	k = open_with(&s, "{token: a}", NULL);
	assert_int_equal(kube_list_pods(k, NULL, NULL, NULL, &v, &err), 0);
	assert_int_equal(json_array_size(v), 2);
	assert_int_equal(s.requests, 4);
	assert_int_equal(err.code, 0);
	json_decref(v);
	kube_close(k);
	server_stop(&s);

	server_start(&s, gone_always);
	k = open_with(&s, "{token: a}", NULL);
	assert_int_equal(kube_list_pods(k, NULL, NULL, NULL, &v, &err), -1);
	assert_int_equal(s.requests, 4);
	assert_int_equal(err.code, ERR_API);
	kube_close(k);
	server_stop(&s);
}

static void empty_pages(struct server *s, int fd, const char *head)
{
	(void)s;
	(void)head;
	server_answer(fd, "200 OK", "", "{\"items\": [], \"metadata\": {\"continue\": \"x\"}}");
}

static void same_page(struct server *s, int fd, const char *head)
{
	(void)s;
	(void)head;
	server_answer(fd, "200 OK", "", page);
}

static void endless_list_is_refused(void **state)
{
	void (*const servers[])(struct server *, int, const char *) = {empty_pages, same_page};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct server s;
		struct error err = {0};
		json_t *v = NULL;
		struct kube *k;

		server_start(&s, servers[i]);
		k = open_with(&s, "{token: a}", NULL);
		assert_int_equal(kube_list_pods(k, NULL, NULL, NULL, &v, &err), -1);
		expect(&err, ERR_API, "does not end", "");
		assert_int_equal(s.requests, i + 1);
		kube_close(k);
		server_stop(&s);
	}
}

static void nobody_there(void **state)
{
	struct server s;
	struct error err = {0};
	json_t *v = NULL;
	struct kube *k;

	(void)state;
	server_start(&s, api);
	k = open_with(&s, "{token: canary}", NULL);
	server_stop(&s);
	assert_int_equal(kube_get_pod(k, "shop", "p", &v, &err), -1);
	expect(&err, ERR_API, "cluster API: cannot reach 'http://127.0.0.1:", "context 'rig'");
	kube_close(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_come_back),
		cmocka_unit_test(other_objects_are_refused),
		cmocka_unit_test(errors_say_what_to_do),
		cmocka_unit_test(missing_permission_is_named),
		cmocka_unit_test(credentials_are_sent),
		cmocka_unit_test(token_file_is_read_each_time),
		cmocka_unit_test(plugin_runs_once),
		cmocka_unit_test(expired_credential_is_renewed),
		cmocka_unit_test(refused_credential_is_renewed_once),
		cmocka_unit_test(retry_after_is_obeyed),
		cmocka_unit_test(strange_answers_are_errors),
		cmocka_unit_test(lost_list_begins_again_once),
		cmocka_unit_test(endless_list_is_refused),
		cmocka_unit_test(nobody_there),
		cmocka_unit_test(broken_connection_is_tried_again),
		cmocka_unit_test(nothing_secret_is_logged),
		cmocka_unit_test(echoed_tokens_are_not_shown),
		cmocka_unit_test(interrupt_ends_the_wait),
	};

	if (io_secure_stdio() != 0)
		return 1;
	return cmocka_run_group_tests(tests, tempdir_make, tempdir_remove);
}
