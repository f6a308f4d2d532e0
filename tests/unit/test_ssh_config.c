/* jdiag: the settings of a connection: what `ssh -G` prints, jump hosts, tokens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "jdiag/ssh/child.h"
#include "jdiag/ssh/config.h"
#include "jdiag/ssh/config_dump.h"
#include "jdiag/ssh/config_tokens.h"
#include "remote/base/buf.h"
#include "remote/base/io.h"
#include "tests/unit/tempdir.h"

/* A client that shows its arguments as it got them, then what stands in the file beside it. */
static const char fake_client[] = "#!/bin/sh\n"
				  "d=${0%/*}\n"
				  "printf '[%s]' \"$@\" >\"$d/arguments\"\n"
				  "cat \"$d/errors\" >&2\n"
				  "cat \"$d/answer\"\n"
				  "exit \"$(cat \"$d/status\")\"\n";

static void client_says(const char *answer, const char *errors, const char *status)
{
	tempdir_file("bin/ssh", 0755, fake_client);
	tempdir_file("bin/answer", 0644, answer);
	tempdir_file("bin/errors", 0644, errors);
	tempdir_file("bin/status", 0644, status);
}

static const char *client_got(void)
{
	static char text[1024];
	auto_fd int fd = open(tempdir_path("bin/arguments"), O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static int group_setup(void **state)
{
	char path[256];

	if (tempdir_make(state) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/bin:%s", tempdir, getenv("PATH"));
	setenv("PATH", path, 1);
	setenv("HOME", tempdir, 1);
	unsetenv("SSH_AUTH_SOCK");
	return 0;
}

static const char *files_of(char *const *list)
{
	static char text[2048];
	size_t n = 0;

	text[0] = '\0';
	for (size_t i = 0; list && list[i]; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i ? " " : "", list[i]);
	return text;
}

static void loaded(struct ssh_config *c, const struct ssh_options *o, const char *answer)
{
	struct error err = {0};

	client_says(answer, "", "0");
	if (ssh_config_load(c, o, &err) < 0)
		fail_msg("%s", err.msg);
	assert_true(c->from_ssh);
}

static void refused(const struct ssh_options *o, const char *answer, enum err_code code,
		    const char *says)
{
	struct ssh_config c = {0};
	struct error err = {0};

	client_says(answer, "", "0");
	assert_int_equal(ssh_config_load(&c, o, &err), -1);
	if (err.code != code || !strstr(err.msg, says))
		print_message("%d: %s\n", err.code, err.msg);
	assert_int_equal(err.code, code);
	assert_non_null(strstr(err.msg, says));
	assert_null(strpbrk(err.msg, "\x1b\n"));
	assert_null(c.host_name);
}

#define CLEAN auto_cleanup(ssh_config_release)

static void every_value(void **state)
{
	CLEAN struct ssh_config c = {0};
	const struct ssh_options o = {.host = "web"};

	(void)state;
	loaded(&c, &o,
	       "user deploy\nhostname web-1.example\nport 2222\nidentitiesonly yes\n"
	       "identityfile /keys/%h-%r\nidentityfile /keys/second\n"
	       "userknownhostsfile /k/one /k/two\nglobalknownhostsfile /etc/three\n"
	       "hostkeyalias compute.7\nstricthostkeychecking accept-new\n"
	       "proxycommand connect %h %p %r %n 100%%\nconnecttimeout 7\n"
	       "serveraliveinterval 20\nserveralivecountmax 4\nidentityagent none\n"
	       "compression no\nsomethingnew \x01\n");
	assert_string_equal(c.host_name, "web-1.example");
	assert_string_equal(c.user, "deploy");
	assert_int_equal(c.port, 2222);
	assert_string_equal(files_of(c.identities), "/keys/web-1.example-deploy /keys/second");
	assert_true(c.identities_only);
	assert_false(c.identities_default);
	assert_string_equal(files_of(c.known_hosts), "/k/one /k/two /etc/three");
	assert_string_equal(c.host_key_alias, "compute.7");
	assert_int_equal(c.host_keys, HOST_KEY_ACCEPT_NEW);
	assert_string_equal(c.proxy_command, "connect web-1.example 2222 deploy web 100%");
	assert_int_equal(c.connect_timeout_ms, 7000);
	assert_int_equal(c.alive_interval_s, 20);
	assert_int_equal(c.alive_count_max, 4);
	assert_string_equal(c.agent, "");
	assert_null(c.beyond);
	assert_int_equal(c.n_jumps, 0);
}

static void options_win(void **state)
{
	CLEAN struct ssh_config c = {0};
	static const char *const keys[] = {"/my/key", NULL}, *const extra[] = {"A=b", "C=d", NULL};
	const struct ssh_options o = {.host = "web",
				      .port = 2200,
				      .user = "me",
				      .identities = keys,
				      .config_file = "/some/file",
				      .extra = extra,
				      .jumps = "a@b:7,c",
				      .host_key_alias = "alias",
				      .known_hosts = "/my/known",
				      .host_keys_given = true,
				      .host_keys = HOST_KEY_STRICT,
				      .connect_timeout_ms = 1234};

	(void)state;
	loaded(&c, &o,
	       "hostname 10.0.0.1\nuser other\nport 22\nidentityfile /x\nhostkeyalias y\n"
	       "userknownhostsfile /z\nstricthostkeychecking no\nproxyjump q\nconnecttimeout 9\n");
	assert_string_equal(client_got(), "[-T][-G][-F][/some/file][-o][A=b][-o][C=d][-p][2200]"
					  "[-l][me][-J][a@b:7,c][--][web]");
	assert_string_equal(c.host_name, "10.0.0.1");
	assert_string_equal(c.user, "me");
	assert_int_equal(c.port, 2200);
	assert_string_equal(files_of(c.identities), "/my/key");
	assert_true(c.identities_only);
	assert_string_equal(files_of(c.known_hosts), "/my/known");
	assert_string_equal(c.host_key_alias, "alias");
	assert_int_equal(c.host_keys, HOST_KEY_STRICT);
	assert_int_equal(c.connect_timeout_ms, 1234);
	assert_int_equal(c.n_jumps, 2);
	assert_string_equal(c.jumps[0].user, "a");
	assert_string_equal(c.jumps[0].host, "b");
	assert_int_equal(c.jumps[0].port, 7);
	assert_null(c.jumps[1].user);
	assert_string_equal(c.jumps[1].host, "c");
}

/* What ssh prints where nobody has said anything is none of the user's wishes. */
static void defaults_of_ssh(void **state)
{
	CLEAN struct ssh_config c = {0};
	const struct ssh_options o = {.host = "web"};
	char answer[1024], known[512];
	const char *home = getpwuid(getuid())->pw_dir;

	(void)state;
	snprintf(answer, sizeof(answer),
		 "hostname web\nport 22\nidentityfile ~/.ssh/id_rsa\nidentityfile "
		 "~/.ssh/id_ecdsa\nidentityfile ~/.ssh/id_ed25519\nidentityfile ~/.ssh/id_xmss\n"
		 "userknownhostsfile %s/.ssh/known_hosts %s/.ssh/known_hosts2\n"
		 "globalknownhostsfile /g\nstricthostkeychecking ask\nconnecttimeout none\n"
		 "serveraliveinterval 0\npubkeyauthentication true\n",
		 home, home);
	loaded(&c, &o, answer);
	assert_true(c.identities_default);
	assert_non_null(strstr(files_of(c.identities), "/.ssh/google_compute_engine"));
	assert_int_equal(strncmp(files_of(c.identities), tempdir, strlen(tempdir)), 0);
	snprintf(known, sizeof(known), "%s/.ssh/known_hosts %s/.ssh/known_hosts2 /g", tempdir,
		 tempdir);
	assert_string_equal(files_of(c.known_hosts), known);
	assert_int_equal(c.host_keys, HOST_KEY_STRICT);
	assert_int_equal(c.connect_timeout_ms, 10000);
	assert_int_equal(c.alive_interval_s, 0);
	assert_null(c.agent);
	assert_null(c.beyond);
	/* one of the default names alone is a choice */
	ssh_config_release(&c);
	loaded(&c, &o, "hostname web\nidentityfile ~/.ssh/id_ed25519\n");
	assert_false(c.identities_default);
	snprintf(known, sizeof(known), "%s/.ssh/id_ed25519", home);
	assert_string_equal(files_of(c.identities), known);
}

static void words_of_host_key_checking(void **state)
{
	static const struct {
		const char *word;
		enum host_key_mode mode;
	} words[] = {
		{"ask", HOST_KEY_STRICT},   {"true", HOST_KEY_STRICT},
		{"yes", HOST_KEY_STRICT},   {"accept-new", HOST_KEY_ACCEPT_NEW},
		{"no", HOST_KEY_IGNORE},    {"false", HOST_KEY_IGNORE},
		{"off", HOST_KEY_IGNORE},   {"", HOST_KEY_STRICT},
		{"never", HOST_KEY_STRICT},
	};
	const struct ssh_options o = {.host = "web"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		CLEAN struct ssh_config c = {0};
		char answer[128];

		snprintf(answer, sizeof(answer), "hostname web\nstricthostkeychecking %s\n",
			 words[i].word);
		loaded(&c, &o, answer);
		assert_int_equal(c.host_keys, words[i].mode);
	}
}

static void hostile_values(void **state)
{
	const struct ssh_options o = {.host = "web"};

	(void)state;
	refused(&o, "hostname web;reboot\n", ERR_SSH, "HostName in the ssh_config for 'web'");
	refused(&o, "hostname -oProxyCommand=x\n", ERR_SSH, "HostName in the ssh_config");
	refused(&o, "hostname a\x1b[2J\n", ERR_SSH, "HostName in the ssh_config has a value");
	refused(&o, "hostname web\nuser $(id)\n", ERR_SSH, "User in the ssh_config");
	refused(&o, "hostname web\nhostkeyalias *\n", ERR_SSH, "HostKeyAlias in the ssh_config");
	refused(&o, "hostname web\nport 0\n", ERR_SSH, "Port in the ssh_config");
	refused(&o, "hostname web\nport 65536\n", ERR_SSH, "Port in the ssh_config");
	refused(&o, "hostname web\nproxyjump a;b\n", ERR_SSH, "ProxyJump in the ssh_config");
	refused(&o, "hostname web\nproxyjump a,b,c,d,e,f,g,h,i\n", ERR_SSH,
		"more than 8 jump hosts");
	refused(&o, "hostname web\nproxycommand x %Q\n", ERR_SSH, "a token that is not known");
	refused(&o, "hostname web\nproxycommand x %\n", ERR_SSH, "a token that is not known");
}

static void bad_options(void **state)
{
	const struct ssh_options jumps = {.host = "web", .jumps = "-x"};
	const struct ssh_options user = {.host = "web", .user = "a b"};
	const struct ssh_options host = {.host = "-web"};

	(void)state;
	refused(&jumps, "hostname web\n", ERR_USAGE, "jump host: host '-x' is not valid");
	refused(&user, "hostname web\n", ERR_USAGE, "user 'a b'");
	refused(&host, "hostname web\n", ERR_USAGE, "host '-web'");
}

static void client_that_refuses(void **state)
{
	const struct ssh_options o = {.host = "web"};
	struct ssh_config c = {0};
	struct error err = {0};

	(void)state;
	client_says("hostname web\n", "/etc/x: line 3: Bad configuration option: foo\nmore\n",
		    "255");
	assert_int_equal(ssh_config_load(&c, &o, &err), -1);
	assert_int_equal(err.code, ERR_SSH);
	assert_string_equal(err.msg, "the ssh_config for 'web' cannot be read: ssh says: "
				     "/etc/x: line 3: Bad configuration option: foo");
	client_says("", "command-line line 0: Bad configuration option: foo\r\n", "255");
	assert_int_equal(ssh_config_load(&c, &o, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	client_says("", "", "3");
	assert_int_equal(ssh_config_load(&c, &o, &err), -1);
	assert_non_null(strstr(err.msg, "ssh says: status 3"));
}

static void client_that_floods(void **state)
{
	const struct ssh_options o = {.host = "web"};
	struct ssh_config c = {0};
	struct error err = {0};

	(void)state;
	tempdir_file("bin/ssh", 0755, "#!/bin/sh\nexec cat /dev/zero\n");
	assert_int_equal(ssh_config_load(&c, &o, &err), -1);
	assert_non_null(strstr(err.msg, "writes more than"));
	/* what is another program of that name */
	tempdir_file("bin/ssh", 0755, "#!/bin/sh\necho hello\n");
	assert_int_equal(ssh_config_load(&c, &o, &err), 0);
	assert_false(c.from_ssh);
	ssh_config_release(&c);
}

static void without_a_client(void **state)
{
	static const char *const extra[] = {"User=somebody",   "port 2022",    "ConnectTimeout=1m",
					    "IdentityFile=/k", "UnknownOne=1", NULL};
	static const char *const bad[] = {"HostName=a\nb", NULL};
	const struct ssh_options o = {.host = "web", .extra = extra, .jumps = "none"};
	const struct ssh_options broken = {.host = "web", .extra = bad};
	CLEAN struct ssh_config c = {0};
	auto_free char *path = xstrdup(getenv("PATH"));
	struct ssh_config none = {0};
	struct error err = {0};

	(void)state;
	/* what lies in the current directory is nobody's client */
	client_says("hostname elsewhere\n", "", "0");
	assert_int_equal(chdir(tempdir), 0);
	setenv("PATH", "/nonexistent:bin", 1);
	assert_int_equal(ssh_config_load(&c, &o, &err), 0);
	assert_false(c.from_ssh);
	assert_string_equal(c.host_name, "web");
	assert_string_equal(c.user, "somebody");
	assert_int_equal(c.port, 2022);
	assert_int_equal(c.connect_timeout_ms, 60000);
	assert_string_equal(files_of(c.identities), "/k");
	assert_int_equal(c.n_jumps, 0);
	assert_int_equal(ssh_config_load(&none, &broken, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	setenv("PATH", path, 1);
}

static void what_libssh2_cannot(void **state)
{
	static const struct {
		const char *line, *beyond;
		bool matters;
	} lines[] = {
		{"certificatefile /c", "CertificateFile", false},
		{"pkcs11provider /lib.so", "PKCS11Provider", false},
		{"pkcs11provider none", NULL, false},
		{"preferredauthentications gssapi-with-mic,publickey", "PreferredAuthentications",
		 false},
		{"preferredauthentications publickey,password", NULL, false},
		{"pubkeyauthentication false", "PubkeyAuthentication", false},
		{"pubkeyauthentication unbound", NULL, false},
		{"revokedhostkeys /r", "RevokedHostKeys", true},
		{"proxyusefdpass yes", NULL, false},
		{"proxycommand x\nproxyusefdpass yes", "ProxyUseFdpass", false},
		{"identityfile /k%C", "IdentityFile", false},
		{"userknownhostsfile /k%C", "UserKnownHostsFile", true},
		{"gssapiauthentication yes", NULL, false},
	};
	const struct ssh_options o = {.host = "web"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		CLEAN struct ssh_config c = {0};
		char answer[256];

		snprintf(answer, sizeof(answer), "hostname web\n%s\n", lines[i].line);
		loaded(&c, &o, answer);
		if (lines[i].beyond)
			assert_string_equal(c.beyond, lines[i].beyond);
		else
			assert_null(c.beyond);
		assert_int_equal(c.beyond_matters, lines[i].matters);
	}
}

static void jump_lists(void **state)
{
	static const struct {
		const char *text, *user, *host;
		uint16_t port;
		size_t n;
	} good[] = {
		{"none", NULL, NULL, 0, 0},   {"a", NULL, "a", 0, 1},
		{"u@a:22", "u", "a", 22, 1},  {"a,b,c", NULL, "c", 0, 3},
		{"a,u@b:7", "u", "b", 7, 2},  {"[::1]:2222", NULL, "::1", 2222, 1},
		{"::1", NULL, "::1", 0, 1},   {"u@[127.0.0.1]:8", "u", "127.0.0.1", 8, 1},
		{"[::1]", NULL, "::1", 0, 1}, {"ssh://u@a:8/", "u", "a", 8, 1},
	};
	static const char *const bad[] = {"",	     ",",      "a,",	",a",  "a:",	 "a:0",
					  "a:65536", "a:x",    "@a",	"u@",  "-a",	 "a b",
					  "[a",	     "[::1]x", "u u@a", "a;b", "a:22:22"};
	struct ssh_hop *hops;
	struct error err;
	size_t n;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		CLEAN struct ssh_config c = {0};
		const struct ssh_hop *last;

		assert_int_equal(ssh_config_parse_jumps(good[i].text, &c.jumps, &c.n_jumps, &err),
				 0);
		assert_int_equal(c.n_jumps, good[i].n);
		if (!c.n_jumps)
			continue;
		last = &c.jumps[c.n_jumps - 1];
		assert_string_equal(last->host, good[i].host);
		assert_int_equal(last->port, good[i].port);
		assert_int_equal(!last->user, !good[i].user);
		if (last->user)
			assert_string_equal(last->user, good[i].user);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (ssh_config_parse_jumps(bad[i], &hops, &n, &err) == 0)
			fail_msg("'%s' was taken", bad[i]);
		assert_int_equal(err.code, ERR_USAGE);
	}
}

static void expands(const char *text, const char *want, bool path)
{
	const struct ssh_tokens t = {.host = "h", .name = "n", .user = "r", .port = 7};
	auto_free char *got = path ? tokens_expand_path(text, &t) : tokens_expand(text, &t);

	if (!want) {
		assert_null(got);
		return;
	}
	assert_non_null(got);
	assert_string_equal(got, want);
}

static void tokens(void **state)
{
	auto_free char *home = xasprintf("%s/x", getpwuid(getuid())->pw_dir);

	(void)state;
	setenv("JDIAG_TEST_WORD", "w", 1);
	expands("%h%n%r%p%%", "hnr7%", false);
	expands("${HOME}", "${HOME}", false);
	expands("%d", NULL, false);
	expands("~/x", home, true);
	expands("%d/x", home, true);
	expands("%k", "n", true);
	expands("a${JDIAG_TEST_WORD}b", "awb", true);
	expands("${JDIAG_TEST_NONE}", NULL, true);
	expands("${HOME", NULL, true);
	expands("~root/x", NULL, true);
	expands("%C", NULL, true);
	expands("%", NULL, true);
	unsetenv("JDIAG_TEST_WORD");
}

/* Not more lines than a person would write, of what may come several times. */
static void too_many_identities(void **state)
{
	auto_buf struct buf answer = BUF_INIT(4096);

	(void)state;
	buf_adds(&answer, "hostname web\n");
	for (int i = 0; i < 65; i++)
		buf_adds(&answer, "identityfile /k\n");
	refused(&(struct ssh_options){.host = "web"}, buf_str(&answer), ERR_SSH,
		"more than 64 lines of IdentityFile");
}

/* The real one, with a file of ours. */
static void real_client(void **state)
{
	CLEAN struct ssh_config c = {0};
	struct ssh_options o = {.host = "web", .config_file = NULL};
	char path[128];
	struct error err = {0};

	(void)state;
	unlink(tempdir_path("bin/ssh"));
	tempdir_file("more", 0600, "Host web\n HostName 10.1.2.3\n");
	snprintf(path, sizeof(path), "%s/more", tempdir);
	{
		auto_free char *text = xasprintf("Include %s\nMatch host 10.1.2.3\n Port 2345\n"
						 "Host *\n ProxyJump u@127.0.0.1:77,b-%%n\n",
						 path);

		tempdir_file("config", 0600, text);
	}
	o.config_file = tempdir_path("config");
	if (ssh_config_load(&c, &o, &err) < 0)
		fail_msg("%s", err.msg);
	assert_true(c.from_ssh);
	assert_string_equal(c.host_name, "10.1.2.3");
	assert_int_equal(c.port, 2345);
	assert_int_equal(c.n_jumps, 2);
	assert_string_equal(c.jumps[0].host, "127.0.0.1");
	assert_int_equal(c.jumps[0].port, 77);
	assert_string_equal(c.jumps[1].host, "b-web");
	assert_true(c.identities_default);
	assert_null(c.beyond);
}

static bool held_up; /* a busy machine: whoever has waited has to wait for the CPU as well */

int poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	const struct timespec t = {timeout_ms / 1000, timeout_ms % 1000 * 1000000};
	int rc = ppoll(fds, n, timeout_ms < 0 ? NULL : &t, NULL);

	if (held_up)
		usleep(600000);
	return rc;
}

/* More than is read at once, and a process that keeps it open. */
static void words_of_a_child_are_read_also_late(void **state)
{
	const char *const argv[] = {"/bin/sh", "-c", "sleep 600 & printf '%012000d' 0; echo $! >&2",
				    NULL};
	auto_buf struct buf out = BUF_INIT(20000), errors = BUF_INIT(64);
	struct error err = {0};
	struct child c;
	int rc;

	(void)state;
	held_up = true;
	rc = child_run(&c, argv, 60000, &out, &errors, &err);
	held_up = false;
	assert_int_equal(rc, 0);
	assert_int_equal(out.len, 12000);
	assert_true(errors.len > 1);
}

static void child_is_ended_with_its_own(void **state)
{
	const char *const argv[] = {"/bin/sh", "-c", "sleep 600 & echo $! ; wait", NULL};
	auto_buf struct buf out = BUF_INIT(64), errors = BUF_INIT(64);
	struct error err = {0};
	uint64_t timeout = 150;
	struct child c;
	pid_t grandchild;

	(void)state;
	/* until it has had the time to say something */
	do {
		timeout *= 2;
		buf_reset(&out);
		assert_int_equal(child_run(&c, argv, timeout, &out, &errors, &err), -1);
		assert_non_null(strstr(err.msg, "did not end within"));
	} while (out.len == 0 && timeout < 60000);
	grandchild = (pid_t)strtol(buf_str(&out), NULL, 10);
	assert_true(grandchild > 1);
	/* init reaps it: a moment */
	for (int i = 0; i < 3000 && kill(grandchild, 0) == 0; i++)
		usleep(10000);
	assert_int_equal(kill(grandchild, 0), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_value),
		cmocka_unit_test(options_win),
		cmocka_unit_test(defaults_of_ssh),
		cmocka_unit_test(words_of_host_key_checking),
		cmocka_unit_test(hostile_values),
		cmocka_unit_test(bad_options),
		cmocka_unit_test(client_that_refuses),
		cmocka_unit_test(client_that_floods),
		cmocka_unit_test(without_a_client),
		cmocka_unit_test(what_libssh2_cannot),
		cmocka_unit_test(jump_lists),
		cmocka_unit_test(tokens),
		cmocka_unit_test(too_many_identities),
		cmocka_unit_test(real_client),
		cmocka_unit_test(words_of_a_child_are_read_also_late),
		cmocka_unit_test(child_is_ended_with_its_own),
	};

	return cmocka_run_group_tests(tests, group_setup, tempdir_remove);
}
