/* jdiag: identity files, private and public, broken in every way. */
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "jdiag/ssh/keys.h"
#include "remote/base/io.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_fd int fd = memfd_create("identity", MFD_CLOEXEC);
	struct identity id;
	char path[64];

	if (fd < 0 || io_write_full(fd, data, size) < 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fchmod(fd, 0600) < 0)
		return 0;
	identity_load(&id, path);
	if (id.blob && !id.type[0])
		__builtin_trap();
	identity_release(&id);
	return 0;
}
