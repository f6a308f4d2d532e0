/* jdiag */
#include "jdiag/exporter/mark.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "jdiag/json.h"
#include "remote/base/buf.h"
#include "tests/unit/fixture.h"

#define SCRAPE "prometheus.io/scrape"
#define PORT "prometheus.io/port"
#define PATH "prometheus.io/path"
#define APP_MARK MARK_PREFIX "app"

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* The recorded pod: containers app and sidecar, no annotation but kubectl's. */
static json_t *pod(void)
{
	auto_free char *text = fixture("kube/pod.json");
	json_t *o = json_from_text(text, strlen(text), "pod", ERR_FAILED, NULL);

	assert_non_null(o);
	return o;
}

static json_t *status_of(const json_t *object, const char *container)
{
	const json_t *all = json_at(object, "status.containerStatuses"), *one;

	for (size_t i = 0; (one = json_array_get(all, i)); i++)
		if (strcmp(json_str_at(one, "name", ""), container) == 0)
			return (json_t *)one;
	fail_msg("no container '%s'", container);
	return NULL;
}

static struct mark mark_of(const json_t *object, const char *container, uint64_t port)
{
	const char *id = json_str_at(status_of(object, container), "containerID", "");
	struct mark m = {.port = port,
			 .path = "/metrics",
			 .ns_pid = 1,
			 .start_time = 12345678,
			 .config = DIGEST,
			 .version = "1.0.1",
			 .jar = "/tmp/.jdiag-agents/jmx_prometheus_javaagent-1.0.1-"
				"0123456789ab.jar",
			 .file = "/tmp/.jdiag-agents/jmx-9404.yaml",
			 .scraped = "2026-11-21T16:00:00Z"};

	snprintf(m.container, sizeof(m.container), "%s", container);
	snprintf(m.id, sizeof(m.id), "%s", strstr(id, "://") + 3);
	m.restarts = json_u64_at(status_of(object, container), "restartCount", 99);
	return m;
}

static json_t *annotations(const json_t *object)
{
	return json_at(object, "metadata.annotations");
}

static void annotate(json_t *object, const char *key, const char *value)
{
	json_object_set_new(annotations(object), key, value ? json_string(value) : NULL);
}

/* RFC 7386, as far as annotations go. */
static void apply(json_t *object, json_t *patch)
{
	const char *key;
	json_t *value;

	json_object_foreach (patch, key, value) {
		if (json_is_null(value))
			json_object_del(annotations(object), key);
		else
			json_object_set(annotations(object), key, value);
	}
	json_decref(patch);
}

static void set(json_t *object, const struct mark *m, char told[MARK_TOLD])
{
	apply(object, mark_set(object, m, told));
}

static void has(const json_t *object, const char *scrape, const char *port, const char *path)
{
	const char *const keys[] = {SCRAPE, PORT, PATH}, *const want[] = {scrape, port, path};

	for (size_t i = 0; i < 3; i++) {
		const char *is = json_string_value(json_object_get(annotations(object), keys[i]));

		if (want[i] ? !is || strcmp(is, want[i]) != 0 : is != NULL)
			fail_msg("%s is %s", keys[i], is ? is : "not there");
	}
}

static void restart(json_t *object, const char *container)
{
	json_t *status = status_of(object, container);

	json_object_set_new(status, "restartCount", json_integer(1));
	json_object_set_new(status, "containerID", json_string("containerd://" DIGEST));
}

static void written_is_read(void **state)
{
	auto_json json_t *object = pod(), *before = pod();
	const struct mark m = mark_of(object, "app", 9404);
	struct mark now;
	char told[MARK_TOLD], why[128];

	(void)state;
	assert_int_equal(mark_read(object, "app", &now, why), 0);
	assert_string_equal(why, "");
	set(object, &m, told);
	assert_string_equal(told, "");
	has(object, "true", "9404", "/metrics");
	assert_int_equal(mark_read(object, "app", &now, why), 1);
	assert_string_equal(why, "");
	assert_string_equal(now.id, m.id);
	assert_string_equal(now.jar, m.jar);
	assert_int_equal(now.start_time, m.start_time);
	assert_true(mark_is_current(&now, object));
	assert_int_equal(mark_read(object, "sidecar", &now, why), 0);
	/* again: nothing */
	assert_null(mark_set(object, &m, told));
	/* and away: as it was */
	apply(object, mark_clear(object, "app", told));
	assert_string_equal(told, "");
	assert_true(json_equal(object, before));
	assert_null(mark_clear(object, "app", told));
}

static void what_is_not_known_is_left_out(void **state)
{
	auto_json json_t *object = pod();
	struct mark m = mark_of(object, "app", 9404), now;
	char told[MARK_TOLD], why[128];

	(void)state;
	m.config[0] = m.version[0] = m.jar[0] = m.file[0] = m.scraped[0] = '\0';
	set(object, &m, told);
	assert_int_equal(mark_read(object, "app", &now, why), 1);
	assert_string_equal(now.jar, "");
	assert_string_equal(now.scraped, "");
}

static void only_changes_are_sent(void **state)
{
	auto_json json_t *object = pod(), *patch = NULL, *port_patch = NULL;
	struct mark m = mark_of(object, "app", 9404);
	char told[MARK_TOLD];

	(void)state;
	set(object, &m, told);
	memset(m.config, 'f', 64);
	patch = mark_set(object, &m, told);
	assert_int_equal(json_object_size(patch), 1);
	assert_non_null(json_object_get(patch, APP_MARK));
	m.port = 9405;
	port_patch = mark_set(object, &m, told);
	assert_int_equal(json_object_size(port_patch), 2);
	assert_string_equal(json_string_value(json_object_get(port_patch, PORT)), "9405");
	assert_string_equal(told, "");
}

/* The order of members is not ours to keep. */
static void same_mark_in_another_order(void **state)
{
	auto_json json_t *object = pod(), *other = NULL;
	const struct mark m = mark_of(object, "app", 9404);
	char told[MARK_TOLD];
	const char *text;
	auto_free char *sorted = NULL;

	(void)state;
	set(object, &m, told);
	text = json_string_value(json_object_get(annotations(object), APP_MARK));
	other = json_from_text(text, strlen(text), "mark", ERR_FAILED, NULL);
	sorted = json_dumps(other, JSON_SORT_KEYS);
	assert_string_not_equal(sorted, text);
	annotate(object, APP_MARK, sorted);
	assert_null(mark_set(object, &m, told));
}

static void foreign_keys_are_left_alone(void **state)
{
	static const struct {
		const char *scrape, *port, *path, *told;
	} cases[] = {
		{"false", NULL, NULL, SCRAPE " 'false' is the pod's own"},
		{"true", "8080", "/actuator/prometheus", PORT " '8080' is the pod's own"},
		{"true", NULL, NULL, SCRAPE " 'true' is the pod's own"},
		{NULL, "8080", NULL, PORT " '8080' is the pod's own"},
		{"true", "9404", "/other", PATH " '/other' is the pod's own"},
		{"tr\x1b[2Jue", NULL, NULL, SCRAPE " 'tr\\x1b[2Jue' is the pod's own"},
		/* as it should be already */
		{"true", "9404", "/metrics", NULL},
		{"true", "9404", NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_json json_t *object = pod(), *before = NULL;
		const struct mark m = mark_of(object, "app", 9404);
		char told[MARK_TOLD];

		annotate(object, SCRAPE, cases[i].scrape);
		annotate(object, PORT, cases[i].port);
		annotate(object, PATH, cases[i].path);
		before = json_deep_copy(object);
		set(object, &m, told);
		has(object, cases[i].scrape, cases[i].port, cases[i].path);
		if (cases[i].told ? !strstr(told, cases[i].told) : *told)
			fail_msg("%zu: '%s'", i, told);
		if (cases[i].told)
			assert_non_null(
				strstr(told, "does not scrape port 9404 of container 'app'"));
		/* and are not ours to remove */
		apply(object, mark_clear(object, "app", told));
		assert_true(json_equal(object, before));
	}
}

/* Annotations that the user has changed since are the user's. */
static void changed_keys_stay(void **state)
{
	auto_json json_t *object = pod();
	const struct mark m = mark_of(object, "app", 9404);
	char told[MARK_TOLD];

	(void)state;
	set(object, &m, told);
	annotate(object, PORT, "8080");
	apply(object, mark_set(object, &m, told));
	has(object, "true", "8080", "/metrics");
	assert_non_null(strstr(told, PORT " '8080' is the pod's own"));

	annotate(object, PORT, "9404");
	apply(object, mark_clear(object, "app", told));
	assert_string_equal(told, "");
	has(object, "true", "9404", "/metrics");
	assert_null(json_object_get(annotations(object), APP_MARK));
}

static void changed_keys_are_not_removed(void **state)
{
	auto_json json_t *object = pod();
	const struct mark m = mark_of(object, "app", 9404);
	char told[MARK_TOLD];

	(void)state;
	set(object, &m, told);
	annotate(object, PORT, "8080");
	apply(object, mark_clear(object, "app", told));
	has(object, "true", "8080", "/metrics");
	assert_non_null(strstr(told, "stays: the pod's annotations for Prometheus"));
	assert_null(json_object_get(annotations(object), APP_MARK));
}

static void removed_keys_come_back(void **state)
{
	auto_json json_t *object = pod();
	const struct mark m = mark_of(object, "app", 9404);
	char told[MARK_TOLD];

	(void)state;
	set(object, &m, told);
	annotate(object, PATH, NULL);
	json_object_del(annotations(object), PATH);
	set(object, &m, told);
	assert_string_equal(told, "");
	has(object, "true", "9404", "/metrics");
}

/* Both containers have one; the keys are of the first. */
static void set_both(json_t *object, char told[MARK_TOLD])
{
	const struct mark app = mark_of(object, "app", 9404),
			  side = mark_of(object, "sidecar", 9405);

	set(object, &app, told);
	set(object, &side, told);
}

static void two_containers(void **state)
{
	auto_json json_t *object = pod();
	struct mark now;
	char told[MARK_TOLD], why[128];

	(void)state;
	set_both(object, told);
	has(object, "true", "9404", "/metrics");
	assert_non_null(strstr(told, PORT " '9404' is for container 'app', and is left alone"));
	assert_non_null(strstr(told, "port 9405 of container 'sidecar'"));
	assert_int_equal(mark_read(object, "sidecar", &now, why), 1);
	/* each removes its own */
	apply(object, mark_clear(object, "sidecar", told));
	assert_string_equal(told, "");
	has(object, "true", "9404", "/metrics");
	apply(object, mark_clear(object, "app", told));
	has(object, NULL, NULL, NULL);
}

static void keys_are_handed_on(void **state)
{
	auto_json json_t *object = pod(), *before = json_deep_copy(object);
	const struct mark app = mark_of(object, "app", 9404);
	char told[MARK_TOLD];

	(void)state;
	set_both(object, told);
	apply(object, mark_hand_on(object, "app", "", told));
	assert_non_null(strstr(told, "name port 9405 of container 'sidecar' now"));
	has(object, "true", "9405", "/metrics");
	/* they are its own: gone with it, nobody else is left */
	apply(object, mark_hand_on(object, "sidecar", "", told));
	assert_string_equal(told, "");
	assert_true(json_equal(object, before));
	/* none that goes as well, none that has gone */
	set_both(object, told);
	apply(object, mark_hand_on(object, "app", "sidecar", told));
	has(object, NULL, NULL, NULL);
	set(object, &app, told);
	restart(object, "sidecar");
	apply(object, mark_hand_on(object, "app", "", told));
	has(object, NULL, NULL, NULL);
	assert_null(mark_hand_on(object, "app", "", told));
}

/* What the user has changed is not handed on. */
static void changed_keys_are_not_handed_on(void **state)
{
	auto_json json_t *object = pod();
	char told[MARK_TOLD];

	(void)state;
	set_both(object, told);
	annotate(object, PORT, "8080");
	apply(object, mark_hand_on(object, "app", "", told));
	assert_non_null(strstr(told, "stays"));
	has(object, "true", "8080", "/metrics");
}

/* The exporter of a container that has restarted is gone, and its keys are free. */
static void keys_of_a_container_that_restarted(void **state)
{
	auto_json json_t *object = pod();
	struct mark app = mark_of(object, "app", 9404), now;
	const struct mark side = mark_of(object, "sidecar", 9405);
	char told[MARK_TOLD], why[128];

	(void)state;
	set(object, &app, told);
	restart(object, "app");
	assert_int_equal(mark_read(object, "app", &now, why), 1);
	assert_false(mark_is_current(&now, object));
	set(object, &side, told);
	assert_string_equal(told, "");
	has(object, "true", "9405", "/metrics");
	/* the old mark has lost them: not back, and not removed with it */
	app = mark_of(object, "app", 9404);
	set(object, &app, told);
	assert_non_null(strstr(told, "is for container 'sidecar'"));
	has(object, "true", "9405", "/metrics");
	apply(object, mark_clear(object, "app", told));
	has(object, "true", "9405", "/metrics");
	apply(object, mark_clear(object, "sidecar", told));
	has(object, NULL, NULL, NULL);
}

/* ---- several JVMs of a container ---- */

static struct mark further_of(const json_t *object, uint64_t pid, uint64_t port)
{
	struct mark m = mark_of(object, "app", port);

	m.further = true;
	m.ns_pid = pid;
	return m;
}

static void assert_names(const json_t *object, const char *container, const char *want)
{
	auto_buf struct buf got = BUF_INIT(MAX_MARKS * MARK_NAME);
	char names[MAX_MARKS][MARK_NAME];
	size_t n = mark_names(object, container, names);

	for (size_t i = 0; i < n; i++)
		buf_addf(&got, "%s ", names[i]);
	assert_string_equal(buf_str(&got), want);
}

static void several_jvms(void **state)
{
	auto_json json_t *object = pod(), *before = pod();
	const struct mark first = mark_of(object, "app", 9404),
			  second = further_of(object, 107, 9405),
			  third = further_of(object, 18, 9406);
	struct mark now;
	char told[MARK_TOLD], why[128];

	(void)state;
	set(object, &second, told);
	has(object, "true", "9405", "/metrics");
	set(object, &first, told);
	assert_non_null(strstr(told, PORT " '9405' is for container 'app', and is left alone"));
	set(object, &third, told);
	assert_names(object, "app", "app app.18 app.107 ");
	assert_names(object, "sidecar", "");
	assert_int_equal(mark_read(object, "app.107", &now, why), 1);
	assert_string_equal(now.container, "app");
	assert_true(now.further && now.ns_pid == 107 && now.port == 9405);
	assert_true(mark_is_current(&now, object));
	assert_int_equal(mark_read(object, "app", &now, why), 1);
	assert_true(!now.further && now.port == 9404);
	assert_null(mark_set(object, &second, told));
	/* each removes its own */
	apply(object, mark_clear(object, "app", told));
	has(object, "true", "9405", "/metrics");
	assert_names(object, "app", "app.18 app.107 ");
	apply(object, mark_clear(object, "app.107", told));
	has(object, NULL, NULL, NULL);
	apply(object, mark_clear(object, "app.18", told));
	assert_true(json_equal(object, before));
}

static void names_that_are_none(void **state)
{
	static const char *const bad[] = {"app.",   "app.0", "app.01", "app.x",		  "app.1.2",
					  "app.-1", ".17",   "App",    "app.99999999999", "app. 1"};
	auto_json json_t *object = pod();
	struct mark m = further_of(object, 17, 9405);
	char told[MARK_TOLD], why[128], name[MARK_NAME];
	const char *text;

	(void)state;
	set(object, &m, told);
	text = json_string_value(json_object_get(annotations(object), MARK_PREFIX "app.17"));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		auto_free char *key = xasprintf(MARK_PREFIX "%s", bad[i]);

		annotate(object, key, text);
		if (mark_read(object, bad[i], &m, why) != 0)
			fail_msg("'%s'", bad[i]);
	}
	assert_names(object, "app", "app.17 ");
	/* the pid in the text counts */
	annotate(object, MARK_PREFIX "app.18", text);
	assert_int_equal(mark_read(object, "app.18", &m, why), 0);
	assert_string_equal(why, "its 'pid' is not that of its name");

	memset(m.container, 'a', sizeof(m.container) - 1);
	m.container[sizeof(m.container) - 1] = '\0';
	assert_false(mark_name(&m, name));
	m.further = false;
	assert_true(mark_name(&m, name));
}

static void no_more_names_than_that(void **state)
{
	auto_json json_t *object = pod();
	char names[MAX_MARKS][MARK_NAME];

	(void)state;
	for (int i = 1; i < 100; i++) {
		auto_free char *key = xasprintf(MARK_PREFIX "app.%d", i);

		annotate(object, key, "{}");
	}
	assert_int_equal(mark_names(object, "app", names), MAX_MARKS);
}

static void current_is_this_instance(void **state)
{
	auto_json json_t *object = pod();
	struct mark m = mark_of(object, "app", 9404);

	(void)state;
	assert_true(mark_is_current(&m, object));
	m.restarts = 1;
	assert_false(mark_is_current(&m, object));
	m = mark_of(object, "app", 9404);
	m.id[0] = m.id[0] == '0' ? '1' : '0';
	assert_false(mark_is_current(&m, object));
	m = mark_of(object, "app", 9404);
	snprintf(m.container, sizeof(m.container), "sidecar");
	assert_false(mark_is_current(&m, object));
	snprintf(m.container, sizeof(m.container), "none");
	assert_false(mark_is_current(&m, object));
	m = mark_of(object, "app", 9404);
	json_object_del(json_at(status_of(object, "app"), "state"), "running");
	assert_false(mark_is_current(&m, object));
	assert_false(mark_is_current(&m, NULL));
}

#define GOOD                                                                              \
	"\"v\": 1, \"id\": \"" DIGEST "\", \"restarts\": 0, \"port\": 9404, \"jvm\": 1, " \
	"\"pid\": 1, \"path\": \"/metrics\""

static const struct {
	const char *text, *why;
} hostile[] = {
	{"", "it is not JSON"},
	{"{", "it is not JSON"},
	{"[]", "it is no object"},
	{"{" GOOD ", \"v\": 1}", "it is not JSON"},
	{"{}", "another version"},
	{"{\"v\": 2}", "another version"},
	{"{\"v\": \"1\"}", "another version"},
	{"{\"v\": 1}", "its 'id'"},
	{"{\"v\": 1, \"id\": \"../../etc/passwd\"}", "its 'id'"},
	{"{\"v\": 1, \"id\": \"" DIGEST "\", \"path\": \"metrics\"}", "its 'path'"},
	{"{\"v\": 1, \"id\": \"" DIGEST "\", \"path\": \"//evil.example/\"}", "its 'path'"},
	{"{\"v\": 1, \"id\": \"" DIGEST "\", \"path\": \"/a b\"}", "its 'path'"},
	{"{\"v\": 1, \"id\": \"" DIGEST "\", \"path\": \"/a\\r\\nX: y\"}", "its 'path'"},
	{"{\"v\": 1, \"id\": \"" DIGEST "\", \"path\": \"/a?b\"}", "its 'path'"},
	{"{\"v\": 1, \"id\": \"" DIGEST "\", \"path\": \"/m\", \"restarts\": -1}",
	 "its 'restarts'"},
	{"{\"v\": 1, \"id\": \"" DIGEST "\", \"path\": \"/m\", \"restarts\": 0, \"port\": 0}",
	 "its 'port'"},
	{"{\"v\": 1, \"id\": \"" DIGEST "\", \"path\": \"/m\", \"restarts\": 0, \"port\": 65536}",
	 "its 'port'"},
	{"{\"v\": 1, \"id\": \"" DIGEST "\", \"path\": \"/m\", \"restarts\": 0, \"port\": \"1\"}",
	 "its 'port'"},
	{"{\"v\": 1, \"id\": \"" DIGEST "\", \"path\": \"/m\", \"restarts\": 0, \"port\": 1}",
	 "its 'jvm'"},
	{"{" GOOD ", \"jar\": \"/x/../etc/jmx_prometheus_javaagent-1.jar\"}", "its 'jar'"},
	{"{" GOOD ", \"jar\": \"jmx_prometheus_javaagent-1.jar\"}", "its 'jar'"},
	{"{" GOOD ", \"jar\": \"/etc/\"}", "its 'jar'"},
	{"{" GOOD ", \"jar\": \"/tmp/..\"}", "its 'jar'"},
	{"{" GOOD ", \"jar\": \"/tmp/a b.jar\"}", "its 'jar'"},
	{"{" GOOD ", \"jar\": 7}", "its 'jar'"},
	{"{" GOOD ", \"jar\": \"/app/program.jar\"}", "its 'jar'"},
	{"{" GOOD ", \"file\": \"/etc/passwd\"}", "its 'file'"},
	{"{" GOOD ", \"file\": \"/etc/jmx-1.yaml/passwd\"}", "its 'file'"},
	{"{" GOOD ", \"file\": \"/tmp//jmx-1.yaml\"}", "its 'file'"},
	{"{" GOOD ", \"file\": \"/t\\u0007mp/jmx-1.yaml\"}", "its 'file'"},
	{"{" GOOD ", \"config\": \"abc\"}", "its 'config'"},
	{"{" GOOD ", \"version\": \"1.0 \\u001b[2J\"}", "its 'version'"},
	{"{" GOOD ", \"version\": \"1\\u0000\"}", "it is not JSON"},
	{"{" GOOD ", \"scraped\": \"now\"}", "its 'scraped'"},
	{"{" GOOD ", \"scraped\": null}", "its 'scraped'"},
};

static void hostile_marks_are_not_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
		auto_json json_t *object = pod();
		struct mark m = {.port = 7}, wanted = mark_of(object, "app", 9404);
		char told[MARK_TOLD], why[128];

		annotate(object, APP_MARK, hostile[i].text);
		assert_int_equal(mark_read(object, "app", &m, why), 0);
		if (!strstr(why, hostile[i].why))
			fail_msg("%zu: '%s'", i, why);
		assert_int_equal(m.port, 7);
		/* one of ours takes its place */
		set(object, &wanted, told);
		assert_int_equal(mark_read(object, "app", &m, why), 1);
		assert_int_equal(m.port, 9404);
	}
}

static void hostile_marks_take_nothing_along(void **state)
{
	auto_json json_t *object = pod();
	struct mark m;
	char told[MARK_TOLD], why[128];

	(void)state;
	annotate(object, SCRAPE, "true");
	annotate(object, PORT, "8080");
	/* keys that are none of Prometheus's; Prometheus's, but with other values */
	annotate(object, APP_MARK,
		 "{" GOOD ", \"set\": [\"kubectl.kubernetes.io/last-applied-configuration\", "
		 "\"" SCRAPE "\", \"" PORT "\", 7, null]}");
	assert_int_equal(mark_read(object, "app", &m, why), 1);
	apply(object, mark_clear(object, "app", told));
	has(object, "true", "8080", NULL);
	assert_int_equal(json_object_size(annotations(object)), 3);
	/* one that cannot be read */
	annotate(object, APP_MARK, "{\"set\": [\"" SCRAPE "\"]}");
	apply(object, mark_clear(object, "app", told));
	assert_non_null(strstr(told, "the mark cannot be read: it was written by another"));
	has(object, "true", "8080", NULL);
}

static void large_and_strange_annotations(void **state)
{
	auto_json json_t *object = pod(), *bare = json_pack("{s:{s:s}}", "metadata", "name", "x");
	auto_json json_t *patch = NULL;
	auto_free char *large = malloc(1 << 20);
	struct mark m = mark_of(object, "app", 9404);
	char told[MARK_TOLD], why[128];

	(void)state;
	memset(large, ' ', (1 << 20) - 1);
	large[(1 << 20) - 1] = '\0';
	annotate(object, APP_MARK, large);
	assert_int_equal(mark_read(object, "app", &m, why), 0);
	assert_string_equal(why, "it is larger than 8192 bytes");
	json_object_set_new(annotations(object), APP_MARK, json_integer(7));
	assert_int_equal(mark_read(object, "app", &m, why), 0);
	assert_string_equal(why, "it is no text");
	annotate(object, MARK_PREFIX "../x", "{}");
	assert_int_equal(mark_read(object, "../x", &m, why), 0);
	/* no annotations at all */
	assert_int_equal(mark_read(bare, "app", &m, why), 0);
	assert_null(mark_clear(bare, "app", told));
	patch = mark_set(NULL, &m, told);
	assert_int_equal(json_object_size(patch), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(written_is_read),
		cmocka_unit_test(what_is_not_known_is_left_out),
		cmocka_unit_test(only_changes_are_sent),
		cmocka_unit_test(same_mark_in_another_order),
		cmocka_unit_test(foreign_keys_are_left_alone),
		cmocka_unit_test(changed_keys_stay),
		cmocka_unit_test(changed_keys_are_not_removed),
		cmocka_unit_test(removed_keys_come_back),
		cmocka_unit_test(two_containers),
		cmocka_unit_test(keys_are_handed_on),
		cmocka_unit_test(changed_keys_are_not_handed_on),
		cmocka_unit_test(keys_of_a_container_that_restarted),
		cmocka_unit_test(several_jvms),
		cmocka_unit_test(names_that_are_none),
		cmocka_unit_test(no_more_names_than_that),
		cmocka_unit_test(current_is_this_instance),
		cmocka_unit_test(hostile_marks_are_not_read),
		cmocka_unit_test(hostile_marks_take_nothing_along),
		cmocka_unit_test(large_and_strange_annotations),
	};

	return cmocka_run_group_tests_name("mark", tests, NULL, NULL);
}
