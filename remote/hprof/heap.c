/* The sub-records of HEAP_DUMP and HEAP_DUMP_SEGMENT, one head at a time. */
#include "remote/hprof/internal.h"

static int unknown_class(const struct hprof_parser *p, uint64_t id, struct error *err)
{
	return error_set(err, ERR_CAPTURE,
			 "cannot redact the heap dump: the layout of class 0x%llx is not known "
			 "at its instance at byte %llu, whose fields would leak",
			 (unsigned long long)id, (unsigned long long)p->sub_at);
}

const struct class_layout *parser_layout(struct hprof_parser *p, uint64_t class_id, uint32_t size)
{
	if (!p->o.classes)
		return NULL;
	if (!p->last || class_id != p->last_class) {
		p->last = classes_find(p->o.classes, class_id, p->learning);
		p->last_class = class_id;
	}
	return p->last && p->last->full_size == size ? p->last : NULL;
}

static int bad_type(const struct hprof_parser *p, unsigned int type, struct error *err)
{
	return error_set(err, ERR_CAPTURE,
			 "broken heap dump: unknown type %u in the sub-record at byte %llu", type,
			 (unsigned long long)p->sub_at);
}

/* The rest of a root behind its tag and its object: identifiers and bytes. False: no root. */
static bool root_size(unsigned char tag, unsigned int id_size, size_t *ret)
{
	switch (tag) {
	case 0xff: /* UNKNOWN */
	case 0x05: /* STICKY_CLASS */
	case 0x07: /* MONITOR_USED */
		*ret = 0;
		return true;
	case 0x01: /* JNI_GLOBAL */
		*ret = id_size;
		return true;
	case 0x04: /* NATIVE_STACK */
	case 0x06: /* THREAD_BLOCK */
		*ret = 4;
		return true;
	case 0x02: /* JNI_LOCAL */
	case 0x03: /* JAVA_FRAME */
	case 0x08: /* THREAD_OBJECT */
		*ret = 8;
		return true;
	default:
		return false;
	}
}

/* The class table is complete when something other than a class comes behind the classes. */
static int begin_class(struct hprof_parser *p, struct error *err)
{
	if (p->learning && p->o.segment && hprof_classes_complete(p->o.classes))
		return error_set(err, ERR_CAPTURE,
				 "cannot redact the heap dump: a class at byte %llu comes behind "
				 "the objects, while other streams are read",
				 (unsigned long long)p->offset);
	p->last = NULL;
	return 0;
}

int parser_begin_sub(struct hprof_parser *p, const unsigned char *head, struct error *err)
{
	unsigned int id = p->id_size;
	size_t rest;

	p->sub_at = p->offset;
	if (head[0] == SUB_CLASS_DUMP) {
		if (begin_class(p, err) < 0)
			return -1;
		return parser_expect(p, STAGE_CLASS, 7 * id + 10, err);
	}
	if (p->learning && p->sum.classes)
		classes_complete(p->o.classes);
	if (head[0] == SUB_INSTANCE)
		return parser_expect(p, STAGE_INSTANCE, 2 * id + 8, err);
	if (head[0] == SUB_OBJECT_ARRAY)
		return parser_expect(p, STAGE_OBJECT_ARRAY, 2 * id + 8, err);
	if (head[0] == SUB_PRIMITIVE_ARRAY)
		return parser_expect(p, STAGE_PRIMITIVE_ARRAY, id + 9, err);
	if (root_size(head[0], id, &rest)) {
		p->sum.roots++;
		return parser_expect(p, STAGE_ROOT, id + rest, err);
	}
	return error_set(err, ERR_CAPTURE,
			 "broken heap dump: unknown sub-record 0x%02x at byte %llu", head[0],
			 (unsigned long long)p->sub_at);
}

/* ---- CLASS_DUMP: fixed part, constants, statics, fields, each list behind its count ---- */

static int end_class(struct hprof_parser *p, struct error *err)
{
	if (p->learning && classes_end(p->o.classes, err) < 0)
		return -1;
	parser_next_sub(p);
	return 0;
}

static int next_field(struct hprof_parser *p, struct error *err)
{
	if (!p->left)
		return end_class(p, err);
	p->left--;
	return parser_expect(p, STAGE_FIELD, p->id_size + 1, err);
}

static int next_static(struct hprof_parser *p, struct error *err)
{
	if (!p->left)
		return parser_expect(p, STAGE_N_FIELDS, 2, err);
	p->left--;
	return parser_expect(p, STAGE_STATIC, p->id_size + 1, err);
}

static int next_constant(struct hprof_parser *p, struct error *err)
{
	if (!p->left)
		return parser_expect(p, STAGE_N_STATICS, 2, err);
	p->left--;
	return parser_expect(p, STAGE_CONSTANT, 3, err);
}

static int take_class(struct hprof_parser *p, const unsigned char *head, struct error *err)
{
	unsigned int id = p->id_size;
	uint64_t class_id = get_id(head, id), super_id = get_id(head + id + 4, id);

	p->sum.classes++;
	p->left = get_u16(head + 7 * id + 8);
	if (p->v.class_dump)
		p->v.class_dump(p->v.ctx, class_id, super_id, get_u32(head + 7 * id + 4));
	if (p->learning && classes_begin(p->o.classes, class_id, super_id, err) < 0)
		return -1;
	return next_constant(p, err);
}

/* The value of a constant or a static. */
static int take_value(struct hprof_parser *p, unsigned int type, struct error *err)
{
	unsigned int size = hprof_type_size(type, p->id_size);

	if (!size)
		return bad_type(p, type, err);
	return parser_content(p,
			      p->o.redact == HPROF_REDACT_PRIMITIVES && type != HPROF_OBJECT
				      ? CONTENT_ZERO
				      : CONTENT_SKIP,
			      size, err);
}

static int take_field(struct hprof_parser *p, const unsigned char *head, struct error *err)
{
	unsigned int type = head[p->id_size], size = hprof_type_size(type, p->id_size);

	if (!size)
		return bad_type(p, type, err);
	if (p->v.field)
		p->v.field(p->v.ctx, get_id(head, p->id_size), type);
	if (p->learning && classes_field(p->o.classes, size, type != HPROF_OBJECT, err) < 0)
		return -1;
	return next_field(p, err);
}

/* ---- objects ---- */

static int take_instance(struct hprof_parser *p, const unsigned char *head, struct error *err)
{
	unsigned int id = p->id_size;
	uint64_t class_id = get_id(head + id + 4, id);
	uint32_t size = get_u32(head + 2 * id + 4);
	enum content what = CONTENT_SKIP;

	if (p->layouts) {
		const struct class_layout *k = parser_layout(p, class_id, size);

		if (!k)
			return unknown_class(p, class_id, err);
		what = CONTENT_FIELDS;
		p->list = k->full;
		p->next_range = p->field_at = 0;
	}
	if (parser_content(p, what, size, err) < 0)
		return -1;
	p->sum.instances++;
	p->sum.instance_bytes += size;
	if (p->v.instance)
		p->v.instance(p->v.ctx, get_id(head, id), class_id, size);
	parser_next_sub(p);
	return 0;
}

static int take_object_array(struct hprof_parser *p, const unsigned char *head, struct error *err)
{
	unsigned int id = p->id_size;
	uint32_t length = get_u32(head + id + 4);

	if (parser_content(p, CONTENT_SKIP, (uint64_t)length * id, err) < 0)
		return -1;
	p->sum.object_arrays++;
	p->sum.array_bytes += (uint64_t)length * id;
	if (p->v.object_array)
		p->v.object_array(p->v.ctx, get_id(head, id), get_id(head + id + 8, id), length);
	parser_next_sub(p);
	return 0;
}

static int take_primitive_array(struct hprof_parser *p, const unsigned char *head,
				struct error *err)
{
	unsigned int id = p->id_size, type = head[id + 8], size = hprof_type_size(type, id);
	uint32_t length = get_u32(head + id + 4);

	if (!size || type == HPROF_OBJECT)
		return bad_type(p, type, err);
	if (parser_content(p, zeroes_array(p, type) ? CONTENT_ZERO : CONTENT_SKIP,
			   (uint64_t)length * size, err) < 0)
		return -1;
	p->sum.primitive_arrays++;
	p->sum.array_bytes += (uint64_t)length * size;
	if (p->v.primitive_array)
		p->v.primitive_array(p->v.ctx, get_id(head, id), type, length);
	parser_next_sub(p);
	return 0;
}

int parser_sub_head(struct hprof_parser *p, const unsigned char *head, struct error *err)
{
	switch (p->stage) {
	case STAGE_CLASS:
		return take_class(p, head, err);
	case STAGE_CONSTANT:
		return take_value(p, head[2], err) < 0 ? -1 : next_constant(p, err);
	case STAGE_N_STATICS:
		p->left = get_u16(head);
		return next_static(p, err);
	case STAGE_STATIC:
		return take_value(p, head[p->id_size], err) < 0 ? -1 : next_static(p, err);
	case STAGE_N_FIELDS:
		p->left = get_u16(head);
		return next_field(p, err);
	case STAGE_FIELD:
		return take_field(p, head, err);
	case STAGE_INSTANCE:
		return take_instance(p, head, err);
	case STAGE_OBJECT_ARRAY:
		return take_object_array(p, head, err);
	case STAGE_PRIMITIVE_ARRAY:
		return take_primitive_array(p, head, err);
	default: /* a root: of no interest */
		parser_next_sub(p);
		return 0;
	}
}
