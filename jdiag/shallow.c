#include "jdiag/shallow.h"

#include <stddef.h>

#define MAX_COMPRESSED (1ull << 35) /* what a compressed reference reaches */
#define MAX_ADDED 1024		    /* bytes that the JVM adds to a class */

void shallow_see_object(struct shallow_evidence *e, uint64_t id, uint64_t last_id)
{
	*(id > last_id ? &e->up : &e->down) += 1;
	if (!e->bits || id < e->least)
		e->least = id;
	if (id > e->most)
		e->most = id;
	e->bits |= id;
}

bool shallow_in_order(const struct shallow_evidence *e)
{
	return e->down * 50 <= e->up;
}

void shallow_see_instance(struct shallow_distance *d, uint64_t id, uint64_t distance)
{
	if (!d->least || distance < d->least)
		*d = (struct shallow_distance){.least = distance};
	if (distance > d->least)
		return;
	d->times++;
	d->id = id;
}

void shallow_see_references(struct shallow_evidence *e, uint32_t length, uint64_t distance)
{
	if (length < 2)
		return;
	e->reference_arrays++;
	if (distance < 16 + 8 * (uint64_t)length)
		e->references_of_4 = true;
}

void shallow_see_primitives(struct shallow_evidence *e, uint32_t length, unsigned int size,
			    uint64_t distance)
{
	uint64_t contents = (uint64_t)length * size;

	/* 8-byte elements are aligned on their own. */
	if (size == 8 || distance <= contents)
		return;
	if (!e->array_header || distance - contents < e->array_header)
		e->array_header = distance - contents;
}

static uint32_t alignment(const struct shallow_evidence *e)
{
	uint32_t a = 8;

	while (a < SHALLOW_RESIDUES && e->bits && !(e->bits & (2 * a - 1)))
		a *= 2;
	return a;
}

static bool references_are_compressed(const struct shallow_evidence *e)
{
	if (e->references_of_4)
		return true;
	return !e->reference_arrays && e->most - e->least < MAX_COMPRESSED;
}

struct shallow_rule shallow_rule(const struct shallow_evidence *e, unsigned int id_size)
{
	struct shallow_rule r = {12, 16, 4, alignment(e)};
	uint64_t header = e->array_header;

	if (id_size == 4) {
		r.header = 8;
		r.array_header = 12;
		return r;
	}
	if (!references_are_compressed(e))
		r.reference = 8;
	if (header == 12 || header == 20 || header == 24) {
		r.header = header == 12 ? 8 : 16;
		r.array_header = (uint32_t)header;
	}
	return r;
}

static uint64_t align(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

static uint64_t take(uint32_t *n, uint64_t gap, uint32_t size)
{
	uint64_t most = gap / size, taken = *n < most ? *n : most;

	*n -= (uint32_t)taken;
	return gap - taken * size;
}

static uint64_t end_of_fields(const struct shallow_rule *r, uint64_t super_end,
			      const struct shallow_fields *f)
{
	struct shallow_fields left = *f;
	uint64_t end = super_end ? super_end : r->header, gap;

	*(r->reference == 8 ? &left.n8 : &left.n4) += left.references;
	if (left.n8) {
		gap = align(end, 8) - end;
		gap = take(&left.n4, gap, 4);
		gap = take(&left.n2, gap, 2);
		take(&left.n1, gap, 1);
		end = align(end, 8) + 8 * (uint64_t)left.n8;
	}
	if (left.n4) {
		gap = align(end, 4) - end;
		gap = take(&left.n2, gap, 2);
		take(&left.n1, gap, 1);
		end = align(end, 4) + 4 * (uint64_t)left.n4;
	}
	if (left.n2)
		end = align(end, 2) + 2 * (uint64_t)left.n2;
	return end + left.n1;
}

uint64_t shallow_layout(const struct shallow_rule *r, uint64_t super_end,
			const struct shallow_fields *f, const struct shallow_distance *d,
			bool proves)
{
	uint64_t end = end_of_fields(r, super_end, f), size = align(end, r->alignment);

	if (d->least == size || d->least < r->header || d->least % r->alignment)
		return end;
	if (d->least < size || (proves && d->times > 1 && d->least <= size + MAX_ADDED))
		return d->least;
	return end;
}

uint64_t shallow_instance(const struct shallow_rule *r, uint64_t end)
{
	return align(end, r->alignment);
}

uint64_t shallow_array_bytes(const struct shallow_rule *r, const struct shallow_arrays *a,
			     unsigned int element)
{
	uint64_t base = align(r->array_header, element), bytes = a->lengths * element;

	for (size_t i = 0; i < SHALLOW_RESIDUES; i++)
		bytes += a->residues[i] * (align(base + i * element, r->alignment) - i * element);
	return bytes;
}
