/* jdiag: an artifact compared with what is said about it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "jdiag/check.h"
#include "jdiag/crypto/crypto.h"
#include "jdiag/json.h"
#include "jdiag/progress.h"

/* The smallest dump: a header, a heap segment with one array of two bytes, the end. */
static const unsigned char dump[] = "JAVA PROFILE 1.0.2\0\0\0\0\x08\0\0\0\0\0\0\0\0"
				    "\x1c\0\0\0\0\0\0\0\x14"
				    "\x23\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02\x08hi"
				    "\x2c\0\0\0\0\0\0\0";

static struct error err;
static struct check_result result;
static bool source_fails;

static int read_dump(void *ctx, void *buf, size_t len, size_t *ret_len, struct error *e)
{
	size_t *at = ctx;
	size_t n = sizeof(dump) - *at < len ? sizeof(dump) - *at : len;

	if (source_fails && !n)
		return error_set(e, ERR_UPLOAD, "the bucket has gone");
	memcpy(buf, dump + *at, n);
	*at += n;
	*ret_len = n;
	return 0;
}

static void check(const struct check_claim *claims, size_t n)
{
	size_t at = 0;
	const struct check_artifact a = {
		.source = {"x", read_dump, &at},
		.size = sizeof(dump),
		.claims = claims,
		.n_claims = n,
	};
	struct progress *p = progress_new(PROGRESS_NONE, true);

	check_run(&a, p, &result);
	progress_end(p, NULL);
}

static int setup(void **state)
{
	(void)state;
	err = (struct error){0};
	source_fails = false;
	return 0;
}

static void test_nothing_said(void **state)
{
	(void)state;
	check(NULL, 0);
	assert_int_equal(result.mark, CHECK_SAME);
	assert_string_equal(result.compared, "");
	assert_int_equal(result.stored, sizeof(dump));
	assert_int_equal(result.dump.bytes, sizeof(dump));
	assert_int_equal(result.dump.records, 2);
	assert_int_equal(result.error.code, ERR_NONE);
	assert_int_equal(result.crc32c, crc32c(0, dump, sizeof(dump)));
}

static void test_all_said_is_true(void **state)
{
	struct check_claim claims[] = {CHECK_CLAIM("the manifest"), CHECK_CLAIM("the bucket")};
	char sha256[SHA256_HEX_SIZE];

	(void)state;
	check(NULL, 0);
	memcpy(sha256, result.sha256, sizeof(sha256));
	claims[0].format = "hprof";
	claims[0].size = claims[1].size = sizeof(dump);
	claims[0].sha256 = sha256;
	claims[0].records = 2;
	claims[0].raw_size = sizeof(dump);
	claims[1].has_crc32c = true;
	claims[1].crc32c = crc32c(0, dump, sizeof(dump));
	check(claims, 2);
	assert_int_equal(result.mark, CHECK_SAME);
	assert_string_equal(result.compared, "format, size, sha256, rawSize, records, crc32c");
}

static void test_differences_of_several(void **state)
{
	struct check_claim claims[] = {CHECK_CLAIM("the manifest"), CHECK_CLAIM("the bucket")};

	(void)state;
	claims[0].records = 3;
	claims[1].size = 7;
	claims[1].has_crc32c = true;
	claims[1].crc32c = 0x1234;
	check(claims, 2);
	assert_int_equal(result.mark, CHECK_DIFFERS);
	assert_int_equal(result.error.code, ERR_CAPTURE);
	assert_non_null(strstr(result.error.msg, "'x': records is 2, the manifest says 3; "
						 "size is 69, the bucket says 7; crc32c is "));
	assert_non_null(strstr(result.error.msg, ", the bucket says 00001234"));
	assert_string_equal(result.compared, "records, size, crc32c");
}

/* Why the bytes did not come is the source's to say; nothing is compared. */
static void test_source_fails(void **state)
{
	struct check_claim claim = CHECK_CLAIM("the manifest");

	(void)state;
	source_fails = true;
	claim.size = 1;
	check(&claim, 1);
	assert_int_equal(result.mark, CHECK_ERROR);
	assert_int_equal(result.error.code, ERR_UPLOAD);
	assert_string_equal(result.error.msg, "the bucket has gone");
	assert_string_equal(result.compared, "");
}

static int claim(const char *text, struct check_claim *c)
{
	auto_json json_t *m = json_from_text(text, strlen(text), "test", ERR_CAPTURE, &err);

	assert_non_null(m);
	return check_claim_manifest(m, c, &err);
}

static void test_manifests(void **state)
{
	struct check_claim c = CHECK_CLAIM("nobody");

	(void)state;
	assert_int_equal(claim("{\"kind\":\"HeapDump\",\"size\":5,\"sha256\":\"ab\"}", &c), 0);
	assert_string_equal(c.by, "the manifest");
	assert_int_equal(c.size, 5);
	assert_null(c.format);
	assert_true(c.records == CHECK_UNSAID && c.raw_size == CHECK_UNSAID && !c.has_crc32c);
	assert_int_equal(claim("{\"kind\":\"HeapDump\",\"size\":5,\"sha256\":\"ab\",\"rawSize\":6,"
			       "\"crc32c\":\"0000beef\",\"capture\":{\"records\":7}}",
			       &c),
			 0);
	assert_true(c.records == 7 && c.raw_size == 6 && c.has_crc32c && c.crc32c == 0xbeef);
	assert_int_equal(claim("{\"kind\":\"HeapDump\",\"size\":5}", &c), -1);
	assert_int_equal(err.code, ERR_CAPTURE);
	assert_int_equal(claim("{\"kind\":\"HeapDump\",\"size\":-5,\"sha256\":\"ab\"}", &c), -1);
	assert_int_equal(claim("{\"kind\":\"Threads\",\"size\":5,\"sha256\":\"ab\"}", &c), -1);
	assert_int_equal(claim("[]", &c), -1);
	assert_int_equal(c.size, 5);
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(check_claim_name("a/b.hprof.zst").format, "hprof.zst");
	assert_string_equal(check_claim_name("b.hprof").format, "hprof");
	assert_null(check_claim_name("b.bin").format);
	assert_null(check_claim_name("-").format);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_said),
		TEST(test_all_said_is_true),
		TEST(test_differences_of_several),
		TEST(test_source_fails),
		TEST(test_manifests),
		TEST(test_names),
	};

	return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
