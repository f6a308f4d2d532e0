#include "remote/hprof/parser.h"

#include <stdlib.h>
#include <string.h>

#include "remote/hprof/internal.h"

static const char magic[] = "JAVA PROFILE 1.0."; /* then "1" or "2" and a NUL */
#define HEADER_SIZE (sizeof(magic) - 1 + 2 + 4 + 8)

static const char *const redact_names[] = {"none", "strings", "primitives"};

const char *hprof_redact_name(enum hprof_redact r)
{
	return redact_names[r];
}

bool hprof_redact_from_name(const char *name, enum hprof_redact *ret)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(redact_names); i++) {
		if (!strcmp(name, redact_names[i])) {
			*ret = (enum hprof_redact)i;
			return true;
		}
	}
	return false;
}

unsigned int hprof_type_size(unsigned int type, unsigned int id_size)
{
	static const unsigned char sizes[] = {
		[HPROF_BOOLEAN] = 1, [HPROF_CHAR] = 2,	[HPROF_FLOAT] = 4, [HPROF_DOUBLE] = 8,
		[HPROF_BYTE] = 1,    [HPROF_SHORT] = 2, [HPROF_INT] = 4,   [HPROF_LONG] = 8};

	if (type == HPROF_OBJECT)
		return id_size;
	return type < ARRAY_SIZE(sizes) ? sizes[type] : 0;
}

struct hprof_parser *hprof_parser_new(const struct hprof_parser_options *o)
{
	struct hprof_parser *p = xcalloc(1, sizeof(*p));

	p->o = *o;
	if (o->visitor)
		p->v = *o->visitor;
	if (p->v.utf8)
		p->text = xmalloc(MAX_HPROF_TEXT);
	p->layouts = o->redact == HPROF_REDACT_PRIMITIVES;
	p->learning = o->classes && o->writes_classes;
	p->id_size = o->segment ? o->id_size : 0;
	p->stage = o->segment ? STAGE_RECORD : STAGE_HEADER;
	p->need = o->segment ? RECORD_HEADER : HEADER_SIZE;
	return p;
}

void hprof_parser_free(struct hprof_parser *p)
{
	if (!p)
		return;
	free(p->text);
	free(p);
}

/* ---- what comes next ---- */

static void next_record(struct hprof_parser *p)
{
	p->stage = STAGE_RECORD;
	p->need = RECORD_HEADER;
}

void parser_next_sub(struct hprof_parser *p)
{
	if (!p->body_left) {
		next_record(p);
		return;
	}
	p->stage = STAGE_SUB;
	p->need = 1;
	p->body_left--;
}

static int passes_record(const struct hprof_parser *p, struct error *err)
{
	return error_set(err, ERR_CAPTURE,
			 "broken heap dump: the sub-record at byte %llu is longer than its record",
			 (unsigned long long)p->sub_at);
}

int parser_expect(struct hprof_parser *p, enum stage stage, size_t need, struct error *err)
{
	if (need > p->body_left)
		return passes_record(p, err);
	p->body_left -= need;
	p->stage = stage;
	p->need = need;
	return 0;
}

int parser_content(struct hprof_parser *p, enum content what, uint64_t len, struct error *err)
{
	if (len > p->body_left)
		return passes_record(p, err);
	p->body_left -= len;
	p->content = what;
	p->content_left = len;
	return 0;
}

/* ---- records ---- */

static int take_header(struct hprof_parser *p, const unsigned char *h, struct error *err)
{
	size_t n = sizeof(magic) - 1;

	if (memcmp(h, magic, n) != 0 || (h[n] != '1' && h[n] != '2') || h[n + 1] != '\0')
		return error_set(err, ERR_CAPTURE, "not a heap dump: no HPROF header");
	p->id_size = get_u32(h + n + 2);
	if (p->id_size != 4 && p->id_size != 8)
		return error_set(err, ERR_CAPTURE, "broken heap dump: identifiers of %u bytes",
				 p->id_size);
	next_record(p);
	return 0;
}

/* What the body of a record must have: at least so many identifiers and bytes, or exactly. */
struct record_size {
	unsigned char tag, ids, bytes;
	bool exactly;
};

static const struct record_size record_sizes[] = {
	{RECORD_UTF8, 1, 0, false},
	{RECORD_LOAD_CLASS, 2, 8, true},
	{0x03, 0, 4, true},   /* UNLOAD_CLASS */
	{0x04, 4, 8, true},   /* FRAME */
	{0x05, 0, 12, false}, /* TRACE */
	{0x06, 0, 0, false},  /* ALLOC_SITES */
	{0x07, 0, 24, true},  /* HEAP_SUMMARY */
	{0x0a, 4, 8, true},   /* START_THREAD */
	{0x0b, 0, 4, true},   /* END_THREAD */
	{RECORD_HEAP_DUMP, 0, 1, false},
	{0x0d, 0, 0, false}, /* CPU_SAMPLES */
	{0x0e, 0, 6, true},  /* CONTROL_SETTINGS */
	{RECORD_HEAP_DUMP_SEGMENT, 0, 0, false},
	{RECORD_HEAP_DUMP_END, 0, 0, true},
};

static bool size_is_right(const struct hprof_parser *p, const struct record_size *s, uint32_t len)
{
	uint64_t least = s->ids * p->id_size + s->bytes;

	return s->exactly ? len == least : len >= least;
}

static int check_record(const struct hprof_parser *p, unsigned char tag, uint32_t len,
			struct error *err)
{
	const struct record_size *s = NULL;
	unsigned long long at = p->offset;

	for (size_t i = 0; i < ARRAY_SIZE(record_sizes); i++)
		if (record_sizes[i].tag == tag)
			s = &record_sizes[i];
	/* 8 patches lengths later. Neither tag is one of a sub-record, so this cannot mislead. */
	if (p->unpatched && tag != RECORD_HEAP_DUMP_SEGMENT && tag != RECORD_HEAP_DUMP_END)
		return error_set(err, ERR_CAPTURE,
				 "broken heap dump: the segment before byte %llu has no length",
				 at);
	if (!s || (p->o.segment && tag != RECORD_HEAP_DUMP_SEGMENT))
		return error_set(err, ERR_CAPTURE,
				 "broken heap dump: unknown record 0x%02x at byte %llu", tag, at);
	if (p->sum.ended)
		return error_set(err, ERR_CAPTURE,
				 "broken heap dump: a record behind HEAP_DUMP_END at byte %llu",
				 at);
	if (!size_is_right(p, s, len))
		return error_set(err, ERR_CAPTURE,
				 "broken heap dump: record 0x%02x of %u bytes at byte %llu", tag,
				 len, at);
	return 0;
}

static int take_record(struct hprof_parser *p, const unsigned char *head, struct error *err)
{
	unsigned char tag = head[0];
	uint32_t len = get_u32(head + 5);

	if (check_record(p, tag, len, err) < 0)
		return -1;
	p->record = tag;
	p->unpatched = tag == RECORD_HEAP_DUMP_SEGMENT && !len;
	p->sum.records++;
	p->body_left = len;
	p->sub_at = p->offset;
	switch (tag) {
	case RECORD_HEAP_DUMP:
	case RECORD_HEAP_DUMP_SEGMENT:
		p->sum.heap_records++;
		parser_next_sub(p);
		return 0;
	case RECORD_HEAP_DUMP_END:
		p->sum.ended = true;
		return 0;
	case RECORD_UTF8:
		if (p->v.utf8)
			return parser_expect(p, STAGE_UTF8, p->id_size, err);
		break;
	case RECORD_LOAD_CLASS:
		if (p->v.load_class)
			return parser_expect(p, STAGE_LOAD_CLASS, len, err);
		break;
	}
	return parser_content(p, CONTENT_SKIP, len, err);
}

static int take_utf8(struct hprof_parser *p, const unsigned char *head, struct error *err)
{
	p->text_id = get_id(head, p->id_size);
	p->text_len = 0;
	next_record(p);
	if (!p->body_left)
		p->v.utf8(p->v.ctx, p->text_id, p->text, 0);
	return parser_content(p, CONTENT_TEXT, p->body_left, err);
}

static void take_load_class(struct hprof_parser *p, const unsigned char *head)
{
	p->v.load_class(p->v.ctx, get_id(head + 4, p->id_size),
			get_id(head + 8 + p->id_size, p->id_size));
	next_record(p);
}

static int take_head(struct hprof_parser *p, const unsigned char *head, struct error *err)
{
	switch (p->stage) {
	case STAGE_HEADER:
		return take_header(p, head, err);
	case STAGE_RECORD:
		return take_record(p, head, err);
	case STAGE_UTF8:
		return take_utf8(p, head, err);
	case STAGE_LOAD_CLASS:
		take_load_class(p, head);
		return 0;
	case STAGE_SUB:
		return parser_begin_sub(p, head, err);
	default:
		return parser_sub_head(p, head, err);
	}
}

/* ---- content ---- */

static void zero_part_of_fields(struct hprof_parser *p, unsigned char *data, uint32_t len)
{
	uint32_t n, from = p->field_at, to = from + len;
	const struct class_range *r = classes_ranges(p->o.classes, p->list, &n);

	for (; p->next_range < n && r[p->next_range].start < to; p->next_range++) {
		uint32_t start = r[p->next_range].start, end = start + r[p->next_range].len;

		if (start < from)
			start = from;
		if (end > to) {
			memset(data + (start - from), 0, to - start);
			break;
		}
		memset(data + (start - from), 0, end - start);
	}
	p->field_at = to;
}

static void collect_text(struct hprof_parser *p, const unsigned char *data, size_t len)
{
	size_t room = MAX_HPROF_TEXT - p->text_len;

	memcpy(p->text + p->text_len, data, len < room ? len : room);
	p->text_len += len < room ? len : room;
	if (len == p->content_left)
		p->v.utf8(p->v.ctx, p->text_id, p->text, p->text_len);
}

static size_t take_content(struct hprof_parser *p, unsigned char *data, size_t len)
{
	size_t n = p->content_left < len ? (size_t)p->content_left : len;

	if (p->content == CONTENT_ZERO)
		memset(data, 0, n);
	else if (p->content == CONTENT_FIELDS)
		zero_part_of_fields(p, data, (uint32_t)n);
	else if (p->content == CONTENT_TEXT)
		collect_text(p, data, n);
	p->content_left -= n;
	return n;
}

/* ---- portions ---- */

/* From the portion or, when it begins or ends in the middle, by the carry buffer. Sets *ret_n to
 * the bytes that were taken of the portion. */
static int take_some_head(struct hprof_parser *p, const unsigned char *data, size_t len,
			  size_t *ret_n, struct error *err)
{
	size_t n = p->need - p->carried < len ? p->need - p->carried : len;

	*ret_n = n;
	if (!p->carried && n == p->need)
		return take_head(p, data, err);
	memcpy(p->carry + p->carried, data, n);
	p->carried += n;
	if (p->carried < p->need)
		return 0;
	p->carried = 0;
	return take_head(p, p->carry, err);
}

static size_t take_fast(struct hprof_parser *p, unsigned char *data, size_t len)
{
	uint64_t avail = p->body_left + 1; /* the tag is expected already */
	size_t n = parser_fast(p, data, avail < len ? (size_t)avail : len);

	if (n) {
		p->body_left = avail - n;
		parser_next_sub(p);
	}
	return n;
}

static int add(struct hprof_parser *p, unsigned char *data, size_t len, struct error *err)
{
	while (len) {
		size_t n = 0;

		if (p->content_left) {
			n = take_content(p, data, len);
		} else {
			p->offset = p->sum.bytes - p->carried;
			if (p->stage == STAGE_SUB)
				n = take_fast(p, data, len);
			if (!n && take_some_head(p, data, len, &n, err) < 0)
				return -1;
		}
		data += n;
		len -= n;
		p->sum.bytes += n;
	}
	return 0;
}

int hprof_parser_add(struct hprof_parser *p, void *data, size_t len, struct error *err)
{
	if (p->failed.code)
		return error_set(err, p->failed.code, "%s", p->failed.msg);
	if (add(p, data, len, &p->failed) == 0)
		return 0;
	return error_set(err, p->failed.code, "%s", p->failed.msg);
}

static int check_whole(const struct hprof_parser *p, bool rest_elsewhere, struct error *err)
{
	if (p->failed.code)
		return error_set(err, p->failed.code, "%s", p->failed.msg);
	if (p->stage != STAGE_RECORD || p->carried || p->content_left)
		return error_set(err, ERR_CAPTURE, "truncated heap dump: it ends inside a %s",
				 p->stage == STAGE_HEADER ? "header" : "record");
	if (p->o.segment || rest_elsewhere)
		return 0;
	if (!p->sum.ended && p->record != RECORD_HEAP_DUMP)
		return error_set(err, ERR_CAPTURE,
				 "truncated heap dump: no HEAP_DUMP_END, last record is 0x%02x",
				 p->record);
	if (!(p->sum.classes + p->sum.instances + p->sum.object_arrays + p->sum.primitive_arrays))
		return error_set(err, ERR_CAPTURE, "broken heap dump: it holds no objects");
	return 0;
}

int hprof_parser_finish(struct hprof_parser *p, bool rest_elsewhere, struct hprof_summary *ret,
			struct error *err)
{
	if (check_whole(p, rest_elsewhere, err) < 0)
		return -1;
	if (p->learning)
		classes_complete(p->o.classes);
	p->sum.id_size = p->id_size;
	*ret = p->sum;
	return 0;
}
