/* jdiag: where credentials are found, and which addresses may see them */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "jdiag/gcs/credentials.h"
#include "jdiag/gcs/endpoint.h"
#include "jdiag/gcs/gcs.h"
#include "remote/base/str.h"

#define USER_FILE                                                                    \
	"{\"type\":\"authorized_user\",\"client_id\":\"i\",\"client_secret\":\"s\"," \
	"\"refresh_token\":\"r\"}"
#define ACCOUNT_FILE(email) \
	"{\"type\":\"service_account\",\"client_email\":\"" email "\",\"private_key\":\"k\"}"

static char dir[] = "/tmp/jdiag-cred-XXXXXX";

static char *write_file(const char *name, const char *text)
{
	char *path = xasprintf("%s/%s", dir, name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	return path;
}

static int set_up(void **state)
{
	static const char *const names[] = {
		"STORAGE_EMULATOR_HOST", "GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG",
		"GCE_METADATA_HOST", "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		unsetenv(names[i]);
	if (!mkdtemp(memcpy(dir, "/tmp/jdiag-cred-XXXXXX", sizeof(dir))))
		return -1;
	return setenv("HOME", dir, 1);
}

static int tear_down(void **state)
{
	static const char *const names[] = {"/a.json", "/application_default_credentials.json",
					    "/.config/gcloud/application_default_credentials.json",
					    "/link.json"};
	static const char *const dirs[] = {"/.config/gcloud", "/.config", ""};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		auto_free char *path = xasprintf("%s%s", dir, names[i]);

		unlink(path);
	}
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		auto_free char *path = xasprintf("%s%s", dir, dirs[i]);

		rmdir(path);
	}
	return access(dir, F_OK) == 0 ? -1 : 0;
}

static void find(struct credentials *c, const char *command)
{
	struct error err = {0};

	if (credentials_find(c, command, &err) < 0)
		fail_msg("%s", err.msg);
}

static void test_order(void **state)
{
	auto_cleanup(credentials_release) struct credentials c = {0};
	auto_free char *config = xasprintf("%s/.config", dir),
		       *gcloud = xasprintf("%s/gcloud", config);
	auto_free char *named = NULL, *own = NULL, *moved = NULL;

	(void)state;
	find(&c, NULL);
	assert_int_equal(c.kind, CRED_METADATA);
	assert_string_equal(c.source, "metadata.google.internal");
	credentials_release(&c);
	setenv("GCE_METADATA_HOST", "10.0.0.1:80", 1);
	find(&c, NULL);
	assert_string_equal(c.source, "10.0.0.1:80");
	credentials_release(&c);

	assert_int_equal(mkdir(config, 0700), 0);
	assert_int_equal(mkdir(gcloud, 0700), 0);
	own = write_file(".config/gcloud/application_default_credentials.json", USER_FILE);
	find(&c, NULL);
	assert_int_equal(c.kind, CRED_USER);
	assert_string_equal(c.source, own);
	assert_string_equal(c.client_id, "i");
	assert_string_equal(secret_str(&c.key), "s");
	assert_string_equal(secret_str(&c.refresh_token), "r");
	assert_string_equal(c.token_uri, "https://oauth2.googleapis.com/token");
	credentials_release(&c);

	moved = write_file("application_default_credentials.json", ACCOUNT_FILE("moved"));
	setenv("CLOUDSDK_CONFIG", dir, 1);
	find(&c, NULL);
	assert_int_equal(c.kind, CRED_SERVICE_ACCOUNT);
	assert_string_equal(c.account, "moved");
	credentials_release(&c);

	named = write_file("a.json", ACCOUNT_FILE("named"));
	setenv("GOOGLE_APPLICATION_CREDENTIALS", named, 1);
	find(&c, NULL);
	assert_string_equal(c.account, "named");
	credentials_release(&c);

	find(&c, "print-token");
	assert_int_equal(c.kind, CRED_COMMAND);
	assert_string_equal(c.source, "print-token");
}

/* A file that is there and is wrong is never passed over for another identity. */
static void test_broken_files(void **state)
{
	auto_cleanup(credentials_release) struct credentials c = {0};
	auto_free char *own = write_file("application_default_credentials.json", "{}");
	struct error err = {0};

	(void)state;
	setenv("CLOUDSDK_CONFIG", dir, 1);
	assert_int_equal(credentials_find(&c, NULL, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_non_null(strstr(err.msg, own));
	assert_non_null(strstr(err.msg, "'type'"));
	setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/key.json", 1);
	assert_int_equal(credentials_find(&c, NULL, &err), -1);
	assert_non_null(strstr(err.msg, "/nowhere/key.json"));
	setenv("GOOGLE_APPLICATION_CREDENTIALS", dir, 1);
	assert_int_equal(credentials_find(&c, NULL, &err), -1);
	assert_non_null(strstr(err.msg, "is not a file"));
}

/* A secret mounted into a pod is a link. */
static void test_links_are_followed(void **state)
{
	auto_cleanup(credentials_release) struct credentials c = {0};
	auto_free char *file = write_file("a.json", ACCOUNT_FILE("x"));
	auto_free char *link = xasprintf("%s/link.json", dir);

	(void)state;
	assert_int_equal(symlink("a.json", link), 0);
	setenv("GOOGLE_APPLICATION_CREDENTIALS", link, 1);
	find(&c, NULL);
	assert_string_equal(c.account, "x");
	assert_non_null(file);
}

static void test_endpoints(void **state)
{
	static const char *const good[] = {"https://storage.googleapis.com",
					   "HTTPS://OAuth2.GoogleAPIs.com/token",
					   "https://googleapis.com:443/x?y",
					   "http://localhost:8080/",
					   "http://127.0.0.1",
					   "http://127.9.8.7:1/",
					   "http://[::1]:8080/x",
					   "https://storage-x.p.googleapis.com"};
	static const char *const bad[] = {"http://storage.googleapis.com",
					  "https://evilgoogleapis.com",
					  "https://googleapis.com.evil.example",
					  "https://googleapis.com@evil.example/",
					  "https://evil.example/googleapis.com",
					  "https://evil.example#.googleapis.com",
					  "https://evil.example\\.googleapis.com",
					  "https://127.0.0.1.evil.example",
					  "http://128.0.0.1",
					  "http://127.1",
					  "http://0x7f000001",
					  "http://[::2]",
					  "http://[::ffff:10.0.0.1]",
					  "http://localhost.evil.example",
					  "http://localhost:0",
					  "http://localhost:65536",
					  "http://localhost:",
					  "http://localhost:1x",
					  "http://[::1",
					  "ftp://localhost",
					  "https://",
					  "https:///x",
					  "//localhost",
					  "",
					  "https://storage.googleapis.com \n",
					  "https://x\r\ny.googleapis.com"};
	struct endpoint e;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		if (!endpoint_parse(good[i], &e) || !endpoint_may_see_secrets(&e))
			fail_msg("'%s' is refused", good[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (endpoint_parse(bad[i], &e) && endpoint_may_see_secrets(&e))
			fail_msg("'%s' is believed", bad[i]);
}

static void test_same_origin(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} pairs[] = {
		{"https://x.y/a", "https://X.Y:443/b", true},
		{"http://x", "http://x:80", true},
		{"http://x", "https://x", false},
		{"https://x:444", "https://x", false},
		{"https://x", "https://y", false},
	};
	struct endpoint a, b;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		assert_true(endpoint_parse(pairs[i].a, &a) && endpoint_parse(pairs[i].b, &b));
		assert_int_equal(endpoint_same(&a, &b), pairs[i].same);
	}
}

static void test_overrides(void **state)
{
	static const char *const bad[] = {"https://evil.example", "http://storage.googleapis.com",
					  "https://storage.googleapis.com/x",
					  "nonsense:", "https://storage.googleapis.com?x"};
	static const char *const good[] = {"https://storage.googleapis.com/storage/v1/",
					   "http://127.0.0.1:1", ""};
	const struct gcs_options o = {.token_command = "x"};
	struct error err = {0};
	struct gcs *g;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE", bad[i], 1);
		assert_int_equal(gcs_open(&g, &o, &err), -1);
		assert_int_equal(err.code, ERR_USAGE);
	}
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE", good[i], 1);
		assert_int_equal(gcs_open(&g, &o, &err), 0);
		gcs_close(g);
	}
}

static void test_names(void **state)
{
	static const char *const buckets[] = {"", "ab", "Abc", "a b", "a/b", "b\xc3\xbcro"};
	static const char *const objects[] = {"",     ".",    "..",
					      "a\nb", "\xff", ".well-known/acme-challenge/x"};
	struct error err = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(buckets); i++)
		assert_int_equal(gcs_check_names(buckets[i], "o", &err), -1);
	for (size_t i = 0; i < ARRAY_SIZE(objects); i++)
		assert_int_equal(gcs_check_names("bucket", objects[i], &err), -1);
	assert_int_equal(gcs_check_names("my-bucket_1.example.com", "a/b/\xc3\xbc x.hprof", &err),
			 0);
}

#define WITH_DIR(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DIR(test_order),
		WITH_DIR(test_broken_files),
		WITH_DIR(test_links_are_followed),
		WITH_DIR(test_overrides),
		cmocka_unit_test(test_endpoints),
		cmocka_unit_test(test_same_origin),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
