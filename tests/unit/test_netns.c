/* remote */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "remote/base/io.h"
#include "remote/netns.h"

/* This process is the one whose namespace is joined. */
struct rig {
	struct procfs proc;
	struct procref ref;
	struct stat input; /* what descriptor 0 is */
};

static int setup(void **state)
{
	static struct rig g;

	assert_int_equal(procfs_open(&g.proc, NULL), 0);
	g.ref = PROCREF_INIT;
	assert_int_equal(procref_open(&g.proc, getpid(), 0, &g.ref, NULL), 0);
	assert_int_equal(fstat(STDIN_FILENO, &g.input), 0);
	*state = &g;
	return 0;
}

static int teardown(void **state)
{
	struct rig *g = *state;

	procref_close(&g->ref);
	procfs_close(&g->proc);
	return 0;
}

static void assert_input_is_open(const struct rig *g)
{
	struct stat st;

	assert_int_equal(fstat(STDIN_FILENO, &st), 0);
	assert_int_equal(st.st_ino, g->input.st_ino);
	assert_int_equal(st.st_dev, g->input.st_dev);
}

static int get_sockets(const struct rig *g, const char *address, struct netns *n, struct error *err)
{
	int rc = netns_start(n, &g->proc, &g->ref, address, 1, err);

	while (rc == 0 && (rc = netns_collect(n, err)) == 0)
		assert_true(io_wait(n->child.fd, POLLIN, n->child.deadline) > 0);
	return rc;
}

static bool is_socket(int fd)
{
	struct stat st;

	return fd > STDERR_FILENO && fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

static void test_one_address(void **state)
{
	struct rig *g = *state;
	struct netns n = NETNS_INIT;
	char text[INET6_ADDRSTRLEN];

	assert_int_equal(get_sockets(g, "127.0.0.2", &n, NULL), 1);
	assert_int_equal(n.n, 1);
	assert_true(is_socket(n.ways[0].fd));
	assert_int_equal(n.ways[1].fd, -1);
	assert_string_equal(netns_text(&n.ways[0], text), "127.0.0.2");
	netns_stop(&n);
	assert_input_is_open(g);
	netns_stop(&n); /* once more */
	assert_input_is_open(g);
}

static void test_loopback(void **state)
{
	struct rig *g = *state;
	struct netns n = NETNS_INIT;

	assert_int_equal(get_sockets(g, NULL, &n, NULL), 1);
	assert_int_equal(n.n, 2);
	assert_true(is_socket(n.ways[0].fd));
	assert_true(n.ways[1].fd == -1 || is_socket(n.ways[1].fd));
	netns_stop(&n);
	assert_input_is_open(g);
}

static void test_address_of_others(void **state)
{
	struct rig *g = *state;
	struct netns n = NETNS_INIT;
	struct error e = {0};

	assert_int_equal(get_sockets(g, "192.0.2.1", &n, &e), -1);
	assert_int_equal(e.sys, EADDRNOTAVAIL);
	netns_stop(&n);
	assert_input_is_open(g);
}

static void test_stopped_at_once(void **state)
{
	struct rig *g = *state;
	struct netns n = NETNS_INIT;

	assert_int_equal(netns_start(&n, &g->proc, &g->ref, "127.0.0.1", 1, NULL), 0);
	netns_stop(&n);
	assert_input_is_open(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_address),
		cmocka_unit_test(test_loopback),
		cmocka_unit_test(test_address_of_others),
		cmocka_unit_test(test_stopped_at_once),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
