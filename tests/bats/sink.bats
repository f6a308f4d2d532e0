#!/usr/bin/env bats
# Files and standard output as destinations, by tests/tools/sink-probe.

bats_require_minimum_version 1.5.0

: "${JDIAG_BUILD:=$BATS_TEST_DIRNAME/../../build}"
PROBE=$JDIAG_BUILD/tools/sink-probe
SIZE=3000001

setup() { cd "$BATS_TEST_TMPDIR"; }

# probe STATUS ARGUMENT...
probe() {
	local want=$1
	shift
	run timeout -k 5 60 "$PROBE" "$@"
	echo "$output"
	[[ $status == "$want" ]] || { echo "status $status instead of $want" && return 1; }
}

says() { [[ $output == *"$1"* ]] || { echo "does not say: $1" && return 1; }; }

good() { "$PROBE" -p "${2:-$SIZE}" | cmp - "$1"; }

@test "a file, a directory, a directory to be" {
	mkdir d
	probe 0 $SIZE x.hprof
	[[ $output == "$PWD/x.hprof" ]]
	good x.hprof
	probe 0 -m $SIZE d
	[[ $output == "$PWD/d/probe.hprof" ]]
	good d/probe.hprof
	[[ $(ls d) == $'probe.hprof\nprobe.hprof.manifest.json' ]]
	[[ $(stat -c %a d/probe.hprof d/probe.hprof.manifest.json) == $'600\n600' ]]
	probe 0 0 ./
	good probe.hprof 0
	probe 2 $SIZE nowhere/
	says "mkdir -p 'nowhere/'"
}

@test "nothing is overwritten, not even through a link" {
	echo keep >x
	ln -s x link
	for name in x link; do
		probe 2 $SIZE $name
		says "exists already"
	done
	[[ $(<x) == keep ]]
	[[ $(ls) == $'link\nx' ]]
}

@test "disk full" {
	mkdir small
	run unshare -m bash -c "mount -t tmpfs -o size=1m none small && '$PROBE' $SIZE small/; echo status \$?; ls -A small"
	echo "$output"
	says "cannot write '$PWD/small/probe.hprof.partial': No space left on device"
	says "make room, or name another place with --to"
	[[ $output == *"status 1" ]]
}

@test "a directory that cannot be written" {
	mkdir ro
	run unshare -m bash -c "mount -t tmpfs -o ro none ro && '$PROBE' $SIZE ro/; echo status \$?"
	echo "$output"
	says "cannot create '$PWD/ro/probe.hprof.partial': Read-only file system"
	[[ $output == *"status 1" ]]
}

@test "an abort and a signal leave nothing" {
	local signal
	probe 1 -a 1M $SIZE d.hprof
	[[ -z $(ls -A) ]]
	for signal in INT TERM HUP; do
		"$PROBE" -w 1M $SIZE d.hprof 2>"../err.$signal" 3>&- &
		until grep -qs waiting "../err.$signal"; do sleep 0.05; done
		[[ -e d.hprof.partial ]]
		kill -$signal $!
		status=0
		wait $! || status=$?
		[[ $status == 130 ]]
		[[ -z $(ls -A) ]]
	done
}

@test "standard output: a file, a pipe, a reader that ends, a full device, a terminal" {
	"$PROBE" $SIZE - >out 2>err
	head -c $SIZE out >dump
	good dump
	"$PROBE" $SIZE - | head -c $SIZE | cmp - dump
	run bash -c "set -o pipefail; '$PROBE' 30M - 2>err | head -c 1000 >/dev/null"
	[[ $status == 1 ]]
	grep 'the reader of standard output ended' err
	run bash -c "'$PROBE' $SIZE - >/dev/full"
	[[ $status == 1 ]]
	says "cannot write to standard output: No space left on device"
	run script -qec "'$PROBE' $SIZE -" /dev/null </dev/null
	echo "$output"
	[[ $status == 2 ]]
	says "standard output is a terminal"
}

@test "standard output: a signal gets through while the reader stands still" {
	mkfifo pipe
	exec 7<>pipe
	"$PROBE" 30M - >pipe 2>err 3>&- 7>&- &
	head -c 1000 <&7 >/dev/null
	kill -INT $!
	status=0
	wait $! || status=$?
	exec 7>&-
	[[ $status == 130 ]]
	grep 'jdiag: interrupted' err
}
