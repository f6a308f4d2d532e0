/* remote: the reader's position in a spool, and what the workers make of it */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "remote/base/io.h"
#include "remote/drain/inside.h"
#include "remote/spool/spool.h"
#include "tests/unit/tempdir.h"

static struct drain_progress progress;
static struct inside inside;
static struct error err;

static int setup(void **state)
{
	if (tempdir_make(state) < 0)
		return -1;
	memset(&progress, 0, sizeof(progress));
	progress.n_parts = 3;
	memset(&inside, 0, sizeof(inside));
	inside.progress = &progress;
	inside.o.codec = CODEC_GZIP;
	inside.reader_fd = -1;
	inside.o.dir = open(tempdir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return inside.o.dir < 0;
}

static int teardown(void **state)
{
	fd_close(&inside.reader_fd);
	fd_close((int *)&inside.o.dir);
	return tempdir_remove(state);
}

/* As a reader of the artifact does it; there are no data. */
static void reader_asks_for(uint64_t offset)
{
	struct spool_state state = {.phase = SPOOL_SPOOL, .n_parts = 1};
	struct spool spool = {.dir = inside.o.dir};
	struct spool_reader *r = spool_reader_new(&spool, &err);
	size_t n;
	char c;

	assert_non_null(r);
	assert_int_equal(spool_reader_read(r, &state, offset, &c, 1, &n, &err), 0);
	assert_int_equal(n, 0);
	spool_reader_free(r);
}

static void test_behind(void **state)
{
	(void)state;
	assert_int_equal(lag_open(&inside, &err), 0);
	progress.stored[0] = 64 * MiB;
	assert_false(lag_is_large(&inside)); /* nobody reads */
	reader_asks_for(0);
	assert_false(lag_is_large(&inside)); /* not before it has got something */
	reader_asks_for(32 * MiB - 1);
	assert_true(lag_is_large(&inside));
	reader_asks_for(32 * MiB);
	assert_false(lag_is_large(&inside));
}

/* What the reader cannot have yet is not its fault. */
static void test_parts(void **state)
{
	(void)state;
	assert_int_equal(lag_open(&inside, &err), 0);
	progress.stored[0] = 10 * MiB;
	progress.stored[1] = 500 * MiB;
	reader_asks_for(1);
	assert_false(lag_is_large(&inside));
	progress.final[0] = true;
	assert_true(lag_is_large(&inside));
	reader_asks_for(490 * MiB);
	assert_false(lag_is_large(&inside));
}

/* Without a codec there is nothing to do about it. */
static void test_not_looked_at(void **state)
{
	(void)state;
	inside.o.codec = CODEC_NONE;
	assert_int_equal(lag_open(&inside, &err), 0);
	reader_asks_for(1); /* makes nothing by itself */
	assert_int_equal(faccessat(inside.o.dir, SPOOL_READ_NAME, F_OK, 0), -1);
	progress.stored[0] = 500 * MiB;
	assert_false(lag_is_large(&inside));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_behind, setup, teardown),
		cmocka_unit_test_setup_teardown(test_parts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_looked_at, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
