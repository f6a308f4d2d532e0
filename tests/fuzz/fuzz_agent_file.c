/* An agent's file (jdiag/agent/jar.h), as jar and as library, and a jar's manifest. */
#include "jdiag/agent/jar.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "jdiag/agent/manifest.h"
#include "remote/base/io.h"
#include "remote/base/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void manifest(const char *text, size_t len)
{
	auto_buf struct buf b = BUF_INIT(64);
	struct error err = {0};
	int rc = jar_manifest_get(text, len, "Agent-Class", &b, &err);

	if (rc < 0 ? err.code != ERR_USAGE : (rc > 0) != (b.len > 0))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_fd int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct agent_jar jar = {0};
	struct error err = {0};
	char path[32], sha256[65];
	struct buf library;

	if (fd < 0 || size > MiB || io_write_full(fd, data, size) != 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (agent_jar_open(&jar, path, &err) == 0) {
		if (!jar.agent_class[0] || jar.java < 8)
			abort();
		agent_jar_release(&jar);
	} else if (err.code != ERR_USAGE) {
		abort();
	}
	if (agent_library_open(&library, sha256, path, "x86_64", &err) == 0)
		buf_release(&library);
	else if (err.code != ERR_USAGE)
		abort();
	manifest((const char *)data, size);
	return 0;
}
