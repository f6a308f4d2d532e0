# The helper's `ask` over a pipe: commands of the attach protocol to real JVMs, and what they say about
# agents, row by row, in their own words and in jdiag's.
load lib

setup_file() {
	RIG_RUN=$(mktemp -d "${TMPDIR:-/tmp}/jdiag-rig.XXXXXX")
	AGENTS=$("$RIG/agents.sh")
	export RIG_RUN AGENTS
}

teardown() { container stop-all; }

teardown_file() { rm -rf "$RIG_RUN"; }

# ask COMMAND [ARGUMENT...]: of the JVM in container app; sets $code and $text, or $stderr.
ask() {
	run --separate-stderr timeout 60 "$TESTS/pipe/call.py" "$JDIAG_BUILD/jdiag-helper-$(uname -m)" \
		ask "$(container pid app)" "$@"
	printf '$ ask %s\nstatus: %s\n%s\n%s\n' "$*" "$status" "${output:0:1000}" "${stderr:0:1000}"
	code=${output%%$'\n'*}
	text=${output:${#code}}
	text=${text#$'\n'}
}

# answers STATUS TEXT COMMAND [ARGUMENT...]
answers() {
	local want=$1 part=$2
	shift 2
	ask "$@"
	[[ $status == 0 && $code == "$want" && $text == *"$part"* ]]
}

# all_about VERSION [CONTAINER OPTION...]
all_about() {
	local version=$1
	shift
	container start --image "$version" "$@" app
	answers 0 JDK jcmd VM.version
	answers 0 "no such flag 'Nonsense'" printflag Nonsense
	answers 0 java.vm.name= properties
	untouched app
}

@test "Java 8" { all_about 8; }
@test "Java 17" { all_about 17; }
@test "Java 26" { all_about 26; }
@test "read-only root, no writable /tmp: Java 8" { all_about 8 --read-only --tmp image; }
@test "read-only root, no writable /tmp: Java 25" { all_about 25 --read-only --tmp image; }
@test "a user namespace" { all_about 17 --userns --read-only; }
@test "-Xrs: by the socket that is there" { all_about 21 --java -Xrs; }

@test "an answer of several frames" {
	container start --image 17 --java -Xshare:off app
	ask jcmd VM.symboltable\ -verbose
	[ "$status" = 0 ]
	((${#text} > 300000))
}

@test "+DisableAttachMechanism: nothing is signalled" {
	container start --java -XX:+DisableAttachMechanism app
	ask jcmd VM.version
	[ "$status" = 1 ]
	tells "attach: JVM"
	tells DisableAttachMechanism
	untouched app
}

# --- agents ---------------------------------------------------------------------------------------

# with_agents VERSION [CONTAINER OPTION...]: they lie in /app.
with_agents() {
	local name
	version=$1
	shift
	container start --image "$version" "$@" app
	for name in naughty.jar text.jar no-agent-class.jar no-agentmain.jar native.so no-attach.so; do
		cp "$AGENTS/$name" "$(container root app)/app/$name"
	done
}

# row KIND WORDS ARGUMENT...: what jdiag says of the reply to `load ARGUMENT...`.
row() {
	local kind=$1 words=$2
	shift 2
	ask load "$@"
	[ "$status" = 0 ]
	run "$JDIAG_BUILD/tools/agent-words" "$kind" "$version" "$code" "$text"
	echo "jdiag: $output"
	says "$words"
}

# Each row of the table, then the end of the JVM.
rows() {
	with_agents "$@"
	row jar loaded instrument false /app/naughty.jar
	row jar loaded instrument false /app/naughty.jar=return:x
	row jar "the agent's own start failed" instrument false /app/naughty.jar=throw
	row jar "the agent's own start failed" instrument false /app/naughty.jar=error
	row jar "the agent's own start failed" instrument false /app/no-agentmain.jar
	row jar "finds no agent in 'FILE'" instrument false /app/none.jar
	row jar "finds no agent in 'FILE'" instrument false /app/text.jar
	row jar "finds no agent in 'FILE'" instrument false /app/no-agent-class.jar
	row native loaded /app/native.so true ""
	row native "Agent_OnAttach returned 3" /app/native.so true fail=3
	row native "could not load the library" /app/none.so true ""
	row native "could not load the library" /app/no-attach.so true ""
	container working app
	ask load instrument false /app/naughty.jar=exit=7
	[ "$status" = 1 ]
	tells "errno 3: attach: the JVM ended while it was asked: $(ended "exit status 7")"
}

@test "what Java 8 says about agents" { rows 8; }
@test "what Java 11 says about agents" { rows 11; }
@test "what Java 17 says about agents" { rows 17; }
@test "what Java 21 says about agents" { rows 21; }
@test "what Java 25 says about agents" { rows 25; }

@test "a system class loader that takes no agent" {
	for version in 8 17 25; do
		with_agents "$version" --java -Djava.system.class.loader=OwnLoader
		row jar "cannot put 'FILE' on its class path" instrument false /app/naughty.jar
		container working app
		container stop app
	done
}

@test "codes and texts are the releases' own" {
	with_agents 8
	answers 0 100 load instrument false /app/none.jar
	answers -1 "" load /app/none.so true ""
	container stop app
	with_agents 17
	answers 0 "return code: 100" load instrument false /app/none.jar
	answers -1 "was not loaded" load /app/none.so true ""
	container stop app
	with_agents 21
	answers 0 "return code: 100" load instrument false /app/none.jar
	answers 0 "was not loaded" load /app/none.so true ""
}

@test "-EnableDynamicAgentLoading is seen by printflag, and by load" {
	for version in 11 17 21 25; do
		with_agents "$version" --java -XX:-EnableDynamicAgentLoading
		answers 0 "-XX:-EnableDynamicAgentLoading" printflag EnableDynamicAgentLoading
		row jar "lets no agents in" instrument false /app/naughty.jar
		container stop app
	done
}

@test "the JVM ends while it is asked: halted, killed, by a native agent" {
	local how=("instrument false /app/naughty.jar=halt=9" "/app/native.so true exit=4")
	local want=("exit status 9" "exit status 4") i words
	for i in 0 1; do
		with_agents 17
		read -r -a words <<<"${how[i]}"
		ask load "${words[@]}"
		[ "$status" = 1 ]
		tells "errno 3: attach: the JVM ended while it was asked: $(ended "${want[i]}")"
		container stop app
	done
	with_agents 25
	{
		wait_for 40 grep -q 'agent: hang' "$(container log app)"
		kill -KILL "$(container pid app)"
	} &
	ask load instrument false /app/naughty.jar=hang
	[ "$status" = 1 ]
	tells "errno 3: attach: the JVM ended while it was asked: $(ended "killed by SIGKILL")"
}

@test "no answer in time: the JVM goes on" {
	with_agents 17
	run --separate-stderr timeout 60 python3 - "$TESTS/pipe" "$JDIAG_BUILD/jdiag-helper-$(uname -m)" \
		"$(container pid app)" <<'END'
import sys
sys.path.insert(0, sys.argv[1])
import wire
with wire.Helper(sys.argv[2]) as helper:
    try:
        helper.ask(int(sys.argv[3]), "load", "instrument", "false", "/app/naughty.jar=hang=60000", timeout=1000)
    except wire.RemoteError as error:
        assert error.code == "attach" and error.errno == 110, (error.code, error.errno, error.message)
        print(error.message)
END
	echo "$output $stderr"
	says "the JVM did not answer within 1 s"
	container working app
}

@test "arguments that do not fit are refused, and the JVM is not touched" {
	local long
	long=$(printf '%02000d' 0)
	container start --image 17 app
	ask load instrument false "/app/naughty.jar=$long"
	[ "$status" = 1 ]
	tells "too long"
	ask load a b c d
	[ "$status" = 1 ]
	tells "'args' has more than 3"
	ask ""
	[ "$status" = 1 ]
	tells "no 'command'"
	container stop app
	with_agents 25
	row jar loaded instrument false "/app/naughty.jar=return:$long"
}

@test "an answer without end, and one that is none" {
	container start --exec fakejvm app flood
	ask jcmd VM.version
	[ "$status" = 1 ]
	tells "larger than 16777216 bytes"
	container stop app
	container start --exec fakejvm app rubbish
	ask jcmd VM.version
	[ "$status" = 1 ]
	tells "not attach protocol"
	container stop app
	container start --exec fakejvm app close
	ask jcmd VM.version
	[ "$status" = 1 ]
	tells "closed the connection unanswered"
}
