/* jdiag */
#include "jdiag/kube/pod.h"

#include <setjmp.h>
#include <stddef.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/json.h"
#include "jdiag/kube/node.h"
#include "jdiag/kube/quantity.h"
#include "tests/unit/fixture.h"

static json_t *load(const char *name)
{
	char *text = fixture(name);
	json_t *v = json_loads(text, 0, NULL);

	free(text);
	assert_non_null(v);
	return v;
}

/* Put a value (JSON text) at a path of members and indexes: "status.containerStatuses.0.name". */
static void set(json_t *root, const char *path, const char *json)
{
	json_t *at = root, *value = json_loads(json, JSON_DECODE_ANY, NULL);
	char name[64];

	assert_non_null(value);
	for (;;) {
		size_t n = strcspn(path, ".");
		bool index = path[0] >= '0' && path[0] <= '9';

		memcpy(name, path, n);
		name[n] = '\0';
		if (!path[n]) {
			if (index)
				json_array_set_new(at, strtoul(name, NULL, 10), value);
			else
				json_object_set_new(at, name, value);
			return;
		}
		at = index ? json_array_get(at, strtoul(name, NULL, 10))
			   : json_object_get(at, name);
		assert_non_null(at);
		path += n + 1;
	}
}

static int pod_with(const char *path, const char *json, struct pod *p, struct error *err)
{
	auto_json json_t *o = load("kube/pod.json");

	if (path)
		set(o, path, json);
	return pod_from_json(o, p, err);
}

static struct pod good_pod(void)
{
	struct error err = {0};
	struct pod p;

	assert_int_equal(pod_with(NULL, NULL, &p, &err), 0);
	return p;
}

static void real_pod_is_taken_apart(void **state)
{
	struct pod p = good_pod();
	const struct pod_container *c = &p.containers[0];

	(void)state;
	assert_string_equal(p.ns, "shop");
	assert_string_equal(p.name, "checkout-17");
	assert_string_equal(p.uid, "da297ad7-f179-4f09-a5c2-e8dc29bd6aa4");
	assert_string_equal(p.node, "gke-rig-pool-1");
	assert_string_equal(p.host_ip, "127.0.0.1");
	assert_string_equal(p.phase, "Running");
	assert_string_equal(p.runtime_class, "");
	assert_false(p.deleting);
	assert_int_equal(p.n_containers, 2);
	assert_string_equal(c->name, "app");
	assert_string_equal(c->runtime, "containerd");
	assert_string_equal(c->id,
			    "7bbadabd3369bc65d17e232f0b24ed78f1574981765aa870e69ea4829a07dfdb");
	assert_string_equal(c->image, "localhost/leaky17:1");
	assert_string_equal(c->state, "running");
	assert_true(c->running);
	assert_true(c->has_liveness);
	assert_int_equal(c->liveness_budget_ms, 30000);
	assert_int_equal(c->memory_limit, 1800ull << 20);
	assert_false(p.containers[1].has_liveness);
	assert_int_equal(c->storage_limit, 2ull << 30);
	assert_int_equal(p.containers[1].memory_limit, 0);
	assert_int_equal(p.containers[1].storage_limit, 0);
}

static void items_of_a_list_are_pods(void **state)
{
	auto_json json_t *list = load("kube/pods-page1.json");
	struct error err = {0};
	struct pod p;
	size_t i;
	json_t *item;

	(void)state;
	json_array_foreach (json_object_get(list, "items"), i, item) {
		assert_int_equal(pod_from_json(item, &p, &err), 0);
	}
	assert_int_equal(i, 3);
}

static void liveness_has_defaults(void **state)
{
	static const struct {
		const char *probe;
		uint64_t budget;
	} cases[] = {{"{}", 30000},
		     {"{\"failureThreshold\": 6}", 60000},
		     {"{\"periodSeconds\": 2}", 6000},
		     {"{\"periodSeconds\": 0, \"failureThreshold\": -1}", 30000},
		     {"{\"periodSeconds\": 9999999999}", 3000ull * INT32_MAX}};
	struct error err = {0};
	struct pod p;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(
			pod_with("spec.containers.0.livenessProbe", cases[i].probe, &p, &err), 0);
		assert_int_equal(p.containers[0].liveness_budget_ms, cases[i].budget);
	}
}

/* It counts instead of the liveness probe until it has succeeded, and never afterwards. */
static void a_startup_probe_counts_while_it_runs(void **state)
{
	static const char probe[] = "{\"failureThreshold\": 30, \"periodSeconds\": 1}";
	auto_json json_t *object = load("kube/pod.json");
	json_t *spec = json_array_get(json_at(object, "spec.containers"), 0);
	json_t *statuses = json_at(object, "status.containerStatuses"), *status;
	struct error err = {0};
	struct pod p;
	size_t i;

	(void)state;
	json_object_set_new(spec, "startupProbe", json_loads(probe, 0, NULL));
	for (int started = 0; started < 2; started++) {
		json_array_foreach (statuses, i, status)
			json_object_set_new(status, "started", json_boolean(started));
		assert_int_equal(pod_from_json(object, &p, &err), 0);
		assert_true(p.containers[0].has_liveness);
		assert_int_equal(p.containers[0].starting, !started);
	}
	json_object_del(spec, "livenessProbe");
	assert_int_equal(pod_from_json(object, &p, &err), 0);
	assert_false(p.containers[0].has_liveness);
	json_array_foreach (statuses, i, status)
		json_object_del(status, "started");
	assert_int_equal(pod_from_json(object, &p, &err), 0);
	assert_true(p.containers[0].has_liveness && p.containers[0].starting);
	assert_int_equal(p.containers[0].liveness_budget_ms, 30000);
}

/* Every field that something is done with, as a hostile or broken server could send it. */
static void hostile_fields_are_refused(void **state)
{
	static const char *const cases[][2] = {
		{"kind", "\"Secret\""},
		{"metadata", "{}"},
		{"metadata.name", "\"../etc\""},
		{"metadata.name", "\"a b\""},
		{"metadata.name", "7"},
		{"metadata.namespace", "\"\""},
		{"metadata.namespace", "\"a.b\""},
		{"metadata.uid", "\"x/y\""},
		{"metadata.uid", "null"},
		{"spec.nodeName", "\"-oProxyCommand=x\""},
		{"spec.nodeName", "\"node;id\""},
		{"spec.nodeName", "[]"},
		{"spec.runtimeClassName", "\"\\u001b[31m\""},
		{"spec.containers", "[]"},
		{"spec.containers", "{}"},
		{"spec.containers.0", "null"},
		{"spec.containers.0.name", "\"UPPER\""},
		{"spec.containers.0.name", "\"sidecar\""},
		{"spec.containers.0.resources.limits.memory", "\"lots\""},
		{"spec.containers.0.resources.limits.memory", "\"-1\""},
		{"spec.containers.0.resources.limits.ephemeral-storage", "\"1 GB\""},
		{"status.hostIP", "\"127.0.0.1 \""},
		{"status.hostIP", "\"localhost\""},
		{"status.hostIP", "\"1.2.3\""},
		{"status.phase", "\"Run\\nning\""},
		{"status.containerStatuses.0.containerID", "\"\""},
		{"status.containerStatuses.0.containerID", "\"containerd://abc\""},
		{"status.containerStatuses.0.containerID",
		 "\"containerd://7bbadabd3369bc65d17e232f0b24ed78f1574981765aa870e69ea4829a07df/"
		 "b\""},
		{"status.containerStatuses.0.containerID",
		 "\"://7bbadabd3369bc65d17e232f0b24ed78f1574981765aa870e69ea4829a07dfdb\""},
		{"status.containerStatuses.0.containerID",
		 "\"7bbadabd3369bc65d17e232f0b24ed78f1574981765aa870e69ea4829a07dfdb\""},
	};
	struct error err;
	struct pod p = {.n_containers = 77};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		err = (struct error){0};
		if (pod_with(cases[i][0], cases[i][1], &p, &err) == 0)
			fail_msg("%s = %s is taken", cases[i][0], cases[i][1]);
		assert_int_equal(err.code, ERR_API);
		assert_int_equal(p.n_containers, 77);
	}
}

static void free_text_is_escaped(void **state)
{
	struct error err = {0};
	struct pod p;

	(void)state;
	assert_int_equal(
		pod_with("spec.containers.0.image", "\"a\\u001b]0;x\\u0007\\r\"", &p, &err), 0);
	assert_string_equal(p.containers[0].image, "a\\x1b]0;x\\x07\\x0d");
	assert_int_equal(pod_with("status.containerStatuses.0.state",
				  "{\"waiting\": {\"reason\": \"Crash\\u001bLoop\"}}", &p, &err),
			 0);
	assert_string_equal(p.containers[0].state, "waiting: Crash\\x1bLoop");
}

static void too_many_containers_are_refused(void **state)
{
	auto_json json_t *o = load("kube/pod.json");
	json_t *list = json_at(o, "spec.containers");
	struct error err = {0};
	struct pod p;

	(void)state;
	while (json_array_size(list) < POD_MAX_CONTAINERS) {
		json_array_append_new(list, json_pack("{s:o}", "name",
						      json_sprintf("c%zu", json_array_size(list))));
	}
	assert_int_equal(pod_from_json(o, &p, &err), 0);
	assert_int_equal(p.n_containers, POD_MAX_CONTAINERS);
	json_array_append_new(list, json_pack("{s:s}", "name", "more"));
	assert_int_equal(pod_from_json(o, &p, &err), -1);
	assert_non_null(strstr(err.msg, "more than 64"));
}

static void sidecars_and_ephemeral_containers_count(void **state)
{
	static const char id[] = "7bbadabd3369bc65d17e232f0b24ed78f1574981765aa870e69ea4829a07dfdb";
	auto_json json_t *o = load("kube/pod.json");
	struct error err = {0};
	struct pod p;
	char status[256];

	(void)state;
	set(o, "spec.initContainers",
	    "[{\"name\": \"setup\"}, {\"name\": \"mesh\", \"restartPolicy\": \"Always\"}]");
	set(o, "spec.ephemeralContainers", "[{\"name\": \"debugger\"}]");
	snprintf(status, sizeof(status),
		 "[{\"name\": \"mesh\", \"restartCount\": 3, \"containerID\": \"cri-o://%s\", "
		 "\"state\": {\"running\": {}}}]",
		 id);
	set(o, "status.initContainerStatuses", status);
	assert_int_equal(pod_from_json(o, &p, &err), 0);
	assert_int_equal(p.n_containers, 4);
	assert_string_equal(p.containers[2].name, "mesh");
	assert_string_equal(p.containers[2].runtime, "cri-o");
	assert_int_equal(p.containers[2].restarts, 3);
	assert_true(p.containers[2].running);
	assert_string_equal(p.containers[3].name, "debugger");
	assert_string_equal(p.containers[3].state, "not started");
}

static void an_init_container_that_runs_counts(void **state)
{
	static const char running[] =
		"[{\"name\": \"done\", \"state\": {\"terminated\": {\"reason\": \"Completed\"}}}, "
		"{\"name\": \"setup\", \"containerID\": \"containerd://"
		"7bbadabd3369bc65d17e232f0b24ed78f1574981765aa870e69ea4829a07dfdb\", "
		"\"state\": {\"running\": {}}}]";
	auto_json json_t *o = load("kube/pod.json");
	struct error err = {0};
	struct pod p;

	(void)state;
	set(o, "status.phase", "\"Pending\"");
	set(o, "spec.initContainers", "[{\"name\": \"done\"}, {\"name\": \"setup\"}]");
	assert_int_equal(pod_from_json(o, &p, &err), 0);
	assert_int_equal(pod_check_reachable(&p, &err), -1);
	set(o, "status.initContainerStatuses", running);
	assert_int_equal(pod_from_json(o, &p, &err), 0);
	assert_int_equal(pod_check_reachable(&p, &err), 0);
	assert_int_equal(p.n_containers, 3);
	assert_ptr_equal(pod_pick_container(&p, "setup", &err), &p.containers[2]);
	assert_null(pod_pick_container(&p, "done", &err));
}

static void unreachable_pods_say_why(void **state)
{
	static const char *const cases[][3] = {
		{"status.phase", "\"Pending\"", "does not run yet: it is Pending"},
		{"status.phase", "\"Succeeded\"", "has ended: it is Succeeded"},
		{"status.phase", "\"Failed\"", "has ended: it is Failed"},
		{"spec.nodeName", "null", "has no node"},
		{"metadata.deletionTimestamp", "\"2026-11-21T04:00:00Z\"", "being deleted"},
		{"spec.runtimeClassName", "\"gvisor\"", "gVisor"},
		{"spec.runtimeClassName", "\"my-runsc\"", "gVisor"},
		{"spec.runtimeClassName", "\"kata-qemu\"", "Kata"},
		{"spec.os", "{\"name\": \"windows\"}", "Windows"},
	};
	struct error err = {0};
	struct pod p = good_pod();

	(void)state;
	assert_int_equal(pod_check_reachable(&p, &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(pod_with(cases[i][0], cases[i][1], &p, &err), 0);
		assert_int_equal(pod_check_reachable(&p, &err), -1);
		assert_int_equal(err.code, ERR_TARGET);
		if (!strstr(err.msg, cases[i][2]))
			fail_msg("'%s' lacks '%s'", err.msg, cases[i][2]);
	}
	assert_int_equal(pod_with("spec.runtimeClassName", "\"nvidia\"", &p, &err), 0);
	assert_int_equal(pod_check_reachable(&p, &err), 0);
}

static void container_is_never_guessed(void **state)
{
	struct error err = {0};
	struct pod p = good_pod();

	(void)state;
	assert_null(pod_pick_container(&p, NULL, &err));
	assert_int_equal(err.code, ERR_TARGET);
	assert_non_null(strstr(err.hint, "-c: app (running), sidecar (running)"));
	assert_ptr_equal(pod_pick_container(&p, "sidecar", &err), &p.containers[1]);
	assert_null(pod_pick_container(&p, "nope", &err));
	assert_string_equal(err.msg, "pod 'checkout-17' has no container 'nope'");
	p.containers[1].running = false;
	snprintf(p.containers[1].state, sizeof(p.containers[1].state), "%s",
		 "waiting: CrashLoopBackOff");
	assert_ptr_equal(pod_pick_container(&p, NULL, &err), &p.containers[0]);
	assert_null(pod_pick_container(&p, "sidecar", &err));
	assert_non_null(strstr(err.msg, "does not run: waiting: CrashLoopBackOff"));
	p.containers[0].running = false;
	assert_null(pod_pick_container(&p, NULL, &err));
	assert_non_null(strstr(err.msg, "no container"));
}

static void change_is_noticed(void **state)
{
	static const char *const cases[][3] = {
		{"metadata.uid", "\"11111111-f179-4f09-a5c2-e8dc29bd6aa4\"", "another pod"},
		{"metadata.deletionTimestamp", "\"2026-11-21T04:00:00Z\"", "deleted"},
		{"spec.nodeName", "\"gke-rig-pool-2\"", "another node"},
		{"status.hostIP", "\"127.0.0.2\"", "another node"},
		{"status.containerStatuses.0.restartCount", "1", "restarted"},
		{"status.containerStatuses.0.containerID",
		 "\"containerd://"
		 "0000dabd3369bc65d17e232f0b24ed78f1574981765aa870e69ea4829a07dfdb\"",
		 "restarted"},
		{"status.containerStatuses.0.state",
		 "{\"terminated\": {\"reason\": \"OOMKilled\"}}", "does not run"},
	};
	struct pod before = good_pod(), now = before;
	struct error err = {0};

	(void)state;
	assert_int_equal(pod_check_unchanged(&before, &now, "app", &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(pod_with(cases[i][0], cases[i][1], &now, &err), 0);
		assert_int_equal(pod_check_unchanged(&before, &now, "app", &err), -1);
		assert_int_equal(err.code, ERR_TARGET);
		if (!strstr(err.msg, cases[i][2]))
			fail_msg("'%s' lacks '%s'", err.msg, cases[i][2]);
	}
	/* what happens to another container is no matter */
	assert_int_equal(pod_with("status.containerStatuses.1.restartCount", "5", &now, &err), 0);
	assert_int_equal(pod_check_unchanged(&before, &now, "app", &err), 0);
}

static void quantities_are_bytes(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{"0", 0},
		{"1", 1},
		{"512Mi", 512ull << 20},
		{"1G", 1000000000},
		{"1.5Gi", 3ull << 29},
		{"128974848000m", 128974848},
		{"1e9", 1000000000},
		{"1E3", 1000},
		{"12E", 12000000000000000000ull},
		{"1Ei", 1ull << 60},
		{"100Ei", UINT64_MAX},
		{"1e99", UINT64_MAX},
		{"0.1", 1},
		{"1n", 1},
		{"1e-9", 1},
		{".5Ki", 512},
		{"5.", 5},
		{"+7k", 7000},
		{"000000000000000000000001", 1},
	};
	static const char *const bad[] = {
		"",   "Mi",  "1mi",   "1 Gi", "-1", "1.2.3", "e9",
		"1e", "1e+", "1e999", "0x10", ".",  "1Mib",  "1234567890123456789012"};
	uint64_t v;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		if (!quantity_to_bytes(good[i].text, &v) || v != good[i].bytes)
			fail_msg("'%s' is not %llu", good[i].text,
				 (unsigned long long)good[i].bytes);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (quantity_to_bytes(bad[i], &v))
			fail_msg("'%s' is taken", bad[i]);
	}
}

/* row 34: object data must not steer where we log in */
static void address_is_the_nodes_own(void **state)
{
	auto_json json_t *node = load("kube/node.json");
	struct error err = {0};
	char address[64];

	(void)state;
	assert_int_equal(node_address(node, NULL, "127.0.0.1", address, sizeof(address), &err), 0);
	assert_string_equal(address, "127.0.0.1");
	assert_int_equal(node_address(node, NULL, "10.6.6.6", address, sizeof(address), &err), -1);
	assert_int_equal(err.code, ERR_TARGET);
	assert_int_equal(node_address(node, "hostname", "10.6.6.6", address, sizeof(address), &err),
			 -1);
	assert_int_equal(node_address(node, NULL, NULL, address, sizeof(address), &err), 0);
	assert_string_equal(address, "127.0.0.1");
	assert_int_equal(node_address(node, "hostname", NULL, address, sizeof(address), &err), 0);
	assert_string_equal(address, "gke-rig-pool-1");
	assert_int_equal(node_address(node, "external", NULL, address, sizeof(address), &err), -1);
	assert_int_equal(err.code, ERR_TARGET);
	assert_int_equal(node_address(node, "psychic", NULL, address, sizeof(address), &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_int_equal(
		node_address(node, "{name}.nodes.example", NULL, address, sizeof(address), &err),
		0);
	assert_string_equal(address, "gke-rig-pool-1.nodes.example");
	assert_int_equal(node_address(node, "-o{name}", NULL, address, sizeof(address), &err), -1);
	assert_int_equal(node_address(node, "hostname", NULL, address, 5, &err), -1);
}

static void addresses_that_are_none_do_not_count(void **state)
{
	auto_json json_t *node = load("kube/node.json");
	struct error err = {0};
	char address[64];

	(void)state;
	set(node, "status.addresses",
	    "[{\"type\": \"InternalIP\", \"address\": \"-oProxyCommand=x\"},"
	    " {\"type\": \"InternalIP\", \"address\": \"a b\"},"
	    " {\"type\": \"InternalIP\", \"address\": \"fe80::1\"}]");
	assert_int_equal(node_address(node, NULL, NULL, address, sizeof(address), &err), 0);
	assert_string_equal(address, "fe80::1");
	assert_int_equal(node_address(node, NULL, "FE80:0::1", address, sizeof(address), &err), 0);
	set(node, "status.addresses", "{}");
	assert_int_equal(node_address(node, NULL, NULL, address, sizeof(address), &err), -1);
	set(node, "metadata.name", "\"../x\"");
	assert_int_equal(node_address(node, NULL, NULL, address, sizeof(address), &err), -1);
	assert_int_equal(err.code, ERR_API);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_pod_is_taken_apart),
		cmocka_unit_test(items_of_a_list_are_pods),
		cmocka_unit_test(liveness_has_defaults),
		cmocka_unit_test(a_startup_probe_counts_while_it_runs),
		cmocka_unit_test(hostile_fields_are_refused),
		cmocka_unit_test(free_text_is_escaped),
		cmocka_unit_test(too_many_containers_are_refused),
		cmocka_unit_test(sidecars_and_ephemeral_containers_count),
		cmocka_unit_test(an_init_container_that_runs_counts),
		cmocka_unit_test(unreachable_pods_say_why),
		cmocka_unit_test(container_is_never_guessed),
		cmocka_unit_test(change_is_noticed),
		cmocka_unit_test(quantities_are_bytes),
		cmocka_unit_test(address_is_the_nodes_own),
		cmocka_unit_test(addresses_that_are_none_do_not_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
