/* remote: whole heap dumps and segment streams, with every redaction: the same verdict and the same
 * bytes however they are cut, nothing written without redaction, and what is redacted is accepted
 * again and stays as it is. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "remote/hprof/parser.h"
#include "tests/unit/hprof_builder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte chooses what the rest is taken for, and what good bytes are put before it. */
static struct hprof_parser_options options(uint8_t choice)
{
	return (struct hprof_parser_options){
		.segment = choice & 1,
		.id_size = choice & 2 ? 4 : 8,
		.redact = (enum hprof_redact)((choice >> 2) % 3),
		.writes_classes = true,
	};
}

static int parse(struct hprof_parser_options o, const uint8_t *data, size_t size, size_t piece,
		 uint8_t *out, struct hprof_summary *sum)
{
	struct hprof_parser *p;
	struct error err = {0};
	int rc = 0;

	o.classes = hprof_classes_new();
	p = hprof_parser_new(&o);
	memcpy(out, data, size);
	for (size_t at = 0; at < size && !rc; at += piece)
		rc = hprof_parser_add(p, out + at, piece < size - at ? piece : size - at, &err);
	if (!rc && hprof_parser_finish(p, false, sum, &err) < 0)
		rc = -2;
	hprof_parser_free(p);
	hprof_classes_free(o.classes);
	if (rc && err.code != ERR_CAPTURE)
		abort();
	return rc;
}

static void build(struct hprof_builder *b, struct hprof_parser_options o, uint8_t choice,
		  const uint8_t *data, size_t size)
{
	hb_init(b, o.id_size);
	if (!o.segment && choice & 16)
		hb_header(b);
	if (choice & 32) {
		hb_open(b, 0x1c);
		if (choice & 64)
			hb_one_of_each(b);
		hb_add(b, data, size, HB_STAYS);
		hb_close(b);
		if (!o.segment)
			hb_end(b);
	} else {
		hb_add(b, data, size, HB_STAYS);
	}
}

static void check(struct hprof_parser_options o, const uint8_t *data, size_t size)
{
	static const size_t pieces[] = {1, 7, 64};
	struct hprof_summary whole = {0}, sum = {0};
	uint8_t *a = malloc(size + 1), *b = malloc(size + 1);
	int rc = parse(o, data, size, size + 1, a, &whole);

	if (o.redact == HPROF_REDACT_NONE && memcmp(a, data, size) != 0)
		abort();
	for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
		if (parse(o, data, size, pieces[i], b, &sum) != rc)
			abort();
		if (!rc && (memcmp(a, b, size) != 0 || memcmp(&whole, &sum, sizeof(sum)) != 0))
			abort();
	}
	if (!rc && (parse(o, a, size, size + 1, b, &sum) != 0 || memcmp(a, b, size) != 0))
		abort();
	free(a);
	free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hprof_builder b;
	struct hprof_parser_options o;

	if (!size)
		return 0;
	o = options(data[0]);
	build(&b, o, data[0], data + 1, size - 1);
	if (b.dump.len)
		check(o, (const uint8_t *)b.dump.data, b.dump.len);
	hb_release(&b);
	return 0;
}
