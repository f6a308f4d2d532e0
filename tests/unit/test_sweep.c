/* remote */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "remote/nodedir.h"
#include "remote/sweep.h"
#include "tests/unit/container.h"

#define NAME ".jdiag-0123456789abcdef"
#define MANY 30000

struct told {
	unsigned int removed, late, kept;
};

static void tell(void *ctx, const char *what, const char *kept)
{
	struct told *t = ctx;

	(void)what;
	if (!kept)
		t->removed++;
	else if (strstr(kept, "too long"))
		t->late++;
	else
		t->kept++;
}

/* A file or, when the name ends with a slash, a directory in the container's /tmp. */
static void plant(const struct fake *f, const char *name)
{
	int fd;

	if (name[strlen(name) - 1] == '/') {
		assert_int_equal(mkdirat(f->tmp, name, 0700), 0);
		return;
	}
	fd = openat(f->tmp, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
}

static bool is_there(const struct fake *f, const char *name)
{
	return faccessat(f->tmp, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void test_directory_of_a_container(void **state)
{
	struct told told = {0};
	struct fake f;

	(void)state;
	fake_start(&f, 01777);
	plant(&f, NAME "/");
	plant(&f, NAME "/h.hprof");
	plant(&f, ".jdiag-other/");
	sweep_process(&proc, f.second, true, tell, &told);
	assert_true(is_there(&f, NAME "/h.hprof"));
	assert_int_equal(told.removed, 1);
	sweep_process(&proc, f.second, false, tell, &told);
	assert_false(is_there(&f, NAME));
	assert_true(is_there(&f, ".jdiag-other"));
	assert_int_equal(told.removed, 2);
	assert_int_equal(told.kept + told.late, 0);
	fake_stop(&f);
}

/* Where the node's own /tmp is swept as if it were a container's: without its lock, nodedir_sweep
 * would take the directory for one that is being made. */
static void test_directory_of_the_node(void **state)
{
	struct told told = {0};
	struct fake f;

	(void)state;
	fake_start(&f, 01777);
	plant(&f, NAME "/");
	plant(&f, NAME "/lock");
	plant(&f, NAME "/dump/");
	sweep_process(&proc, f.second, false, tell, &told);
	assert_true(is_there(&f, NAME "/lock"));
	assert_int_equal(told.removed + told.kept + told.late, 0);
	fake_stop(&f);
}

static void test_hostile_number(void **state)
{
	struct told told = {0};
	struct fake f;
	uint64_t start;

	(void)state;
	fake_start(&f, 01777);
	for (unsigned int i = 0; i < MANY; i++) {
		char name[64];

		snprintf(name, sizeof(name), ".jdiag-%016x/", i);
		plant(&f, name);
	}
	start = now_ms();
	sweep_process(&proc, f.second, false, tell, &told);
	assert_in_range(now_ms() - start, 0, 25000);
	assert_int_equal(told.late, 1);
	assert_true(told.removed > 0 && told.removed < MANY);
	fake_stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_directory_of_a_container),
		cmocka_unit_test(test_directory_of_the_node),
		cmocka_unit_test(test_hostile_number),
	};

	if (procfs_open(&proc, NULL) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
