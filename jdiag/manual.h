/* Manual pages: roff, generated from the tables of commands and options around prose that people
 * write (jdiag/man/NAME.txt, compiled in). */
#ifndef JDIAG_MANUAL_H
#define JDIAG_MANUAL_H

#include "jdiag/command.h"
#include "remote/base/buf.h"

/* One file of jdiag/man. Paragraphs are separated by empty lines; "# Title" begins a section (what
 * stands before the first one is the description); "- " begins an item; lines that are indented by
 * four blanks are kept as they are. */
struct prose {
	const char *name; /* of the command; "jdiag" */
	const char *text;
};

extern const struct prose manual_prose[]; /* generated at build; ended by a NULL name */

/* The page of a command, jdiag-VERB(1), or (c NULL) jdiag(1). */
void manual_page(struct buf *b, const struct command *c);

/* Prose as roff: the part before the first section (sections false), or the sections. */
void manual_add_prose(struct buf *b, const char *text, bool sections);

/* Text in which nothing is taken for a request or an escape. */
void manual_add_text(struct buf *b, const char *text, size_t len);

#endif
