/* jdiag */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "jdiag/prometheus/text.h"
#include "remote/base/buf.h"
#include "remote/base/limits.h"

#define TEXT "text/plain; version=0.0.4; charset=utf-8"
#define OM "application/openmetrics-text; version=1.0.0; charset=utf-8"

struct page {
	const char *text;
	size_t len;
};

/* sizeof: a NUL may be in it. */
#define PAGE(t)                  \
	{                        \
		t, sizeof(t) - 1 \
	}

/* In memory of its own, so that a read behind its end is seen. */
static int parse(const struct page *p, const char *type, struct prom_summary *s, struct error *err)
{
	auto_free char *copy = xmalloc(p->len + !p->len);

	memcpy(copy, p->text, p->len);
	return prom_parse(copy, p->len, type, s, err);
}

static void take(const char *text, const char *type, struct prom_summary *s)
{
	struct page p = {text, strlen(text)};
	struct error err = {0};

	if (parse(&p, type, s, &err) < 0)
		fail_msg("%s", err.msg);
}

static void all_good(const struct page *pages, size_t n, const char *type)
{
	struct prom_summary s;

	for (size_t i = 0; i < n; i++) {
		struct error err = {0};

		if (parse(&pages[i], type, &s, &err) < 0)
			fail_msg("page %zu, '%s': %s", i, pages[i].text, err.msg);
	}
}

static void all_bad(const struct page *pages, size_t n, const char *type)
{
	for (size_t i = 0; i < n; i++) {
		struct prom_summary s = {.samples = 4711};
		struct error err = {0};

		if (parse(&pages[i], type, &s, &err) == 0)
			fail_msg("page %zu, '%s' was taken", i, pages[i].text);
		assert_int_equal(err.code, ERR_FAILED);
		assert_memory_equal(err.msg, "line ", 5);
		assert_int_equal(s.samples, 4711);
	}
}

#define ALL_GOOD(pages, type) all_good(pages, sizeof(pages) / sizeof((pages)[0]), type)
#define ALL_BAD(pages, type) all_bad(pages, sizeof(pages) / sizeof((pages)[0]), type)

static void test_exporter(void **state)
{
	static const char page[] =
		"# HELP jmx_config_reload_success_total Number of times configuration have "
		"successfully been reloaded.\n"
		"# TYPE jmx_config_reload_success_total counter\n"
		"jmx_config_reload_success_total 2.0\n"
		"# HELP jvm_memory_bytes_used Used bytes.\n"
		"# TYPE jvm_memory_bytes_used gauge\n"
		"jvm_memory_bytes_used{area=\"heap\",} 1.5E7\n"
		"jvm_memory_bytes_used{area=\"nonheap\",} 3.1\n"
		"# TYPE jmx_exporter_build_info gauge\n"
		"jmx_exporter_build_info{version=\"0.20.0\",name=\"jmx_prometheus_javaagent\",} 1\n"
		"# TYPE jmx_scrape_error gauge\n"
		"jmx_scrape_error 1.0\n"
		"java_lang_Memory_HeapMemoryUsage_max -1.0\n"
		"# TYPE h histogram\n"
		"h_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n";
	struct prom_summary s;

	(void)state;
	take(page, TEXT, &s);
	assert_int_equal(s.families, 6);
	assert_int_equal(s.samples, 9);
	assert_int_equal(s.jmx, 3);
	assert_int_equal(s.jvm, 2);
	assert_true(s.has_scrape_error);
	assert_true(s.scrape_error == 1.0);
	assert_true(s.reloads == 2.0);
	assert_true(isnan(s.reload_failures));
	assert_string_equal(s.exporter_version, "0.20.0");
	take("", TEXT, &s);
	assert_int_equal(s.samples, 0);
	assert_false(s.has_scrape_error);
	assert_string_equal(s.exporter_version, "");
}

static void test_openmetrics(void **state)
{
	static const char page[] =
		"# TYPE jmx_config_reload_success counter\n"
		"# HELP jmx_config_reload_success reloads\n"
		"jmx_config_reload_success_total 3.0\n"
		"jmx_config_reload_success_created 1.7E9\n"
		"# TYPE jmx_config_reload_failure counter\n"
		"jmx_config_reload_failure_total 1.0\n"
		"# TYPE t_seconds histogram\n"
		"# UNIT t_seconds seconds\n"
		"t_seconds_bucket{le=\"0.1\"} 1 # {trace=\"a\",b=\"c\"} 0.07 1.5\n"
		"t_seconds_bucket{le=\"+Inf\"} 1 12.5 # {} 0.07\n"
		"# TYPE jmx_exporter_build info\n"
		"jmx_exporter_build_info{version=\"1.0.1\"} 1\n"
		"# EOF\n";
	struct prom_summary s;

	(void)state;
	take(page, OM, &s);
	assert_int_equal(s.families, 4);
	assert_int_equal(s.samples, 6);
	assert_true(s.reloads == 3.0);
	assert_true(s.reload_failures == 1.0);
	assert_string_equal(s.exporter_version, "1.0.1");
}

static void test_good_text(void **state)
{
	static const struct page pages[] = {
		PAGE(""),
		PAGE("\n\n \t\n"),
		PAGE("a 1"),
		PAGE("a 1\n\n"),
		PAGE("a \t 1 \t 2 \t\n"),
		PAGE(" \t # HELP a b\n"),
		PAGE("a{} 1\n"),
		PAGE("a{b=\"c\"}1\n"),
		PAGE("a{b=\"c\",} 1\n"),
		PAGE("a { b = \"c\" , d = \"e\" } 1\n"),
		PAGE("a{b=\"c\" d=\"e\"} 1\n"),
		PAGE("a{b=\"c\",b=\"\",b=\"d\"} 1\n"),
		PAGE("a{b=\"\\\\\\\"\\n\\x\"} 1\n"),
		PAGE("a{b=\"one\ntwo\"} 1\n"),
		PAGE("a{b=\"\0\"} 1\n"),
		PAGE("a{b=\"\xc3\xa4\xf0\x9f\x98\x80\"} 1\n"),
		PAGE(":a:b_9 1\n"),
		PAGE("a -1\n"),
		PAGE("a +1.e+5\n"),
		PAGE("a .5\n"),
		PAGE("a 1e-400\n"),
		PAGE("a NaN\n"),
		PAGE("a nAn\n"),
		PAGE("a +Inf\na -iNFinity\na Inf\n"),
		PAGE("a 1 9223372036854775807\n"),
		PAGE("# comment\n#\n#comment\n# \n# HELP\n# TYPE\n# HELPER a\n#HELP a\n"),
		PAGE("# HELP a\n# HELP a \n# HELP a text\\n \xc3\xa4\n#\tHELP\ta\ttext\n"),
		PAGE("# TYPE a counter\n# TYPE a\tgauge\n# TYPE b summary\n# TYPE c untyped"),
		PAGE("a 1\na 2\n# TYPE a counter\n"),
		PAGE("a-1\n"),
	};

	(void)state;
	ALL_GOOD(pages, TEXT);
	ALL_GOOD(pages, NULL);
	ALL_GOOD(pages, "");
	ALL_GOOD(pages, "application/openmetrics-textual");
}

static void test_bad_text(void **state)
{
	static const struct page pages[] = {
		PAGE("<html>"),
		PAGE("{\"a\": 1}"),
		PAGE("a"),
		PAGE("a\n"),
		PAGE("a b\n"),
		PAGE("1a 1\n"),
		PAGE(" a 1\n"),
		PAGE("a 1\r\n"),
		PAGE("a 0x1p3\n"),
		PAGE("a 0x10\n"),
		PAGE("a 1_000\n"),
		PAGE("a 1e\n"),
		PAGE("a .\n"),
		PAGE("a -\n"),
		PAGE("a +NaN\n"),
		PAGE("a infin\n"),
		PAGE("a 1e999\n"),
		PAGE("a 1 2 3\n"),
		PAGE("a 1 -2\n"),
		PAGE("a 1 2.5\n"),
		PAGE("a 1 9223372036854775808\n"),
		PAGE("a 1 # comment\n"),
		PAGE("a{\n"),
		PAGE("a{,} 1\n"),
		PAGE("a{b=\"c\",,} 1\n"),
		PAGE("a{b} 1\n"),
		PAGE("a{b=} 1\n"),
		PAGE("a{b=c} 1\n"),
		PAGE("a{b='c'} 1\n"),
		PAGE("a{b=\"c} 1\n"),
		PAGE("a{b=\"c\\\n\"} 1\n"),
		PAGE("a{b=\"c\\"),
		PAGE("a{b=\"c\""),
		PAGE("a{b=\"c\"}"),
		PAGE("a{b=\"c\"}{d=\"e\"} 1\n"),
		PAGE("a{b:c=\"d\"} 1\n"),
		PAGE("a{1=\"d\"} 1\n"),
		PAGE("a{b=\"\xff\"} 1\n"),
		PAGE("a{b=\"c\",b=\"c\"} 1\n"),
		PAGE("a{b=\"1\",c=\"2\",d=\"3\",b=\"4\"} 1\n"),
		PAGE("a{__name__=\"b\"} 1\n"),
		PAGE("# HELP 1\n"),
		PAGE("# HELP \n"),
		PAGE("# HELP a \xff\n"),
		PAGE("# TYPE a\n"),
		PAGE("# TYPE a info\n"),
		PAGE("# TYPE a  gauge\n"),
		PAGE("# TYPE a gauge \n"),
		PAGE("# TYPE a Gauge\n"),
		PAGE("a 1\n\0"),
		PAGE("a\0 1\n"),
		PAGE("a 1\0\n"),
	};

	(void)state;
	ALL_BAD(pages, TEXT);
	ALL_BAD(pages, "text/html");
}

static void test_good_openmetrics(void **state)
{
	static const struct page pages[] = {
		PAGE("# EOF\n"),
		PAGE("# EOF"),
		PAGE("a 1\na{} 1\na{b=\"c\",d=\"e\"} 1 1.5\n# EOF\n"),
		PAGE("# HELP a \n# HELP a x\n# TYPE a stateset\n# UNIT a \n# EOF\n"),
		PAGE("# UNIT a_s s\n# EOF\n"),
		PAGE("a 1 -5\na 1 1e3\n# EOF\n"),
		PAGE("a_total 1 # {} 1\na_bucket 1 # {x=\"y\"} 1 2\n"
		     "a_total 1 3 # {x=\"y\"} 1 2\n# EOF\n"),
		PAGE("a{b=\"\\\"\\\\\\n\"} NaN\n# EOF\n"),
	};

	(void)state;
	ALL_GOOD(pages, OM);
	ALL_GOOD(pages, "application/OpenMetrics-text");
}

static void test_bad_openmetrics(void **state)
{
	static const struct page pages[] = {
		PAGE(""),
		PAGE("a 1\n"),
		PAGE("a 1"),
		PAGE("# EOF\n\n"),
		PAGE("# EOF\na 1\n"),
		PAGE("# EOFa"),
		PAGE("\n# EOF\n"),
		PAGE("# comment\n# EOF\n"),
		PAGE("#\n# EOF\n"),
		PAGE(" a 1\n# EOF\n"),
		PAGE("a  1\n# EOF\n"),
		PAGE("a 1 \n# EOF\n"),
		PAGE("a 1 2 3\n# EOF\n"),
		PAGE("a 1 NaN\n# EOF\n"),
		PAGE("a 1 +Inf\n# EOF\n"),
		PAGE("a{b=\"c\",} 1\n# EOF\n"),
		PAGE("a{b=\"c\" ,d=\"e\"} 1\n# EOF\n"),
		PAGE("a{b=\"c\"d=\"e\"} 1\n# EOF\n"),
		PAGE("a {b=\"c\"} 1\n# EOF\n"),
		PAGE("a{b=\"c\"}1\n# EOF\n"),
		PAGE("a{b=\"one\ntwo\"} 1\n# EOF\n"),
		PAGE("a{b=\"c\",b=\"d\"} 1\n# EOF\n"),
		PAGE("a{b=\"\xff\"} 1\n# EOF\n"),
		PAGE("a 1\r\n# EOF\n"),
		PAGE("# TYPE a untyped\n# EOF\n"),
		PAGE("# TYPE a\n# EOF\n"),
		PAGE("# HELP a\n# EOF\n"),
		PAGE("# HELP a x"),
		PAGE("# HELP  a x\n# EOF\n"),
		PAGE("# HELP a \xff\n# EOF\n"),
		PAGE("# UNIT a s\n# EOF\n"),
		PAGE("# UNIT as s\n# EOF\n"),
		PAGE("# UNIT s s\n# EOF\n"),
		PAGE("# UNIT s seconds\n# EOF\n"),
		PAGE("a 1 # {} 1\n# EOF\n"),
		PAGE("a 1 # x\n# EOF\n"),
		PAGE("a_total 1 # {\n# EOF\n"),
		PAGE("a_total 1 # {}\n# EOF\n"),
		PAGE("a_total 1 # {x=\"y\"}1\n# EOF\n"),
		PAGE("a_total 1 # {x=\"y\",} 1\n# EOF\n"),
		PAGE("a_total 1 # {} 1 NaN\n# EOF\n"),
		PAGE("a_total 1 # {} x\n# EOF\n"),
		PAGE("a_total 1 # {} 1 # {} 1\n# EOF\n"),
	};

	(void)state;
	ALL_BAD(pages, OM);
}

static void test_line_numbers(void **state)
{
	static const struct {
		const char *page, *type, *says;
	} cases[] = {
		{"a 1\n\n# x\nb", TEXT, "line 4: '' is not a number"},
		{"a{b=\"1\n2\"} 1\nc d\n", TEXT, "line 3: 'd' is not a number"},
		{"a 1\nb 2\n", OM, "line 3: no '# EOF' at the end"},
		{"# TYPE a \x1b[2J\n", TEXT, "line 1: '\\x1b[2J' is not a type of metrics"},
	};
	struct prom_summary s;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct page p = {cases[i].page, strlen(cases[i].page)};
		struct error err = {0};

		assert_int_equal(parse(&p, cases[i].type, &s, &err), -1);
		assert_string_equal(err.msg, cases[i].says);
	}
}

static void test_extremes(void **state)
{
	auto_buf struct buf b = BUF_INIT(32 * MiB);
	struct prom_summary s;
	struct error err = {0};

	(void)state;
	/* many labels: no more than a sane page has, and not in the square of time */
	buf_adds(&b, "a{");
	for (int i = 0; i < 4096; i++)
		buf_addf(&b, "l%d=\"\",", i);
	buf_adds(&b, "} 1\n");
	take(buf_str(&b), TEXT, &s);
	buf_reset(&b);
	buf_adds(&b, "a{");
	for (int i = 0; i < 500000; i++)
		buf_addf(&b, "l%d=\"\",", i);
	buf_adds(&b, "} 1\n");
	assert_int_equal(prom_parse(buf_str(&b), b.len, TEXT, &s, &err), -1);
	buf_reset(&b);
	for (int i = 0; i < 100000; i++)
		buf_addf(&b, "jvm_%d{x=\"%d\"} %d.5\n", i, i, i);
	take(buf_str(&b), TEXT, &s);
	assert_int_equal(s.samples, 100000);
	assert_int_equal(s.families, 100000);
	assert_int_equal(s.jvm, 100000);
	/* an endless number */
	buf_reset(&b);
	buf_adds(&b, "a ");
	for (int i = 0; i < 100000; i++)
		buf_adds(&b, "1234567890");
	assert_int_equal(prom_parse(buf_str(&b), b.len, TEXT, &s, &err), -1);
}

static void test_version_is_escaped(void **state)
{
	struct prom_summary s;

	(void)state;
	take("jmx_exporter_build_info{version=\"\x1b[2J\"} 1\n", TEXT, &s);
	assert_string_equal(s.exporter_version, "\\x1b[2J");
	take("jmx_exporter_build_info{version=\"0123456789012345678901234567890123456789"
	     "01234567890123456789012345678901234567890\"} 1\n",
	     TEXT, &s);
	assert_int_equal(strlen(s.exporter_version), 63);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exporter),	   cmocka_unit_test(test_openmetrics),
		cmocka_unit_test(test_good_text),	   cmocka_unit_test(test_bad_text),
		cmocka_unit_test(test_good_openmetrics),   cmocka_unit_test(test_bad_openmetrics),
		cmocka_unit_test(test_line_numbers),	   cmocka_unit_test(test_extremes),
		cmocka_unit_test(test_version_is_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
