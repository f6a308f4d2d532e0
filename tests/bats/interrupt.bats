# A run that is stopped, in every phase and by every hand: nothing is left, the JVM is at work.
load lib

setup_file() {
	rig_up
	pod_up web --java -Xmx900m -- fill=300
}
teardown_file() { rig_down; }

teardown() {
	[[ ! -f $RIG_RUN/job ]] || kill -KILL "$(<"$RIG_RUN/job")" 2>/dev/null || true
	rm -f "$RIG_RUN/job" "$RIG_RUN/kube/faults.json"
	bucket_faults '[]'
	server_stop silent
	untouched web
	for name in deaf stall other; do
		if [[ -d $RIG_RUN/container/$name ]]; then container stop "$name"; fi
	done
}

bucket_faults() {
	curl -sf --data-binary "$1" "http://127.0.0.1:$(<"$RIG_RUN/bucket/port")/control/faults" >/dev/null
}

# begin ARGUMENT...: jdiag in the background. Shells let background jobs ignore SIGINT: undone.
begin() {
	mkdir -p "$RIG_RUN/out/to"
	: >"$RIG_RUN/out/stderr"
	JDIAG_EXEC=exec jdiag_env env --default-signal=INT,QUIT "$JDIAG" "$@" \
		>"$RIG_RUN/out/stdout" 2>"$RIG_RUN/out/stderr" 3>&- </dev/null &
	echo $! >"$RIG_RUN/job"
}

# phase NAME: jdiag has come to it, and its helper with it.
phase() { wait_for 30 told "^jdiag: $1" || { cat "$RIG_RUN/out/stderr" && return 1; }; }

told() { grep -q "$1" "$RIG_RUN/out/stderr"; }

# ends STATUS SECONDS: the job ends by itself.
ends() {
	local job status=0
	job=$(<"$RIG_RUN/job")
	wait_for "$2" bash -c "! kill -0 $job 2>/dev/null || grep -q '^State:.Z' /proc/$job/status"
	wait "$job" || status=$?
	rm -f "$RIG_RUN/job"
	cat "$RIG_RUN/out/stdout" "$RIG_RUN/out/stderr" >>"$RIG_RUN/out/all"
	cat "$RIG_RUN/out/stderr"
	[[ $status == "$1" ]] || { echo "status $status instead of $1" && return 1; }
	[[ ! -s $RIG_RUN/out/stdout ]]
}

signal() { kill -"$1" "$(<"$RIG_RUN/job")"; }

no_helper() { [[ -z $(helper_pids) ]]; }

nothing_at() {
	local found
	found=$(find "$1" -mindepth 1 ! -name '*.meta' -type f)
	[[ -z $found ]] || { echo "left: $found" && return 1; }
}

in_phase() {
	local phase=$1 hand=$2
	shift 2
	mkdir -p "$RIG_RUN/out/to"
	begin heapdump web -n shop "$@"
	phase "$phase"
	signal "$hand"
	ends 130 10
	told "jdiag: interrupted"
	nothing_at "$RIG_RUN/out/to"
	[[ ! -d $RIG_RUN/bucket/data/objects/dumps ]] || nothing_at "$RIG_RUN/bucket/data/objects/dumps"
}

@test "Ctrl-C while the API is asked" {
	faults '[{"path": "pods/web", "do": "hang"}]'
	in_phase resolve INT --to "$RIG_RUN/out/to/"
}

# A server that accepts and says nothing.
silent_server() {
	server silent python3 -c '
import socket, time
s = socket.create_server(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
time.sleep(600)'
}

@test "Ctrl-C while the node does not answer" {
	silent_server
	in_phase connect INT --to "$RIG_RUN/out/to/" -p "$(<"$RIG_RUN/silent/port")"
}

@test "Ctrl-C while the JVM does not answer" {
	pod_up deaf --exec fakejvm -- silent
	begin heapdump deaf -n shop --to "$RIG_RUN/out/to/"
	phase inspect
	sleep 0.3
	signal INT
	ends 130 10
	untouched deaf
}

@test "Ctrl-C while the JVM dumps" { in_phase dump INT --to "$RIG_RUN/out/to/"; }

@test "Ctrl-C while the dump is written to a file" { in_phase transfer INT --to "$RIG_RUN/out/to/"; }

@test "Ctrl-C while the dump goes to a slow bucket" {
	bucket_faults '[{"on": "put", "rate": 1000000, "times": 100}]'
	in_phase transfer INT --to gs://dumps/slow/
}

@test "SIGTERM while the JVM dumps" { in_phase dump TERM --to "$RIG_RUN/out/to/"; }

@test "SIGHUP while the JVM dumps" { in_phase dump HUP --to "$RIG_RUN/out/to/"; }

@test "a second Ctrl-C stops at once" {
	bucket_faults '[{"on": "put", "rate": 1000000, "times": 100}]'
	begin heapdump web -n shop --to gs://dumps/twice/
	phase transfer
	signal INT
	signal INT
	ends 130 5
}

@test "--timeout is an interruption" {
	silent_server
	run_jdiag -s 130 heapdump web -n shop --timeout 1s -p "$(<"$RIG_RUN/silent/port")"
}

@test "jdiag is killed: the helper undoes all by itself" {
	bucket_faults '[{"on": "put", "rate": 1000000, "times": 100}]'
	begin heapdump web -n shop --to gs://dumps/killed/
	phase transfer
	[ -n "$(helper_pids)" ]
	signal KILL
	wait "$(<"$RIG_RUN/job")" || true
	rm -f "$RIG_RUN/job"
	wait_for 6 no_helper
}

@test "the connection is cut: status 5, nothing left" {
	bucket_faults '[{"on": "put", "rate": 1000000, "times": 100}]'
	begin heapdump web -n shop --to gs://dumps/cut/
	phase transfer
	pkill -KILL -P "$(<"$RIG_RUN/ssh/pid")"
	ends 5 30
}

# A JVM that has begun its dump and does not go on.
stalled() {
	pod_up stall --exec fakejvm -- stall
	begin heapdump stall -n shop --to "$RIG_RUN/out/to/" --force
	phase dump
	wait_for 10 bash -c 'compgen -G "/var/lib/.jdiag-*/dump/h.hprof"'
}

@test "the helper is killed while the JVM dumps: an error, and tidy removes what is left" {
	stalled
	# shellcheck disable=SC2046 # a list
	kill -KILL $(helper_pids)
	ends 6 30
	nothing_at "$RIG_RUN/out/to"
	run_jdiag -s 0 tidy "node/$NODE"
	says "/var/lib/.jdiag-"
	says "in the container of process $(container pid stall)"
	untouched stall
}

@test "Ctrl-C while the JVM does not go on with its dump" {
	stalled
	signal INT
	ends 130 10
	nothing_at "$RIG_RUN/out/to"
	untouched stall
}

@test "the helper is killed later: nothing is left to tidy" {
	bucket_faults '[{"on": "put", "rate": 1000000, "times": 100}]'
	begin heapdump web -n shop --to gs://dumps/helper/
	phase transfer
	# shellcheck disable=SC2046 # a list
	kill -KILL $(helper_pids)
	ends 6 30
}

@test "tidy leaves alone what a live helper holds" {
	bucket_faults '[{"on": "put", "rate": 1000000, "times": 100}]'
	begin heapdump web -n shop --to gs://dumps/live/
	phase transfer
	run_jdiag -s 0 tidy "node/$NODE"
	for pid in $(helper_pids); do [[ $output != *"process $pid"* ]]; done
	told '^jdiag: transfer'
	signal INT
	ends 130 10
}

@test "the container restarts in the middle" {
	pod_up other --java -Xmx900m -- fill=300
	begin heapdump other -n shop --to "$RIG_RUN/out/to/"
	phase dump
	container restart other
	wait_for 30 bash -c "! kill -0 $(<"$RIG_RUN/job") 2>/dev/null || grep -q '^State:.Z' /proc/$(<"$RIG_RUN/job")/status"
	nothing_at "$RIG_RUN/out/to" || [ "$(find "$RIG_RUN/out/to" -name '*.partial')" = "" ]
	rm -rf "$RIG_RUN/out/to"
}
