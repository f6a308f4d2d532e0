/* Files under tests/fixtures; tests run from the top of the repository. */
#ifndef TESTS_UNIT_FIXTURE_H
#define TESTS_UNIT_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>

/* The whole file, NUL-terminated; free with free(). */
static inline char *fixture(const char *name)
{
	char path[256];
	FILE *f;
	char *text;
	size_t n;

	snprintf(path, sizeof(path), "tests/fixtures/%s", name);
	f = fopen(path, "r");
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

#endif
