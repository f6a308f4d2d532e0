# jdiag exporter: the real exporter into real JVMs, run again, changed, restarted, looked at, removed.
load lib
load exporter

setup_file() {
	rig_up
	pod_up v8 --image 8 --pod-label=tier=java
	pod_up v11 --image 11 --pod-label=tier=java
	pod_up v17 --image 17 --read-only --pod-label=tier=java
	pod_up v21 --image 21 --pod-label=tier=java
	pod_up v25 --image 25 --pod-label=tier=java
}
teardown_file() { rig_down; }

no_thread_dump() { ! grep -q 'Full thread dump' "$(container log "$1")"; }

@test "dry run: a plan, and nothing is done" {
	inject v17 --dry-run
	says planned
	says 9404
	tells "load, scrape, annotate"
	inject v17 --dry-run --no-annotate
	tells "load, scrape"
	[[ $stderr != *"annotate"* ]]
	no_agent v17
	inject v25 --dry-run -o json
	json_lines 'x[0]["state"] == "planned" and x[0]["port"] == 9404 and x[0]["warns"]'
	no_agent v25
}

@test "five Java versions at once, by label" {
	inject -l tier=java
	[ "${#lines[@]}" = 6 ]
	for v in 8 11 17 21 25; do
		says "v$v"
		[ "$(annotation "v$v" prometheus.io/scrape)" = true ]
		[ "$(annotation "v$v" prometheus.io/port)" = 9404 ]
		[ "$(annotation "v$v" prometheus.io/path)" = /metrics ]
		[[ $(annotation "v$v" exporter.jdiag.dev/app) == *'"version":"1.0.1"'* ]]
		metrics "v$v" 9404 >"$RIG_RUN/out/page"
		grep -q '^jvm_' "$RIG_RUN/out/page"
		grep -q '^jmx_exporter_build_info' "$RIG_RUN/out/page"
		container working "v$v"
		no_thread_dump "v$v"
	done
	grep -q 'WARNING: A Java agent has been loaded dynamically' "$(container log v25)"
	! grep -q 'WARNING: A Java agent' "$(container log v17)" || false
}

@test "again: nothing to do, nothing is changed" {
	local before
	before=$(annotation v17 exporter.jdiag.dev/app)
	inject -l tier=java -o json
	json_lines 'len(x) == 5 and all(r["state"] == "unchanged" for r in x)'
	json_lines 'all(r["samples"] > 100 for r in x)'
	[ "$(annotation v17 exporter.jdiag.dev/app)" = "$before" ]
}

@test "status: injected, with its numbers" {
	run_jdiag -s 0 exporter status -l tier=java -n shop -o json
	json_lines 'len(x) == 5 and all(r["state"] == "injected" and r["by"] == "jdiag" for r in x)'
	json_lines 'all(r["version"] == "1.0.1" and r["port"] == 9404 and len(r["config"]) == 64 for r in x)'
	run_jdiag -s 0 exporter status v8 -n shop
	[[ ${lines[0]} == NAME*AGE ]]
	[[ ${lines[1]} == v8*injected*9404* ]]
	run_jdiag -s 0 exporter status -A -o wide
	says v25
}

@test "status of the cluster alone: one list, no node" {
	local before
	before=$(wc -l <"$RIG_RUN/kube/requests")
	run_jdiag -s 0 exporter status -l tier=java -n shop --no-scrape -o json
	json_lines 'len(x) == 5 and all(r["state"] == "injected" for r in x)'
	[ "$(tail -n +$((before + 1)) "$RIG_RUN/kube/requests" | wc -l)" = 1 ]
}

@test "another configuration: replaced at its path, marked when a scrape has proved it" {
	local before
	before=$(annotation v17 exporter.jdiag.dev/app)
	JAR=$(jar 1.0.1)
	inject v17 --config "$(config one.yaml 'rules:' '- pattern: "java.lang<type=Runtime><>Uptime"' '  name: my_uptime')" -o json
	json_lines 'x[0]["state"] == "reloaded"'
	tells "cannot be unloaded"
	[ "$(annotation v17 exporter.jdiag.dev/app)" != "$before" ]
	metrics v17 9404 | grep -q '^my_uptime'
	# 8 sees whole seconds of a file's time
	inject v8 --config "$RIG_RUN/out/one.yaml" -o json
	json_lines 'x[0]["state"] == "reloaded"'
	metrics v8 9404 | grep -q '^my_uptime'
	inject v17 --config "$RIG_RUN/out/one.yaml" -o json
	json_lines 'x[0]["state"] == "unchanged"'
	# without --config it stays
	inject v17 -o json
	json_lines 'x[0]["state"] == "unchanged"'
	tells "keeps the configuration that it was given before"
	metrics v17 9404 | grep -q '^my_uptime'
}

@test "from a ConfigMap" {
	kube_state configmap shop/jmx --data "$(printf 'jmx.yaml=rules:\n- pattern: "java.lang<type=Runtime><>Uptime"\n  name: map_uptime\n')"
	inject v11 --config configmap/jmx -o json
	json_lines 'x[0]["state"] == "reloaded"'
	metrics v11 9404 | grep -q '^map_uptime'
}

@test "another port, another version: what cannot be had any more is said" {
	inject v21 --port 9500
	tells "v21/app: unchanged: the exporter listens on port 9404, which cannot be changed"
	inject v21 --port 9500 -q
	tells "cannot be changed"
	inject v21 --port 9500 -o json
	json_lines 'x[0]["port"] == 9404 and "cannot be changed" in x[0]["reason"]'
	inject v21 --port 9404-9500 -o json
	json_lines '"reason" not in x[0]'
	inject v21 --port 9500 --config "$RIG_RUN/out/one.yaml" --dry-run
	tells "replace the configuration at the same path; the exporter listens on port 9404"
	JAR=$(jar 0.20.0) inject v21
	tells "exporter 1.0.1 is loaded and cannot be unloaded"
}

@test "the container was restarted: injected again" {
	restarted v17
	run_jdiag -s 0 exporter status v17 -n shop -o json
	json_lines 'x[0]["state"] == "restarted" and "restarted" in x[0]["reason"]'
	# its configuration went with the container: it does not get the default instead
	inject -s 10 v17
	tells "before the restart the exporter had another configuration than the default"
	tells "give it again, --config"
	tells "nothing was loaded"
	inject -s 10 v17 --dry-run
	tells "had another configuration"
	[ -z "$(files v17)" ]
	inject v17 --config "$RIG_RUN/out/one.yaml" --dry-run
	says planned
	inject v17 --config "$RIG_RUN/out/one.yaml" -o json
	json_lines 'x[0]["state"] == "reinjected"'
	metrics v17 9404 | grep -q '^my_uptime'
	[[ $(annotation v17 exporter.jdiag.dev/app) == *'"restarts":1'* ]]
}

@test "restarted with the default configuration: it gets that again, without --config" {
	restarted v21
	inject v21 -o json
	json_lines 'x[0]["state"] == "reinjected"'
	metrics v21 9404 | grep -q '^jvm_'
}

@test "eject, dry run: what would go, and nothing does" {
	run_jdiag -s 0 exporter eject v21 -n shop --dry-run
	says planned
	tells "v21/app: planned: remove jar, configuration and annotations"
	[ -n "$(files v21)" ]
	[ "$(annotation v21 prometheus.io/port)" = 9404 ]
	restarted v8
	run_jdiag -s 0 exporter eject v8 -n shop --dry-run -o json
	json_lines 'len(x) == 1 and x[0]["plan"] == "remove the annotations"'
	inject v8 --config "$RIG_RUN/out/one.yaml"
}

@test "restarted, and the default from now on: eject removes the mark" {
	restarted v11
	inject -s 10 v11
	tells "exporter eject first"
	run_jdiag -s 0 exporter eject v11 -n shop
	inject v11 -o json
	json_lines 'x[0]["state"] == "injected"'
}

@test "eject: annotations and files, and the exporter goes on" {
	run_jdiag -s 2 exporter eject v25 -n shop --no-annotate
	tells "the pod's mark would go on to name files that are removed"
	[ -n "$(files v25)" ]
	run_jdiag -s 0 exporter eject v25 v17 -n shop
	tells "goes on to answer on port 9404 until that ends; to have it again: exporter inject --port 9404"
	run_jdiag -s 0 exporter eject v25 -n shop -o json
	json_lines 'x[0]["state"] == "nothing" and "gone already" in x[0]["reason"]'
	not_annotated v25
	[ -z "$(files v25)" ]
	not_annotated v17
	metrics v25 9404 | grep -q '^jvm_'
	run_jdiag -s 0 exporter status v25 -n shop -o json
	json_lines 'x[0]["state"] == "unmarked"'
	untouched v17
}

@test "after that it is found again" {
	inject v25 -o json
	json_lines 'x[0]["state"] == "reloaded" and x[0]["port"] == 9404'
	[ "$(annotation v25 prometheus.io/port)" = 9404 ]
}

@test "annotations that cannot be removed: of several pods, too, each JVM is told that is done" {
	inject v8 v11
	echo '[{"path": "/pods/", "method": "PATCH", "do": "status", "code": 403, "reason": "Forbidden"}]' \
		>"$RIG_RUN/kube/faults.json"
	run_jdiag -s 4 exporter eject v8 v11 -n shop -o json
	json_lines 'sorted((r["pod"], r["kind"], r.get("removed")) for r in x) ==
		[("v11", "Exporter", 2), ("v11", "Failure", None), ("v8", "Exporter", 2), ("v8", "Failure", None)]'
	run_jdiag -s 4 exporter eject v8 v11 -n shop
	[[ ${lines[1]} == v8*" app "*ejected* && ${lines[2]} == v8*failed* ]]
	[[ ${lines[3]} == v11*" app "*ejected* && ${lines[4]} == v11*failed* ]]
	rm "$RIG_RUN/kube/faults.json"
	run_jdiag -s 0 exporter eject v8 v11 -n shop -o name
	not_annotated v8
	not_annotated v11
}
