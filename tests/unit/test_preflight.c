/* jdiag */
/* What a dump will cost against what there is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "jdiag/json.h"
#include "jdiag/preflight.h"
#include "remote/base/compiler.h"

#define GiB 1073741824.0
#define MiB 1048576.0

/* What a test says of the node and the JVM; 0 means the default behind it. */
struct node {
	const char *version;  /* "17.0.15" */
	const char *strategy; /* "fifo" */
	const char *collector;
	double used;	  /* 1 GiB */
	double heap_max;  /* 4 GiB */
	double disk_free; /* 100 GiB */
	double buffer;	  /* 8 GiB; else it is a bounded one */
	double pod_free;  /* 100 GiB */
	double limit, usage;
	int jvm_cpus; /* 2 */
	int millicpus;
	int cpu_mbps; /* 9830, the reference */
	bool memory, unusable;
	const char *error;
};

#define OR(value, otherwise) ((value) ? (value) : (otherwise))

static json_t *answer_of(const struct node *n)
{
	double disk = OR(n->disk_free, 100 * GiB);
	json_t *a = json_pack(
		"{s:{s:s}, s:{s:I, s:I, s:s}, s:[{s:s, s:b, s:s, s:s, s:I, s:b}], s:s, s:s, s:s}",
		"jvm", "version", OR(n->version, "17.0.15"), "heap", "used",
		(json_int_t)OR(n->used, GiB), "max", (json_int_t)OR(n->heap_max, 4 * GiB), "source",
		"heap_info", "strategies", "name", OR(n->strategy, "fifo"), "usable", !n->unusable,
		"reason", "no room", "where", "/tmp in the container", "free",
		(json_int_t)OR(n->pod_free, 100 * GiB), "memory", n->memory, "strategy",
		OR(n->strategy, "fifo"), "collector", OR(n->collector, "G1"), "flags", "-Xmx4g");

	json_object_set_new(a, "memory",
			    json_pack("{s:I, s:I}", "limit", (json_int_t)n->limit, "usage",
				      (json_int_t)n->usage));
	json_object_set_new(
		a, "budget",
		json_pack("{s:I, s:I, s:s, s:s, s:I, s:I, s:I, s:i, s:i, s:i, s:s}", "available",
			  (json_int_t)(16 * GiB), "buffer", (json_int_t)OR(n->buffer, 8 * GiB),
			  "why", n->buffer ? "25 % of the memory" : "", "base", "/var/lib",
			  "disk_free", (json_int_t)disk, "disk_size", (json_int_t)(120 * GiB),
			  "max_bytes", (json_int_t)(disk > GiB ? disk - GiB / 2 : MiB), "cpus", 2,
			  "jvm_cpus", OR(n->jvm_cpus, 2), "jvm_millicpus", n->millicpus, "error",
			  OR(n->error, "")));
	json_object_set_new(a, "rate", json_pack("{s:i}", "cpu_mbps", OR(n->cpu_mbps, 9830)));
	return a;
}

/* The answer lives as long as the test program. */
static json_t *answers;

static int estimate(struct preflight *p, const struct node *n, struct error *err)
{
	json_t *a = answer_of(n);

	assert_non_null(a);
	json_array_append_new(answers, a);
	if (!p->sink_free)
		p->sink_free = UINT64_MAX;
	return preflight_estimate(p, a, err);
}

static struct preflight estimated(struct preflight p, struct node n)
{
	struct error e = {0};

	if (estimate(&p, &n, &e) < 0)
		fail_msg("%s", e.msg);
	return p;
}

static void assert_refused(const struct preflight *p, const char *about)
{
	struct error e = {0};

	assert_int_equal(preflight_check(p, &e), -1);
	assert_int_equal(e.code, ERR_REFUSED);
	if (!strstr(e.msg, about))
		fail_msg("'%s' is not in '%s'", about, e.msg);
	assert_non_null(strstr(e.hint, "go on with --force"));
}

static void assert_fits(const struct preflight *p)
{
	struct error e = {0};

	if (preflight_check(p, &e) < 0)
		fail_msg("%s", e.msg);
}

/* ---- sizes ---- */

static void assert_mib(uint64_t bytes, double mib)
{
	if (bytes < (uint64_t)((mib - 1) * MiB) || bytes > (uint64_t)((mib + 1) * MiB))
		fail_msg("%.1f instead of %.1f MiB", (double)bytes / MiB, mib);
}

static void test_sizes(void **state)
{
	struct preflight p = estimated((struct preflight){0}, (struct node){.used = 1000 * MiB});

	(void)state;
	assert_mib(p.size, 1566);
	assert_mib(p.stored, 1566);
	assert_mib(p.node_peak, 1566);
	assert_int_equal(p.pod_peak + p.overflow, 0);
	p = estimated((struct preflight){.format = "hprof.gz"}, (struct node){.used = 1000 * MiB});
	assert_mib(p.stored, 0.55 * 1566 + 1);
	assert_mib(p.node_peak, 0.55 * 1566 + 1);
	p = estimated((struct preflight){.format = "hprof.zst"}, (struct node){.used = 1000 * MiB});
	assert_mib(p.stored, 0.5 * 1566 + 1);
	/* without compressed references */
	p = estimated((struct preflight){0},
		      (struct node){.used = 1000 * MiB, .heap_max = 40 * GiB});
	assert_mib(p.size, 1216);
}

/* What lies where at once, by strategy. */
static void test_peaks(void **state)
{
	struct preflight gz = {.format = "hprof.gz"};
	struct node n = {.used = 1000 * MiB, .buffer = 566 * MiB};
	struct preflight p = estimated(gz, n);

	(void)state;
	assert_mib(p.overflow, 1000);
	assert_mib(p.node_peak, 862 + 1000);
	gz.redact = "strings";
	p = estimated(gz, n);
	assert_int_equal(p.overflow, 0);
	assert_mib(p.node_peak, 862);
	gz.redact = "none";
	gz.ring = true;
	p = estimated(gz, n);
	assert_int_equal(p.node_peak, 0);
	gz.ring = false;
	n.strategy = "growing-file";
	p = estimated(gz, n);
	assert_mib(p.node_peak, 862 + 1566);
	assert_int_equal(p.pod_peak + p.overflow, 0);
	n.strategy = "container-file";
	p = estimated(gz, n);
	assert_mib(p.node_peak, 862);
	assert_mib(p.pod_peak, 1566);
	n.version = "25.0.5";
	p = estimated(gz, n);
	assert_mib(p.pod_peak, 2 * 1566);
	n.strategy = "segments";
	p = estimated(gz, n);
	assert_int_equal(p.pod_peak, 0);
}

/* ---- refusals ---- */

static void test_fits(void **state)
{
	struct preflight p = estimated((struct preflight){.liveness_budget_ms = 30000,
							  .storage_limit = 1,
							  .kubelet = true,
							  .live = true},
				       (struct node){0});

	(void)state;
	assert_fits(&p);
}

static void test_no_room_at_the_destination(void **state)
{
	struct preflight p = {.sink_free = (uint64_t)GiB};

	(void)state;
	p = estimated(p, (struct node){0});
	assert_refused(&p, "at the destination");
	p.format = "hprof.gz";
	p = estimated(p, (struct node){0});
	assert_fits(&p);
}

static void test_no_room_on_the_node(void **state)
{
	struct preflight p = estimated((struct preflight){0}, (struct node){.disk_free = 2 * GiB});

	(void)state;
	assert_refused(&p, "in '/var/lib' of the node");
	p = estimated((struct preflight){.format = "hprof.gz"},
		      (struct node){.disk_free = 2 * GiB});
	assert_fits(&p);
	/* the worst case: nothing of what overflows is compressed in time */
	p = estimated((struct preflight){.format = "hprof.gz"},
		      (struct node){.disk_free = 2 * GiB, .buffer = MiB});
	assert_refused(&p, "in '/var/lib' of the node");
	p = estimated((struct preflight){0}, (struct node){.disk_free = 1});
	assert_refused(&p, "512 MiB left over");
}

static void test_no_place_on_the_node(void **state)
{
	struct preflight p = {0};
	struct error e = {0};

	(void)state;
	assert_int_equal(estimate(&p, &(struct node){.error = "no writable disk"}, &e), -1);
	assert_int_equal(e.code, ERR_NODE);
	assert_string_equal(e.msg, "no writable disk");
}

/* The disk has 120 GiB: the kubelet evicts below 12. */
static void test_eviction(void **state)
{
	struct preflight asked = {.kubelet = true};
	struct preflight p = estimated(asked, (struct node){.disk_free = 13 * GiB});

	(void)state;
	assert_refused(&p, "the kubelet would evict pods");
	p = estimated(asked, (struct node){.disk_free = 14 * GiB});
	assert_fits(&p);
	p = estimated(asked, (struct node){.disk_free = 11 * GiB}); /* it does already */
	assert_fits(&p);
	asked.kubelet = false;
	p = estimated(asked, (struct node){.disk_free = 13 * GiB});
	assert_fits(&p);
}

static void test_no_room_in_the_container(void **state)
{
	struct node n = {.strategy = "container-file", .pod_free = 2 * GiB};
	struct preflight p = estimated((struct preflight){0}, n);

	(void)state;
	assert_refused(&p, "in '/tmp in the container' with 512 MiB left over");
	n.pod_free = 3 * GiB;
	p = estimated((struct preflight){0}, n);
	assert_fits(&p);
	n.version = "22";
	p = estimated((struct preflight){0}, n);
	assert_refused(&p, "in '/tmp in the container'");
	n.version = NULL;
	p = estimated((struct preflight){.storage_limit = (uint64_t)GiB}, n);
	assert_refused(&p, "over its limit of ephemeral-storage, 1.0 GiB");
}

static void test_a_file_in_memory(void **state)
{
	struct node n = {.strategy = "container-file", .memory = true};
	struct preflight p = estimated((struct preflight){.storage_limit = 1}, n);

	(void)state;
	assert_fits(&p); /* no limit */
	n.limit = 2 * GiB;
	n.usage = 1.5 * GiB;
	p = estimated((struct preflight){0}, n);
	assert_refused(&p, "memory limit");
}

static void test_pause_against_the_probe(void **state)
{
	struct preflight asked = {.live = true, .liveness_budget_ms = 30000};
	struct preflight p = estimated(asked, (struct node){.used = 8 * GiB});

	(void)state;
	assert_refused(&p, "its liveness probe restarts it after 30.0s");
	asked.starting = true;
	p = estimated(asked, (struct node){.used = 8 * GiB});
	assert_refused(&p, "its startup probe");
	/* the same heap on the faster writer of 22 and later */
	p = estimated(asked, (struct node){.used = 8 * GiB, .version = "25.0.5"});
	assert_fits(&p);
}

static void test_max_pause(void **state)
{
	struct preflight p = estimated((struct preflight){.max_pause_ms = 1000}, (struct node){0});
	struct error e = {0};

	(void)state;
	assert_int_equal(preflight_check_limit(&p, &e), -1);
	assert_int_equal(e.code, ERR_REFUSED);
	assert_non_null(strstr(e.msg, "--max-pause allows 1.0s"));
	assert_non_null(strstr(e.hint, "--force does not override"));
	assert_non_null(strstr(e.hint, "440 MB/s (Java 17, measured"));
	assert_fits(&p); /* it is not for --force */
	p = estimated((struct preflight){.max_pause_ms = 60000}, (struct node){0});
	assert_int_equal(preflight_check_limit(&p, &e), 0);
	p.max_pause_ms = 0;
	assert_int_equal(preflight_check_limit(&p, &e), 0);
}

static void count(void *ctx, const struct error *refusal)
{
	assert_int_equal(refusal->code, ERR_REFUSED);
	++*(int *)ctx;
}

/* Who goes on with --force has to hear of all of them. */
static void test_several_reasons(void **state)
{
	struct preflight p = {.sink_free = 1, .liveness_budget_ms = 1};
	struct error e = {0};
	int n = 0;

	(void)state;
	p = estimated(p, (struct node){.disk_free = 2 * GiB});
	assert_int_equal(preflight_each_refusal(&p, count, &n), 3);
	assert_int_equal(n, 3);
	assert_int_equal(preflight_check(&p, &e), -1);
	assert_non_null(strstr(e.msg, "at the destination"));
	assert_non_null(strstr(e.hint, "also: a dump of up to"));
	assert_non_null(strstr(e.hint, "also: the JVM would stand still"));
	p = estimated((struct preflight){0}, (struct node){0});
	assert_int_equal(preflight_each_refusal(&p, count, &n), 0);
}

static void test_no_strategy(void **state)
{
	struct preflight p = {.live = true};
	struct error e = {0};

	(void)state;
	assert_int_equal(estimate(&p, &(struct node){.unusable = true}, &e), -1);
	assert_int_equal(e.code, ERR_CAPTURE);
	assert_non_null(strstr(e.hint, "fifo: no room"));
}

/* The one that was asked for is said, and what would work. */
static void test_forced_strategy(void **state)
{
	auto_json json_t *a = answer_of(&(struct node){.unusable = true});
	struct preflight p = {.live = true};
	struct error e = {0};

	(void)state;
	json_array_append_new(
		json_object_get(a, "strategies"),
		json_pack("{s:s, s:b, s:s}", "name", "growing-file", "usable", 1, "reason", ""));
	assert_int_equal(preflight_estimate(&p, a, &e), -1);
	assert_int_equal(e.code, ERR_CAPTURE);
	assert_string_equal(e.msg, "the way 'fifo' does not work here: no room");
	assert_string_equal(e.hint, "fifo: no room\ngrowing-file: works here");
}

/* ---- the pause ---- */

static void test_rates(void **state)
{
	static const struct {
		struct preflight_speed s;
		unsigned int mbps;
		const char *source;
	} cases[] = {
		{{"17.0.21", false, 0, 4, 0, 9830}, 440, "Java 17, measured 440 MB/s on 2 cores"},
		{{"17.0.21", false, 0, 4, 0, 0}, 440, "reference machine"},
		{{"17.0.21", false, 0, 4, 0, 4915}, 220, "this node's CPU x0.50"},
		{{"17.0.21", false, 0, 4, 0, 1000000}, 880, "this node's CPU x2.00"},
		{{"17.0.21", false, 0, 1, 500, 9830}, 220, "the JVM's CPU quota x0.50"},
		{{"17.0.21", false, 0, 2, 1500, 9830}, 440, "CPU x1.00"},
		{{"1.8.0_504", false, 0, 4, 0, 9830}, 280, "Java 8, "},
		{{"", false, 0, 4, 0, 9830}, 280, "version unknown"},
		{{"14.0.1", false, 0, 4, 0, 9830}, 330, "Java 14, "},
		{{"21.0.13", false, 8, 8, 0, 9830}, 880, "Java 21, "},
		{{"21.0.1", false, 0, 8, 0, 9830}, 88, "10 times slower"},
		{{"21.0.3", false, 0, 8, 0, 9830}, 293, "3 times slower"},
		{{"25.0.5", false, 0, 1, 0, 9830}, 900, "Java 25, "},
		{{"25.0.5", false, 0, 2, 0, 9830}, 1503, "2 threads x1.67"},
		{{"25.0.5", false, 0, 16, 0, 9830}, 2709, "4 threads x3.01"},
		{{"25.0.5", false, 1, 16, 0, 9830}, 900, "Java 25, "},
		{{"25.0.5", false, 8, 2, 0, 9830}, 1503, "2 threads"},
		{{"25.0.5", true, 4, 4, 0, 9830}, 900, "Java 25, "},
		{{"25.0.5", false, 0, 2, 1500, 9830}, 1127, "quota x0.75"},
	};
	char source[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		unsigned int mbps = preflight_rate(&cases[i].s, source, sizeof(source));

		if (mbps != cases[i].mbps || !strstr(source, cases[i].source))
			fail_msg("case %zu: %u MB/s: %s", i, mbps, source);
	}
}

static void assert_ms(uint64_t ms, uint64_t expected)
{
	if (ms + 10 + expected / 100 < expected || ms > expected + expected / 100 + 10)
		fail_msg("%u instead of %u ms", (unsigned int)ms, (unsigned int)expected);
}

static void test_pause(void **state)
{
	struct node n = {.used = 1000 * MiB};
	struct preflight p = estimated((struct preflight){0}, n);

	(void)state;
	assert_int_equal(p.rate_mbps, 440);
	assert_ms(p.pause_ms, 3732); /* 1566 MiB */
	assert_int_equal(p.gc_ms, 0);
	p = estimated((struct preflight){.live = true}, n);
	assert_ms(p.gc_ms, 1310);
	assert_ms(p.pause_ms, 3732 + 1310);
	n.millicpus = 500;
	n.jvm_cpus = 1;
	p = estimated((struct preflight){.live = true}, n);
	assert_ms(p.gc_ms, 5242);
	assert_ms(p.pause_ms, 2 * 3732 + 5242);
}

/* What goes to a disk is taken by memory (a fifth of 16 GiB) first. */
static void test_pause_by_the_disk(void **state)
{
	struct node n = {.used = 10000 * MiB, .buffer = 15516 * MiB, .heap_max = 12 * GiB};
	struct preflight p = estimated((struct preflight){0}, n);

	(void)state;
	assert_ms(p.pause_ms, 36977);
	assert_null(strstr(p.rate_source, "disk"));
	n.buffer = 1516 * MiB; /* 14000 of 15516 MiB raw to disk, 3276 of them into memory */
	p = estimated((struct preflight){0}, n);
	assert_ms(p.pause_ms, 112444);
	assert_non_null(strstr(p.rate_source, "the disk is slower, 100 MB/s assumed"));
	n.strategy = "growing-file";
	p = estimated((struct preflight){0}, n);
	assert_ms(p.pause_ms, 128340);
	n.strategy = "container-file";
	n.limit = 10 * GiB;
	n.usage = 10 * GiB;
	p = estimated((struct preflight){0}, n);
	assert_ms(p.pause_ms, 162697);
	n.memory = true;
	p = estimated((struct preflight){0}, n);
	assert_ms(p.pause_ms, 36977);
}

static void test_pause_by_the_redaction(void **state)
{
	struct node n = {.used = 10000 * MiB, .buffer = 1516 * MiB};
	struct preflight p = estimated((struct preflight){.redact = "strings"}, n);

	(void)state;
	assert_ms(p.pause_ms, 97867);
	assert_non_null(strstr(p.rate_source, "the redaction is slower"));
}

/* ---- notes ---- */

static void assert_notes(const struct preflight *p, const char *const *words)
{
	json_t *notes = preflight_notes(p);
	size_t n = 0;

	for (; words[n]; n++)
		if (n >= p->n_notes || !strstr(p->notes[n], words[n]))
			fail_msg("note %zu: '%s' has no '%s'", n, p->notes[n], words[n]);
	assert_int_equal(p->n_notes, n);
	assert_int_equal(json_array_size(notes), n);
	json_decref(notes);
}

#define NOTES(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_notes(void **state)
{
	struct preflight asked = {0};
	struct preflight p = estimated(asked, (struct node){0});

	(void)state;
	assert_int_equal(p.n_notes, 0);
	p = estimated(asked, (struct node){.version = "17.0.2", .collector = "Shenandoah"});
	assert_notes(&p, NOTES("JDK-8303937", "JDK-8278627"));
	p = estimated(asked, (struct node){.version = "25.0.5", .collector = "Shenandoah"});
	assert_notes(&p, NOTES("JDK-8345750"));
	p = estimated(asked, (struct node){.buffer = 1});
	assert_notes(&p, NOTES("may go raw to the node's disk (25 % of the memory)"));
	p.buffer = 0;
	asked.ring = true;
	p = estimated(asked, (struct node){0});
	assert_notes(&p, NOTES("--no-spool: the pause depends on the network"));
	p = estimated(asked, (struct node){.buffer = 1});
	assert_notes(&p, NOTES("--no-spool", "the JVM waits then"));
	asked.ring = false;
	asked.redact = "primitives";
	p = estimated(asked, (struct node){.buffer = 1});
	assert_notes(&p, NOTES("the JVM waits then (25 % of the memory)"));
	p = estimated(asked, (struct node){.buffer = 1, .strategy = "growing-file"});
	assert_int_equal(p.n_notes, 0);
}

/* `inspect` reckons with another size than this end: that is no reason for a note. */
static void test_a_buffer_that_nothing_bounds(void **state)
{
	struct preflight p = estimated((struct preflight){0}, (struct node){.used = 7 * GiB});

	(void)state;
	assert_int_equal(p.n_notes, 0);
	assert_int_equal(p.overflow, 0);
	assert_int_equal(p.buffer, p.size);
}

static void test_no_memory_at_all(void **state)
{
	struct node n = {0};
	struct preflight p = {.sink_free = UINT64_MAX};
	struct error e = {0};
	json_t *a = answer_of(&n);

	(void)state;
	json_object_set_new(json_object_get(a, "budget"), "buffer", json_integer(0));
	json_object_set_new(json_object_get(a, "budget"), "why", json_string("too little"));
	json_array_append_new(answers, a);
	assert_int_equal(preflight_estimate(&p, a, &e), 0);
	assert_notes(&p, NOTES("too little memory on the node: the dump goes raw to its disk"));
	assert_int_equal(p.overflow, p.size);
	/* once more with the same: nothing is said twice */
	assert_int_equal(preflight_estimate(&p, a, &e), 0);
	assert_int_equal(p.n_notes, 1);
}

static void test_expected(void **state)
{
	struct preflight p = estimated((struct preflight){.live = true}, (struct node){0});
	json_t *o = preflight_expected(&p);

	(void)state;
	assert_int_equal(json_integer_value(json_object_get(o, "size")), p.size);
	assert_int_equal(json_integer_value(json_object_get(o, "pauseMs")), p.pause_ms);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(o, "rate"), "mbps")),
			 440);
	json_decref(o);
}

static int open_answers(void **state)
{
	(void)state;
	answers = json_array();
	return 0;
}

static int close_answers(void **state)
{
	(void)state;
	json_decref(answers);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_peaks),
		cmocka_unit_test(test_fits),
		cmocka_unit_test(test_no_room_at_the_destination),
		cmocka_unit_test(test_no_room_on_the_node),
		cmocka_unit_test(test_no_place_on_the_node),
		cmocka_unit_test(test_eviction),
		cmocka_unit_test(test_no_room_in_the_container),
		cmocka_unit_test(test_a_file_in_memory),
		cmocka_unit_test(test_pause_against_the_probe),
		cmocka_unit_test(test_max_pause),
		cmocka_unit_test(test_several_reasons),
		cmocka_unit_test(test_no_strategy),
		cmocka_unit_test(test_forced_strategy),
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_pause_by_the_disk),
		cmocka_unit_test(test_pause_by_the_redaction),
		cmocka_unit_test(test_notes),
		cmocka_unit_test(test_a_buffer_that_nothing_bounds),
		cmocka_unit_test(test_no_memory_at_all),
		cmocka_unit_test(test_expected),
	};

	return cmocka_run_group_tests(tests, open_answers, close_answers);
}
