/* Fuzzes the parsers of remote/procfs.c and remote/jvm_args.c: status, stat, cmdline, environ. */
#include <stdlib.h>
#include <string.h>

#include "remote/jvm_args.h"
#include "remote/jvm_peek.h"
#include "remote/procfs.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	char *text = malloc(size + 1), version[16];
	struct proc_status st;
	struct jvm_args args;
	uint64_t start;

	memcpy(text, data, size);
	text[size] = '\0';
	if (proc_parse_status(text, size, &st) == 0 &&
	    (st.euid == (uid_t)-1 || st.egid == (gid_t)-1 || st.ns_pid < 0 || st.ns_levels == 0))
		abort();
	(void)!proc_parse_start_time(text, size, &start);
	jvm_args_cmdline(text, size, &args);
	if (!memchr(args.main, '\0', sizeof(args.main)))
		abort();
	(void)jvm_args_env(text, size, "JAVA_TOOL_OPTIONS");
	if (release_version(text, version, sizeof(version)) && !version[0])
		abort();
	if (release_modules(text, version, sizeof(version)) && !version[0])
		abort();
	free(text);
	return 0;
}
