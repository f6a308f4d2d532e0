/* remote */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "tests/unit/spools.h"

#define OTHER "{\"version\":2,\"program\":\"jdiag-helper 9.0\""

static struct error err;

static struct spool find(const char *id)
{
	struct spool s = SPOOL_INIT;

	if (spool_find(id, &s, &err) < 0)
		fail_msg("%s", err.msg);
	return s;
}

static void test_find_and_load(void **state)
{
	struct nodedir n = spools_make(ID);
	struct spool s = find(ID), none;
	struct spool_state got;

	(void)state;
	assert_string_equal(s.id, ID);
	assert_string_equal(s.path, n.path);
	assert_true(s.alive && spool_exists(&s));
	assert_int_equal(spool_load(&s, &got, &err), -1);
	assert_int_equal(err.sys, ENOENT);
	assert_int_equal(err.code, ERR_NODE);
	assert_int_equal(spool_phase(&s), SPOOL_STARTING);
	spools_save_phase(&n, SPOOL_DUMP);
	assert_int_equal(spool_phase(&s), SPOOL_DUMP);
	assert_int_equal(faccessat(n.dir, "state.new", F_OK, 0), -1);
	fd_close(&n.lock);
	assert_false(spool_alive(&s));
	assert_int_equal(spool_find("fedcba9876543210", &none, &err), -1);
	assert_int_equal(err.code, ERR_TARGET);
	assert_int_equal(spool_find("../" ID, &none, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	spools_remove(&n);
	assert_false(spool_exists(&s));
	spool_close(&s);
}

static void test_state_that_is_none(void **state)
{
	static const char *const bad[] = {"", "[]", "{", "{}", "{\"version\":1}"};
	struct nodedir n = spools_make(ID);
	struct spool s = find(ID);
	struct spool_state got;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		unlinkat(n.dir, "state", 0);
		spools_write(&n, "state", bad[i], strlen(bad[i]));
		assert_int_equal(spool_load(&s, &got, &err), -1);
		assert_int_equal(err.code, ERR_NODE);
	}
	unlinkat(n.dir, "state", 0);
	assert_int_equal(mkfifoat(n.dir, "state", 0600), 0);
	assert_int_equal(spool_load(&s, &got, &err), -1);
	spool_close(&s);
	spools_remove(&n);
}

/* ---- what a sweep keeps ---- */

static const char *reason(void)
{
	struct spool s = find(ID);
	const char *r = spool_keep_reason(&s);

	spool_close(&s);
	return r;
}

/* The last state of a dump is saved all the same. */
static void test_full_disk(void **state)
{
	struct nodedir n = NODEDIR_INIT;
	struct spool s;
	struct stat st;
	int fd;

	(void)state;
	assert_int_equal(mount("none", BASE, "tmpfs", 0, "size=1m"), 0);
	n = spools_make(ID);
	s = find(ID);
	spools_save_phase(&n, SPOOL_DUMP);
	spool_reserve(n.dir);
	assert_int_equal(fstatat(n.dir, "spare", &st, 0), 0);
	fd = openat(n.dir, "data.0", O_WRONLY | O_CREAT, 0600);
	while (write(fd, BASE, 4) > 0)
		;
	close(fd);
	spools_save_phase(&n, SPOOL_SPOOL);
	assert_int_equal(spool_phase(&s), SPOOL_SPOOL);
	assert_int_equal(fstatat(n.dir, "spare", &st, 0), -1);
	spool_close(&s);
	spools_remove(&n);
	assert_int_equal(umount2(BASE, MNT_DETACH), 0);
}

static void test_keep_reason(void **state)
{
	struct nodedir n = spools_make(ID);
	struct spool_state s = spools_state(SPOOL_COMPLETE);

	(void)state;
	assert_string_equal(reason(), "in use by a running helper"); /* without a state */
	spools_save_phase(&n, SPOOL_DUMP);
	assert_string_equal(reason(), "in use by a running helper");
	spools_save_phase(&n, SPOOL_FAILED);
	assert_string_equal(reason(), SPOOL_KEPT_FAILED); /* by its keeper */
	spools_save(&n, &s);
	assert_string_equal(reason(), SPOOL_KEPT_FINISHED);
	s.expires = time(NULL);
	spools_save(&n, &s);
	assert_string_equal(reason(), SPOOL_KEPT_FINISHED); /* by its keeper */
	fd_close(&n.lock);
	assert_null(reason());
	s.expires = time(NULL) + 1000;
	spools_save(&n, &s);
	assert_string_equal(reason(), SPOOL_KEPT_FINISHED);
	spools_save_phase(&n, SPOOL_DUMP);
	assert_null(reason());
	spools_save_phase(&n, SPOOL_FAILED);
	assert_null(reason());
	unlinkat(n.dir, "state", 0);
	assert_null(reason());
	spools_remove(&n);
}

static void test_keep_other_version(void **state)
{
	static const char *const lapsed[] = {OTHER "}", OTHER ",\"expires\":1}"};
	struct nodedir n = spools_make(ID);

	(void)state;
	spools_write(&n, "state", OTHER ",\"expires\":99999999999}",
		     strlen(OTHER ",\"expires\":99999999999}"));
	assert_string_equal(reason(), "in use by a running helper");
	fd_close(&n.lock);
	assert_string_equal(reason(), SPOOL_KEPT_OTHER);
	for (size_t i = 0; i < ARRAY_SIZE(lapsed); i++) {
		unlinkat(n.dir, "state", 0);
		spools_write(&n, "state", lapsed[i], strlen(lapsed[i]));
		assert_null(reason());
	}
	spools_remove(&n);
}

/* Its time has passed while somebody reads it: not in the middle. */
static void test_keep_while_it_is_read(void **state)
{
	struct nodedir n = spools_make(ID);
	struct spool_state s = spools_state(SPOOL_COMPLETE);
	struct spool found = find(ID);
	struct spool_reader *a = spool_reader_new(&found, &err),
			    *b = spool_reader_new(&found, &err);

	(void)state;
	s.expires = 1;
	spools_save(&n, &s);
	fd_close(&n.lock);
	assert_non_null(a);
	assert_non_null(b);
	assert_string_equal(reason(), SPOOL_KEPT_FINISHED);
	spool_reader_free(a);
	assert_false(spool_expired(n.dir, &s));
	spool_reader_free(b);
	assert_true(spool_expired(n.dir, &s));
	assert_null(reason());
	spool_close(&found);
	spools_remove(&n);
}

struct told {
	int removed, kept;
};

static void tell(void *ctx, const char *path, const char *kept)
{
	struct told *t = ctx;

	assert_string_equal(path, BASE "/" JDIAG_PREFIX ID);
	*(kept ? &t->kept : &t->removed) += 1;
}

static void sweep(bool dry, bool finished, int removed, int kept)
{
	struct told t = {0};

	spool_sweep(dry, finished, tell, &t);
	assert_int_equal(t.removed, removed);
	assert_int_equal(t.kept, kept);
}

static void test_sweep(void **state)
{
	struct nodedir n = spools_make(ID);

	(void)state;
	sweep(false, true, 0, 1); /* alive */
	spools_save_phase(&n, SPOOL_SPOOL);
	sweep(false, true, 0, 1);
	spools_save_phase(&n, SPOOL_COMPLETE);
	sweep(false, false, 0, 1);
	sweep(true, true, 1, 0);
	assert_int_equal(access(n.path, F_OK), 0);
	sweep(false, true, 1, 0);
	assert_int_equal(access(n.path, F_OK), -1);
	sweep(false, true, 0, 0);
	spools_remove(&n);
	n = spools_make(ID);
	spools_save_phase(&n, SPOOL_FAILED);
	sweep(false, false, 0, 1);
	sweep(false, true, 1, 0);
	spools_remove(&n);
	n = spools_make(ID);
	fd_close(&n.lock);
	sweep(false, false, 1, 0);
	spools_remove(&n);
}

/* ---- all of them ---- */

struct seen {
	int known, unknown;
	char text[512];
};

static int see(void *ctx, const struct spool *s, const struct spool_state *st,
	       const struct error *e)
{
	struct seen *seen = ctx;

	assert_true(!st == !!e);
	assert_true(spool_id_is(s->id));
	*(st ? &seen->known : &seen->unknown) += 1;
	if (e)
		snprintf(seen->text, sizeof(seen->text), "%s", e->msg);
	return 0;
}

static void test_each(void **state)
{
	struct nodedir a = spools_make(ID), b = spools_make("fedcba9876543210");
	struct seen seen = {0};

	(void)state;
	assert_int_equal(mkdir(BASE "/.jdiag-00112233445566aa", 0700), 0); /* no spool */
	spools_save_phase(&a, SPOOL_DUMP);
	spools_write(&b, "state", OTHER "}", strlen(OTHER "}"));
	assert_int_equal(spool_each(see, &seen), 0);
	assert_int_equal(seen.known, 1);
	assert_int_equal(seen.unknown, 1);
	assert_non_null(strstr(seen.text, "version 2"));
	assert_int_equal(rmdir(BASE "/.jdiag-00112233445566aa"), 0);
	spools_remove(&a);
	spools_remove(&b);
}

/* ---- removing ---- */

static void test_remove(void **state)
{
	static const enum spool_phase under_way[] = {SPOOL_STARTING, SPOOL_ATTACH, SPOOL_DUMP,
						     SPOOL_SPOOL};
	struct nodedir n = spools_make(ID);
	struct spool s = find(ID);

	(void)state;
	assert_int_equal(spool_remove(&s, &err), -1); /* no state yet */
	assert_int_equal(err.code, ERR_REFUSED);
	for (size_t i = 0; i < ARRAY_SIZE(under_way); i++) {
		spools_save_phase(&n, under_way[i]);
		assert_int_equal(spool_remove(&s, &err), -1);
		assert_int_equal(err.code, ERR_REFUSED);
	}
	spools_save_phase(&n, SPOOL_COMPLETE); /* its keeper lives */
	assert_int_equal(spool_remove(&s, &err), 0);
	assert_int_equal(access(n.path, F_OK), -1);
	assert_int_equal(s.dir, -1);
	spools_remove(&n);
	n = spools_make(ID);
	s = find(ID);
	fd_close(&n.lock);
	assert_int_equal(spool_remove(&s, &err), 0); /* dead, whatever it was at */
	assert_int_equal(access(n.path, F_OK), -1);
	spools_remove(&n);
}

/* A capture process; with tidy it removes its directory when it is asked to stop. */
static pid_t capture(struct nodedir *n, bool tidy)
{
	struct procfs p;
	char byte = 'x';
	int ready[2];
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	*n = spools_make(ID);
	spools_save_phase(n, SPOOL_DUMP);
	pid = fork();
	if (!pid) {
		sigset_t set;
		int sig;

		sigemptyset(&set);
		sigaddset(&set, SIGTERM);
		if (procfs_open(&p, NULL) < 0 || nodedir_note_pid(n, &p, &err) < 0 ||
		    sigprocmask(SIG_BLOCK, &set, NULL) < 0 || write(ready[1], &byte, 1) != 1 ||
		    sigwait(&set, &sig) != 0)
			_exit(1);
		_exit(tidy && nodedir_remove(n, &err) < 0 ? 2 : 0);
	}
	close(ready[1]);
	fd_close(&n->lock);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static int end_it(struct spool_ending *e)
{
	uint64_t deadline = now_ms() + 60000;
	int rc;

	while ((rc = spool_ending_step(e, &err)) == 0 && now_ms() < deadline)
		usleep(1000);
	return rc;
}

/* It removes its spool itself, or it dies without: nothing is left either way. */
static void test_ending(void **state)
{
	struct spool_ending e;
	struct nodedir n;
	int status;
	pid_t pid;

	(void)state;
	for (int tidy = 0; tidy < 2; tidy++) {
		pid = capture(&n, tidy);
		assert_int_equal(spool_ending_start(&e, ID, false, &err), 0);
		if (end_it(&e) != 1)
			fail_msg("%s", err.msg);
		spool_ending_release(&e);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		assert_int_equal(access(n.path, F_OK), -1);
		spools_remove(&n);
	}
	assert_int_equal(spool_ending_start(&e, ID, true, &err), -1);
	assert_int_equal(err.code, ERR_TARGET);
}

static void test_ending_what_is_finished(void **state)
{
	struct nodedir n = spools_make(ID);
	struct spool_ending e;

	(void)state;
	spools_save_phase(&n, SPOOL_COMPLETE);
	assert_int_equal(spool_ending_start(&e, ID, false, &err), 0);
	assert_int_equal(spool_ending_step(&e, &err), -1);
	assert_int_equal(err.code, ERR_FAILED);
	spool_ending_release(&e);
	assert_int_equal(access(n.path, F_OK), 0);
	assert_int_equal(spool_ending_start(&e, ID, true, &err), 0);
	assert_int_equal(spool_ending_step(&e, &err), 1);
	spool_ending_release(&e);
	assert_int_equal(access(n.path, F_OK), -1);
	spools_remove(&n);
}

/* ---- following ---- */

/* Nothing is new, unless we were held up for so long that it is read again whatever has changed. */
static void assert_as_before(struct spool_follow *f)
{
	uint64_t start;
	int rc;

	do {
		start = f->loaded = now_ms();
		rc = spool_follow_look(f, &err);
	} while (rc == 1 && now_ms() - start >= 1000);
	assert_int_equal(rc, 0);
}

static void test_follow(void **state)
{
	struct nodedir n = spools_make(ID);
	struct spool_state s = spools_state(SPOOL_ATTACH);
	struct spool_follow f;

	(void)state;
	assert_int_equal(spool_follow_start(&f, ID, &err), 0);
	assert_int_equal(spool_follow_look(&f, &err), 0); /* no state yet */
	assert_int_equal(f.state.phase, SPOOL_STARTING);
	spools_save(&n, &s);
	assert_int_equal(spool_follow_look(&f, &err), 1);
	assert_int_equal(f.state.phase, SPOOL_ATTACH);
	assert_as_before(&f);
	s.raw = 5;
	spools_save(&n, &s);
	assert_int_equal(spool_follow_look(&f, &err), 1);
	assert_int_equal(f.state.raw, 5);
	spools_save_phase(&n, SPOOL_COMPLETE);
	assert_int_equal(spool_follow_look(&f, &err), 1);
	assert_int_equal(spool_follow_look(&f, &err), 0);
	fd_close(&n.lock); /* the keeper's end is no failure */
	assert_int_equal(spool_follow_look(&f, &err), 0);
	spools_remove(&n);
	assert_int_equal(spool_follow_look(&f, &err), -1);
	assert_int_equal(err.code, ERR_CAPTURE);
	spool_follow_release(&f);
}

static void test_follow_a_failure(void **state)
{
	struct nodedir n = spools_make(ID);
	struct spool_follow f;

	(void)state;
	spools_save_phase(&n, SPOOL_DUMP);
	assert_int_equal(spool_follow_start(&f, ID, &err), 0);
	assert_int_equal(spool_follow_look(&f, &err), 1);
	spools_save_phase(&n, SPOOL_FAILED);
	fd_close(&n.lock); /* its own error is the better one */
	assert_int_equal(spool_follow_look(&f, &err), -1);
	assert_string_equal(err.msg, "the JVM has ended");
	spool_follow_release(&f);
	spools_remove(&n);
}

/* In every phase, also before its first state. */
static void test_follow_what_is_killed(void **state)
{
	struct spool_follow f;
	struct nodedir n;

	(void)state;
	for (int phase = -1; phase < SPOOL_COMPLETE; phase++) {
		n = spools_make(ID);
		if (phase >= 0)
			spools_save_phase(&n, (enum spool_phase)phase);
		assert_int_equal(spool_follow_start(&f, ID, &err), 0);
		assert_int_equal(spool_follow_look(&f, &err), phase >= 0);
		fd_close(&n.lock);
		assert_int_equal(spool_follow_look(&f, &err), -1);
		assert_int_equal(err.code, ERR_CAPTURE);
		assert_string_equal(err.msg, "the capture process was killed");
		assert_non_null(strstr(err.hint, "jdiag tidy"));
		spool_follow_release(&f);
		spools_remove(&n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find_and_load),
		cmocka_unit_test(test_state_that_is_none),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_keep_reason),
		cmocka_unit_test(test_keep_other_version),
		cmocka_unit_test(test_keep_while_it_is_read),
		cmocka_unit_test(test_sweep),
		cmocka_unit_test(test_each),
		cmocka_unit_test(test_remove),
		cmocka_unit_test(test_ending),
		cmocka_unit_test(test_ending_what_is_finished),
		cmocka_unit_test(test_follow),
		cmocka_unit_test(test_follow_a_failure),
		cmocka_unit_test(test_follow_what_is_killed),
	};

	return cmocka_run_group_tests(tests, spools_own_bases, NULL);
}
