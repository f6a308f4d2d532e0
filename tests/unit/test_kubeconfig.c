/* jdiag */
#include "jdiag/kube/kubeconfig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>

#include "jdiag/json.h"
#include "jdiag/kube/resolve.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"
#include "tests/unit/tempdir.h"

#define PEM "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n"
/* the same in base64 */
#define PEM64 "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCmFiYwotLS0tLUVORCBDRVJUSUZJQ0FURS0tLS0tCg=="

static json_t *load(const char *only, const char *list, const char *home)
{
	struct error err = {0};
	json_t *merged = NULL;

	if (kubeconfig_load(only, list, home, &merged, &err) != 0)
		fail_msg("%s", err.msg);
	return merged;
}

static void load_fails(const char *only, const char *list, const char *message)
{
	struct error err = {0};
	json_t *merged = NULL;

	assert_int_equal(kubeconfig_load(only, list, NULL, &merged, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	if (!strstr(err.msg, message))
		fail_msg("'%s' lacks '%s'", err.msg, message);
	assert_null(merged);
}

static const char *joined(const char *a, const char *b)
{
	static char list[600];

	snprintf(list, sizeof(list), "%s::%s:%s", a, b, a);
	return list;
}

static void first_file_wins_whole_entries(void **state)
{
	auto_json json_t *m = NULL;

	(void)state;
	tempdir_file("a", 0600,
		     "current-context: ''\n"
		     "clusters:\n- name: x\n  cluster: {server: 'https://a'}\n"
		     "contexts:\n- name: one\n  context: {cluster: x}\n");
	tempdir_file("b/c", 0600,
		     "current-context: two\n"
		     "clusters:\n- name: x\n  cluster: {server: 'https://b', proxy-url: p}\n"
		     "- name: y\n  cluster: {server: 'https://y'}\n"
		     "users: null\n");
	m = load(NULL, joined(tempdir_path("a"), tempdir_path("b/c")), "/nonexistent");
	assert_string_equal(json_str_at(m, "current-context", ""), "two");
	assert_string_equal(json_str_at(m, "clusters.x.entry.server", ""), "https://a");
	assert_null(json_at(m, "clusters.x.entry.proxy-url"));
	assert_string_equal(json_str_at(m, "clusters.y.entry.server", ""), "https://y");
	assert_string_equal(json_str_at(m, "clusters.y.file", ""), tempdir_path("b/c"));
	assert_string_equal(json_str_at(m, "clusters.y.dir", ""), tempdir_path("b"));
}

static void missing_files_are_skipped_in_lists_only(void **state)
{
	auto_json json_t *some = NULL, *none = NULL, *home = NULL, *empty = NULL;

	(void)state;
	tempdir_file("a", 0600, "current-context: x\n");
	tempdir_file(".kube/config", 0600, "current-context: of-home\n");
	tempdir_file("empty", 0600, "");
	some = load(NULL, joined("/nonexistent/config", tempdir_path("a")), NULL);
	assert_string_equal(json_str_at(some, "current-context", ""), "x");
	none = load(NULL, "/nonexistent/config", tempdir);
	assert_true(json_is_null(none)); /* KUBECONFIG is set: the home does not count */
	home = load(NULL, "", tempdir);
	assert_string_equal(json_str_at(home, "current-context", ""), "of-home");
	empty = load(tempdir_path("empty"), tempdir_path("a"), tempdir);
	assert_null(json_at(empty, "current-context"));
	load_fails("/nonexistent/config", tempdir_path("a"), "cannot read kubeconfig");
}

static void broken_files_name_file_and_line(void **state)
{
	static const char *const cases[][2] = {
		{"clusters:\n- name: x\n  cluster: {server: a\n", "bad', line 4: "},
		{"a: 1\na: 2\n", "line 2: key 'a' is there twice"},
		{"[]", "is not a mapping"},
		{"clusters: 1", "'clusters' is not a list"},
		{"clusters: [{cluster: {}}]", "an entry of 'clusters' has no name"},
		{"users: [{name: u, user: 1}]", "'user' of 'u' is not a mapping"},
		{"users: [{name: u}, {name: u}]", "'u' is twice in 'users'"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		tempdir_file("bad", 0600, cases[i][0]);
		load_fails(tempdir_path("bad"), NULL, cases[i][1]);
		load_fails(NULL, tempdir_path("bad"), tempdir_path("bad"));
	}
	load_fails(tempdir, NULL, "cannot read kubeconfig");
}

static void huge_file_is_refused(void **state)
{
	int fd;

	(void)state;
	tempdir_file("huge", 0600, "# ");
	fd = open(tempdir_path("huge"), O_WRONLY);
	assert_int_equal(ftruncate(fd, MAX_KUBECONFIG + 1), 0);
	close(fd);
	load_fails(tempdir_path("huge"), NULL, "is larger than");
}

static void links_and_pipes_are_read(void **state)
{
	auto_json json_t *by_link = NULL, *by_pipe = NULL;
	char path[64];
	int ends[2];

	(void)state;
	tempdir_file("real/config", 0600, "clusters: [{name: c, cluster: {}}]");
	unlink(tempdir_path("link"));
	assert_int_equal(symlink("real/config", tempdir_path("link")), 0);
	by_link = load(tempdir_path("link"), NULL, NULL);
	/* relative paths start where the link is, as for kubectl */
	assert_string_equal(json_str_at(by_link, "clusters.c.dir", ""), tempdir);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "current-context: p", 18), 18);
	close(ends[1]);
	snprintf(path, sizeof(path), "/dev/fd/%d", ends[0]);
	by_pipe = load(path, NULL, NULL);
	close(ends[0]);
	assert_string_equal(json_str_at(by_pipe, "current-context", ""), "p");
}

/* A file with one cluster and one user, whose entries are given in flow style. */
static int resolve(const char *cluster, const char *user, const struct kube_options *o,
		   struct kube_config *c, struct error *err)
{
	auto_json json_t *m = NULL;
	char text[4096];

	snprintf(text, sizeof(text),
		 "current-context: one\n"
		 "clusters: [{name: c, cluster: %s}, {name: d, cluster: {server: 'https://d'}}]\n"
		 "users: [{name: u, user: %s}, {name: v}]\n"
		 "contexts: [{name: one, context: {cluster: c, user: u}},\n"
		 "  {name: two, context: {cluster: d, namespace: ns2}}, {name: gap, context: {}},\n"
		 "  {name: lost, context: {cluster: nope}}]\n",
		 cluster, user);
	tempdir_file("k/config", 0600, text);
	m = load(tempdir_path("k/config"), NULL, NULL);
	*c = (struct kube_config){0};
	return kube_config_resolve(c, m, o, err);
}

static struct kube_config resolved(const char *cluster, const char *user,
				   const struct kube_options *o)
{
	struct error err = {0};
	struct kube_config c;

	if (resolve(cluster, user, o, &c, &err) != 0)
		fail_msg("%s", err.msg);
	return c;
}

#define SERVER "{server: 'https://c:6443'}"
static const struct kube_options plain_options = {.kubeconfig = NULL};

static void flags_choose(void **state)
{
	const struct kube_options two = {.context = "two", .cluster = "c", .user = "v"};
	const struct kube_options other = {.context = "two", .namespace_ = "mine"};
	struct kube_config c = resolved(SERVER, "{}", &plain_options);

	(void)state;
	assert_string_equal(c.context, "one");
	assert_string_equal(c.cluster, "c");
	assert_string_equal(c.user, "u");
	assert_string_equal(c.namespace_, "default");
	assert_string_equal(c.server, "https://c:6443");
	kube_config_release(&c);
	c = resolved(SERVER, "{}", &two);
	assert_string_equal(c.server, "https://c:6443");
	assert_string_equal(c.user, "v");
	assert_string_equal(c.namespace_, "ns2");
	kube_config_release(&c);
	c = resolved(SERVER, "{}", &other);
	assert_string_equal(c.server, "https://d");
	assert_string_equal(c.user, "");
	assert_string_equal(c.namespace_, "mine");
	kube_config_release(&c);
}

static void names_that_are_not_there(void **state)
{
	static const struct {
		struct kube_options o;
		const char *msg, *hint;
	} cases[] = {
		{{.context = "three"},
		 "no context 'three' in the kubeconfig",
		 "one, two, gap, lost"},
		{{.cluster = "x"}, "no cluster 'x' in the kubeconfig", "c, d"},
		{{.user = "x"}, "no user 'x' in the kubeconfig", "u, v"},
		{{.context = "gap"}, "context 'gap' names no cluster", ""},
		{{.context = "lost"}, "no cluster 'nope'", "c, d"},
	};
	struct kube_config c;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error err = {0};

		assert_int_equal(resolve(SERVER, "{}", &cases[i].o, &c, &err), -1);
		assert_int_equal(err.code, ERR_USAGE);
		if (!strstr(err.msg, cases[i].msg) || !strstr(err.hint, cases[i].hint))
			fail_msg("'%s' '%s'", err.msg, err.hint);
		kube_config_release(&c);
	}
}

static void no_context_is_chosen(void **state)
{
	auto_json json_t *m = NULL;
	struct kube_config c = {0};
	struct error err = {0};

	(void)state;
	tempdir_file("none", 0600, "contexts: [{name: a}, {name: b}]");
	m = load(tempdir_path("none"), NULL, NULL);
	assert_int_equal(kube_config_resolve(&c, m, &plain_options, &err), -1);
	assert_non_null(strstr(err.msg, "no context is chosen"));
	assert_non_null(strstr(err.hint, "a, b"));
	kube_config_release(&c);
}

static void servers_get_a_scheme(void **state)
{
	static const char *const cases[][2] = {
		{"{server: 'https://h:1/k8s/clusters/c-x//'}", "https://h:1/k8s/clusters/c-x"},
		{"{server: 'h:8080'}", "http://h:8080"},
		{"{server: 'h:8443', insecure-skip-tls-verify: true}", "https://h:8443"},
		{"{server: 'h:8443', certificate-authority-data: " PEM64 "}", "https://h:8443"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct kube_config c = resolved(cases[i][0], "{}", &plain_options);

		assert_string_equal(c.server, cases[i][1]);
		kube_config_release(&c);
	}
}

static void data_beats_file_and_paths_are_relative(void **state)
{
	struct kube_config c;

	(void)state;
	tempdir_file("k/ca.pem", 0600, "-----BEGIN CERTIFICATE-----\nfile\n");
	tempdir_file("k/key.pem", 0600, "-----BEGIN PRIVATE KEY-----\nkey\n");
	c = resolved("{server: 'https://x', certificate-authority: ca.pem, tls-server-name: api,"
		     " proxy-url: 'socks5://p:1'}",
		     "{client-certificate-data: " PEM64
		     ", client-certificate: nope, client-key: ./key.pem, tokenFile: t}",
		     &plain_options);
	assert_string_equal(c.ca_pem, "-----BEGIN CERTIFICATE-----\nfile\n");
	assert_string_equal(c.cert_pem, PEM);
	assert_string_equal(secret_str(&c.key_pem), "-----BEGIN PRIVATE KEY-----\nkey\n");
	assert_string_equal(c.token_file, tempdir_path("k/t"));
	assert_string_equal(c.server_name, "api");
	assert_string_equal(c.proxy, "socks5://p:1");
	kube_config_release(&c);
	c = resolved("{server: 'https://x', certificate-authority-data: " PEM64
		     ", certificate-authority: ca.pem}",
		     "{token: 12.50, exec: {command: ./x}}", &plain_options);
	assert_string_equal(c.ca_pem, PEM);
	assert_string_equal(c.exec_dir, tempdir_path("k"));
	kube_config_release(&c);
}

static void mistakes_are_named(void **state)
{
	static const char *const cases[][3] = {
		{"{}", "{}", "has no server"},
		{"{server: 'ftp://x'}", "{}", "neither http nor https"},
		{"{server: [x]}", "{}", "'server' is not a text"},
		{"{server: 'https://x', proxy-url: 'gopher://x'}", "{}", "proxy-url"},
		{"{server: 'https://x', certificate-authority-data: '?canary?'}", "{}",
		 "'certificate-authority-data' is not base64"},
		{"{server: 'https://x', certificate-authority-data: Y2FuYXJ5}", "{}",
		 "'certificate-authority' is not in PEM form"},
		{"{server: 'https://x', certificate-authority: nope.pem}", "{}",
		 "/k/nope.pem' (certificate-authority of kubeconfig"},
		{"{server: 'https://x', insecure-skip-tls-verify: true, "
		 "certificate-authority-data: " PEM64 "}",
		 "{}", "both a certificate-authority and"},
		{SERVER, "{client-certificate-data: " PEM64 "}", "only one of client-certificate"},
		{SERVER, "{token: canary, username: u}", "both a token and a username"},
		{SERVER, "{auth-provider: {name: gcp}}", "auth-provider 'gcp', which Kubernetes"},
		{SERVER, "{as-groups: [g]}", "impersonates"},
		{SERVER, "{as: x, as-groups: {}}", "as-groups is not a list"},
		{SERVER, "{as: x, as-groups: [1]}", "as-groups is not a list"},
		{SERVER, "{as: x, as-user-extra: [1]}", "as-user-extra is not a mapping"},
		{SERVER, "{as: x, as-user-extra: {a: 1}}", "as-user-extra is not a mapping"},
		{SERVER, "{token: {canary: 1}}", "'token' is not a text"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct kube_config c;
		struct error err = {0};

		assert_int_equal(resolve(cases[i][0], cases[i][1], &plain_options, &c, &err), -1);
		assert_int_equal(err.code, ERR_USAGE);
		if (!strstr(err.msg, cases[i][2]))
			fail_msg("'%s' lacks '%s'", err.msg, cases[i][2]);
		assert_null(strstr(err.msg, "canary"));
		assert_null(strstr(err.hint, "canary"));
		kube_config_release(&c);
	}
}

static void pods_use_their_service_account(void **state)
{
	struct kube_config c = {0};
	struct error err = {0};

	(void)state;
	tempdir_file("sa/ca.crt", 0600, PEM);
	tempdir_file("sa/namespace", 0600, "shop\n");
	assert_int_equal(kube_config_in_cluster(&c, tempdir_path("sa"), NULL, "443", &err), 1);
	assert_int_equal(kube_config_in_cluster(&c, tempdir_path("sa"), "10.0.0.1", "443", &err),
			 0);
	assert_string_equal(c.server, "https://10.0.0.1:443");
	assert_string_equal(c.ca_pem, PEM);
	assert_string_equal(c.namespace_, "shop");
	assert_true(str_ends(c.token_file, "/sa/token"));
	kube_config_release(&c);
	assert_int_equal(kube_config_in_cluster(&c, tempdir_path("sa"), "fd00::1", "6443", &err),
			 0);
	assert_string_equal(c.server, "https://[fd00::1]:6443");
	kube_config_release(&c);
	assert_int_equal(kube_config_in_cluster(&c, "/nonexistent", "h", "1", &err), -1);
	kube_config_release(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_file_wins_whole_entries),
		cmocka_unit_test(missing_files_are_skipped_in_lists_only),
		cmocka_unit_test(broken_files_name_file_and_line),
		cmocka_unit_test(huge_file_is_refused),
		cmocka_unit_test(links_and_pipes_are_read),
		cmocka_unit_test(flags_choose),
		cmocka_unit_test(names_that_are_not_there),
		cmocka_unit_test(no_context_is_chosen),
		cmocka_unit_test(servers_get_a_scheme),
		cmocka_unit_test(data_beats_file_and_paths_are_relative),
		cmocka_unit_test(mistakes_are_named),
		cmocka_unit_test(pods_use_their_service_account),
	};

	return cmocka_run_group_tests(tests, tempdir_make, tempdir_remove);
}
