/* remote: how many captures a node bears */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "remote/capture/inside.h"
#include "tests/unit/spools.h"

static struct error err;

static struct nodedir add(unsigned int i, enum spool_phase phase)
{
	char id[SPOOL_ID_SIZE];
	struct nodedir n;

	snprintf(id, sizeof(id), "%016x", i);
	n = spools_make(id);
	spools_save_phase(&n, phase);
	return n;
}

static void test_under_way(void **state)
{
	struct nodedir dirs[MAX_CAPTURES + 1], finished = add(100, SPOOL_COMPLETE);

	(void)state;
	for (unsigned int i = 0; i <= MAX_CAPTURES; i++) {
		assert_int_equal(process_check_crowd(&err), 0);
		dirs[i] = add(i, i % 2 ? SPOOL_STARTING : SPOOL_DUMP);
	}
	assert_int_equal(process_check_crowd(&err), -1);
	assert_int_equal(err.code, ERR_REFUSED);
	fd_close(&dirs[0].lock); /* it was killed */
	assert_int_equal(process_check_crowd(&err), 0);
	for (unsigned int i = 0; i <= MAX_CAPTURES; i++)
		spools_remove(&dirs[i]);
	spools_remove(&finished);
}

static void test_kept(void **state)
{
	struct nodedir *dirs = calloc(MAX_SPOOLS, sizeof(*dirs));

	(void)state;
	for (unsigned int i = 0; i < MAX_SPOOLS; i++) {
		if (i == MAX_SPOOLS - 1)
			assert_int_equal(process_check_crowd(&err), 0);
		dirs[i] = add(i, SPOOL_COMPLETE);
		fd_close(&dirs[i].lock);
		fd_close(&dirs[i].dump);
		fd_close(&dirs[i].dir);
	}
	assert_int_equal(process_check_crowd(&err), -1);
	assert_int_equal(err.code, ERR_REFUSED);
	for (unsigned int i = 0; i < MAX_SPOOLS; i++)
		spools_remove(&dirs[i]);
	free(dirs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_under_way),
		cmocka_unit_test(test_kept),
	};

	return cmocka_run_group_tests(tests, spools_own_bases, NULL);
}
