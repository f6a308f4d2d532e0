/* The CPU of this node, measured. */
#include <stdlib.h>
#include <time.h>

#include "remote/base/buf.h"
#include "remote/base/limits.h"
#include "remote/budget.h"

#define BYTES (512 * KiB) /* little: to touch new memory is slow in a virtual machine */
#define MIN_PASSES 3
#define ENOUGH_NS (5 * 1000 * 1000ull)

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* HotSpot's dumper reads a field, turns its bytes round and puts it into a buffer: each step needs
 * the one before. So here; the multiplication keeps the compiler from doing several at once. */
static uint64_t pass(const uint64_t *from, uint64_t *to)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < BYTES / sizeof(*from); i++) {
		sum = sum * 31 + __builtin_bswap64(from[i]);
		to[i] = sum;
	}
	return sum;
}

/* The best pass: the others were interrupted, or the CPU was waking up. */
unsigned int budget_cpu_mbps(void)
{
	uint64_t *from = xcalloc(2, BYTES), *to = from + BYTES / sizeof(*from);
	uint64_t begin, best = UINT64_MAX;
	volatile uint64_t sink;

	for (size_t i = 0; i < 2 * BYTES / sizeof(*from); i++)
		from[i] = i;
	begin = now_ns();
	for (int i = 0; i < MIN_PASSES || now_ns() - begin < ENOUGH_NS; i++) {
		uint64_t start = now_ns(), took;

		sink = pass(from, to);
		took = now_ns() - start;
		best = took && took < best ? took : best;
	}
	(void)sink;
	free(from);
	return best == UINT64_MAX ? 0 : (unsigned int)(BYTES * 1000ull / best);
}
