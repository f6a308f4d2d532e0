# jdiag agent load: what is refused, the forms of its result, OpenJDK's own agents, several pods.
load lib
load agent

setup_file() { agents_up; }
teardown_file() { rig_down; }
teardown() { container stop-all; }

@test "-EnableDynamicAgentLoading is respected by every version that knows it" {
	local version
	for version in 11 17 25; do
		pod_up web --image "$version" --java -XX:-EnableDynamicAgentLoading
		fails_to_load 7 "lets no agents in" --jar "$(agent naughty)"
		tells "-javaagent"
		fails_to_load 7 "lets no agents in" --native "$(agent native)"
		load_into 7 web --jar "$(agent naughty)" --dry-run
		tells "lets no agents in"
		says "would load naughty.jar"
		log_lacks web "agent:"
		untouched web
		container stop web
	done
}

@test "+DisableAttachMechanism: refused, nothing is signalled" {
	pod_up web --java -XX:+DisableAttachMechanism
	fails_to_load 7 "DisableAttachMechanism" --jar "$(agent naughty)"
	untouched web
}

@test "classes that are too young for the JVM are refused" {
	pod_up web --image 8
	fails_to_load 10 "need Java 11, and the JVM is Java 8" --jar "$(agent java11)"
	untouched web
}

@test "a runtime image without the modules: no jar, no management agent, but a library" {
	pod_up web --image jlink
	fails_to_load 7 "the JVM has no module java.instrument" --jar "$(agent naughty)"
	tells jlink
	untouched web
	fails_to_load 7 "the JVM has no jdk.management.agent" --module jdk.management.agent
	load_into 0 web --native "$(agent native)"
	log_has web "native: return"
}

@test "options that are too long, by version" {
	local long
	long=return:$(printf '%02000d' 0)
	pod_up web --image 17
	fails_to_load 2 "before Java 24 takes 1024 bytes" --jar "$(agent naughty)" --options "$long"
	untouched web
	pod_up later --image 25
	load_into 0 later --jar "$(agent naughty)" --options "$long"
	log_has later "agent: return"
}

@test "--dry-run: the plan; the JVM is not asked" {
	pod_up web --image 17
	load_into 0 web --jar "$(agent naughty)" --dry-run
	says "shop/web: would load naughty.jar"
	log_lacks web "agent:"
	[[ ! -e /proc/$(container pid web)/root/tmp/.java_pid1 ]]
	untouched web
	load_into 0 web --jar "$(agent naughty)" --dry-run -o json
	says '"kind":"AgentLoadPlan"'
}

@test "-o json and -o name" {
	pod_up web --image 21
	load_into 0 web --jar "$(agent naughty)" -o json
	python3 - "$output" "$(sha256sum "$(agent naughty)" | cut -d' ' -f1)" <<'END'
import json, sys
got = json.loads(sys.argv[1])
assert got["apiVersion"] == "jdiag/v1" and got["kind"] == "AgentLoad", got
assert got["target"]["pod"] == "web" and got["jvm"]["main"] == "Checkout", got
assert got["agent"]["kind"] == "jar" and got["agent"]["sha256"] == sys.argv[2], got
assert got["place"]["path"].startswith("/") and got["place"]["mounted"] is False, got
assert got["warns"] is True, got
END
	load_into 0 web --native "$(agent native)" -o name
	[[ $output == shop/web ]]
}

# --- OpenJDK's own --------------------------------------------------------------------------------

# Is somebody listening on port 9010 in the network of that container?
listens() { grep -qE "^ *[0-9]+: [0-9A-F]+:$(printf %04X 9010) [0-9A-F:]+ 0A" "/proc/$(container pid "$1")/net/tcp" "/proc/$(container pid "$1")/net/tcp6"; }

jmx=jmxremote.port=9010,com.sun.management.jmxremote.ssl=false,jmxremote.authenticate=false

@test "the management agent, by its port: Java 8, 17, 25" {
	local version
	echo "127.0.0.1 web localhost" >"$RIG_RUN/hosts"
	for version in 8 17 25; do
		# a kubelet gives it that, and Java wants to know who it is
		pod_up web --image "$version" --bind "$RIG_RUN/hosts:/etc/hosts"
		load_into 0 web --module jdk.management.agent --options "$jmx"
		says "shop/web: loaded jdk.management.agent into JVM 1 (Checkout)"
		tells "without authentication, everybody"
		listens web
		fails_to_load 7 "runs in this JVM already" --module jdk.management.agent --options "$jmx"
		untouched web
		container stop web
	done
}

@test "the management agent: local, refused options, a missing password file, no such module" {
	pod_up web --image 17 --java -XX:-EnableDynamicAgentLoading
	load_into 0 web --module jdk.management.agent
	fails_to_load 2 "no option 'port'" --module jdk.management.agent --options port=1
	fails_to_load 7 "did not start its management agent" --module jdk.management.agent \
		--options jmxremote.port=9010,jmxremote.ssl=false
	fails_to_load 2 "at its start only" --module jdk.jdwp.agent
	fails_to_load 2 "is no agent of OpenJDK's" --module java.base
	untouched web
}

# --- several, and none ----------------------------------------------------------------------------

@test "several pods: each has its line; one that refuses is a failure of its own" {
	pod_up web-0 --image 17 --pod-label=tier=java
	pod_up web-1 --image 21 --pod-label=tier=java
	run_jdiag -s 0 agent load -l tier=java --all -n shop --jar "$(agent naughty)"
	says "shop/web-0: loaded naughty.jar"
	says "shop/web-1: loaded naughty.jar"
	tells "JEP 451"
	pod_up web-2 --java -XX:+DisableAttachMechanism --pod-label=tier=java
	run_jdiag -s 7 agent load -l tier=java --all -n shop --native "$(agent native)" -o json
	[[ $(grep -c '"kind":"AgentLoad"' <<<"$output") == 2 ]]
	says '"kind":"Failure"'
	container working web-0
	container working web-1
}

@test "a selector that finds one pod: it is named, and its failure is an object" {
	pod_up web --java -XX:+DisableAttachMechanism --pod-label=tier=single
	run_jdiag -s 7 agent load -l tier=single -n shop --native "$(agent native)" -o json
	says '"kind":"Failure","code":7'
	says '"pod":"web"'
	tells "jdiag: web: "
	kube_state remove shop/web
}

@test "without an API" {
	container start --image 17 web
	run_jdiag -s 0 agent load "ssh://127.0.0.1:$(<"$RIG_RUN/ssh/port")" --pid "$(container pid web)" \
		--jar "$(agent naughty)"
	says "loaded naughty.jar"
	log_has web "agent: return"
}

@test "what the command line gets wrong" {
	refuses 2 agent
	tells "needs a verb"
	refuses 2 agent unload web
	refuses 2 agent load web
	tells "no agent is named"
	refuses 2 agent load web --jar a.jar --native b.so
	tells "exclude each other"
	refuses 2 agent load web --jar "$RIG_RUN/none.jar"
	refuses 2 agent load web --jar "$(agent text)"
	refuses 2 agent load web --jar "$(agent no-agent-class)"
	refuses 2 agent load node/n1 --jar "$(agent naughty)"
	refuses 2 agent load --jar "$(agent naughty)"
}
