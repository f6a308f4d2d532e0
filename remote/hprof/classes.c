#include "remote/hprof/classes.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "remote/base/limits.h"

#define FIRST_SLOTS 1024
#define MAX_LISTS (MAX_HPROF_LAYOUTS / sizeof(uint32_t))
#define MAX_DEPTH 256 /* of classes whose lists have to be made for one */

struct hprof_classes {
	struct class_layout *all; /* owned */
	uint32_t n, cap;
	uint32_t *slots; /* owned; open addressing: index into all + 1, 0 free */
	uint32_t n_slots;
	uint32_t *lists; /* owned; [0] stays unused */
	size_t n_lists, cap_lists;
	struct class_layout now; /* between begin and end */
	_Atomic bool complete;
};

struct hprof_classes *hprof_classes_new(void)
{
	struct hprof_classes *c = xcalloc(1, sizeof(*c));

	c->n_slots = FIRST_SLOTS;
	c->slots = xcalloc(c->n_slots, sizeof(*c->slots));
	c->cap = FIRST_SLOTS / 2;
	c->all = xmalloc(c->cap * sizeof(*c->all));
	c->n_lists = 1;
	c->cap_lists = FIRST_SLOTS;
	c->lists = xmalloc(c->cap_lists * sizeof(*c->lists));
	c->lists[0] = 0;
	return c;
}

void hprof_classes_free(struct hprof_classes *c)
{
	if (!c)
		return;
	free(c->all);
	free(c->slots);
	free(c->lists);
	free(c);
}

bool hprof_classes_complete(const struct hprof_classes *c)
{
	return atomic_load_explicit(&c->complete, memory_order_acquire);
}

/* Identifiers are addresses: aligned, close together. */
static uint32_t first_slot(const struct hprof_classes *c, uint64_t id)
{
	return (uint32_t)((id * 0x9e3779b97f4a7c15ull) >> 32) & (c->n_slots - 1);
}

/* The slot that holds the id, or the free one where it belongs. */
static uint32_t *slot_of(const struct hprof_classes *c, uint64_t id)
{
	uint32_t i = first_slot(c, id);

	while (c->slots[i] && c->all[c->slots[i] - 1].id != id)
		i = (i + 1) & (c->n_slots - 1);
	return &c->slots[i];
}

static struct class_layout *find(const struct hprof_classes *c, uint64_t id)
{
	uint32_t at = *slot_of(c, id);

	return at ? &c->all[at - 1] : NULL;
}

static void grow(struct hprof_classes *c)
{
	c->cap *= 2;
	c->all = xrealloc(c->all, c->cap * sizeof(*c->all));
	free(c->slots);
	c->n_slots *= 2;
	c->slots = xcalloc(c->n_slots, sizeof(*c->slots));
	for (uint32_t i = 0; i < c->n; i++)
		*slot_of(c, c->all[i].id) = i + 1;
}

/* ---- lists ---- */

static int room_for(struct hprof_classes *c, size_t n, struct error *err)
{
	if (n > MAX_LISTS - c->n_lists)
		return error_set(err, ERR_CAPTURE,
				 "heap dump: its classes have too many fields for %lu bytes",
				 MAX_HPROF_LAYOUTS);
	if (c->n_lists + n <= c->cap_lists)
		return 0;
	while (c->n_lists + n > c->cap_lists)
		c->cap_lists *= 2;
	c->lists = xrealloc(c->lists, c->cap_lists * sizeof(*c->lists));
	return 0;
}

/* Put a range behind the list that begins at `list` and is the last one; room is there. */
static void add_range(struct hprof_classes *c, uint32_t list, uint32_t start, uint32_t len)
{
	uint32_t *n = &c->lists[list];
	uint32_t *last = &c->lists[c->n_lists] - 2;

	if (*n && last[0] + last[1] == start) {
		last[1] += len;
		return;
	}
	(*n)++;
	c->lists[c->n_lists++] = start;
	c->lists[c->n_lists++] = len;
}

const struct class_range *classes_ranges(const struct hprof_classes *c, uint32_t list,
					 uint32_t *ret_n)
{
	*ret_n = c->lists[list];
	return (const struct class_range *)&c->lists[list + 1];
}

/* ---- learning ---- */

int classes_begin(struct hprof_classes *c, uint64_t id, uint64_t super_id, struct error *err)
{
	if (c->n == MAX_HPROF_CLASSES)
		return error_set(err, ERR_CAPTURE, "heap dump: more than %lu classes",
				 MAX_HPROF_CLASSES);
	if (room_for(c, 1, err) < 0)
		return -1;
	c->now = (struct class_layout){.id = id, .super_id = super_id, .own = (uint32_t)c->n_lists};
	c->lists[c->n_lists++] = 0;
	return 0;
}

int classes_field(struct hprof_classes *c, unsigned int size, bool contents, struct error *err)
{
	if (contents) {
		if (room_for(c, 2, err) < 0)
			return -1;
		add_range(c, c->now.own, c->now.own_size, size);
	}
	c->now.own_size += size;
	return 0;
}

static size_t list_bytes(const struct hprof_classes *c, uint32_t list)
{
	return (1 + 2 * (size_t)c->lists[list]) * sizeof(*c->lists);
}

static int same_again(struct hprof_classes *c, const struct class_layout *known, struct error *err)
{
	const struct class_layout *now = &c->now;

	c->n_lists = now->own;
	if (known->super_id == now->super_id && known->own_size == now->own_size &&
	    list_bytes(c, known->own) == list_bytes(c, now->own) &&
	    !memcmp(&c->lists[known->own], &c->lists[now->own], list_bytes(c, now->own)))
		return 0;
	return error_set(err, ERR_CAPTURE,
			 "broken heap dump: class 0x%llx twice, with other fields",
			 (unsigned long long)now->id);
}

int classes_end(struct hprof_classes *c, struct error *err)
{
	const struct class_layout *known = find(c, c->now.id);

	if (known)
		return same_again(c, known, err);
	if (c->n == c->cap)
		grow(c);
	*slot_of(c, c->now.id) = c->n + 1;
	c->all[c->n++] = c->now;
	return 0;
}

/* ---- the whole of an instance ---- */

/* The full list of a class whose super class has one. */
static int make_full(struct hprof_classes *c, struct class_layout *k,
		     const struct class_layout *super)
{
	uint32_t n, list = (uint32_t)c->n_lists;

	k->full_size = k->own_size + (super ? super->full_size : 0);
	if (!super || !c->lists[super->full]) {
		k->full = k->own;
		return 0;
	}
	if (!k->own_size) {
		k->full = super->full;
		return 0;
	}
	if (room_for(c, 1 + 2 * ((size_t)c->lists[k->own] + c->lists[super->full]), NULL) < 0)
		return -1;
	c->lists[c->n_lists++] = 0;
	for (const struct class_layout *part = k; part; part = part == k ? super : NULL) {
		const struct class_range *r =
			classes_ranges(c, part == k ? k->own : super->full, &n);
		uint32_t shift = part == k ? 0 : k->own_size;

		for (uint32_t i = 0; i < n; i++)
			add_range(c, list, shift + r[i].start, r[i].len);
	}
	k->full = list;
	return 0;
}

/* False: a super class is not known (or the chain has no end, or there is no room). */
static bool resolve(struct hprof_classes *c, struct class_layout *k)
{
	struct class_layout *chain[MAX_DEPTH];
	unsigned int n = 0;

	for (;;) {
		if (n == MAX_DEPTH)
			return false;
		chain[n++] = k;
		if (!k->super_id || k->full)
			break;
		k = find(c, k->super_id);
		if (!k)
			return false;
	}
	while (n--) {
		if (!chain[n]->full &&
		    make_full(c, chain[n], chain[n]->super_id ? chain[n + 1] : NULL) < 0)
			return false;
	}
	return true;
}

void classes_complete(struct hprof_classes *c)
{
	if (hprof_classes_complete(c))
		return;
	/* What cannot be resolved stays without a list: its instances are refused. */
	for (uint32_t i = 0; i < c->n; i++)
		if (!c->all[i].full)
			resolve(c, &c->all[i]);
	atomic_store_explicit(&c->complete, true, memory_order_release);
}

const struct class_layout *classes_find(struct hprof_classes *c, uint64_t id, bool learning)
{
	struct class_layout *k;

	if (!learning && !hprof_classes_complete(c))
		return NULL;
	k = find(c, id);
	if (!k || (!k->full && (!learning || !resolve(c, k))))
		return NULL;
	return k;
}
