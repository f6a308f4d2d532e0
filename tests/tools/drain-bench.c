/* remote */
/*
 * drain-bench FORMAT [MB [ROUNDS [RATE [BUFFER_MB [REDACT]]]]]: how long a writer is kept by the
 * drain.
 *
 * The writer puts a heap dump of MB (1000) into a FIFO, 1 MiB at once, as the JVM's does; before
 * each it works as long as one that makes RATE MB a second would (600 is JDK 17; 0, the default: it
 * has nothing else to do). In turn the reader is one that discards what it reads, which is the best
 * that any reader can do, and the drain. Medians of ROUNDS (5).
 */
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/base/str.h"
#include "remote/drain/drain.h"
#include "tests/unit/hprof_builder.h"

#define MAX_ROUNDS 99

static char dir[] = "/tmp/drain-bench-XXXXXX";

struct times {
	uint64_t written, done; /* ms */
};

/* About as in the heap of a service: many small objects, arrays of text, references. */
static void make_heap(struct hprof_builder *b)
{
	uint64_t seed = 42;

	hb_init(b, 8);
	hb_open(b, 0x1c);
	hb_one_of_each(b);
	hb_close(b);
	while (b->dump.len < 16 * MiB) {
		hb_open(b, 0x1c);
		for (int i = 0; i < 2000; i++) {
			size_t from = b->dump.len;

			hb_instance(b, 0x700000000 + 24 * (uint64_t)i, 0x1010, "IBLLDZS");
			hb_primitive_array(b, 0x710000000 + 40 * (uint64_t)i, 'B', 40);
			hb_object_array(b, 0x720000000 + 32 * (uint64_t)i, 0x1030, 4);
			/* not more regular than real ones */
			for (size_t k = b->dump.len - 30; k > from + 150; k -= 3) {
				seed = seed * 6364136223846793005u + 1442695040888963407u;
				b->dump.data[k] = (char)(seed >> 60);
			}
		}
		hb_close(b);
	}
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void put(int fd, const void *data, size_t len, uint64_t rate)
{
	const char *p = data;

	for (size_t at = 0; at < len; at += MiB) {
		uint64_t until = now_us() + (rate ? MiB / rate : 0);

		while (now_us() < until)
			;
		if (io_write_full(fd, p + at, len - at < MiB ? len - at : MiB) < 0)
			_exit(1);
	}
}

/* The time is taken from the first byte to the close, and is left in a pipe. */
static pid_t start_writer(const struct hprof_builder *heap, uint64_t len, uint64_t rate, int report)
{
	pid_t pid = fork();

	if (pid == 0) {
		struct hprof_builder head, end;
		char path[64];
		uint64_t since, took;
		int fd;

		hb_init(&head, 8);
		hb_init(&end, 8);
		hb_header(&head);
		hb_utf8(&head, 0x100, "java/lang/Object");
		hb_end(&end);
		snprintf(path, sizeof(path), "%s/dump/H", dir);
		fd = open(path, O_WRONLY);
		since = now_ms();
		put(fd, head.dump.data, head.dump.len, rate);
		for (uint64_t at = 0; at < len; at += heap->dump.len)
			put(fd, heap->dump.data, heap->dump.len, rate);
		put(fd, end.dump.data, end.dump.len, rate);
		close(fd);
		took = now_ms() - since;
		_exit(io_write_full(report, &took, sizeof(took)) < 0);
	}
	return pid;
}

static uint64_t wait_for_writer(pid_t pid, int report)
{
	uint64_t took = 0;
	int status;

	if (io_read_full(report, &took, sizeof(took)) < 0)
		exit(1);
	waitpid(pid, &status, 0);
	return took;
}

static int make_fifo(void)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/dump/H", dir);
	unlink(path);
	if (mkfifo(path, 0600) < 0)
		exit(1);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		exit(1);
	return fd;
}

static struct times discard(const struct hprof_builder *heap, uint64_t len, uint64_t rate,
			    int report[2])
{
	static char block[MiB];
	uint64_t since = now_ms();
	struct times t = {0};
	auto_fd int fd = make_fifo();
	pid_t reader = fork(), writer;
	int status;

	if (reader == 0) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;

		(void)fcntl(fd, F_SETPIPE_SZ, (int)MiB);
		do {
			(void)poll(&p, 1, -1);
			n = read(fd, block, sizeof(block));
		} while (n);
		_exit(0);
	}
	writer = start_writer(heap, len, rate, report[1]);
	t.written = wait_for_writer(writer, report[0]);
	waitpid(reader, &status, 0);
	t.done = now_ms() - since;
	return t;
}

static void remove_data(int dir_fd)
{
	(void)unlinkat(dir_fd, "data.0", 0);
}

static struct times drain(const struct drain_options *o, const struct hprof_builder *heap,
			  uint64_t len, uint64_t rate, int report[2], struct drain_result *ret)
{
	struct drain d = DRAIN_INIT;
	struct drain_stream s = {.fd = make_fifo(), .hold = -1};
	struct times t = {0};
	struct error err = {0};
	uint64_t since;
	int r = drain_start(&d, o, &s, 1, &err);

	since = now_ms();
	if (r == 0) {
		t.written = wait_for_writer(start_writer(heap, len, rate, report[1]), report[0]);
		drain_finish(&d);
		while ((r = drain_poll(&d, ret, &err)) == 0)
			if (io_wait(d.fd, POLLIN, UINT64_MAX) < 0)
				exit(1);
	}
	if (r < 0) {
		fprintf(stderr, "drain-bench: %s\n", err.msg);
		exit(1);
	}
	t.done = now_ms() - since;
	drain_stop(&d);
	remove_data(o->dir);
	return t;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t median(uint64_t *v, unsigned int n)
{
	qsort(v, n, sizeof(*v), compare);
	return v[n / 2];
}

static uint64_t number(char **argv, int argc, int i, uint64_t otherwise)
{
	return i < argc ? strtoull(argv[i], NULL, 10) : otherwise;
}

static void run(const struct drain_options *o, uint64_t len, uint64_t rate, unsigned int rounds)
{
	uint64_t plain[MAX_ROUNDS], with[MAX_ROUNDS], done[MAX_ROUNDS];
	struct drain_result result = {0};
	struct hprof_builder heap;
	int report[2];

	make_heap(&heap);
	if (pipe(report) < 0)
		exit(1);
	for (unsigned int i = 0; i < rounds; i++) {
		struct times t;

		plain[i] = discard(&heap, len, rate, report).written;
		t = drain(o, &heap, len, rate, report, &result);
		with[i] = t.written;
		done[i] = t.done;
		printf("discarded %" PRIu64 " ms, drained %" PRIu64 ", complete %" PRIu64 "\n",
		       plain[i], with[i], done[i]);
	}
	printf("%s: %.2f (%" PRIu64 " ms, discarded %" PRIu64 "), complete after %" PRIu64
	       " ms, ratio %.3f, overflow %" PRIu64 " MB, stalled %" PRIu64 " ms\n",
	       codec_format(o->codec), (double)median(with, rounds) / (double)median(plain, rounds),
	       median(with, rounds), median(plain, rounds), median(done, rounds),
	       (double)result.stored / (double)result.raw, result.overflow / 1000000,
	       result.stalled_ms);
}

int main(int argc, char **argv)
{
	struct drain_options o = {0};
	uint64_t len = number(argv, argc, 2, 1000) * 1000000;
	uint64_t rounds = number(argv, argc, 3, 5);
	char path[64];

	o.buffer = number(argv, argc, 5, len / 1000000 + 20) * 1000000;
	if (argc < 2 || !codec_from_format(argv[1], &o.codec) || !rounds || rounds > MAX_ROUNDS ||
	    (argc > 6 && !hprof_redact_from_name(argv[6], &o.redact)) || !mkdtemp(dir)) {
		fprintf(stderr,
			"usage: drain-bench FORMAT [MB [ROUNDS [RATE [BUFFER_MB [REDACT]]]]]\n");
		return 2;
	}
	snprintf(path, sizeof(path), "%s/dump", dir);
	mkdir(path, 0700);
	o.dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	o.dump_dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	run(&o, len, number(argv, argc, 4, 0), (unsigned int)rounds);
	(void)unlinkat(o.dump_dir, "H", 0);
	(void)rmdir(path);
	return rmdir(dir) < 0;
}
