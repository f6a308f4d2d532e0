/* remote: the helper's JSON; what is taken can be looked up and written again. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "remote/wire/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int take(void *ctx, const char *s, struct error *err)
{
	(void)err;
	jsonw_string(ctx, NULL, s);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_buf struct buf b = BUF_INIT(1 << 20);
	struct jsonw w = {.b = &b};
	struct error err = {0};
	struct jsonr doc, again;
	char s[256] = "";
	uint64_t n = 0;
	bool flag = false;

	if (jsonr_parse(&doc, (const char *)data, size, &err) < 0)
		return 0;
	jsonw_open(&w, NULL, '{');
	if (jsonr_string(&doc, "s", s, sizeof(s), &err) == 0)
		jsonw_string(&w, "s", s);
	if (jsonr_u64(&doc, "n", &n, &err) == 0)
		jsonw_u64(&w, "n", n);
	if (jsonr_bool(&doc, "b", &flag, &err) == 0)
		jsonw_bool(&w, "b", flag);
	jsonw_open(&w, "l", '[');
	if (jsonr_each_string(&doc, "l", take, &w, &err) < 0 && !err.code)
		abort();
	jsonw_close(&w, ']');
	jsonw_close(&w, '}');
	if (!b.overflow && jsonr_parse(&again, b.data, b.len, &err) < 0)
		abort();
	return 0;
}
