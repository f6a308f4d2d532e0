/* A spool directory, FIFOs in its dump/, writers that open them by name as a JVM does, and a drain
 * that reads them. For tests of remote/drain. */
#ifndef TESTS_UNIT_DRAIN_RIG_H
#define TESTS_UNIT_DRAIN_RIG_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "remote/base/crc32c.h"
#include "remote/base/io.h"
#include "remote/drain/drain.h"
#include "tests/unit/hprof_builder.h"
#include "tests/unit/tempdir.h"

#define RIG_SECONDS 300
#define RIG_BROKEN_PIPE 3 /* exit status of a writer that got EPIPE */
#define RIG_STREAMS 4

struct rig {
	struct drain drain;
	struct drain_options o;
	struct drain_stream streams[RIG_STREAMS];
	struct hprof_builder written[RIG_STREAMS];
	unsigned int n;
	pid_t writers[RIG_STREAMS];
	struct drain_result result;
	struct error err;
};

static struct rig rig;

static inline const char *rig_path(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/dump/%s", tempdir, name);
	return path;
}

static inline int rig_setup(void **state)
{
	if (tempdir_make(state) < 0 || mkdir(rig_path(""), 0700) < 0)
		return -1;
	signal(SIGPIPE, SIG_IGN);
	rig = (struct rig){.drain = DRAIN_INIT};
	rig.o = (struct drain_options){
		.workers = 2, .id_size = 8, .uid = getuid(), .gid = getgid()};
	rig.o.dir = open(tempdir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rig.o.dump_dir = open(rig_path(""), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < RIG_STREAMS; i++)
		hb_init(&rig.written[i], 8);
	return 0;
}

static inline int rig_teardown(void **state)
{
	drain_stop(&rig.drain);
	for (unsigned int i = 0; i < RIG_STREAMS; i++) {
		if (rig.writers[i] > 0) {
			kill(rig.writers[i], SIGKILL);
			waitpid(rig.writers[i], NULL, 0);
		}
		hb_release(&rig.written[i]);
		if (i < rig.n) {
			fd_close(&rig.streams[i].fd);
			fd_close(&rig.streams[i].hold);
		}
	}
	close(rig.o.dir);
	close(rig.o.dump_dir);
	return tempdir_remove(state);
}

/* ---- streams ---- */

static inline void rig_fifo(const char *name, bool segment)
{
	struct drain_stream *s = &rig.streams[rig.n++];

	*s = (struct drain_stream){.fd = -1, .hold = -1, .segment = segment};
	snprintf(s->name, sizeof(s->name), "%s", name);
	assert_int_equal(mkfifo(rig_path(name), 0600), 0);
	s->fd = open(rig_path(name), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(s->fd >= 0);
	if (segment)
		s->hold = open(rig_path(name), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
}

static inline void rig_file(const char *name, bool grows)
{
	struct drain_stream *s = &rig.streams[rig.n++];

	*s = (struct drain_stream){.hold = -1, .file = true, .grows = grows};
	s->fd = open(rig_path(name), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(s->fd >= 0);
}

static inline int rig_start(void)
{
	return drain_start(&rig.drain, &rig.o, rig.streams, rig.n, &rig.err);
}

/* A process that opens the name and writes that. It stays with the file open until it is killed
 * when stay is set. */
static inline void rig_write_bytes(unsigned int stream, const void *data, size_t len, bool stay)
{
	pid_t pid = fork();

	if (pid == 0) {
		int fd = open(rig_path(rig.streams[stream].name), O_WRONLY);
		int r = io_write_full(fd, data, len);

		if (r == 0 && stay)
			pause();
		_exit(r == 0 ? 0 : r == -EPIPE ? RIG_BROKEN_PIPE : 1);
	}
	assert_true(pid > 0);
	rig.writers[stream] = pid;
}

static inline void rig_write(unsigned int stream)
{
	const struct buf *b = &rig.written[stream].dump;

	rig_write_bytes(stream, b->data, b->len, false);
}

/* Threads of SCHED_IDLE get nothing for minutes where others want all CPUs: from now on they are as
 * others. Without the right to that the machine has to be less busy. */
static inline void rig_not_idle(void)
{
	const struct sched_param none = {0};
	struct dirent *e;
	char path[64];
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)rig.drain.pid);
	d = opendir(path);
	while (d && (e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			(void)sched_setscheduler((pid_t)strtol(e->d_name, NULL, 10), SCHED_OTHER,
						 &none);
	if (d)
		closedir(d);
}

/* Until the counter has got so far. */
static inline void rig_await(const _Atomic uint64_t *counter, uint64_t least)
{
	uint64_t deadline = now_ms() + RIG_SECONDS * 1000;

	for (int i = 0; atomic_load(counter) < least; i++) {
		assert_true(now_ms() < deadline);
		if (i % 100 == 99)
			rig_not_idle();
		usleep(1000);
	}
}

/* How it ended: exit status, or 128 and more. */
static inline int rig_writer_status(unsigned int stream)
{
	uint64_t deadline = now_ms() + RIG_SECONDS * 1000;
	int status;

	while (waitpid(rig.writers[stream], &status, WNOHANG) == 0) {
		assert_true(now_ms() < deadline);
		usleep(1000);
	}
	rig.writers[stream] = -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* ---- the end ---- */

/* What drain_poll gives in the end. */
static inline int rig_wait(void)
{
	uint64_t deadline = now_ms() + RIG_SECONDS * 1000;
	int r;

	while ((r = drain_poll(&rig.drain, &rig.result, &rig.err)) == 0) {
		assert_true(now_ms() < deadline);
		if (io_wait(rig.drain.fd, POLLIN, now_ms() + 500) == 0)
			rig_not_idle();
	}
	return r;
}

static inline void rig_read_file(const char *name, struct buf *ret)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", tempdir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(io_read_all(fd, ret), 0);
	close(fd);
}

static inline bool rig_exists(const char *name)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", tempdir, name);
	return lstat(path, &st) == 0;
}

/* The parts, which must be what the result and the progress say of them. */
static inline void rig_artifact(struct buf *ret)
{
	struct sha256 *sha256 = sha256_new();
	char hex[SHA256_HEX_SIZE];

	for (unsigned int i = 0; i < atomic_load(&rig.drain.progress->n_parts); i++) {
		char name[16];
		size_t before = ret->len;

		snprintf(name, sizeof(name), "data.%u", i);
		rig_read_file(name, ret);
		assert_int_equal(ret->len - before, atomic_load(&rig.drain.progress->stored[i]));
		assert_true(atomic_load(&rig.drain.progress->final[i]));
	}
	assert_int_equal(rig.result.stored, ret->len);
	assert_int_equal(rig.result.crc32c, crc32c(0, ret->data, ret->len));
	sha256_add(sha256, ret->data, ret->len);
	assert_string_equal(rig.result.sha256, sha256_hex(sha256, hex));
	sha256_free(sha256);
}

/* The same, decoded by another program. */
static inline void rig_decoded(struct buf *ret)
{
	auto_buf struct buf stored = BUF_INIT(256 * MiB);
	int status;
	pid_t pid;

	rig_artifact(rig.o.codec == CODEC_NONE ? ret : &stored);
	if (rig.o.codec == CODEC_NONE)
		return;
	tempdir_file("stored", 0600, "");
	tempdir_file("decoded", 0600, "");
	pid = fork();
	if (pid == 0) {
		int in = open(tempdir_path("stored"), O_RDWR);

		if (io_write_full(in, stored.data, stored.len) < 0 || lseek(in, 0, SEEK_SET) < 0)
			_exit(126);
		dup2(in, 0);
		dup2(open(tempdir_path("decoded"), O_WRONLY), 1);
		if (rig.o.codec == CODEC_GZIP)
			execlp("gzip", "gzip", "-dc", NULL);
		else
			execlp("zstd", "zstd", "-dcq", NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	rig_read_file("decoded", ret);
}

static inline void assert_rig_ends_well(void)
{
	int r;

	drain_finish(&rig.drain);
	r = rig_wait();
	if (r < 0)
		fail_msg("%s", rig.err.msg);
}

/* ---- dumps ---- */

/* A heap segment of about that many bytes: objects of the classes of hb_one_of_each. */
static inline void rig_add_heap(struct hprof_builder *b, size_t len)
{
	size_t end = b->dump.len + len;

	hb_open(b, 0x1c);
	while (b->dump.len < end) {
		for (int i = 0; i < 20; i++)
			hb_instance(b, 0x2000, 0x1010, "IBLLDZS");
		hb_primitive_array(b, 0x3000, 'C', 1000);
		hb_object_array(b, 0x2020, 0x1030, 100);
		hb_primitive_array(b, 0x3000, 'J', 300);
	}
	hb_close(b);
}

/* A whole dump in stream 0. */
static inline void rig_make_dump(size_t len)
{
	struct hprof_builder *b = &rig.written[0];

	hb_header(b);
	hb_utf8(b, 0x100, "java/lang/Object");
	hb_load_class(b, 0x1000, 0x100);
	hb_open(b, 0x1c);
	hb_one_of_each(b);
	hb_close(b);
	for (size_t n = 0; n < len; n += MiB)
		rig_add_heap(b, MiB - 1000);
	hb_end(b);
}

/* What JDK 22 and later write: names and the end in stream 0, the classes and a heap in 1, more of
 * the heap in the others. */
static inline void rig_make_segments(unsigned int n, size_t len)
{
	hb_header(&rig.written[0]);
	for (uint64_t i = 0; i < 5000; i++)
		hb_utf8(&rig.written[0], 0x100 + i, "a name of some length");
	hb_end(&rig.written[0]);
	for (unsigned int i = 1; i <= n; i++) {
		if (i == 1) {
			hb_open(&rig.written[i], 0x1c);
			hb_one_of_each(&rig.written[i]);
			hb_close(&rig.written[i]);
		}
		for (size_t at = 0; at < len; at += MiB)
			rig_add_heap(&rig.written[i], MiB / 2);
	}
}

#endif
