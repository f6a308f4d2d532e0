/* remote: lines of mountinfo, most of which the container chooses. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "remote/sweep.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *line = strndup((const char *)data, size);
	struct mount_line m;
	dev_t dev;

	/* What is ours has a name to remove below some directory. */
	if (line && mount_line_parse(line, &m) && mount_line_is_ours(&m) && !strchr(m.point, '/'))
		abort();
	if (line && mount_line_parse(line, &m) && (!mount_line_dev(line, &dev) || dev != m.dev))
		abort();
	free(line);
	return 0;
}
