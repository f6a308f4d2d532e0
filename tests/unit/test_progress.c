/* jdiag: progress on a terminal, in a file, as JSON lines */
#include <fcntl.h>
#include <jansson.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "jdiag/interrupt.h"
#include "jdiag/json.h"
#include "jdiag/progress.h"

static char captured[65536];

/* What call() writes to fd 2 when that is file; read from the other end (or from the start). */
static const char *capture(int file, int reader, void (*call)(void))
{
	int saved = dup(STDERR_FILENO);
	ssize_t n = 0, got;

	fflush(stderr);
	assert_true(saved >= 0 && dup2(file, STDERR_FILENO) == STDERR_FILENO);
	call();
	fflush(stderr);
	assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	close(saved);
	if (reader == file)
		assert_int_equal(lseek(reader, 0, SEEK_SET), 0);
	else
		assert_int_equal(fcntl(reader, F_SETFL, O_NONBLOCK), 0);
	while ((got = read(reader, captured + n, sizeof(captured) - 1 - (size_t)n)) > 0)
		n += got;
	captured[n] = '\0';
	return captured;
}

static const char *capture_file(void (*call)(void))
{
	FILE *tmp = tmpfile();

	assert_non_null(tmp);
	capture(fileno(tmp), fileno(tmp), call);
	fclose(tmp);
	return captured;
}

static const char *capture_terminal(unsigned short columns, void (*call)(void))
{
	struct winsize w = {.ws_row = 24, .ws_col = columns};
	int master, slave;

	assert_int_equal(openpty(&master, &slave, NULL, NULL, &w), 0);
	setenv("TERM", "xterm", 1);
	capture(slave, master, call);
	close(master);
	close(slave);
	return captured;
}

static void pause_ms(long ms)
{
	const struct timespec t = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&t, NULL);
}

/* One job: a phase without bytes, one with; mode by the caller. */
static void job(enum progress_mode mode, bool quiet, const struct error *err)
{
	struct progress *p = progress_new(mode, quiet);

	progress_phase(p, "attach");
	progress_note(p, "odd name 'a\033b'");
	progress_phase(p, "transfer");
	progress_bytes(p, 0, 4096);
	for (uint64_t i = 1; i <= 3; i++) {
		pause_ms(250);
		progress_bytes(p, i * 1024, 4096);
	}
	progress_end(p, err);
}

static void job_auto(void)
{
	job(PROGRESS_AUTO, false, NULL);
}

static void job_json(void)
{
	job(PROGRESS_JSON, false, NULL);
}

static void job_json_fails(void)
{
	struct error err = {0};

	error_set(&err, ERR_SSH, "cannot connect");
	job(PROGRESS_JSON, false, &err);
	progress_exit_error(&err);
}

static void job_quiet(void)
{
	job(PROGRESS_JSON, true, NULL);
	job(PROGRESS_NONE, false, NULL);
}

static void job_beyond_the_estimate(void)
{
	struct progress *p = progress_new(PROGRESS_PLAIN, false);

	progress_phase(p, "dump");
	raise(SIGUSR1);
	progress_bytes(p, 2048, 1024);
	progress_end(p, NULL);
}

static void job_asked(void)
{
	struct progress *p = progress_new(PROGRESS_PLAIN, false);

	progress_phase(p, "dump");
	raise(SIGUSR1);
	progress_bytes(p, 512, 1024);
	progress_end(p, NULL);
}

static void test_plain_line_per_phase(void **state)
{
	(void)state;
	assert_string_equal(capture_file(job_auto), "jdiag: attach\njdiag: odd name 'a\\x1bb'\n"
						    "jdiag: transfer\n");
}

static void test_terminal_line_is_rewritten(void **state)
{
	const char *end;

	(void)state;
	capture_terminal(80, job_auto);
	assert_non_null(strstr(captured, "jdiag: transfer  1.0 KiB of 4.0 KiB  25%"));
	assert_non_null(strstr(captured, "/s  "));
	assert_non_null(strstr(captured, " left"));
	/* only the note is a line of its own, and it begins on a cleared one */
	assert_ptr_equal(strchr(captured, '\n'), strrchr(captured, '\n'));
	assert_non_null(strstr(captured, "\r\033[Kjdiag: odd name 'a\\x1bb'\r\n"));
	end = captured + strlen(captured) - strlen("\r\033[K");
	assert_string_equal(end, "\r\033[K");
}

static void test_terminal_line_fits(void **state)
{
	(void)state;
	capture_terminal(20, job_auto);
	for (const char *p = captured; *p; p += strcspn(p, "\r\n\033") + 1) {
		if (strncmp(p, "[K", 2) == 0)
			p += 2;
		if (strncmp(p, "jdiag: odd", 10) != 0 && strcspn(p, "\r\n\033") > 19)
			fail_msg("longer than the terminal: '%s'", p);
		if (!p[strcspn(p, "\r\n\033")])
			break;
	}
}

static void test_json_lines(void **state)
{
	char *rest, *line;
	const char *last = "";
	auto_json json_t *all = json_array();
	size_t lines = 0;

	(void)state;
	capture_file(job_json);
	for (rest = captured; (line = strsep(&rest, "\n")) && *line; lines++) {
		json_t *m = json_loads(line, 0, NULL);

		assert_non_null(m);
		json_array_append_new(all, m);
		last = json_str_at(m, "message_type", "");
	}
	assert_true(lines >= 4);
	assert_string_equal(last, "summary");
	assert_string_equal(json_str_at(json_array_get(all, 0), "phase", ""), "attach");
	assert_string_equal(json_str_at(json_array_get(all, 1), "message_type", ""), "notice");
	assert_string_equal(json_str_at(json_array_get(all, 2), "phase", ""), "transfer");
}

static void test_json_failure_is_last(void **state)
{
	const char *last;

	(void)state;
	capture_file(job_json_fails);
	assert_null(strstr(captured, "summary"));
	last = strstr(captured, "{\"message_type\":\"exit_error\"");
	assert_string_equal(last, "{\"message_type\":\"exit_error\",\"code\":5,\"reason\":\"ssh\","
				  "\"message\":\"cannot connect\",\"hint\":\"\"}\n");
}

static void test_quiet_and_none_are_silent(void **state)
{
	(void)state;
	assert_string_equal(capture_file(job_quiet), "");
	progress_end(NULL, NULL);
}

static void test_asked_by_signal(void **state)
{
	(void)state;
	interrupt_install();
	assert_string_equal(capture_file(job_asked),
			    "jdiag: dump\njdiag: dump  512 B of 1.0 KiB  50%\n");
	assert_string_equal(capture_file(job_beyond_the_estimate),
			    "jdiag: dump\njdiag: dump  2.0 KiB\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_line_per_phase),
		cmocka_unit_test(test_terminal_line_is_rewritten),
		cmocka_unit_test(test_terminal_line_fits),
		cmocka_unit_test(test_json_lines),
		cmocka_unit_test(test_json_failure_is_last),
		cmocka_unit_test(test_quiet_and_none_are_silent),
		cmocka_unit_test(test_asked_by_signal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
