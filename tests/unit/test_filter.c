/* jdiag */
#include "jdiag/filter.h"

#include <setjmp.h>
#include <stddef.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/json.h"

static const char node[] =
	"{\"name\": \"gke-pool-1-x7k2\", \"status\": \"Ready\", \"cpus\": 8, \"cordoned\": false,"
	" \"creationTimestamp\": \"2026-11-21T03:59:56Z\", \"empty\": \"\","
	" \"addresses\": [\"10.0.0.7\", \"34.1.2.3\"], \"nested\": {\"deep\": {\"x\": 1.5}},"
	" \"labels\": {\"pool\": \"java\", \"rank\": \"10\", \"topology.kubernetes.io/zone\": "
	"\"europe-west1-b\","
	" \"a\": \"1\", \"a.b\": \"2\", \"two words\": \"x\", \"text\": \"a (b) \\\"c\\\"\"}}";

static bool fits(const char *text)
{
	auto_json json_t *object = json_loads(node, 0, NULL);
	struct error err = {0};
	struct filter *f = NULL;
	bool result;

	assert_non_null(object);
	if (filter_parse(text, &f, &err) < 0)
		fail_msg("%s", err.msg);
	result = filter_matches(f, object);
	filter_free(f);
	return result;
}

static void all_fit(const char *const *list, bool expected)
{
	for (; *list; list++)
		if (fits(*list) != expected)
			fail_msg("'%s' %s", *list, expected ? "does not fit" : "fits");
}

static void test_restrictions(void **state)
{
	static const char *const yes[] = {
		"status:Ready",
		"status=Ready",
		"status = 'Ready'",
		"status\t=\n\"Ready\"",
		"status != NotReady",
		"name:gke-*",
		"name:*-x7k2",
		"name:gke-*-1-*2",
		"name:*",
		"name=gke-pool-1-x7k2",
		"cpus=8",
		"cpus=8.0",
		"cpus:8",
		"cpus>7",
		"cpus>=8",
		"cpus<=8",
		"cpus<10",
		"cpus>-1",
		"labels.rank>9", /* as numbers, where both are */
		"cordoned=false",
		"cordoned!=true",
		"creationTimestamp > 2026-11-01",
		"creationTimestamp < '2026-12-01T00:00:00Z'",
		"nested.deep.x=1.5",
		"nested.deep:*",
		"empty=''",
		"empty:*",
		"addresses:10.0.0.7",
		"addresses=34.1.2.3",
		"addresses:34.*",
		"labels.pool:java",
		"labels.topology.kubernetes.io/zone:europe-west1-*",
		"labels.\"topology.kubernetes.io/zone\"=europe-west1-b",
		"labels.a=1",
		"labels.a.b=2",
		"labels.'two words'=x",
		"labels.text='a (b) \"c\"'",
		"labels.text=\"a (b) \\\"c\\\"\"",
		NULL,
	};
	static const char *const no[] = {
		"status:ready",
		"status:Read",
		"status:eady",
		"name=gke-*",
		"name:pool*",
		"cpus=9",
		"cpus>8",
		"cpus<8",
		"cpus!=8",
		"labels.rank=10.0",
		"labels.gone:*",
		"labels.gone=x",
		"labels.gone=''",
		"nested=x",
		"nested.deep.y:*",
		"addresses:10.0.0.8",
		"labels.a.c:*",
		"gone<1",
		"gone:*",
		"addresses:x*",
		NULL,
	};

	(void)state;
	all_fit(yes, true);
	all_fit(no, false);
}

static void test_regular_expressions(void **state)
{
	static const char *const yes[] = {
		"name eq gke-.*",
		"name eq 'gke-pool-[0-9]+-(x7k2|abcd)'",
		"name ne pool", /* the whole value has to fit */
		"labels.pool eq java|go",
		"labels.text eq \"a \\(b\\) .c.\"",
		"labels.gone ne x",
		"cpus eq [0-9]",
		"name eq \"[[:alnum:]-]*\"",
		NULL,
	};
	static const char *const no[] = {
		"name eq pool", "name eq 'gke|x7k2'", "name ne .*", "labels.gone eq .*", NULL,
	};

	(void)state;
	all_fit(yes, true);
	all_fit(no, false);
}

static void test_logic(void **state)
{
	static const char *const yes[] = {
		"status:Ready AND labels.pool:java",
		"status:Ready labels.pool:java",
		"(status = Ready) (labels.pool = java)",
		"status:x OR labels.pool:java",
		"NOT status:x",
		"-status:x",
		"NOT (status:x OR labels.pool:go)",
		"- (status:x)",
		"labels.gone != x",
		"NOT labels.gone:*",
		"((((status:Ready))))",
		/* OR binds closer than AND */
		"status:Ready OR status:Ready AND labels.pool:java",
		"labels.pool:java AND status:x OR status:Ready",
		NULL,
	};
	static const char *const no[] = {
		"status:Ready AND labels.pool:go",
		"status:Ready labels.pool:go",
		"NOT status:Ready",
		"NOT (status:x OR labels.pool:java)",
		/* (Ready or x) and go, not Ready or (x and go) */
		"status:Ready OR status:x AND labels.pool:go",
		NULL,
	};

	(void)state;
	all_fit(yes, true);
	all_fit(no, false);
}

static void refused(const char *text, const char *why)
{
	struct error err = {0};
	struct filter *f = NULL;

	if (filter_parse(text, &f, &err) == 0)
		fail_msg("'%s' is taken", text);
	assert_int_equal(err.code, ERR_USAGE);
	if (!strstr(err.msg, why))
		fail_msg("'%s': '%s' does not say: %s", text, err.msg, why);
	assert_null(f);
}

static void test_errors_say_where(void **state)
{
	(void)state;
	refused("", "at character 1: the name of a field");
	refused("   ", "at character 4: the name of a field");
	refused("status", "at character 7: an operator");
	refused("status Ready", "at character 8: an operator");
	refused("status=", "at character 8: a value");
	refused("status= AND x=1", "at character 9: a value");
	refused("=Ready", "at character 1: the name of a field");
	refused("*:x", "at character 1: the name of a field");
	refused("status==Ready", "at character 8: a value");
	refused("status:'Ready", "at character 8: the quote is not closed");
	refused("status:'Ready\\'", "at character 8: the quote is not closed");
	refused("status:Re'ady'", "at character 10: a quote in the middle");
	refused("status:'Re'ady", "at character 12: a blank");
	refused("(status:Ready", "at character 1: the parenthesis is not closed");
	refused("status:Ready)", "at character 13: this ) closes nothing");
	refused("status:Ready AND", "at character 17: the name of a field");
	refused("AND status:Ready", "at character 1: a condition");
	refused("status:Ready OR OR a:b", "at character 17: a condition");
	refused("NOT NOT a:b", "at character 5: a condition");
	refused("a:b and c:d", "at character 5: AND, OR and NOT are written in capitals");
	refused("()", "at character 2: the name of a field");
	refused("labels.\"x:y", "at character 8: the quote is not closed");
}

static void test_regular_expressions_beyond(void **state)
{
	auto_free char *long_one = NULL;

	(void)state;
	refused("name eq '[a'", "at character 9: a bracket");
	refused("name eq '(a'", "at character 9: bad regular expression: ");
	refused("name eq 'a)|(b'", "closes nothing");
	refused("name eq a{2,100}", "{}");
	refused("name eq '\\d+'", "only punctuation");
	refused("name eq '(a)\\1'", "only punctuation");
	refused("name eq 'a\\'", "the quote is not closed");
	refused("name eq a\\", "only punctuation");
	refused("name eq '(?i)a'", "(?...)");
	refused("name eq a.*?", "quantifiers");
	refused("name eq a++", "quantifiers");
	refused("name eq '(((((a+)+)+)+)+)+'", "too many parentheses");
	long_one = xasprintf("name eq %0300d", 0);
	refused(long_one, "longer than 256 bytes");
}

static void test_bounds(void **state)
{
	static char text[5000];
	size_t n = 0;

	(void)state;
	memset(text, '(', 40);
	strncpy(text + 40, "a:b", 4);
	refused(text, "at character 33: too many parentheses");
	for (int i = 0; i < 200; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "a:b ");
	refused(text, "too many conditions");
	memset(text, 'a', sizeof(text) - 1);
	refused(text, "the filter is longer");
	/* what comes from outside is escaped */
	refused("\033]0;x\a", "\\x1b]0;x\\x07");
}

static void test_unknown_field(void **state)
{
	static const char *const known[] = {"name", "labels", NULL};
	struct error err = {0};
	struct filter *f = NULL;

	(void)state;
	assert_int_equal(filter_parse("name:x OR NOT (labels.a.b:c AND sttus:Ready)", &f, &err), 0);
	assert_string_equal(filter_unknown_field(f, known), "sttus");
	filter_free(f);
	assert_int_equal(filter_parse("name:x (labels.a:b)", &f, &err), 0);
	assert_null(filter_unknown_field(f, known));
	filter_free(f);
	filter_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_restrictions),
		cmocka_unit_test(test_regular_expressions),
		cmocka_unit_test(test_logic),
		cmocka_unit_test(test_errors_say_where),
		cmocka_unit_test(test_regular_expressions_beyond),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_unknown_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
