/*
 * What `jdiag targets --listen` answers: /targets and / for http_sd, /healthz, /metrics (its own,
 * in Prometheus's text format). One thread publishes what it has read, another one answers.
 */
#ifndef JDIAG_TARGETS_SERVE_H
#define JDIAG_TARGETS_SERVE_H

#include <stddef.h>
#include <stdint.h>

#include "jdiag/httpd/httpd.h"
#include "remote/base/error.h"

struct targets;
struct targets_serve;

/* stale_ms: the age from which on /healthz answers 503. What was last read is served at any age. */
struct targets_serve *targets_serve_new(uint64_t stale_ms) must_check;
void targets_serve_free(struct targets_serve *s);

/* Read from the cluster right now: copied. text: of targets_to_text. */
void targets_serve_publish(struct targets_serve *s, const struct targets *t, const char *text,
			   size_t len);

/* It could not be read. */
void targets_serve_fail(struct targets_serve *s);

/* For httpd_start, with the struct targets_serve as ctx. */
httpd_answer_fn targets_serve_answer;

#endif
