# What goes wrong where the dump goes to: bucket, file, directory, disk; and words that are no options.
load lib

setup_file() {
	rig_up
	pod_up web
	pod_up big --java -Xmx300m -- fill=100
}
teardown_file() { rig_down; }

setup() {
	D=$BATS_TEST_TMPDIR
	BUCKET=http://127.0.0.1:$(<"$RIG_RUN/bucket/port")
	JDIAG_EXTRA_ENV=()
	cd "$D"
}

teardown() {
	curl -sf "$BUCKET/control/reset" -d '' >/dev/null
	! mountpoint -q "$D/small" || umount "$D/small"
	untouched web && untouched big && [ -z "$(find "$D" -name '*.partial')" ]
}

dump() { refuses "$1" heapdump web -n shop "${@:2}"; }

no_session() { [ "$(curl -sf "$BUCKET/control/sessions")" = '[]' ]; }
no_object() { [ -z "$(find "$RIG_RUN/bucket/data/objects" -type f -name "*$1*")" ]; }
@test "bucket missing" {
	dump 9 --to gs://dmups/incident/
	tells "bucket 'dmups' does not exist"
	tells "check its name, or create it: gcloud storage buckets create gs://dmups"
}

@test "a bucket's name that is none" {
	dump 2 --to gs://Dumps_/x/
	tells "'Dumps_' is not the name of a bucket"
	dump 2 --to gs:///x
}

@test "403: not permitted" {
	bucket_faults '[{"on": "start", "status": 403, "message": "no storage.objects.create access", "times": 9}]'
	dump 9 --to gs://dumps/incident/
	tells "not permitted"
	tells "storage.objects.create"
}

@test "object exists already: it is not touched" {
	echo mine >"$D/mine"
	curl -sf "$BUCKET/upload/storage/v1/b/dumps/o?uploadType=media&name=mine.hprof" --data-binary @mine >/dev/null
	dump 9 --to gs://dumps/mine.hprof
	tells "an object of this name exists already"
	tells "nothing is ever overwritten: choose another name, or end the destination in /"
	[ "$(cat "$RIG_RUN/bucket/data/objects/dumps/mine.hprof")" = mine ]
	no_session
}

@test "the bucket does not answer, or only with errors: the JVM is not stopped for that" {
	JDIAG_EXTRA_ENV=(STORAGE_EMULATOR_HOST=http://127.0.0.1:1)
	dump 9 --to gs://dumps/x/
	tells "cannot upload to 'gs://dumps/x/"
	tells "Connection refused"
	tells "can it be reached from here?"
	[[ $stderr != *"jdiag: attach"* ]]
	JDIAG_EXTRA_ENV=()
	bucket_faults '[{"on": "start", "status": 503, "retry_after": 0, "times": 99}]'
	dump 9 --to gs://dumps/x/
	tells "it is not available at the moment: try again later"
	[[ $stderr != *"jdiag: attach"* ]]
}

@test "the upload is damaged on its way: the bucket refuses it, nothing is there" {
	bucket_faults '[{"on": "final", "corrupt": true, "times": 9}, {"on": "put", "corrupt": true, "times": 9}]'
	run_jdiag heapdump web -n shop --to gs://dumps/damaged.hprof
	[[ $status == 9 && -z $output ]]
	no_object damaged
	no_session
	run_jdiag -s 0 tidy "node/$NODE" --force # it is kept for 'resume'
}

# credentials TEXT: no emulator; this key file.
credentials() {
	printf '%s' "$1" >key.json
	JDIAG_EXTRA_ENV=(env -u STORAGE_EMULATOR_HOST GOOGLE_APPLICATION_CREDENTIALS="$D/key.json")
}

@test "bad credentials file" {
	credentials 'not json'
	dump 2 --to gs://dumps/x/
	tells "credential file '$D/key.json'"
	credentials '{"type": "service_account", "client_email": "a@b.c", "private_key": "canary-key"}'
	dump 2 --to gs://dumps/x/
	tells "credential file '$D/key.json'"
	[[ $stderr != *canary-key* ]]
	credentials '{"type": "external_account"}'
	dump 2 --to gs://dumps/x/
	tells "field 'audience' is missing"
	credentials '{"type": "gdch_service_account"}'
	dump 2 --to gs://dumps/x/
	tells "'gdch_service_account' is not supported"
	tells "--token-command 'gcloud auth application-default print-access-token'"
	JDIAG_EXTRA_ENV=(env -u STORAGE_EMULATOR_HOST GOOGLE_APPLICATION_CREDENTIALS="$D/none.json")
	dump 2 --to gs://dumps/x/
	tells "$D/none.json"
	tells "No such file or directory"
}

@test "a token command that fails, that says nothing" {
	JDIAG_EXTRA_ENV=(env -u STORAGE_EMULATOR_HOST)
	dump 9 --to gs://dumps/x/ --token-command 'exit 3'
	tells "the token command ended with status 3"
	dump 9 --to gs://dumps/x/ --token-command true
	tells "token command printed nothing"
}

@test "no such directory, a file that exists, one that is being written" {
	dump 2 --to "$D/none/"
	tells "cannot open the directory '$D/none"
	tells "create it: mkdir -p '$D/none"
	dump 2 --to "$D/none/x.hprof"
	tells "mkdir -p '$D/none"
	echo mine >mine.hprof
	dump 2 --to "$D/mine.hprof"
	tells "cannot write '$D/mine.hprof': it exists already"
	tells "nothing is ever overwritten"
	[ "$(cat mine.hprof)" = mine ]
	ln -s /nonexistent dangling.hprof
	dump 2 --to "$D/dangling.hprof"
	tells "it exists already"
	echo other >busy.hprof.partial
	dump 2 --to "$D/busy.hprof"
	tells "'$D/busy.hprof.partial' exists already"
	tells "another run is writing it, or one was killed: then remove it"
	[ "$(cat busy.hprof.partial)" = other ]
	rm busy.hprof.partial
}

@test "a destination without room: refused before, --force fails in the middle and leaves nothing" {
	mkdir small
	mount -t tmpfs -o size=40m small "$D/small"
	refuses 10 heapdump big -n shop --to "$D/small/"
	tells "not fit at the destination: 40.0 MiB free"
	tells "make room, or go on with --force"
	[ -z "$(ls -A small)" ]
	refuses 9 heapdump big -n shop --to "$D/small/x.hprof" --force
	tells "cannot write '$D/small/"
	tells "No space left on device"
	tells "make room, or name another place with --to"
	[ -z "$(ls -A small)" ]
	forget "$stderr"
}

# forget TEXT: the capture that is kept goes as the text says.
forget() {
	local line
	line=$(grep -o 'jdiag spool rm [0-9a-f]\{16\}' <<<"$1")
	# shellcheck disable=SC2086 # words
	run_jdiag -s 0 ${line#jdiag }
}

@test "stdout that ends early, stdout that is full" {
	run jdiag_env bash -c '{ "$@"; echo "status $?" >&2; } | head -c 1000000 >part' bash "$JDIAG" heapdump big -n shop --format hprof --to -
	echo "$output"
	[[ $output == *"the reader of standard output ended before the artifact"*"status 9"* ]]
	[ "$(stat -c %s part)" = 1000000 ]
	forget "$output"
	run jdiag_env bash -c '"$@" >/dev/full' bash "$JDIAG" heapdump web -n shop --to -
	[ "$status" = 9 ]
	[[ $output == *"No space left on device"* ]]
	forget "$output"
}

@test "unknown flags, commands, bad values" {
	dump 2 --too gs://dumps/
	tells "unknown option '--too'"
	tells "did you mean '--to'?"
	dump 2 --timeout 5parsecs
	tells "bad duration '5parsecs' for '--timeout'"
	tells "a duration looks like 30s, 5m or 1h30m"
	dump 2 --request-timeout -1s
	tells "bad duration"
	dump 2 -p 70000
	tells "bad port '70000' for '-p'"
	dump 2 --host-key perhaps
	tells "valid: strict, accept-new, ignore"
	dump 2 -o yaml-or-so
	tells "valid: text"
	dump 2 --to
	tells "'--to' needs a value"
	refuses 2 heapdump
	refuses 2 heapdump "node/$NODE"
	tells "a node is no target of heapdump: name a pod"
	refuses 2 heapdump "ssh://127.0.0.1" --pid 0
	tells "a pid is a number"
}
