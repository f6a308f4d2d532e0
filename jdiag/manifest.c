#include "jdiag/manifest.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "jdiag/deliver.h"
#include "jdiag/json.h"
#include "jdiag/preflight.h"
#include "jdiag/session.h"
#include "remote/base/str.h"

#define SHORT_ID 12

static struct tm utc(time_t when)
{
	struct tm tm = {0};

	gmtime_r(&when, &tm);
	return tm;
}

void artifact_name(char dst[ARTIFACT_NAME_SIZE], const struct session *s, const json_t *jvm,
		   time_t when, const char *kind)
{
	char stamp[32];
	const struct tm tm = utc(when);
	unsigned long long pid = json_u64_at(jvm, "ns_pid", 0);
	const char *container = json_str_at(jvm, "container", "");

	strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
	if (s->has_pod)
		snprintf(dst, ARTIFACT_NAME_SIZE, "%s_%s_%s-%llu_%s_%llu.%s", s->pod.ns,
			 s->pod.name, s->container->name,
			 (unsigned long long)s->container->restarts, stamp, pid, kind);
	else
		snprintf(dst, ARTIFACT_NAME_SIZE, "node_%s_%.*s-0_%s_%llu.%s", s->node, SHORT_ID,
			 *container ? container : "process", stamp, pid, kind);
	for (char *p = dst; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("._-", *p))
			*p = '-';
}

const char *artifact_content_type(const char *format)
{
	return strcmp(format, "hprof.gz") == 0	  ? "application/gzip"
	       : strcmp(format, "hprof.zst") == 0 ? "application/zstd"
						  : "application/octet-stream";
}

json_t *manifest_target(const struct session *s, const json_t *jvm)
{
	json_t *target = json_pack("{s:s, s:s, s:s}", "node", s->node, "address", s->address,
				   "containerID", json_str_at(jvm, "container", ""));
	const struct pod_container *c = s->container;

	if (s->has_pod)
		json_object_update_new(target,
				       json_pack("{s:s, s:s, s:s, s:s, s:s, s:I}", "namespace",
						 s->pod.ns, "pod", s->pod.name, "uid", s->pod.uid,
						 "container", c->name, "image", c->image,
						 "restartCount", (json_int_t)c->restarts));
	return target;
}

json_t *manifest_jvm(const json_t *jvm)
{
	static const char *const fields[] = {"pid", "ns_pid", "version", "main",
					     "uid", "vm",     "started"};
	json_t *copy = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		json_object_set(copy, fields[i], json_object_get(jvm, fields[i]));
	return copy;
}

static json_t *timestamp(time_t when)
{
	const struct tm tm = utc(when);
	char text[32];

	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_string(text);
}

/* Also what is known only once the JVM was attached to. */
static void set_expected(json_t *manifest, const struct preflight *p)
{
	json_t *jvm = json_object_get(manifest, "jvm");
	json_t *capture = json_object_get(manifest, "capture");

	if (!*json_str_at(jvm, "version", ""))
		json_object_set_new(jvm, "version", json_string(p->version));
	json_object_set_new(jvm, "collector", json_string(p->collector));
	json_object_set_new(jvm, "flags", json_string(p->flags));
	json_object_set_new(capture, "strategy", json_string(p->strategy));
	json_object_set_new(capture, "expected", preflight_expected(p));
	json_object_set_new(capture, "notes", preflight_notes(p));
}

json_t *manifest_new(const char *name, const struct session *s, const json_t *jvm,
		     const struct preflight *p, time_t when)
{
	json_t *manifest =
		json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:{s:s, s:s, s:b, s:o}, s:s}",
			  "apiVersion", "jdiag/v1", "kind", "HeapDump", "name", name, "format",
			  p->format ? p->format : "hprof", "target", manifest_target(s, jvm), "jvm",
			  manifest_jvm(jvm), "capture", "strategy", p->strategy, "redact",
			  p->redact ? p->redact : "none", "live", p->live, "started",
			  timestamp(when), "jdiag", JDIAG_VERSION);

	if (!manifest)
		die_oom();
	set_expected(manifest, p);
	return manifest;
}

void manifest_begin_capture(json_t *manifest, const struct preflight *p, time_t when)
{
	set_expected(manifest, p);
	json_object_set_new(json_object_get(manifest, "capture"), "started", timestamp(when));
}

void manifest_set_url(json_t *object, const char *url)
{
	json_set_text(object, "url", url);
}

static void set_number(json_t *object, const char *name, uint64_t n)
{
	json_object_set_new(object, name, json_integer((json_int_t)n));
}

static void set_text(json_t *object, const char *name, const char *text)
{
	if (*text)
		json_set_text(object, name, text);
}

/* What the node did, which is not always what it was asked: a way may not have worked. */
static void describe_capture(json_t *capture, const struct delivery_result *r)
{
	set_text(capture, "strategy", r->strategy);
	set_text(capture, "redact", r->redact);
	if (r->pause_ms)
		set_number(capture, "pauseMs", r->pause_ms);
	set_number(capture, "elapsedMs", r->elapsed_ms);
	set_number(capture, "writtenMs", r->written_ms);
	set_number(capture, "stalledMs", r->stalled_ms);
	set_number(capture, "overflow", r->overflow);
	set_number(capture, "records", r->records);
	set_text(capture, "notice", r->notice);
}

void manifest_complete(json_t *manifest, const char *url, const struct delivery_result *r)
{
	char crc[16];

	manifest_set_url(manifest, url);
	snprintf(crc, sizeof(crc), "%08x", r->crc32c);
	set_text(manifest, "format", r->format);
	set_number(manifest, "size", r->bytes);
	set_number(manifest, "rawSize", r->raw);
	json_set_text(manifest, "sha256", r->sha256);
	json_set_text(manifest, "crc32c", crc);
	describe_capture(json_object_get(manifest, "capture"), r);
}

json_t *manifest_metadata(const json_t *manifest)
{
	static const char *const fields[][2] = {
		{"jdiag-namespace", "target.namespace"},
		{"jdiag-pod", "target.pod"},
		{"jdiag-container", "target.container"},
		{"jdiag-container-id", "target.containerID"},
		{"jdiag-node", "target.node"},
		{"jdiag-jvm-version", "jvm.version"},
		{"jdiag-main", "jvm.main"},
		{"jdiag-started", "capture.started"},
		{"jdiag-strategy", "capture.strategy"},
		{"jdiag-format", "format"},
		{"jdiag-redact", "capture.redact"},
		{"jdiag-version", "jdiag"},
	};
	json_t *metadata = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		const char *value = json_str_at(manifest, fields[i][1], "");

		if (*value)
			json_object_set_new(metadata, fields[i][0], json_string(value));
	}
	return metadata;
}
