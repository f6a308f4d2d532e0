/*
 * Objects that lie in the portion as a whole, which is nearly all of a dump: one loop, no stages.
 * It must do exactly what heap.c does (the tests compare them portion by portion), but it never
 * fails: what is wrong, cut or seldom is left to heap.c.
 */
#include "remote/hprof/internal.h"

/* The counters stay in registers. */
struct counts {
	uint64_t instances, object_arrays, primitive_arrays, instance_bytes, array_bytes;
};

static inline size_t fast_instance(struct hprof_parser *p, unsigned char *at, size_t left,
				   unsigned int id, struct counts *n)
{
	uint32_t size = get_u32(at + 2 * id + 5);
	uint64_t class_id = get_id(at + id + 5, id);
	size_t head = 2 * id + 9;

	if (size > left - head)
		return 0;
	if (p->layouts) {
		const struct class_layout *k = parser_layout(p, class_id, size);

		if (!k)
			return 0;
		zero_fields(p, k, at + head);
	}
	n->instances++;
	n->instance_bytes += size;
	if (p->v.instance)
		p->v.instance(p->v.ctx, get_id(at + 1, id), class_id, size);
	return head + size;
}

static inline size_t fast_object_array(struct hprof_parser *p, unsigned char *at, size_t left,
				       unsigned int id, struct counts *n)
{
	uint32_t length = get_u32(at + id + 5);
	uint64_t size = (uint64_t)length * id;
	size_t head = 2 * id + 9;

	if (size > left - head)
		return 0;
	n->object_arrays++;
	n->array_bytes += size;
	if (p->v.object_array)
		p->v.object_array(p->v.ctx, get_id(at + 1, id), get_id(at + id + 9, id), length);
	return head + (size_t)size;
}

static inline size_t fast_primitive_array(struct hprof_parser *p, unsigned char *at, size_t left,
					  unsigned int id, struct counts *n)
{
	unsigned int type = at[id + 9], each = hprof_type_size(type, id);
	uint32_t length = get_u32(at + id + 5);
	uint64_t size = (uint64_t)length * each;
	size_t head = id + 10;

	if (!each || type == HPROF_OBJECT || size > left - head)
		return 0;
	if (zeroes_array(p, type))
		memset(at + head, 0, (size_t)size);
	n->primitive_arrays++;
	n->array_bytes += size;
	if (p->v.primitive_array)
		p->v.primitive_array(p->v.ctx, get_id(at + 1, id), type, length);
	return head + (size_t)size;
}

static inline __attribute__((always_inline)) size_t
fast(struct hprof_parser *p, unsigned char *data, size_t avail, unsigned int id, struct counts *c)
{
	size_t done = 0, n;

	/* 2 * id + 9: the longest head of the three */
	while (avail - done >= 2 * id + 9) {
		unsigned char *at = data + done;

		if (*at == SUB_INSTANCE)
			n = fast_instance(p, at, avail - done, id, c);
		else if (*at == SUB_PRIMITIVE_ARRAY)
			n = fast_primitive_array(p, at, avail - done, id, c);
		else if (*at == SUB_OBJECT_ARRAY)
			n = fast_object_array(p, at, avail - done, id, c);
		else
			break;
		if (!n)
			break;
		done += n;
	}
	return done;
}

size_t parser_fast(struct hprof_parser *p, unsigned char *data, size_t avail)
{
	struct counts c = {0};
	size_t n;

	/* The first object behind the classes goes the long way, which completes the table. */
	if (p->learning && p->sum.classes && !hprof_classes_complete(p->o.classes))
		return 0;
	n = p->id_size == 8 ? fast(p, data, avail, 8, &c) : fast(p, data, avail, 4, &c);
	p->sum.instances += c.instances;
	p->sum.object_arrays += c.object_arrays;
	p->sum.primitive_arrays += c.primitive_arrays;
	p->sum.instance_bytes += c.instance_bytes;
	p->sum.array_bytes += c.array_bytes;
	return n;
}
