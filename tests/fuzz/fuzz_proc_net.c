/* remote: lines of /proc/net/tcp, the links of descriptors and options of a JVM. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "remote/jvm_args.h"
#include "remote/proc_limits.h"
#include "remote/proc_net.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take(void *ctx, const char *arg)
{
	*(size_t *)ctx += strlen(arg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);
	struct net_socket s;
	uint64_t inode;
	size_t words = 0, args = 0;

	if (!text)
		abort();
	if (proc_net_parse((const char *)data, size, &s) && !*s.address)
		abort();
	if (proc_fd_socket(text, &inode) && strlen(text) < strlen("socket:[0]"))
		abort();
	if (strlen(text) < strlen("Max open files 0\n") &&
	    proc_parse_limit(text, strlen(text), "Max open files") != UINT64_MAX)
		abort();
	jvm_args_each_word(text, take, &words);
	jvm_args_each((const char *)data, size, take, &args);
	/* nothing is made longer */
	if (words > strlen(text) || args > size)
		abort();
	free(text);
	return 0;
}
