#include "remote/wire/frame.h"

#include <assert.h>
#include <string.h>

#include "remote/base/limits.h"

const unsigned char wire_magic[WIRE_MAGIC_SIZE] = {0,	'J', 'D', 'I', 'A', 'G',  '-',	'W',
						   'I', 'R', 'E', 0xd, 0xa, 0x1a, 0x0a, 0};

/* What each type may carry and who may receive it. */
static const struct {
	const char *name;
	size_t max_body;
	bool to_client, to_helper;
} types[] = {
	[FRAME_HELLO] = {"HELLO", MAX_FRAME_JSON, true, true},
	[FRAME_REQUEST] = {"REQUEST", MAX_FRAME_JSON, false, true},
	[FRAME_PROGRESS] = {"PROGRESS", MAX_FRAME_JSON, true, false},
	[FRAME_RESULT] = {"RESULT", MAX_FRAME_JSON, true, false},
	[FRAME_ERROR] = {"ERROR", MAX_FRAME_JSON, true, false},
	[FRAME_DATA] = {"DATA", MAX_FRAME_DATA + WIRE_DATA_OFFSET_SIZE, true, true},
	[FRAME_END] = {"END", MAX_FRAME_JSON, true, false},
	[FRAME_CANCEL] = {"CANCEL", 0, false, true},
	[FRAME_PING] = {"PING", 0, true, true},
};

const char *frame_type_name(unsigned int type)
{
	return type < ARRAY_SIZE(types) && types[type].name ? types[type].name : "?";
}

static void put_u32(unsigned char *dst, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		dst[i] = (unsigned char)(v >> (24 - 8 * i));
}

static uint32_t get_u32(const unsigned char *src)
{
	return (uint32_t)src[0] << 24 | (uint32_t)src[1] << 16 | (uint32_t)src[2] << 8 | src[3];
}

void wire_put_u64(unsigned char dst[8], uint64_t v)
{
	put_u32(dst, (uint32_t)(v >> 32));
	put_u32(dst + 4, (uint32_t)v);
}

uint64_t wire_get_u64(const unsigned char src[8])
{
	return (uint64_t)get_u32(src) << 32 | get_u32(src + 4);
}

void frame_header(unsigned char header[WIRE_HEADER_SIZE], enum frame_type type, uint32_t request,
		  size_t len)
{
	assert(len <= types[type].max_body);
	put_u32(header, (uint32_t)len);
	header[4] = (unsigned char)type;
	put_u32(header + 5, request);
}

void frame_add(struct buf *out, enum frame_type type, uint32_t request, const void *body,
	       size_t len)
{
	unsigned char header[WIRE_HEADER_SIZE];

	frame_header(header, type, request, len);
	buf_add(out, header, sizeof(header));
	buf_add(out, body, len);
}

void frame_reader_init(struct frame_reader *r, enum wire_side side)
{
	*r = (struct frame_reader){.side = side, .body = BUF_INIT(MAX_FRAME_JSON)};
}

void frame_reader_release(struct frame_reader *r)
{
	buf_release(&r->body);
}

/* The header is whole: decide whether its body may come. */
static int check_header(struct frame_reader *r, struct error *err)
{
	unsigned int type = r->header[4];
	uint32_t len = get_u32(r->header);

	if (type >= ARRAY_SIZE(types) || !types[type].name)
		return error_set(err, ERR_FAILED, "protocol error: frame of unknown type %u", type);
	if (r->side == WIRE_CLIENT ? !types[type].to_client : !types[type].to_helper)
		return error_set(err, ERR_FAILED, "protocol error: unexpected %s frame",
				 types[type].name);
	if (len > types[type].max_body)
		return error_set(err, ERR_FAILED,
				 "protocol error: %s frame of %u bytes, at most %zu allowed",
				 types[type].name, len, types[type].max_body);
	if (type == FRAME_DATA && len <= WIRE_DATA_OFFSET_SIZE)
		return error_set(err, ERR_FAILED, "protocol error: DATA frame without data");
	r->want = len;
	return 0;
}

int frame_reader_take(struct frame_reader *r, const char **data, size_t *len, struct frame *ret,
		      struct error *err)
{
	size_t n;

	if (r->done) {
		r->have = 0;
		r->in_body = r->done = false;
		buf_reset(&r->body);
	}
	if (!r->in_body) {
		n = WIRE_HEADER_SIZE - r->have < *len ? WIRE_HEADER_SIZE - r->have : *len;
		memcpy(r->header + r->have, *data, n);
		r->have += n;
		*data += n;
		*len -= n;
		if (r->have < WIRE_HEADER_SIZE)
			return 0;
		if (check_header(r, err) < 0)
			return -1;
		r->in_body = true;
	}
	n = r->want - r->body.len < *len ? r->want - r->body.len : *len;
	buf_add(&r->body, *data, n);
	*data += n;
	*len -= n;
	if (r->body.len < r->want)
		return 0;
	*ret = (struct frame){
		.type = (enum frame_type)r->header[4],
		.request = get_u32(r->header + 5),
		.body = buf_str(&r->body),
		.len = r->body.len,
	};
	r->done = true;
	return 1;
}
