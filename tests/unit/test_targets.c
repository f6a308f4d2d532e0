/* jdiag: scrape targets out of pods; the file they are written to, and what a server says */
#include "jdiag/targets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "jdiag/json.h"
#include "jdiag/prometheus/text.h"
#include "jdiag/targets_file.h"
#include "jdiag/targets_serve.h"
#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "tests/unit/tempdir.h"

#define ID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

/* ---- pods ---- */

static json_t *container_status(const char *name, const char *id, int restarts)
{
	auto_free char *url = xasprintf("containerd://%s", id);

	return json_pack("{s:s, s:s, s:i, s:{s:{}}}", "name", name, "containerID", url,
			 "restartCount", restarts, "state", "running");
}

/* Pod shop/NAME on node n1 with the containers app (ID_A) and side (ID_B), both running. */
static json_t *pod(const char *name)
{
	return json_pack("{s:{s:s, s:s, s:s, s:{s:s}, s:{}}, s:{s:s, s:[{s:s}, {s:s}]},"
			 " s:{s:s, s:s, s:s, s:[o, o]}}",
			 "metadata", "name", name, "namespace", "shop", "uid",
			 "00000000-0000-0000-0000-000000000001", "labels", "app", "web",
			 "annotations", "spec", "nodeName", "n1", "containers", "name", "app",
			 "name", "side", "status", "phase", "Running", "podIP", "10.0.0.7",
			 "hostIP", "10.0.0.1", "containerStatuses",
			 container_status("app", ID_A, 2), container_status("side", ID_B, 0));
}

static json_t *part(const json_t *p, const char *path)
{
	json_t *v = json_at(p, path);

	assert_non_null(v);
	return v;
}

static void annotate(json_t *p, const char *key, const char *value)
{
	json_object_set_new(part(p, "metadata.annotations"), key, json_string(value));
}

static void scraped_at(json_t *p, const char *port)
{
	annotate(p, "prometheus.io/scrape", "true");
	annotate(p, "prometheus.io/port", port);
}

static void mark(json_t *p, const char *container, const char *id, int restarts, int port,
		 const char *path)
{
	auto_free char *key = xasprintf("exporter.jdiag.dev/%s", container);
	auto_free char *text =
		xasprintf("{\"v\":1,\"id\":\"%s\",\"restarts\":%d,\"port\":%d,\"path\":\"%s\","
			  "\"config\":\"%s\",\"version\":\"1.0.1\","
			  "\"jar\":\"/tmp/jmx_prometheus_javaagent-1.0.1.jar\","
			  "\"file\":\"/tmp/jmx-%d.yaml\",\"jvm\":4711,\"pid\":1,"
			  "\"scraped\":\"2026-11-21T16:00:00Z\",\"set\":[]}",
			  id, restarts, port, path, ID_A, port);

	annotate(p, key, text);
}

/* ---- what becomes of them ---- */

/* The text of the targets of these pods (their references are taken), "" when there is none. */
static char *text_of(json_t *first, json_t *second)
{
	auto_json json_t *pods = json_array();
	auto_buf struct buf b = BUF_INIT(1 << 20);
	struct targets t;

	json_array_append_new(pods, first);
	if (second)
		json_array_append_new(pods, second);
	targets_from_pods(&t, pods);
	if (json_array_size(t.groups))
		targets_to_text(&t, &b);
	targets_release(&t);
	return xstrdup(buf_str(&b));
}

static void assert_text(json_t *one, const char *expected)
{
	auto_free char *text = text_of(one, NULL);

	assert_string_equal(text, expected);
}

/* Nothing but one note with these words. */
static void assert_left_out(json_t *one, bool problem, const char *words)
{
	auto_json json_t *pods = json_pack("[o]", one);
	const json_t *notes;
	struct targets t;

	targets_from_pods(&t, pods);
	notes = problem ? t.problems : t.resting;
	assert_int_equal(json_array_size(t.groups), 0);
	assert_int_equal(t.left_out, 1);
	assert_int_equal(json_array_size(notes), 1);
	if (!strstr(json_string_value(json_array_get(notes, 0)), words))
		fail_msg("'%s' does not say '%s'", json_string_value(json_array_get(notes, 0)),
			 words);
	targets_release(&t);
}

#define LINE(target, labels) "{\"targets\":[\"" target "\"],\"labels\":{" labels "}}"
#define WEB0(container)                                                          \
	"\"namespace\":\"shop\",\"pod\":\"web-0\"," container "\"node\":\"n1\"," \
	"\"app\":\"web\""
#define APP "\"container\":\"app\","

/* ---- tests: pods ---- */

static void a_mark(void **state)
{
	json_t *p = pod("web-0");

	(void)state;
	mark(p, "app", ID_A, 2, 9404, "/metrics");
	scraped_at(p, "9404");
	assert_text(p, "[\n" LINE("10.0.0.7:9404", WEB0(APP)) "\n]\n");
}

static void a_mark_with_a_path(void **state)
{
	json_t *p = pod("web-0");

	(void)state;
	mark(p, "app", ID_A, 2, 9404, "/jmx");
	assert_text(
		p, "[\n" LINE("10.0.0.7:9404", "\"__metrics_path__\":\"/jmx\"," WEB0(APP)) "\n]\n");
}

static void several_containers(void **state)
{
	json_t *p = pod("web-0");

	(void)state;
	mark(p, "side", ID_B, 0, 9405, "/metrics");
	mark(p, "app", ID_A, 2, 9404, "/metrics");
	scraped_at(p, "9404");
	assert_text(p, "[\n" LINE("10.0.0.7:9404", WEB0(APP)) ",\n" LINE(
			       "10.0.0.7:9405", WEB0("\"container\":\"side\",")) "\n]\n");
}

/* Names of marks: the container's, and with the pid those of further JVMs in it. */
static void several_jvms_of_a_container(void **state)
{
	json_t *p = pod("web-0");

	(void)state;
	mark(p, "app.1", ID_A, 2, 9406, "/metrics");
	mark(p, "app", ID_A, 2, 9404, "/metrics");
	mark(p, "app.7", ID_A, 2, 9405, "/metrics"); /* says that it is of pid 1 */
	scraped_at(p, "9406");
	{
		auto_json json_t *pods = json_pack("[o]", p);
		auto_buf struct buf b = BUF_INIT(1 << 20);
		struct targets t;

		targets_from_pods(&t, pods);
		targets_to_text(&t, &b);
		assert_string_equal(buf_str(&b), "[\n" LINE("10.0.0.7:9404", WEB0(APP)) ",\n" LINE(
							 "10.0.0.7:9406", WEB0(APP)) "\n]\n");
		assert_int_equal(json_array_size(t.problems), 1);
		assert_non_null(strstr(json_string_value(json_array_get(t.problems, 0)),
				       "its 'pid' is not that of its name"));
		targets_release(&t);
	}
}

static void annotations_of_others(void **state)
{
	json_t *p = pod("web-0");

	(void)state;
	scraped_at(p, "8080");
	assert_text(p, "[\n" LINE("10.0.0.7:8080", WEB0("")) "\n]\n");
	p = pod("web-0");
	scraped_at(p, "8080");
	annotate(p, "prometheus.io/path", "actuator/prometheus");
	annotate(p, "prometheus.io/scheme", "https");
	assert_text(p, "[\n" LINE("10.0.0.7:8080", "\"__metrics_path__\":\"/actuator/prometheus\","
						   "\"__scheme__\":\"https\"," WEB0("")) "\n]\n");
	/* beside a mark, when they are about another page */
	p = pod("web-0");
	scraped_at(p, "8080");
	mark(p, "app", ID_A, 2, 9404, "/metrics");
	assert_text(p, "[\n" LINE("10.0.0.7:9404", WEB0(APP)) ",\n" LINE("10.0.0.7:8080",
									 WEB0("")) "\n]\n");
}

/* In any order, and twice: the same text. */
static void the_same_pods_give_the_same_text(void **state)
{
	json_t *a = pod("web-0"), *b = pod("web-1");
	auto_free char *one = NULL, *other = NULL, *twice = NULL;

	(void)state;
	scraped_at(a, "1");
	scraped_at(b, "2");
	json_object_set_new(part(a, "metadata"), "namespace", json_string("zoo"));
	one = text_of(json_deep_copy(a), json_deep_copy(b));
	other = text_of(json_deep_copy(b), json_deep_copy(a));
	twice = text_of(json_deep_copy(b), json_deep_copy(b));
	assert_string_equal(one, other);
	assert_non_null(strstr(one, "web-1"));
	assert_true(strstr(one, "web-1") < strstr(one, "zoo"));
	assert_non_null(strstr(twice, "web-1"));
	assert_null(strstr(strstr(twice, "web-1") + 1, "web-1"));
	json_decref(a);
	json_decref(b);
}

static void the_name_of_the_app(void **state)
{
	static const char *const bad[] = {
		"",
		"a b",
		"a\"b",
		"a\nb",
		"\xc3\xa4",
		"##vso[x]",
		"0123456789012345678901234567890123456789012345678901234567"
		"890123"};
	json_t *p = pod("web-0");
	auto_free char *text = NULL;

	(void)state;
	scraped_at(p, "80");
	json_object_set_new(part(p, "metadata.labels"), "app.kubernetes.io/name",
			    json_string("Check_out.2"));
	text = text_of(p, NULL);
	assert_non_null(strstr(text, "\"app\":\"Check_out.2\"}"));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		json_t *one = pod("web-0");

		scraped_at(one, "80");
		json_object_set_new(part(one, "metadata.labels"), "app", json_string(bad[i]));
		assert_text(one,
			    "[\n" LINE("10.0.0.7:80", "\"namespace\":\"shop\",\"pod\":\"web-0\","
						      "\"node\":\"n1\"") "\n]\n");
	}
}

static void addresses(void **state)
{
	static const char *const bad[] = {"",	       "10.0.0",     "10.0.0.7:80", "example.com",
					  "fe80::1%e", "10.0.0.7\n", "[::1]",	    "010.0.0.7"};
	json_t *p = pod("web-0");
	auto_free char *text = NULL;

	(void)state;
	scraped_at(p, "80");
	json_object_set_new(part(p, "status"), "podIP", json_string("FD00:0::0007"));
	text = text_of(p, NULL);
	assert_non_null(strstr(text, "\"targets\":[\"[fd00::7]:80\"]"));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		json_t *one = pod("web-0");

		scraped_at(one, "80");
		json_object_set_new(part(one, "status"), "podIP", json_string(bad[i]));
		assert_left_out(one, false, "it has no address");
	}
}

/* ---- tests: what is no target ---- */

static void not_annotated(void **state)
{
	static const char *const words[] = {"yes", "True", "1", "", "true "};

	(void)state;
	assert_text(pod("web-0"), "");
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		json_t *p = pod("web-0");

		scraped_at(p, "80");
		annotate(p, "prometheus.io/scrape", words[i]);
		assert_text(p, "");
	}
}

static void a_stale_mark(void **state)
{
	json_t *p = pod("web-0");

	(void)state;
	/* the annotations for Prometheus are of the same exporter, which is gone */
	mark(p, "app", ID_A, 1, 9404, "/metrics");
	scraped_at(p, "9404");
	assert_left_out(p, true, "'app' was started again since it was injected");
	p = pod("web-0");
	mark(p, "app", ID_B, 2, 9404, "/metrics");
	assert_left_out(p, true, "'app' was started again since it was injected");
}

static void a_stale_mark_beside_a_good_one(void **state)
{
	json_t *p = pod("web-0");
	auto_free char *text = NULL;

	(void)state;
	mark(p, "app", ID_A, 1, 9404, "/metrics");
	mark(p, "side", ID_B, 0, 9405, "/metrics");
	text = text_of(p, NULL);
	assert_non_null(strstr(text, ":9405"));
	assert_null(strstr(text, ":9404"));
}

static void not_alive(void **state)
{
	json_t *p = pod("web-0");

	(void)state;
	mark(p, "app", ID_A, 2, 9404, "/metrics");
	json_object_set_new(part(p, "status"), "phase", json_string("Succeeded"));
	assert_left_out(p, false, "pod 'shop/web-0': Succeeded");
	p = pod("web-0");
	scraped_at(p, "80");
	json_object_set_new(part(p, "metadata"), "deletionTimestamp",
			    json_string("2026-11-21T16:00:00Z"));
	assert_left_out(p, false, "it is being deleted");
	p = pod("web-0");
	scraped_at(p, "9404");
	mark(p, "app", ID_A, 2, 9404, "/metrics");
	annotate(p, "prometheus.io/scrape", "false");
	assert_left_out(p, false, "prometheus.io/scrape is false");
	p = pod("web-0");
	mark(p, "app", ID_A, 2, 9404, "/metrics");
	json_object_set_new(json_array_get(part(p, "status.containerStatuses"), 0), "state",
			    json_pack("{s:{s:s}}", "waiting", "reason", "CrashLoopBackOff"));
	assert_left_out(p, false, "CrashLoopBackOff");
}

static void bad_annotations(void **state)
{
	static const char *const ports[] = {
		"0", "65536", "-1", "80 ", "0x50", "8080,9090", "\x1b[2J", "184467440737095516160"};
	static const char *const paths[] = {"/a b", "/a?b=c", "/a#b", "/\x1b[2J", "/\xc3\xa4"};
	auto_buf struct buf longer = BUF_INIT(4096);
	json_t *p;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		p = pod("web-0");
		scraped_at(p, ports[i]);
		assert_left_out(p, true, "which is no port");
	}
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		p = pod("web-0");
		scraped_at(p, "80");
		annotate(p, "prometheus.io/path", paths[i]);
		assert_left_out(p, true, "is no path to scrape");
	}
	while (longer.len < 1000)
		buf_adds(&longer, "/metrics");
	p = pod("web-0");
	scraped_at(p, "80");
	annotate(p, "prometheus.io/path", longer.data);
	assert_left_out(p, true, "is no path to scrape");
	p = pod("web-0");
	scraped_at(p, "80");
	annotate(p, "prometheus.io/scheme", "gopher");
	assert_left_out(p, true, "neither http nor https");
	p = pod("web-0");
	annotate(p, "prometheus.io/scrape", "true");
	assert_left_out(p, false, "no annotation prometheus.io/port");
	/* not even a text */
	p = pod("web-0");
	scraped_at(p, "80");
	json_object_set_new(part(p, "metadata.annotations"), "prometheus.io/port",
			    json_integer(80));
	assert_left_out(p, false, "no annotation prometheus.io/port");
}

static void bad_marks(void **state)
{
	static const char *const marks[] = {"", "{}", "nonsense", "{\"v\":1}", "[]", "{\"v\":1,"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		json_t *p = pod("web-0");

		annotate(p, "exporter.jdiag.dev/app", marks[i]);
		assert_left_out(p, true, "the mark of container 'app' cannot be read");
	}
}

/* One port cannot be two containers' pages. */
static void a_port_that_is_taken(void **state)
{
	json_t *p = pod("web-0");
	auto_json json_t *pods = json_pack("[o]", p);
	struct targets t;

	(void)state;
	mark(p, "app", ID_A, 2, 9404, "/metrics");
	mark(p, "side", ID_B, 0, 9404, "/other");
	targets_from_pods(&t, pods);
	assert_int_equal(json_array_size(t.groups), 1);
	assert_int_equal(json_array_size(t.problems), 1);
	assert_non_null(strstr(json_string_value(json_array_get(t.problems, 0)),
			       "'side' is marked with port 9404"));
	targets_release(&t);
}

static void hostile_pods(void **state)
{
	auto_json json_t *pods = json_pack("[{}, [], n, i, s, {s:s}]", 7, "pod", "metadata", "x");
	struct targets t;
	json_t *p = pod("web-0\n::set-env");

	(void)state;
	scraped_at(p, "80");
	json_array_append_new(pods, p);
	targets_from_pods(&t, pods);
	assert_int_equal(json_array_size(t.groups), 0);
	assert_int_equal(t.left_out, 1);
	/* escaped, in one line */
	assert_null(strchr(json_string_value(json_array_get(t.problems, 0)), '\n'));
	targets_release(&t);
}

static void many_notes_are_counted(void **state)
{
	auto_json json_t *pods = json_array();
	struct targets t;

	(void)state;
	for (int i = 0; i < MAX_TARGET_NOTES + 50; i++) {
		auto_free char *name = xasprintf("web-%d", i);
		json_t *p = pod(name);

		scraped_at(p, "x");
		json_array_append_new(pods, p);
	}
	targets_from_pods(&t, pods);
	assert_int_equal(json_array_size(t.problems), MAX_TARGET_NOTES);
	assert_int_equal(t.left_out, MAX_TARGET_NOTES + 50);
	targets_release(&t);
}

static void no_target_is_an_empty_list(void **state)
{
	auto_buf struct buf b = BUF_INIT(100);
	struct targets t;

	(void)state;
	targets_from_pods(&t, NULL);
	targets_to_text(&t, &b);
	assert_string_equal(buf_str(&b), "[]\n");
	targets_release(&t);
}

/* ---- tests: the file ---- */

static struct stat stat_of(const char *name)
{
	struct stat st;

	assert_int_equal(lstat(tempdir_path(name), &st), 0);
	return st;
}

static bool write_file(const char *name, const char *text)
{
	struct error err = {0};
	bool changed = false;

	assert_int_equal(targets_file_write(tempdir_path(name), text, strlen(text), &changed, &err),
			 0);
	return changed;
}

static void assert_content(const char *name, const char *text)
{
	auto_buf struct buf b = BUF_INIT(4096);

	assert_int_equal(io_read_file(AT_FDCWD, tempdir_path(name), &b), 0);
	assert_string_equal(buf_str(&b), text);
}

static void only_changes_are_written(void **state)
{
	struct stat first, second;

	(void)state;
	umask(077);
	assert_true(write_file("t.json", "[]\n"));
	first = stat_of("t.json");
	/* Prometheus is somebody else */
	assert_int_equal(first.st_mode & 0777, 0644);
	assert_false(write_file("t.json", "[]\n"));
	second = stat_of("t.json");
	assert_int_equal(first.st_ino, second.st_ino);
	assert_int_equal(first.st_mtim.tv_nsec, second.st_mtim.tv_nsec);
	chmod(tempdir_path("t.json"), 0640);
	assert_true(write_file("t.json", "[{}]\n"));
	assert_content("t.json", "[{}]\n");
	assert_int_equal(stat_of("t.json").st_mode & 0777, 0640);
	/* shorter, longer, the same length */
	assert_true(write_file("t.json", "[]\n"));
	assert_true(write_file("t.json", "{}\n"));
	assert_content("t.json", "{}\n");
}

static size_t files_in_tempdir(void)
{
	size_t n = 0;
	DIR *dir = opendir(tempdir);

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void where_no_file_can_be(void **state)
{
	struct error err = {0};
	bool changed;
	size_t before;

	(void)state;
	mkdir(tempdir_path("dir"), 0700);
	before = files_in_tempdir();
	assert_int_equal(targets_file_write(tempdir_path("dir"), "x", 1, &changed, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_non_null(strstr(err.msg, "no regular file"));
	assert_int_equal(targets_file_write(tempdir_path("none/t.json"), "x", 1, &changed, &err),
			 -1);
	assert_int_equal(err.code, ERR_USAGE);
	/* a link is not followed */
	assert_int_equal(symlink("t.json", tempdir_path("link")), 0);
	assert_int_equal(targets_file_write(tempdir_path("link"), "x", 1, &changed, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	unlink(tempdir_path("link"));
	/* the disk is full: what was there stays, and nothing else */
	assert_int_equal(targets_file_write("/dev/full", "x", 1, &changed, &err), -1);
	assert_int_equal(files_in_tempdir(), before);
}

/* No room: what was there stays, and nothing of the new one. */
static void what_cannot_be_written_leaves_nothing(void **state)
{
	struct rlimit before, small;
	struct error err = {0};
	size_t files;
	bool changed;
	int rc;

	(void)state;
	write_file("t.json", "[]\n");
	files = files_in_tempdir();
	getrlimit(RLIMIT_FSIZE, &before);
	small = (struct rlimit){.rlim_cur = 8, .rlim_max = before.rlim_max};
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &small);
	rc = targets_file_write(tempdir_path("t.json"), "[{}, {}, {}]\n", 13, &changed, &err);
	setrlimit(RLIMIT_FSIZE, &before);
	assert_int_equal(rc, -1);
	assert_int_equal(err.code, ERR_FAILED);
	assert_int_equal(err.sys, EFBIG);
	assert_content("t.json", "[]\n");
	assert_int_equal(files_in_tempdir(), files);
}

/* ---- tests: what is served ---- */

static char *served(struct targets_serve *s, const char *path, unsigned int status)
{
	struct httpd_answer a = {.status = 404, .body = BUF_INIT(256)};

	targets_serve_answer(s, path, &a);
	assert_int_equal(a.status, status);
	assert_false(a.body.overflow);
	return a.body.data ? a.body.data : xstrdup("");
}

static void assert_served(struct targets_serve *s, const char *path, unsigned int status,
			  const char *words)
{
	auto_free char *body = served(s, path, status);

	if (!strstr(body, words))
		fail_msg("%s: '%s' is not in '%s'", path, words, body);
}

static void a_server(void **state)
{
	struct targets_serve *s = targets_serve_new(600000);
	struct targets t = {.groups = json_pack("[{}, {}]"), .left_out = 3};

	(void)state;
	assert_served(s, "/healthz", 503, "not read yet");
	assert_served(s, "/targets", 503, "");
	targets_serve_publish(s, &t, "[{},{}]\n", 8);
	assert_served(s, "/targets", 200, "[{},{}]\n");
	assert_served(s, "/", 200, "[{},{}]\n");
	assert_served(s, "/metrics", 200, "\njdiag_targets 2\n");
	assert_served(s, "/metrics", 200, "\njdiag_targets_left_out 3\n");
	assert_served(s, "/healthz", 200, "ok\n");
	targets_serve_fail(s);
	assert_served(s, "/healthz", 200, "ok\n"); /* one failure is none yet */
	assert_served(s, "/metrics", 200, "\njdiag_targets_refreshes_total 2\n");
	assert_served(s, "/metrics", 200, "\njdiag_targets_refresh_failures_total 1\n");
	assert_served(s, "/other", 404, "");
	targets_serve_free(s);
	json_decref(t.groups);
}

/* The last answer stays, and that it is old is told. */
static void an_old_answer(void **state)
{
	struct targets_serve *s = targets_serve_new(20);
	struct targets t = {.groups = json_pack("[{}, {}]")};

	(void)state;
	targets_serve_publish(s, &t, "[{},{}]\n", 8);
	for (uint64_t start = now_ms(); now_ms() - start < 30;)
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	assert_served(s, "/healthz", 503, "was last read");
	targets_serve_fail(s);
	assert_served(s, "/healthz", 503, "was last read");
	assert_served(s, "/targets", 200, "[{},{}]\n");
	targets_serve_free(s);
	json_decref(t.groups);
}

static void its_own_metrics_are_prometheus_text(void **state)
{
	struct targets_serve *s = targets_serve_new(1000);
	struct targets t = {.groups = json_array()};
	struct prom_summary summary;
	struct error err = {0};
	auto_free char *page = NULL;

	(void)state;
	targets_serve_publish(s, &t, "[]\n", 3);
	page = served(s, "/metrics", 200);
	if (prom_parse(page, strlen(page), "text/plain; version=0.0.4; charset=utf-8", &summary,
		       &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(summary.samples, 8);
	targets_serve_free(s);
	json_decref(t.groups);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mark),
		cmocka_unit_test(a_mark_with_a_path),
		cmocka_unit_test(several_containers),
		cmocka_unit_test(several_jvms_of_a_container),
		cmocka_unit_test(annotations_of_others),
		cmocka_unit_test(the_same_pods_give_the_same_text),
		cmocka_unit_test(the_name_of_the_app),
		cmocka_unit_test(addresses),
		cmocka_unit_test(not_annotated),
		cmocka_unit_test(a_stale_mark),
		cmocka_unit_test(a_stale_mark_beside_a_good_one),
		cmocka_unit_test(not_alive),
		cmocka_unit_test(bad_annotations),
		cmocka_unit_test(bad_marks),
		cmocka_unit_test(a_port_that_is_taken),
		cmocka_unit_test(hostile_pods),
		cmocka_unit_test(many_notes_are_counted),
		cmocka_unit_test(no_target_is_an_empty_list),
		cmocka_unit_test(only_changes_are_written),
		cmocka_unit_test(where_no_file_can_be),
		cmocka_unit_test(what_cannot_be_written_leaves_nothing),
		cmocka_unit_test(a_server),
		cmocka_unit_test(an_old_answer),
		cmocka_unit_test(its_own_metrics_are_prometheus_text),
	};

	return cmocka_run_group_tests(tests, tempdir_make, tempdir_remove);
}
