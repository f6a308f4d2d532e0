#include "jdiag/agent/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "jdiag/agent/jar.h"
#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/sha256.h"

static int read_it(struct buf *b, const char *path, struct error *err)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	int rc;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_sys(err, ERR_USAGE, errno, "cannot read '%s'", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERR_USAGE, "cannot read '%s': not a regular file", path);
	rc = io_read_all(fd, b);
	if (rc == -EFBIG)
		return error_set(err, ERR_USAGE, "'%s' is larger than %lu MiB", path,
				 MAX_AGENT_FILE / MiB);
	return rc == 0 ? 0 : error_sys(err, ERR_USAGE, -rc, "cannot read '%s'", path);
}

int agent_file_read(struct buf *b, char sha256[65], const char *path, struct error *err)
{
	struct sha256 *digest;

	*b = BUF_INIT(MAX_AGENT_FILE);
	if (read_it(b, path, err) != 0) {
		buf_release(b);
		return -1;
	}
	digest = sha256_new();
	sha256_add(digest, buf_str(b), b->len);
	sha256_hex(digest, sha256);
	sha256_free(digest);
	return 0;
}
