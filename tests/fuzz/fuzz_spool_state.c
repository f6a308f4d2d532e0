/* remote: the state of a spool; what is taken can be written, and read again as the same. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "remote/base/limits.h"
#include "remote/spool/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_state(struct buf *b, const struct spool_state *s)
{
	struct jsonw w = {.b = b};

	spool_state_write(&w, NULL, s);
	if (b->overflow)
		abort();
}

static void go_round(const struct spool_state *s)
{
	auto_buf struct buf first = BUF_INIT(MAX_SPOOL_STATE), second = BUF_INIT(MAX_SPOOL_STATE);
	struct spool_state again;
	struct error err = {0};
	struct jsonr doc;

	write_state(&first, s);
	if (jsonr_parse(&doc, first.data, first.len, &err) < 0 ||
	    spool_state_parse(&doc, &again, &err) < 0)
		abort();
	write_state(&second, &again);
	if (first.len != second.len || memcmp(first.data, second.data, first.len) != 0)
		abort();
	spool_state_release(&again);
}

static struct spool_state example(void)
{
	struct spool_state s = {.version = SPOOL_VERSION,
				.program = "p",
				.id = "0123456789abcdef",
				.phase = SPOOL_COMPLETE,
				.stored = 3,
				.parts = {{1, true}, {2, true}},
				.n_parts = 2,
				.label = xstrdup("l")};

	memset(s.sha256, 'a', SHA256_HEX_SIZE - 1);
	error_set(&s.error, ERR_CAPTURE, "m");
	return s;
}

/* Two bytes say where in a good state, one how many of its bytes are replaced, by the rest. */
static void splice(struct buf *b, const uint8_t *data, size_t size)
{
	auto_buf struct buf good = BUF_INIT(MAX_SPOOL_STATE);
	struct spool_state s = example();
	size_t at, skip;

	write_state(&good, &s);
	spool_state_release(&s);
	at = (size_t)(data[0] << 8 | data[1]) % good.len;
	skip = data[2] < good.len - at ? data[2] : good.len - at;
	buf_add(b, good.data, at);
	buf_add(b, data + 3, size - 3);
	buf_add(b, good.data + at + skip, good.len - at - skip);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_buf struct buf text = BUF_INIT(MAX_SPOOL_STATE);
	struct spool_state s = {0};
	struct error err = {0};
	struct jsonr doc;

	if (size < 3 || data[0] == '{')
		buf_add(&text, data, size);
	else
		splice(&text, data, size);
	if (text.overflow || jsonr_parse(&doc, buf_str(&text), text.len, &err) < 0)
		return 0;
	if (spool_state_parse(&doc, &s, &err) < 0) {
		if (err.code != ERR_NODE || !err.msg[0] || s.label)
			abort();
		return 0;
	}
	if (spool_state_readable(&s) > INT64_MAX)
		abort();
	go_round(&s);
	spool_state_release(&s);
	return 0;
}
