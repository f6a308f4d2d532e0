/* remote */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/spools.h"

#define N 40 /* bytes of the small artifact */

static struct error err;
static struct nodedir dir;
static struct spool_reader *reader;
static char bytes[N];

static int setup(void **state)
{
	struct spool s;

	(void)state;
	dir = spools_make(ID);
	assert_int_equal(spool_find(ID, &s, &err), 0);
	reader = spool_reader_new(&s, &err);
	spool_close(&s);
	for (int i = 0; i < N; i++)
		bytes[i] = (char)('A' + i);
	return reader ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	spool_reader_free(reader);
	spools_remove(&dir);
	return 0;
}

static void add_part(struct spool_state *s, const void *data, size_t len, bool final)
{
	char name[16];

	snprintf(name, sizeof(name), "data.%u", s->n_parts);
	spools_write(&dir, name, data, len);
	s->parts[s->n_parts++] = (struct spool_part){len, final};
	s->stored += len;
}

static size_t read_at(const struct spool_state *s, uint64_t offset, char *buf, size_t len)
{
	size_t n = 777;

	if (spool_reader_read(reader, s, offset, buf, len, &n, &err) < 0)
		fail_msg("%s", err.msg);
	return n;
}

/* Every offset with every length, over parts of which some are empty. */
static void test_every_offset(void **state)
{
	static const size_t sizes[] = {0, 7, 0, 0, 12, 1, 20, 0};
	struct spool_state s = spools_state(SPOOL_COMPLETE);
	char buf[N + 5];
	size_t at = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); at += sizes[i++])
		add_part(&s, bytes + at, sizes[i], true);
	assert_int_equal(at, N);
	for (size_t offset = 0; offset <= N + 1; offset++) {
		for (size_t len = 1; len <= sizeof(buf); len++) {
			size_t left = offset < N ? N - offset : 0;
			size_t want = left < len ? left : len;

			assert_int_equal(read_at(&s, offset, buf, len), want);
			assert_memory_equal(buf, bytes + (want ? offset : 0), want);
		}
	}
}

/* What the state does not say is not read, though it lies there. */
static void test_while_it_grows(void **state)
{
	struct spool_state s = spools_state(SPOOL_DUMP);
	char buf[N];

	(void)state;
	assert_int_equal(read_at(&s, 0, buf, N), 0); /* no file at all */
	add_part(&s, bytes, 10, false);
	add_part(&s, bytes + 20, 20, false);
	s.parts[0].bytes = 0;
	assert_int_equal(read_at(&s, 0, buf, N), 0);
	s.parts[0].bytes = 4;
	assert_int_equal(read_at(&s, 0, buf, N), 4);
	assert_int_equal(read_at(&s, 3, buf, N), 1);
	assert_int_equal(read_at(&s, 4, buf, N), 0);
	assert_int_equal(read_at(&s, 15, buf, N),
			 0); /* of the second part, which is not its turn */
	spools_write(&dir, "data.0", bytes + 10, 10);
	s.parts[0].bytes = 20;
	assert_int_equal(read_at(&s, 4, buf, N), 16);
	assert_memory_equal(buf, bytes + 4, 16);
	s.parts[0].final = true;
	assert_int_equal(read_at(&s, 4, buf, N), 36);
	assert_memory_equal(buf, bytes + 4, 36);
	assert_int_equal(read_at(&s, 0, buf, 5), 5); /* back to the first */
	assert_memory_equal(buf, bytes, 5);
}

static int refused(const struct spool_state *s, uint64_t offset)
{
	char buf[N];
	size_t n;

	err = (struct error){0};
	assert_int_equal(spool_reader_read(reader, s, offset, buf, N, &n, &err), -1);
	return (int)err.code;
}

static void test_files_that_do_not_agree(void **state)
{
	struct spool_state s = spools_state(SPOOL_DUMP);

	(void)state;
	add_part(&s, bytes, 10, true);
	s.parts[0].bytes = 11;
	assert_int_equal(refused(&s, 0), ERR_CAPTURE);
	assert_string_equal(err.msg, "the spool is shorter than its state says");
	s.parts[0].bytes = 10;
	s.parts[s.n_parts++] = (struct spool_part){1, false}; /* which is not there */
	assert_int_equal(refused(&s, 10), ERR_CAPTURE);
	assert_int_equal(symlinkat("data.0", dir.dir, "data.1"), 0);
	assert_int_equal(refused(&s, 10), ERR_CAPTURE);
}

/* ---- a ring ---- */

/* A sparse data.0 of this size. */
static struct spool_state make_ring(uint64_t size)
{
	struct spool_state s = spools_state(SPOOL_DUMP);
	int fd;

	s.ring = true;
	add_part(&s, "", 0, false);
	fd = openat(dir.dir, "data.0", O_WRONLY);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	close(fd);
	s.parts[0].bytes = size;
	s.stored = size;
	return s;
}

static uint64_t position(void)
{
	_Atomic uint64_t *p = spool_position_map(dir.dir, &err);
	uint64_t n;

	assert_non_null(p);
	n = atomic_load(p);
	spool_position_unmap(p);
	return n;
}

static void test_ring_position(void **state)
{
	struct spool_state s = make_ring(100 * MiB), none = spools_state(SPOOL_STARTING);
	char buf[N];

	(void)state;
	none.ring = true;
	assert_int_equal(read_at(&none, 0, buf, N), 0); /* the writer makes its files first */
	assert_int_equal(faccessat(dir.dir, "read", F_OK, 0), -1);
	assert_int_equal(read_at(&s, 0, buf, N), N);
	assert_int_equal(position(), 0); /* it may have to be sent again */
	assert_int_equal(read_at(&s, N, buf, N), N);
	assert_int_equal(position(), N);
	assert_int_equal(read_at(&s, 50 * MiB, buf, N), N);
	assert_int_equal(position(), 50 * MiB);
	assert_int_equal(read_at(&s, 40 * MiB, buf, N), N);
	assert_int_equal(position(), 50 * MiB); /* it never goes back */
	assert_int_equal(read_at(&s, 100 * MiB, buf, N), 0);
	assert_int_equal(position(), 100 * MiB);
	assert_int_equal(read_at(&s, 100 * MiB + 1, buf, N), 0); /* what nobody can have */
	assert_int_equal(position(), 100 * MiB);
}

static void test_ring_that_is_gone(void **state)
{
	struct spool_state s = make_ring(100 * MiB);
	char buf[N];

	(void)state;
	assert_int_equal(read_at(&s, 60 * MiB, buf, N), N);
	assert_int_equal(read_at(&s, 60 * MiB - SPOOL_RING_KEPT, buf, N), N);
	assert_int_equal(refused(&s, 60 * MiB - SPOOL_RING_KEPT - 1), ERR_UPLOAD);
	assert_int_equal(refused(&s, 0), ERR_UPLOAD);
	s.ring = false;
	assert_int_equal(read_at(&s, 0, buf, N), N);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_every_offset, setup, teardown),
		cmocka_unit_test_setup_teardown(test_while_it_grows, setup, teardown),
		cmocka_unit_test_setup_teardown(test_files_that_do_not_agree, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ring_position, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ring_that_is_gone, setup, teardown),
	};

	return cmocka_run_group_tests(tests, spools_own_bases, NULL);
}
