/* What is told about an artifact: its name, its manifest, the metadata of its object. */
#ifndef JDIAG_MANIFEST_H
#define JDIAG_MANIFEST_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "remote/base/error.h"

struct delivery_result;
struct json_t;
struct preflight;
struct session;

#define ARTIFACT_NAME_SIZE 512
#define MANIFEST_SUFFIX ".manifest.json" /* behind the artifact's name */

/* NAMESPACE_POD_CONTAINER-RESTARTS_YYYYmmddTHHMMSSZ_PID.KIND (cli.md); without an API the host
 * stands for the pod and the shortened container id for the container. Only [A-Za-z0-9._-]: it
 * becomes the name of a file. */
void artifact_name(char dst[ARTIFACT_NAME_SIZE], const struct session *s, const struct json_t *jvm,
		   time_t when, const char *kind);

/* "application/gzip" of "hprof.gz" ... */
const char *artifact_content_type(const char *format);

/*
 * The manifest as far as it is known before the capture. A new object: apiVersion, kind, name,
 * format, target, jvm {... collector, flags}, capture {strategy, redact, live, started, expected
 * (preflight_expected), notes (known bad builds ...)}, jdiag. The flags are those of the command
 * line that begin with -X: a system property (-D) may be a secret of the application.
 */
struct json_t *manifest_new(const char *name, const struct session *s, const struct json_t *jvm,
			    const struct preflight *p, time_t when) must_check;

/* The capture begins now: maybe long after the name was made, when a person was asked; and the JVM
 * was attached to in the meantime. */
void manifest_begin_capture(struct json_t *manifest, const struct preflight *p, time_t when);

/* What each result says of where it was done: target {node, address, containerID, and of a pod
 * namespace, pod, uid, container, image, restartCount}; jvm {pid, ns_pid, version, main, uid, vm,
 * started}. New. */
struct json_t *manifest_target(const struct session *s, const struct json_t *jvm) must_check;
struct json_t *manifest_jvm(const struct json_t *jvm) must_check;

/* url into an object; escaped if it is a path that is not UTF-8, which JSON cannot hold. */
void manifest_set_url(struct json_t *object, const char *url);

/* ... and what the capture gave: url, format, size and rawSize (as stored and as the JVM wrote it),
 * sha256 and crc32c (8 hexadecimal digits) of what is stored; in capture: pauseMs (as the JVM says;
 * absent when it does not), elapsedMs (the node's clock, command to reply), writtenMs (first byte
 * to last), stalledMs (that the JVM waited for us), overflow, records, notice. */
void manifest_complete(struct json_t *manifest, const char *url,
		       const struct delivery_result *result);

/* The main fields as a flat object of strings, for an object's metadata. New. */
struct json_t *manifest_metadata(const struct json_t *manifest) must_check;

#endif
