/* remote */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/conn.h"

static struct connection conn;
static struct error err;
static int peer_in, peer_out; /* what the peer writes to, and reads from */

static int setup(void **state)
{
	int in[2], out[2];

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		return -1;
	peer_in = in[1];
	peer_out = out[0];
	return conn_open(&conn, in[0], out[1], &err) || io_set_nonblock(peer_out);
}

static int teardown(void **state)
{
	(void)state;
	conn_close(&conn, 0);
	fd_close(&peer_in);
	fd_close(&peer_out);
	return 0;
}

static size_t drain(char *dst, size_t size)
{
	size_t n = 0;
	ssize_t got;

	while (n < size && (got = read(peer_out, dst + n, size - n)) > 0)
		n += (size_t)got;
	return n;
}

static void send_text(const char *text)
{
	auto_buf struct buf b = BUF_INIT(MAX_FRAME_JSON + 10);

	buf_adds(&b, text);
	conn_send_json(&conn, FRAME_RESULT, 1, &b);
}

static void test_magic_first(void **state)
{
	char got[64];

	(void)state;
	send_text("{}");
	conn_flush(&conn);
	assert_int_equal(drain(got, sizeof(got)), WIRE_MAGIC_SIZE + WIRE_HEADER_SIZE + 2);
	assert_memory_equal(got, wire_magic, WIRE_MAGIC_SIZE);
	assert_memory_equal(got + WIRE_MAGIC_SIZE, "\0\0\0\x02\x04\0\0\0\x01{}", 11);
}

/* A small frame waits for the rest of a DATA frame that has been begun, and goes before the next.
 */
static void test_order(void **state)
{
	static char got[3 * MAX_FRAME_DATA];
	size_t frame = WIRE_HEADER_SIZE + WIRE_DATA_OFFSET_SIZE + MAX_FRAME_DATA, n;

	(void)state;
	conn_flush(&conn);
	drain(got, sizeof(got));
	(void)fcntl(conn.out, F_SETPIPE_SZ, 65536);
	assert_true(conn_can_send(&conn));
	memset(conn_data_buffer(&conn), 'd', MAX_FRAME_DATA);
	conn_send_data(&conn, 3, 5, MAX_FRAME_DATA);
	assert_false(conn_can_send(&conn));
	send_text("{}");
	for (n = 0; n < frame + 11;) {
		n += drain(got + n, sizeof(got) - n);
		conn_flush(&conn);
	}
	assert_int_equal(n, frame + 11);
	assert_memory_equal(got,
			    "\0\x04\0\x08\x06\0\0\0\x03\0\0\0\0\0\0\0\x05"
			    "d",
			    18);
	assert_memory_equal(got + frame, "\0\0\0\x02\x04\0\0\0\x01{}", 11);
	assert_true(conn_can_send(&conn));
}

/* DATA that a full pipe has kept from beginning does not come behind the end of its request. */
static void test_error_is_last(void **state)
{
	static char got[2 * MAX_FRAME_DATA];
	struct error e = {0};
	char page[4096] = "";

	(void)state;
	conn_flush(&conn);
	while (write(conn.out, page, sizeof(page)) > 0)
		;
	memset(conn_data_buffer(&conn), 'd', MAX_FRAME_DATA);
	conn_send_data(&conn, 3, 5, MAX_FRAME_DATA);
	error_set(&e, ERR_INTERRUPTED, "cancelled");
	conn_send_error(&conn, 4, &e);
	assert_false(conn_can_send(&conn)); /* another request's error changes nothing */
	conn_send_error(&conn, 3, &e);
	assert_true(conn_can_send(&conn));
	while (drain(got, sizeof(got)) == sizeof(got))
		;
	conn_flush(&conn);
	assert_in_range(drain(got, sizeof(got)), 2 * WIRE_HEADER_SIZE, 4096);
	assert_int_equal(got[4], FRAME_ERROR);
}

static void test_full_queue(void **state)
{
	static char big[MAX_FRAME_JSON];

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	for (int i = 0; i < 3; i++)
		send_text(big);
	assert_false(conn.eof);
	assert_false(conn_is_idle(&conn));
	send_text(big);
	send_text(big);
	assert_true(conn.eof);
	send_text(big); /* into the void */
}

static void test_too_large(void **state)
{
	auto_buf struct buf b = BUF_INIT(2);
	char got[512];

	(void)state;
	buf_adds(&b, "{  }");
	conn_send_json(&conn, FRAME_RESULT, 9, &b);
	conn_flush(&conn);
	got[drain(got, sizeof(got) - 1)] = '\0';
	assert_int_equal(got[WIRE_MAGIC_SIZE + 4], FRAME_ERROR);
	assert_non_null(strstr(got + WIRE_MAGIC_SIZE + WIRE_HEADER_SIZE, "larger than a frame"));
}

static void test_pings(void **state)
{
	uint64_t before = now_ms();
	char got[64];

	(void)state;
	conn_flush(&conn);
	drain(got, sizeof(got));
	assert_int_equal(conn_tick(&conn, &err), 0);
	conn.last_sent -= WIRE_PING_MS;
	assert_int_equal(conn_timeout(&conn), 0);
	assert_int_equal(conn_tick(&conn, &err), 0);
	conn_flush(&conn);
	assert_int_equal(drain(got, sizeof(got)), WIRE_HEADER_SIZE);
	assert_int_equal(got[4], FRAME_PING);
	assert_true((uint64_t)conn_timeout(&conn) + now_ms() - before >= WIRE_PING_MS);
}

static void test_dead_peer(void **state)
{
	uint64_t start;
	int rc, timeout;

	(void)state;
	do { /* again, if this took the second that is left */
		start = now_ms();
		conn.last_received = start - WIRE_DEAD_MS + 1000;
		rc = conn_tick(&conn, &err);
		timeout = conn_timeout(&conn);
	} while (now_ms() - start >= 1000);
	assert_int_equal(rc, 0);
	assert_in_range(timeout, 0, 1000);
	conn.last_received -= 1000;
	assert_int_equal(conn_tick(&conn, &err), -1);
	/* Any byte is a sign of life. */
	assert_int_equal(write(peer_in, "", 1), 1);
	conn_fill(&conn);
	assert_int_equal(conn_tick(&conn, &err), 0);
}

static void test_input(void **state)
{
	static const char two[] =
		"\0\0\0\0\x09\0\0\0\0\0\0\0\0\x08\0\0\0\x07\xff\xff\xff\xff\0\0\0\0\0";
	struct frame f;

	(void)state;
	conn_fill(&conn);
	assert_int_equal(conn_next(&conn, &f, &err), 0);
	assert_int_equal(write(peer_in, two, sizeof(two) - 1), sizeof(two) - 1);
	conn_fill(&conn);
	assert_int_equal(conn_next(&conn, &f, &err), 1);
	assert_int_equal(f.type, FRAME_PING);
	assert_int_equal(conn_next(&conn, &f, &err), 1);
	assert_int_equal(f.type, FRAME_CANCEL);
	assert_int_equal(f.request, 7);
	assert_int_equal(conn_next(&conn, &f, &err), -1);
}

static void test_end(void **state)
{
	(void)state;
	fd_close(&peer_in);
	conn_fill(&conn);
	assert_true(conn.eof);
}

static void test_reader_gone(void **state)
{
	(void)state;
	fd_close(&peer_out);
	conn_flush(&conn);
	assert_true(conn.eof);
}

/* The pipes may be shared with a shell. */
static void test_flags_come_back(void **state)
{
	int fd = dup(conn.out);

	(void)state;
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	conn_close(&conn, 0);
	assert_false(fcntl(fd, F_GETFL) & O_NONBLOCK);
	fd_close(&fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_magic_first, setup, teardown),
		cmocka_unit_test_setup_teardown(test_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_error_is_last, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_queue, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_large, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pings, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dead_peer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_input, setup, teardown),
		cmocka_unit_test_setup_teardown(test_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reader_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flags_come_back, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
