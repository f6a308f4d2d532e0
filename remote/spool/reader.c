/* The bytes of an artifact: its parts one behind the other, up to where the state says. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/spool/spool.h"

struct spool_reader {
	int dir;		    /* a descriptor of its own: it carries the lock */
	int data;		    /* of the part that was read last */
	unsigned int part;	    /* which one that is */
	_Atomic uint64_t *position; /* of a ring, once it is read */
	int note;		    /* of a spool: where the position goes, once it is read */
	bool noted;
};

_Atomic uint64_t *spool_position_map(int dir, struct error *err)
{
	auto_fd int fd =
		openat(dir, SPOOL_READ_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	void *p = MAP_FAILED;

	/* Its content stays when it has this size already. */
	if (fd >= 0 && ftruncate(fd, sizeof(uint64_t)) == 0)
		p = mmap(NULL, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		error_sys(err, ERR_NODE, errno, "cannot share the reader's position");
		return NULL;
	}
	return p;
}

void spool_position_unmap(_Atomic uint64_t *position)
{
	if (position)
		munmap(position, sizeof(uint64_t));
}

struct spool_reader *spool_reader_new(const struct spool *s, struct error *err)
{
	auto_fd int dir = openat(s->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct spool_reader *r;

	/* It waits for one that looks at the directory's time to live, at most. */
	if (dir < 0 || flock(dir, LOCK_SH) < 0) {
		error_sys(err, ERR_NODE, errno, "cannot read capture '%s'", s->id);
		return NULL;
	}
	r = xcalloc(1, sizeof(*r));
	*r = (struct spool_reader){.dir = STEAL_FD(dir), .data = -1, .note = -1};
	return r;
}

void spool_reader_free(struct spool_reader *r)
{
	if (!r)
		return;
	spool_position_unmap(r->position);
	fd_close(&r->note);
	fd_close(&r->data);
	fd_close(&r->dir);
	free(r);
}

/* Which part has the byte at *offset, which becomes relative to it; -1: none has it yet. */
static int find_part(const struct spool_state *state, uint64_t *offset)
{
	for (unsigned int i = 0; i < state->n_parts; i++) {
		if (*offset < state->parts[i].bytes)
			return (int)i;
		if (!state->parts[i].final)
			return -1;
		*offset -= state->parts[i].bytes;
	}
	return -1;
}

static int open_part(struct spool_reader *r, unsigned int part, struct error *err)
{
	char name[32];

	if (r->data >= 0 && r->part == part)
		return 0;
	snprintf(name, sizeof(name), "data.%u", part);
	fd_close(&r->data);
	r->data = openat(r->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	r->part = part;
	if (r->data < 0)
		return error_sys(err, ERR_CAPTURE, errno, "cannot open '%s' of the spool", name);
	return 0;
}

/* Bytes of one part; 0: there is none at this offset. */
static int read_some(struct spool_reader *r, const struct spool_state *state, uint64_t offset,
		     char *buf, size_t len, size_t *ret_len, struct error *err)
{
	int part = find_part(state, &offset);
	uint64_t left;
	ssize_t n;

	*ret_len = 0;
	if (part < 0)
		return 0;
	if (open_part(r, (unsigned int)part, err) < 0)
		return -1;
	left = state->parts[part].bytes - offset;
	do {
		n = pread(r->data, buf, left < len ? (size_t)left : len, (off_t)offset);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return error_sys(err, ERR_CAPTURE, errno, "cannot read the spool");
	if (n == 0)
		return error_set(err, ERR_CAPTURE, "the spool is shorter than its state says");
	*ret_len = (size_t)n;
	return 0;
}

static int is_gone(const struct spool_reader *r, uint64_t offset, struct error *err)
{
	if (offset + SPOOL_RING_KEPT >= atomic_load(r->position))
		return 0;
	error_set(err, ERR_UPLOAD, "the bytes from %llu on are no longer in memory",
		  (unsigned long long)offset);
	return error_hint(err, "without a spool nothing can be sent a second time");
}

/* What lies before the offset has been delivered: the writer may use that room. */
static int advance(struct spool_reader *r, const struct spool_state *state, uint64_t offset,
		   struct error *err)
{
	uint64_t before;

	if (!r->position)
		r->position = spool_position_map(r->dir, err);
	if (!r->position || is_gone(r, offset, err) < 0)
		return -1;
	if (offset > spool_state_readable(state))
		return 0; /* nobody can have these */
	before = atomic_load(r->position);
	while (before < offset && !atomic_compare_exchange_weak(r->position, &before, offset))
		;
	return 0;
}

/* For a writer that wants to know whether the link is slow. By write(): to touch a mapping of the
 * file on a full disk would kill us. */
static void note_position(struct spool_reader *r, uint64_t offset)
{
	if (!r->noted)
		r->note = openat(r->dir, SPOOL_READ_NAME, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	r->noted = true;
	if (r->note >= 0)
		(void)!pwrite(r->note, &offset, sizeof(offset), 0);
}

int spool_reader_read(struct spool_reader *r, const struct spool_state *state, uint64_t offset,
		      void *buf, size_t len, size_t *ret_len, struct error *err)
{
	size_t done = 0, n;

	*ret_len = 0;
	if (state->n_parts == 0)
		return 0; /* nor is there a writer yet that has made the files */
	if (state->ring && advance(r, state, offset, err) < 0)
		return -1;
	if (!state->ring && state->phase != SPOOL_COMPLETE)
		note_position(r, offset);
	do {
		if (read_some(r, state, offset + done, (char *)buf + done, len - done, &n, err) < 0)
			return -1;
		done += n;
	} while (n > 0 && done < len);
	/* Another reader may have gone on meanwhile, and the writer over what was read here. */
	if (state->ring && is_gone(r, offset, err) < 0)
		return -1;
	*ret_len = done;
	return 0;
}
