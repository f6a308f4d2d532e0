/* The ways to capture, in the order of preference. */
#include <string.h>

#include "remote/capture/capture.h"

static const struct strategy *const table[] = {&strategy_fifo, &strategy_segments,
					       &strategy_growing_file, &strategy_container_file};

const struct strategy *strategy_at(size_t i)
{
	return i < ARRAY_SIZE(table) ? table[i] : NULL;
}

const struct strategy *strategy_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (strcmp(table[i]->name, name) == 0)
			return table[i];
	return NULL;
}
