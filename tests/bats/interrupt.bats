# A run that is stopped, in every phase and by every hand: nothing is left, or the capture that has cost a
# pause; the JVM is at work.
load lib

setup_file() {
	rig_up
	pod_up web --java -Xmx400m -- fill=150
}
teardown_file() { rig_down; }

teardown() {
	[[ ! -f $RIG_RUN/job ]] || kill -KILL "$(<"$RIG_RUN/job")" 2>/dev/null || true
	rm -rf "$RIG_RUN/job" "$RIG_RUN/kube/faults.json" "$RIG_RUN/home/.local"
	bucket_faults '[]'
	kill -CONT "$(<"$RIG_RUN/bucket/pid")"
	server_stop silent
	[[ -n $BATS_TEST_COMPLETED ]] || leave_nothing
	untouched web || return 1
	for name in deaf stall other; do
		if [[ -d $RIG_RUN/container/$name ]]; then container stop "$name"; fi
	done
}

# begin ARGUMENT...: jdiag in the background. Shells let background jobs ignore SIGINT: undone.
begin() {
	mkdir -p "$RIG_RUN/out/to"
	: >"$RIG_RUN/out/stderr"
	JDIAG_EXEC=exec jdiag_env env --default-signal=INT,QUIT,HUP,TERM "$JDIAG" "$@" \
		>"$RIG_RUN/out/stdout" 2>"$RIG_RUN/out/stderr" 3>&- </dev/null &
	echo $! >"$RIG_RUN/job"
}

# phase NAME: jdiag has come to it, and its helper with it.
phase() { wait_for 60 told "^jdiag: \($1\)$" || { cat "$RIG_RUN/out/stderr" && return 1; }; }

told() { grep -q "$1" "$RIG_RUN/out/stderr"; }

# ends STATUS: the job ends by itself; what does not end it waits much longer.
ends() {
	local job status=0
	job=$(<"$RIG_RUN/job")
	wait_for 40 job_has_ended
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
	ends 130
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
	ends 130
	untouched deaf
}

# A JVM that has begun its dump and does not go on.
stalled() {
	pod_up stall --exec fakejvm -- stall
	begin heapdump stall -n shop --to "$RIG_RUN/out/to/" --force "$@"
	phase pause
}

nothing_came_of_it() {
	told "nothing was kept: the node and the destination are as before"
	nothing_at "$RIG_RUN/out/to"
	[[ -z $(records) ]]
	run_jdiag -s 0 spool "node/$NODE" -o name
	[ -z "$output" ]
	untouched stall
}

@test "Ctrl-C while the JVM stands still" {
	stalled
	signal INT
	ends 130
	nothing_came_of_it
}

@test "SIGTERM while the JVM stands still" {
	stalled
	signal TERM
	ends 130
	nothing_came_of_it
}

@test "SIGHUP while the JVM stands still" {
	stalled
	signal HUP
	ends 130
	nothing_came_of_it
}

@test "--timeout while the JVM stands still" {
	stalled --timeout 20s
	ends 130
	told "timed out"
	nothing_came_of_it
}

records() { find "$RIG_RUN/home/.local/state/jdiag/captures" -type f 2>/dev/null; }

no_spool() { [[ -z $(compgen -G '/var/lib/.jdiag-*/state') ]]; }

# was_kept: one capture is on the node, and said to be, and it has cost one pause.
was_kept() {
	ID=$(basename "$(records)" .json)
	told "the capture is kept on node '$NODE': jdiag resume $ID"
	told "or throw it away: jdiag spool rm $ID"
	[ ! -d "$RIG_RUN/bucket/data/objects/dumps" ] || nothing_at "$RIG_RUN/bucket/data/objects/dumps"
}

# resumes [ARGUMENT...]: it can be finished, and nothing is left then.
resumes() {
	bucket_faults '[]'
	run_jdiag -s 0 resume "$@" --to "$RIG_RUN/out/resumed.hprof.gz"
	manifest_agrees "$RIG_RUN/out/resumed.hprof.gz"
	dump_is_good "$RIG_RUN/out/resumed.hprof.gz" live
	rm "$RIG_RUN/out/resumed.hprof.gz"*
	[[ -z $(records) ]]
	untouched web
}

@test "Ctrl-C while a slow bucket takes the dump: kept" {
	hold_bucket
	begin heapdump web -n shop --to gs://dumps/slow/
	phase upload
	wait_for 60 bucket_holds
	signal INT
	ends 130
	told "jdiag: interrupted"
	was_kept
	resumes "$ID"
}

# taken: the signal is; another one would be none while the first is pending.
taken() { ! grep -q '^S[hi][dg]Pnd:.*[2367abef]$' "/proc/$(<"$RIG_RUN/job")/status"; }

# Without the second one it would wait ten seconds for the bucket, and then say that it was interrupted.
@test "a second Ctrl-C stops at once" {
	hold_bucket
	begin heapdump web -n shop --to gs://dumps/twice/
	phase upload
	wait_for 60 bucket_holds
	kill -STOP "$(<"$RIG_RUN/bucket/pid")"
	signal INT
	wait_for 8 taken
	signal INT
	ends 130
	run ! told "jdiag: interrupted"
	kill -CONT "$(<"$RIG_RUN/bucket/pid")"
	run_jdiag -s 0 spool rm "$(basename "$(records)" .json)"
	wait_for 20 no_spool
}

@test "--timeout is an interruption" {
	silent_server
	run_jdiag -s 130 heapdump web -n shop --timeout 1s -p "$(<"$RIG_RUN/silent/port")"
}

killed() {
	signal KILL
	wait "$(<"$RIG_RUN/job")" || true
	rm -f "$RIG_RUN/job"
}

@test "jdiag is killed while the JVM dumps: the capture goes on, and resume finishes it" {
	begin_half_way web heapdump web -n shop --to "$RIG_RUN/out/to/"
	phase pause
	killed
	kill -CONT "$DRAIN"
	[ "$(records | wc -l)" = 1 ]
	resumes
	rm "$RIG_RUN"/out/to/*.partial
}

@test "jdiag is killed while a slow bucket takes the dump: resume finishes it" {
	hold_bucket
	begin heapdump web -n shop --to gs://dumps/killed/
	phase upload
	killed
	resumes
}

# The sessions of sshd, in whatever depth.
break_links() { pkill -KILL -P "$(<"$RIG_RUN/ssh/pid")"; }

@test "the connection is cut while the JVM dumps: connected again, one dump" {
	begin_half_way web heapdump web -n shop --to "$RIG_RUN/out/to/x.hprof.gz"
	phase pause
	break_links
	kill -CONT "$DRAIN"
	wait_for 60 job_has_ended
	told "the connection to node '$NODE' broke"
	dump_is_good "$RIG_RUN/out/to/x.hprof.gz" live
	rm -r "$RIG_RUN/out/to"
}

@test "the connection is cut while a slow bucket takes the dump: connected again" {
	hold_bucket
	begin heapdump web -n shop --to gs://dumps/cut/x.hprof # 160 MB, most of which are on the node then
	wait_for 60 bucket_holds
	break_links
	bucket_faults '[]'
	wait_for 60 job_has_ended
	told "connected again"
	dump_is_good "$RIG_RUN/bucket/data/objects/dumps/cut%2Fx.hprof" live
	rm "$RIG_RUN"/bucket/data/objects/dumps/cut*
}

@test "all of the helper is killed while the JVM dumps: an error, and tidy removes what is left" {
	stalled
	# shellcheck disable=SC2046 # a list
	kill -KILL $(helper_pids)
	ends 8
	nothing_at "$RIG_RUN/out/to"
	run_jdiag -s 0 tidy "node/$NODE"
	untouched stall
}

@test "all of the helper is killed when the dump is complete: its spool is delivered" {
	hold_bucket
	begin heapdump web -n shop --to gs://dumps/helper/x.hprof.gz
	phase upload
	# shellcheck disable=SC2046 # a list
	kill -KILL $(helper_pids)
	bucket_faults '[]'
	wait_for 60 job_has_ended
	dump_is_good "$RIG_RUN/bucket/data/objects/dumps/helper%2Fx.hprof.gz" live
	rm "$RIG_RUN"/bucket/data/objects/dumps/helper*
}

@test "tidy leaves alone what is under way, and what is complete; with --force that goes" {
	hold_bucket
	begin heapdump web -n shop --to gs://dumps/live/
	phase upload
	run_jdiag tidy "node/$NODE"
	for pid in $(helper_pids); do [[ $output != *"process $pid"* ]]; done
	signal INT
	ends 130
	was_kept
	run_jdiag tidy "node/$NODE"
	run_jdiag -s 0 spool -o name
	[ "$output" = "$ID" ]
	run_jdiag tidy "node/$NODE" --force
	wait_for 20 no_spool
	run_jdiag -s 0 spool rm "$ID"
	[[ -z $(records) ]]
}

@test "the container restarts in the middle" {
	pod_up other --java -Xmx400m -- fill=150
	begin_half_way other heapdump other -n shop --to "$RIG_RUN/out/to/"
	phase pause
	container restart other
	wait_for 60 job_has_ended
	nothing_at "$RIG_RUN/out/to" || [ "$(find "$RIG_RUN/out/to" -name '*.partial')" = "" ]
	rm -rf "$RIG_RUN/out/to"
}
