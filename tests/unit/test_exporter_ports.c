/* jdiag: the next port, where another JVM was faster */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "jdiag/exporter/before.h"
#include "jdiag/exporter/settings.h"
#include "jdiag/session.h"
#include "tests/unit/scripted_node.h"

static struct error err;

/* Somebody listens on 9405. bind: of the port that is tried, or -1; next: the first one from there
 * on that the kernel does not give away. */
static void say_survey(struct buf *b, uint32_t request, int bind, unsigned int next)
{
	char text[400], tried[64] = "";

	if (bind >= 0)
		snprintf(tried, sizeof(tried), ",\"bind\":%d,\"next\":%u", bind, next);
	snprintf(text, sizeof(text),
		 "{\"listening\":[{\"address\":\"0.0.0.0\",\"port\":9405,\"inode\":1}],\"own\":[],"
		 "\"jars\":[],\"agents\":[],\"security_manager\":false,\"truncated\":false,"
		 "\"memory\":{\"limit\":0,\"usage\":0}%s}",
		 tried);
	say_to(b, request, FRAME_RESULT, text);
}

/* After `lost`, of the range; every request is answered by the script, and is a survey. */
static int next_port(struct buf b, uint16_t lost, struct port_range range, uint16_t *ret)
{
	struct exporter_settings settings = {.ports = range};
	struct exporter_before before = {.port = lost};
	struct exporter_jvm j = {.ref = {.pid = 7, .start_time = 8}};
	struct session session = {0};
	struct exporter_work w = {.session = &session, .settings = &settings};
	struct node n;
	int rc;

	err = (struct error){0};
	node_start(&n, b);
	session.helper = n.helper;
	rc = exporter_before_next_port(&w, &j, &before, &err);
	*ret = before.port;
	assert_null(memmem(n.fake.in.data, n.fake.in.len, "\"ask\"", 5));
	node_stop(&n);
	return rc;
}

/* 9405 is taken, 9406 cannot be had, 9407 and 9408 are the kernel's, 9409 is free: that of the one
 * that was lost is never asked. */
static void test_next(void **state)
{
	struct buf b = script();
	uint16_t port;

	(void)state;
	say_survey(&b, 1, -1, 0);
	say_survey(&b, 2, EADDRINUSE, 9406);
	say_survey(&b, 3, 0, 9409);
	say_survey(&b, 4, 0, 9409);
	assert_int_equal(next_port(b, 9404, (struct port_range){9404, 9499}, &port), 0);
	assert_int_equal(port, 9409);
}

static void test_none_is_left(void **state)
{
	struct buf b = script();
	uint16_t port;

	(void)state;
	/* the last one was lost: nobody is asked any more */
	assert_int_equal(next_port(script(), 9499, (struct port_range){9404, 9499}, &port), -1);
	assert_int_equal(err.code, ERR_REFUSED);
	assert_string_equal(err.msg, "no port from 9404 to 9499 is free");
	assert_non_null(strstr(err.hint, "somebody else has got port 9499 meanwhile"));

	say_survey(&b, 1, -1, 0);
	assert_int_equal(next_port(b, 9404, (struct port_range){9404, 9405}, &port), -1);
	assert_int_equal(err.code, ERR_REFUSED);
	assert_string_equal(err.msg, "no port from 9404 to 9405 is free");
}

static void test_node_fails(void **state)
{
	struct buf b = script();
	uint16_t port;

	(void)state;
	say_to(&b, 1, FRAME_ERROR, "{\"code\":\"target\",\"errno\":0,\"message\":\"has ended\"}");
	assert_int_equal(next_port(b, 9404, (struct port_range){9404, 9499}, &port), -1);
	assert_int_equal(err.code, ERR_TARGET);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_next),
		cmocka_unit_test(test_none_is_left),
		cmocka_unit_test(test_node_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
