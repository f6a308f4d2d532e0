/* jdiag: the OpenSSH back end without a client: what one says, the multiplexing protocol, the
 * private directory, the ssh_config and the arguments that a client is given; gcloud's known hosts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "jdiag/ssh/google.h"
#include "jdiag/ssh/openssh_session.h"
#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "tests/unit/tempdir.h"

#define ED25519 "AAAAC3NzaC1lZDI1NTE5AAAAIAYf3VBHFk/HYFXVxJemBXnrsk/GcSegi2S7g3VuMEE+"

static struct words w;

static void hear(const char *text)
{
	words_release(&w);
	words_init(&w);
	words_take(&w, text, strlen(text));
}

static int words_teardown(void **state)
{
	(void)state;
	words_release(&w);
	return 0;
}

static void causes(void **state)
{
	static const struct {
		const char *line;
		enum words_cause cause;
		const char *detail;
	} cases[] = {
		{"ssh: Could not resolve hostname n.invalid: Name or service not known",
		 CAUSE_NO_ADDRESS, "Name or service not known"},
		{"ssh: connect to host ::1 port 22: Connection refused", CAUSE_NO_CONNECTION,
		 "Connection refused"},
		{"kex_exchange_identification: read: Connection reset by peer", CAUSE_NO_SSH,
		 "read: Connection reset by peer"},
		{"Connection timed out during banner exchange", CAUSE_NO_SSH,
		 "Connection timed out during banner exchange"},
		{"Unable to negotiate with 10.0.0.1 port 22: no matching cipher found. Their "
		 "offer: aes128-cbc",
		 CAUSE_NO_ALGORITHM, "no matching cipher found. Their offer: aes128-cbc"},
		{"No ED25519 host key is known for [h]:2222 and you have requested strict "
		 "checking.",
		 CAUSE_HOST_UNKNOWN, NULL},
		{"The ED25519 host key for h is marked as revoked.", CAUSE_HOST_REVOKED, NULL},
		{"Host key ED25519 SHA256:x revoked by file /r", CAUSE_HOST_REVOKED, NULL},
		{"Certificate invalid: expired", CAUSE_HOST_CERTIFICATE, "expired"},
		{"root@10.0.0.1: Permission denied (publickey,password).", CAUSE_DENIED,
		 "publickey,password"},
		{"Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures",
		 CAUSE_TOO_MANY, NULL},
		{"/x: line 3: Bad configuration option: nonsense", CAUSE_CONFIG, NULL},
		{"something that nobody foresaw", CAUSE_OTHER, ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_free char *text = xasprintf("debug1: x\r\n%s\r\n", cases[i].line);

		hear(text);
		assert_int_equal(w.cause, cases[i].cause);
		assert_string_equal(w.detail, cases[i].detail ? cases[i].detail : cases[i].line);
	}
}

static void changed_host_names_the_line(void **state)
{
	(void)state;
	hear("@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\n"
	     "Offending ED25519 key in /k/known hosts:7\r\nHost key verification failed.\r\n");
	assert_int_equal(w.cause, CAUSE_HOST_CHANGED);
	assert_string_equal(w.detail, "/k/known hosts:7");
	assert_int_equal(w.last.len, 0);
}

static void phases_and_offers(void **state)
{
	(void)state;
	hear("debug1: Connecting to h [10.0.0.1] port 22.\n");
	assert_int_equal(w.phase, PHASE_CONNECT);
	hear("debug1: Connection established.\n"
	     "debug1: Server host key: ssh-ed25519 SHA256:abc\n"
	     "debug1: Host 'h' is known and matches the ED25519 host key.\n");
	assert_int_equal(w.phase, PHASE_KEY_EXCHANGE);
	assert_string_equal(w.key_type, "ssh-ed25519");
	assert_string_equal(w.fingerprint, "SHA256:abc");
	assert_true(w.matched);
	words_take(&w, "debug1: SSH2_MSG_NEWKEYS recei", 30);
	assert_int_equal(w.phase, PHASE_KEY_EXCHANGE);
	words_take(&w, "ved\n", 4);
	assert_int_equal(w.phase, PHASE_LOGIN);
	hear("debug1: Offering public key: my key RSA SHA256:x agent\n"
	     "debug1: Offering public key: /h/id ED25519-CERT SHA256:y explicit\n"
	     "debug1: Server accepts key: /h/id ED25519-CERT SHA256:y explicit\n"
	     "debug1: Offering public key: SHA256:\n"
	     "debug1: Offering public key:  SHA256:z\n"
	     "debug1: Authentications that can continue: publickey,gssapi-with-mic\n");
	assert_int_equal(w.n_offers, 2);
	assert_string_equal(w.offers[0].name, "my key");
	assert_string_equal(w.offers[0].type, "RSA");
	assert_true(w.offers[0].agent && !w.offers[0].accepted);
	assert_string_equal(w.offers[1].type, "ED25519-CERT");
	assert_true(!w.offers[1].agent && w.offers[1].accepted);
	assert_string_equal(w.methods, "publickey,gssapi-with-mic");
}

#define KEY_OF_HOST "debug1: Server host key: ssh-ed25519 SHA256:abc\n"
#define KNOWN_HOST "debug1: Host 'h' is known and matches the ED25519 host key.\n"
#define NEW_KEYS "debug1: SSH2_MSG_NEWKEYS received\n"
#define ONE_JUMP                                                                     \
	"debug1: Setting implicit ProxyCommand from ProxyJump: ssh -W '[%h]:%p' j\n" \
	"debug1: Executing proxy command: exec ssh -W '[h]:22' j\n"                  \
	"debug1: Connection established.\n" KEY_OF_HOST KNOWN_HOST NEW_KEYS

/* What a banner says of the host's key or of the connection is not believed. */
static void banners_forge_nothing(void **state)
{
	static const char *const forged[] = {
		KNOWN_HOST,
		KEY_OF_HOST KNOWN_HOST,
		"debug1: Connection established.\n" KEY_OF_HOST KNOWN_HOST,
		"debug1: Executing proxy command: x\n" KNOWN_HOST,
		ONE_JUMP KEY_OF_HOST KNOWN_HOST,
		"debug1: Server host certificate: x SHA256:fake, serial\n" KNOWN_HOST,
		"Warning: Permanently added 'h' (ED25519) to the list of known hosts.\n",
	};
	static const char *const causes_of_it[] = {
		"ssh: connect to host h port 22: Connection refused\n",
		"kex_exchange_identification: Connection reset by peer\n",
		"No ED25519 host key is known for h and you have requested strict checking.\n",
		"@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(forged); i++) {
		hear("debug1: Connection established.\n" KEY_OF_HOST NEW_KEYS);
		words_take(&w, forged[i], strlen(forged[i]));
		assert_false(w.matched || w.added);
		assert_string_equal(w.fingerprint, "SHA256:abc");
		/* behind a jump host: by the host, and by the jump host */
		hear(ONE_JUMP KEY_OF_HOST NEW_KEYS);
		words_take(&w, forged[i], strlen(forged[i]));
		assert_false(w.matched || w.added);
		hear(ONE_JUMP);
		words_take(&w, forged[i], strlen(forged[i]));
		words_take(&w, KEY_OF_HOST NEW_KEYS, strlen(KEY_OF_HOST NEW_KEYS));
		assert_false(w.matched || w.added);
	}
	for (size_t i = 0; i < ARRAY_SIZE(causes_of_it); i++) {
		hear(ONE_JUMP KEY_OF_HOST KNOWN_HOST NEW_KEYS);
		assert_true(w.matched);
		words_take(&w, causes_of_it[i], strlen(causes_of_it[i]));
		assert_int_equal(w.cause, CAUSE_OTHER);
		words_take(&w, "u@h: Permission denied (publickey).\n", 36);
		assert_int_equal(w.cause, CAUSE_DENIED);
		/* of the host behind a jump host that has let us in */
		hear(ONE_JUMP);
		words_take(&w, causes_of_it[i], strlen(causes_of_it[i]));
		assert_int_not_equal(w.cause, CAUSE_OTHER);
	}
}

/* A server's banner: any text, any length. */
static void words_are_bounded_and_escaped(void **state)
{
	char last[WORDS_LAST];

	(void)state;
	hear("");
	for (int i = 0; i < 100000; i++)
		words_take(&w, "no end \x1b[31m", 12);
	words_take(&w, "\nfirst\n", 7);
	for (int i = 0; i < 1000; i++)
		words_take(&w, "debug1: Offering public key: k RSA SHA256:x\nwords \x1b]0;\n", 56);
	assert_true(w.line.len < 4096 && w.last.len < 1024);
	assert_int_equal(w.n_offers, WORDS_MAX_OFFERS);
	assert_null(strchr(buf_str(&w.last), '\x1b'));
	assert_string_equal(words_last(&w, last), "words \\x1b]0;");
	hear("");
	assert_string_equal(words_last(&w, last), "ssh said nothing");
}

static void mux_messages(void **state)
{
	static const unsigned char opened[] = {0x80, 0, 0, 6, 0, 0, 0, 1, 0, 0, 0, 9};
	static const unsigned char failure[] = {0x80, 0, 0, 3, 0,   0,	 0,   1,
						0,    0, 0, 3, 'n', 'o', 0x1b};
	static const unsigned char lie[] = {0x80, 0, 0, 3, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff};
	struct mux_message m;

	(void)state;
	assert_true(mux_parse(opened, sizeof(opened), &m));
	assert_int_equal(m.type, MUX_SESSION_OPENED);
	assert_int_equal(m.value, 9);
	assert_true(mux_parse(failure, sizeof(failure), &m));
	assert_string_equal(m.reason, "no\\x1b");
	assert_false(mux_parse(lie, sizeof(lie), &m));
	for (size_t n = 0; n < sizeof(opened); n++)
		assert_false(mux_parse(opened, n, &m));
}

/* A master that says this, and what the client makes of it. */
static int said(const void *bytes, size_t n, bool hangs_up, struct mux_message *ret)
{
	struct mux m = MUX_INIT;
	int pair[2], rc;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	m.fd = pair[0];
	assert_int_equal(send(pair[1], bytes, n, 0), n);
	if (hangs_up)
		close(pair[1]);
	rc = mux_next(&m, ret);
	if (!hangs_up)
		close(pair[1]);
	mux_close(&m);
	return rc;
}

static void mux_stream(void **state)
{
	static const unsigned char exited[] = {0, 0, 0, 12, 0x80, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 7};
	static const unsigned char huge[] = {0x7f, 0, 0, 0};
	static const unsigned char nothing[] = {0, 0, 0, 0};
	struct mux_message m;

	(void)state;
	assert_int_equal(said(exited, sizeof(exited), false, &m), 1);
	assert_int_equal(m.value, 7);
	assert_int_equal(said(exited, sizeof(exited), true, &m), 1);
	assert_int_equal(said(exited, 10, false, &m), 0);
	assert_int_equal(said(exited, 10, true, &m), -1);
	assert_int_equal(said(huge, sizeof(huge), false, &m), -1);
	assert_int_equal(said(nothing, sizeof(nothing), false, &m), -1);
}

static void mux_without_a_master(void **state)
{
	struct mux m = MUX_INIT;

	(void)state;
	assert_int_equal(mux_connect(&m, tempdir_path("none")), -ENOENT);
	assert_int_equal(m.fd, -1);
}

static int listen_at(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strncpy(a.sun_path, path, sizeof(a.sun_path) - 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 4), 0);
	return fd;
}

/* A master that has said hello and then nothing: in time, and without turning round and round. */
static void no_channel_is_confirmed(void **state)
{
	static const unsigned char hello[] = {0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 4};
	struct open_session s = {.base.host = (char *)(uintptr_t) "web",
				 .base.port = 22,
				 .dir = {.path = tempdir, .lock = -1},
				 .stderr_fd = -1,
				 .control = MUX_INIT,
				 .exec_ms = 1000};
	int fd = listen_at(tempdir_path("s")), pair[2];
	struct ssh_channel *c = NULL;
	struct error err = {0};
	clock_t used;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	s.control.fd = pair[0];
	words_init(&s.words);
	assert_int_equal(send(pair[1], hello, sizeof(hello), 0), sizeof(hello));
	alarm(60); /* it would never end */
	used = clock();
	assert_int_equal(open_exec(&s.base, "true", &c, &err), -1);
	assert_true(clock() - used < CLOCKS_PER_SEC / 2);
	assert_non_null(strstr(err.msg, "no answer in time"));
	/* without a master it does not wait */
	close(pair[1]);
	s.exec_ms = 50000;
	assert_int_equal(open_exec(&s.base, "true", &c, &err), -1);
	assert_non_null(strstr(err.msg, "lost the connection"));
	alarm(0);
	assert_null(s.channels);
	mux_close(&s.control);
	words_release(&s.words);
	close(fd);
	unlink(tempdir_path("s"));
}

static size_t count_entries(const char *path)
{
	DIR *d = opendir(path);
	size_t n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n - 2;
}

static void directory(void **state)
{
	struct open_dir a = OPEN_DIR_INIT, b = OPEN_DIR_INIT;
	auto_buf struct buf text = BUF_INIT(16);
	auto_free char *base = xasprintf("%s/run", tempdir);
	auto_free char *left = xasprintf("%s/jdiag-ssh-dead01", base);
	auto_free char *foreign = xasprintf("%s/jdiag-ssh-open01", base);
	struct error err;
	struct stat st;

	(void)state;
	mkdir(base, 0700);
	setenv("XDG_RUNTIME_DIR", base, 1);
	mkdir(left, 0700);
	mkdir(foreign, 0755);
	tempdir_file("run/other", 0600, "x");
	assert_int_equal(open_dir_make(&a, &err), 0);
	assert_int_equal(open_dir_make(&b, &err), 0);
	assert_int_equal(strncmp(a.path, base, strlen(base)), 0);
	assert_int_equal(stat(a.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(access(left, F_OK), -1); /* nobody holds it */
	assert_int_equal(access(foreign, F_OK), 0);
	buf_adds(&text, "x");
	assert_int_equal(open_dir_write(&a, "config", &text, &err), 0);
	assert_int_equal(open_dir_write(&a, "config", &text, &err), -1);
	open_dir_remove(&a);
	open_dir_remove(&a);
	open_dir_remove(&b);
	assert_int_equal(count_entries(base), 2);
	setenv("XDG_RUNTIME_DIR", "/tmp/with %h in it", 1);
	assert_int_equal(open_dir_make(&a, &err), 0);
	assert_int_equal(strncmp(a.path, "/tmp/jdiag-ssh-", 15), 0);
	open_dir_remove(&a);
	unsetenv("XDG_RUNTIME_DIR");
}

static struct ssh_config config_of(char **known_hosts)
{
	return (struct ssh_config){.host_name = (char *)(uintptr_t) "web",
				   .user = (char *)(uintptr_t) "ops",
				   .port = 22,
				   .known_hosts = known_hosts};
}

static char config_text[8192], host_text[4096];

static int text_of(const struct ssh_options *o, const struct ssh_config *c, struct error *err)
{
	const struct open_dir d = {.path = tempdir, .lock = open(tempdir, O_RDONLY | O_DIRECTORY)};
	auto_buf struct buf b = BUF_INIT(sizeof(config_text) - 1);
	auto_buf struct buf host = BUF_INIT(sizeof(host_text) - 1);
	int rc = open_config_text(&b, &host, &d, o, c, false, err);

	close(d.lock);
	assert_false(b.overflow);
	strncpy(config_text, buf_str(&b), sizeof(config_text) - 1);
	strncpy(host_text, buf_str(&host), sizeof(host_text) - 1);
	return rc;
}

static void client_config(void **state)
{
	char *files[] = {(char *)(uintptr_t) "/k/100% known", NULL};
	char *keys[] = {(char *)(uintptr_t) "/k/my key", NULL};
	struct ssh_config c = config_of(files);
	struct ssh_options o = {.host = "web",
				.known_hosts = files[0],
				.identities = (const char *const *)keys,
				.config_file = "/dev/null"};
	struct error err;
	const char *const bad[] = {"/a\"b", "/a\nProxyCommand x", "/a\\", "/${HOME}"};

	(void)state;
	c.identities = keys;
	assert_int_equal(text_of(&o, &c, &err), 0);
	assert_non_null(strstr(config_text, "BatchMode yes\n"));
	assert_string_equal(host_text, "StrictHostKeyChecking yes\n");
	assert_non_null(strstr(config_text, "IdentityFile \"/k/my key\"\n"));
	assert_non_null(strstr(config_text, "UserKnownHostsFile \"/k/100%% known\"\n"));
	assert_null(strstr(config_text, "Include"));
	o.config_file = NULL;
	assert_int_equal(text_of(&o, &c, &err), 0);
	assert_non_null(strstr(config_text, "Include \"/etc/ssh/ssh_config\"\n"));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		o.known_hosts = bad[i];
		assert_int_equal(text_of(&o, &c, &err), -1);
		assert_int_equal(err.code, ERR_USAGE);
	}
	o.known_hosts = NULL;
	o.config_file = tempdir_path("no such file");
	assert_int_equal(text_of(&o, &c, &err), -1);
	mkfifo(tempdir_path("pipe"), 0600);
	o.config_file = tempdir_path("pipe");
	assert_int_equal(text_of(&o, &c, &err), -1);
	assert_non_null(strstr(err.msg, "it is no file"));
	tempdir_file("theirs", 0664, "Compression yes\n");
	o.config_file = tempdir_path("theirs");
	assert_int_equal(text_of(&o, &c, &err), 0);
	assert_non_null(strstr(config_text, "/included\"\n"));
}

/* A key that is not checked is not written down; one that is revoked stays so. */
static void unchecked_hosts(void **state)
{
	auto_free char *file = xasprintf("%s/known", tempdir);
	char *files[] = {file, NULL};
	struct ssh_config c = config_of(files);
	struct ssh_options o = {.host = "web", .config_file = "none", .host_keys_given = true};
	auto_buf struct buf revoked = BUF_INIT(4096);
	struct error err;

	(void)state;
	c.host_keys = HOST_KEY_IGNORE;
	tempdir_file("known", 0600, "web ssh-ed25519 " ED25519 "\n");
	assert_int_equal(text_of(&o, &c, &err), 0);
	assert_non_null(strstr(config_text, "StrictHostKeyChecking no\n"));
	assert_non_null(
		strstr(config_text, "UserKnownHostsFile /dev/null\nGlobalKnownHostsFile \""));
	assert_null(strstr(config_text, "RevokedHostKeys"));
	tempdir_file("known", 0600,
		     "@revoked * ssh-ed25519 " ED25519 "\n@revoked other ssh-ed25519 " ED25519
		     "\n");
	assert_int_equal(text_of(&o, &c, &err), 0);
	assert_non_null(strstr(config_text, "/revoked\n"));
	assert_int_equal(io_read_file(AT_FDCWD, tempdir_path("revoked"), &revoked), 0);
	assert_string_equal(buf_str(&revoked), "ssh-ed25519 " ED25519 "\n");
	unlink(tempdir_path("revoked"));
	/* the user's own list would be hidden by it */
	c.revoked_file = true;
	assert_int_equal(text_of(&o, &c, &err), -1);
	assert_non_null(strstr(err.msg, "RevokedHostKeys"));
	tempdir_file("known", 0600, "web ssh-ed25519 " ED25519 "\n");
	assert_int_equal(text_of(&o, &c, &err), 0);
}

/* The file is read for jump hosts, too: what only the host's own block says is not in it. */
static void policy_of_one_host(void **state)
{
	static const char *const modes[] = {"yes", "accept-new", "no"};
	char *files[] = {(char *)(uintptr_t) "/k/none", NULL};
	struct ssh_config c = config_of(files);
	struct ssh_options o = {.host = "web", .config_file = "none", .known_hosts = files[0]};
	struct error err;

	(void)state;
	for (enum host_key_mode m = HOST_KEY_STRICT; m <= HOST_KEY_IGNORE; m++) {
		auto_free char *line = xasprintf("StrictHostKeyChecking %s\n", modes[m]);

		c.host_keys = m;
		o.host_keys_given = false;
		assert_int_equal(text_of(&o, &c, &err), 0);
		assert_non_null(strstr(host_text, line));
		assert_non_null(strstr(config_text, "\nStrictHostKeyChecking yes\n"));
		assert_null(strstr(strstr(config_text, "StrictHostKeyChecking") + 1,
				   "StrictHostKeyChecking"));
		assert_non_null(strstr(config_text, "UserKnownHostsFile \"/k/none\"\n"));
		assert_true(!strstr(host_text, "UserKnownHostsFile /dev/null\n") ==
			    (m != HOST_KEY_IGNORE));
		o.host_keys_given = true;
		assert_int_equal(text_of(&o, &c, &err), 0);
		assert_non_null(strstr(host_text, line));
		assert_non_null(strstr(config_text, line));
	}
}

/* Of accept-new: what is known in some way is not new. */
static void known_is_not_new(void **state)
{
	static const struct {
		const char *text, *mode;
	} cases[] = {
		{"", "accept-new"},
		{"other ssh-ed25519 " ED25519 "\n", "accept-new"},
		{"web ssh-ed25519 " ED25519 "\n", "accept-new"}, /* on port 22 */
		{"@revoked * ssh-ed25519 " ED25519 "\n", "accept-new"},
		{"[web]:2222 ssh-ed25519 " ED25519 "\n", "yes"},
		{"@cert-authority * ssh-ed25519 " ED25519 "\n", "yes"},
		{"@cert-authority web ssh-ed25519 " ED25519 "\n", "yes"},
	};
	auto_free char *file = xasprintf("%s/known", tempdir);
	char *files[] = {file, NULL};
	struct ssh_config c = config_of(files);
	struct ssh_options o = {.host = "web", .config_file = "none"};
	struct error err;

	(void)state;
	c.port = 2222;
	c.host_keys = HOST_KEY_ACCEPT_NEW;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_free char *want = xasprintf("StrictHostKeyChecking %s\n", cases[i].mode);

		tempdir_file("known", 0600, cases[i].text);
		assert_int_equal(text_of(&o, &c, &err), 0);
		assert_string_equal(host_text, want);
	}
}

static void client_arguments(void **state)
{
	static const char *const extra[] = {"Compression=yes", "StrictHostKeyChecking=no", NULL};
	const struct open_dir d = {.path = tempdir, .lock = -1};
	struct ssh_options o = {
		.host = "web", .port = 2222, .user = "ops", .extra = extra, .jumps = "a,b"};
	struct ssh_config c = config_of(NULL);
	auto_buf struct buf all = BUF_INIT(4096);
	char **list;

	(void)state;
	c.host_key_alias = (char *)(uintptr_t) "compute.7";
	list = open_arguments("/usr/bin/ssh", &d, &o, &c,
			      "StrictHostKeyChecking yes\nGlobalKnownHostsFile \"a b\"\n", false);
	for (char **p = list; *p; p++)
		buf_addf(&all, "[%s]", *p);
	ssh_list_free(list);
	assert_non_null(strstr(buf_str(&all), "[-oStrictHostKeyChecking yes]"
					      "[-oGlobalKnownHostsFile \"a b\"][-p2222][-lops]"
					      "[-oHostKeyAlias=compute.7][-oProxyJump=a,b]"
					      "[-oCompression=yes]"
					      "[-oStrictHostKeyChecking=no][--][web]"));
}

static void gcloud_knows_the_host(void **state)
{
	auto_free char *file = xasprintf("%s/known", tempdir);
	auto_free char *google = xasprintf("%s/.ssh/google_compute_known_hosts", tempdir);
	struct ssh_options o = {.host = "web", .instance = "compute.7"};
	struct ssh_config c = config_of(NULL);
	struct error err;

	(void)state;
	setenv("HOME", tempdir, 1);
	c.known_hosts = ssh_list_add(NULL, file);
	tempdir_file("known", 0600, "");
	assert_int_equal(google_host_key(&c, &o, &err), 0);
	assert_false(c.known_by_google); /* there is no such file */
	tempdir_file(".ssh/google_compute_known_hosts", 0600,
		     "compute.8 ssh-ed25519 " ED25519 "\n");
	assert_int_equal(google_host_key(&c, &o, &err), 0);
	assert_false(c.known_by_google); /* another instance */
	tempdir_file(".ssh/google_compute_known_hosts", 0600,
		     "compute.7 ssh-ed25519 " ED25519 "\n");
	tempdir_file("known", 0600, "web ssh-ed25519 " ED25519 "\n");
	assert_int_equal(google_host_key(&c, &o, &err), 0);
	assert_false(c.known_by_google); /* the user's own file decides */
	tempdir_file("known", 0600, "");
	assert_int_equal(google_host_key(&c, &o, &err), 0);
	assert_true(c.known_by_google);
	assert_string_equal(c.host_key_alias, "compute.7");
	assert_string_equal(c.known_hosts[0], google);
	ssh_list_free(c.known_hosts);
	free(c.host_key_alias);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(causes),
		cmocka_unit_test(changed_host_names_the_line),
		cmocka_unit_test(phases_and_offers),
		cmocka_unit_test(banners_forge_nothing),
		cmocka_unit_test_teardown(words_are_bounded_and_escaped, words_teardown),
		cmocka_unit_test(mux_messages),
		cmocka_unit_test(mux_stream),
		cmocka_unit_test(mux_without_a_master),
		cmocka_unit_test(no_channel_is_confirmed),
		cmocka_unit_test(directory),
		cmocka_unit_test(client_config),
		cmocka_unit_test(unchecked_hosts),
		cmocka_unit_test(policy_of_one_host),
		cmocka_unit_test(known_is_not_new),
		cmocka_unit_test(client_arguments),
		cmocka_unit_test(gcloud_knows_the_host),
	};

	return cmocka_run_group_tests(tests, tempdir_make, tempdir_remove);
}
