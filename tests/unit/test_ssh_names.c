/* jdiag: names of hosts and users, identity files, and a server's offer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "jdiag/ssh/kexinit.h"
#include "jdiag/ssh/keys.h"
#include "jdiag/ssh/ssh.h"
#include "remote/base/io.h"

/* A throw-away pair: opens nothing. The encrypted form has the passphrase "test". */
static const char ed25519_encrypted[] =
	"-----BEGIN OPENSSH PRIVATE KEY-----\n"
	"b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABAYt0vNYQ\n"
	"K0uO5BmfavFQ+fAAAAEAAAAAEAAAAzAAAAC3NzaC1lZDI1NTE5AAAAIAYf3VBHFk/HYFXV\n"
	"xJemBXnrsk/GcSegi2S7g3VuMEE+AAAAkIRBjcEPPPvhJCskCpzydjfaP5pZw+vM9LDRbW\n"
	"HkU3fH82YgF54m20ol9gylPXfsuuPCOTrVeXxsBexCac246BsQu0G0NVRdlHhyD2mybhSQ\n"
	"jJcAfS/jvM6W8gAT604A+IEZWcBGpjHiUgf2glB+maVnSMGA4b5MQ14qwjAIeq/OJYMmXa\n"
	"IO7vbCik/MY8TefA==\n"
	"-----END OPENSSH PRIVATE KEY-----\n";
static const char ed25519_public[] =
	"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAYf3VBHFk/HYFXVxJemBXnrsk/GcSegi2S7g3VuMEE+ test\n";

static void good_names(void **state)
{
	static const char *const hosts[] = {"web", "web-0.shop_x", "10.0.0.1",
					    "::1", "fe80::1",	   "A"};
	struct error err;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++)
		assert_int_equal(ssh_check_name(hosts[i], "host", &err), 0);
	assert_int_equal(ssh_check_name("some.one_x-1", "user", &err), 0);
}

static void bad_names(void **state)
{
	static const char *const hosts[] = {
		"",	  "-oProxyCommand=x", "a b", "a;b",	 "$(id)", "`id`", "a\nb",
		"a\x1b[", "host%h",	      "a/b", "a'b",	 "a\"b",  "a|b",  "web:22",
		"[::1]",  "::1%eth0",	      "a@b", "\xc3\xa9", "a\\b",  "*",	  "::g",
	};
	char longest[300];
	struct error err;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
		assert_int_equal(ssh_check_name(hosts[i], "host", &err), -1);
		assert_int_equal(err.code, ERR_USAGE);
		assert_null(strpbrk(err.msg, "\x1b\n"));
	}
	assert_int_equal(ssh_check_name("::1", "user", &err), -1);
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(ssh_check_name(longest, "host", &err), -1);
	longest[255] = '\0';
	assert_int_equal(ssh_check_name(longest, "host", &err), 0);
}

static void open_checks_names_first(void **state)
{
	const struct ssh_options bad_host = {.host = "-x"}, bad_user = {.host = "h", .user = "a b"};
	const struct ssh_options bad_alias = {.host = "h", .user = "u", .host_key_alias = "*"};
	struct ssh_session *s;
	struct error err;

	(void)state;
	assert_int_equal(ssh_open(&s, &bad_host, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_int_equal(ssh_open(&s, &bad_user, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_int_equal(ssh_open(&s, &bad_alias, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	ssh_close(NULL);
	ssh_channel_close(NULL);
}

/* Identity files */

static void load(struct identity *id, const char *text, mode_t mode)
{
	char path[] = "/tmp/test_ssh_names.XXXXXX";
	auto_fd int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(io_write_full(fd, text, strlen(text)), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	identity_load(id, path);
	unlink(path);
}

static void encrypted_identity(void **state)
{
	auto_cleanup(identity_release) struct identity id, pub;

	(void)state;
	load(&id, ed25519_encrypted, 0600);
	assert_string_equal(id.unusable, "");
	assert_true(id.encrypted);
	assert_string_equal(id.type, "ssh-ed25519");
	load(&pub, ed25519_public, 0644);
	assert_string_equal(pub.unusable, "");
	assert_null(pub.text.data);
	assert_int_equal(pub.blob_len, id.blob_len);
	assert_memory_equal(pub.blob, id.blob, id.blob_len);
}

static void open_permissions_are_refused(void **state)
{
	static const mode_t modes[] = {0644, 0640, 0604, 0660, 0610};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		auto_cleanup(identity_release) struct identity id;

		load(&id, ed25519_encrypted, modes[i]);
		assert_non_null(strstr(id.unusable, "too open"));
		assert_null(id.text.data);
	}
}

static void other_files(void **state)
{
	static const struct {
		const char *text, *type, *unusable;
		bool encrypted;
	} files[] = {
		{"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n",
		 "ssh-rsa", "", false},
		{"-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n", "", "", true},
		{"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n", "", "", true},
		{"-----BEGIN PRIVATE KEY-----\n"
		 "MIICeAIBADANBgkqhkiG9w0BAQEFAASCAmIwggJe\n-----END PRIVATE KEY-----\n",
		 "ssh-rsa", "", false},
		{"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
		 "", "", false},
		{"hello\n", "", "not a key", false},
		{"", "", "not a key", false},
		{"ssh-ed25519 AAAA", "", "not a key", false},
		{"ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		 "ssh-ed25519", "not a key", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		auto_cleanup(identity_release) struct identity id;

		load(&id, files[i].text, 0600);
		assert_string_equal(id.type, files[i].type);
		assert_non_null(strstr(id.unusable, files[i].unusable));
		assert_int_equal(id.unusable[0] == '\0', files[i].unusable[0] == '\0');
		assert_int_equal(id.encrypted, files[i].encrypted);
	}
}

static void what_is_no_file(void **state)
{
	auto_cleanup(identity_release) struct identity none, directory, device;

	(void)state;
	identity_load(&none, "/nonexistent/key");
	assert_true(none.missing);
	identity_load(&directory, "/tmp");
	assert_false(directory.missing);
	assert_true(directory.unusable[0]);
	identity_load(&device, "/dev/zero"); /* and no endless reading */
	assert_true(device.unusable[0]);
}

/* A key that is cut anywhere is unusable or of no known type, and nothing is read behind its end.
 */
static void cut_identity(void **state)
{
	char text[sizeof(ed25519_encrypted)];

	(void)state;
	for (size_t n = 0; n < strlen(ed25519_encrypted); n++) {
		auto_cleanup(identity_release) struct identity id;

		memcpy(text, ed25519_encrypted, n);
		text[n] = '\0';
		load(&id, text, 0600);
	}
}

/* A server's offer */

static size_t offer(unsigned char *dst, const char *banner, const char *kex, const char *keys)
{
	const char *lists[] = {kex, keys};
	size_t n = strlen(banner);

	memcpy(dst, banner, n);
	memset(dst + n, 0, 22);
	dst[n + 5] = 20;
	n += 22;
	for (int i = 0; i < 2; i++) {
		size_t len = strlen(lists[i]);

		dst[n++] = 0;
		dst[n++] = 0;
		dst[n++] = (unsigned char)(len >> 8);
		dst[n++] = (unsigned char)len;
		memcpy(dst + n, lists[i], len);
		n += len;
	}
	return n;
}

static void offers(void **state)
{
	unsigned char stream[512];
	char list[64];
	size_t n = offer(stream, "hello\r\nSSH-2.0-x\r\n", "curve25519-sha256", "rsa-sha2-512");

	(void)state;
	assert_true(kexinit_host_key_algorithms(stream, n, list, sizeof(list)));
	assert_string_equal(list, "rsa-sha2-512");
	assert_false(kexinit_host_key_algorithms(stream, n, list, 12));
	for (size_t i = 0; i < n; i++) {
		unsigned char *exact = malloc(i + 1); /* so that a step too far is seen */

		memcpy(exact, stream, i);
		assert_false(kexinit_host_key_algorithms(exact, i, list, sizeof(list)));
		free(exact);
	}
	for (size_t i = 0; i < n; i++) {
		unsigned char kept = stream[i];

		stream[i] = 0xff;
		(void)!kexinit_host_key_algorithms(stream, n, list, sizeof(list));
		stream[i] = kept;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_names),
		cmocka_unit_test(bad_names),
		cmocka_unit_test(open_checks_names_first),
		cmocka_unit_test(encrypted_identity),
		cmocka_unit_test(open_permissions_are_refused),
		cmocka_unit_test(other_files),
		cmocka_unit_test(what_is_no_file),
		cmocka_unit_test(cut_identity),
		cmocka_unit_test(offers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
