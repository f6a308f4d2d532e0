/*
 * Progress, on stderr. auto: one rewritten line on a terminal, else a plain line a phase. json:
 * lines
 * {"message_type":"progress","phase":...,"bytes":N,"total":N,"rate":N,"seconds_left":N}, the last
 * one
 * {"message_type":"exit_error","code":N,"message":...} on failure or
 * {"message_type":"summary",...}. SIGUSR1 prints it at once. Quiet or none: nothing.
 */
#ifndef JDIAG_PROGRESS_H
#define JDIAG_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "jdiag/options.h"

struct progress;

struct progress *progress_new(enum progress_mode mode, bool quiet);

/* A new phase begins: "connect", "attach", "dump", "transfer" ... */
void progress_phase(struct progress *p, const char *phase);

/* Bytes so far and expected (0: unknown). Cheap: call it as often as you like, it prints at most
 * five times a second. */
void progress_bytes(struct progress *p, uint64_t bytes, uint64_t total);

/* A line of talk that does not break the progress line. Escaped. */
void progress_note(struct progress *p, const char *fmt, ...) printf_like(2, 3);

/* Clear the line; in JSON mode write the last message (err NULL: success). Frees. NULL is fine. */
void progress_end(struct progress *p, const struct error *err);

#endif
