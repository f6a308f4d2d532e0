# jdiag agent load, end to end: pod name, API, sshd, helper, container, JVM, and what came of it.
load lib

setup_file() {
	rig_up
	"$RIG/agents.sh" >/dev/null
}
teardown_file() { rig_down; }
teardown() { container stop-all; }

agent() { "$RIG/agents.sh" "$1"; }

# load STATUS POD [OPTION...]
load_into() {
	local want=$1 pod=$2
	shift 2
	run_jdiag -s "$want" agent load "$pod" -n shop "$@"
}

# fails_to_load STATUS TEXT [OPTION...]: into pod web; nothing on stdout.
fails_to_load() {
	local want=$1 text=$2
	shift 2
	load_into "$want" web "$@"
	[[ -z $output ]]
	tells "jdiag: "
	tells "$text"
}

log_has() { grep -qF -- "$2" "$(container log "$1")"; }
log_lacks() { ! log_has "$@"; }

# Where the jar or library lies in the container, as $output says: ", from PATH".
placed() {
	local path=${output#*, from }
	echo "${path%% *}"
}

# Owned by the JVM's user, for nobody else, whole.
is_well_placed() {
	local file root
	root=/proc/$(container pid "$1")/root
	file=$root$(placed)
	[[ $(stat -c %u "$file") == $(stat -c %u "/proc/$(container pid "$1")") ]] || { stat "$file" && return 1; }
	[[ $(stat -c %a "$file") =~ ^[45]00$ ]] || { stat "$file" && return 1; }
	cmp "$file" "$2"
}

# Nothing but the file: no socket of ours, no cover, no thread dump.
only_the_file_is_left() {
	local left
	left=$(find_in_container "$1" | grep -v '/\.jdiag-agents' || true)
	[[ -z $left ]] || { echo "left: $left" && return 1; }
	container working "$1"
	log_lacks "$1" 'Full thread dump'
}

loads_a_jar() {
	local version=$1
	shift
	pod_up web --image "$version" "$@"
	load_into 0 web --jar "$(agent naughty)" --options return:hidden7
	says "shop/web: loaded naughty.jar (Naughty"
	says "into JVM 1 (Checkout), from /"
	is_well_placed web "$(agent naughty)"
	log_has web "agent: return"
	only_the_file_is_left web
	[[ $output$stderr != *hidden7* ]]
	# JEP 451: announced when it comes, and only then
	if log_has web "A Java agent has been loaded dynamically"; then
		tells "four lines of warning"
	else
		[[ $stderr != *"four lines"* ]]
	fi
}

@test "a jar into Java 8" { loads_a_jar 8; }
@test "a jar into Java 11" { loads_a_jar 11; }
@test "a jar into Java 17" { loads_a_jar 17; }
@test "a jar into Java 21, which warns" {
	loads_a_jar 21
	tells "JEP 451"
}
@test "a jar into Java 25, allowed by its command line: no warning" {
	loads_a_jar 25 --java -XX:+EnableDynamicAgentLoading
	[[ $stderr != *"JEP 451"* ]]
}
@test "a jar into Java 21, allowed by its environment: it warns all the same" {
	loads_a_jar 21 --env JAVA_TOOL_OPTIONS=-XX:+EnableDynamicAgentLoading
	tells "JEP 451"
}
@test "a JVM with -Xrs" { loads_a_jar 17 --java -Xrs; }
@test "a user namespace" { loads_a_jar 17 --userns; }
@test "root in the container" { loads_a_jar 21 --user 0 --caps default; }

@test "read-only root, nothing can be written: a mount, and it is said" {
	pod_up web --image 17 --read-only --tmp image
	load_into 0 web --jar "$(agent naughty)"
	says ", from /"
	log_has web "agent: return"
	cmp "/proc/$(container pid web)/root$(placed)" "$(agent naughty)"
	container working web
}

@test "a library: native agents" {
	pod_up web --image 17
	load_into 0 web --native "$(agent native)"
	says "shop/web: loaded native.so into JVM 1 (Checkout), from /"
	is_well_placed web "$(agent native)"
	log_has web "native: return"
	fails_to_load 7 "Agent_OnAttach returned 3" --native "$(agent native)" --options fail=3
	fails_to_load 2 "" --native "$(agent native-arm64)"
	fails_to_load 2 "" --native "$(agent no-attach)"
	only_the_file_is_left web
}

@test "a native agent into Java 8, and into 25, which warns" {
	pod_up web --image 8
	load_into 0 web --native "$(agent native)" --options return
	log_has web "native: return"
	pod_up later --image 25
	load_into 0 later --native "$(agent native)"
	log_has later "native: return"
	tells "JEP 451"
}

@test "an agent whose start fails: the class stays, the JVM lives" {
	pod_up web --image 17
	fails_to_load 7 "the agent's own start failed" --jar "$(agent naughty)" --options throw
	tells "kubectl logs"
	tells "stays in the container, the JVM may use it"
	only_the_file_is_left web
}

@test "an agent that ends the JVM: with its status" {
	pod_up web --image 21
	fails_to_load 7 "the JVM has ended while it loaded the agent: exit status 7" \
		--jar "$(agent naughty)" --options exit=7
	tells "kubectl logs --previous"
}

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

@test "a jar once more: said, and done" {
	pod_up web --image 11
	load_into 0 web --jar "$(agent naughty)"
	load_into 0 web --jar "$(agent naughty)"
	tells "has this jar open already"
	[[ $(grep -c 'agent: return' "$(container log web)") == 2 ]]
	only_the_file_is_left web
}

@test "an agent that takes its time" {
	pod_up web --image 17
	load_into 0 web --jar "$(agent naughty)" --options hang=2000
	only_the_file_is_left web
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
	for version in 8 17 25; do
		pod_up web --image "$version"
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
