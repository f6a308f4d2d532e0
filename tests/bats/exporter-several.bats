# jdiag exporter: several JVMs in a container, several containers in a pod, several pods; whose exporter it is.
load lib
load exporter

setup_file() { rig_up; }
teardown_file() { rig_down; }

teardown() { stop_working; }

@test "two JVMs: listed and refused, --jvm chooses" {
	two_up
	inject -s 3 two
	tells "pod 'two' has 2 JVMs"
	tells "-c app --jvm 1  Checkout"
	tells "--all --port 9404-9499"
	no_agent two
	inject two --jvm 1 -o json
	json_lines 'len(x) == 1 and x[0]["state"] == "injected" and x[0]["pid"] == 1'
}

@test "two JVMs: each with a port of its own" {
	two_up
	inject two --all --port 9404-9410 -o json
	json_lines 'len(x) == 2 and [r["port"] for r in x] == [9404, 9405]'
	json_lines 'all(r["state"] == "injected" and r["annotated"] for r in x)'
	tells "does not scrape port 9405 of container 'app' (jdiag targets has it)"
	metrics two 9404 | grep -q '^jvm_'
	metrics two 9405 | grep -q '^jvm_'
	[ "$(annotation two prometheus.io/port)" = 9404 ]
	run_jdiag -s 0 exporter status two -n shop -o json
	json_lines '[(r["state"], r["port"]) for r in x] == [("injected", 9404), ("injected", 9405)]'
	run_jdiag -s 0 exporter status -A --no-scrape -o json
	json_lines '[(r["state"], r["port"]) for r in x if r["pod"] == "two"] == [("injected", 9404), ("injected", 9405)]'
	run_jdiag -s 0 targets two -n shop -o name
	[[ ${lines[0]} == *:9404 && ${lines[1]} == *:9405 && ${#lines[@]} == 2 ]]
	inject two --all --port 9404-9410 -o json
	json_lines '[(r["state"], r["port"]) for r in x] == [("unchanged", 9404), ("unchanged", 9405)]'
	run_jdiag -s 0 exporter eject two -n shop --jvm 1
	[ -z "$(annotation two exporter.jdiag.dev/app)" ]
	tells "handed on: they name port 9405 of container 'app' now"
	[ "$(annotation two prometheus.io/port)" = 9405 ]
	run_jdiag -s 0 exporter status two -n shop -o json
	json_lines '[r["state"] for r in x] == ["unmarked", "injected"]'
	run_jdiag -s 0 exporter eject two -n shop
	[ -z "$(files two)" ]
	not_annotated two
	run_jdiag -s 0 exporter status -A --no-scrape -o json
	json_lines '[r["state"] for r in x if r["pod"] == "two"] == ["none"]'
}

@test "two JVMs and one port: refused before the first" {
	two_up
	inject -s 2 two --all
	tells "2 JVMs of pod 'two' want an exporter, and there is one port, 9404"
	tells "-c app --jvm 1  Checkout"
	tells "--all --port 9404-9499"
	no_agent two
	inject -s 2 two --all --dry-run
	tells "there is one port"
	# once each has one, none is wanted
	inject two --all --port 9404-9410
	inject two --all -o json
	json_lines '[(r["state"], r["port"]) for r in x] == [("unchanged", 9404), ("unchanged", 9405)]'
}

@test "without a mark, on another port: the ports of the JVM are told" {
	pod_up odd
	inject odd --port 9500
	run_jdiag -s 0 exporter eject odd -n shop
	tells "goes on to answer on port 9500 until that ends; to have it again: exporter inject --port 9500"
	run_jdiag -s 0 exporter status odd -n shop -o json
	json_lines 'x[0]["state"] == "unmarked" and "9500" in x[0]["reason"]'
	inject -s 1 odd
	tells "the JVM does not listen on port 9404"
	tells "--port N (the JVM listens on 9500)"
	inject odd --port 9500 --no-annotate -o json
	json_lines 'x[0]["state"] == "reloaded" and x[0]["port"] == 9500'
	[ -n "$(files odd)" ]
	run_jdiag -s 0 exporter eject odd -n shop
	tells "goes on to answer on port 9500"
	[ -z "$(files odd)" ]
}

@test "two containers: each is injected and marked" {
	pod_up web
	container start --image 21 --pod "$(container pod web)" side
	pod_at_api web --container "side=$(container id side)"
	inject -s 3 web
	tells "-c side --jvm 1"
	inject web -c side -o json
	json_lines 'len(x) == 1 and x[0]["container"] == "side"'
	[ -z "$(files web)" ]
	inject web --all --port 9404-9499 -o json
	json_lines '{r["container"]: r["state"] for r in x} == {"app": "injected", "side": "unchanged"}'
	[ -n "$(annotation web exporter.jdiag.dev/app)" ]
	[ -n "$(annotation web exporter.jdiag.dev/side)" ]
	[ "$(annotation web prometheus.io/port)" = 9404 ]
	run_jdiag -s 0 exporter eject web -n shop -c side
	tells "handed on: they name port 9404 of container 'app' now"
	[ "$(annotation web prometheus.io/port)" = 9404 ]
	run_jdiag -s 0 exporter eject web -n shop
	[ -z "$(annotation web prometheus.io/port)" ]
}

@test "one bad pod never stops the rest" {
	pod_up good-0 --pod-label=tier=java
	pod_up good-1 --pod-label=tier=java
	pod_up bad-0 --pod-label=tier=java --java -XX:+DisableAttachMechanism
	pod_up none-0 --pod-label=tier=java --exec fakejvm -- plain
	inject -s 7 -l tier=java
	[ "${#lines[@]}" = 5 ]
	[[ ${lines[1]} == bad-0*failed* ]]
	[[ ${lines[2]} == good-0*injected* && ${lines[3]} == good-1*injected* ]]
	[[ ${lines[4]} == none-0*no-jvm* ]]
	tells "bad-0: "
	tells "DisableAttachMechanism"
	kube_state pod shop/late --node "$NODE" --container "app=" --label tier=java --phase Pending
	run_jdiag -s 0 exporter status -l tier=java -n shop -o json
	json_lines '{r["pod"]: r["state"] for r in x} == {"bad-0": "none", "good-0": "injected", "good-1": "injected", "none-0": "no-jvm", "late": "not-running"}'
	json_lines 'all(r["reason"] for r in x if r["state"] != "injected")'
	kube_state remove shop/late
	container stop none-0
	local name
	for name in good-0 good-1 bad-0 none-0; do kube_state remove "shop/$name"; done
}

@test "all namespaces: rows, lines and names say which" {
	pod_up good-0 --pod-label=tier=java
	pod_up none-0 --pod-label=tier=java --exec fakejvm -- plain
	kube_state pod lab/good-0 --node "$NODE" --container "app=" --label tier=java --phase Pending
	inject -A -l tier=java
	[[ ${lines[0]} =~ ^NAMESPACE\ +NAME\ +CONTAINER ]]
	[[ ${lines[1]} =~ ^shop\ +good-0\ +app\ .*injected ]]
	tells "shop/none-0: no-jvm: "
	run_jdiag -s 0 exporter status -A -l tier=java
	[[ $output =~ $'\n'lab\ +good-0\ .*not-running ]]
	[[ $output =~ $'\n'shop\ +good-0\ +app\ .*injected ]]
	tells "lab/good-0: not-running: "
	run_jdiag -s 0 exporter status -A -l tier=java -o name
	[[ $output == *shop/good-0/app* && $output == *lab/good-0* ]]
	run_jdiag -s 0 exporter status good-0 -n shop -o name
	[ "$output" = good-0/app ]
	container stop none-0
	local pod
	for pod in shop/good-0 shop/none-0 lab/good-0; do kube_state remove "$pod"; done
}

@test "behind ssh://: --pid chooses, and the words are of no pod" {
	local host
	host=ssh://root@127.0.0.1:$(<"$RIG_RUN/ssh/port")
	container start --image 17 one
	container start --image 17 two
	inject -s 3 "$host"
	tells "JVMs match, choose one with --pid PID"
	tells "--pid $(container pid one)  Checkout"
	inject "$host" --pid "$(container pid one)" -o json
	json_lines 'len(x) == 1 and x[0]["state"] == "injected"'
	run_jdiag -s 0 exporter status "$host" --pid "$(container pid one)"
	says unmarked
	tells "here is no pod that could say so"
	[[ $stderr != *"run inject again"* ]]
	run_jdiag -s 0 exporter eject "$host" --pid "$(container pid one)"
	tells "the exporter in the JVM (pid $(container pid one)) goes on to answer on port 9404"
}

@test "somebody else's exporter is left alone: at the start, loaded later" {
	local dir
	dir=$(dirname "$(jar 1.0.1)")
	config start.yaml 'rules: []'
	pod_up first --bind "$dir:/agents" --bind "$RIG_RUN/out:/config" \
		--java "-javaagent:/agents/jmx_prometheus_javaagent-1.0.1.jar=9300:/config/start.yaml"
	inject first -o json
	json_lines 'x[0]["state"] == "foreign" and x[0]["by"] == "start"'
	no_agent first
	run_jdiag -s 0 exporter status first -n shop -o json
	json_lines 'x[0]["state"] == "foreign"'
	# by its classes, whatever its jar is called
	cp "$(jar 0.20.0)" "$RIG_RUN/out/metrics.jar"
	pod_up later --image 8 --bind "$RIG_RUN/out:/config" --java "-javaagent:/config/metrics.jar=9300:/config/start.yaml"
	inject later -o json
	json_lines 'x[0]["state"] == "foreign" and x[0]["by"] == "somebody"'
	no_agent later
}

@test "older exporters: loaded, and their configuration replaced; one without an Agent-Class is refused" {
	local file
	pod_up old --image 8
	pod_up new --image 25
	JAR=$(jar 0.3.1) inject -s 2 old
	tells "Agent-Class"
	file=$(config rule.yaml 'rules:' '- pattern: "java.lang<type=Runtime><>Uptime"' '  name: my_uptime')
	JAR=$(jar 0.12.0) inject old -o json
	json_lines 'x[0]["state"] == "injected" and x[0]["version"] == "0.12.0"'
	JAR=$(jar 0.12.0) inject old -o json --config "$file"
	json_lines 'x[0]["state"] == "reloaded"'
	metrics old 9404 | grep -q '^my_uptime'
	JAR=$(jar 0.20.0) inject new -o json
	json_lines 'x[0]["state"] == "injected" and x[0]["version"] == "0.20.0"'
	JAR=$(jar 0.20.0) inject new -o json --config "$file"
	json_lines 'x[0]["state"] == "reloaded"'
	metrics new 9404 | grep -q '^my_uptime'
}
