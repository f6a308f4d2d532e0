/*
 * What jdiag says about a JVM's reply to `load`:
 *
 *	agent-words jar|native|module RELEASE CODE TEXT
 *
 * "loaded", or the error and its hint, with status 1.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/agent/load.h"

static enum agent_kind kind_of(const char *word)
{
	return strcmp(word, "jar") == 0	     ? AGENT_JAR
	       : strcmp(word, "native") == 0 ? AGENT_LIBRARY
					     : AGENT_MODULE;
}

int main(int argc, char **argv)
{
	struct agent_request r = {.path = "FILE", .options = ""};
	struct error err = {0};

	if (argc != 5) {
		fputs("usage: agent-words jar|native|module RELEASE CODE TEXT\n", stderr);
		return 2;
	}
	r.kind = kind_of(argv[1]);
	if (agent_reply(&r, (unsigned int)strtoul(argv[2], NULL, 10),
			(int)strtol(argv[3], NULL, 10), argv[4], &err) == 0) {
		puts("loaded");
		return 0;
	}
	printf("%s\n%s\n", err.msg, err.hint);
	return 1;
}
