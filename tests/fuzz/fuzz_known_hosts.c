/* jdiag: known_hosts, whatever stands in it; and a server's first bytes. */
#include <stdint.h>
#include <string.h>

#include "jdiag/ssh/kexinit.h"
#include "jdiag/ssh/known_hosts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct known_hosts kh;
	const struct known_key *line;
	char list[256];
	uint16_t port = size && data[0] & 1 ? 2222 : 22;

	known_hosts_init(&kh, "node-1.shop", port, NULL);
	known_hosts_scan(&kh, (const char *)data, size, "file");
	for (size_t i = 0; i < kh.n; i++) {
		enum known_verdict v =
			known_hosts_check(&kh, kh.keys[i].blob, kh.keys[i].len, &line);

		/* a line that is there matches itself, unless another revokes it */
		if (v == KNOWN_UNKNOWN && kh.keys[i].marker == MARKER_NONE)
			__builtin_trap();
	}
	(void)known_hosts_check(&kh, data, size, &line);
	known_hosts_release(&kh);
	if (kexinit_host_key_algorithms(data, size, list, sizeof(list)) &&
	    strlen(list) >= sizeof(list))
		__builtin_trap();
	return 0;
}
