/* jdiag: what is refused before an exporter is loaded, by what is seen from outside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <jansson.h>

#include "jdiag/exporter/before.h"
#include "jdiag/exporter/settings.h"
#include "jdiag/json.h"
#include "jdiag/options.h"
#include "jdiag/progress.h"
#include "jdiag/session.h"
#include "tests/unit/scripted_node.h"

#define SURVEY                                                             \
	"\"listening\":[],\"own\":[],\"jars\":[],\"agents\":[],"           \
	"\"security_manager\":false,\"memory\":{\"limit\":0,\"usage\":0}," \
	"\"truncated\":"

/* Looked at with these ports: the survey of the JVM, and what is answered when a port is tried.
 * Not HotSpot: it is not asked. The reasons, each in a line. */
static char *look(struct port_range ports, const char *seen, const char *const *tried)
{
	const struct options o = {.quiet = true};
	struct exporter_settings settings = {
		.o = &o,
		.generation = EXPORTER_1_0,
		.ports = ports,
	};
	struct session s = {.o = &o};
	struct exporter_work w = {.session = &s, .settings = &settings};
	auto_json json_t *jvm = json_pack("{s:s}", "vm", "other");
	struct exporter_jvm j = {.jvm = jvm, .survey = json_loads(seen, 0, NULL)};
	auto_cleanup(exporter_before_release) struct exporter_before b = {0};
	char *text = xstrdup("");
	struct error err = {0};
	struct buf script_of_node = script();
	const json_t *reason;
	struct node n;
	size_t i;

	for (i = 0; tried[i]; i++)
		say_to(&script_of_node, (uint32_t)i + 1, FRAME_RESULT, tried[i]);
	n.fake = (struct fake){0};
	node_start(&n, script_of_node);
	s.helper = n.helper;
	w.progress = progress_new(PROGRESS_NONE, true);
	assert_int_equal(exporter_before(&w, &j, &b, &err), -1);
	progress_end(w.progress, NULL);
	node_stop(&n);
	json_array_foreach (b.against, i, reason) {
		char *longer = xasprintf("%s%s\n", text, json_str_at(reason, "reason", ""));

		free(text);
		text = longer;
	}
	json_decref(j.survey);
	return text;
}

static void test_what_was_not_seen(void **state)
{
	static const char *const tried[] = {"{\"bind\":0,\"next\":9404," SURVEY "true}", NULL};
	auto_free char *reasons = look((struct port_range){9404, 9404}, "{" SURVEY "true}", tried);
	auto_free char *none = look((struct port_range){9404, 9404}, "{" SURVEY "false}", tried);

	(void)state;
	assert_non_null(strstr(reasons, "not all of the JVM could be looked at"));
	assert_null(strstr(none, "not all"));
	assert_non_null(strstr(none, "not HotSpot"));
}

#define TRIED(bind, next) "{\"bind\":" #bind ",\"next\":" #next "," SURVEY "false}"

/* A range that the kernel gives to connections is left behind in one step. */
static void test_ports_of_connections(void **state)
{
	static const char *const leaps[] = {TRIED(0, 61000), TRIED(98, 61000), TRIED(0, 61001),
					    NULL};
	static const char *const none[] = {TRIED(0, 61000), NULL}, *const end[] = {TRIED(0, 0),
										   NULL};
	auto_free char *found = look((struct port_range){32768, 61001}, "{" SURVEY "false}", leaps);
	auto_free char *refused =
		look((struct port_range){32768, 60999}, "{" SURVEY "false}", none);
	auto_free char *one = look((struct port_range){40000, 40000}, "{" SURVEY "false}", none);
	auto_free char *last = look((struct port_range){60000, 65535}, "{" SURVEY "false}", end);

	(void)state;
	assert_null(strstr(found, "port"));
	assert_non_null(strstr(refused, "no port from 32768 to 60999 is free"));
	assert_non_null(strstr(one, "port 40000 is one of those that the kernel gives"));
	assert_non_null(strstr(last, "no port from 60000 to 65535 is free"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_not_seen),
		cmocka_unit_test(test_ports_of_connections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
