/* jdiag: known_hosts, and what the modes make of its verdicts. The keys open nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "jdiag/crypto/crypto.h"
#include "jdiag/ssh/host_key.h"
#include "jdiag/ssh/known_hosts.h"
#include "remote/base/io.h"

#define ED_A "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define ED_B "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB"
#define RSA_A "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAAQE="

static void key_of(const char *line, struct buf *blob)
{
	const char *text = strchr(line, ' ') + 1;

	*blob = BUF_INIT(1024);
	assert_true(base64_decode(blob, text, strlen(text)));
}

static enum known_verdict judge(const char *text, const char *host, uint16_t port,
				const char *alias, const char *key, unsigned int *ret_line)
{
	auto_cleanup(known_hosts_release) struct known_hosts kh;
	auto_buf struct buf blob;
	const struct known_key *line;
	enum known_verdict v;

	key_of(key, &blob);
	known_hosts_init(&kh, host, port, alias);
	known_hosts_scan(&kh, text, strlen(text), "file");
	v = known_hosts_check(&kh, blob.data, blob.len, &line);
	*ret_line = line ? line->line : 0;
	return v;
}

static void expect(const char *text, const char *host, uint16_t port, const char *key,
		   enum known_verdict want, unsigned int want_line)
{
	unsigned int line;
	enum known_verdict v = judge(text, host, port, NULL, key, &line);

	if (v != want || line != want_line)
		print_message("host '%s' port %u in:\n%s\n", host, port, text);
	assert_int_equal(v, want);
	assert_int_equal(line, want_line);
}

static void plain_names(void **state)
{
	(void)state;
	expect("web " ED_A "\n", "web", 22, ED_A, KNOWN_MATCH, 1);
	expect("web " ED_A, "web", 22, ED_A, KNOWN_MATCH, 1); /* no newline at the end */
	expect("\tweb\t" ED_A " some comment\r\n", "web", 22, ED_A, KNOWN_MATCH, 1);
	expect("WeB " ED_A "\n", "wEb", 22, ED_A, KNOWN_MATCH, 1);
	expect("web " ED_A "\n", "web2", 22, ED_A, KNOWN_UNKNOWN, 0);
	expect("web " ED_A "\n", "we", 22, ED_A, KNOWN_UNKNOWN, 0);
	expect("a,web,10.0.0.1 " ED_A "\n", "10.0.0.1", 22, ED_A, KNOWN_MATCH, 1);
	expect("fe80::1 " ED_A "\n", "fe80::1", 22, ED_A, KNOWN_MATCH, 1);
	expect("", "web", 22, ED_A, KNOWN_UNKNOWN, 0);
}

static void several_keys(void **state)
{
	(void)state;
	expect("web " ED_B "\nweb " ED_A "\n", "web", 22, ED_A, KNOWN_MATCH, 2);
	expect("web " ED_B "\n", "web", 22, ED_A, KNOWN_CHANGED, 1);
	expect("web " RSA_A "\n", "web", 22, ED_A, KNOWN_OTHER_TYPE, 1);
	expect("web " RSA_A "\nweb " ED_B "\n", "web", 22, ED_A, KNOWN_CHANGED, 2);
	expect("web " RSA_A "\nweb " ED_A "\n", "web", 22, ED_A, KNOWN_MATCH, 2);
}

static void patterns(void **state)
{
	(void)state;
	expect("*.shop " ED_A "\n", "web.shop", 22, ED_A, KNOWN_MATCH, 1);
	expect("*.shop " ED_A "\n", "shop", 22, ED_A, KNOWN_UNKNOWN, 0);
	expect("web-? " ED_A "\n", "web-7", 22, ED_A, KNOWN_MATCH, 1);
	expect("web-? " ED_A "\n", "web-77", 22, ED_A, KNOWN_UNKNOWN, 0);
	expect("*.shop,!db.shop " ED_A "\n", "db.shop", 22, ED_A, KNOWN_UNKNOWN, 0);
	expect("!db.shop,*.shop " ED_A "\n", "db.shop", 22, ED_A, KNOWN_UNKNOWN, 0);
	expect("!db.shop " ED_A "\n", "web.shop", 22, ED_A, KNOWN_UNKNOWN, 0);
	expect("a*b*c*d " ED_A "\n", "aXXbYbZZd", 22, ED_A, KNOWN_UNKNOWN, 0);
	expect("a*b*c*d " ED_A "\n", "aXXbYcbZZcd", 22, ED_A, KNOWN_MATCH, 1);
	expect("[*]:2222 " ED_A "\n", "web", 2222, ED_A, KNOWN_MATCH, 1);
}

/* Many stars against a long name must not take exponential time. */
static void patterns_are_linear(void **state)
{
	char text[512], host[256];

	(void)state;
	memset(host, 'a', sizeof(host) - 1);
	host[sizeof(host) - 1] = '\0';
	snprintf(text, sizeof(text), "%s " ED_A "\n",
		 "*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b");
	expect(text, host, 22, ED_A, KNOWN_UNKNOWN, 0);
}

static void ports(void **state)
{
	(void)state;
	expect("[web]:2222 " ED_A "\n", "web", 2222, ED_A, KNOWN_MATCH, 1);
	expect("[web]:2222 " ED_A "\n", "web", 22, ED_A, KNOWN_UNKNOWN, 0);
	expect("[web]:2222 " ED_A "\n", "web", 2223, ED_A, KNOWN_UNKNOWN, 0);
	/* a line without the port vouches for the key on any port, but accuses nobody there */
	expect("web " ED_A "\n", "web", 2222, ED_A, KNOWN_MATCH, 1);
	expect("web " ED_B "\n", "web", 2222, ED_A, KNOWN_UNKNOWN, 0);
	/* a line with the port decides */
	expect("web " ED_A "\n[web]:2222 " ED_B "\n", "web", 2222, ED_A, KNOWN_CHANGED, 2);
	expect("[::1]:2222 " ED_A "\n", "::1", 2222, ED_A, KNOWN_MATCH, 1);
}

static void markers(void **state)
{
	(void)state;
	expect("@revoked web " ED_A "\nweb " ED_A "\n", "web", 22, ED_A, KNOWN_REVOKED, 1);
	expect("web " ED_A "\n@revoked * " ED_A "\n", "web", 22, ED_A, KNOWN_REVOKED, 2);
	expect("[web]:2222 " ED_A "\n@revoked web " ED_A "\n", "web", 2222, ED_A, KNOWN_REVOKED, 2);
	expect("@revoked web " ED_B "\nweb " ED_A "\n", "web", 22, ED_A, KNOWN_MATCH, 2);
	expect("@revoked web " ED_B "\n", "web", 22, ED_A, KNOWN_UNKNOWN, 0);
	expect("@cert-authority * " ED_A "\n", "web", 22, ED_A, KNOWN_CA_ONLY, 1);
	expect("@cert-authority * " ED_B "\nweb " ED_A "\n", "web", 22, ED_A, KNOWN_MATCH, 2);
	expect("@other web " ED_A "\n", "web", 22, ED_A, KNOWN_UNKNOWN, 0);
	expect("@revoked " ED_A "\n", "web", 22, ED_A, KNOWN_UNKNOWN, 0);
}

static void broken_lines(void **state)
{
	static const char *const lines[] = {
		"web",
		"web ssh-ed25519",
		"web ssh-ed25519 !!!!",
		"web ssh-ed25519 AAAA",
		"web ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"web 1024 65537 1234567890",
		"# web " ED_A,
		"|1| " ED_A,
		"|1|| " ED_A,
		"|1|AAAA|AAAA " ED_A,
		", " ED_A,
		"! " ED_A,
		"",
		"\x01\xff\xfe",
	};
	char text[1024];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		expect(lines[i], "web", 22, ED_A, KNOWN_UNKNOWN, 0);
		snprintf(text, sizeof(text), "%s\nweb " ED_A "\n", lines[i]);
		expect(text, "web", 22, ED_A, KNOWN_MATCH, 2);
	}
}

/* made by: ssh-keygen -H, of "node-1.shop" */
#define HASHED "|1|M1frNZSOjP1E4Jfb7genSdkeM/Q=|x5YOYRpX38J6hFUYJec1c1Rs+rc="

static void hashed_names(void **state)
{
	auto_cleanup(known_hosts_release) struct known_hosts kh;
	unsigned char salt[20] = {1, 2, 3}, digest[20];
	auto_buf struct buf line = BUF_INIT(512);

	(void)state;
	hmac_sha1(salt, sizeof(salt), "[web]:2222", strlen("[web]:2222"), digest);
	buf_adds(&line, "|1|");
	base64_encode(&line, salt, sizeof(salt), false);
	buf_adds(&line, "|");
	base64_encode(&line, digest, sizeof(digest), false);
	buf_adds(&line, " " ED_A "\n");
	expect(line.data, "web", 2222, ED_A, KNOWN_MATCH, 1);
	expect(line.data, "WEB", 2222, ED_A, KNOWN_MATCH, 1);
	expect(line.data, "web", 22, ED_A, KNOWN_UNKNOWN, 0);
	expect(line.data, "web", 2222, ED_B, KNOWN_CHANGED, 1);
	known_hosts_init(&kh, "other", 22, NULL);
	known_hosts_scan(&kh, line.data, line.len, "file");
	assert_true(kh.hashed);
}

static void hashed_by_ssh_keygen(void **state)
{
	(void)state;
	expect(HASHED " " ED_A "\n", "node-1.shop", 22, ED_A, KNOWN_MATCH, 1);
	expect(HASHED " " ED_A "\n", "node-2.shop", 22, ED_A, KNOWN_UNKNOWN, 0);
}

static void alias_replaces_host_and_port(void **state)
{
	unsigned int line;

	(void)state;
	assert_int_equal(judge("compute.7 " ED_A "\n", "10.0.0.1", 2222, "compute.7", ED_A, &line),
			 KNOWN_MATCH);
	assert_int_equal(judge("10.0.0.1 " ED_A "\n", "10.0.0.1", 22, "compute.7", ED_A, &line),
			 KNOWN_UNKNOWN);
}

/* Policy, with a file */

static int make_file(void **state)
{
	char *path = strdup("/tmp/test_known_hosts.XXXXXX");
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	*state = path;
	return 0;
}

static int remove_file(void **state)
{
	unlink(*state);
	free(*state);
	return 0;
}

static void fill_file(const char *path, const char *text)
{
	auto_fd int fd = open(path, O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC, 0600);

	assert_int_equal(io_write_full(fd, text, strlen(text)), 0);
}

static int decide(const char *path, enum host_key_mode mode, uint16_t port, const char *key,
		  struct error *err)
{
	auto_cleanup(known_hosts_release) struct known_hosts kh = {0};
	char *files[] = {(char *)(uintptr_t)path, NULL};
	const struct ssh_config c = {.host_name = (char[]){"web"},
				     .port = port,
				     .known_hosts = files,
				     .host_keys = mode};
	auto_buf struct buf blob;

	key_of(key, &blob);
	*err = (struct error){0};
	assert_int_equal(host_key_known(&kh, &c, err), 0);
	return host_key_decide(&kh, &c, blob.data, blob.len, err);
}

static void refused(const char *path, enum host_key_mode mode, const char *key, const char *says,
		    const char *hints)
{
	struct error err;

	assert_int_equal(decide(path, mode, 22, key, &err), -1);
	assert_int_equal(err.code, ERR_SSH);
	if (!strstr(err.msg, says) || !strstr(err.hint, hints))
		print_message("%s\n%s\n", err.msg, err.hint);
	assert_non_null(strstr(err.msg, says));
	assert_non_null(strstr(err.hint, hints));
}

static void strict_refuses(void **state)
{
	const char *path = *state;
	struct error err;

	fill_file(path, "web " ED_A "\n");
	assert_int_equal(decide(path, HOST_KEY_STRICT, 22, ED_A, &err), 0);
	/* both fingerprints, and the place */
	refused(path, HOST_KEY_STRICT, ED_B, "SHA256:RXm/ruZ0eTzRXKwi1AQEDynB0VgHQ2ac9KPSFdf/YnA",
		"ssh-keygen -f ");
	refused(path, HOST_KEY_STRICT, ED_B, ":1 has SHA256:", "-R 'web'");
	refused(path, HOST_KEY_STRICT, RSA_A, "has a key of type ssh-ed25519 only",
		"ssh-keyscan -t rsa");
	fill_file(path, "");
	refused(path, HOST_KEY_STRICT, ED_A, "is not known: it shows ssh-ed25519 SHA256:",
		"ssh-keyscan -t ed25519 -p 22 web >>/tmp/");
	fill_file(path, "@cert-authority * " ED_A "\n");
	refused(path, HOST_KEY_STRICT, ED_B, "names a certificate authority", "ssh-keyscan");
	fill_file(path, "@revoked * " ED_A "\n");
	refused(path, HOST_KEY_STRICT, ED_A, "is revoked by /tmp/", "must not be trusted");
}

static void accept_new_takes_only_new_ones(void **state)
{
	const char *path = *state;
	struct error err;

	fill_file(path, "other " ED_B); /* without a newline */
	assert_int_equal(decide(path, HOST_KEY_ACCEPT_NEW, 2222, ED_A, &err), 0);
	assert_int_equal(decide(path, HOST_KEY_STRICT, 2222, ED_A, &err), 0);
	assert_int_equal(decide(path, HOST_KEY_STRICT, 22, ED_A, &err), -1);
	fill_file(path, "web " ED_A "\n");
	refused(path, HOST_KEY_ACCEPT_NEW, ED_B, "has changed", "");
	refused(path, HOST_KEY_ACCEPT_NEW, RSA_A, "no ssh-rsa key", "");
	fill_file(path, "@revoked * " ED_A "\n");
	refused(path, HOST_KEY_ACCEPT_NEW, ED_A, "revoked", "");
	refused(path, HOST_KEY_IGNORE, ED_A, "revoked", "");
}

static void accept_new_writes_as_the_file_does(void **state)
{
	const char *path = *state;
	auto_buf struct buf text = BUF_INIT(4096);
	struct error err;
	struct stat st;

	unlink(path);
	assert_int_equal(decide(path, HOST_KEY_ACCEPT_NEW, 2222, ED_A, &err), 0);
	assert_int_equal(io_read_file(AT_FDCWD, path, &text), 0);
	assert_string_equal(text.data, "[web]:2222 " ED_A "\n");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);

	fill_file(path, HASHED " " ED_B "\n");
	assert_int_equal(decide(path, HOST_KEY_ACCEPT_NEW, 22, ED_A, &err), 0);
	buf_reset(&text);
	assert_int_equal(io_read_file(AT_FDCWD, path, &text), 0);
	assert_null(strstr(text.data, "web"));
	assert_int_equal(decide(path, HOST_KEY_STRICT, 22, ED_A, &err), 0);
}

static void ignore_goes_on(void **state)
{
	const char *path = *state;
	auto_buf struct buf text = BUF_INIT(4096);
	struct error err;

	fill_file(path, "web " ED_A "\n");
	assert_int_equal(decide(path, HOST_KEY_IGNORE, 22, ED_B, &err), 0);
	assert_int_equal(io_read_file(AT_FDCWD, path, &text), 0);
	assert_string_equal(text.data, "web " ED_A "\n"); /* and writes nothing */
}

static void devices_and_directories(void **state)
{
	auto_cleanup(known_hosts_release) struct known_hosts kh;
	struct error err;

	(void)state;
	known_hosts_init(&kh, "web", 22, NULL);
	assert_int_equal(known_hosts_load(&kh, "/dev/null", &err), 0);
	assert_int_equal(known_hosts_load(&kh, "/nonexistent/x", &err), 0);
	assert_int_equal(known_hosts_load(&kh, "/tmp", &err), -1);
	assert_int_equal(err.code, ERR_SSH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_names),
		cmocka_unit_test(several_keys),
		cmocka_unit_test(patterns),
		cmocka_unit_test(patterns_are_linear),
		cmocka_unit_test(ports),
		cmocka_unit_test(markers),
		cmocka_unit_test(broken_lines),
		cmocka_unit_test(hashed_names),
		cmocka_unit_test(hashed_by_ssh_keygen),
		cmocka_unit_test(alias_replaces_host_and_port),
		cmocka_unit_test_setup_teardown(strict_refuses, make_file, remove_file),
		cmocka_unit_test_setup_teardown(accept_new_takes_only_new_ones, make_file,
						remove_file),
		cmocka_unit_test_setup_teardown(accept_new_writes_as_the_file_does, make_file,
						remove_file),
		cmocka_unit_test_setup_teardown(ignore_goes_on, make_file, remove_file),
		cmocka_unit_test(devices_and_directories),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
