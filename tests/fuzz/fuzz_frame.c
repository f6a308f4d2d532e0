/* remote: frames as both sides take them in, in two pieces, and the JSON in them. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "remote/base/limits.h"
#include "remote/wire/frame.h"
#include "remote/wire/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const struct frame *f)
{
	struct error err = {0};
	struct jsonr doc;
	char op[64];

	if (f->len > MAX_FRAME_JSON || f->body[f->len] != '\0')
		abort();
	if (f->type == FRAME_DATA) { /* as either side takes it: an offset and at least a byte */
		if (f->len <= WIRE_DATA_OFFSET_SIZE ||
		    f->len > MAX_FRAME_DATA + WIRE_DATA_OFFSET_SIZE)
			abort();
		(void)wire_get_u64((const unsigned char *)f->body);
		return;
	}
	if (jsonr_parse(&doc, f->body, f->len, &err) == 0 &&
	    jsonr_string(&doc, "op", op, sizeof(op), &err) == 0 && err.code)
		abort();
}

static void feed(struct frame_reader *r, const char *data, size_t len, struct error *err)
{
	struct frame f;

	while (!err->code && frame_reader_take(r, &data, &len, &f, err) == 1)
		look(&f);
	if (!err->code && len)
		abort(); /* all taken, or an error */
	if (r->body.cap > MAX_FRAME_JSON + 1)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum wire_side side = size && data[0] & 1 ? WIRE_CLIENT : WIRE_HELPER;
	size_t cut = size > 2 ? data[1] % size : 0;
	struct frame_reader r;
	struct error err = {0};

	if (size < 2)
		return 0;
	data += 2;
	size -= 2;
	cut = cut < size ? cut : size;
	frame_reader_init(&r, side);
	feed(&r, (const char *)data, cut, &err);
	feed(&r, (const char *)data + cut, size - cut, &err);
	frame_reader_release(&r);
	return 0;
}
