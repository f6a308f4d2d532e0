/* jdiag: the records of the commands, their help, and the dispatcher */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "jdiag/command.h"
#include "jdiag/interrupt.h"
#include "jdiag/nearest.h"
#include "remote/base/io.h"

static void test_records_are_sound(void **state)
{
	(void)state;
	for (const struct command *const *c = commands; *c; c++) {
		const char *at = (*c)->options, *word;
		size_t len;

		assert_ptr_equal(command_find((*c)->name), *c);
		assert_non_null((*c)->run);
		assert_true((*c)->summary[strlen((*c)->summary) - 1] != '.');
		assert_true(strlen((*c)->summary) <= 65); /* in the list of commands */
		while (at && (word = option_next_word(&at, &len))) {
			auto_free char *name = xstrndup(word, len);
			const struct option_spec *s = option_find(name);

			if (!s || s->group != OPTION_OWN)
				fail_msg("'%s': '%s' is no option of a single command", (*c)->name,
					 name);
		}
		for (const struct command *const *d = c + 1; *d; d++)
			assert_string_not_equal((*c)->name, (*d)->name);
	}
	assert_null(command_find("xyzzy"));
}

/* An option that no command takes is not there (nothing implements it). */
static void test_each_option_has_a_command(void **state)
{
	(void)state;
	for (const struct option_spec *s = option_table; s->name; s++) {
		bool taken = false;

		for (const struct command *const *c = commands; *c; c++)
			taken |= option_taken(s, *c);
		if (!taken)
			fail_msg("no command takes '--%s'", s->name);
	}
}

static void assert_fits(const char *text)
{
	for (const char *p = text; *p;) {
		size_t len = strcspn(p, "\n");

		if (len > 80 || (len && p[len - 1] == ' '))
			fail_msg("line too long or with a blank at its end: '%.*s'", (int)len, p);
		p += len + (p[len] == '\n');
	}
}

/* Is the option described, and not another one that begins in the same way? */
static bool describes(const char *help, const struct option_spec *s)
{
	auto_free char *name = xasprintf("--%s", s->name);

	for (const char *p = help; (p = strstr(p, name)); p++) {
		const char *end = p + strlen(name);

		if (*end == '\n' ||
		    strncmp(end, s->argument ? " " : "  ", s->argument ? 1 : 2) == 0)
			return true;
	}
	return false;
}

static void test_help_fits_and_is_complete(void **state)
{
	auto_free char *all = command_help(NULL);

	(void)state;
	assert_fits(all);
	for (const struct command *const *c = commands; *c; c++) {
		auto_free char *text = command_help(*c);

		assert_fits(text);
		if (!((*c)->flags & CMD_HIDDEN))
			assert_non_null(strstr(all, (*c)->summary));
		for (const struct option_spec *s = option_table; s->name; s++) {
			if (describes(text, s) != option_taken(s, *c))
				fail_msg("help of '%s' and '--%s'", (*c)->name, s->name);
		}
	}
}

static void assert_usage(const char *const *argv, const char *msg, const char *hint)
{
	struct options o = {0};
	struct error err = {0};

	assert_int_equal(command_run((char *const *)argv, &o, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_string_equal(err.msg, msg);
	assert_string_equal(err.hint, hint);
}

static void test_usage_errors(void **state)
{
	(void)state;
	assert_usage((const char *[]){"jdiag", NULL}, "no command given", "see 'jdiag help'");
	assert_usage((const char *[]){NULL}, "no command given", "see 'jdiag help'");
	assert_usage((const char *[]){"jdiag", "verzion", NULL}, "unknown command 'verzion'",
		     "did you mean 'version'?\nsee 'jdiag help'");
	assert_usage((const char *[]){"jdiag", "version", "x", NULL},
		     "'version' takes no argument, not also 'x'", "see 'jdiag help version'");
	assert_usage((const char *[]){"jdiag", "version", "--to", "x", NULL},
		     "'version' does not take '--to'", "see 'jdiag help version'");
	assert_usage((const char *[]){"jdiag", "version", "--timeout", "x", NULL},
		     "bad duration 'x' for '--timeout'",
		     "a duration looks like 30s, 5m or 1h30m\nsee 'jdiag help version'");
	assert_usage((const char *[]){"jdiag", "help", "nope", NULL}, "unknown command 'nope'",
		     "see 'jdiag help'");
	assert_usage((const char *[]){"jdiag", "version", "-o", "http_sd", NULL},
		     "'version' does not take '-o http_sd'",
		     "valid: text, wide, name, json\nsee 'jdiag help version'");
}

static void test_verbs(void **state)
{
	(void)state;
	assert_usage((const char *[]){"jdiag", "exporter", NULL}, "'exporter' needs a verb",
		     "valid: inject status eject\nsee 'jdiag help exporter'");
	assert_usage((const char *[]){"jdiag", "exporter", "web-0", NULL},
		     "'exporter' has no verb 'web-0'",
		     "valid: inject status eject\nsee 'jdiag help exporter'");
	assert_usage((const char *[]){"jdiag", "exporter", "status", NULL},
		     "'exporter' needs a TARGET, or -l SELECTOR, or -A",
		     "see 'jdiag help exporter'");
	assert_usage((const char *[]){"jdiag", "exporter", "status", "web-0", "-A", NULL},
		     "a TARGET and '--all-namespaces' at once: one of them has to go",
		     "see 'jdiag help exporter'");
	assert_usage((const char *[]){"jdiag", "exporter", "eject", "web-0", "--port", "1", NULL},
		     "'exporter eject' does not take '--port'", "it is an option of: inject");
	assert_usage((const char *[]){"jdiag", "ps", "-A", NULL},
		     "'ps' needs a TARGET, or -l SELECTOR", "see 'jdiag help ps'");
}

static const char *nearest(const char *typed, const char *const *known)
{
	struct nearest n;

	nearest_init(&n, typed);
	while (*known)
		nearest_offer(&n, *known++);
	return n.best ? n.best : "";
}

static void test_nearest(void **state)
{
	const char *const known[] = {"heapdump", "ps", "tidy", "version", NULL};

	(void)state;
	assert_string_equal(nearest("heapdmup", known), "heapdump");
	assert_string_equal(nearest("heap", known), "heapdump");
	assert_string_equal(nearest("sp", known), "ps");
	assert_string_equal(nearest("xyzzy", known), "");
	assert_string_equal(nearest("", known), "");
	assert_string_equal(nearest("a-very-long-word-that-nobody-would-ever-type", known), "");
}

/* The deadline and the second Ctrl-C change the process: in a child each. */
static int in_child(int (*body)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(body());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int deadline_passes(void)
{
	uint64_t give_up = now_ms() + 60000;
	struct error err = {0};

	interrupt_install();
	if (interrupted() || interrupt_check(&err) < 0)
		return 1;
	interrupt_set_deadline(20);
	while (!interrupted())
		if (now_ms() > give_up)
			return 2;
	if (interrupt_check(&err) == 0 || err.code != ERR_INTERRUPTED ||
	    !strstr(err.msg, "--timeout"))
		return 3;
	/* the first Ctrl-C while cleaning up after it does not end the process yet */
	raise(SIGINT);
	return 42;
}

static int second_signal_ends(void)
{
	interrupt_install();
	raise(SIGTERM);
	if (!interrupted())
		return 1;
	raise(SIGINT);
	return 2;
}

static int nohup_is_honoured(void)
{
	signal(SIGHUP, SIG_IGN);
	interrupt_install();
	raise(SIGHUP);
	return interrupted() ? 1 : 42;
}

static int hangup_stops(void)
{
	signal(SIGHUP, SIG_DFL);
	interrupt_install();
	raise(SIGHUP);
	return interrupted() ? 42 : 1;
}

static int usr1_asks_once(void)
{
	interrupt_install();
	raise(SIGUSR1);
	return progress_requested() && !progress_requested() && !interrupted() ? 42 : 1;
}

static void test_interruption(void **state)
{
	(void)state;
	assert_int_equal(in_child(deadline_passes), 42);
	assert_int_equal(in_child(second_signal_ends), ERR_INTERRUPTED);
	assert_int_equal(in_child(nohup_is_honoured), 42);
	assert_int_equal(in_child(hangup_stops), 42);
	assert_int_equal(in_child(usr1_asks_once), 42);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records_are_sound),
		cmocka_unit_test(test_each_option_has_a_command),
		cmocka_unit_test(test_help_fits_and_is_complete),
		cmocka_unit_test(test_usage_errors),
		cmocka_unit_test(test_verbs),
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_interruption),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
