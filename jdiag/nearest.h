/* "Did you mean": the known word that is closest to a mistyped one. */
#ifndef JDIAG_NEAREST_H
#define JDIAG_NEAREST_H

struct nearest {
	const char *typed;
	const char *best; /* NULL: nothing comes close */
	unsigned int distance;
};

void nearest_init(struct nearest *n, const char *typed);

/* Offer one known word. It is taken when typed begins it, or when it differs in at most two
 * letters (one, for words of up to four), and less than the best so far. */
void nearest_offer(struct nearest *n, const char *word);

#endif
