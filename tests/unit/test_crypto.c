/* jdiag: base64, signatures, digests. The keys were made for this file and open nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "jdiag/crypto/crypto.h"

static const char rsa_key[] = "-----BEGIN PRIVATE KEY-----\n"
			      "MIICeAIBADANBgkqhkiG9w0BAQEFAASCAmIwggJeAgEAAoGBAMqgDFxfiR7zaAlm\n"
			      "4iv1DJcc9qg5bc2ZeUBxAXaa/w9aEWXvstihcmk5UWzQ1gx3nSKnLMuwyyl0YUBr\n"
			      "uso0ufLdN5t0kbdiyUb8/Xx/YiilrcoJAXh8DK60lImVsf/JBx2z1Pv1+gguYJLw\n"
			      "Msydiq5CwBifjuJpseFuzZ97QVphAgMBAAECgYEAh6nm/MX+QdnIk1ruHW5Bkr+S\n"
			      "qglhaiHSnAHNcALQuQ+dzHlTblWSC7+Ts96TId/INpZlmK9zJvtDzeUTOCVbRX46\n"
			      "YI9LBp8Qo3033TndHxRy0wFk2K8MtfoBqDhctVbRLL9QqXVT79Q0k5p6Q6zKWdqi\n"
			      "wBUGcNKUkcwzFQWNZdECQQDj546UvfnGSvLmSg+mgrIUwTj+dSXPJg+99XesjHFG\n"
			      "ISWefF+LobmASi6bHzT+yvspbH6uPSFUEDziHkkzzy3lAkEA45qzUKbbxJQ0HjIf\n"
			      "3bsUzHUDyZi4YNN6jDsF+UpZW8Ph2iTT5iIcv/kMAHgn6u6XYu15kGLv2f3eNebI\n"
			      "wqmSzQJBALa6eCVmVJfai/p8syOscqAVdF8BCnmWaNTDtVpRmJjEBueVjP3lg1gL\n"
			      "ImcZlGId2VcTOFb3iHtgMZCS+9pgaMkCQQDgVvqJ833I/F+Gp9dbAWyVvnzWN279\n"
			      "GVXAZOkVd+AuIBw8nXIzcsoturfGuqh122hiPTpGRA6wKpfdPzYBEY29AkA7qyfT\n"
			      "3iB/8cq81q33EHSUKDmCd96C4NzTnCQ+0FhQvmO7bdSpWk+wBjkknDRpc4grWvrP\n"
			      "+5EcTIlnjBJRgzA+\n"
			      "-----END PRIVATE KEY-----\n";

static const char ec_key[] = "-----BEGIN EC PRIVATE KEY-----\n"
			     "MHcCAQEEID0Edpl7I+sXAHR5MRIJzL21moE/v+HRvoaxDveSSmKtoAoGCCqGSM49\n"
			     "AwEHoUQDQgAE6xX5wXn4Xgvgi4LKNK3K+jLESFK1RJrHo4oESDNuyGVvocdNJQol\n"
			     "Y6LjVpxCx+v444IyjVgCNbwA7yLb0r4E+g==\n"
			     "-----END EC PRIVATE KEY-----\n";

static const char encrypted_key[] =
	"-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
	"MIIC3TBXBgkqhkiG9w0BBQ0wSjApBgkqhkiG9w0BBQwwHAQIrTaq7GzIo1cCAggA\n"
	"MAwGCCqGSIb3DQIJBQAwHQYJYIZIAWUDBAEqBBDoe4dd4ViOhcBWwFlUINnjBIIC\n"
	"gB/EsGrwYp53MPfacAopK9JZbHi/5PsvJmlqrSdm+pH6JLJj3zzTi+deHjjPg2tS\n"
	"HkTJJEVc6H9ZNk9BQ2QBAnDd2DteLJogaCMuDcJ5cMfpgHdPmaBgBW9Ggk2Wc0ga\n"
	"4nS/j6a9r3tMLcYbLPDGjkfwuUfH/g0oFsGoS94ATIRLpaQ+WX5hqUefmhtMpo8C\n"
	"oBzzwiiFEfvn+P9/EP6UmVfBwKQr0LOh2p0iE31V3fGQuiOQuauaICVtXqNdtwV0\n"
	"IfsC6WCtmHRIXLQGfHyhhSbSkT2W1xgZqBESzVLs83Pq6UqCTcS68a3AInlnCpAM\n"
	"tmAUrtOg04mQWb4UN9lG1sqFxTKH6py+A5e+OMftw2ZN6tQO0+xWkWv5yDXmuA1z\n"
	"32eaSfKtx2aLbE2MlXXDIAfdCYY4Vku0T9jDcwwTX8tkszUWe8jpxap2snatdYlE\n"
	"IlFljFTxk5owm0shxRMErCZfaD8dKjb1GhRvBAKaiFO/FoMzg0EtEYb/urC+hghn\n"
	"xXyS68egW+FK/zm8sL4p1YJB5p00NkKXKNpKVJcfHWLgH47AmaeZATmnqllHhJ1h\n"
	"GuM13fDsMTr0mb856YJ46DzBpJR28CdL2fS8OYFtU3OJzDs45EoKTooD6HbTndwC\n"
	"2WDmJJ+onrFj2xNrrMxUE9cPBMSJOcDCThoZdLtfUaOvXXUsq0d31D43l1FfwQjW\n"
	"sfghF/n2khFMWNTaM6dkwcwEi5I+3aAw4DepDxoPGpl3Ms6u/H4i0uDgwdbucxz7\n"
	"Hqn3G7+fD7Jh9sTrZP6/ON20cxxNtyJxJolgRntYU6Hllij6GWn7NezSbPkS1UUK\n"
	"ZQOoe2fePr5yFu6H5SdJsGM=\n"
	"-----END ENCRYPTED PRIVATE KEY-----\n";

/* printf header.claims | openssl dgst -sha256 -sign KEY */
static const char signature[] =
	"NIhr/+v48XLBBYMtuzDuyeo/RLUu+A9I49nS0nCwK9AXKp1X25smAFl9KDfgeX+K3fPZadRo2uO7Z1i2"
	"Vdmb+5GiJcDny0hIjaqJJ5uvZBTBQ98YMPUU30JsktahxjNiadyy7shG9FBtelIyGVyguOKYUPUdHTqL"
	"ww589Y0kh0s=";

/* ssh-keygen -l */
static const char ssh_key[] =
	"AAAAC3NzaC1lZDI1NTE5AAAAIPmvCXA+DAngF6Q4qnE4XdfBXHi0WBWpoDFidwfUEIIq";
static const char ssh_key_fingerprint[] = "SHA256:5F79OdHy8KbC7VUHKyO0MsKQ+hsJmsE6ybI7lSD1oVM";

/* RFC 4648, 10. */
static void test_base64_vectors(void **state)
{
	static const char *const pairs[][2] = {
		{"", ""},
		{"f", "Zg=="},
		{"fo", "Zm8="},
		{"foo", "Zm9v"},
		{"foob", "Zm9vYg=="},
		{"fooba", "Zm9vYmE="},
		{"foobar", "Zm9vYmFy"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		auto_buf struct buf e = BUF_INIT(64), d = BUF_INIT(64);

		base64_encode(&e, pairs[i][0], strlen(pairs[i][0]), false);
		assert_string_equal(buf_str(&e), pairs[i][1]);
		assert_true(base64_decode(&d, pairs[i][1], strlen(pairs[i][1])));
		assert_string_equal(buf_str(&d), pairs[i][0]);
		buf_release(&d);
	}
}

static void test_base64_url_safe(void **state)
{
	auto_buf struct buf b = BUF_INIT(64);

	(void)state;
	base64_encode(&b, "\xfb\xff\xfe\xff", 4, true);
	assert_string_equal(buf_str(&b), "-__-_w");
}

static void test_base64_decode_is_strict(void **state)
{
	static const char *const bad[] = {"Zg",	  "Zg=",   "Z===", "=AAA", "Zg==Zg==", "Zh==",
					  "Zm9=", "Zm9v!", "Zm-v", "Zg=a", "===="};
	auto_buf struct buf d = BUF_INIT(64), tiny = BUF_INIT(2);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(base64_decode(&d, bad[i], strlen(bad[i])));
	buf_reset(&d);
	assert_true(base64_decode(&d, " Zm\r\n9v\tYg= =\n", 14));
	assert_string_equal(buf_str(&d), "foob");
	assert_false(base64_decode(&tiny, "Zm9v", 4));
}

static void test_rs256(void **state)
{
	auto_buf struct buf sig = BUF_INIT(1024), text = BUF_INIT(1024);
	struct error err = {0};

	(void)state;
	assert_int_equal(rsa_sha256_sign(rsa_key, "header.claims", 13, &sig, &err), 0);
	base64_encode(&text, sig.data, sig.len, false);
	assert_string_equal(buf_str(&text), signature);
}

static void test_rs256_refuses_other_keys(void **state)
{
	static const char *const bad[] = {ec_key, encrypted_key, "", "no key",
					  "-----BEGIN PRIVATE KEY-----\nAAAA\n"};
	auto_buf struct buf sig = BUF_INIT(1024);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct error err = {0};

		assert_int_equal(rsa_sha256_sign(bad[i], "x", 1, &sig, &err), -1);
		assert_int_equal(err.code, ERR_USAGE);
		assert_int_equal(sig.len, 0);
	}
}

/* RFC 2202, 3: test cases 1, 2 and 6. */
static void test_hmac_sha1(void **state)
{
	unsigned char md[20], key[80];

	(void)state;
	memset(key, 0x0b, 20);
	hmac_sha1(key, 20, "Hi There", 8, md);
	assert_memory_equal(md,
			    "\xb6\x17\x31\x86\x55\x05\x72\x64\xe2\x8b\xc0\xb6\xfb\x37\x8c\x8e"
			    "\xf1\x46\xbe\x00",
			    20);
	hmac_sha1("Jefe", 4, "what do ya want for nothing?", 28, md);
	assert_memory_equal(md,
			    "\xef\xfc\xdf\x6a\xe5\xeb\x2f\xa2\xd2\x74\x16\xd5\xf1\x84\xdf\x9c"
			    "\x25\x9a\x7c\x79",
			    20);
	memset(key, 0xaa, 80);
	hmac_sha1(key, 80, "Test Using Larger Than Block-Size Key - Hash Key First", 54, md);
	assert_memory_equal(md,
			    "\xaa\x4a\xe5\xe1\x52\x72\xd0\x0e\x95\x70\x56\x37\xce\x8a\x3b\x55"
			    "\xed\x40\x21\x12",
			    20);
}

static void test_ssh_fingerprint(void **state)
{
	auto_buf struct buf key = BUF_INIT(256);
	char text[64];

	(void)state;
	assert_true(base64_decode(&key, ssh_key, strlen(ssh_key)));
	assert_string_equal(ssh_fingerprint(text, key.data, key.len), ssh_key_fingerprint);
}

static void test_random_differs(void **state)
{
	unsigned char a[32] = {0}, b[32] = {0}, zero[32] = {0};

	(void)state;
	crypto_random(a, sizeof(a));
	crypto_random(b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
	assert_memory_not_equal(a, zero, sizeof(a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base64_vectors),
		cmocka_unit_test(test_base64_url_safe),
		cmocka_unit_test(test_base64_decode_is_strict),
		cmocka_unit_test(test_rs256),
		cmocka_unit_test(test_rs256_refuses_other_keys),
		cmocka_unit_test(test_hmac_sha1),
		cmocka_unit_test(test_ssh_fingerprint),
		cmocka_unit_test(test_random_differs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
