/* jdiag */
#include "jdiag/kube/exec_plugin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jdiag/interrupt.h"
#include "jdiag/json.h"
#include "jdiag/kube/resolve.h"
#include "jdiag/rfc3339.h"
#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "tests/unit/deny.h"
#include "tests/unit/tempdir.h"

#define V1 "client.authentication.k8s.io/v1"
#define V1BETA1 "client.authentication.k8s.io/v1beta1"
#define PEM_LINE "-----BEGIN X-----"

static int parse(const char *text, struct exec_credential *c, struct error *err)
{
	*c = (struct exec_credential){0};
	return exec_credential_parse(text, strlen(text), V1, c, err);
}

#define ANSWER(status) "{\"apiVersion\": \"" V1 "\", \"kind\": \"ExecCredential\", " status "}"

static void answers_are_taken_apart(void **state)
{
	struct exec_credential c;
	struct error err = {0};

	(void)state;
	assert_int_equal(parse(ANSWER("\"status\": {\"token\": \"t\", \"expirationTimestamp\": "
				      "\"1970-01-02T00:00:01Z\"}"),
			       &c, &err),
			 0);
	assert_string_equal(secret_str(&c.token), "t");
	assert_int_equal(c.expires, 86401);
	exec_credential_release(&c);
	assert_int_equal(parse(ANSWER("\"status\": {\"clientCertificateData\": \"" PEM_LINE
				      "\", \"clientKeyData\": \"" PEM_LINE "\"}"),
			       &c, &err),
			 0);
	assert_string_equal(secret_str(&c.cert_pem), PEM_LINE);
	assert_string_equal(secret_str(&c.key_pem), PEM_LINE);
	assert_int_equal(c.expires, 0);
	exec_credential_release(&c);
}

static void bad_answers_are_refused_without_quoting(void **state)
{
	static const char *const cases[][2] = {
		{"", "not a JSON object"},
		{"canary", "not a JSON object"},
		{"{\"token\": canary}", "not a JSON object"},
		{"[\"canary\"]", "not a JSON object"},
		{"{\"kind\": \"canary\"}", "kind ExecCredential"},
		{"{\"kind\": \"ExecCredential\", \"apiVersion\": \"" V1BETA1 "\"}", "version"},
		{"{\"kind\": \"ExecCredential\"}", "version"},
		{ANSWER("\"spec\": {}"), "no status"},
		{ANSWER("\"status\": {}"), "neither a token nor"},
		{ANSWER("\"status\": {\"token\": \"\"}"), "neither a token nor"},
		{ANSWER("\"status\": {\"token\": [\"canary\"]}"), "neither a token nor"},
		{ANSWER("\"status\": {\"token\": \"t\", \"clientKeyData\": \"canary\"}"),
		 "only one of"},
		{ANSWER("\"status\": {\"clientCertificateData\": \"canary\", \"clientKeyData\": "
			"\"canary\"}"),
		 "PEM"},
		{ANSWER("\"status\": {\"token\": \"t\", \"expirationTimestamp\": \"canary\"}"),
		 "not a time"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct exec_credential c;
		struct error err = {0};

		assert_int_equal(parse(cases[i][0], &c, &err), -1);
		assert_int_equal(err.code, ERR_API);
		if (!strstr(err.msg, cases[i][1]))
			fail_msg("'%s' lacks '%s'", err.msg, cases[i][1]);
		assert_null(strstr(err.msg, "canary"));
		exec_credential_release(&c);
	}
}

static void times_are_rfc3339(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds;
	} good[] = {{"1970-01-01T00:00:00Z", 0},
		    {"2026-11-21T05:35:00Z", 1795239300},
		    {"2026-11-21T05:35:00.123456Z", 1795239300},
		    {"2026-11-21T07:35:00+02:00", 1795239300},
		    {"2026-11-20T23:05:00-06:30", 1795239300},
		    {"2024-02-29t00:00:00z", 1709164800}};
	static const char *const bad[] = {"",
					  "2026-11-21",
					  "2026-11-21T05:35:00",
					  "2026-11-21T05:35:00Zx",
					  "2026-13-21T05:35:00Z",
					  "2026-00-21T05:35:00Z",
					  "2026-11-32T05:35:00Z",
					  "2026-11-21T24:35:00Z",
					  "2026-11-21T05:60:00Z",
					  "2026-11-21T05:35:00.Z",
					  "2026-11-21T05:35:00+2:00",
					  "+2026-11-21T05:35:00Z",
					  "20261121T053500Z"};
	int64_t t;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_true(rfc3339_to_unix(good[i].text, &t));
		assert_int_equal(t, good[i].seconds);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (rfc3339_to_unix(bad[i], &t))
			fail_msg("'%s' is taken", bad[i]);
}

static struct kube_config config_with(const char *exec)
{
	struct kube_config c = {.user = (char *)"u",
				.server = (char *)"https://api:6443",
				.server_name = (char *)"name",
				.ca_pem = (char *)"-----BEGIN X",
				.exec_dir = tempdir};

	c.exec = json_loads(exec, 0, NULL);
	assert_non_null(c.exec);
	return c;
}

static void entry_is_refused(const char *exec, const char *message)
{
	struct kube_config c = config_with(exec);
	struct error err = {0};

	assert_null(exec_plugin_new(&c, true, &err));
	assert_int_equal(err.code, ERR_USAGE);
	if (!strstr(err.msg, message))
		fail_msg("'%s' lacks '%s'", err.msg, message);
	json_decref(c.exec);
}

static void bad_entries_are_refused(void **state)
{
	(void)state;
	entry_is_refused("{\"command\": \"x\"}", "apiVersion ''");
	entry_is_refused("{\"apiVersion\": \"client.authentication.k8s.io/v1alpha1\"}",
			 "v1alpha1', which is not known");
	entry_is_refused("{\"apiVersion\": \"" V1 "\", \"command\": \"x\"}", "no interactiveMode");
	entry_is_refused("{\"apiVersion\": \"" V1 "\", \"interactiveMode\": \"Sometimes\"}",
			 "not known");
	entry_is_refused("{\"apiVersion\": \"" V1 "\", \"interactiveMode\": \"Always\"}",
			 "needs a terminal");
	entry_is_refused("{\"apiVersion\": \"" V1BETA1 "\"}", "has no command");
	entry_is_refused("{\"apiVersion\": \"" V1BETA1 "\", \"command\": \"x\", \"args\": \"a\"}",
			 "args");
	entry_is_refused("{\"apiVersion\": \"" V1BETA1 "\", \"command\": \"x\", \"args\": [1]}",
			 "args");
	entry_is_refused("{\"apiVersion\": \"" V1BETA1
			 "\", \"command\": \"x\", \"env\": [{\"value\": \"v\"}]}",
			 "without a usable name");
	entry_is_refused("{\"apiVersion\": \"" V1BETA1
			 "\", \"command\": \"x\", \"env\": [{\"name\": \"A=B\"}]}",
			 "without a usable name");
}

/* Run ./plugin with that script and a further member of the exec entry. */
static int run(const char *script, const char *more, char *token, size_t size, struct error *err)
{
	const struct exec_credential *given = NULL;
	char exec[1024];
	struct kube_config c;
	struct exec_plugin *p;
	int rc;

	tempdir_file("plugin", 0700, script);
	snprintf(exec, sizeof(exec),
		 "{\"apiVersion\": \"" V1 "\", \"interactiveMode\": \"Never\", "
		 "\"command\": \"./plugin\"%s}",
		 more);
	c = config_with(exec);
	c.exec_extension = json_pack("{s:i}", "audience", 7);
	p = exec_plugin_new(&c, true, err);
	rc = p ? exec_plugin_get(p, false, &given, err) : -1;
	if (rc == 0)
		snprintf(token, size, "%s", secret_str(&given->token));
	exec_plugin_free(p);
	json_decref(c.exec);
	json_decref(c.exec_extension);
	return rc;
}

/* A script that answers with $T as the token. */
#define GIVE                                                                            \
	"echo '{\"apiVersion\": \"" V1 "\", \"kind\": \"ExecCredential\", \"status\": " \
	"{\"token\": \"'\"$T\"'\"}}'\n"

static void given(const char *script, const char *more, const char *token)
{
	struct error err = {0};
	char got[1024];

	if (run(script, more, got, sizeof(got), &err) != 0)
		fail_msg("%s", err.msg);
	assert_string_equal(got, token);
}

static void plugin_is_no_shell_line(void **state)
{
	(void)state;
	given("#!/bin/sh\nT=\"$#:$1:$2\"\n" GIVE, ", \"args\": [\"a b\", \"$(id);*\"]",
	      "2:a b:$(id);*");
}

static void environment_is_ours_plus_entries(void **state)
{
	(void)state;
	setenv("JDIAG_TEST_A", "ours", 1);
	setenv("JDIAG_TEST_B", "ours", 1);
	given("#!/bin/sh\nT=\"$JDIAG_TEST_A:$JDIAG_TEST_B:$JDIAG_TEST_C\"\n" GIVE,
	      ", \"env\": [{\"name\": \"JDIAG_TEST_B\", \"value\": \"entry\"}, "
	      "{\"name\": \"JDIAG_TEST_C\", \"value\": \"x y\"}]",
	      "ours:entry:x y");
}

static void exec_info_says_what_is_wanted(void **state)
{
	static const char script[] = "#!/bin/sh\n"
				     "T=$(echo \"$KUBERNETES_EXEC_INFO\" | sed 's/\"/#/g')\n" GIVE;

	(void)state;
	given(script, "",
	      "{#kind#:#ExecCredential#,#apiVersion#:#" V1 "#,#spec#:{#interactive#:false}}");
	given(script, ", \"provideClusterInfo\": true",
	      "{#kind#:#ExecCredential#,#apiVersion#:#" V1 "#,#spec#:{#interactive#:false,"
	      "#cluster#:{#server#:#https://api:6443#,#tls-server-name#:#name#,"
	      "#certificate-authority-data#:#LS0tLS1CRUdJTiBY#,#config#:{#audience#:7}}}}");
}

/* row 5, for this child: nothing of ours but 0, 1, 2; from 10 up are the shell's own. And
 * stdin is empty. */
static void descriptors_do_not_leak(void **state)
{
	int fds[5];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = open("/dev/null", O_RDONLY); /* without O_CLOEXEC */
	given("#!/bin/sh\nls /proc/$$/fd > \"${0%/*}/fds\"\nread x\n"
	      "T=$(grep '^.$' \"${0%/*}/fds\" | tr '\\n' ' ')$x\n" GIVE,
	      "", "0 1 2 ");
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

/* interactiveMode Always: the plugin reads what is typed on our terminal. */
static void plugin_may_ask_on_a_terminal(void **state)
{
	static const char exec[] = "{\"apiVersion\": \"" V1 "\", \"interactiveMode\": \"Always\", "
				   "\"command\": \"./plugin\"}";
	struct kube_config c = config_with(exec);
	const struct exec_credential *answer = NULL;
	struct error err = {0};
	struct exec_plugin *p;
	int keep = dup(STDIN_FILENO), terminal = posix_openpt(O_RDWR | O_NOCTTY), end;

	(void)state;
	assert_true(terminal >= 0 && grantpt(terminal) == 0 && unlockpt(terminal) == 0);
	end = open(ptsname(terminal), O_RDWR | O_NOCTTY);
	assert_int_equal(dup2(end, STDIN_FILENO), STDIN_FILENO);
	assert_int_equal(write(terminal, "typed\n", 6), 6);
	tempdir_file("plugin", 0700, "#!/bin/sh\nread T\n" GIVE);
	assert_null(exec_plugin_new(&c, true, &err)); /* --no-input */
	p = exec_plugin_new(&c, false, &err);
	assert_non_null(p);
	if (exec_plugin_get(p, false, &answer, &err) != 0)
		fail_msg("%s", err.msg);
	assert_string_equal(secret_str(&answer->token), "typed");
	dup2(keep, STDIN_FILENO);
	close(keep);
	close(end);
	close(terminal);
	exec_plugin_free(p);
	json_decref(c.exec);
}

static void failure_shows_the_command(void **state)
{
	struct error err = {0};
	char got[64];

	(void)state;
	assert_int_equal(run("#!/bin/sh\necho canary\nexit 3\n",
			     ", \"args\": [\"get\", \"--oidc-client-secret=canary\", \"--token\", "
			     "\"canary\", \"-v\"]",
			     got, sizeof(got), &err),
			 -1);
	assert_int_equal(err.code, ERR_API);
	assert_non_null(strstr(err.msg, "ended with status 3"));
	assert_non_null(strstr(err.msg, "of user 'u'"));
	assert_non_null(strstr(err.hint, "/plugin get --oidc-client-secret=... --token ... -v"));
	assert_null(strstr(err.msg, "canary"));
	assert_null(strstr(err.hint, "canary"));
	assert_int_equal(run("#!/bin/sh\nkill -9 $$\n", "", got, sizeof(got), &err), -1);
	assert_non_null(strstr(err.msg, "ended by signal 9"));
}

static void missing_plugin_says_how_to_install(void **state)
{
	struct kube_config c = config_with("{\"apiVersion\": \"" V1BETA1 "\", \"command\": "
					   "\"jdiag-no-such-plugin\", \"installHint\": "
					   "\"apt install it\\u001b[2J\\nthen log in\"}");
	const struct exec_credential *given_ = NULL;
	struct error err = {0};
	struct exec_plugin *p = exec_plugin_new(&c, true, &err);

	(void)state;
	assert_non_null(p);
	assert_int_equal(exec_plugin_get(p, false, &given_, &err), -1);
	assert_non_null(strstr(err.msg, "cannot run 'jdiag-no-such-plugin': No such file"));
	assert_non_null(strstr(err.hint, "apt install it\\x1b[2J\nthen log in"));
	assert_null(given_);
	exec_plugin_free(p);
	json_decref(c.exec);
}

static void flood_is_bounded(void **state)
{
	struct error err = {0};
	char got[64];

	(void)state;
	assert_int_equal(run("#!/bin/sh\nexec yes\n", "", got, sizeof(got), &err), -1);
	assert_non_null(strstr(err.msg, "writes more than 1048576 bytes"));
}

/* A process that the plugin left behind holds its stdout. */
static void lingering_child_does_not_hold_us(void **state)
{
	uint64_t start = now_ms();

	(void)state;
	given("#!/bin/sh\nT=x\n" GIVE "sleep 200 &\necho $! > \"${0%/*}/left\"\n", "", "x");
	assert_in_range(now_ms() - start, 0, 60000);
}

static void end_left_process(void)
{
	FILE *f = fopen(tempdir_path("left"), "r");
	int pid = 0;

	if (f && fscanf(f, "%d", &pid) == 1 && pid > 1)
		kill(pid, SIGKILL);
	if (f)
		fclose(f);
}

static int teardown(void **state)
{
	end_left_process();
	return tempdir_remove(state);
}

static void lost_status_is_a_failure(void **state)
{
	struct error err = {0};
	char got[64];
	int rc;

	(void)state;
	signal(SIGCHLD, SIG_IGN);
	rc = run("#!/bin/sh\nT=t\n" GIVE "exit 1\n", "", got, sizeof(got), &err);
	signal(SIGCHLD, SIG_DFL);
	assert_int_equal(rc, -1);
	assert_non_null(strstr(err.msg, "cannot tell how"));
}

/* Nothing is killed: there, -1 would be everybody. Whoever kills anything here ends itself only. */
static void failed_fork_kills_nobody(void **state)
{
	int status = 0;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		struct error err = {0};
		char got[64];

		answer_syscall(SYS_kill, SECCOMP_RET_KILL_PROCESS);
		deny_syscall(SYS_clone, EAGAIN);
		_exit(run("#!/bin/sh\n" GIVE, "", got, sizeof(got), &err) == -1 &&
				      strstr(err.msg, "cannot fork")
			      ? 0
			      : 1);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* Last: the interrupt flag stays set. */
static void interrupt_ends_the_plugin(void **state)
{
	struct error err = {0};
	char got[64];

	(void)state;
	interrupt_install();
	assert_int_equal(
		run("#!/bin/sh\nkill -INT $PPID\nexec sleep 60\n", "", got, sizeof(got), &err), -1);
	assert_int_equal(err.code, ERR_INTERRUPTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_are_taken_apart),
		cmocka_unit_test(bad_answers_are_refused_without_quoting),
		cmocka_unit_test(times_are_rfc3339),
		cmocka_unit_test(bad_entries_are_refused),
		cmocka_unit_test(plugin_is_no_shell_line),
		cmocka_unit_test(environment_is_ours_plus_entries),
		cmocka_unit_test(exec_info_says_what_is_wanted),
		cmocka_unit_test(descriptors_do_not_leak),
		cmocka_unit_test(plugin_may_ask_on_a_terminal),
		cmocka_unit_test(failure_shows_the_command),
		cmocka_unit_test(missing_plugin_says_how_to_install),
		cmocka_unit_test(flood_is_bounded),
		cmocka_unit_test(lingering_child_does_not_hold_us),
		cmocka_unit_test(lost_status_is_a_failure),
		cmocka_unit_test(failed_fork_kills_nobody),
		cmocka_unit_test(interrupt_ends_the_plugin),
	};

	if (io_secure_stdio() != 0)
		return 1;
	return cmocka_run_group_tests(tests, tempdir_make, teardown);
}
