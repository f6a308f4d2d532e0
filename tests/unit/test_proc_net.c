/* remote */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "remote/base/buf.h"
#include "remote/base/limits.h"
#include "remote/jvm_args.h"
#include "remote/proc_limits.h"
#include "remote/proc_net.h"
#include "tests/unit/tree.h"

#define HEAD                                                                                  \
	"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  " \
	"timeout "                                                                            \
	"inode\n"
#define TAIL " 00000000:00000000 00:00000000 00000000  1000        0 "

static bool parse(const char *line, struct net_socket *ret)
{
	return proc_net_parse(line, strlen(line), ret);
}

static void test_lines(void **state)
{
	struct net_socket s;

	(void)state;
	assert_true(
		parse("   0: 0100007F:1F90 00000000:0000 0A" TAIL "4711 1 0000 100 0 0 10 0", &s));
	assert_string_equal(s.address, "127.0.0.1");
	assert_int_equal(s.port, 8080);
	assert_true(s.listens);
	assert_int_equal(s.inode, 4711);
	assert_true(parse(" 1047: 00000000000000000000000001000000:24BC "
			  "00000000000000000000000000000000:0000 01" TAIL "9",
			  &s));
	assert_string_equal(s.address, "::1");
	assert_int_equal(s.port, 9404);
	assert_false(s.listens);
	assert_true(parse("0: 0000000000000000FFFF00000100007F:0001 X 0A" TAIL "9", &s));
	assert_string_equal(s.address, "::ffff:127.0.0.1");
}

static void test_other_lines(void **state)
{
	static const char *const bad[] = {
		"",
		"   0",
		"   0:",
		"   0: 0100007F",
		"   0: 0100007F:",
		"   0: 0100007F:1F9",
		"   0: 0100007:1F90 00000000:0000 0A" TAIL "1",
		"   0: 0100007f:1F90 00000000:0000 0A" TAIL "1",
		"   0: 0100007F01000000:1F90 00000000:0000 0A" TAIL "1",
		"   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1 0",
		"   0: 0100007F:1F90 00000000:0000 0A" TAIL "-1",
		"   0: 0100007F:1F90 00000000:0000 0A" TAIL "99999999999999999999",
		"   0: 0100007F:1F90 00000000:0000 0A" TAIL "999999999999999999999999999999",
		"   0 0100007F:1F90 00000000:0000 0A" TAIL "1",
	};
	struct net_socket s;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(parse(bad[i], &s));
	assert_false(parse(HEAD, &s));
}

struct found {
	struct buf text;
	unsigned int stop_after, n;
};

static int note(void *ctx, const struct net_socket *s)
{
	struct found *f = ctx;

	buf_addf(&f->text, "%s %u %u;", s->address, s->port, (unsigned int)s->inode);
	return ++f->n == f->stop_after;
}

static void test_table(void **state)
{
	struct found f = {.text = BUF_INIT(4096)};
	struct procfs p;
	struct tree t;

	(void)state;
	tree_open(&t);
	tree_text(&t, "7/net/tcp",
		  HEAD "   0: 0100007F:1F90 00000000:0000 0A" TAIL "1\n"
		       "rubbish\n"
		       "   1: 0100007F:1F91 0100007F:1F90 01" TAIL "2\n"
		       "   2: 00000000:24BC 00000000:0000 0A" TAIL "3\n");
	assert_int_equal(procfs_open(&p, t.path), 0);
	assert_int_equal(proc_each_listening(&p, 7, "tcp", note, &f), 0);
	assert_string_equal(buf_str(&f.text), "127.0.0.1 8080 1;0.0.0.0 9404 3;");
	/* a kernel without IPv6; a process that is gone */
	assert_int_equal(proc_each_listening(&p, 7, "tcp6", note, &f), 0);
	assert_int_equal(proc_each_listening(&p, 8, "tcp", note, &f), -ENOENT);
	f.n = 0;
	f.stop_after = 1;
	assert_int_equal(proc_each_listening(&p, 7, "tcp", note, &f), 1);
	assert_int_equal(f.n, 1);
	procfs_close(&p);
	buf_release(&f.text);
	tree_close(&t);
}

static int count(void *ctx, const struct net_socket *s)
{
	(void)s;
	++*(unsigned int *)ctx;
	return 0;
}

/* Lines across the borders of what is read at once; a line without end. */
static void test_long_table(void **state)
{
	auto_buf struct buf b = BUF_INIT(16 * MiB);
	struct procfs p;
	struct tree t;
	unsigned int n = 0;

	(void)state;
	tree_open(&t);
	for (int i = 0; i < 50000; i++)
		buf_addf(&b, "%5d: 0100007F:%04X 00000000:0000 0A" TAIL "%d\n", i, i, i + 1);
	tree_text(&t, "7/net/tcp", buf_str(&b));
	buf_reset(&b);
	for (int i = 0; i < 100000; i++)
		buf_adds(&b, "0100007F");
	tree_text(&t, "7/net/tcp6", buf_str(&b));
	assert_int_equal(procfs_open(&p, t.path), 0);
	assert_int_equal(proc_each_listening(&p, 7, "tcp", count, &n), 0);
	assert_int_equal(n, 50000);
	assert_int_equal(proc_each_listening(&p, 7, "tcp6", count, &n), -EPROTO);
	procfs_close(&p);
	tree_close(&t);
}

static void test_links(void **state)
{
	uint64_t inode = 0;

	(void)state;
	assert_true(proc_fd_socket("socket:[12345]", &inode));
	assert_int_equal(inode, 12345);
	assert_false(proc_fd_socket("socket:[12345", &inode));
	assert_false(proc_fd_socket("socket:[]", &inode));
	assert_false(proc_fd_socket("socket:[1] (deleted)", &inode));
	assert_false(proc_fd_socket("pipe:[1]", &inode));
	assert_false(proc_fd_socket("socket:[999999999999999999999999999]", &inode));
}

static int list(void *ctx, const char *link)
{
	buf_addf(ctx, "%s;", link);
	return 0;
}

static void test_descriptors(void **state)
{
	auto_buf struct buf b = BUF_INIT(4096);
	struct procfs p;
	struct tree t;
	char path[300];

	(void)state;
	tree_open(&t);
	tree_dir(&t, "7/fd");
	snprintf(path, sizeof(path), "%s/7/fd/0", t.path);
	assert_int_equal(symlink("/x/a b.jar (deleted)", path), 0);
	assert_int_equal(procfs_open(&p, t.path), 0);
	assert_int_equal(proc_each_fd(&p, 7, list, &b), 0);
	assert_string_equal(buf_str(&b), "/x/a b.jar (deleted);");
	assert_int_equal(proc_each_fd(&p, 8, list, &b), -ENOENT);
	procfs_close(&p);
	tree_close(&t);
}

static void add(void *ctx, const char *arg)
{
	buf_addf(ctx, "[%s]", arg);
}

static void assert_args(const char *data, size_t len, const char *expected)
{
	auto_buf struct buf b = BUF_INIT(4096);

	jvm_args_each(data, len, add, &b);
	assert_string_equal(buf_str(&b), expected);
}

#define ARGS(text, expected) assert_args(text, sizeof(text) - 1, expected)

static void test_arguments(void **state)
{
	(void)state;
	ARGS("java\0-javaagent:/a.jar=x\0-cp\0-javaagent:no\0Main\0-javaagent:/b.jar\0",
	     "[-javaagent:/a.jar=x][-cp]");
	ARGS("/x/java\0-Xmx1m\0-jar\0a.jar\0-javaagent:/b.jar\0", "[-Xmx1m]");
	ARGS("java\0@args\0-m\0a/b\0", "");
	ARGS("java\0-Xmx1m\0--module=a/b\0-x\0", "[-Xmx1m]");
	/* cut: what has no end is not told */
	ARGS("java\0-javaagent:/a.jar", "");
	ARGS("jsvc\0-home\0/x\0-javaagent:/a.jar\0Main\0", "[-home][/x][-javaagent:/a.jar][Main]");
	ARGS("", "");
}

static void assert_words(const char *options, const char *expected)
{
	auto_buf struct buf b = BUF_INIT(4096);

	jvm_args_each_word(options, add, &b);
	assert_string_equal(buf_str(&b), expected);
}

static void test_words(void **state)
{
	char big[6000];
	auto_buf struct buf b = BUF_INIT(8192);

	(void)state;
	assert_words("", "");
	assert_words(" \t-a\n-b ", "[-a][-b]");
	assert_words("-javaagent:\"/x y/z.jar\"=a 'b c'd\"'\"", "[-javaagent:/x y/z.jar=a][b cd']");
	assert_words("\"open end", "[open end]");
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	jvm_args_each_word(big, add, &b);
	assert_int_equal(b.len, 4095 + 2);
}

/* ---- limits ---- */

#define LIMITS                                                                             \
	"Limit                     Soft Limit           Hard Limit           Units     \n" \
	"Max processes             100                  200                  processes \n" \
	"Max open files            1024                 4096                 files     \n" \
	"Max locked memory         unlimited            unlimited            bytes     \n"

static uint64_t limit(const char *text, const char *name)
{
	return proc_parse_limit(text, strlen(text), name);
}

static void test_limits(void **state)
{
	(void)state;
	assert_int_equal(limit(LIMITS, "Max open files"), 1024);
	assert_int_equal(limit(LIMITS, "Max processes"), 100);
	assert_true(limit(LIMITS, "Max locked memory") == UINT64_MAX);
	assert_true(limit(LIMITS, "Max open") == UINT64_MAX);
	assert_true(limit("Max open files", "Max open files") == UINT64_MAX);
	assert_true(limit("Max open files \n", "Max open files") == UINT64_MAX);
	assert_true(limit("", "Max open files") == UINT64_MAX);
}

/* All of the user's, wherever they run. */
static void test_tasks(void **state)
{
	struct procfs p;
	struct tree t;

	(void)state;
	tree_open(&t);
	tree_text(&t, "7/limits", LIMITS);
	tree_text(&t, "7/status", "Name:\tjava\nUid:\t1000\t1000\t1000\t1000\nThreads:\t60\n");
	tree_text(&t, "8/status", "Name:\tx\nUid:\t1000\t0\t0\t0\nThreads:\t30\n");
	tree_text(&t, "9/status", "Name:\tx\nUid:\t1001\t0\t0\t0\nThreads:\t30\n");
	assert_int_equal(procfs_open(&p, t.path), 0);
	assert_int_equal(proc_tasks_left(&p, 7), 10);
	assert_int_equal(proc_files_limit(&p, 7), 1024);
	assert_true(proc_tasks_left(&p, 8) == UINT64_MAX);
	tree_text(&t, "9/status", "Name:\tx\nUid:\t1000\t0\t0\t0\nThreads:\t30\n");
	assert_int_equal(proc_tasks_left(&p, 7), 0);
	/* where that is plenty, all of the node's count as this user's; else each is looked at */
	tree_text(&t, "7/limits",
		  "Max processes             4096                 4096  processes \n");
	tree_text(&t, "loadavg", "0.42 0.37 0.30 2/512 4711\n");
	assert_int_equal(proc_tasks_left(&p, 7), 4096 - 512);
	tree_text(&t, "loadavg", "0.42 0.37 0.30 2/3073 4711\n");
	assert_int_equal(proc_tasks_left(&p, 7), 4096 - 120);
	tree_text(&t, "loadavg", "0.42 0.37 0.30 2/5000 4711\n");
	assert_int_equal(proc_tasks_left(&p, 7), 4096 - 120);
	tree_text(&t, "loadavg", "of something else\n");
	assert_int_equal(proc_tasks_left(&p, 7), 4096 - 120);
	/* root has no such limit */
	tree_text(&t, "7/status", "Name:\tjava\nUid:\t0\t0\t0\t0\nThreads:\t60\n");
	assert_true(proc_tasks_left(&p, 7) == UINT64_MAX);
	procfs_close(&p);
	tree_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),	  cmocka_unit_test(test_other_lines),
		cmocka_unit_test(test_table),	  cmocka_unit_test(test_long_table),
		cmocka_unit_test(test_links),	  cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_arguments), cmocka_unit_test(test_words),
		cmocka_unit_test(test_limits),	  cmocka_unit_test(test_tasks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
