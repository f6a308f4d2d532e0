/* remote: the record chain of a dump; the same verdict however it is cut. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "remote/hprof/chain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int check(const uint8_t *data, size_t size, size_t piece)
{
	struct hprof_chain c;
	struct error err = {0};

	hprof_chain_init(&c);
	for (size_t at = 0; at < size; at += piece)
		if (hprof_chain_add(&c, data + at, at + piece < size ? piece : size - at, &err) < 0)
			return 1;
	if (c.offset != size)
		abort();
	return hprof_chain_finish(&c, &err) < 0 ? 2 : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int whole = check(data, size, size ? size : 1);

	if (check(data, size, 1) != whole || check(data, size, 7) != whole)
		abort();
	return 0;
}
