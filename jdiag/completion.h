/* Completion scripts for shells, generated from the tables of commands and options. */
#ifndef JDIAG_COMPLETION_H
#define JDIAG_COMPLETION_H

#include <stdbool.h>

#include "jdiag/command.h"
#include "remote/base/buf.h"

void completion_bash(struct buf *b);
void completion_zsh(struct buf *b);
void completion_fish(struct buf *b);

/* A program for kubectl, which runs `kubectl_complete-jdiag WORD...` and reads candidates; the same
 * answers as in bash. */
void completion_kubectl(struct buf *b);

/* What may stand behind an option: the name of a file? */
bool completion_is_file(const struct option_spec *s);

/* The names of the visible commands, separated by blanks. */
void completion_add_commands(struct buf *b);

/* The commands whose arguments are files; between: "|". */
void completion_add_file_commands(struct buf *b, const char *between);

/* "--to|-n|--namespace|...": the options that take a value from the next word; between: "|". */
void completion_add_valued(struct buf *b, const char *between);

/* text with each byte of `special` behind a backslash. */
void completion_add_escaped(struct buf *b, const char *text, const char *special);

#endif
