/* jdiag: any bytes as a stored artifact, read in portions that the first byte chooses. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "jdiag/archive/input.h"

#define MOST (64 * MiB) /* of what a bomb may unfold to here */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct memory {
	const uint8_t *data;
	size_t left;
};

static int memory_read(void *ctx, void *buf, size_t len, size_t *ret_len, struct error *err)
{
	struct memory *m = ctx;

	(void)err;
	*ret_len = m->left < len ? m->left : len;
	memcpy(buf, m->data, *ret_len);
	m->data += *ret_len;
	m->left -= *ret_len;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static char buf[CODEC_BLOCK];
	struct memory m = {.data = data + 1, .left = len ? len - 1 : 0};
	const struct artifact_source source = {"x", memory_read, &m};
	auto_artifact struct artifact_input *in = NULL;
	size_t portion = len && data[0] ? data[0] * 16u : sizeof(buf), total = 0, n = 1;
	struct error err = {0};

	if (!len || artifact_open_source(&in, &source, &err) < 0)
		return 0;
	while (n && total < MOST && artifact_read(in, buf, portion, &n, &err) == 0)
		total += n;
	return 0;
}
