#include "jdiag/nearest.h"

#include <string.h>

#define MAX_WORD 32

/* Edit distance with neighbours swapped as one step; words longer than MAX_WORD are far away. */
static unsigned int edit_distance(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b);
	unsigned int d[MAX_WORD + 1][MAX_WORD + 1];

	if (la > MAX_WORD || lb > MAX_WORD)
		return MAX_WORD;
	for (unsigned int i = 0; i <= la; i++)
		d[i][0] = i;
	for (unsigned int j = 0; j <= lb; j++)
		d[0][j] = j;
	for (size_t i = 1; i <= la; i++)
		for (size_t j = 1; j <= lb; j++) {
			unsigned int best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

			if (d[i - 1][j] + 1 < best)
				best = d[i - 1][j] + 1;
			if (d[i][j - 1] + 1 < best)
				best = d[i][j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < best)
				best = d[i - 2][j - 2] + 1;
			d[i][j] = best;
		}
	return d[la][lb];
}

void nearest_init(struct nearest *n, const char *typed)
{
	*n = (struct nearest){.typed = typed, .distance = strlen(typed) > 4 ? 3 : 2};
}

void nearest_offer(struct nearest *n, const char *word)
{
	unsigned int d = edit_distance(n->typed, word);

	/* an abbreviation is as good as one wrong letter */
	if (strlen(n->typed) >= 2 && strncmp(word, n->typed, strlen(n->typed)) == 0)
		d = 1;
	if (d < n->distance) {
		n->distance = d;
		n->best = word;
	}
}
