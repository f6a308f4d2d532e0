#include "jdiag/idmap.h"

#include <stdlib.h>
#include <sys/random.h>

#include "remote/base/error.h"

#define FIRST_BITS 10

struct idmap_slot {
	uint64_t id;
	uint32_t value;
	bool used;
};

/* Where it is, or would be. */
static struct idmap_slot *slot_of(const struct idmap *m, uint64_t id)
{
	size_t i = (size_t)((id * m->factor) >> m->shift);

	while (m->slots[i].used && m->slots[i].id != id)
		i = (i + 1) & (m->size - 1);
	return &m->slots[i];
}

/* Without the kernel's random bytes (none before 3.17) it is as good for dumps that mean well. */
static void seed(struct idmap *m)
{
	if (getrandom(&m->factor, sizeof(m->factor), GRND_NONBLOCK) != sizeof(m->factor))
		m->factor = 0x9e3779b97f4a7c15ull;
	m->factor |= 1;
	m->shift = 64 - FIRST_BITS + 1;
}

static void grow(struct idmap *m)
{
	struct idmap old = *m;

	if (!old.size)
		seed(m);
	m->shift--;
	m->size = (size_t)1 << (64 - m->shift);
	m->slots = xcalloc(m->size, sizeof(*m->slots));
	for (size_t i = 0; i < old.size; i++)
		if (old.slots[i].used)
			*slot_of(m, old.slots[i].id) = old.slots[i];
	free(old.slots);
}

bool idmap_put(struct idmap *m, uint64_t id, uint32_t value)
{
	struct idmap_slot *s;

	if (m->used >= m->size / 4 * 3)
		grow(m);
	s = slot_of(m, id);
	if (s->used)
		return false;
	*s = (struct idmap_slot){id, value, true};
	m->used++;
	return true;
}

bool idmap_get(const struct idmap *m, uint64_t id, uint32_t *ret)
{
	const struct idmap_slot *s = m->size ? slot_of(m, id) : NULL;

	if (!s || !s->used)
		return false;
	*ret = s->value;
	return true;
}

void idmap_release(struct idmap *m)
{
	free(m->slots);
	*m = (struct idmap){0};
}
