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
	static const char *const tried[] = {"{\"bind\":0," SURVEY "true}", NULL};
	auto_free char *reasons = look((struct port_range){9404, 9404}, "{" SURVEY "true}", tried);
	auto_free char *none = look((struct port_range){9404, 9404}, "{" SURVEY "false}", tried);

	(void)state;
	assert_non_null(strstr(reasons, "not all of the JVM could be looked at"));
	assert_null(strstr(none, "not all"));
	assert_non_null(strstr(none, "not HotSpot"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_not_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
