/* remote */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
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

/* A process in a network namespace of its own, where the only interface has this address. */
static pid_t start_net(const char *address, bool up)
{
	struct ifreq r = {.ifr_name = "lo"};
	struct sockaddr_in *a = (struct sockaddr_in *)&r.ifr_addr;
	int ends[2], fd;
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		a->sin_family = AF_INET;
		if (unshare(CLONE_NEWNET) < 0 || inet_pton(AF_INET, address, &a->sin_addr) != 1)
			_exit(2);
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (ioctl(fd, SIOCSIFADDR, &r) < 0)
			_exit(3);
		r.ifr_flags = IFF_UP;
		if ((up && ioctl(fd, SIOCSIFFLAGS, &r) < 0) || write(ends[1], "", 1) != 1)
			_exit(4);
		for (;;)
			pause();
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	close(ends[0]);
	return pid;
}

/* An interface that is down has addresses that are others' (kube-ipvs0). */
static void test_interfaces(void **state)
{
	struct rig *g = *state;

	for (int up = 0; up < 2; up++) {
		struct rig there = {.proc = g->proc, .ref = PROCREF_INIT};
		pid_t pid = start_net("10.9.8.7", up);
		struct netns n = NETNS_INIT;
		struct error e = {0};

		assert_int_equal(procref_open(&g->proc, pid, 0, &there.ref, NULL), 0);
		assert_int_equal(get_sockets(&there, "10.9.8.7", &n, &e), up ? 1 : -1);
		assert_int_equal(e.sys, up ? 0 : EADDRNOTAVAIL);
		netns_stop(&n);
		procref_close(&there.ref);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
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
		cmocka_unit_test(test_one_address),	  cmocka_unit_test(test_loopback),
		cmocka_unit_test(test_address_of_others), cmocka_unit_test(test_interfaces),
		cmocka_unit_test(test_stopped_at_once),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
