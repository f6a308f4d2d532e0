/* remote */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "remote/base/io.h"
#include "remote/capture/capture.h"
#include "remote/capture/guard.h"
#include "remote/capture/oom.h"
#include "remote/capture/request.h"
#include "tests/unit/tempdir.h"

#define PATIENCE_MS 25000

static struct error err;

/* ---- which JVM, which way ---- */

static bool suits(const char *strategy, const char *version, const char *help)
{
	const struct strategy *s = strategy_find(strategy);

	return !s->unsuited || !s->unsuited(version, help);
}

static void test_versions(void **state)
{
	static const struct {
		const char *version;
		bool fifo, segments;
	} jvms[] = {
		{"1.8.0_504", false, false},  {"11.0.13", false, false}, {"11.0.14", true, false},
		{"11.0.33-ea", true, false},  {"13.0.2", false, false},	 {"16.0.2", false, false},
		{"17.0.21.0.3", true, false}, {"21.0.1", true, false},	 {"22", false, true},
		{"25.0.5", false, true},      {"", false, false},	 {"x", false, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(jvms); i++) {
		assert_int_equal(suits("fifo", jvms[i].version, NULL), jvms[i].fifo);
		assert_int_equal(suits("segments", jvms[i].version, NULL), jvms[i].segments);
		assert_true(suits("growing-file", jvms[i].version, NULL));
		assert_true(suits("container-file", jvms[i].version, ""));
	}
}

/* What the JVM itself says counts for more than its number. */
static void test_help(void **state)
{
	static const char overwrite[] = "\t-all : x\n\t-overwrite : x\n";
	static const char parallel[] = "\t-all : x\n\t-overwrite : x\n\t-parallel : x\n";

	(void)state;
	assert_true(suits("fifo", "17.0.1", overwrite));
	assert_false(suits("fifo", "17.0.1", "\t-all : x\n"));
	assert_false(suits("fifo", "17.0.1", ""));
	assert_true(suits("fifo", "16.0.2", overwrite));
	assert_false(suits("fifo", "13.0.2", overwrite)); /* it goes back in its file */
	assert_true(suits("segments", "25", parallel));
	assert_false(suits("segments", "25", overwrite));
	assert_false(suits("segments", "25", ""));
}

/* ---- the request ---- */

static int parse(const char *json, struct capture_request *r)
{
	struct jsonr doc;

	assert_int_equal(jsonr_parse(&doc, json, strlen(json), &err), 0);
	return capture_request_parse(&doc, r, &err);
}

static void test_request(void **state)
{
	struct capture_request r;

	(void)state;
	assert_int_equal(
		parse("{\"id\":\"0123456789abcdef\",\"strategy\":\"fifo\",\"live\":false,"
		      "\"format\":\"hprof.zst\",\"redact\":\"strings\",\"parallel\":3,"
		      "\"spool\":false,\"ttl\":99999999999,\"deadline\":5,\"label\":\"l\"}",
		      &r),
		0);
	assert_string_equal(r.id, "0123456789abcdef");
	assert_string_equal(r.strategy, "fifo");
	assert_string_equal(r.label, "l");
	assert_true(!r.live && !r.spool && !r.sync);
	assert_true(r.codec == CODEC_ZSTD && r.redact == HPROF_REDACT_STRINGS);
	assert_true(r.parallel == 3 && r.deadline == 5 && r.ttl < 99999999999);
	capture_request_release(&r);
	assert_int_equal(parse("{\"id\":\"0123456789abcdef\"}", &r), 0);
	assert_true(r.live && r.spool && r.ttl > 0 && !r.deadline && r.codec == CODEC_NONE);
	capture_request_release(&r);
}

static void test_bad_requests(void **state)
{
	static const char *const bad[] = {
		"{}",
		"{\"id\":\"0123456789abcde\"}",
		"{\"id\":\"0123456789abcdeg\"}",
		"{\"id\":\"0123456789abcdef\",\"strategy\":\"x\"}",
		"{\"id\":\"0123456789abcdef\",\"format\":\"\"}",
		"{\"id\":\"0123456789abcdef\",\"redact\":\"x\"}",
		"{\"id\":\"0123456789abcdef\",\"parallel\":33}",
		"{\"id\":\"0123456789abcdef\",\"buffer_percent\":101}",
		"{\"id\":\"0123456789abcdef\",\"ttl\":\"x\"}",
	};
	struct capture_request r;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse(bad[i], &r), -1);
}

/* ---- FIFOs ---- */

/* A spool directory with its dump/, and two FIFOs in that. */
struct place {
	struct procfs proc;
	struct nodedir node;
	struct fifos fifos;
};

static void make(struct place *p)
{
	*p = (struct place){.node = NODEDIR_INIT, .fifos = FIFOS_INIT};
	assert_int_equal(procfs_open(&p->proc, NULL), 0);
	p->node.dir = open(tempdir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(p->node.dir, "dump", 0700), 0);
	p->node.dump = openat(p->node.dir, "dump", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	p->fifos.dir = p->node.dump;
	assert_int_equal(fifos_add(&p->fifos, "h", getuid(), getgid(), &err), 0);
	assert_int_equal(fifos_add(&p->fifos, "h.p0", getuid(), getgid(), &err), 0);
}

static void unmake(struct place *p)
{
	fifos_remove(&p->fifos);
	assert_int_equal(nodedir_remove_inside(&p->node, "dump"), 0);
	close(p->node.dump);
	close(p->node.dir);
	procfs_close(&p->proc);
}

static void test_fifos(void **state)
{
	struct drain_stream s[2];
	struct place p;

	(void)state;
	make(&p);
	assert_int_equal(fifos_add(&p.fifos, "h", getuid(), getgid(), &err), -1);
	assert_int_equal(p.fifos.n, 2);
	assert_int_equal(fifos_open(&p.fifos, s, &err), 0);
	assert_true(s[0].fd >= 0 && s[0].hold < 0 && !s[0].segment && !strcmp(s[0].name, "h"));
	assert_true(s[1].fd >= 0 && s[1].hold >= 0 && s[1].segment && !strcmp(s[1].name, "h.p0"));
	assert_int_equal(write(s[1].hold, "x", 1), 1);
	close(s[0].fd);
	close(s[1].fd);
	close(s[1].hold);
	unmake(&p);
}

static void test_in_use(void **state)
{
	struct place p;
	pid_t user;
	int ready[2];
	char byte;

	(void)state;
	make(&p);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	user = fork();
	if (user == 0) {
		for (unsigned int i = 0; i < p.fifos.n; i++)
			close(p.fifos.one[i].path);
		if (read(ready[0], &byte, 1) != 1 || openat(p.node.dump, "h.p0", O_RDWR) < 0)
			_exit(1);
		pause();
	}
	assert_false(fifos_in_use(&p.fifos, &p.proc, 1 << 23));
	assert_int_equal(write(ready[1], "x", 1), 1);
	for (uint64_t end = now_ms() + PATIENCE_MS; !fifos_in_use(&p.fifos, &p.proc, user);)
		assert_true(now_ms() < end);
	kill(user, SIGKILL);
	assert_int_equal(waitpid(user, NULL, 0), user);
	close(ready[0]);
	close(ready[1]);
	unmake(&p);
}

/* What the container's user can do with a directory that is its own. */
static void test_replaced(void **state)
{
	struct place p;
	int fd;

	(void)state;
	make(&p);
	assert_int_equal(fifos_check(&p.fifos, 0, &err), 0);
	assert_int_equal(renameat(p.node.dump, "h.p0", p.node.dump, "h"), 0);
	assert_int_equal(fifos_check(&p.fifos, 0, &err), -1); /* a FIFO, but another one */
	assert_int_equal(err.code, ERR_CAPTURE);
	assert_int_equal(fifos_check(&p.fifos, 1, &err), -1);
	assert_false(fifos_segment_is_file(&p.fifos, 1));
	fd = openat(p.node.dump, "h.p0", O_WRONLY | O_CREAT, 0600);
	assert_false(fifos_segment_is_file(&p.fifos, 1)); /* empty: as the drain leaves it */
	assert_int_equal(write(fd, "x", 1), 1);
	assert_true(fifos_segment_is_file(&p.fifos, 1));
	close(fd);
	unmake(&p);
}

static bool sleeps(pid_t pid)
{
	char path[64], text[512] = "";
	const char *state;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_true(fread(text, 1, sizeof(text) - 1, f) > 0);
	fclose(f);
	state = strrchr(text, ')');
	return state && state[1] == ' ' && state[2] == 'S';
}

/* A process that hangs in opening a FIFO, as the JVM would; its pid. */
static pid_t hang(const struct place *p, const char *name, int flags)
{
	uint64_t end = now_ms() + PATIENCE_MS;
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		alarm(30);
		if (write(ready[1], "x", 1) != 1)
			_exit(2);
		_exit(openat(p->node.dump, name, flags) < 0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	while (!sleeps(pid)) {
		assert_true(now_ms() < end);
		(void)poll(NULL, 0, 1);
	}
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	return pid;
}

static void assert_ends(pid_t pid)
{
	uint64_t end = now_ms() + PATIENCE_MS;
	int status = -1;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		assert_true(now_ms() < end);
		(void)poll(NULL, 0, 5);
	}
	assert_int_equal(status, 0);
}

static void assert_closed_for_ever(const struct place *p)
{
	uint64_t end = now_ms() + PATIENCE_MS;

	/* not by trying: what is put into a directory that is being removed keeps it there */
	while (faccessat(p->node.dir, "dump", F_OK, 0) == 0) {
		assert_true(now_ms() < end);
		(void)poll(NULL, 0, 5);
	}
	assert_int_equal(openat(p->node.dump, "h.p1", O_WRONLY | O_CREAT, 0600), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(openat(p->node.dump, "h", O_WRONLY), -1);
}

static void test_alarm(void **state)
{
	struct guard g = GUARD_INIT;
	struct place p;
	pid_t writer, merger;

	(void)state;
	make(&p);
	writer = hang(&p, "h", O_WRONLY);
	merger = hang(&p, "h.p0", O_RDONLY);
	assert_int_equal(guard_start(&g, &p.proc, &p.fifos, &p.node, &err), 0);
	guard_alarm(&g);
	assert_ends(writer);
	assert_ends(merger);
	assert_closed_for_ever(&p);
	guard_end(&g);
	guard_end(&g);
	unmake(&p);
}

/* Whoever started it is killed. */
static void test_orphan(void **state)
{
	struct place p;
	pid_t owner, writer;

	(void)state;
	make(&p);
	writer = hang(&p, "h", O_WRONLY);
	owner = fork();
	if (owner == 0) {
		struct guard g = GUARD_INIT;

		_exit(guard_start(&g, &p.proc, &p.fifos, &p.node, &err) < 0);
	}
	assert_ends(owner);
	assert_ends(writer);
	assert_closed_for_ever(&p);
	unmake(&p);
}

/* Another one takes its place. */
static void test_killed_guard(void **state)
{
	struct guard g = GUARD_INIT;
	uint64_t end = now_ms() + PATIENCE_MS;
	struct place p;
	pid_t writer, first;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	make(&p);
	writer = hang(&p, "h", O_WRONLY);
	assert_int_equal(guard_start(&g, &p.proc, &p.fifos, &p.node, &err), 0);
	first = g.pid;
	guard_renew(&g, &p.proc, &p.fifos, &p.node);
	assert_int_equal(g.pid, first);
	assert_int_equal(kill(first, SIGKILL), 0);
	while (g.pid == first) {
		assert_true(now_ms() < end);
		guard_renew(&g, &p.proc, &p.fifos, &p.node);
	}
	assert_int_equal(kill(first, 0), -1); /* reaped */
	guard_alarm(&g);
	assert_ends(writer);
	guard_end(&g);
	unmake(&p);
}

static void test_all_is_well(void **state)
{
	struct guard g = GUARD_INIT;
	struct place p;

	(void)state;
	make(&p);
	assert_int_equal(guard_start(&g, &p.proc, &p.fifos, &p.node, &err), 0);
	guard_end(&g);
	assert_int_equal(fifos_check(&p.fifos, 0, &err), 0);
	assert_int_equal(fifos_check(&p.fifos, 1, &err), 0);
	unmake(&p);
}

/* ---- killed for memory ---- */

static void check_oom(const char *line, const char *dir, const char *file)
{
	struct oom_watch w;
	struct procfs p;
	char name[64];

	tempdir_file("7/cgroup", 0600, line);
	mkdir(tempdir_path("cg"), 0700);
	mkdir(tempdir_path(dir), 0700);
	snprintf(name, sizeof(name), "%s/a", dir);
	mkdir(tempdir_path(name), 0700);
	snprintf(name, sizeof(name), "%s/a/%s", dir, file);
	tempdir_file(name, 0600, "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
	assert_int_equal(procfs_open(&p, tempdir), 0);
	oom_watch_open(&w, &p, 7, tempdir_path("cg"));
	assert_true(w.fd >= 0);
	assert_int_equal(w.before, 2);
	assert_false(oom_watch_killed(&w));
	{
		int fd = open(tempdir_path(name), O_WRONLY | O_TRUNC);

		assert_int_equal(write(fd, "oom_kill 3\n", 11), 11);
		close(fd);
	}
	assert_true(oom_watch_killed(&w));
	oom_watch_close(&w);
	oom_watch_open(&w, &p, 8, tempdir_path("cg"));
	assert_false(oom_watch_killed(&w));
	procfs_close(&p);
}

static void test_oom(void **state)
{
	(void)state;
	check_oom("0::/a\n", "cg", "memory.events");
	check_oom("4:memory:/a\n0::/\n", "cg/memory", "memory.oom_control");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_bad_requests),
		cmocka_unit_test_setup_teardown(test_fifos, tempdir_make, tempdir_remove),
		cmocka_unit_test_setup_teardown(test_in_use, tempdir_make, tempdir_remove),
		cmocka_unit_test_setup_teardown(test_replaced, tempdir_make, tempdir_remove),
		cmocka_unit_test_setup_teardown(test_alarm, tempdir_make, tempdir_remove),
		cmocka_unit_test_setup_teardown(test_orphan, tempdir_make, tempdir_remove),
		cmocka_unit_test_setup_teardown(test_killed_guard, tempdir_make, tempdir_remove),
		cmocka_unit_test_setup_teardown(test_all_is_well, tempdir_make, tempdir_remove),
		cmocka_unit_test_setup_teardown(test_oom, tempdir_make, tempdir_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
