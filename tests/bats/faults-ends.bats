# What ends in the middle of a capture, end to end: the JVM, our processes in each phase. And spools that a
# node's clock or another version has made strange.
load lib
load faults
# shellcheck disable=SC2154,SC2030,SC2031 # what bats sets

setup_file() {
	rig_up
	pod_up web --java -Xmx200m -- fill=100
}
teardown_file() { rig_down; }

setup() { faults_setup; }
teardown() {
	faults_teardown
	[[ ! -d $RIG_RUN/container/ends ]] || container stop ends
}

# --- the JVM ----------------------------------------------------------------------------------------------

# restarted NAME: what the API says when the kubelet has started its container again.
restarted() {
	kube_state pod "shop/$1" --node "$NODE" --uid "$(container pod "$1")" \
		--container "app=$(container id "$1"),restarts=1" --label "app=$1"
}

# jvm_ended [WHY]: what jdiag says of it, and leaves.
jvm_ended() {
	ends 8
	tells "the JVM has ended in the middle of the dump${1:-}"$'\n'
	tells "warning: container 'app' was restarted during the dump (0 -> 1)"
	tells "see the events of its pod"
	[[ -z $output && -z $(ls -A "$TO") && -z $(find "$RIG_RUN/home/.local" -type f) ]]
	run_jdiag -s 0 spool "node/$NODE" -o name
	[[ $output != *"$ID"* ]]
}

@test "the JVM is killed for memory in the middle" {
	local group pid
	pod_up ends --image 17 --memory $((500 << 20)) --java -Xmx200m -- fill=100
	group=/sys/fs/cgroup/memory/$(container cgroup ends)
	pid=$(container pid ends)
	half_way ends --force
	echo 1000 >"/proc/$pid/oom_score_adj"
	restarted ends # jdiag looks for it for some seconds only
	timeout 60 python3 -c '
import os, sys
open(sys.argv[1] + "/cgroup.procs", "w").write(str(os.getpid()))
keep = []
while os.path.exists("/proc/" + sys.argv[2] + "/exe"):
    keep.append(b"x" * (1 << 20))' "$group" "$pid" || true
	jvm_ended ": it was killed for memory (OOM)"
}

# was_read NAME [N]: how often jdiag has read the pod; more often than that.
was_read() {
	local n
	n=$(grep -c "/pods/$1" "$RIG_RUN/kube/requests")
	if (($# == 1)); then echo "$n"; else ((n > $2)); fi
}

# jdiag looks for the restart, sees none, and finds one when it looks again.
@test "the JVM is killed by its probe in the middle, the restart comes a moment later" {
	local version read
	for version in 17 25; do
		pod_up ends --image $version --java -Xmx200m -- fill=100
		half_way ends
		wait_for 40 told '^jdiag: pause'
		read=$(was_read ends)
		kill -KILL "$(container pid ends)"
		wait_for 40 was_read ends "$read"
		kill -STOP "$(<"$RIG_RUN/job")"
		restarted ends
		kill -CONT "$(<"$RIG_RUN/job")"
		jvm_ended
		container stop ends
	done
}

# It gets SIGTERM first, which a JVM does not act on while it stands still: the dump is whole, or it is said
# that it is not.
@test "the JVM is told to end by its probe in the middle" {
	pod_up ends --java -Xmx200m -- fill=100
	half_way ends
	kill -TERM "$(container pid ends)"
	restarted ends
	kill -CONT "$DRAIN"
	wait_for 60 job_has_ended
	if told "has ended in the middle"; then
		jvm_ended
	else
		ends 0
		tells "warning: container 'app' was restarted during the dump (0 -> 1)"
		dump_is_good "$output" live
	fi
}

# --- our processes --------------------------------------------------------------------------------------------

tidies_up() {
	run_jdiag -s 0 tidy "node/$NODE"
	runs_on web
	untouched web
	can_be_dumped web
}

@test "SIGKILL in the middle of the dump: the serving helper; jdiag goes on with another" {
	half_way web
	local ours
	ours=$(tr ' ' '\n' <<<"$CAPTURE $(<"/proc/$CAPTURE/task/$CAPTURE/children")" | grep .)
	# shellcheck disable=SC2046 # a list
	kill -KILL $(helper_pids | grep -vxF "$ours")
	kill -CONT "$DRAIN"
	ends 0
	tells "the connection to node '$NODE' broke"
	dump_is_good "$output" live
	untouched web
}

@test "SIGKILL in the middle of the dump: the capture process" {
	half_way web
	kill -KILL "$CAPTURE"
	runs_on web
	ends 8
	tells "the capture process was killed"
	tidies_up
}

@test "SIGKILL in the middle of the dump: all of them" {
	half_way web
	# shellcheck disable=SC2046 # a list
	kill -KILL "$GUARD" $(helper_pids)
	ends 8
	wait_for 20 nothing_of_ours
	tidies_up
}

@test "SIGKILL when the JVM has been let go: all of them" {
	half_way web
	# shellcheck disable=SC2046 # a list
	(kill -CONT "$DRAIN" && wait_for 30 told '^jdiag: spool' && kill -KILL $(helper_pids)) || true
	# It may have been complete by then: then it is delivered.
	wait_for 60 job_has_ended
	if told "was killed"; then ends 8; else ends 0; fi
	rm -f "$TO"/*
	tidies_up
}

@test "SIGKILL when it is complete: kept by tidy and named, until --force or spool rm" {
	local how id
	for how in "tidy node/$NODE --force" "spool rm"; do
		run_jdiag -s 0 heapdump web -n shop --to "$TO/" --detach
		id=$output
		# shellcheck disable=SC2046 # a list
		kill -KILL $(helper_pids)
		run_jdiag tidy "node/$NODE"
		tells "jdiag resume"
		run_jdiag -s 0 spool -o name
		[[ $output == "$id" ]]
		[[ $how == tidy* ]] || how="$how $id"
		# shellcheck disable=SC2086 # words
		run_jdiag -s 0 $how
		[[ -z $(compgen -G "/var/lib/.jdiag-$id") ]]
		run_jdiag spool rm "$id"
		untouched web
	done
	can_be_dumped web
}

@test "SIGKILL of jdiag, and the capture fails: its reason is kept by tidy and named, until --force" {
	half_way web
	kill -KILL "$(<"$RIG_RUN/job")" "$DRAIN"
	runs_on web
	has_failed() { grep -q '"phase":"failed"' "/var/lib/.jdiag-$ID/state"; }
	wait_for 40 has_failed
	run_jdiag tidy "node/$NODE"
	[[ $status == 1 ]]
	tells "a failed capture whose reason nobody has read"
	run_jdiag -s 0 tidy "node/$NODE" --force
	[[ $output == "/var/lib/.jdiag-$ID" ]]
	untouched web
}

# --- spools that are strange ----------------------------------------------------------------------------------

# detached: one that is kept; $ID.
detached() {
	run_jdiag -s 0 heapdump web -n shop --to "$TO/x.hprof.gz" --detach
	ID=$output
	STATE=/var/lib/.jdiag-$ID/state
}

# edit KEY VALUE...: of its state.
edit() {
	python3 - "$STATE" "$@" <<'END'
import json, os, sys
path, *more = sys.argv[1:]
with open(path) as f:
    state = json.load(f)
for key, value in zip(more[::2], more[1::2]):
    state[key] = int(value) if value.lstrip("-").isdigit() else value
with open(path + ".new", "w") as f:
    json.dump(state, f)
os.rename(path + ".new", path)
END
}

keeper() { cut -d' ' -f1 "${STATE%/*}/lock"; }

# The next capture does it, too.
sweeps() { run_jdiag -s 0 heapdump web -n shop --to "$TO/sweep-$RANDOM.hprof"; }

is_listed() {
	run_jdiag -s 0 spool "node/$NODE"
	grep -E "^$ID .* complete .* $1 *\$" <<<"$output"
}

@test "a spool from the future: kept, its age is sane, it can be resumed" {
	detached
	edit created $(($(date +%s) + 400000000)) expires $(($(date +%s) + 400003600))
	is_listed 0s
	run_jdiag tidy "node/$NODE"
	sweeps
	is_listed 0s
	run_jdiag -s 0 resume "$ID"
	dump_is_good "$TO/x.hprof.gz" live
	untouched web
}

@test "a spool that is long expired by the node's clock: kept as long as it has its keeper" {
	local keeper
	detached
	edit created 1000000 expires 1000600
	is_listed '[0-9]+d'
	run_jdiag tidy "node/$NODE"
	sweeps
	is_listed '[0-9]+d'
	keeper=$(keeper)
	kill -KILL "$keeper"
	wait_for 20 bash -c "! kill -0 $keeper 2>/dev/null"
	run_jdiag -s 0 tidy "node/$NODE"
	[[ ! -e $STATE ]]
	untouched web
}

@test "a spool of another version: listed, not resumed, removed by spool rm" {
	local keeper
	for keeper in alive dead; do
		detached
		edit version 9 program "jdiag-helper 9.9"
		[[ $keeper == alive ]] || kill -KILL "$(keeper)"
		run_jdiag -s 0 spool "node/$NODE"
		grep -E "^$ID +.* unreadable " <<<"$output"
		tells "was written by 'jdiag-helper 9.9' in version 9"
		refuses 6 resume "$ID"
		tells "was written by 'jdiag-helper 9.9' in version 9"
		run_jdiag tidy "node/$NODE"
		[[ -e $STATE ]]
		sweeps
		[[ -e $STATE ]]
		run_jdiag -s 0 spool rm "$ID"
		[[ ! -e $STATE ]]
		untouched web
	done
}
