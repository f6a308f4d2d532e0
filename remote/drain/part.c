/* Appending encoded blocks to data.N, in the order of the stream. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "remote/drain/inside.h"

#define NEVER UINT64_MAX

int part_open(struct part *p, struct inside *d, unsigned int index, struct error *err)
{
	char name[16];

	*p = (struct part){.d = d, .index = index, .end = NEVER};
	snprintf(name, sizeof(name), "data.%u", index);
	p->fd = openat(d->o.dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (p->fd < 0)
		return error_sys(err, ERR_CAPTURE, errno, "cannot create '%s' in the spool", name);
	return 0;
}

static int write_at(struct part *p, const unsigned char *data, size_t len, struct error *err)
{
	while (len) {
		ssize_t n = pwrite(p->fd, data, len, (off_t)p->stored);

		if (n < 0 && errno != EINTR)
			return error_sys(err, ERR_CAPTURE, errno, "cannot write to the spool");
		if (n < 0)
			continue;
		p->stored += (uint64_t)n;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

static int note_size(struct part *p, size_t stored, size_t raw, struct error *err)
{
	if (p->d->o.codec == CODEC_NONE || !raw)
		return 0;
	if (p->n_sizes == MAX_SPOOL_BLOCKS)
		return error_set(err, ERR_CAPTURE, "the dump has more than %lu blocks",
				 MAX_SPOOL_BLOCKS);
	if (p->n_sizes == p->cap_sizes) {
		p->cap_sizes = p->cap_sizes ? 2 * p->cap_sizes : 64;
		p->sizes = xrealloc(p->sizes, p->cap_sizes * sizeof(*p->sizes));
	}
	p->sizes[p->n_sizes++] = (struct codec_sizes){(uint32_t)stored, (uint32_t)raw};
	return 0;
}

int part_append(struct part *p, const void *data, size_t len, size_t raw, struct error *err)
{
	if (!ring_wait(p, len))
		return error_set(err, ERR_CAPTURE, "the capture was given up");
	if (disk_claim(p->d, len, err) < 0 || write_at(p, data, len, err) < 0 ||
	    note_size(p, len, raw, err) < 0)
		return -1;
	atomic_store(&p->d->progress->stored[p->index], p->stored);
	sem_post(&p->d->hash);
	return 0;
}

/* ---- in turn ---- */

static void append_chunk(struct part *p, struct chunk *c, const unsigned char *data, size_t len)
{
	struct error e = {0};

	if (!atomic_load(&p->d->failed) && part_append(p, data, len, c->raw, &e) < 0)
		inside_fail(p->d, &e);
	pool_put(&p->d->pool, (uint32_t)(c - p->d->pool.chunks));
}

static void park(struct part *p, struct chunk *c)
{
	struct chunk **at = &p->waiting;

	while (*at && (*at)->seq < c->seq)
		at = &(*at)->next;
	c->next = *at;
	*at = c;
}

/* Under the lock; those that were parked, as far as they follow. */
static void append_parked(struct part *p)
{
	struct pool *pool = &p->d->pool;

	while (p->waiting && p->waiting->seq == p->next) {
		struct chunk *c = p->waiting;

		p->waiting = c->next;
		pthread_mutex_unlock(&p->d->lock);
		append_chunk(p, c, pool_data(pool, (uint32_t)(c - pool->chunks)), c->stored);
		pthread_mutex_lock(&p->d->lock);
		p->next++;
	}
}

/* Under the lock. The last part still gets what stands behind all blocks (process.c). */
static void check_done(struct part *p)
{
	if (p->done || p->appending || p->next != p->end)
		return;
	p->done = true;
	if (p->index + 1 < p->d->n_parts)
		part_final(p);
	atomic_fetch_add(&p->d->parts_done, 1);
	eventfd_write(p->d->report_fd, 1);
}

static bool my_turn(const struct part *p, const struct chunk *c)
{
	return p->next == c->seq && !p->appending;
}

/* Under the lock: true when it is parked and its turn will be seen to by another. The encoded bytes
 * nearly always fit into the chunk's own place, so that the worker can go on with the next. */
static bool leave_it(struct part *p, struct chunk *c, unsigned char *place,
		     const unsigned char *encoded, size_t len)
{
	if (!my_turn(p, c) && len <= DRAIN_CHUNK) {
		pthread_mutex_unlock(&p->d->lock);
		if (encoded != place)
			memcpy(place, encoded, len);
		pthread_mutex_lock(&p->d->lock);
		c->stored = (uint32_t)len;
		if (!my_turn(p, c)) {
			park(p, c);
			return true;
		}
	}
	while (!my_turn(p, c))
		pthread_cond_wait(&p->d->turn, &p->d->lock);
	return false;
}

void part_deliver(struct part *p, uint32_t index, const unsigned char *encoded, size_t len)
{
	struct chunk *c = &p->d->pool.chunks[index];

	pthread_mutex_lock(&p->d->lock);
	if (!leave_it(p, c, pool_data(&p->d->pool, index), encoded, len)) {
		p->appending = true;
		pthread_mutex_unlock(&p->d->lock);
		append_chunk(p, c, encoded, len);
		pthread_mutex_lock(&p->d->lock);
		p->next++;
		append_parked(p);
		p->appending = false;
		check_done(p);
		pthread_cond_broadcast(&p->d->turn);
	}
	pthread_mutex_unlock(&p->d->lock);
}

void part_ends(struct part *p, uint64_t n)
{
	pthread_mutex_lock(&p->d->lock);
	p->end = n;
	check_done(p);
	pthread_mutex_unlock(&p->d->lock);
}

void part_final(struct part *p)
{
	atomic_store(&p->d->progress->final[p->index], true);
	sem_post(&p->d->hash);
}
