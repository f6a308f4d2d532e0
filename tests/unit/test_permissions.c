/* jdiag */
/* What a bucket says about our permissions. */
#include "jdiag/gcs/permissions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "jdiag/gcs/internal.h"

static struct gcs_permission list[] = {
	{"storage.objects.create", "roles/storage.objectCreator", true},
	{"storage.objects.get", "roles/storage.objectViewer", true},
};

static int parse(const char *text, struct error *err)
{
	return gcs_permissions_parse(text, strlen(text), list, 2, err);
}

static void granted_are_those_in_the_list(void **state)
{
	struct error err = {0};

	(void)state;
	assert_int_equal(parse("{\"permissions\": [\"storage.objects.get\", \"other\", 7]}", &err),
			 0);
	assert_false(list[0].granted);
	assert_true(list[1].granted);
	assert_int_equal(parse("{\"kind\": \"storage#testIamPermissionsResponse\"}", &err), 0);
	assert_false(list[0].granted || list[1].granted);
}

static void other_answers_are_none(void **state)
{
	static const char *const bad[] = {"", "[]", "<html>", "{\"permissions\": \"all\"}",
					  "{\"permissions\": {\"storage.objects.create\": true}}"};
	struct error err = {0};

	(void)state;
	list[0].granted = false;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(parse(bad[i], &err), -1);
		assert_int_equal(err.code, ERR_UPLOAD);
		assert_false(list[0].granted);
	}
}

static void the_line_grants_it(void **state)
{
	struct gcs g = {.token.cred = {.kind = CRED_SERVICE_ACCOUNT,
				       .source = (char[]){"key.json"},
				       .account = (char[]){"a@b"}}};
	struct error err = {0};

	(void)state;
	assert_int_equal(gcs_permission_error(&g, "dumps", &list[0], &err), -1);
	assert_string_equal(err.msg, "not permitted on 'gs://dumps': storage.objects.create, with "
				     "the credentials of 'key.json' (a@b)");
	assert_non_null(strstr(err.hint,
			       "\ngcloud storage buckets add-iam-policy-binding gs://dumps "
			       "--member=serviceAccount:a@b --role=roles/storage.objectCreator"));
	g.token.cred.kind = CRED_USER;
	g.token.cred.account = NULL;
	assert_int_equal(gcs_permission_error(&g, "dumps", &list[1], &err), -1);
	assert_non_null(
		strstr(err.hint, "--member=user:ACCOUNT --role=roles/storage.objectViewer"));
	/* a line to be pasted; the text of a command may hold a secret */
	g.token.cred.kind = CRED_SERVICE_ACCOUNT;
	g.token.cred.account = (char[]){"a@b;id"};
	assert_int_equal(gcs_permission_error(&g, "dumps", &list[1], &err), -1);
	assert_non_null(strstr(err.hint, "--member='serviceAccount:a@b;id' --role="));
	g.token.cred =
		(struct credentials){.kind = CRED_COMMAND, .source = (char[]){"echo s3cret"}};
	assert_int_equal(gcs_permission_error(&g, "dumps", &list[1], &err), -1);
	assert_null(strstr(err.msg, "s3cret"));
	assert_null(strstr(err.hint, "s3cret"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(granted_are_those_in_the_list),
		cmocka_unit_test(other_answers_are_none),
		cmocka_unit_test(the_line_grants_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
