/* Files that a test reads whole. */
#ifndef TESTS_UNIT_FIXTURE_H
#define TESTS_UNIT_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>

/* A file of at most 1 MiB, NUL-terminated; free with free(). */
static inline char *read_text(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text;
	size_t n;

	text = malloc(1 << 20);
	if (!f || !text) {
		perror(path);
		abort();
	}
	n = fread(text, 1, (1 << 20) - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

/* One of tests/fixtures; tests run from the top of the repository. */
static inline char *fixture(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "tests/fixtures/%s", name);
	return read_text(path);
}

#endif
