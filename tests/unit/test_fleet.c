/* jdiag: records, folding, and workers that reach nobody */
#include "jdiag/fleet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jdiag/fleet_record.h"
#include "jdiag/fold.h"
#include "jdiag/interrupt.h"
#include "jdiag/options.h"
#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/log.h"
#include "tests/unit/server.h"
#include "tests/unit/tempdir.h"

/* ---- records ---- */

static void read_all(int fd, struct buf *b)
{
	*b = BUF_INIT(1 * MiB);
	assert_int_equal(io_read_all(fd, b), 0);
}

static void records_arrive_whole(void **state)
{
	const struct error why = {ERR_SSH, EACCES, "refused \xc3\xa4", "try\nagain"};
	struct fleet_record r;
	struct error got = {0};
	auto_buf struct buf all = {0};
	int p[2];

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(fleet_record_write(p[1], FLEET_CONNECTED, 0, NULL, 0), 0);
	assert_int_equal(fleet_record_write(p[1], FLEET_RESULT, 7, "text\n", 5), 0);
	assert_int_equal(fleet_record_write_error(p[1], FLEET_FAILED, 8, &why), 0);
	assert_int_equal(fleet_record_write(p[1], FLEET_RESULT, 0, "", MAX_FLEET_RECORD + 1),
			 -EFBIG);
	close(p[1]);
	read_all(p[0], &all);
	close(p[0]);

	assert_int_equal(fleet_record_read(&all, &r), 1);
	assert_int_equal(r.kind, FLEET_CONNECTED);
	buf_consume(&all, r.size);
	assert_int_equal(fleet_record_read(&all, &r), 1);
	assert_int_equal(r.target, 7);
	assert_int_equal(r.len, 5);
	assert_memory_equal(r.body, "text\n", 5);
	buf_consume(&all, r.size);
	assert_int_equal(fleet_record_read(&all, &r), 1);
	fleet_record_error(&r, &got);
	assert_int_equal(got.code, why.code);
	assert_int_equal(got.sys, why.sys);
	assert_string_equal(got.msg, why.msg);
	assert_string_equal(got.hint, why.hint);
	/* cut anywhere it is not there yet */
	for (size_t cut = all.len; cut-- > 0;) {
		struct buf part = {.data = all.data, .len = cut};

		assert_int_equal(fleet_record_read(&part, &r), 0);
	}
}

static void nonsense_is_no_record(void **state)
{
	const uint32_t kind[] = {99, 0, 0}, none[] = {0, 0, 0},
		       length[] = {FLEET_RESULT, 0, MAX_FLEET_RECORD + 1};
	const struct fleet_record junk = {.body = "{\"code\": 77", .len = 11};
	const struct fleet_record bad_code = {.body = "{\"code\": 77}", .len = 12};
	struct fleet_record r;
	struct error got = {0};

	(void)state;
	assert_int_equal(
		fleet_record_read(&(struct buf){.data = (char *)kind, .len = sizeof(kind)}, &r),
		-1);
	assert_int_equal(
		fleet_record_read(&(struct buf){.data = (char *)none, .len = sizeof(none)}, &r),
		-1);
	assert_int_equal(
		fleet_record_read(&(struct buf){.data = (char *)length, .len = sizeof(length)}, &r),
		-1);
	fleet_record_error(&junk, &got);
	assert_int_equal(got.code, ERR_FAILED);
	fleet_record_error(&bad_code, &got);
	assert_int_equal(got.code, ERR_FAILED);
}

/* ---- folding ---- */

static void keep(void *ctx, const char *labels, const char *text)
{
	struct buf *b = ctx;

	buf_addf(b, "%s: %s;", labels, text);
}

static void same_texts_are_told_once(void **state)
{
	struct fold *f = fold_new();
	auto_buf struct buf b = BUF_INIT(4096);

	(void)state;
	fold_add(f, "a", "one");
	fold_add(f, "b", "two");
	fold_add(f, "c", "one");
	fold_each(f, keep, &b);
	assert_string_equal(buf_str(&b), "a,c: one;b: two;");
	fold_free(f);
	fold_free(NULL);
}

/* ---- workers ---- */

static int never(void *ctx, struct session *s, const struct selected *t, struct error *err)
{
	(void)ctx;
	(void)s;
	(void)t;
	return error_set(err, ERR_FAILED, "nobody was reached");
}

static const struct fleet_command command = {.work = never};

/* Hosts at these ports of loopback. */
static void hosts(struct selection *s, const uint16_t *ports, size_t n)
{
	*s = (struct selection){.n = n, .n_nodes = n};
	s->targets = xcalloc(n, sizeof(*s->targets));
	s->nodes = xcalloc(n, sizeof(*s->nodes));
	for (size_t i = 0; i < n; i++) {
		struct target *t = &s->targets[i].target;

		t->kind = TARGET_SSH;
		snprintf(t->host, sizeof(t->host), "127.0.0.1");
		t->port = ports[i];
		s->targets[i].label = xasprintf("h%zu", i);
		s->targets[i].node = i;
		s->nodes[i].target = *t;
	}
}

/* What a run writes to stderr; *rc and *err: how it ends. */
static char *told(const struct selection *s, const struct options *o, int *rc, struct error *err)
{
	FILE *tmp = tmpfile();
	int saved = dup(STDERR_FILENO);
	auto_buf struct buf b = BUF_INIT(1 * MiB);

	assert_non_null(tmp);
	assert_true(dup2(fileno(tmp), STDERR_FILENO) >= 0);
	*rc = fleet_run(&command, NULL, o, s, err);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	close(saved);
	assert_int_equal(lseek(fileno(tmp), 0, SEEK_SET), 0);
	assert_int_equal(io_read_all(fileno(tmp), &b), 0);
	fclose(tmp);
	return xstrdup(buf_str(&b));
}

/* A port of loopback where nobody listens. */
static uint16_t closed_port(void)
{
	struct server s = {0};

	server_listen(&s);
	close(s.listener);
	return s.port;
}

static const struct options quietly = {.ssh = SSH_LIBSSH2, .ssh_user = "u", .no_input = true};

static void dead_hosts(void **state)
{
	struct options o = quietly;
	uint16_t ports[12];
	struct selection s;
	struct error err = {0};
	char *text;
	int rc;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++)
		ports[i] = closed_port();
	hosts(&s, ports, ARRAY_SIZE(ports));
	o.connections = 4;
	text = told(&s, &o, &rc, &err);
	assert_int_equal(rc, -1);
	assert_int_equal(err.code, ERR_SSH); /* they agree */
	assert_string_equal(err.msg, "0 done, 12 failed");
	assert_non_null(strstr(text, "h11: "));
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* all are reaped */
	free(text);
	selection_release(&s);
}

/* What is known to be wrong needs no worker; codes that differ are 1. */
static void what_cannot_be_reached(void **state)
{
	uint16_t ports[] = {closed_port(), 1, 1};
	struct selection s;
	struct error err = {0};
	char *text;
	int rc;

	(void)state;
	hosts(&s, ports, ARRAY_SIZE(ports));
	error_set(&s.nodes[1].error, ERR_TARGET, "is Pending");
	error_set(&s.nodes[2].error, ERR_TARGET, "is Pending");
	text = told(&s, &quietly, &rc, &err);
	assert_int_equal(rc, -1);
	assert_int_equal(err.code, ERR_FAILED);
	assert_string_equal(err.msg, "0 done, 3 failed");
	assert_non_null(strstr(text, "jdiag: h1,h2: is Pending\n"));
	free(text);
	selection_release(&s);
}

static void the_time_is_over(void **state)
{
	struct selection s;
	struct server silent = {0};
	struct error err = {0};
	uint16_t ports[3];
	char *text;
	int rc;

	(void)state;
	server_listen(&silent); /* nobody accepts, and nothing is said */
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++)
		ports[i] = silent.port;
	hosts(&s, ports, ARRAY_SIZE(ports));
	interrupt_install();
	interrupt_set_deadline(200);
	text = told(&s, &(struct options){.ssh = SSH_LIBSSH2, .ssh_user = "u", .connections = 2},
		    &rc, &err);
	interrupt_set_deadline(0);
	assert_int_equal(rc, -1);
	assert_int_equal(err.code, ERR_INTERRUPTED);
	assert_non_null(strstr(err.msg, "0 done, 3 not"));
	assert_non_null(strstr(text, "h2: not begun"));
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	free(text);
	selection_release(&s);
	close(silent.listener);
}

static int setup(void **state)
{
	static char home[80];

	if (tempdir_make(state) < 0)
		return -1;
	/* nobody's own keys and settings */
	snprintf(home, sizeof(home), "%s", tempdir);
	setenv("HOME", home, 1);
	unsetenv("SSH_AUTH_SOCK");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_arrive_whole),	    cmocka_unit_test(nonsense_is_no_record),
		cmocka_unit_test(same_texts_are_told_once), cmocka_unit_test(dead_hosts),
		cmocka_unit_test(what_cannot_be_reached),   cmocka_unit_test(the_time_is_over),
	};

	return cmocka_run_group_tests(tests, setup, tempdir_remove);
}
