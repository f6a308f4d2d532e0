/* remote */
/* How the helper's connection writes into a pipe that is full: it rests, and loses nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"
#include "remote/conn.h"

#define FRAME (WIRE_HEADER_SIZE + WIRE_DATA_OFFSET_SIZE + MAX_FRAME_DATA)

struct wires {
	int to[2], from[2]; /* pipes: to the connection, from it */
	struct connection c;
};

static int set_up(void **state)
{
	struct wires *w = xcalloc(1, sizeof(*w));

	assert_int_equal(pipe2(w->to, O_CLOEXEC), 0);
	assert_int_equal(pipe2(w->from, O_CLOEXEC), 0);
	assert_int_equal(conn_open(&w->c, w->to[0], w->from[1], NULL), 0);
	conn_flush(&w->c);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct wires *w = *state;

	conn_close(&w->c, 0);
	close(w->to[1]);
	close(w->from[0]);
	free(w);
	return 0;
}

/* DATA frames until one does not fit. Returns how many were handed over. */
static size_t fill(struct wires *w)
{
	size_t n = 0;

	for (; conn_can_send(&w->c); n++) {
		memset(conn_data_buffer(&w->c), (int)n, MAX_FRAME_DATA);
		conn_send_data(&w->c, 1, n * MAX_FRAME_DATA, MAX_FRAME_DATA);
	}
	return n;
}

static size_t drain(const struct wires *w, size_t most)
{
	static char block[64 * KiB];
	size_t got = 0;

	while (got < most && io_wait(w->from[0], POLLIN, 0) > 0) {
		ssize_t n = read(w->from[0], block,
				 most - got < sizeof(block) ? most - got : sizeof(block));

		assert_true(n > 0);
		got += (size_t)n;
	}
	return got;
}

static void wait_until(uint64_t when)
{
	while (now_ms() < when)
		(void)poll(NULL, 0, 1);
}

static void test_rests_after_it_filled_the_pipe(void **state)
{
	struct wires *w = *state;
	struct pollfd fds[2];
	uint64_t start;
	int timeout;

	assert_true(w->c.large_pipe);
	fill(w);
	do { /* again, if the rest was over meanwhile */
		start = now_ms();
		w->c.rest_until = start + 1000;
		conn_poll(&w->c, fds);
		timeout = conn_timeout(&w->c);
	} while (now_ms() - start >= 1000);
	assert_int_equal(fds[1].events, 0);
	assert_in_range(timeout, 1, 1000);
	w->c.rest_until = now_ms();
	conn_poll(&w->c, fds);
	assert_int_equal(fds[1].events, POLLOUT);
}

static void test_a_reader_that_stands_still_is_not_asked_again_and_again(void **state)
{
	struct wires *w = *state;
	struct pollfd fds[2];

	fill(w);
	wait_until(w->c.rest_until);
	conn_flush(&w->c); /* takes nothing: now poll has to tell */
	conn_poll(&w->c, fds);
	assert_int_equal(fds[1].events, POLLOUT);
}

static void test_nothing_waits_no_rest(void **state)
{
	struct wires *w = *state;
	struct pollfd fds[2];
	uint64_t before = now_ms();

	memset(conn_data_buffer(&w->c), 'x', 10);
	conn_send_data(&w->c, 1, 0, 10);
	conn_poll(&w->c, fds);
	assert_int_equal(fds[1].events, 0);
	assert_true((uint64_t)conn_timeout(&w->c) + now_ms() - before > 1000);
}

static void test_every_byte_arrives_also_at_the_end(void **state)
{
	struct wires *w = *state;
	size_t sent = fill(w), got;

	got = drain(w, MAX_FRAME_DATA);
	conn_flush(&w->c);
	sent += fill(w);
	w->c.rest_until = now_ms() + 60000;
	got += drain(w, SIZE_MAX);
	conn_close(&w->c, 60000); /* a rest is no reason to close with bytes unsent */
	got += drain(w, sent * FRAME + sizeof(wire_magic) - got);
	assert_int_equal(got, sent * FRAME + sizeof(wire_magic));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_rests_after_it_filled_the_pipe),
		TEST(test_a_reader_that_stands_still_is_not_asked_again_and_again),
		TEST(test_nothing_waits_no_rest),
		TEST(test_every_byte_arrives_also_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
