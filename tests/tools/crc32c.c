/* crc32c FILE: its CRC32C as Google writes it (base64, big end first). For the bucket server of the
 * rig, which would need minutes for that in Python. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "jdiag/crypto/crypto.h"
#include "remote/base/limits.h"

int main(int argc, char **argv)
{
	static unsigned char block[1 * MiB];
	auto_buf struct buf text = BUF_INIT(16);
	int fd = argc == 2 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	uint32_t crc = 0;
	ssize_t n;

	if (fd < 0) {
		fprintf(stderr, "usage: crc32c FILE\n");
		return 2;
	}
	while ((n = read(fd, block, sizeof(block))) > 0)
		crc = crc32c(crc, block, (size_t)n);
	if (n < 0)
		return 1;
	for (int i = 0; i < 4; i++)
		block[i] = (unsigned char)(crc >> (24 - 8 * i));
	base64_encode(&text, block, 4, false);
	puts(buf_str(&text));
	return 0;
}
