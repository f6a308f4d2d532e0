/* remote: whether a JVM could listen on a port, and the conditions of a question. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>

#include "remote/attach/unless.h"
#include "remote/netns.h"
#include "remote/port_probe.h"
#include "tests/unit/container.h"
#include "tests/unit/tree.h"

#define JAR "jmx_prometheus_javaagent-1.0.1-0123456789ab.jar"

static struct fake f;
static struct tree tree;
static int ns = -1, jar = -1;

/* A network namespace of its own: no port is anybody else's. The target has it, too, and a jar. */
static int set_up(void **state)
{
	char path[400];

	(void)state;
	tree_open(&tree);
	snprintf(path, sizeof(path), "%s/%s", tree.path, JAR);
	jar = open(path, O_RDWR | O_CREAT, 0600);
	assert_true(jar >= 0);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(procfs_open(&proc, NULL), 0);
	fake_start(&f, 01777);
	ns = netns_open(&proc, &f.target.ref, &err);
	assert_true(ns >= 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	close(ns);
	close(jar);
	fake_stop(&f);
	procfs_close(&proc);
	tree_close(&tree);
	return 0;
}

static int probe(uint16_t port)
{
	int sys = -1;

	if (port_probe(&f.target, ns, port, &sys, &err) < 0)
		fail_msg("%s", err.msg);
	return sys;
}

static int bound(const struct sockaddr *a, socklen_t len)
{
	int fd = socket(a->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	assert_true(fd >= 0);
	if (a->sa_family == AF_INET6)
		assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, a, len), 0);
	return fd;
}

static int bound_v4(uint16_t port)
{
	const struct sockaddr_in a = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	return bound((const struct sockaddr *)&a, sizeof(a));
}

static int bound_v6(uint16_t port)
{
	const struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	return bound((const struct sockaddr *)&a, sizeof(a));
}

static void test_free_port(void **state)
{
	(void)state;
	assert_int_equal(probe(9404), 0);
	/* nothing of it stays */
	assert_int_equal(probe(9404), 0);
	close(bound_v4(9404));
}

/* Sockets that no list of listeners has. */
static void test_bound_only(void **state)
{
	int fd = bound_v4(9404);

	(void)state;
	assert_int_equal(probe(9404), EADDRINUSE);
	assert_int_equal(probe(9405), 0);
	close(fd);
	fd = bound_v6(9404);
	assert_int_equal(probe(9404), EADDRINUSE);
	close(fd);
	assert_int_equal(probe(9404), 0);
}

static void test_listening(void **state)
{
	int fd = bound_v4(9404);

	(void)state;
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(probe(9404), EADDRINUSE);
	close(fd);
}

/* By what the JVM may do, and not root. */
static void test_privileged(void **state)
{
	(void)state;
	assert_int_equal(probe(80), EACCES);
}

static void test_claims(void **state)
{
	auto_fd int first = port_claim(ns, 9404, &err);
	auto_fd int other = port_claim(ns, 9405, &err);

	(void)state;
	assert_true(first >= 0 && other >= 0);
	err = (struct error){0};
	assert_int_equal(port_claim(ns, 9404, &err), -1);
	assert_int_equal(err.code, ERR_REFUSED);
	assert_int_equal(err.sys, EADDRINUSE);
	fd_close(&first);
	first = port_claim(ns, 9404, &err);
	assert_true(first >= 0);
}

/* ---- conditions ---- */

/* 0, or the errno that it was refused with. */
static int refused(struct unless *u, const char *params)
{
	struct jsonr doc;

	err = (struct error){0};
	assert_int_equal(jsonr_parse(&doc, params, strlen(params), &err), 0);
	if (unless_check(u, &f.target, &doc, &err) == 0)
		return 0;
	assert_int_equal(err.code, ERR_REFUSED);
	return err.sys;
}

static int refused_once(const char *params)
{
	struct unless u = UNLESS_INIT;
	int sys = refused(&u, params);

	unless_release(&u);
	return sys;
}

static void test_jars(void **state)
{
	(void)state;
	assert_int_equal(refused_once("{}"), 0);
	assert_int_equal(refused_once("{\"unless_jar\":\"\"}"), 0);
	assert_int_equal(refused_once("{\"unless_jar\":\"jmx_prometheus_javaagent\"}"), EEXIST);
	assert_non_null(strstr(err.msg, "'jmx_prometheus_javaagent...' open already"));
	assert_int_equal(refused_once("{\"unless_jar\":\"javaagent\"}"), 0);
	assert_int_equal(refused_once("{\"unless_port\":9404,\"unless_jar\":\"jmx_\"}"), EEXIST);
}

static void test_ports(void **state)
{
	struct unless u = UNLESS_INIT;
	int fd;

	(void)state;
	assert_int_equal(refused(&u, "{\"unless_port\":9404}"), 0);
	/* the other helper waits no longer than this one holds it */
	assert_int_equal(refused_once("{\"unless_port\":9404}"), EADDRINUSE);
	unless_release(&u);
	assert_int_equal(refused_once("{\"unless_port\":9404}"), 0);
	fd = bound_v4(9404);
	assert_int_equal(refused_once("{\"unless_port\":9404}"), EADDRINUSE);
	assert_non_null(strstr(err.msg, "cannot listen on port 9404"));
	close(fd);
	assert_int_equal(refused_once("{\"unless_port\":443}"), EACCES);
}

/* In the JVM's /tmp, which is not the test's. */
static void plant(const char *name, mode_t mode, uid_t uid)
{
	auto_fd int fd = openat(f.tmp, name, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	assert_int_equal(fchown(fd, uid, uid), 0);
}

static void test_files(void **state)
{
	(void)state;
	assert_int_equal(refused_once("{\"needs\":\"\"}"), 0);
	assert_int_equal(refused_once("{\"needs\":\"/tmp/c.yaml\"}"), ENOENT);
	assert_non_null(strstr(err.msg, "could not read '/tmp/c.yaml'"));
	plant("c.yaml", 0400, UID);
	assert_int_equal(refused_once("{\"needs\":\"/tmp/c.yaml\"}"), 0);
	plant("theirs", 0400, 0);
	assert_int_equal(refused_once("{\"needs\":\"/tmp/theirs\"}"), ENOENT);
	assert_int_equal(symlinkat("c.yaml", f.tmp, "link"), 0);
	assert_int_equal(refused_once("{\"needs\":\"/tmp/link\"}"), ENOENT);
	assert_int_equal(mkfifoat(f.tmp, "pipe", 0666), 0);
	assert_int_equal(refused_once("{\"needs\":\"/tmp/pipe\"}"), ENOENT);
	assert_int_equal(refused_once("{\"needs\":\"/tmp\"}"), ENOENT);
	/* another run was faster */
	assert_int_equal(unlinkat(f.tmp, "c.yaml", 0), 0);
	assert_int_equal(refused_once("{\"needs\":\"/tmp/c.yaml\"}"), ENOENT);
}

static void test_no_condition(void **state)
{
	struct unless u = UNLESS_INIT;
	struct jsonr doc;

	(void)state;
	assert_int_equal(jsonr_parse(&doc, "{\"unless_port\":65536}", 21, &err), 0);
	assert_int_equal(unless_check(&u, &f.target, &doc, &err), -1);
	assert_int_equal(err.code, ERR_FAILED);
	assert_int_equal(jsonr_parse(&doc, "{\"unless_port\":\"9404\"}", 22, &err), 0);
	assert_int_equal(unless_check(&u, &f.target, &doc, &err), -1);
	assert_int_equal(jsonr_parse(&doc, "{\"needs\":\"c.yaml\"}", 18, &err), 0);
	assert_int_equal(unless_check(&u, &f.target, &doc, &err), -1);
	assert_int_equal(err.code, ERR_FAILED);
	unless_release(&u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_free_port),    cmocka_unit_test(test_bound_only),
		cmocka_unit_test(test_listening),    cmocka_unit_test(test_privileged),
		cmocka_unit_test(test_claims),	     cmocka_unit_test(test_jars),
		cmocka_unit_test(test_ports),	     cmocka_unit_test(test_files),
		cmocka_unit_test(test_no_condition),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
