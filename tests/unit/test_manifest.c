/* jdiag */
/* What is told about an artifact. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "jdiag/deliver.h"
#include "jdiag/json.h"
#include "jdiag/manifest.h"
#include "jdiag/preflight.h"
#include "jdiag/session.h"

#define WHEN 1795251600 /* 2026-11-21T09:00:00Z */

static struct session session;
static struct preflight preflight;
static json_t *jvm;

static int set_up(void **state)
{
	struct pod_container *c = &session.pod.containers[0];

	(void)state;
	snprintf(session.node, sizeof(session.node), "node-a");
	snprintf(session.pod.ns, sizeof(session.pod.ns), "shop");
	snprintf(session.pod.name, sizeof(session.pod.name), "web-0");
	snprintf(c->name, sizeof(c->name), "app");
	c->restarts = 3;
	session.container = c;
	session.has_pod = true;
	preflight = (struct preflight){
		.live = true,
		.format = "hprof.gz",
		.redact = "strings",
		.strategy = "fifo",
		.heap_source = "hsperfdata",
		.version = "17.0.2",
		.flags = "-Xmx2g -XX:+UseShenandoahGC",
		.collector = "Shenandoah",
		.size = 1000,
		.pause_ms = 77,
		.notes = {"known bad build"},
		.n_notes = 1,
	};
	jvm = json_pack("{s:i, s:i, s:s, s:s}", "pid", 4711, "ns_pid", 1, "version", "", "main",
			"app.Main");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	json_decref(jvm);
	return 0;
}

static void test_name(void **state)
{
	char name[ARTIFACT_NAME_SIZE];

	(void)state;
	artifact_name(name, &session, jvm, WHEN, "hprof.gz");
	assert_string_equal(name, "shop_web-0_app-3_20261121T090000Z_1.hprof.gz");
	session.has_pod = false;
	snprintf(session.node, sizeof(session.node), "10.0.0.7/../x");
	artifact_name(name, &session, jvm, WHEN, "hprof");
	session.has_pod = true;
	assert_string_equal(name, "node_10.0.0.7-..-x_process-0_20261121T090000Z_1.hprof");
}

#define assert_text(o, path, text) assert_string_equal(json_str_at(o, path, "(none)"), text)

static void test_before(void **state)
{
	json_t *m = manifest_new("x.hprof.gz", &session, jvm, &preflight, WHEN);

	(void)state;
	assert_text(m, "apiVersion", "jdiag/v1");
	assert_text(m, "kind", "HeapDump");
	assert_text(m, "format", "hprof.gz");
	assert_text(m, "target.pod", "web-0");
	assert_int_equal(json_u64_at(m, "target.restartCount", 0), 3);
	assert_text(m, "jvm.version", "17.0.2"); /* the JVM told it when it was attached to */
	assert_text(m, "jvm.collector", "Shenandoah");
	assert_text(m, "jvm.flags", "-Xmx2g -XX:+UseShenandoahGC");
	assert_text(m, "capture.strategy", "fifo");
	assert_text(m, "capture.redact", "strings");
	assert_text(m, "capture.started", "2026-11-21T09:00:00Z");
	assert_true(json_bool_at(m, "capture.live", false));
	assert_int_equal(json_u64_at(m, "capture.expected.pauseMs", 0), 77);
	assert_string_equal(json_string_value(json_array_get(json_at(m, "capture.notes"), 0)),
			    "known bad build");
	json_decref(m);
}

static void test_what_the_capture_changes(void **state)
{
	json_t *m = manifest_new("x", &session, jvm, &preflight, WHEN);

	(void)state;
	preflight.strategy = "growing-file";
	preflight.pause_ms = 88;
	preflight.n_notes = 0;
	manifest_begin_capture(m, &preflight, WHEN + 60);
	assert_text(m, "capture.strategy", "growing-file");
	assert_text(m, "capture.started", "2026-11-21T09:01:00Z");
	assert_int_equal(json_u64_at(m, "capture.expected.pauseMs", 0), 88);
	assert_int_equal(json_array_size(json_at(m, "capture.notes")), 0);
	json_decref(m);
}

static void test_after(void **state)
{
	json_t *m = manifest_new("x", &session, jvm, &preflight, WHEN), *metadata;
	struct delivery_result r = {
		.bytes = 400,
		.raw = 1000,
		.sha256 = "abcd",
		.crc32c = 0xa1b2,
		.strategy = "container-file",
		.format = "hprof.zst",
		.redact = "none",
		.pause_ms = 50,
		.elapsed_ms = 60,
		.written_ms = 55,
		.stalled_ms = 5,
		.overflow = 7,
		.records = 9,
		.notice = "look",
	};

	(void)state;
	manifest_complete(m, "gs://b/x", &r);
	assert_text(m, "url", "gs://b/x");
	assert_int_equal(json_u64_at(m, "size", 0), 400);
	assert_int_equal(json_u64_at(m, "rawSize", 0), 1000);
	assert_text(m, "sha256", "abcd");
	assert_text(m, "crc32c", "0000a1b2");
	assert_text(m, "format", "hprof.zst");
	assert_text(m, "capture.strategy", "container-file");
	assert_text(m, "capture.redact", "none");
	assert_int_equal(json_u64_at(m, "capture.pauseMs", 0), 50);
	assert_int_equal(json_u64_at(m, "capture.elapsedMs", 0), 60);
	assert_int_equal(json_u64_at(m, "capture.writtenMs", 0), 55);
	assert_int_equal(json_u64_at(m, "capture.stalledMs", 0), 5);
	assert_int_equal(json_u64_at(m, "capture.overflow", 0), 7);
	assert_int_equal(json_u64_at(m, "capture.records", 0), 9);
	assert_text(m, "capture.notice", "look");
	metadata = manifest_metadata(m);
	assert_text(metadata, "jdiag-format", "hprof.zst");
	assert_text(metadata, "jdiag-redact", "none");
	assert_text(metadata, "jdiag-pod", "web-0");
	json_decref(metadata);
	json_decref(m);
}

/* JDK 8 does not say how long it took; nothing to note is no member. */
static void test_after_without_words(void **state)
{
	json_t *m = manifest_new("x", &session, jvm, &preflight, WHEN);
	struct delivery_result r = {.bytes = 1, .elapsed_ms = 60};

	(void)state;
	manifest_complete(m, "/x", &r);
	assert_null(json_at(m, "capture.pauseMs"));
	assert_null(json_at(m, "capture.notice"));
	assert_int_equal(json_u64_at(m, "capture.elapsedMs", 0), 60);
	assert_text(m, "format", "hprof.gz");
	assert_text(m, "capture.strategy", "fifo");
	json_decref(m);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_name),
		TEST(test_before),
		TEST(test_what_the_capture_changes),
		TEST(test_after),
		TEST(test_after_without_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
