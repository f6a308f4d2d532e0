# What is wrong before an exporter is loaded is refused, each with its reason and with the JVM alive.
load lib
load exporter

setup_file() {
	rig_up
	pod_up web
	pod_up old --image 8
}
teardown_file() { rig_down; }

teardown() {
	rm -f "$RIG_RUN/kube/faults.json" "$RIG_RUN/kube/users.json"
	if [[ -n ${LISTENER:-} ]]; then kill "$LISTENER"; fi
	no_agent web && no_agent old && untouched web
}

# refused STATUS TEXT ARGUMENT...: by inject; nothing is done.
refused() {
	local expect=$1 text=$2
	shift 2
	inject -s "$expect" "$@"
	[ -z "$output" ] || return 1
	tells "$text"
}

# gone NAME: its pod and container.
gone() {
	kube_state remove "shop/$1"
	container stop "$1"
}

@test "ports: privileged, out of range, no number" {
	refused 2 "privileged" web --port 80
	refused 2 "no such port" web --port 65536
	refused 2 "ends before" web --port 9499-9404
	refused 2 "not a number" web --port jmx
}

@test "a port in use, on IPv6 alone, and one that the pod keeps" {
	local pid
	pid=$(container pid web)
	nsenter --net="/proc/$pid/ns/net" python3 -c 'import socket, time
a = socket.create_server(("127.0.0.1", 9404))
b = socket.socket(socket.AF_INET6); b.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1); b.bind(("::1", 9405)); b.listen()
print("ready", flush=True); time.sleep(600)' >"$RIG_RUN/out/listener" 3>&- &
	LISTENER=$!
	wait_for 20 grep -q ready "$RIG_RUN/out/listener"
	refused 10 "port 9404 is in use: somebody else listens there" web
	refused 10 "port 9405 is in use" web --port 9405
	refused 10 "no port from 9404 to 9405 is free" web --port 9404-9405
	inject web --port 9404-9406 --dry-run -o json
	json_lines 'x[0]["port"] == 9406'
	kill "$LISTENER"
	wait "$LISTENER" || true # it listens until it has ended
	unset LISTENER
	pod_at_api web --port app=9404
	refused 10 "port 9404 is a containerPort of 'app'" web
	pod_at_api web
}

@test "jars" {
	JAR=/nonexistent.jar refused 2 "No such file" web
	local kind
	for kind in text truncated flipped no-manifest no-agent-class empty; do
		JAR=$("$RIG/agents.sh" $kind) refused 2 "$kind.jar" web
	done
	JAR=$("$RIG/agents.sh" naughty) refused 2 "not the JMX exporter" web
}

@test "a jar for a later Java" {
	JAR=$("$RIG/agents.sh" exporter-java11) refused 10 "needs Java 11, the JVM is 1.8" old
}

@test "no jar in the usual places" {
	run_jdiag -s 2 exporter inject web -n shop
	tells "no exporter is here"
	tells "scripts/fetch-exporter"
}

@test "the newest jar of the usual places" {
	mkdir -p "$RIG_RUN/home/.local/share/jdiag"
	cp "$(jar 0.20.0)" "$RIG_RUN/home/.local/share/jdiag/jmx_prometheus_javaagent-0.20.0.jar"
	cp "$(jar 1.0.1)" "$RIG_RUN/home/.local/share/jdiag/jmx_prometheus_javaagent-1.0.1.jar"
	cp "$(jar 0.3.1)" "$RIG_RUN/home/.local/share/jdiag/jmx_prometheus_javaagent-0.3.1.jar"
	run_jdiag -s 0 exporter inject web -n shop --dry-run -o json
	json_lines 'x[0]["version"] == "1.0.1"'
	rm -r "$RIG_RUN/home/.local"
}

# finds JAR: that is the one which is taken; it is none, so nothing else happens.
finds() {
	run_jdiag -s 2 exporter inject web -n shop
	tells "'$1'"
}

@test "the usual places, one after the other" {
	local out=$RIG_RUN/out jar
	for jar in home/.local/share/jdiag/@0.9.0 out/data/jdiag/@0.8.0 out/a/jdiag/@0.7.0 out/a/jdiag/@0.6.1 \
		out/b/jdiag/@1.0.0; do
		jar=$RIG_RUN/${jar/@/jmx_prometheus_javaagent-}.jar
		mkdir -p "${jar%/*}"
		echo "is none" >"$jar"
	done
	local JDIAG_EXTRA_ENV=(XDG_DATA_DIRS="$out/none:relative:$out/a:$out/b")
	finds "$RIG_RUN/home/.local/share/jdiag/jmx_prometheus_javaagent-0.9.0.jar"
	JDIAG_EXTRA_ENV+=(XDG_DATA_HOME=relative)
	finds "$RIG_RUN/home/.local/share/jdiag/jmx_prometheus_javaagent-0.9.0.jar"
	JDIAG_EXTRA_ENV+=(XDG_DATA_HOME="$out/data")
	finds "$out/data/jdiag/jmx_prometheus_javaagent-0.8.0.jar"
	rm -r "$out/data"
	finds "$out/a/jdiag/jmx_prometheus_javaagent-0.7.0.jar"
	rm -r "$out/a" "$RIG_RUN/home/.local"
	finds "$out/b/jdiag/jmx_prometheus_javaagent-1.0.0.jar"
}

@test "configurations" {
	refused 2 "No such file" web --config /nonexistent
	refused 2 "broken.yaml" web --config "$(config broken.yaml 'rules: [')"
	refused 2 "unknown.yaml" web --config "$(config unknown.yaml 'rulez: []')"
	refused 2 "regex.yaml" web --config "$(config regex.yaml 'rules:' '- pattern: "(a"')"
	head -c 2M /dev/zero | tr '\0' '#' >"$RIG_RUN/out/large.yaml"
	refused 2 "larger than a configuration can be" web --config "$RIG_RUN/out/large.yaml"
}

@test "no pod of that name, a node" {
	refused 3 "nope" nope
	refused 2 "is no pod" "node/$NODE"
}

@test "a JVM that lets no agents in" {
	pod_up shut --image 21 --java -XX:-EnableDynamicAgentLoading
	refused 7 "EnableDynamicAgentLoading" shut
	no_agent shut
	run_jdiag -s 0 exporter status shut -n shop -o json
	json_lines 'x[0]["state"] == "none" and "inject cannot load one: agents are not allowed in" in x[0]["reason"]'
	gone shut
	pod_up deaf --java -XX:+DisableAttachMechanism
	refused 7 "DisableAttachMechanism" deaf
	no_agent deaf
	run_jdiag -s 0 exporter status deaf -n shop -o json
	json_lines 'x[0]["state"] == "none" and "DisableAttachMechanism" in x[0]["reason"]'
	gone deaf
	pod_up xrs --java -Xrs
	mv "/proc/$(container pid xrs)/root/tmp/.java_pid1" "/proc/$(container pid xrs)/root/tmp/away"
	refused 7 "-Xrs" xrs
	no_agent xrs
	mv "/proc/$(container pid xrs)/root/tmp/away" "/proc/$(container pid xrs)/root/tmp/.java_pid1"
	inject xrs -o json
	json_lines 'x[0]["state"] == "injected"'
	gone xrs
}

@test "a security manager" {
	pod_up guard --image 8 --java -Djava.security.manager
	refused 10 "security manager" guard
	no_agent guard
	gone guard
}

@test "all reasons at once" {
	pod_up many --image 8 --java "-XX:+DisableAttachMechanism -Djava.security.manager" --pod-port=app=9404
	JAR=$("$RIG/agents.sh" exporter-java11) refused 10 "4 reasons are against it" many
	tells "1. "
	tells "needs Java 11"
	tells "security manager"
	tells "containerPort"
	tells "DisableAttachMechanism"
	gone many
}

@test "too little memory: refused with the numbers, --force goes on" {
	pod_up tight --java "-Xmx16m -XX:+UseSerialGC" --memory $((48 << 20))
	refused 10 "of memory are left in the container (limit 48" tight
	tells "raise the limit, or go on with --force"
	inject tight --dry-run --force -o json
	json_lines 'x[0]["state"] == "planned"'
	tells "--force: little memory is left"
	no_agent tight
	gone tight
}
