# What goes wrong in the container: the wrong JVM, none, one that cannot be attached to, a refusal because it
# could hurt, a broken dump. Nothing is left, and the program goes on counting.
load lib

setup_file() { rig_up; }
teardown_file() { rig_down; }

setup() {
	D=$BATS_TEST_TMPDIR
	TO=$D/dump.hprof
	POD=
	cd "$D"
}

# Nothing is left, nothing looks like an artifact.
teardown() {
	[[ -z $POD ]] || untouched "$POD" || return 1
	container stop-all
	[ -z "$(find "$D" -name '*.hprof*')" ]
}

# up NAME [OPTION...]: the pod of this test.
up() {
	pod_up "$@"
	POD=$1
}

dump() { refuses "$1" heapdump "$POD" -n shop --to "$TO" "${@:2}"; }

# good [OPTION...]: this works.
good() {
	run_jdiag -s 0 heapdump "$POD" -n shop --to "$TO" "$@"
	dump_is_good "$TO" live
	rm "$TO" "$TO.manifest.json"
}

# No signal was sent: neither the JVM's thread dump nor the socket of its attach listener is there.
not_signalled() {
	! grep -q -e 'Full thread dump' -e '^quit' "$(container log "$POD")" &&
		[ ! -e "/proc/$(container pid "$POD")/root/tmp/.java_pid1" ]
}

@test "two containers: listed and refused, -c chooses" {
	up two
	container start --pod "$(container pod two)" --exec fakejvm side plain
	pod_at_api two --container "side=$(container id side)"
	dump 3
	tells "pod 'two' has 2 containers that run"
	tells "choose one with -c: app (running), side (running)"
	not_signalled
	good -c app
	dump 3 -c side
	tells "no JVM runs in container 'side' of pod 'two'"
}

@test "two JVMs: listed and refused, --jvm chooses" {
	up two -- spawn=1
	wait_for 40 grep -q '^child ready' "$(container log two)"
	dump 3
	tells "2 JVMs match, choose one with --jvm PID or --jvm MAINCLASS"
	tells "--jvm 1  Checkout (host pid $(container pid two))"
	[ "$(grep -c -e '--jvm [0-9]*  Checkout' <<<"$stderr")" = 2 ]
	not_signalled
	dump 3 --jvm Checkout
	tells "2 JVMs match"
	dump 3 --jvm Payment
	tells "no JVM matches --jvm 'Payment'"
	tells "list the JVMs there: jdiag ps two -n shop"
	good --jvm 1
}

@test "not a JVM" {
	up plain --exec fakejvm -- plain
	dump 3
	tells "no JVM runs in container 'app' of pod 'plain'"
	tells "list the JVMs there: jdiag ps plain -n shop"
	not_signalled
}

# Such a JVM opens its socket at start, and would die of the signal.
@test "-Xrs: by the socket that is there; without it refused, and no signal is sent" {
	up xrs --java -Xrs
	good
	rm "/proc/$(container pid xrs)/root/tmp/.java_pid1"
	dump 7
	tells "the JVM (pid 1) cannot be attached to"
	tells "-Xrs"
	not_signalled
}

# may_have N: processes and threads, the JVM's user.
may_have() {
	local pid
	pid=$(container pid "$POD")
	setpriv --reuid "$(stat -c %u "/proc/$pid")" --regid "$(stat -c %g "/proc/$pid")" --clear-groups \
		prlimit --pid "$pid" --nproc="$1:"
}

# It starts a thread to answer, and ends where it gets none.
@test "no thread is left: refused, no signal is sent" {
	up full --user random
	may_have 10
	dump 7
	tells "it can start no further thread"
	not_signalled
	may_have 1000
	good
}

@test "DisableAttachMechanism: refused, no signal is sent" {
	up disabled --java -XX:+DisableAttachMechanism
	dump 7
	tells "the JVM (pid 1) cannot be attached to"
	tells "DisableAttachMechanism"
	tells "it has to be started without that option"
	not_signalled
	up disabled8 --image 8 --java -XX:+DisableAttachMechanism
	dump 7
	tells "DisableAttachMechanism"
	not_signalled
}

@test "the pause would be longer than the liveness probe allows: the numbers; --force goes on" {
	up slow --java -Xmx450m -- fill=300
	# 1 s; more than 300 MB make a dump of up to 480 MB, at 440 MB/s
	pod_at_api slow --probe app=1,1
	dump 10
	tells "the JVM would stand still for about "
	tells "its liveness probe restarts it after 1.0s"
	tells "raise failureThreshold x periodSeconds of the probe, or go on with --force"
	run_jdiag heapdump slow -n shop --to "$TO" --dry-run
	[ "$status" = 10 ]
	good --force
	tells "--force: the JVM would stand still for about "
}

@test "the container's memory is too small for a dump in its memory" {
	up small --java -Xmx160m --memory 220000000 --read-only --tmp-size 900m -- fill=90
	dump 10 --strategy container-file
	tells "does not fit below the container's memory limit"
	tells "make room, or go on with --force"
	good
}

@test "a strategy that does not exist: those that do" {
	up any
	dump 2 --strategy telepathy
	tells "unknown strategy 'telepathy'"
	tells "growing-file"
	tells "container-file"
	not_signalled
	good --strategy growing-file
	good --strategy container-file
}

@test "a dump that is none, one that ends in the middle, one that is not there" {
	declare -A says=(
		[broken]="not a heap dump: no HPROF header"
		[short]="truncated heap dump: it ends inside a record"
		[liar]="the JVM says that it wrote a dump, but there is none"
		[link]="what lies where the dump should be is not a plain file of the JVM's user"
		[fifo]="what lies where the dump should be is not a plain file of the JVM's user"
	)
	for mode in "${!says[@]}"; do
		up "$mode" --exec fakejvm -- "$mode" /etc/passwd
		dump 8
		tells "jdiag: ${says[$mode]}"
		tells "nothing was kept: see what the JVM says in its log, then try again"
		untouched "$mode"
	done
}

@test "what pretends to be a JVM and does not answer as one" {
	for mode in close rubbish flood deaf; do
		up "$mode" --exec fakejvm -- "$mode" /etc/passwd
		run_jdiag heapdump "$mode" -n shop --to "$TO" --timeout 40s
		[[ $status == 7 || $status == 8 ]]
		[[ -z $output && $stderr != *$'\e'* ]]
		untouched "$mode"
	done
}

@test "links in place of the attach socket and its trigger" {
	echo precious >precious
	up plant --exec fakejvm -- plant "$D/precious"
	dump 7
	tells "/tmp/.java_pid1 is not a socket of the JVM's user"
	[ "$(readlink "/proc/$(container pid plant)/root/tmp/.attach_pid1")" = "$D/precious" ]
	[ "$(cat precious)" = precious ]
	! grep -q '^quit' "$(container log plant)"
	# they are the container's own
	rm "/proc/$(container pid plant)/root/tmp/.attach_pid1"
}
