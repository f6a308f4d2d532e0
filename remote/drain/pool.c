#include "remote/drain/pool.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "remote/drain/drain.h"

#define HUGE_PAGE (2 * MiB)
#define MAX_TOUCHERS 4
#define WAIT_NS 50000000L /* a waiter looks around so often */

struct range {
	unsigned char *at;
	size_t len;
};

static void *touch(void *arg)
{
	struct range *r = arg;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	for (size_t i = 0; i < r->len; i += page)
		((volatile unsigned char *)r->at)[i] = 0;
	return NULL;
}

/* Side by side: in a virtual machine the first touch of a page is slow, and the person waits. */
static void touch_all(struct pool *p)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned int n = cpus > MAX_TOUCHERS ? MAX_TOUCHERS : cpus < 1 ? 1 : (unsigned int)cpus;
	struct range ranges[MAX_TOUCHERS];
	pthread_t threads[MAX_TOUCHERS];
	bool started[MAX_TOUCHERS];
	size_t share = ((size_t)p->n * DRAIN_CHUNK / n + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
	size_t left = (size_t)p->n * DRAIN_CHUNK;

	for (unsigned int i = 0; i < n; i++) {
		size_t len = share < left ? share : left;

		ranges[i] = (struct range){p->base + i * share, len};
		left -= len;
		started[i] = i && pthread_create(&threads[i], NULL, touch, &ranges[i]) == 0;
		if (i && !started[i])
			touch(&ranges[i]);
	}
	touch(&ranges[0]);
	for (unsigned int i = 1; i < n; i++)
		if (started[i])
			pthread_join(threads[i], NULL);
}

int pool_init(struct pool *p, uint32_t n, bool lock, bool *ret_locked, struct error *err)
{
	size_t size = (size_t)n * DRAIN_CHUNK;
	unsigned char *m = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (m == MAP_FAILED)
		return error_sys(err, ERR_NODE, errno, "cannot map a buffer of %zu bytes", size);
	*p = (struct pool){.n = n, .mapped = size};
	p->base = (unsigned char *)(((uintptr_t)m + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1));
	p->chunks = xcalloc(n, sizeof(*p->chunks));
	(void)madvise(p->base, size, MADV_HUGEPAGE); /* a kernel without is slower, that is all */
	touch_all(p);
	*ret_locked = lock && mlock(p->base, size) == 0;
	atomic_store(&p->top, NO_CHUNK);
	for (uint32_t i = n; i-- > 0;)
		pool_put(p, i);
	return 0;
}

unsigned char *pool_data(const struct pool *p, uint32_t index)
{
	return p->base + (size_t)index * DRAIN_CHUNK;
}

/* The count beside the index makes a stale compare fail: the chunk may have been away and back. */
static uint64_t with_top(uint64_t old, uint32_t index)
{
	return (((old >> 32) + 1) << 32) | index;
}

/* `free` is lowered first and raised last, so one who was promised a chunk always finds one. */
bool pool_take(struct pool *p, uint32_t reserve, uint32_t *ret)
{
	uint32_t n = atomic_load(&p->free);
	uint64_t top;

	do {
		if (n <= reserve)
			return false;
	} while (!atomic_compare_exchange_weak(&p->free, &n, n - 1));
	top = atomic_load(&p->top);
	while (!atomic_compare_exchange_weak(
		&p->top, &top, with_top(top, atomic_load(&p->chunks[(uint32_t)top].below))))
		;
	*ret = (uint32_t)top;
	return true;
}

void pool_put(struct pool *p, uint32_t index)
{
	uint64_t top = atomic_load(&p->top);

	do {
		atomic_store(&p->chunks[index].below, (uint32_t)top);
	} while (!atomic_compare_exchange_weak(&p->top, &top, with_top(top, index)));
	atomic_fetch_add(&p->free, 1);
	atomic_fetch_add(&p->given, 1);
	if (atomic_load(&p->waiters))
		syscall(SYS_futex, &p->given, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

uint32_t pool_given(struct pool *p)
{
	return atomic_load(&p->given);
}

void pool_wait(struct pool *p, uint32_t given)
{
	struct timespec t = {.tv_nsec = WAIT_NS};

	atomic_fetch_add(&p->waiters, 1);
	syscall(SYS_futex, &p->given, FUTEX_WAIT_PRIVATE, given, &t, NULL, 0);
	atomic_fetch_sub(&p->waiters, 1);
}

void pool_wipe(struct pool *p)
{
	for (uint32_t i = 0; i < p->n; i++)
		if (atomic_load(&p->chunks[i].plain))
			explicit_bzero(pool_data(p, i), DRAIN_CHUNK);
}
