/* jdiag: words and selectors, and which pods and nodes they are */
#include "jdiag/select.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdlib.h>

#include "jdiag/json.h"
#include "jdiag/kube/workload.h"
#include "jdiag/options.h"
#include "remote/base/buf.h"
#include "remote/base/log.h"
#include "tests/unit/server.h"
#include "tests/unit/tempdir.h"

/* ---- a cluster: pods web-0 ... web-9 on nodes n0 ... n9, one of them pending ---- */

struct cluster {
	struct server server;
	atomic_int lists, node_lists, node_gets, pod_gets;
	bool nodes_forbidden;
};

static char config_path[128];

static bool asks(const char *head, const char *path)
{
	return strncmp(head, "GET ", 4) == 0 && strncmp(head + 4, path, strlen(path)) == 0;
}

static char *pod_text(int i)
{
	return xasprintf("{\"metadata\": {\"name\": \"web-%d\", \"namespace\": \"shop\", \"uid\": "
			 "\"00000000-0000-0000-0000-00000000000%d\", \"labels\": "
			 "{\"pod-template-hash\": \"5d9\"}, \"ownerReferences\": [{\"controller\": "
			 "true, \"kind\": \"ReplicaSet\", \"name\": \"%s-5d9\"}]}, \"spec\": "
			 "{\"nodeName\": \"n%d\", \"containers\": [{\"name\": \"app\"}]}, "
			 "\"status\": {\"phase\": \"%s\", \"hostIP\": \"10.0.0.%d\"}}",
			 i, i, i == 8 ? "other" : "web", i, i == 9 ? "Pending" : "Running", i);
}

static char *node_text(int i)
{
	return xasprintf("{\"metadata\": {\"name\": \"n%d\"}, \"status\": {\"addresses\": "
			 "[{\"type\": \"InternalIP\", \"address\": \"10.0.0.%d\"}]}}",
			 i, i);
}

static void answer_list(int fd, char *(*item)(int i), int n)
{
	auto_buf struct buf b = BUF_INIT(65536);

	buf_adds(&b, "{\"items\": [");
	for (int i = 0; i < n; i++) {
		auto_free char *text = item(i);

		buf_addf(&b, "%s%s", i ? "," : "", text);
	}
	buf_adds(&b, "]}");
	server_answer(fd, "200 OK", "", buf_str(&b));
}

static void answer_item(int fd, const char *head, const char *before, char *(*item)(int i))
{
	auto_free char *text = item((int)strtol(head + strlen("GET ") + strlen(before), NULL, 10));

	server_answer(fd, "200 OK", "", text);
}

static void cluster_api(struct server *s, int fd, const char *head)
{
	struct cluster *c = s->ctx;

	if (asks(head, "/api/v1/namespaces/shop/pods?")) {
		c->lists++;
		answer_list(fd, pod_text,
			    strstr(head, "one%3Donly") ? 1
			    : strstr(head, "none")     ? 0
						       : 10);
	} else if (asks(head, "/api/v1/namespaces/shop/pods/web-")) {
		c->pod_gets++;
		answer_item(fd, head, "/api/v1/namespaces/shop/pods/web-", pod_text);
	} else if (asks(head, "/api/v1/nodes?")) {
		c->node_lists++;
		if (c->nodes_forbidden)
			server_answer(fd, "403 Forbidden", "",
				      "{\"kind\": \"Status\", \"message\": \"no\"}");
		else
			answer_list(fd, node_text, 9);
	} else if (asks(head, "/api/v1/nodes/n")) {
		c->node_gets++;
		answer_item(fd, head, "/api/v1/nodes/n", node_text);
	} else if (asks(head, "/apis/apps/v1/namespaces/shop/deployments/web")) {
		server_answer(fd, "200 OK", "",
			      "{\"metadata\": {\"name\": \"web\", \"uid\": \"u\"}, \"spec\": "
			      "{\"selector\": {\"matchLabels\": {\"app\": \"web\"}}}}");
	} else {
		server_answer(fd, "404 Not Found", "", "{\"kind\": \"Status\", \"details\": {}}");
	}
}

static void begin(struct cluster *c)
{
	auto_free char *text = NULL;

	server_start(&c->server, cluster_api);
	c->server.ctx = c;
	text = xasprintf(
		"current-context: rig\n"
		"clusters: [{name: c, cluster: {server: '%s/'}}]\n"
		"contexts: [{name: rig, context: {cluster: c, user: u, namespace: shop}}]\n"
		"users: [{name: u, user: {token: good}}]\n",
		c->server.url);
	snprintf(config_path, sizeof(config_path), "%s/config", tempdir);
	tempdir_file("config", 0600, text);
	log_level = -1;
}

static int find(struct selection *ret, struct options *o, bool each, struct error *err,
		const char *a, const char *b)
{
	char *words[] = {(char *)a, (char *)b, NULL};

	o->kubeconfig = config_path;
	*ret = (struct selection){0};
	return select_targets(ret, o, words, each, err);
}

static void assert_names(const struct selection *s, const char *const *names)
{
	size_t n = 0;

	for (; names[n]; n++) {
		assert_true(n < s->n);
		assert_string_equal(s->targets[n].label, names[n]);
	}
	assert_int_equal(s->n, n);
}

static void words_are_read_one_by_one(void **state)
{
	struct cluster c = {0};
	struct options o = {0};
	struct selection s;
	struct error err = {0};

	(void)state;
	begin(&c);
	assert_int_equal(find(&s, &o, false, &err, "web-1", "pod/web-2"), 0);
	assert_names(&s, (const char *[]){"web-1", "web-2", NULL});
	assert_int_equal(s.n_nodes, 2);
	assert_string_equal(json_str_at(s.nodes[1].object, "metadata.name", ""), "n2");
	assert_int_equal(c.pod_gets, 2);
	assert_int_equal(c.node_gets, 2);
	assert_int_equal(c.node_lists + c.lists, 0);
	selection_release(&s);
	/* twice the same is once */
	assert_int_equal(find(&s, &o, false, &err, "web-1", "web-1"), 0);
	assert_int_equal(s.n, 1);
	selection_release(&s);
	/* one that does not run was named: an error of its own */
	assert_int_equal(find(&s, &o, false, &err, "web-1", "web-9"), 0);
	assert_int_equal(s.nodes[s.targets[0].node].error.code, 0);
	assert_int_equal(s.nodes[s.targets[1].node].error.code, ERR_TARGET);
	selection_release(&s);
	server_stop(&c.server);
}

static void a_selector_is_one_list(void **state)
{
	struct cluster c = {0};
	struct options o = {.selector = "app=web", .all = true};
	struct selection s;
	struct error err = {0};

	(void)state;
	begin(&c);
	assert_int_equal(find(&s, &o, false, &err, NULL, NULL), 0);
	assert_int_equal(s.n, 9); /* the pending one is left out */
	assert_int_equal(s.n_nodes, 9);
	for (size_t i = 0; i < s.n_nodes; i++)
		assert_non_null(s.nodes[i].object);
	assert_int_equal(c.lists, 1);
	assert_int_equal(c.node_lists, 1);
	assert_int_equal(c.node_gets + c.pod_gets, 0);
	selection_release(&s);
	server_stop(&c.server);
}

static void nodes_without_permission_to_list(void **state)
{
	struct cluster c = {.nodes_forbidden = true};
	struct options o = {.selector = "app=web", .all = true};
	struct selection s;
	struct error err = {0};

	(void)state;
	begin(&c);
	assert_int_equal(find(&s, &o, false, &err, NULL, NULL), 0);
	for (size_t i = 0; i < s.n_nodes; i++)
		assert_non_null(s.nodes[i].object);
	assert_int_equal(c.node_lists, 1);
	assert_int_equal(c.node_gets, 9);
	selection_release(&s);
	server_stop(&c.server);
}

static void many_are_refused(void **state)
{
	struct cluster c = {0};
	struct options o = {.selector = "app=web"};
	struct selection s;
	struct error err = {0};

	(void)state;
	begin(&c);
	assert_int_equal(find(&s, &o, false, &err, NULL, NULL), -1);
	assert_int_equal(err.code, ERR_TARGET);
	assert_string_equal(err.msg, "the selector has 9 pods");
	assert_non_null(strstr(err.hint, "  web-0\n"));
	assert_non_null(strstr(err.hint, "--any"));
	selection_release(&s);
	/* a command that only looks */
	assert_int_equal(find(&s, &o, true, &err, NULL, NULL), 0);
	assert_int_equal(s.n, 9);
	selection_release(&s);
	o.any = true;
	assert_int_equal(find(&s, &o, false, &err, NULL, NULL), 0);
	assert_names(&s, (const char *[]){"web-0", NULL});
	selection_release(&s);
	o.selector = "none=at-all";
	assert_int_equal(find(&s, &o, false, &err, NULL, NULL), -1);
	assert_string_equal(err.msg, "no pod matches");
	selection_release(&s);
	server_stop(&c.server);
}

static void only_its_own_pods(void **state)
{
	struct cluster c = {0};
	struct options o = {.all = true};
	struct selection s;
	struct error err = {0};

	(void)state;
	begin(&c);
	assert_int_equal(find(&s, &o, false, &err, "deploy/web", NULL), 0);
	assert_int_equal(s.n, 8); /* web-8 is another's, web-9 pending */
	selection_release(&s);
	o.all = false;
	assert_int_equal(find(&s, &o, false, &err, "deploy/web", NULL), -1);
	assert_string_equal(err.msg, "deploy/web has 8 pods");
	selection_release(&s);
	assert_int_equal(find(&s, &o, false, &err, "deploy/none", NULL), -1);
	assert_int_equal(err.code, ERR_TARGET);
	assert_string_equal(err.msg, "no deployment 'none' in namespace 'shop'");
	selection_release(&s);
	server_stop(&c.server);
}

static void hosts_need_no_cluster(void **state)
{
	struct options o = {0};
	struct selection s;
	struct error err = {0};

	(void)state;
	snprintf(config_path, sizeof(config_path), "/nonexistent");
	assert_int_equal(find(&s, &o, false, &err, "ssh://ops@a", "ssh://[::1]:2222"), 0);
	assert_names(&s, (const char *[]){"ssh://ops@a", "ssh://[::1]:2222", NULL});
	assert_null(s.kube);
	assert_int_equal(s.n_nodes, 2);
	selection_release(&s);
}

static void one_word_is_single(void **state)
{
	struct error err = {0};
	struct target t;
	bool single;

	(void)state;
	assert_int_equal(select_is_single((char *[]){(char *)"web", NULL}, &t, &single, &err), 0);
	assert_true(single);
	assert_int_equal(select_is_single((char *[]){(char *)"sts/web", NULL}, &t, &single, &err),
			 0);
	assert_false(single);
	assert_int_equal(
		select_is_single((char *[]){(char *)"a", (char *)"b", NULL}, &t, &single, &err), 0);
	assert_false(single);
	assert_int_equal(select_is_single((char *[]){(char *)"x/y", NULL}, &t, &single, &err), -1);
}

/* ---- workloads ---- */

static json_t *json(const char *text)
{
	json_t *root = json_loads(text, 0, NULL);

	assert_non_null(root);
	return root;
}

static void assert_selector(const char *selector, const char *expected)
{
	auto_free char *text = xasprintf(
		"{\"metadata\": {\"name\": \"x\"}, \"spec\": {\"selector\": %s}}", selector);
	auto_json json_t *object = json(text);
	auto_buf struct buf b = BUF_INIT(4096);
	struct error err = {0};

	assert_int_equal(workload_selector(object, &b, &err), expected ? 0 : -1);
	if (expected)
		assert_string_equal(buf_str(&b), expected);
	else
		assert_int_equal(err.code, ERR_API);
}

static void selectors(void **state)
{
	(void)state;
	assert_selector("{\"matchLabels\": {\"app\": \"web\", \"a.io/tier\": \"\"}}",
			"app=web,a.io/tier=");
	assert_selector(
		"{\"matchExpressions\": [{\"key\": \"a\", \"operator\": \"In\", \"values\": "
		"[\"x\", \"y\"]}, {\"key\": \"b\", \"operator\": \"NotIn\", \"values\": "
		"[\"z\"]}, {\"key\": \"c\", \"operator\": \"Exists\"}, {\"key\": \"d\", "
		"\"operator\": \"DoesNotExist\"}]}",
		"a in (x,y),b notin (z),c,!d");
	/* everything, or something that would mean something else */
	assert_selector("{}", NULL);
	assert_selector("null", NULL);
	assert_selector("{\"matchLabels\": {\"app\": \"a,b\"}}", NULL);
	assert_selector("{\"matchLabels\": {\"!app\": \"a\"}}", NULL);
	assert_selector("{\"matchLabels\": {\"app\": 1}}", NULL);
	assert_selector(
		"{\"matchExpressions\": [{\"key\": \"a\", \"operator\": \"In\", \"values\": "
		"[]}]}",
		NULL);
	assert_selector("{\"matchExpressions\": [{\"key\": \"a\", \"operator\": \"Gt\", "
			"\"values\": [\"1\"]}]}",
			NULL);
}

static void assert_owns(enum workload w, const char *owner, bool owns)
{
	auto_json json_t *object = json("{\"metadata\": {\"name\": \"web\", \"uid\": \"u1\"}}");
	auto_free char *text = xasprintf("{\"metadata\": {\"labels\": {\"pod-template-hash\": "
					 "\"5d9\"}, \"ownerReferences\": [%s]}}",
					 owner);
	auto_json json_t *pod = json(text);

	assert_int_equal(workload_owns(w, object, pod), owns);
}

static void owners(void **state)
{
	(void)state;
	assert_owns(WORKLOAD_STATEFULSET,
		    "{\"controller\": true, \"kind\": \"StatefulSet\", \"uid\": \"u1\"}", true);
	assert_owns(WORKLOAD_STATEFULSET,
		    "{\"controller\": true, \"kind\": \"StatefulSet\", \"uid\": \"u2\"}", false);
	assert_owns(WORKLOAD_STATEFULSET, "{\"kind\": \"StatefulSet\", \"uid\": \"u1\"}", false);
	assert_owns(WORKLOAD_STATEFULSET, "", false);
	assert_owns(WORKLOAD_DEPLOYMENT,
		    "{\"controller\": true, \"kind\": \"ReplicaSet\", \"name\": \"web-5d9\"}",
		    true);
	assert_owns(WORKLOAD_DEPLOYMENT,
		    "{\"controller\": true, \"kind\": \"ReplicaSet\", \"name\": \"web-too-5d9\"}",
		    false);
}

#define POD(phase, ready, since, restarts, created, name)                           \
	"{\"metadata\": {\"name\": \"" name "\", \"creationTimestamp\": \"" created \
	"\"}, \"spec\": {\"nodeName\": \"n\"}, \"status\": {\"phase\": \"" phase    \
	"\", \"conditions\": [{\"type\": \"Ready\", \"status\": \"" ready           \
	"\", \"lastTransitionTime\": \"" since                                      \
	"\"}], \"containerStatuses\": [{\"restartCount\": " restarts "}]}}"

static void the_best_one(void **state)
{
	/* each one better than the next */
	static const char *const order[] = {
		POD("Running", "True", "2026-01-01T00:00:00Z", "5", "2026-01-03T00:00:00Z", "f"),
		POD("Running", "True", "2026-01-02T00:00:00Z", "0", "2026-01-01T00:00:00Z", "e"),
		POD("Running", "True", "2026-01-02T00:00:00Z", "1", "2026-01-01T00:00:00Z", "d"),
		POD("Running", "True", "2026-01-02T00:00:00Z", "1", "2026-01-02T00:00:00Z", "b"),
		POD("Running", "True", "2026-01-02T00:00:00Z", "1", "2026-01-02T00:00:00Z", "c"),
		POD("Running", "False", "2026-01-01T00:00:00Z", "0", "2026-01-01T00:00:00Z", "a"),
		POD("Pending", "False", "2026-01-01T00:00:00Z", "0", "2026-01-01T00:00:00Z", "a"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		for (size_t k = i + 1; k < ARRAY_SIZE(order); k++) {
			auto_json json_t *a = json(order[i]), *b = json(order[k]);

			assert_true(pod_compare(a, b) < 0);
			assert_true(pod_compare(b, a) > 0);
		}
}

/* 13 pods on one node, every third of which shares the node's network, and one on another. */
static void spread(void **state)
{
	struct selection s = {.n = 14, .n_nodes = 2};
	size_t of[8] = {0};

	(void)state;
	s.targets = xcalloc(s.n, sizeof(*s.targets));
	s.nodes = xcalloc(s.n_nodes, sizeof(*s.nodes));
	s.nodes[0].object = json_object();
	s.nodes[1].object = json_object();
	for (size_t i = 0; i < s.n; i++) {
		s.targets[i].node = i == 13;
		s.targets[i].pod = json_pack("{s:{s:b}}", "spec", "hostNetwork", i % 3 == 0);
	}
	selection_spread(&s, 3);
	assert_int_equal(s.n_nodes, 4);
	for (size_t i = 0; i < s.n; i++) {
		of[s.targets[i].node]++;
		if (i % 3 == 0)
			assert_int_equal(s.targets[i].node, 0);
	}
	assert_int_equal(of[0], 5 + 3);
	assert_int_equal(of[1], 1);
	assert_int_equal(of[2], 3);
	assert_int_equal(of[3], 2);
	assert_ptr_equal(s.nodes[2].object, s.nodes[0].object);
	selection_spread(&s, 1);
	assert_int_equal(s.n_nodes, 4);
	selection_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_read_one_by_one),
		cmocka_unit_test(a_selector_is_one_list),
		cmocka_unit_test(nodes_without_permission_to_list),
		cmocka_unit_test(many_are_refused),
		cmocka_unit_test(only_its_own_pods),
		cmocka_unit_test(hosts_need_no_cluster),
		cmocka_unit_test(one_word_is_single),
		cmocka_unit_test(selectors),
		cmocka_unit_test(owners),
		cmocka_unit_test(the_best_one),
		cmocka_unit_test(spread),
	};

	return cmocka_run_group_tests(tests, tempdir_make, tempdir_remove);
}
