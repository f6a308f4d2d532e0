#include "remote/hprof/chain.h"

#include <string.h>

#define RECORD_HEADER 9
#define TAG_HEAP_DUMP 0x0c
#define TAG_HEAP_DUMP_SEGMENT 0x1c
#define TAG_HEAP_DUMP_END 0x2c

static const char magic[] = "JAVA PROFILE 1.0."; /* then "1" or "2" and a NUL */
#define HEADER_SIZE (sizeof(magic) - 1 + 2 + 4 + 8)

void hprof_chain_init(struct hprof_chain *c)
{
	*c = (struct hprof_chain){0};
}

static uint32_t get_u32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool tag_is_known(unsigned char tag)
{
	static const unsigned char tags[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07,
					     0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x1c, 0x2c};

	return memchr(tags, tag, sizeof(tags)) != NULL;
}

static int check_header(struct hprof_chain *c, struct error *err)
{
	const unsigned char *h = c->head;
	size_t n = sizeof(magic) - 1;

	if (memcmp(h, magic, n) != 0 || (h[n] != '1' && h[n] != '2') || h[n + 1] != '\0')
		return error_set(err, ERR_CAPTURE, "not a heap dump: no HPROF header");
	c->id_size = get_u32(h + n + 2);
	if (c->id_size != 4 && c->id_size != 8)
		return error_set(err, ERR_CAPTURE, "broken heap dump: identifiers of %u bytes",
				 c->id_size);
	c->header_done = true;
	return 0;
}

static int check_record(struct hprof_chain *c, struct error *err)
{
	unsigned char tag = c->head[0];
	uint64_t at = c->offset - RECORD_HEADER;

	if (!tag_is_known(tag))
		return error_set(err, ERR_CAPTURE,
				 "broken heap dump: unknown record 0x%02x at byte %llu", tag,
				 (unsigned long long)at);
	if (c->last_tag == TAG_HEAP_DUMP_END)
		return error_set(err, ERR_CAPTURE,
				 "broken heap dump: a record behind HEAP_DUMP_END at byte %llu",
				 (unsigned long long)at);
	c->body_left = get_u32(c->head + 5);
	if (tag == TAG_HEAP_DUMP_END && c->body_left)
		return error_set(err, ERR_CAPTURE,
				 "broken heap dump: HEAP_DUMP_END with a body at byte %llu",
				 (unsigned long long)at);
	if (tag == TAG_HEAP_DUMP || tag == TAG_HEAP_DUMP_SEGMENT)
		c->heap_bytes += c->body_left;
	c->last_tag = tag;
	c->records++;
	return 0;
}

int hprof_chain_add(struct hprof_chain *c, const void *data, size_t len, struct error *err)
{
	const unsigned char *p = data;

	while (len) {
		size_t want = c->header_done ? RECORD_HEADER : HEADER_SIZE;
		size_t n;

		if (c->body_left) {
			n = c->body_left < len ? (size_t)c->body_left : len;
			c->body_left -= n;
		} else {
			n = want - c->head_len < len ? want - c->head_len : len;
			memcpy(c->head + c->head_len, p, n);
			c->head_len += (unsigned int)n;
		}
		p += n;
		len -= n;
		c->offset += n;
		if (c->head_len < want)
			continue;
		c->head_len = 0;
		if ((c->header_done ? check_record(c, err) : check_header(c, err)) < 0)
			return -1;
	}
	return 0;
}

int hprof_chain_finish(const struct hprof_chain *c, struct error *err)
{
	if (!c->header_done || c->head_len || c->body_left)
		return error_set(err, ERR_CAPTURE, "truncated heap dump: it ends inside a %s",
				 c->header_done ? "record" : "header");
	if (c->last_tag != TAG_HEAP_DUMP_END && c->last_tag != TAG_HEAP_DUMP)
		return error_set(err, ERR_CAPTURE,
				 "truncated heap dump: no HEAP_DUMP_END, last record is 0x%02x",
				 c->last_tag);
	if (!c->heap_bytes)
		return error_set(err, ERR_CAPTURE, "broken heap dump: it holds no objects");
	return 0;
}
