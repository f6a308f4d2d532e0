# The helper over a pipe, without ssh and without jdiag: tests/pipe/checks.py does the talking.
load lib.bash

setup_file() {
	RIG_RUN=$(mktemp -d "${TMPDIR:-/tmp}/jdiag-rig.XXXXXX")
	export RIG_RUN
	chmod 711 "$RIG_RUN"
	export JDIAG_HELPER=$JDIAG_BUILD/jdiag-helper-$(uname -m)
	container start --image 17 jvm
	# With so much to write that one can meddle while it does.
	container start --image 17 --java -Xmx400m big17 fill=200
	container start --image 25 --java -Xmx400m big25 fill=200
	mkdir "$RIG_RUN/app"
	cp "/proc/$(container pid jvm)/root/app"/*.class "$RIG_RUN/app"
	# The JDKs of this machine, as plain processes of the node.
	local java n=0
	for java in /usr/lib/jvm/*/bin/java; do
		[[ -x $java && ! -L ${java%/bin/java} ]] || continue
		n=$((n + 1))
		"$java" -Xmx64m -cp "$RIG_RUN/app" Checkout fill=8 \
			>"$RIG_RUN/plain$n.log" 2>&1 3>&- </dev/null &
		echo $! >"$RIG_RUN/plain$n.pid"
		wait_for 40 grep -q ready "$RIG_RUN/plain$n.log"
	done
}

teardown_file() {
	local f
	container stop-all
	for f in "$RIG_RUN"/plain*.pid; do [[ ! -f $f ]] || kill "$(<"$f")"; done
	rm -rf "$RIG_RUN"
}

teardown() {
	[[ -n $BATS_TEST_COMPLETED ]] || check clean-up || true
}

check() {
	timeout -k 5 110 python3 "$TESTS/pipe/checks.py" "$@"
}

# Other files' helpers may be at work on this machine: ours are those of this build, and their
# directories are locked by nobody.
find_left() {
	local dir
	for dir in /var/lib/.jdiag-* /var/tmp/.jdiag-* /tmp/.jdiag-* /run/.jdiag-* /mnt/disks/*/.jdiag-*; do
		[[ ! -e $dir/lock ]] || flock -n "$dir/lock" echo "$dir"
	done
	grep -E ' jdiag(-tmp)? | /[^ ]*\.jdiag-' /proc/self/mountinfo
	pgrep -fa "^$JDIAG_HELPER" || true
}

node_is_clean() {
	left=$(find_left | sort)
	wait_for 20 nothing_on_node || { echo "left on the node: $left" && return 1; }
}

jvm() { container pid jvm; }

# hostile NAME MODE [TARGET]: a container with a program that pretends to be a JVM.
hostile() {
	container start --exec fakejvm "$@"
}

@test "the options" {
	run -0 "$JDIAG_HELPER" --version
	[[ $output =~ ^jdiag-helper\ [0-9] ]]
	run -0 "$JDIAG_HELPER" --help
	[[ $output == Usage:* ]]
	run -2 "$JDIAG_HELPER" --nonsense
	run -2 "$JDIAG_HELPER" nonsense
}

@test "the helper says hello" { check hello; }
@test "started with SIGCHLD ignored" { check sigchld; }
@test "hostile frames of every kind" { check hostile; }
@test "hostile and foreign hellos" { check hostile-hello; }
@test "frames that come byte by byte" { check byte-by-byte; }
@test "input that ends anywhere" { check cut-anywhere; }
@test "requests that cannot be served" { check bad-requests; }
@test "a silent helper pings" { check ping; }
@test "a reader that is gone" { check reader-gone; }
@test "a client that never reads" { check flood; }

@test "a plain JVM of each JDK on the node" {
	local f
	for f in "$RIG_RUN"/plain*.pid; do
		check ps "$(<"$f")"
		check inspect "$(<"$f")"
		check capture "$(<"$f")"
		check capture "$(<"$f")" "" container-file
	done
	node_is_clean
}

@test "ps and inspect of a JVM in a container" {
	check ps "$(jvm)"
	check inspect "$(jvm)"
	untouched jvm
}

@test "a JVM whose version is written nowhere" {
	container start --image 21 --java "-XX:-UsePerfData -XX:+UseShenandoahGC" nameless
	find "/proc/$(container pid nameless)/root/usr/lib/jvm" -name release -exec rm {} +
	check version "$(container pid nameless)"
	untouched nameless
	container stop nameless
}

# big NAME CHECK: of a JVM that writes one stream (big17), or segments (big25). each_big CHECK: of both.
big() {
	check "$2" "$(container pid "$1")" "$(container log "$1")" "${@:3}"
	untouched "$1"
}
each_big() {
	big big17 "$@"
	big big25 "$@"
}

# dumped JAVA STRATEGY: in two formats, and the independent reader agrees.
dumped() {
	local pid out=$RIG_RUN/dump
	container start --image "$1" "java$1"
	pid=$(container pid "java$1")
	check capture "$pid" "$out.hprof" "" hprof "$2"
	dump_is_good "$out.hprof" all
	check capture "$pid" "$out.gz" "" hprof.gz "$2"
	dump_is_good "$out.gz" all
	check capture "$pid" "$out.zst" "" hprof.zst "$2"
	dump_is_good "$out.zst" all
	untouched "java$1"
	container stop "java$1"
}

@test "Java 8: a file that grows" { dumped 8 growing-file; }
@test "Java 11: a FIFO" { dumped 11 fifo; }
@test "Java 17: a FIFO" { dumped 17 fifo; }
@test "Java 21: a FIFO" { dumped 21 fifo; }
@test "Java 25: a FIFO for each segment" { dumped 25 segments; }
@test "Java 26: a FIFO for each segment" { dumped 26 segments; }

@test "every other strategy, forced" {
	local name
	for name in jvm big25; do
		check capture "$(container pid "$name")" "" growing-file
		check capture "$(container pid "$name")" "" container-file hprof.gz
		untouched "$name"
	done
}

@test "a forced strategy: the same objects" {
	check capture "$(container pid big25)" "$RIG_RUN/forced" growing-file
	dump_is_good "$RIG_RUN/forced" all
}

@test "the connection goes in the middle, another helper fetches the rest" { big big17 later; }
@test "the same, of segments" { big big25 later; }

@test "the connection goes at any other time" {
	check helper-ends "$(jvm)"
	check begin-alone "$(jvm)"
	untouched jvm
}

@test "requests to begin that cannot be" {
	check bad-begin "$(jvm)"
	check fallback "$(jvm)"
	untouched jvm
}

@test "one capture at a time for each JVM" {
	check two-helpers "$(jvm)"
	untouched jvm
}

@test "stopped" {
	each_big stop
	check buffer-stop "$(jvm)"
	untouched jvm
}

@test "CANCEL is for requests" {
	check cancel "$(jvm)"
	untouched jvm
}

@test "five open requests" {
	local n pids=()
	for n in 1 2 3 4; do
		hostile silent$n silent
		pids+=("$(container pid silent$n)")
	done
	check five-requests "${pids[@]}"
	node_is_clean
}

@test "a deadline" {
	check deadline "$(jvm)"
	untouched jvm
}

@test "the reader is killed in the middle" {
	each_big killed-drain
}

@test "the capture process is killed in the middle, then tidy" {
	each_big killed-capture
}

@test "all its processes are killed in the middle, then tidy" {
	each_big killed-all
}

@test "what cannot be removed in the container is told" {
	check left "$(container pid big17)"
	untouched big17
}

@test "the disk is full" {
	local small=$RIG_RUN/small status=0
	mkdir "$small"
	mount -t tmpfs -o mode=755,size=32m tmpfs "$small"
	each_big full-disk "$small" || status=1
	umount "$small"
	return $status
}

@test "the FIFO is replaced by the container's user" {
	each_big replaced
}

@test "without a spool" {
	check ring "$(container pid big17)" "$(container log big17)"
	untouched big17
}

@test "the time to live, and a keeper that is told to end" {
	check ttl "$(jvm)"
	check keeper-ends "$(jvm)"
	untouched jvm
}

@test "SIGKILL while it attaches, then tidy" {
	check killed "$(jvm)"
	untouched jvm
}

@test "an attach trigger that was left, then tidy" {
	check old-trigger "$(jvm)"
	untouched jvm
}

@test "SIGKILL in the middle, then the next capture" {
	check killed-then-capture "$(container pid big17)"
	untouched big17
}

@test "the JVM exits in the middle" {
	container start --image 17 --java -Xmx400m exits fill=200
	check jvm-exits "$(container pid exits)" "$(container log exits)"
	container start --image 25 --java -Xmx400m exits25 fill=200
	check jvm-exits "$(container pid exits25)" "$(container log exits25)"
	node_is_clean
}

@test "the JVM is killed for memory in the middle" {
	container start --image 17 --java -Xmx400m --memory $((700 << 20)) oom fill=200
	check oom "$(container pid oom)" "$(container log oom)" "/sys/fs/cgroup/memory/$(container cgroup oom)"
	node_is_clean
}

@test "a read-only root without a writable /tmp, and a user namespace" {
	container start --image 17 --read-only --tmp image ro
	check capture "$(container pid ro)"
	untouched ro
	container start --image 25 --userns userns
	check capture "$(container pid userns)"
	check capture "$(container pid userns)" "" container-file
	untouched userns
}

@test "stopped and killed at any moment of the attaching" {
	container start --image 25 --read-only --tmp image cut
	check cut-while-attaching "$(container pid cut)" stop
	check cut-while-attaching "$(container pid cut)" kill
	untouched cut
}

@test "-Xrs: only by the socket that is there" {
	container start --image 17 --java -Xrs xrs
	check inspect "$(container pid xrs)"
	untouched xrs
	rm "/proc/$(container pid xrs)/root/tmp/.java_pid1"
	check fails "$(container pid xrs)" inspect attach "Xrs"
	untouched xrs
}

@test "DisableAttachMechanism is seen before the signal" {
	container start --image 17 --java -XX:+DisableAttachMechanism disabled
	check fails "$(container pid disabled)" begin attach "DisableAttachMechanism"
	untouched disabled
}

@test "hostile: an attach socket that is not the JVM's" {
	container start --image 17 foreign
	check foreign-socket "$(container pid foreign)"
	check stale-socket "$(container pid foreign)"
	untouched foreign
}

@test "hostile: a silent attach socket" {
	hostile silent silent
	check silent "$(container pid silent)"
}

@test "hostile: a JVM that never opens its socket" {
	hostile deaf deaf
	check fails "$(container pid deaf)" inspect attach "did not open its attach socket"
	check eof-when-deaf "$(container pid deaf)"
	wait_for 20 nothing_in_container deaf
}

@test "hostile: a reply without end" {
	hostile flood flood
	check fails "$(container pid flood)" inspect attach "larger than"
	check fails "$(container pid flood)" begin attach "larger than"
}

@test "hostile: a reply that is rubbish, or none" {
	hostile rubbish rubbish
	check fails "$(container pid rubbish)" inspect attach "not attach protocol"
	hostile close close
	check fails "$(container pid close)" begin attach "unanswered"
}

@test "hostile: a dump that is not there, a link, a FIFO" {
	local strategy mode
	for strategy in growing-file container-file; do
		for mode in liar link fifo; do
			hostile "$mode" "$mode" /etc/shadow
			check fails "$(container pid "$mode")" begin capture "" "$strategy"
			container stop "$mode"
		done
	done
	node_is_clean
}

@test "hostile: links where the attach files belong" {
	local victim=$RIG_RUN/victim
	echo untouched >"$victim"
	hostile plant plant "$victim"
	check fails "$(container pid plant)" inspect attach "socket"
	[[ $(<"$victim") == untouched ]]
	! grep -q quit "$(container log plant)"
}
