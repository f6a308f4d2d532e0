# jdiag exporter: JVMs that share a container and are restarted with it, pods that share the node's ports.
load lib
load exporter

setup_file() { rig_up; }
teardown_file() { rig_down; }

teardown() { stop_working; }

@test "two JVMs restarted: injected again, and no mark is left of those that have ended" {
	two_up
	inject two --all --port 9404-9410
	[ "$(kube_state annotations shop/two | grep -c exporter.jdiag.dev/)" = 2 ]
	restarted two
	wait_for 40 grep -q '^child ready' "$(container log two)"
	inject two --jvm 1 -o json
	json_lines 'len(x) == 1 and x[0]["state"] == "reinjected"'
	[ "$(kube_state annotations shop/two | grep -c exporter.jdiag.dev/)" = 1 ]
	run_jdiag -s 0 targets two -n shop -o name
	[[ ${#lines[@]} == 1 && $stderr != *"inject it again"* ]]
}

# hosts NUMBER: so many pods host-0, host-1, ... in one network, the node's own for all that the API says.
hosts() {
	local i
	pod_up host-0 --pod-host-network --pod-label=net=host
	for ((i = 1; i < $1; i++)); do
		pod_up "host-$i" --net "/proc/$(container pid host-0)/ns/net" --pod-host-network --pod-label=net=host
	done
}

# hosts_gone NUMBER: they are at work, and go; the network's own at last.
hosts_gone() {
	local i
	for ((i = $1 - 1; i >= 0; i--)); do
		container working "host-$i"
		container stop "host-$i"
		kube_state remove "shop/host-$i"
	done
}

@test "pods in the node's own network share its ports: each gets one of its own" {
	local i
	hosts 4
	inject host-0
	inject -s 10 host-1
	tells "port 9404 is in use: somebody else listens there"
	no_agent host-1
	inject -s 10 -l net=host
	tells "port 9404 is in use: by the exporter of pod 'host-0', container 'app'"
	tells "give a range, of which each gets one: --port 9404-9499"
	no_agent host-3
	inject -l net=host --port 9404-9410 -o json
	json_lines '{r["state"] for r in x if r["pod"] != "host-0"} == {"injected"}'
	json_lines '[(r["state"], r["port"]) for r in x if r["pod"] == "host-0"] == [("unchanged", 9404)]'
	json_lines 'sorted(r["port"] for r in x) == [9404, 9405, 9406, 9407]'
	for i in 0 1 2 3; do
		metrics "host-$i" "$(annotation "host-$i" prometheus.io/port)" | grep -q '^jvm_'
	done
	hosts_gone 4
}

@test "pods in the node's own network, and no port is left" {
	hosts 3
	inject host-0 host-1 --port 9404-9405
	inject -s 10 host-2 --port 9404-9405
	tells "no port from 9404 to 9405 is free"
	no_agent host-2
	hosts_gone 3
}

@test "a JVM that loses its port to another one of its container leaves the jar, which that one may be about to open" {
	local hang run child
	hang=$("$RIG/agents.sh" exporter-hang)
	two_up
	inject -s 3 two
	child=$(sed -n 's/.*--jvm \([0-9]*\) .*/\1/p' <<<"$stderr" | grep -vx 1)
	jdiag_env timeout 100 "$JDIAG" exporter inject two -n shop --jar "$hang" --jvm 1 >/dev/null 2>&1 3>&- &
	run=$!
	wait_for 40 grep -q 'agent: hang' "$(container log two)"
	# as if the other run had been the first to place it
	find "/proc/$(container pid two)/root/tmp/.jdiag-agents" -name '*.jar' -delete
	JAR=$hang inject -s 10 two --jvm "$child"
	tells "port 9404 is about to be another JVM's"
	tells "the jar stays in the container"
	[ "$(files two | grep -c '\.jar$')" = 1 ]
	[ "$(files two | grep -c '^jmx-9404-')" = 1 ]
	kill "$run" || true
	wait "$run" || true
}

# hangs NUMBER: agents that do not come back.
hangs() { [[ $(cat "$(container log lost-0)" "$(container log lost-1)" | grep -c '^agent: hang') == "$1" ]]; }

@test "a connection that breaks while an exporter is loaded: this run gives its port to no other JVM" {
	local run i
	pod_up lost-0 --pod-host-network --pod-label=net=lost
	pod_up lost-1 --net "/proc/$(container pid lost-0)/ns/net" --pod-host-network --pod-label=net=lost
	jdiag_env timeout 100 "$JDIAG" exporter inject -n shop --jar "$("$RIG/agents.sh" exporter-hang)" -l net=lost \
		--port 9404-9410 >"$RIG_RUN/out/lost" 2>"$RIG_RUN/out/lost.err" 3>&- &
	run=$!
	for i in 1 2; do
		wait_for 40 hangs "$i"
		# shellcheck disable=SC2046 # a list of pids, of which one may have ended
		kill -KILL $(helper_pids) || true
	done
	if wait "$run"; then false; fi
	output=$(<"$RIG_RUN/out/lost") stderr=$(<"$RIG_RUN/out/lost.err")
	printf '%s\n' "$output" "$stderr"
	tells "whether the exporter is loaded is not known"
	tells "port 9404 may yet be another JVM's, which was told to take it and has not answered: 9405 is taken instead"
	[ "$({ files lost-0 && files lost-1; } | grep -o '^jmx-[0-9]*' | sort | tr '\n' ' ')" = "jmx-9404 jmx-9405 " ]
	for i in 1 0; do
		container working "lost-$i"
		container stop "lost-$i"
	done
}
