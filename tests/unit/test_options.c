/* jdiag: the option table and its parser */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "jdiag/command.h"
#include "jdiag/options.h"
#include "jdiag/session.h"
#include "remote/base/log.h"

#define MAX_WORDS 24

static struct options o;
static char **words;
static struct error err;

static const struct command taker = {
	.name = "taker", .options = "to container", .flags = CMD_ONE_TARGET};
static const struct command lister = {.name = "lister", .flags = CMD_MANY_TARGETS};
static const struct command plain = {.name = "plain"};

/* Parse "prog" and the words of line, separated by blanks. */
static int parse(const char *line)
{
	static char copy[512];
	char *argv[MAX_WORDS] = {(char *)"jdiag"};
	char *rest = copy, *word;
	size_t n = 1;

	free(words);
	words = NULL;
	o = (struct options){0};
	err = (struct error){0};
	assert_true(strlen(line) < sizeof(copy));
	memcpy(copy, line, strlen(line) + 1);
	while ((word = strsep(&rest, " ")) && n < MAX_WORDS - 1)
		argv[n++] = word;
	return options_parse(argv, &o, &words, &err);
}

static void assert_fails(const char *line, const char *msg, const char *hint)
{
	assert_int_equal(parse(line), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_string_equal(err.msg, msg);
	assert_string_equal(err.hint, hint);
}

static int teardown(void **state)
{
	(void)state;
	free(words);
	words = NULL;
	return 0;
}

static void test_table_is_sound(void **state)
{
	(void)state;
	for (const struct option_spec *s = option_table; s->name; s++) {
		bool needs_value = s->kind != OPTION_FLAG && s->kind != OPTION_UNFLAG &&
				   s->kind != OPTION_LEVEL;

		assert_int_equal(needs_value, s->argument != NULL);
		assert_int_equal(s->kind == OPTION_ENUM || s->kind == OPTION_WORD,
				 s->values != NULL);
		assert_true(s->help && *s->help && s->help[strlen(s->help) - 1] != '.');
		assert_ptr_equal(option_find(s->name), s);
		for (const struct option_spec *t = s + 1; t->name; t++) {
			assert_string_not_equal(s->name, t->name);
			assert_true(!s->letter || s->letter != t->letter);
		}
	}
}

static void test_before_and_after_the_words(void **state)
{
	(void)state;
	assert_int_equal(parse("-n shop heapdump --to gs://b/p/ web-0 -q"), 0);
	assert_string_equal(o.namespace_, "shop");
	assert_string_equal(o.to, "gs://b/p/");
	assert_true(o.quiet);
	assert_string_equal(words[0], "heapdump");
	assert_string_equal(words[1], "web-0");
	assert_null(words[2]);
}

static void test_forms_of_values(void **state)
{
	(void)state;
	assert_int_equal(parse("--namespace=a -lapp=x -p=22 -Aqc main --to -"), 0);
	assert_string_equal(o.namespace_, "a");
	assert_string_equal(o.selector, "app=x");
	assert_int_equal(o.ssh_port, 22);
	assert_true(o.all_namespaces && o.quiet);
	assert_string_equal(o.container, "main");
	assert_string_equal(o.to, "-");
}

static void test_double_dash_ends_options(void **state)
{
	(void)state;
	assert_int_equal(parse("ps -- -n --bogus -"), 0);
	assert_null(o.namespace_);
	assert_string_equal(words[1], "-n");
	assert_string_equal(words[2], "--bogus");
	assert_string_equal(words[3], "-");
}

static void test_typed_values(void **state)
{
	(void)state;
	assert_int_equal(parse("--timeout 1m30s --request-timeout 5 --pid 4194304 --host-key "
			       "ignore --ssh openssh "
			       "--sudo never -o json --progress plain --node-address external "
			       "--format hprof.zst --redact strings"),
			 0);
	assert_int_equal(o.timeout_ms, 90000);
	assert_int_equal(o.request_timeout_ms, 5000);
	assert_int_equal(o.host_pid, 4194304);
	assert_string_equal(o.host_key, "ignore");
	assert_int_equal(o.ssh, SSH_OPENSSH);
	assert_int_equal(o.sudo, SUDO_NEVER);
	assert_int_equal(o.output, OUTPUT_JSON);
	assert_int_equal(o.progress, PROGRESS_PLAIN);
	assert_string_equal(o.node_address, "external");
	assert_string_equal(o.format, "hprof.zst");
	assert_string_equal(o.redact, "strings");
}

static void test_last_one_wins(void **state)
{
	(void)state;
	assert_int_equal(parse("-n a -n b --all-objects --live"), 0);
	assert_string_equal(o.namespace_, "b");
	assert_false(o.all_objects);
	assert_int_equal(parse("--quiet --quiet=false --all-objects"), 0);
	assert_false(o.quiet);
	assert_true(o.all_objects);
}

static void test_verbosity(void **state)
{
	(void)state;
	assert_int_equal(parse("-v"), 0);
	assert_int_equal(o.verbose, LOG_NOTICE);
	assert_int_equal(parse("-vv"), 0);
	assert_int_equal(o.verbose, LOG_STEP);
	assert_int_equal(parse("-v -v --verbose"), 0);
	assert_int_equal(o.verbose, LOG_DEBUG);
	assert_int_equal(parse("-v=9 ps"), 0);
	assert_int_equal(o.verbose, 9);
	assert_int_equal(parse("-v2"), 0);
	assert_int_equal(o.verbose, 2);
	assert_int_equal(parse("--verbose=4"), 0);
	assert_int_equal(o.verbose, 4);
	assert_fails("-v=10", "bad level '10' for '-v'", "a level is a number from 0 to 9");
}

static void test_identities_add_up(void **state)
{
	(void)state;
	assert_int_equal(parse("-i a --identity b -ic"), 0);
	assert_string_equal(o.identities[0], "a");
	assert_string_equal(o.identities[2], "c");
	assert_null(o.identities[3]);
	assert_fails("-i1 -i2 -i3 -i4 -i5 -i6 -i7 -i8 -i9 -ia -ib -ic -id -ie -if -ig -ih",
		     "too many '-i': at most 16", "");
}

static void test_unknown(void **state)
{
	(void)state;
	assert_fails("--namspace x", "unknown option '--namspace'", "did you mean '--namespace'?");
	assert_fails("--name x", "unknown option '--name'", "did you mean '--namespace'?");
	assert_fails("--xyzzy", "unknown option '--xyzzy'", "");
	assert_fails("-qZ", "unknown option '-Z' in '-qZ'", "");
	assert_fails("--=x", "unknown option '--'", "");
}

static void test_values_that_are_missing_or_wrong(void **state)
{
	(void)state;
	assert_fails("ps -n", "'-n' needs a value: NAME", "");
	assert_fails("--to", "'--to' needs a value: DEST", "");
	assert_fails("--to=", "'--to' needs a value: DEST", "");
	assert_fails("--timeout 5x", "bad duration '5x' for '--timeout'",
		     "a duration looks like 30s, 5m or 1h30m");
	assert_fails("--timeout -5", "bad duration '-5' for '--timeout'",
		     "a duration looks like 30s, 5m or 1h30m");
	assert_fails("-p 65536", "bad port '65536' for '-p'", "a port is a number from 1 to 65535");
	assert_fails("--pid 0", "bad pid '0' for '--pid'", "a pid is a number from 1 to 4194304");
	assert_fails("-o yaml", "bad value 'yaml' for '-o'",
		     "valid: text, wide, name, json, file_sd, http_sd");
	assert_fails("--sudo=alway", "bad value 'alway' for '--sudo'",
		     "valid: auto, always, never");
	assert_fails("--quiet=maybe", "bad value 'maybe' for '--quiet'", "valid: true, false");
	assert_fails("--node-address x", "bad value 'x' for '--node-address'",
		     "valid: internal, external, hostname, gce-internal, gce-external, or a "
		     "template like {name}.{zone}.c.{project}.internal");
	assert_fails("--node-address {name}.{cluster}",
		     "--node-address '{name}.{cluster}': there is no '{cluster}'",
		     "valid: {name}, {hostname}, {zone}, {region}, {project}, and letters, digits, "
		     "'.', '_' and '-', '-' not first");
}

static void test_control_characters_are_escaped(void **state)
{
	(void)state;
	assert_fails("--\033[2J", "unknown option '--\\x1b[2J'", "");
	assert_fails("--timeout \a", "bad duration '\\x07' for '--timeout'",
		     "a duration looks like 30s, 5m or 1h30m");
}

static void test_who_takes_what(void **state)
{
	(void)state;
	assert_true(option_taken(option_find("to"), &taker));
	assert_true(option_taken(option_find("container"), &taker));
	assert_false(option_taken(option_find("force"), &taker));
	assert_false(option_taken(option_find("to"), &lister));
	assert_true(option_taken(option_find("selector"), &lister));
	assert_false(option_taken(option_find("selector"), &taker));
	assert_true(option_taken(option_find("namespace"), &taker));
	assert_true(option_taken(option_find("sudo"), &lister));
	assert_false(option_taken(option_find("sudo"), &plain));
	assert_true(option_taken(option_find("output"), &plain));
	assert_false(option_taken(option_find("to"), NULL));
	assert_true(option_taken(option_find("sudo"), NULL));
}

static void test_given(void **state)
{
	(void)state;
	assert_int_equal(parse("exporter inject web-0 --port 9404-9499 --version=false"), 0);
	assert_string_equal(o.ports, "9404-9499");
	for (const struct option_spec *s = option_table; s->name; s++)
		assert_int_equal(option_given(&o, s),
				 strcmp(s->name, "port") == 0 || strcmp(s->name, "version") == 0);
}

static void test_environment(void **state)
{
	(void)state;
	setenv("JDIAG_SSH_USER", "ops", 1);
	setenv("JDIAG_SSH_PORT", "2222", 1);
	setenv("JDIAG_IDENTITY", "/k", 1);
	setenv("JDIAG_CONTEXT", "", 1);
	setenv("JDIAG_FORCE", "1", 1);
	setenv("JDIAG_NO_INPUT", "1", 1);
	assert_int_equal(parse("-p 22 ps x"), 0);
	assert_int_equal(options_from_environment(&o, &taker, &err), 0);
	assert_string_equal(o.ssh_user, "ops");
	assert_int_equal(o.ssh_port, 22); /* the command line wins */
	assert_string_equal(o.identities[0], "/k");
	assert_null(o.context);
	assert_false(o.force); /* a decision for one run */
	assert_true(o.no_input);

	assert_int_equal(parse("-i /mine ps x"), 0);
	assert_int_equal(options_from_environment(&o, &taker, &err), 0);
	assert_string_equal(o.identities[0], "/mine");
	assert_null(o.identities[1]);

	setenv("JDIAG_SSH_PORT", "ssh", 1);
	assert_int_equal(parse("ps x"), 0);
	assert_int_equal(options_from_environment(&o, &plain, &err), 0); /* not taken: not read */
	assert_int_equal(options_from_environment(&o, &taker, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_string_equal(err.msg, "bad port 'ssh' for 'JDIAG_SSH_PORT'");
}

/* Given on the command line, of the cluster and of SSH; what comes from elsewhere is there again.
 */
static void test_way(void **state)
{
	char *way;

	(void)state;
	assert_int_equal(
		parse("--context prod --kubeconfig /a/$HOME -i k1 -i it's -p 2022 --host-key "
		      "accept-new --sudo always --to x --timeout 5s --ssh-user me"),
		0);
	o.as = "nobody";
	way = options_way(&o);
	assert_string_equal(way,
			    " --context prod --kubeconfig '/a/$HOME' --ssh-user me --identity k1 "
			    "--identity 'it'\\''s' --ssh-port 2022 --host-key accept-new "
			    "--sudo always");
	free(way);
	assert_int_equal(parse("--to x -q"), 0);
	way = options_way(&o);
	assert_string_equal(way, "");
	free(way);
}

static void check_node(const struct session *s, const char *expected)
{
	char *target = session_node_target(s);

	assert_string_equal(target, expected);
	free(target);
}

static void test_node_target(void **state)
{
	struct session s = {.node = "10.0.0.7", .port = 2022, .user = "admin"};

	(void)state;
	check_node(&s, "ssh://admin@10.0.0.7:2022");
	s = (struct session){.node = "fd00::7", .port = 22};
	check_node(&s, "ssh://[fd00::7]:22");
	s = (struct session){.node = "host"};
	check_node(&s, "ssh://host");
	s.kube = (struct kube *)&s;
	check_node(&s, "node/host");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_way),
		cmocka_unit_test(test_node_target),
		cmocka_unit_test(test_table_is_sound),
		cmocka_unit_test(test_before_and_after_the_words),
		cmocka_unit_test(test_forms_of_values),
		cmocka_unit_test(test_double_dash_ends_options),
		cmocka_unit_test(test_typed_values),
		cmocka_unit_test(test_last_one_wins),
		cmocka_unit_test(test_verbosity),
		cmocka_unit_test(test_identities_add_up),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_values_that_are_missing_or_wrong),
		cmocka_unit_test(test_control_characters_are_escaped),
		cmocka_unit_test(test_who_takes_what),
		cmocka_unit_test(test_given),
		cmocka_unit_test(test_environment),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
