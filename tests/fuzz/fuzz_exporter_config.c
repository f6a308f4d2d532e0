/* A configuration of the exporter (jdiag/exporter/config.h): no crash, no leak, a refusal has a
 * reason, and what is taken is ASCII without control characters and stays good behind a comment. */
#include "jdiag/exporter/config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "remote/base/buf.h"
#include "remote/base/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void taken(const char *text, size_t len, enum exporter_generation g)
{
	auto_buf struct buf b = BUF_INIT(2 * MAX_EXPORTER_CONFIG);
	struct error err = {0};

	for (size_t i = 0; i < len; i++)
		if ((text[i] < ' ' && !strchr("\t\r\n", text[i])) || text[i] > '~' || !text[i])
			abort();
	if (memchr(text, '%', len))
		return; /* a directive is one on the first lines only */
	buf_adds(&b, "# comment\n");
	buf_add(&b, text, len);
	if (len < MAX_EXPORTER_CONFIG / 2 &&
	    exporter_config_check(b.data, b.len, "f", g, &err) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;

	if (size > 64 * KiB)
		return 0;
	for (enum exporter_generation g = EXPORTER_0_3; g <= EXPORTER_1_0; g++) {
		struct error err = {0};

		if (exporter_config_check(text, size, "f", g, &err) == 0)
			taken(text, size, g);
		else if (err.code != ERR_USAGE || strncmp(err.msg, "f, line ", 8) != 0)
			abort();
	}
	return 0;
}
