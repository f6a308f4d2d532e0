/* jdiag */
#include "jdiag/agent/known.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

static const char text[] = "java.lang.Object/null\n"
			   "|--org.example.Agent/0x00007f01\n"
			   "|  |--org.example.Agent$Own/0x00007f01\n";

static void exact_names(void **state)
{
	(void)state;
	assert_true(agent_class_in(text, "org.example.Agent"));
	assert_true(agent_class_in(text, "org.example.Agent$Own"));
	assert_false(agent_class_in(text, "org.example.Age"));
	assert_false(agent_class_in(text, "example.Agent"));
	assert_false(agent_class_in(text, "org.example.Agent$"));
}

static void nothing(void **state)
{
	(void)state;
	assert_false(agent_class_in("", "A"));
	assert_false(agent_class_in("|--", "A"));
	assert_false(agent_class_in("|--/null\n", ""));
	assert_false(agent_class_in("java.lang.IllegalArgumentException: A/\n", "A"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exact_names),
		cmocka_unit_test(nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
