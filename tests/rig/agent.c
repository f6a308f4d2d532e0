/*
 * A native agent that does what its options say, and says so on standard output ("native: DEED"):
 * return, fail=N (Agent_OnAttach returns N), exit=N, abort, hang. Without options: return. What
 * stands behind a colon is no deed and not printed. With -DNO_ATTACH it is a library that is no
 * agent.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int Agent_OnAttach(void *vm, char *options, void *reserved);
int rig_library(void);

int rig_library(void)
{
	return 1;
}

#ifndef NO_ATTACH
static int value_of(const char *word)
{
	const char *equals = strchr(word, '=');

	return equals ? (int)strtol(equals + 1, NULL, 10) : 1;
}

static void say(const char *word)
{
	char line[64];
	int n = snprintf(line, sizeof(line), "native: %.*s\n", (int)strcspn(word, "=:"), word);

	if (write(STDOUT_FILENO, line, (size_t)n) < 0)
		_exit(99);
}

int Agent_OnAttach(void *vm, char *options, void *reserved)
{
	const char *word = options && *options ? options : "return";

	(void)vm;
	(void)reserved;
	say(word);
	if (strncmp(word, "fail", 4) == 0)
		return value_of(word);
	if (strncmp(word, "exit", 4) == 0)
		_exit(value_of(word));
	if (strncmp(word, "abort", 5) == 0)
		abort();
	while (strncmp(word, "hang", 4) == 0)
		pause();
	return 0;
}
#endif
