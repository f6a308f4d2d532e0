# What goes wrong in the middle of a capture, end to end, with real JVMs: the error says what it was, the JVM
# works on, nothing is left.
load lib

setup_file() {
	rig_up
	pod_up web17 --image 17 --java -Xmx200m -- fill=100
	pod_up web21 --image 21 --java -Xmx200m -- fill=100
	pod_up web25 --image 25 --java -Xmx200m -- fill=100
}
teardown_file() { rig_down; }

setup() {
	TO=$BATS_TEST_TMPDIR/to
	mkdir "$TO"
}

teardown() {
	[[ ! -f $RIG_RUN/job ]] || kill -KILL "$(<"$RIG_RUN/job")" 2>/dev/null || true
	rm -rf "$RIG_RUN/job" "$RIG_RUN/home/.local"
	[[ -n $BATS_TEST_COMPLETED ]] || { run_jdiag tidy "node/$NODE" --force || true; }
	[[ -z ${PODS:-} ]] || for name in $PODS; do container stop "$name"; done
	[[ ! -f $RIG_RUN/ssh2/pid ]] || sshd_stop "$RIG_RUN/ssh2"
}

# begin ARGUMENT...: jdiag in the background.
begin() {
	# shellcheck disable=SC2209 # the word
	JDIAG_EXEC=exec jdiag_env "$JDIAG" "$@" >"$RIG_RUN/out/stdout" 2>"$RIG_RUN/out/stderr" 3>&- </dev/null &
	echo $! >"$RIG_RUN/job"
}

# begin_dump NAME [OPTION...]
begin_dump() {
	local name=$1
	shift
	begin heapdump "$name" -n shop --to "$TO/" "$@"
}

told() { grep -q "$1" "$RIG_RUN/out/stderr"; }

job_has_ended() {
	local job
	job=$(<"$RIG_RUN/job")
	! kill -0 "$job" 2>/dev/null || grep -q '^State:.Z' "/proc/$job/status"
}

# ends STATUS: its outputs are in $output and $stderr.
ends() {
	local status=0
	wait_for 60 job_has_ended || { cat "$RIG_RUN/out/stderr" && return 1; }
	wait "$(<"$RIG_RUN/job")" || status=$?
	rm -f "$RIG_RUN/job"
	output=$(<"$RIG_RUN/out/stdout")
	stderr=$(<"$RIG_RUN/out/stderr")
	printf '%s\n' "$output" "$stderr" | tee -a "$RIG_RUN/out/all"
	[[ $status == "$1" ]] || { echo "status $status instead of $1" && return 1; }
}

# half_way NAME: the JVM writes its dump and stands still, because $DRAIN is stopped. $ID is its capture.
half_way() {
	local found
	found=$("$TESTS/pipe/half_way.py" "$(container pid "$1")") || { cat "$RIG_RUN/out/stderr" && return 1; }
	# shellcheck disable=SC2034 # for the tests
	read -r CAPTURE DRAIN GUARD <<<"$found"
	ID=$(basename "$RIG_RUN"/home/.local/state/jdiag/captures/*.json .json)
}

ticks() { grep -c ^tick "$(container log "$1")"; }

stands_still() {
	local before
	before=$(ticks "$1")
	sleep 0.4 # four ticks long
	[[ $(ticks "$1") == "$before" ]] || { echo "the JVM does not stand still" && return 1; }
}

# runs_on NAME: within a second.
runs_on() {
	local end before
	before=$(ticks "$1")
	end=$((${EPOCHREALTIME/[.,]/} + 1000000))
	until (($(ticks "$1") > before)); do
		((${EPOCHREALTIME/[.,]/} < end)) || { echo "the JVM did not go on within a second" && return 1; }
		sleep 0.02
	done
}

# nothing_came_of_it NAME: nothing at the destination, no spool, no record; the JVM works.
nothing_came_of_it() {
	[[ -z $output && -z $(ls -A "$TO") ]]
	[[ -z $(find "$RIG_RUN/home/.local" -type f 2>/dev/null) ]]
	run_jdiag -s 0 spool "node/$NODE" -o name
	[[ $output != *"$ID"* ]]
	untouched "$1"
}

# can_be_dumped NAME: still, and again.
can_be_dumped() {
	run_jdiag -s 0 heapdump "$1" -n shop --to "$TO/again.hprof"
	dump_is_good "$TO/again.hprof" live
	rm "$TO"/again*
	untouched "$1"
}

# --- the reader, the disk, the FIFO ---------------------------------------------------------------------

reader_killed() {
	begin_dump "$1"
	half_way "$1"
	stands_still "$1"
	kill -KILL "$DRAIN"
	runs_on "$1"
	ends 8
	tells "the process that reads the dump was killed"
	nothing_came_of_it "$1"
	can_be_dumped "$1"
}

@test "the reader is killed in the middle of the pause, Java 17 (fifo)" { reader_killed web17; }
@test "the reader is killed in the middle of the pause, Java 21 (fifo)" { reader_killed web21; }
@test "the reader is killed in the middle of the pause, Java 25 (segments)" { reader_killed web25; }

# second_node LINE...: another sshd, whose processes run these lines first; OTHER are the options for it.
second_node() {
	# shellcheck disable=SC2016 # for that shell
	printf '%s\n' '#!/bin/bash' 'set -e' "$@" 'exec "${@}"' >"$RIG_RUN/node2"
	chmod 755 "$RIG_RUN/node2"
	SSHD_UNDER="$RIG_RUN/node2" sshd_start "$RIG_RUN/ssh2"
	sshd_authorize "$RIG_RUN/ssh2" "$RIG_RUN/ssh/client.pub"
	OTHER=(-p "$(<"$RIG_RUN/ssh2/port")" --known-hosts "$RIG_RUN/ssh2/known_hosts")
}

# A node whose only disk is small; what fills it is not we.
small_disk() {
	mkdir -p "$RIG_RUN/small"
	mount -t tmpfs -o size=800m,mode=755 small "$RIG_RUN/small"
	mkdir "$RIG_RUN/small/upper" "$RIG_RUN/small/work"
	second_node "[[ \$1 == --apart ]] || exec unshare -m --propagation private \$0 --apart \"\$@\"" shift \
		"mount -t overlay overlay -o lowerdir=/var/lib,upperdir=$RIG_RUN/small/upper,workdir=$RIG_RUN/small/work /var/lib" \
		'mount -t tmpfs none /var/tmp' \
		'[[ ! -d /mnt/disks ]] || mount -t tmpfs none /mnt/disks' \
		'mount --bind /tmp /tmp' 'mount -o remount,bind,ro /tmp'
}

disk_fills_up() {
	local status=0
	small_disk
	begin_dump "$1" "${OTHER[@]}" "${@:2}"
	half_way "$1"
	dd if=/dev/zero of="$RIG_RUN/small/others" bs=1M status=none || true
	kill -CONT "$DRAIN"
	runs_on "$1" || status=1
	ends 8 || status=1
	rm "$RIG_RUN/small/others"
	tells "No space left" || status=1
	nothing_came_of_it "$1" || status=1
	[[ -z $(find "$RIG_RUN/small/upper" -name '.jdiag*') ]] || status=1
	sshd_stop "$RIG_RUN/ssh2"
	umount "$RIG_RUN/small"
	return $status
}

@test "the disk of the node fills up in the middle, Java 17 (fifo)" { disk_fills_up web17; }
@test "the disk of the node fills up in the middle, Java 25 (segments)" { disk_fills_up web25 --format hprof; }

# --- somebody else ----------------------------------------------------------------------------------------

@test "two captures of the same JVM at once: the second is refused, and told whose the first is" {
	begin_dump web17
	half_way web17
	refuses 10 heapdump web17 -n shop --to "$BATS_TEST_TMPDIR/second.hprof"
	tells "another capture of JVM $(container pid web17) is under way: '$ID' of 'root@"
	tells "'jdiag spool rm $ID' stops it"
	[[ -z $(compgen -G "$BATS_TEST_TMPDIR/second*") ]]
	kill -CONT "$DRAIN"
	ends 0
	dump_is_good "$output" live
	untouched web17
}
