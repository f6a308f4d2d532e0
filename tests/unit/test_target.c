/* jdiag: TARGET */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "jdiag/target.h"

static void assert_object(const char *text, enum target_kind kind, const char *name)
{
	struct target t;
	struct error err = {0};

	assert_int_equal(target_parse(text, &t, &err), 0);
	assert_int_equal(t.kind, kind);
	assert_string_equal(t.name, name);
}

static void assert_ssh(const char *text, const char *user, const char *host, unsigned int port)
{
	struct target t;
	struct error err = {0};

	assert_int_equal(target_parse(text, &t, &err), 0);
	assert_int_equal(t.kind, TARGET_SSH);
	assert_string_equal(t.user, user);
	assert_string_equal(t.host, host);
	assert_int_equal(t.port, port);
}

static void assert_bad(const char *text, const char *part)
{
	struct target t;
	struct error err = {0};

	memset(&t, 0x5a, sizeof(t));
	assert_int_equal(target_parse(text, &t, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	if (!strstr(err.msg, part))
		fail_msg("'%s' is not in '%s'", part, err.msg);
	assert_true(err.hint[0]);
	assert_int_equal(t.name[0], 0x5a); /* untouched */
}

static void test_objects(void **state)
{
	(void)state;
	assert_object("web-0", TARGET_POD, "web-0");
	assert_object("pod/web-0", TARGET_POD, "web-0");
	assert_object("pods/web-0", TARGET_POD, "web-0");
	assert_object("node/gke-pool-1.c.internal", TARGET_NODE, "gke-pool-1.c.internal");
	assert_object("0a", TARGET_POD, "0a");
}

static void test_bad_names(void **state)
{
	char longest[256];

	(void)state;
	assert_bad("", "bad pod name ''");
	assert_bad("Web", "bad pod name 'Web'");
	assert_bad("web_0", "bad pod name");
	assert_bad("-web", "bad pod name");
	assert_bad("web-", "bad pod name");
	assert_bad("a..b", "bad pod name");
	assert_bad("a.", "bad pod name");
	assert_bad("node/", "bad node name ''");
	assert_bad("node/a/b", "bad node name 'a/b'");
	assert_bad("\033[31m", "bad pod name '\\x1b[31m'");
	memset(longest, 'a', sizeof(longest));
	longest[64] = '\0';
	assert_bad(longest, "bad pod name"); /* a label has 63 */
	for (size_t i = 0; i < 254; i++)
		longest[i] = i % 2 ? '.' : 'a';
	longest[254] = '\0';
	assert_bad(longest, "bad pod name");
	longest[253] = '\0';
	assert_object(longest, TARGET_POD, longest);
}

static void assert_workload(const char *text, enum workload workload)
{
	struct target t;
	struct error err = {0};

	assert_int_equal(target_parse(text, &t, &err), 0);
	assert_int_equal(t.kind, TARGET_WORKLOAD);
	assert_int_equal(t.workload, workload);
	assert_string_equal(t.name, "web");
}

static void test_workloads(void **state)
{
	(void)state;
	assert_workload("deploy/web", WORKLOAD_DEPLOYMENT);
	assert_workload("deployment/web", WORKLOAD_DEPLOYMENT);
	assert_workload("deployments.apps/web", WORKLOAD_DEPLOYMENT);
	assert_workload("sts/web", WORKLOAD_STATEFULSET);
	assert_workload("statefulset/web", WORKLOAD_STATEFULSET);
	assert_workload("ds/web", WORKLOAD_DAEMONSET);
	assert_workload("rs/web", WORKLOAD_REPLICASET);
	assert_workload("job/web", WORKLOAD_JOB);
	assert_workload("jobs.batch/web", WORKLOAD_JOB);
	assert_bad("deploy/", "bad deployment name ''");
	assert_bad("sts/a/b", "bad statefulset name 'a/b'");
	assert_bad("dep/web", "no such kind 'dep'");
	assert_bad("/web", "no such kind ''");
	assert_bad("shop/web", "no such kind 'shop'");
}

static void test_ssh(void **state)
{
	(void)state;
	assert_ssh("ssh://vm1", "", "vm1", 0);
	assert_ssh("ssh://ops@vm1.example:2222", "ops", "vm1.example", 2222);
	assert_ssh("ssh://127.0.0.1:22", "", "127.0.0.1", 22);
	assert_ssh("ssh://root@[fe80::1]", "root", "fe80::1", 0);
	assert_ssh("ssh://[::1]:2022", "", "::1", 2022);
}

static void test_bad_ssh(void **state)
{
	(void)state;
	assert_bad("ssh://", "not a host name");
	assert_bad("ssh://@vm", "not a user name");
	assert_bad("ssh://-oProxyCommand=x", "not a host name");
	assert_bad("ssh://-l@vm", "not a user name");
	assert_bad("ssh://a b", "not a host name");
	assert_bad("ssh://vm;id", "not a host name");
	assert_bad("ssh://vm/", "not a host name");
	assert_bad("ssh://vm:", "a port is");
	assert_bad("ssh://vm:0", "a port is");
	assert_bad("ssh://vm:70000", "a port is");
	assert_bad("ssh://::1", "not a host name");
	assert_bad("ssh://[::1", "not closed");
	assert_bad("ssh://[vm]", "not a host name");
	assert_bad("ssh://[::1]x", "only a port");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_objects),	  cmocka_unit_test(test_bad_names),
		cmocka_unit_test(test_workloads), cmocka_unit_test(test_ssh),
		cmocka_unit_test(test_bad_ssh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
