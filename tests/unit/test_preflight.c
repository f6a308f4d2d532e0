/* jdiag */
/* What a dump will cost against what there is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <string.h>

#include "jdiag/preflight.h"

#define GiB (1024.0 * 1024 * 1024)

static json_t *inspect_answer(const char *version, double used, double node_free, bool usable)
{
	return json_pack("{s:{s:s}, s:{s:I, s:s}, s:[{s:s, s:b, s:s, s:s, s:I}], s:s}", "jvm",
			 "version", version, "heap", "used", (json_int_t)used, "source",
			 "heap_info", "strategies", "name", "growing-file", "usable", usable,
			 "reason", "no room", "where", "/var/tmp/.jdiag-1", "free",
			 (json_int_t)node_free, "strategy", "growing-file");
}

static int check(const char *version, double used, double node_free, double sink_free,
		 uint64_t budget_ms, struct error *err)
{
	struct preflight p = {.live = true, .liveness_budget_ms = budget_ms};
	json_t *answer = inspect_answer(version, used, node_free, true);
	int rc = preflight_estimate(&p, answer, err);

	assert_int_equal(rc, 0);
	assert_true(p.size > (uint64_t)used);
	assert_true(p.pause_ms > 0);
	p.sink_free = (uint64_t)sink_free;
	rc = preflight_check(&p, err);
	json_decref(answer);
	return rc;
}

static void test_fits(void **state)
{
	struct error e = {0};

	(void)state;
	assert_int_equal(check("17.0.15", 1 * GiB, 10 * GiB, 10 * GiB, 30000, &e), 0);
	assert_int_equal(check("17.0.15", 1 * GiB, 10 * GiB, 10 * GiB, 0, &e), 0);
}

static void assert_refused(int rc, const struct error *e, const char *about)
{
	assert_int_equal(rc, -1);
	assert_int_equal(e->code, ERR_REFUSED);
	assert_non_null(strstr(e->msg, about));
	assert_non_null(strstr(e->hint, "--force"));
}

static void test_no_room(void **state)
{
	struct error e = {0};

	(void)state;
	assert_refused(check("17.0.15", 2 * GiB, 10 * GiB, 2 * GiB, 0, &e), &e, "destination");
	assert_refused(check("17.0.15", 2 * GiB, 2.6 * GiB, 9 * GiB, 0, &e), &e,
		       "/var/tmp/.jdiag-1");
	assert_refused(check("17.0.15", 1, 100, 9 * GiB, 0, &e), &e, "left over");
	/* twice the room where a segment is merged */
	assert_int_equal(check("17.0.15", 2 * GiB, 3.2 * GiB, 9 * GiB, 0, &e), 0);
	assert_refused(check("25.0.5", 2 * GiB, 3.2 * GiB, 9 * GiB, 0, &e), &e, "left over");
}

static void test_pause_against_the_probe(void **state)
{
	struct error e = {0};

	(void)state;
	assert_refused(check("17.0.15", 8 * GiB, 99 * GiB, 99 * GiB, 30000, &e), &e, "liveness");
	assert_refused(check("1.8.0_504", 8 * GiB, 99 * GiB, 99 * GiB, 30000, &e), &e, "liveness");
	/* the same heap on the faster writer of 22 and later */
	assert_int_equal(check("25.0.5", 8 * GiB, 99 * GiB, 99 * GiB, 30000, &e), 0);
}

static void test_a_file_in_memory(void **state)
{
	struct preflight p = {.live = true};
	json_t *answer = inspect_answer("17.0.15", 1 * GiB, 10 * GiB, true);
	struct error e = {0};

	(void)state;
	json_object_set_new(json_array_get(json_object_get(answer, "strategies"), 0), "memory",
			    json_true());
	assert_int_equal(preflight_estimate(&p, answer, &e), 0);
	p.sink_free = UINT64_MAX;
	assert_int_equal(preflight_check(&p, &e), 0); /* no limit */
	json_object_set_new(answer, "memory",
			    json_pack("{s:I, s:I}", "limit", (json_int_t)(2 * GiB), "usage",
				      (json_int_t)(1.5 * GiB)));
	assert_int_equal(preflight_estimate(&p, answer, &e), 0);
	p.sink_free = UINT64_MAX;
	assert_refused(preflight_check(&p, &e), &e, "memory limit");
	json_decref(answer);
}

static void test_no_strategy(void **state)
{
	struct preflight p = {.live = true};
	json_t *answer = inspect_answer("17", 1, 1, false);
	struct error e = {0};

	(void)state;
	assert_int_equal(preflight_estimate(&p, answer, &e), -1);
	assert_int_equal(e.code, ERR_CAPTURE);
	assert_non_null(strstr(e.hint, "growing-file: no room"));
	json_decref(answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fits),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_pause_against_the_probe),
		cmocka_unit_test(test_a_file_in_memory),
		cmocka_unit_test(test_no_strategy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
