# A node that means no good: its sshd answers every command with tests/rig/hostile_helper.py. Row 29:
# what it says may be false, but the client stays safe; the others are those of tests/README.md.
load lib
load hostile

setup_file() {
	local id=0123456789abcdef
	RIG_RUN=$(mktemp -d "${TMPDIR:-/tmp}/jdiag-rig.XXXXXX")
	export RIG_RUN
	chmod 711 "$RIG_RUN"
	mkdir -p "$RIG_RUN"/{home,out,bucket}
	sshd_start "$RIG_RUN/ssh" "ForceCommand $RIG/hostile_helper.py $(stat -c %s "$JDIAG_BUILD/jdiag-helper-$(uname -m)") $RIG_RUN/mode"
	kube_up
	bucket_up
	kube_state node "$NODE"
	kube_state pod shop/web --node "$NODE" --container "app=$id$id$id$id" --label app=web
}
teardown_file() {
	no_secret_was_told
	server_stop kube
	server_stop bucket
	sshd_stop "$RIG_RUN/ssh"
	rm -rf "$RIG_RUN"
}

setup() { measure; }

# Everything ends in an error of this status and text.
dump_fails() {
	local mode=$1 want=$2 text=$3
	shift 3
	echo "$mode" >"$RIG_RUN/mode"
	fails "$want" "$text" heapdump web -n shop --to "$RIG_RUN/out/to/" "$@"
}

@test "row 29: a good node, to know that the rig is right" {
	echo Good >"$RIG_RUN/mode"
	run_jdiag -s 0 heapdump web -n shop --to "$RIG_RUN/out/good.hprof"
	[ "$(stat -c %s "$RIG_RUN/out/good.hprof")" = 200049 ]
	run_jdiag -s 0 ps web -n shop
	says Checkout
	within_memory
}

@test "row 29: no greeting, or noise without end" {
	dump_fails WrongMagic 6 "did not start"
	dump_fails Noise 6 "greeting did not come"
}

@test "row 29: another version, a hello that is none" {
	dump_fails Versions 1 "protocol versions 7 to 9"
	dump_fails HelloIsNoObject 1 "not an object"
}

@test "row 29: a giant frame" { dump_fails GiantFrame 1 "protocol error"; }

@test "row 33: the largest frame, full of small values; deep nesting" {
	dump_fails GiantJson 3 ""
	dump_fails DeepJson 1 ""
}

@test "row 29: answers that are no JSON, no object, of other types" {
	dump_fails NotJson 1 ""
	dump_fails NoObject 1 "not an object"
	dump_fails WrongTypes 3 ""
	dump_fails NoHeap 8 "no way to capture"
}

@test "row 29: frames of other requests, data where none belongs" {
	dump_fails OtherRequest 1 "which is not open"
	dump_fails DataForPs 1 "answered with data"
}

@test "row 29: data out of order, or none in a data frame" {
	dump_fails OutOfOrder 1 "another offset"
	dump_fails EmptyData 1 "protocol error"
}

@test "row 29: a wrong digest, none, a long one" {
	dump_fails WrongDigest 8 "SHA-256"
	dump_fails NoDigest 8 "SHA-256"
	dump_fails LongDigest 1 "digest is too long"
}

@test "row 29: lengths that disagree" {
	dump_fails Shorter 1 "another length"
	dump_fails Huge 1 "another length"
	dump_fails WrongCrc 8 "CRC32C"
}

@test "row 29: a state that is none, an end before the end" {
	dump_fails NoState 1 "a state that is none"
	dump_fails EarlyResult 1 "a result before the end"
}

@test "row 22: a dump without end" {
	dump_fails EndlessData 130 "timed out" --timeout 3s
}

@test "row 29: nothing finished in the bucket either" {
	for mode in WrongDigest OutOfOrder NoState; do
		echo "$mode" >"$RIG_RUN/mode"
		run_jdiag heapdump web -n shop --to gs://dumps/hostile/
		[[ $status == [168] ]]
		[ -z "$(find "$RIG_RUN/bucket/data/objects" -type f)" ]
	done
}

@test "row 29: a node that does not answer, that only pings, that only reports progress" {
	dump_fails Silent 130 "timed out" --timeout 3s
	dump_fails EndlessPings 130 "timed out" --timeout 3s
	dump_fails EndlessProgress 130 "timed out" --timeout 3s
}

@test "row 29: a helper that dies in the middle, with last words, each time" {
	JDIAG_EXTRA_ENV+=(CI=true)
	dump_fails Dies 130 "killed by signal KILL" --timeout 15s
	run ! grep -E '^[[:space:]]*::set-env' <<<"$stderr"
}

@test "row 29: a flood on standard error" {
	dump_fails TalksOnStderr 130 "timed out" --timeout 3s
}

@test "row 14: an error with newlines and escape sequences" {
	dump_fails ErrorText 7 "owned"
	# An error is one line: what pretends to be another one of ours is part of it.
	[ "$(grep -c '^jdiag: .*owned' <<<"$stderr")" = 1 ]
	run ! grep '^jdiag: all is well' <<<"$stderr"
	[ "${#stderr}" -lt 4000 ]
	dump_fails ErrorCode 1 ""
}

@test "row 14: escape sequences in every text, one after the other, and on a CI runner" {
	echo Names >"$RIG_RUN/mode"
	dump_fails Names 7 "cannot be attached to"
	JDIAG_EXTRA_ENV+=(CI=true GITHUB_ACTIONS=true)
	for format in text wide name json; do
		run_jdiag -s 0 ps web -n shop -o $format -v=9
		clean "$output"
		clean "$stderr"
		[ "${#lines[@]}" -le 2 ]
		run ! grep -E '^[[:space:]]*::' <<<"$output"$'\n'"$stderr"
	done
	echo Answers >"$RIG_RUN/mode"
	for format in text json; do
		run_jdiag -s 0 heapdump web -n shop -o $format -v=9 --to "$RIG_RUN/out/names-$format.hprof"
		clean "$output"
		clean "$stderr"
		[ "${#lines[@]}" = 1 ]
		clean "$(cat "$RIG_RUN/out/names-$format.hprof.manifest.json")"
		run_jdiag -s 0 heapdump web -n shop -o $format -v=9 --dry-run
		clean "$output"
		clean "$stderr"
	done
	JDIAG_EXTRA_ENV+=(CI=true)
	dump_fails Refuses 8 "no way to capture"
	run ! grep -E '^[[:space:]]*::' <<<"$stderr"
}

@test "row 14: escape sequences in the progress for machines" {
	echo Answers >"$RIG_RUN/mode"
	run_jdiag -s 0 heapdump web -n shop --progress json --to "$RIG_RUN/out/progress.hprof"
	clean "$stderr"
	python3 -c 'import json, sys; [json.loads(line) for line in sys.argv[1].splitlines()]' "$stderr"
}

@test "row 27: JVMs of containers that were not asked for are not taken" {
	dump_fails OtherContainers 3 "no JVM runs in container 'app'"
	run_jdiag -s 0 ps web -n shop
	[ -z "$output" ]
}

@test "row 27: the artifact's name is ours, whatever the node says" {
	echo Answers >"$RIG_RUN/mode"
	mkdir "$RIG_RUN/out/names"
	run_jdiag -s 0 heapdump web -n shop --to "$RIG_RUN/out/names/"
	[[ $output =~ /out/names/shop_web_app-0_[0-9TZ]*_1\.hprof\.gz$ ]]
	[ "$(find "$RIG_RUN/out/names" -type f | wc -l)" = 2 ]
}

@test "row 29: a thousand JVMs" {
	dump_fails ManyJvms 3 "1000 JVMs match"
	[ "${#stderr}" -lt 4000 ]
	run_jdiag -s 0 ps web -n shop
	[ "${#lines[@]}" = 1001 ]
	within_memory
}
