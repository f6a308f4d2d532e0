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
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "remote/base/io.h"
#include "tests/unit/tempdir.h"

static int pipes[2];

static int setup(void **state)
{
	return tempdir_make(state) || pipe2(pipes, O_CLOEXEC | O_NONBLOCK);
}

static int teardown(void **state)
{
	fd_close(&pipes[0]);
	fd_close(&pipes[1]);
	return tempdir_remove(state);
}

static void test_wait(void **state)
{
	uint64_t start = now_ms();

	(void)state;
	assert_int_equal(io_wait(pipes[0], POLLIN, start + 20), 0);
	assert_true(now_ms() >= start + 20);
	assert_int_equal(io_wait(pipes[1], POLLOUT, 0), 1);
	fd_close(&pipes[1]);
	assert_int_equal(pipes[1], -1);
	fd_close(&pipes[1]);
	assert_int_equal(io_wait(pipes[0], POLLIN, now_ms() + 1000), 1);
}

static void test_full(void **state)
{
	static char big[300000], got[300000];
	pid_t child;
	int status;

	(void)state;
	memset(big, 'x', sizeof(big));
	/* Nobody reads: the deadline ends it. */
	assert_int_equal(io_write_deadline(pipes[1], big, sizeof(big), now_ms() + 20), -ETIMEDOUT);
	child = fork();
	if (child == 0) {
		close(pipes[0]);
		_exit(io_write_full(pipes[1], big, sizeof(big)) != 0);
	}
	fd_close(&pipes[1]);
	assert_int_equal(io_read_full(pipes[0], got, sizeof(got)), 0);
	while (waitpid(child, &status, WNOHANG) == 0)
		(void)!read(pipes[0], got, sizeof(got));
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	while (read(pipes[0], got, sizeof(got)) > 0)
		;
	assert_int_equal(io_read_full(pipes[0], got, 1), -EPIPE);
}

static void test_broken_pipe(void **state)
{
	(void)state;
	assert_int_equal(io_secure_stdio(), 0); /* ignores SIGPIPE */
	fd_close(&pipes[0]);
	assert_int_equal(io_write_full(pipes[1], "x", 1), -EPIPE);
}

static void test_read_file(void **state)
{
	auto_buf struct buf b = BUF_INIT(5);

	(void)state;
	tempdir_file("five", 0600, "12345");
	tempdir_file("six", 0600, "123456");
	assert_int_equal(symlink("five", tempdir_path("link")), 0);
	assert_int_equal(mkfifo(tempdir_path("fifo"), 0600), 0);
	assert_int_equal(io_read_file(AT_FDCWD, tempdir_path("five"), &b), 0);
	assert_string_equal(buf_str(&b), "12345");
	buf_reset(&b);
	assert_int_equal(io_read_file(AT_FDCWD, tempdir_path("six"), &b), -EFBIG);
	buf_reset(&b);
	assert_int_equal(io_read_file(AT_FDCWD, tempdir_path("link"), &b), -ELOOP);
	assert_int_equal(io_read_file(AT_FDCWD, tempdir_path("fifo"), &b), -EINVAL);
	assert_int_equal(io_read_file(AT_FDCWD, tempdir, &b), -EINVAL);
	assert_int_equal(io_read_file(AT_FDCWD, "/dev/zero", &b), -EINVAL);
	assert_int_equal(io_read_file(AT_FDCWD, tempdir_path("absent"), &b), -ENOENT);
}

/* A program that is started with 0 to 2 closed does not get its files there. */
static void test_secure_stdio(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	if (child == 0) {
		struct stat st;

		close(0);
		close(1);
		close(2);
		if (io_secure_stdio() < 0 || open("/etc/passwd", O_RDONLY) < 3)
			_exit(1);
		for (int i = 0; i < 3; i++)
			if (fstat(i, &st) < 0 || !S_ISCHR(st.st_mode))
				_exit(2);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void test_flags(void **state)
{
	int fd = dup(pipes[0]);

	(void)state;
	assert_int_equal(io_set_cloexec(fd), 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(io_set_nonblock(fd), 0);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	fd_close(&fd);
	assert_int_equal(io_set_nonblock(fd), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_broken_pipe, setup, teardown),
		cmocka_unit_test_setup_teardown(test_read_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_secure_stdio, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flags, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
