/*
 * How fast a heap dump is checked and redacted on one core: the file is held in memory and given to
 * the parser in portions, as the drain does.
 *
 *	hprof-bench FILE [ROUNDS [PORTION_KIB]]
 *
 * Prints lines key=value: what is in the dump, then `none`, `strings` and `primitives` in GB/s (the
 * best and the mean of the rounds) and `copy`, a memcpy of the same portions to compare with.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "remote/base/error.h"
#include "remote/base/io.h"
#include "remote/base/str.h"
#include "remote/hprof/parser.h"

struct dump {
	char *data;
	size_t len, portion;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int parse(const struct dump *d, enum hprof_redact redact, struct hprof_summary *sum,
		 struct error *err)
{
	struct hprof_parser_options o = {
		.redact = redact, .classes = hprof_classes_new(), .writes_classes = true};
	struct hprof_parser *p = hprof_parser_new(&o);
	int rc = 0;

	for (size_t at = 0; at < d->len && !rc; at += d->portion) {
		size_t n = d->len - at < d->portion ? d->len - at : d->portion;

		rc = hprof_parser_add(p, d->data + at, n, err);
	}
	if (!rc)
		rc = hprof_parser_finish(p, false, sum, err);
	hprof_parser_free(p);
	hprof_classes_free(o.classes);
	return rc;
}

static double copy(const struct dump *d, char *to)
{
	double start = now();

	for (size_t at = 0; at < d->len; at += d->portion)
		memcpy(to, d->data + at, d->len - at < d->portion ? d->len - at : d->portion);
	return now() - start;
}

static void print_rate(const char *name, const struct dump *d, double best, double total,
		       unsigned int rounds)
{
	printf("%s_gb_s=%.3f\n%s_mean_gb_s=%.3f\n", name, (double)d->len / best / 1e9, name,
	       (double)d->len * rounds / total / 1e9);
}

/* A redaction of what is redacted already does the same work. */
static int measure(const struct dump *d, enum hprof_redact redact, unsigned int rounds,
		   struct error *err)
{
	struct hprof_summary sum;
	double best = 1e9, total = 0;

	for (unsigned int i = 0; i < rounds; i++) {
		double start = now(), took;

		if (parse(d, redact, &sum, err) < 0)
			return -1;
		took = now() - start;
		total += took;
		if (took < best)
			best = took;
	}
	print_rate(hprof_redact_name(redact), d, best, total, rounds);
	return 0;
}

static void measure_copy(const struct dump *d, unsigned int rounds)
{
	char *to = xmalloc(d->portion);
	double best = 1e9, total = 0;

	memset(to, 1, d->portion);
	for (unsigned int i = 0; i < rounds; i++) {
		double took = copy(d, to);

		total += took;
		if (took < best)
			best = took;
	}
	print_rate("copy", d, best, total, rounds);
	free(to);
}

static int load(struct dump *d, const char *path, struct error *err)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);

	if (size <= 0)
		return error_set(err, ERR_FAILED, "cannot read '%s'", path);
	d->len = (size_t)size;
	d->data = mmap(NULL, d->len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (d->data == MAP_FAILED)
		return error_set(err, ERR_FAILED, "no memory for '%s'", path);
	for (size_t at = 0; at < d->len;) {
		ssize_t n = pread(fd, d->data + at, d->len - at, (off_t)at);

		if (n <= 0)
			return error_set(err, ERR_FAILED, "cannot read '%s'", path);
		at += (size_t)n;
	}
	return 0;
}

static int run(const char *path, unsigned int rounds, size_t portion, struct error *err)
{
	struct dump d = {.portion = portion};
	struct hprof_summary s;

	if (load(&d, path, err) < 0 || parse(&d, HPROF_REDACT_NONE, &s, err) < 0)
		return -1;
	printf("bytes=%zu\nrecords=%llu\nclasses=%llu\ninstances=%llu\nobject_arrays=%llu\n"
	       "primitive_arrays=%llu\n",
	       d.len, (unsigned long long)s.records, (unsigned long long)s.classes,
	       (unsigned long long)s.instances, (unsigned long long)s.object_arrays,
	       (unsigned long long)s.primitive_arrays);
	measure_copy(&d, rounds);
	for (int r = HPROF_REDACT_NONE; r <= HPROF_REDACT_PRIMITIVES; r++)
		if (measure(&d, (enum hprof_redact)r, rounds, err) < 0)
			return -1;
	munmap(d.data, d.len);
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t rounds = 5, kib = 1024;
	struct error err = {0};

	if (argc < 2 || argc > 4 || (argc > 2 && !str_to_u64(argv[2], 1000, &rounds)) ||
	    (argc > 3 && !str_to_u64(argv[3], 1 << 20, &kib)) || !rounds || !kib) {
		fprintf(stderr, "usage: hprof-bench FILE [ROUNDS [PORTION_KIB]]\n");
		return 2;
	}
	if (run(argv[1], (unsigned int)rounds, (size_t)kib << 10, &err) < 0) {
		fprintf(stderr, "hprof-bench: %s\n", err.msg);
		return 1;
	}
	return 0;
}
