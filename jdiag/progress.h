/*
 * Progress, on stderr. auto: one rewritten line on a terminal, else a plain line a phase. json:
 * lines {"message_type":"progress","phase":...,"bytes":N,"total":N,"rate":N,"seconds_left":N,
 * "raw":N,"stored":N} (total, seconds_left, raw and stored are left out while unknown),
 * {"message_type":"notice","message":...},
 * {"message_type":"log","message":...} (warnings, and what -v says: remote/base/log.h), and as the
 * last one {"message_type":"summary","seconds":N} or, on failure,
 * {"message_type":"exit_error","code":N,"reason":...,"message":...,"hint":...}. Members are only
 * ever added. SIGUSR1 prints it at once. Quiet or none: nothing.
 *
 * On a terminal the cursor waits in the first column of the line, so that anything else that is
 * written (a log line, ^C) starts there and not behind it; nothing of the terminal's state changes.
 */
#ifndef JDIAG_PROGRESS_H
#define JDIAG_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jdiag/options.h"

struct json_t;
struct progress;

/* Never NULL. */
struct progress *progress_new(enum progress_mode mode, bool quiet) must_check;

/* A new phase begins: "connect", "attach", "pause", "upload" ... The name is copied. The same phase
 * again changes nothing. While it is "pause", the line tells how long it has been. */
void progress_phase(struct progress *p, const char *phase);

/* Bytes so far and expected (0: unknown). Cheap: call it as often as you like, it prints at most
 * five times a second. Call it while waiting too (with the same numbers): the clock goes on. */
void progress_bytes(struct progress *p, uint64_t bytes, uint64_t total);

/* The clock of the line goes on, nothing else is new. */
void progress_waiting(struct progress *p);

/* Of a capture: bytes that the JVM has written, bytes of the artifact on the node. Told by the next
 * progress_bytes. */
void progress_capture(struct progress *p, uint64_t raw, uint64_t stored);

/*
 * Of many targets (fleet.h). The line tells how many are done; JSON: {"message_type":"targets",
 * "total":N,"done":N,"failed":N,"running":N}; PLAIN: nothing.
 */
void progress_targets(struct progress *p, size_t total, size_t done, size_t failed, size_t running);

/* One message that a worker of the fleet has written in JSON mode, told as this progress tells:
 * with the label of its target (JSON: member "target"). phase: what the worker said last. */
void progress_relay(struct progress *p, const char *label, struct json_t *message, char phase[64]);

/* {"message_type":"target_error","target":...} and the members of exit_error; JSON only. True when
 * it was told. */
bool progress_target_error(struct progress *p, const char *label, const struct error *err);

/* A line of talk that does not break the progress line. Escaped. */
void progress_note(struct progress *p, const char *fmt, ...) printf_like(2, 3);

/* Clear the line and forget the phase: before something else is written to the terminal (a result,
 * a question). Notes are possible still. */
void progress_clear(struct progress *p);

/* Clear the line, which comes back with what is told next: before a result that is one of many. */
void progress_hide(struct progress *p);

/* Clear the line; on success (err NULL) write the summary of JSON mode. Frees. NULL is fine. The
 * result is printed after it. */
void progress_end(struct progress *p, const struct error *err);

/* The last line of JSON mode on failure. Only main writes it: what fails before or after a
 * progress has it too, and there is one. */
void progress_exit_error(const struct error *err);

#endif
