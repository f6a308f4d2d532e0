/* jdiag */
/* Who we are and what we may do, by the words of the cluster API. */
#include "jdiag/kube/access.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>

#include "jdiag/json.h"
#include "remote/base/log.h"
#include "tests/unit/fixture.h"
#include "tests/unit/server.h"
#include "tests/unit/tempdir.h"

/* What the server answers with, and the body of the last POST. */
struct answer {
	const char *status, *text;
	char body[2048];
	bool authorized, old;
};

static void take_body(int fd, const char *head, char *dst, size_t size)
{
	const char *at = strstr(head, "\r\nContent-Length: ");
	size_t n = at ? strtoul(at + 18, NULL, 10) : 0, got = 0;
	ssize_t r;

	if (n >= size)
		abort();
	while (got < n && (r = recv(fd, dst + got, n - got, 0)) > 0)
		got += (size_t)r;
	dst[got] = '\0';
}

static void handle(struct server *s, int fd, const char *head)
{
	struct answer *a = s->ctx;

	a->authorized = strstr(head, "\r\nAuthorization: ");
	take_body(fd, head, a->body, sizeof(a->body));
	if (a->old && strncmp(head, "POST ", 5) == 0)
		server_answer(fd, "404 Not Found", "Content-Type: text/plain\r\n",
			      "404 page not found\n");
	else
		server_answer(fd, a->status, "Content-Type: application/json\r\n", a->text);
}

static struct kube *open_at(const struct server *s)
{
	char path[128], text[1024];
	const struct kube_options o = {.kubeconfig = path, .request_timeout_ms = 60000};
	struct error err = {0};
	struct kube *k = NULL;

	snprintf(path, sizeof(path), "%s/config", tempdir);
	snprintf(text, sizeof(text),
		 "current-context: rig\n"
		 "clusters: [{name: c, cluster: {server: '%s/'}}]\n"
		 "contexts: [{name: rig, context: {cluster: c, user: u, namespace: shop}}]\n"
		 "users: [{name: u, user: {token: canary}}]\n",
		 s->url);
	tempdir_file("config", 0600, text);
	log_level = -1; /* plain http is warned about */
	if (kube_open(&k, &o, &err) != 0)
		fail_msg("%s", err.msg);
	log_level = 0;
	return k;
}

/* One question to a server that answers so; false: it failed. */
static bool looks(struct answer *a, char *version, struct error *err)
{
	struct server s;
	struct kube *k;
	int rc;

	server_start(&s, handle);
	s.ctx = a;
	k = open_at(&s);
	rc = kube_look(k, version, 64, err);
	assert_false(kube_is_verified(k));
	assert_false(a->authorized);
	kube_close(k);
	server_stop(&s);
	return rc == 0;
}

static void version_is_asked_by_nobody(void **state)
{
	auto_free char *version = fixture("kube/version.json");
	auto_free char *unauthorized = fixture("kube/unauthorized-401.json");
	struct answer good = {.status = "200 OK", .text = version};
	struct answer closed = {.status = "401 Unauthorized", .text = unauthorized};
	struct answer page = {.status = "200 OK", .text = "<html>log in</html>"};
	struct answer other = {.status = "404 Not Found", .text = "nothing here"};
	struct error err = {0};
	char text[64] = "";

	(void)state;
	assert_true(looks(&good, text, &err));
	assert_string_equal(text, "v0.0.0-master+$Format:%H$");
	assert_true(looks(&closed, text, &err));
	assert_string_equal(text, "");
	assert_false(looks(&page, text, &err));
	assert_non_null(strstr(err.msg, "does not answer like a cluster API"));
	assert_int_equal(err.code, ERR_API);
	assert_false(looks(&other, text, &err));
	assert_int_equal(err.code, ERR_API);
}

/* -1 failed */
static int who(struct answer *a, char *user, struct error *err)
{
	struct server s;
	struct kube *k;
	int rc;

	server_start(&s, handle);
	s.ctx = a;
	k = open_at(&s);
	rc = kube_who(k, user, 64, err);
	assert_true(a->authorized);
	kube_close(k);
	server_stop(&s);
	return rc;
}

static void the_user_is_the_servers_word(void **state)
{
	auto_free char *unauthorized = fixture("kube/unauthorized-401.json");
	struct answer good = {.status = "201 Created",
			      .text = "{\"status\": {\"userInfo\": {\"username\": "
				      "\"system:serviceaccount:ci:jdiag\\u001b\"}}}"};
	struct answer forbidden = {.status = "403 Forbidden",
				   .text = "{\"kind\": \"Status\", \"message\": \"User \\\"ci\\\" "
					   "cannot create\"}"};
	struct answer nobody = {.status = "403 Forbidden",
				.text = "{\"kind\": \"Status\", \"message\": \"User "
					"\\\"system:anonymous\\\" cannot create\"}"};
	struct answer anonymous = {.status = "201 Created",
				   .text = "{\"status\": {\"userInfo\": {\"username\": "
					   "\"system:anonymous\"}}}"};
	struct answer stale = {.status = "401 Unauthorized", .text = unauthorized};
	struct answer old = {.status = "200 OK", .text = "{}", .old = true};
	struct answer old_stale = {.status = "401 Unauthorized", .text = unauthorized, .old = true};
	struct error err = {0};
	char user[64] = "";

	(void)state;
	assert_int_equal(who(&good, user, &err), 0);
	assert_string_equal(user, "system:serviceaccount:ci:jdiag\\x1b");
	assert_non_null(strstr(good.body, "\"kind\":\"SelfSubjectReview\""));
	assert_int_equal(who(&forbidden, user, &err), 0);
	assert_string_equal(user, "");
	assert_int_equal(who(&old, user, &err), 0);
	assert_int_equal(who(&nobody, user, &err), -1);
	assert_non_null(strstr(err.hint, "no credentials that count"));
	assert_int_equal(who(&anonymous, user, &err), -1);
	assert_non_null(strstr(err.msg, "no credentials that count"));
	assert_int_equal(who(&stale, user, &err), -1);
	assert_non_null(strstr(err.msg, "does not accept the credentials of user 'u'"));
	assert_int_equal(who(&old_stale, user, &err), -1);
	assert_non_null(strstr(err.msg, "does not accept the credentials of user 'u'"));
	assert_null(strstr(err.hint, "canary"));
}

static int may(struct answer *a, const struct kube_access *access, struct error *err)
{
	struct server s;
	struct kube *k;
	int rc;

	server_start(&s, handle);
	s.ctx = a;
	k = open_at(&s);
	rc = kube_may(k, access, err);
	kube_close(k);
	server_stop(&s);
	return rc;
}

static void one_permission_is_asked_for(void **state)
{
	static const struct kube_access patch = {.verb = "patch", .resource = "pods", .ns = "shop"};
	static const struct kube_access get = {
		.verb = "get", .group = "apps", .resource = "deployments", .name = "a\"b"};
	auto_free char *recorded = fixture("kube/ssar.json");
	struct answer yes = {.status = "201 Created", .text = recorded};
	struct answer no = {.status = "201 Created", .text = "{\"status\": {\"allowed\": false}}"};
	struct answer never = {.status = "403 Forbidden",
			       .text = "{\"kind\": \"Status\", \"message\": \"no\"}"};
	struct error err = {0};

	(void)state;
	assert_int_equal(may(&yes, &patch, &err), 1);
	assert_string_equal(
		yes.body, "{\"apiVersion\":\"authorization.k8s.io/v1\",\"kind\":"
			  "\"SelfSubjectAccessReview\",\"spec\":{\"resourceAttributes\":{\"verb\":"
			  "\"patch\",\"resource\":\"pods\",\"namespace\":\"shop\"}}}");
	assert_int_equal(may(&no, &get, &err), 0);
	assert_non_null(strstr(no.body, "\"group\":\"apps\",\"name\":\"a\\\"b\""));
	assert_int_equal(err.code, ERR_NONE);
	assert_int_equal(may(&never, &get, &err), -1);
	assert_non_null(strstr(err.msg, "not allowed to create selfsubjectaccessreviews"));
	assert_non_null(strstr(err.hint, "apiGroups [\"authorization.k8s.io\"]"));
}

static int parse(const char *text, struct error *err)
{
	auto_json json_t *root = json_loads(text, 0, NULL);

	return kube_access_parse(root, err);
}

static void an_answer_says_yes_or_no(void **state)
{
	struct error err = {0};

	(void)state;
	assert_int_equal(parse("{\"status\": {\"allowed\": true}}", &err), 1);
	assert_int_equal(parse("{\"status\": {\"allowed\": false, \"denied\": true}}", &err), 0);
	/* a binding to a role that is gone: the answer counts all the same */
	assert_int_equal(
		parse("{\"status\": {\"allowed\": false, \"evaluationError\": \"x\"}}", &err), 0);
	assert_int_equal(err.code, ERR_NONE);
	assert_int_equal(parse("{\"status\": {\"allowed\": \"true\"}}", &err), -1);
	assert_int_equal(parse("{\"status\": {}}", &err), -1);
	assert_int_equal(parse("[]", &err), -1);
	assert_int_equal(parse("nonsense", &err), -1);
	assert_int_equal(err.code, ERR_API);
}

static void the_rule_can_be_pasted(void **state)
{
	static const struct kube_access pods = {.verb = "get", .resource = "pods", .ns = "shop"};
	static const struct kube_access deployments = {
		.verb = "list", .group = "apps", .resource = "deployments"};
	auto_free char *a = kube_access_rule(&pods, "it's me");
	auto_free char *b = kube_access_rule(&deployments, "system:serviceaccount:ci:jdiag");

	(void)state;
	assert_string_equal(
		a, "- {apiGroups: [\"\"], resources: [pods], verbs: [get]}\n"
		   "kubectl create role jdiag-get-pods -n shop --verb=get --resource=pods\n"
		   "kubectl create rolebinding jdiag-get-pods -n shop --role=jdiag-get-pods "
		   "--user='it'\\''s me'");
	assert_string_equal(b,
			    "- {apiGroups: [\"apps\"], resources: [deployments], verbs: [list]}\n"
			    "kubectl create clusterrole jdiag-list-deployments --verb=list "
			    "--resource=deployments.apps\n"
			    "kubectl create clusterrolebinding jdiag-list-deployments "
			    "--clusterrole=jdiag-list-deployments --serviceaccount=ci:jdiag");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_is_asked_by_nobody),
		cmocka_unit_test(the_user_is_the_servers_word),
		cmocka_unit_test(one_permission_is_asked_for),
		cmocka_unit_test(an_answer_says_yes_or_no),
		cmocka_unit_test(the_rule_can_be_pasted),
	};

	return cmocka_run_group_tests(tests, tempdir_make, tempdir_remove);
}
