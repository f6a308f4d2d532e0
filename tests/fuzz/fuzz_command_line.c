/* jdiag: a command line (words ended by NUL) and, as a TARGET, each of its words */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/options.h"
#include "jdiag/target.h"
#include "remote/base/error.h"

#define MAX_WORDS 64

static void check_target(const char *word)
{
	struct error err = {0};
	struct target t;

	if (target_parse(word, &t, &err) < 0) {
		if (err.code != ERR_USAGE || !err.msg[0])
			abort();
	} else if (t.kind == TARGET_SSH ? !t.host[0] || t.host[0] == '-' : !t.name[0]) {
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = xmalloc(size + 1);
	auto_free char **words = NULL;
	char *argv[MAX_WORDS + 1] = {(char *)"jdiag"};
	struct options o = {0};
	struct error err = {0};
	size_t n = 1;

	memcpy(text, data, size);
	text[size] = '\0';
	for (size_t at = 0; at < size && n < MAX_WORDS; at += strlen(text + at) + 1)
		argv[n++] = text + at;
	if (options_parse(argv, &o, &words, &err) < 0 && (err.code != ERR_USAGE || !err.msg[0]))
		abort();
	for (char **w = words; *w; w++)
		check_target(*w);
	return 0;
}
