/* jdiag: credential files of external accounts and impersonation, and answers of programs that give
 * subject tokens */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "jdiag/gcs/credentials.h"
#include "jdiag/gcs/endpoint.h"
#include "jdiag/gcs/external_account.h"
#include "jdiag/gcs/subject.h"
#include "jdiag/process.h"
#include "remote/base/io.h"
#include "remote/base/str.h"

#define AUDIENCE \
	"//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q"
#define STS "\"token_url\":\"https://sts.googleapis.com/v1/token\""
#define EXTERNAL(source, more)                                                                 \
	"{\"type\":\"external_account\",\"audience\":\"" AUDIENCE "\",\"subject_token_type\":" \
	"\"urn:ietf:params:oauth:token-type:jwt\"," STS ",\"credential_source\":" source more "}"
#define ACT_AS(account)                                                                     \
	"\"service_account_impersonation_url\":\"https://iamcredentials.googleapis.com/v1/" \
	"projects/-/serviceAccounts/" account ":generateAccessToken\""
#define USER                                                                         \
	"{\"type\":\"authorized_user\",\"client_id\":\"i\",\"client_secret\":\"s\"," \
	"\"refresh_token\":\"r\"}"
#define TYPE "urn:ietf:params:oauth:token-type:"

extern char **environ;

static void parse(struct credentials *c, const char *text)
{
	struct error err = {0};

	if (credentials_parse(c, text, strlen(text), "f.json", &err) < 0)
		fail_msg("%s", err.msg);
}

static void test_external(void **state)
{
	auto_cleanup(credentials_release) struct credentials c = {0};

	(void)state;
	parse(&c, EXTERNAL("{\"file\":\"/x\"}", ""));
	assert_int_equal(c.kind, CRED_EXTERNAL);
	assert_string_equal(c.audience, AUDIENCE);
	assert_string_equal(c.token_uri, "https://sts.googleapis.com/v1/token");
	assert_int_equal(c.subject->from, SUBJECT_FILE);
	assert_string_equal(c.subject->where, "/x");
	assert_null(c.subject->field);
	credentials_release(&c);

	parse(&c, EXTERNAL("{\"url\":\"https://t.example/\",\"headers\":{\"A\":\"b\"},\"format\":{"
			   "\"type\":\"json\",\"subject_token_field_name\":\"value\"}}",
			   ",\"client_id\":\"i\",\"client_secret\":\"s\""));
	assert_int_equal(c.subject->from, SUBJECT_URL);
	assert_string_equal(c.subject->headers[0], "A: b");
	assert_null(c.subject->headers[1]);
	assert_string_equal(c.subject->field, "value");
	assert_string_equal(c.client_id, "i");
	assert_string_equal(secret_str(&c.key), "s");
}

static void test_external_impersonates(void **state)
{
	auto_cleanup(credentials_release) struct credentials c = {0};

	(void)state;
	setenv("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1", 1);
	parse(&c, EXTERNAL("{\"executable\":{\"command\":\"/bin/x -y\"}}",
			   "," ACT_AS("a@x.example") ",\"service_account_impersonation\":{"
						     "\"token_lifetime_seconds\":600}"));
	unsetenv("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES");
	assert_int_equal(c.kind, CRED_IMPERSONATED);
	assert_string_equal(c.account, "a@x.example");
	assert_int_equal(c.lifetime_s, 600);
	assert_null(c.delegates);
	assert_int_equal(c.base->kind, CRED_EXTERNAL);
	assert_string_equal(c.base->source, "f.json");
	assert_int_equal(c.base->subject->from, SUBJECT_COMMAND);
	assert_int_equal(c.base->subject->timeout_ms, 30000);
	assert_string_equal(c.base->subject->account, "a@x.example");
}

static void test_impersonated(void **state)
{
	auto_cleanup(credentials_release) struct credentials c = {0};

	(void)state;
	parse(&c, "{\"type\":\"impersonated_service_account\",\"source_credentials\":" USER
		  ",\"delegates\":[\"b@x\",\"projects/-/serviceAccounts/c@x\"]," ACT_AS("a@x") "}");
	assert_int_equal(c.kind, CRED_IMPERSONATED);
	assert_int_equal(c.lifetime_s, 3600);
	assert_string_equal(
		c.delegates,
		"[\"projects/-/serviceAccounts/b@x\",\"projects/-/serviceAccounts/c@x\"]");
	assert_int_equal(c.base->kind, CRED_USER);
	assert_string_equal(c.base->source, "f.json#source_credentials");
}

static void test_services(void **state)
{
	static const char *const good[] = {
		"https://sts.googleapis.com",		"https://STS.GoogleAPIs.com:443/v1/token",
		"https://us-east1-sts.googleapis.com/", "https://us-east1.sts.googleapis.com/",
		"https://sts.us-east1.googleapis.com/", "https://sts.mtls.googleapis.com/",
		"https://sts-xyz.p.googleapis.com/"};
	static const char *const bad[] = {"http://sts.googleapis.com",
					  "https://sts.googleapis.com:444",
					  "https://googleapis.com",
					  "https://storage.googleapis.com",
					  "https://xsts.googleapis.com",
					  "https://sts.storage.googleapis.com",
					  "https://storage.sts.googleapis.com",
					  "https://bucket-sts.googleapis.com",
					  "https://sts.us-east.googleapis.com",
					  "https://sts.us-east1x.googleapis.com",
					  "https://stsx.googleapis.com",
					  "https://.sts.googleapis.com",
					  "https://sts..googleapis.com",
					  "https://-sts.googleapis.com",
					  "https://a.b.sts.googleapis.com",
					  "https://a.b-sts.googleapis.com",
					  "https://sts.a.b.googleapis.com",
					  "https://sts.googleapis.com.evil.example",
					  "https://sts-xyz.q.googleapis.com",
					  "https://iamcredentials.googleapis.com",
					  "https://localhost",
					  "https://127.0.0.1"};
	struct endpoint e;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		if (!endpoint_parse(good[i], &e) || !endpoint_is_service(&e, "sts"))
			fail_msg("'%s' is refused", good[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (endpoint_parse(bad[i], &e) && endpoint_is_service(&e, "sts"))
			fail_msg("'%s' is believed", bad[i]);
}

static void test_link_local(void **state)
{
	static const struct {
		const char *url;
		bool is;
	} urls[] = {{"http://169.254.169.254/metadata", true},
		    {"http://[fe80::1]/", true},
		    {"http://169.253.0.1/", false},
		    {"http://10.0.0.1/", false},
		    {"http://[fec0::1]/", false},
		    {"http://169.254.evil.example/", false},
		    {"http://metadata.google.internal/", false}};
	struct endpoint e;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
		assert_true(endpoint_parse(urls[i].url, &e));
		if (endpoint_is_link_local(&e) != urls[i].is)
			fail_msg("%s", urls[i].url);
	}
}

static void test_impersonation_url(void **state)
{
	static const char *const bad[] = {
		"https://iamcredentials.googleapis.com",
		"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a@x:signBlob",
		"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"
		":generateAccessToken",
		"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/../"
		"a:generateAccessToken",
		"https://iamcredentials.googleapis.com?/v1/projects/-/serviceAccounts/"
		"a@x:generateAccessToken",
		"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"
		"a@x:generateAccessToken?x"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_null(impersonation_account(bad[i]));
}

static void answer(const char *text, bool kept, int want, const char *token, const char *says)
{
	const struct subject s = {.from = SUBJECT_COMMAND};
	auto_secret struct secret got = {0};
	struct error err = {0};
	int r = subject_answer(&s, text, strlen(text), 1000, kept, ERR_UPLOAD, &got, &err);

	if (r != want)
		fail_msg("%s: %d, %s", text, r, err.msg);
	assert_string_equal(secret_str(&got), token);
	if (says && !strstr(err.msg, says))
		fail_msg("'%s' does not say '%s'", err.msg, says);
	assert_null(strstr(err.msg, "canary"));
}

#define OK "{\"version\":1,\"success\":true,\"token_type\":"

static void test_answers(void **state)
{
	(void)state;
	answer(OK "\"" TYPE "jwt\",\"id_token\":\"t\"}", false, 0, "t", NULL);
	answer(OK "\"" TYPE "id_token\",\"id_token\":\"t\",\"expiration_time\":1001}", true, 0, "t",
	       NULL);
	answer(OK "\"" TYPE "saml2\",\"saml_response\":\"t\"}", false, 0, "t", NULL);
	answer(OK "\"" TYPE "jwt\",\"id_token\":\"canary\",\"expiration_time\":1000}", true, 1, "",
	       NULL);
	answer(OK "\"" TYPE "jwt\",\"id_token\":\"canary\",\"expiration_time\":1000}", false, -1,
	       "", "expired already");
	answer("{\"version\":1,\"success\":false}", true, 1, "", NULL);
	answer("{\"version\":1,\"success\":false}", false, -1, "", "(no message)");
	answer(OK "\"" TYPE "saml2\",\"id_token\":\"canary\"}", false, -1, "", "no saml_response");
	answer(OK "\"canary\",\"id_token\":\"canary\"}", false, -1, "", "token_type");
	answer("canary", true, -1, "", "not a JSON object");
	answer("{\"version\":\"1\",\"success\":true}", false, -1, "", "no version");
}

static void test_kept_answers_need_an_end(void **state)
{
	static const char text[] = OK "\"" TYPE "jwt\",\"id_token\":\"canary\"}";
	const struct subject s = {.from = SUBJECT_COMMAND, .output_file = (char[]){"/x"}};
	auto_secret struct secret got = {0};
	struct error err = {0};

	(void)state;
	assert_int_equal(subject_answer(&s, text, strlen(text), 0, false, ERR_UPLOAD, &got, &err),
			 -1);
	assert_non_null(strstr(err.msg, "no expiration_time"));
}

static int run_sh(const char *script, uint64_t timeout_ms, struct buf *out, struct error *err)
{
	char *const argv[] = {(char[]){"sh"}, (char[]){"-c"}, (char *)(uintptr_t)script, NULL};

	return process_run(&(struct process_run){.what = "it",
						 .program = "/bin/sh",
						 .argv = argv,
						 .envp = environ,
						 .quiet = true,
						 .group = true,
						 .timeout_ms = timeout_ms,
						 .code = ERR_UPLOAD},
			   out, err);
}

static void test_process(void **state)
{
	auto_buf struct buf out = BUF_INIT(1000);
	struct error err = {0};

	(void)state;
	assert_int_equal(run_sh("echo hello; cat; ls /proc/self/fd | wc -l", 60000, &out, &err), 0);
	/* 0 to 2, and ls's own */
	assert_string_equal(buf_str(&out), "hello\n4\n");
	assert_int_equal(run_sh("readlink /proc/self/fd/2 /proc/self/fd/0", 60000, &out, &err), 0);
	assert_string_equal(buf_str(&out), "/dev/null\n/dev/null\n");
}

static bool is_gone(const char *pid)
{
	auto_free char *path = xasprintf("/proc/%.*s/stat", (int)strcspn(pid, "\n"), pid);
	auto_buf struct buf stat = BUF_INIT(4096);

	/* a zombie waits for whoever took it over */
	return io_read_file(AT_FDCWD, path, &stat) < 0 || strstr(buf_str(&stat), ") Z");
}

/* Also where its leader does not listen. */
static void test_process_is_ended_as_a_whole(void **state)
{
	static const char script[] = "trap '' TERM; sleep 4711 & echo $!; sleep 4712";
	auto_buf struct buf out = BUF_INIT(1000);
	uint64_t timeout = 200, deadline;
	struct error err = {0};
	char words[64], time[16];

	(void)state;
	/* until it has had the time to say something */
	do {
		timeout *= 2;
		assert_int_equal(run_sh(script, timeout, &out, &err), -1);
	} while (out.len <= 1 && timeout < 60000);
	snprintf(words, sizeof(words), "it did not end within %s", str_format_ms(time, timeout));
	assert_string_equal(err.msg, words);
	assert_int_equal(err.code, ERR_UPLOAD);
	assert_true(out.len > 1);
	deadline = now_ms() + 60000;
	while (!is_gone(buf_str(&out)) && now_ms() < deadline)
		poll(NULL, 0, 10);
	assert_true(is_gone(buf_str(&out)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_external),
		cmocka_unit_test(test_external_impersonates),
		cmocka_unit_test(test_impersonated),
		cmocka_unit_test(test_services),
		cmocka_unit_test(test_link_local),
		cmocka_unit_test(test_impersonation_url),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_kept_answers_need_an_end),
		cmocka_unit_test(test_process),
		cmocka_unit_test(test_process_is_ended_as_a_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
