#!/usr/bin/env bats
# --upload-from node: the artifact goes from the node to the bucket by the node's own curl, which gets the
# address of one session and nothing else.

load lib

setup_file() {
	rig_up
	pod_up up
	BUCKET="http://127.0.0.1:$(<"$RIG_RUN/bucket/port")"
	export BUCKET
}

teardown_file() { rig_down; }

setup() { bucket_faults '[]'; }

teardown() {
	! mountpoint -q "$(readlink -f /usr/bin/curl)" || umount "$(readlink -f /usr/bin/curl)"
	untouched up
}

# The file of an object, by its URL.
object() {
	local name=${1#gs://dumps/}
	printf '%s' "$RIG_RUN/bucket/data/objects/dumps/${name//\//%2F}"
}

# The object of the URL in $output is whole, and what its manifest says.
object_is_good() {
	gzip -t "$(object "$output")"
	grep -qF "\"sha256\": \"$(sha256sum "$(object "$output")" | cut -d' ' -f1)\"" "$(object "$output").manifest.json"
}

# Each to a folder of its own: names have seconds, and two of these dumps may be made in one.
heapdump() { run_jdiag "$@" heapdump up -n shop --to "gs://dumps/$((++folder))/" --upload-from node; }

# The arguments and the environment of a curl that runs.
see_curl() {
	local pid
	for pid in $(pgrep -x curl); do
		cat "/proc/$pid/cmdline" "/proc/$pid/environ" 2>/dev/null && grep -h '^Uid' "/proc/$pid/status" && return
	done
	return 1
}

# watch_curl FILE: until one was seen, which waits for an answer from the bucket that comes only then.
watch_curl() {
	local status=0
	wait_for 50 see_curl >"$1" || status=1
	bucket_faults '[]' && return $status
}

@test "the node sends, the bastion verifies, and no process shows the address" {
	bucket_faults '[{"on": "final", "hold": true}]'
	watch_curl "$RIG_RUN/curl" 3>&- &
	local watcher=$!
	heapdump -s 0
	wait "$watcher"
	object_is_good
	tr '\0' ' ' <"$RIG_RUN/curl" | grep -q '^curl -q --config - '
	run ! grep -qa upload_id "$RIG_RUN/curl"
	run ! grep -qa $'Uid:\t0' "$RIG_RUN/curl"
	grep -qa $'Uid:\t' "$RIG_RUN/curl"
}

@test "the bytes do not go through the bastion" {
	run_jdiag -s 0 heapdump up -n shop --to gs://dumps/a/ --upload-from node --format hprof -v=4
	[[ -s $(object "$output") ]]
	[[ $stderr == *"from helper: DATA"* || $stderr == *"DATA"* ]] && { echo "DATA frames came" && return 1; }
	tells "the node sends from byte 0"
}

@test "an overloaded bucket, a cut connection, a lost answer: the node sends again" {
	bucket_faults '[{"on": "final", "status": 503}]'
	heapdump -s 0
	object_is_good
	bucket_faults '[{"on": "final", "reset_at": 300000}]'
	heapdump -s 0
	object_is_good
	bucket_faults '[{"on": "final", "lose_answer": true}]'
	heapdump -s 0
	object_is_good
}

@test "a session that expires is replaced by another one" {
	bucket_faults '[{"on": "final", "expire": 410}]'
	heapdump -s 0
	object_is_good
}

@test "bytes that change on the way: refused by the bucket, the capture is kept" {
	bucket_faults '[{"on": "final", "corrupt": true, "times": 9}]'
	heapdump -s 9
	[[ -z $output ]]
	tells "resume"
	bucket_faults '[]'
	run_jdiag -s 0 resume --upload-from node
	object_is_good
}

@test "a node without curl: a notice, and the bytes go through the bastion" {
	mount --bind /dev/null "$(readlink -f /usr/bin/curl)"
	heapdump -s 0
	umount "$(readlink -f /usr/bin/curl)"
	tells "the node has no curl"
	object_is_good
}

@test "--upload-from node is for buckets and needs the spool" {
	refuses 2 heapdump up -n shop --to ./x.hprof --upload-from node
	tells "goes with a bucket"
	refuses 2 heapdump up -n shop --to gs://dumps/a/ --upload-from node --no-spool
	tells "needs the spool"
}
