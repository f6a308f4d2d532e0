/* Talk for people, on stderr. Libraries log at LOG_DEBUG and above only. The level and the form are
 * the only mutable globals besides the interrupt flag (style.md 17). Lines are escaped like errors.
 */
#ifndef REMOTE_BASE_LOG_H
#define REMOTE_BASE_LOG_H

#include <stdbool.h>

#include "remote/base/compiler.h"

/* As kubectl's -v=N: 0 errors and warnings, 1 notices, 2 timings and steps, 4 frames and requests,
 * 9 everything. Secrets are never logged at any level. -1: only errors (-q). */
extern int log_level;

/* Lines {"message_type":"log","message":...} instead: stderr belongs to a machine (jdiag's
 * --progress json). */
extern bool log_as_json;

#define LOG_WARN 0
#define LOG_NOTICE 1
#define LOG_STEP 2
#define LOG_DEBUG 4

/* "jdiag: text\n" when log_level >= level. */
void log_at(int level, const char *fmt, ...) printf_like(2, 3);

#endif
