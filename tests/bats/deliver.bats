# A capture whose connection breaks, whose destination fails, whose jdiag ends: by a node that answers as
# tests/rig/hostile_helper.py is told. What the real helper does then is in resume.bats.
load lib

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

setup() {
	rm -rf "$RIG_RUN/mode.captures" "$RIG_RUN/home/.local" "$RIG_RUN/out/to"
	mkdir -p "$RIG_RUN/mode.captures" "$RIG_RUN/out/to"
	curl -sf "$(bucket)/control/reset" -d '' >/dev/null
}
teardown() {
	[[ -n $BATS_TEST_COMPLETED ]] || tail "$RIG_RUN/out/stderr" || true
	[[ ! -f $RIG_RUN/job ]] || kill -KILL "$(<"$RIG_RUN/job")" 2>/dev/null || true
}

bucket() { echo "http://127.0.0.1:$(<"$RIG_RUN/bucket/port")"; }
# object NAME: the file in which the bucket server keeps it.
object() { echo "$RIG_RUN/bucket/data/objects/dumps/${1//\//%2F}"; }
mode() { echo "$1" >"$RIG_RUN/mode"; }

# asked N OPERATION: the node was asked for it so often.
asked() {
	[[ $(grep -c "^$2" "$RIG_RUN/mode.captures/log") == "$1" ]] ||
		{ cat "$RIG_RUN/mode.captures/log" && return 1; }
}

# The dump of the rig, as hostile_helper.py makes it.
artifact_is_good() {
	[ "$(sha256sum <"$1" | cut -d' ' -f1)" = "$(python3 -c '
import hashlib, struct
dump = (b"JAVA PROFILE 1.0.2\0" + struct.pack(">IQ", 8, 0) + b"\x1c" + struct.pack(">II", 0, 200000) +
        bytes(200000) + b"\x2c" + struct.pack(">II", 0, 0))
print(hashlib.sha256(dump).hexdigest())')" ]
}

records() { find "$RIG_RUN/home/.local/state/jdiag/captures" -type f 2>/dev/null; }
spools() { find "$RIG_RUN/mode.captures" -type f ! -name 'log*'; }

# nothing_kept: no record here, no capture there.
nothing_kept() { [[ -z $(records) && -z $(spools) ]]; }

# kept: one of each, of the same id, which is in the hint.
kept() {
	ID=$(basename "$(spools)")
	[ "$(records)" = "$RIG_RUN/home/.local/state/jdiag/captures/$ID.json" ]
	tells "the capture is kept on node '$NODE': jdiag resume $ID"
	tells "or throw it away: jdiag spool rm $ID"
	[ -z "$(ls -A "$RIG_RUN/out/to")" ]
}

# dump DEST [-s STATUS] [OPTION...]
dump() {
	local to=$1 want=()
	shift
	if [[ ${1:-} == -s ]]; then
		want=(-s "$2")
		shift 2
	fi
	run_jdiag "${want[@]}" heapdump web -n shop --to "$to" "$@"
}

# --- the connection -----------------------------------------------------------------------------------

survives() {
	mode "$1"
	dump "$RIG_RUN/out/to/x.hprof" -s 0
	artifact_is_good "$RIG_RUN/out/to/x.hprof"
	manifest_agrees "$RIG_RUN/out/to/x.hprof"
	tells "the connection to node '$NODE' broke"
	tells "connected again"
	nothing_kept
}

@test "no break, to know that the rig is right" {
	mode Good
	dump "$RIG_RUN/out/to/" -s 0
	[[ $output =~ /out/to/shop_web_app-0_[0-9TZ]*_1\.hprof\.gz$ ]]
	[[ $stderr != *"broke"* ]]
	nothing_kept
	asked 1 begin
	asked 1 remove
}

@test "a break before the capture has begun: it is begun again" {
	survives CutBeforeBegin
	asked 2 begin
}

@test "a break before the answer to begin: the same id, so that nothing starts twice" {
	survives CutBegin
	asked 2 begin
	[ "$(grep ^begin "$RIG_RUN/mode.captures/log" | sort -u | wc -l)" = 1 ]
}

@test "a break while the JVM stands still: watched again, not begun again" {
	survives CutWatch
	asked 1 begin
	asked 2 watch
}

@test "breaks while bytes come: each connection goes on where the one before ended" {
	survives CutData
	asked 1 begin
	[ "$(grep -o '[0-9]*$' <(grep ^fetch "$RIG_RUN/mode.captures/log") | tr '\n' ' ')" = "0 70000 140000 " ]
}

@test "breaks while bytes go to a bucket" {
	mode CutData
	dump gs://dumps/cut/x.hprof -s 0
	artifact_is_good "$(object cut/x.hprof)"
	nothing_kept
}

@test "a capture that is gone after a break is not begun again: the JVM would be paused twice" {
	mode LosesCapture
	dump "$RIG_RUN/out/to/" -s 8
	tells "the capture is gone from node '$NODE'"
	asked 1 begin
	[ -z "$(records)" ]
}

@test "a capture that fails leaves nothing" {
	mode CaptureFails
	dump "$RIG_RUN/out/to/" -s 8
	tells "no room for the spool"
	tells "make room"
	nothing_kept
	[ -z "$(ls -A "$RIG_RUN/out/to")" ]
}

@test "--no-spool: a break is the end" {
	mode CutData
	run_jdiag -s 6 heapdump web -n shop --to "$RIG_RUN/out/to/" --no-spool
	tells "take it again without"
	[ -z "$(records)" ]
}

# --- the destination ----------------------------------------------------------------------------------

@test "the bucket loses bytes, and its session: fetched again" {
	mode Good
	bucket_faults '[{"on": "final", "status": 503, "times": 1}, {"on": "final", "status": 410, "times": 1}]'
	dump gs://dumps/again/x.hprof -s 0
	artifact_is_good "$(object again/x.hprof)"
	nothing_kept
}

@test "an upload that fails: status 9, kept, and resume finishes it" {
	mode Good
	bucket_faults '[{"on": "final", "status": 403, "times": 1}]'
	dump gs://dumps/late/x.hprof -s 9
	kept
	run_jdiag -s 0 spool
	says "$ID"
	says complete
	run_jdiag -s 0 resume
	[ "$output" = gs://dumps/late/x.hprof ]
	artifact_is_good "$(object late/x.hprof)"
	asked 1 begin
	nothing_kept
}

@test "a full disk: status 9, kept, and resume finishes it elsewhere" {
	mode Good
	mkdir "$RIG_RUN/out/full"
	mount -t tmpfs -o size=64k none "$RIG_RUN/out/full"
	dump "$RIG_RUN/out/full/x.hprof" --force
	ls -A "$RIG_RUN/out/full" >"$RIG_RUN/out/left"
	umount "$RIG_RUN/out/full"
	[[ $status == 9 && ! -s $RIG_RUN/out/left ]]
	tells "No space left"
	kept
	run_jdiag -s 0 resume "$ID" --to "$RIG_RUN/out/to/y.hprof"
	artifact_is_good "$RIG_RUN/out/to/y.hprof"
	grep -q "$RIG_RUN/out/to/y.hprof" "$RIG_RUN/out/to/y.hprof.manifest.json"
	nothing_kept
}

@test "a wrong digest: status 8, and kept" {
	mode WrongDigest
	dump "$RIG_RUN/out/to/" -s 8
	kept
}

# --- the end of jdiag -----------------------------------------------------------------------------------

# begin ARGUMENT...: jdiag in the background. Shells let background jobs ignore SIGINT: undone.
begin() {
	: >"$RIG_RUN/out/stderr"
	JDIAG_EXEC=exec jdiag_env env --default-signal=INT,QUIT "$JDIAG" "$@" \
		>"$RIG_RUN/out/stdout" 2>"$RIG_RUN/out/stderr" 3>&- </dev/null &
	echo $! >"$RIG_RUN/job"
}

told() { grep -q "$1" "$RIG_RUN/out/stderr"; }

# ends STATUS: what it has printed is in $stderr.
ends() {
	local got=0
	wait "$(<"$RIG_RUN/job")" || got=$?
	rm -f "$RIG_RUN/job"
	stderr=$(<"$RIG_RUN/out/stderr")
	cat "$RIG_RUN/out/stderr" | tee -a "$RIG_RUN/out/all"
	[[ $got == "$1" ]]
}

@test "Ctrl-C while the JVM stands still: stopped, nothing kept" {
	mode Paused
	begin heapdump web -n shop --to "$RIG_RUN/out/to/"
	wait_for 80 told '^jdiag: pause'
	kill -INT "$(<"$RIG_RUN/job")"
	ends 130
	tells "nothing was kept: the node and the destination are as before"
	asked 1 stop
	nothing_kept
	[ -z "$(ls -A "$RIG_RUN/out/to")" ]
}

@test "--timeout while the JVM stands still: stopped, nothing kept" {
	mode Paused
	dump "$RIG_RUN/out/to/" -s 130 --timeout 4s
	tells "timed out"
	nothing_kept
}

@test "Ctrl-C once the JVM goes on: kept" {
	mode Spooling
	begin heapdump web -n shop --to "$RIG_RUN/out/to/"
	wait_for 80 told '^jdiag: spool'
	kill -INT "$(<"$RIG_RUN/job")"
	ends 130
	kept
	asked 0 stop
	mode Good
	run_jdiag -s 0 resume "$ID"
	artifact_is_good "$output"
	nothing_kept
}

@test "Ctrl-C of a resume while the JVM still stands still: it goes on without" {
	mode Good
	dump "$RIG_RUN/out/to/x.hprof" -s 0 --detach
	mode Paused
	begin resume
	wait_for 80 told '^jdiag: pause'
	kill -INT "$(<"$RIG_RUN/job")"
	ends 130
	kept
	asked 0 stop
}

@test "SIGKILL, then resume: also over the file that was begun" {
	mode Spooling
	begin heapdump web -n shop --to "$RIG_RUN/out/to/x.hprof"
	wait_for 80 told '^jdiag: spool'
	kill -KILL "$(<"$RIG_RUN/job")"
	ends 137 || true
	[ -e "$RIG_RUN/out/to/x.hprof.partial" ]
	mode Good
	run_jdiag -s 0 resume
	artifact_is_good "$RIG_RUN/out/to/x.hprof"
	manifest_agrees "$RIG_RUN/out/to/x.hprof"
	[ "$(ls "$RIG_RUN/out/to")" = $'x.hprof\nx.hprof.manifest.json' ]
	nothing_kept
}

@test "a .partial that another run is writing is not taken over" {
	mode Good
	dump "$RIG_RUN/out/to/x.hprof" -s 0
	rm "$RIG_RUN"/out/to/*
	bucket_faults '[{"on": "final", "status": 403, "times": 1}]'
	dump gs://dumps/held/x.hprof -s 9
	: >"$RIG_RUN/out/to/x.hprof.partial"
	flock "$RIG_RUN/out/to/x.hprof.partial" sleep 60 3>&- &
	wait_for 20 bash -c "! flock -n '$RIG_RUN/out/to/x.hprof.partial' true"
	run_jdiag -s 2 resume --to "$RIG_RUN/out/to/x.hprof"
	kill $!
	tells "exists already"
	[ "$(spools | wc -l)" = 1 ]
}

# --- --detach, resume, spool ----------------------------------------------------------------------------

@test "--detach: the id, and resume from here" {
	mode Good
	dump "$RIG_RUN/out/to/x.hprof" -s 0 --detach
	ID=$output
	[[ $ID =~ ^[0-9a-f]{16}$ ]]
	tells "next: jdiag resume $ID"
	[ -z "$(ls -A "$RIG_RUN/out/to")" ]
	grep -q '"sync": true' "$RIG_RUN/mode.captures/$ID"
	asked 0 fetch
	run_jdiag -s 0 resume "$ID"
	artifact_is_good "$RIG_RUN/out/to/x.hprof"
	nothing_kept
	run_jdiag -s 0 heapdump web -n shop --detach -o json
	python3 - "$output" <<'END'
import json, sys
got = json.loads(sys.argv[1])
assert got["kind"] == "Capture" and got["phase"] == "complete" and got["format"] == "hprof.gz", got
assert got["node"] == "gke-rig-pool-1" and len(got["id"]) == 16, got
END
}

@test "--detach says what cannot be" {
	refuses 2 heapdump web -n shop --detach --to -
	refuses 2 heapdump web -n shop --detach --no-spool
	mode Good
	refuses 9 heapdump web -n shop --detach --to gs://no-such-bucket/x/
	nothing_kept
}

@test "resume from another machine: by node, by pod, by ssh://, to a bucket by itself" {
	local target
	mode Good
	for target in "node/$NODE" web "ssh://root@127.0.0.1:$(<"$RIG_RUN/ssh/port")"; do
		dump gs://dumps/other/ -s 0 --detach
		ID=$output
		rm -rf "$RIG_RUN/home/.local"
		refuses 3 resume "$ID"
		tells "jdiag resume $ID node/NODE"
		run_jdiag -s 0 resume "$ID" "$target" -n shop
		[[ $output == gs://dumps/other/shop_web_app-0_* ]]
		nothing_kept
		rm "$RIG_RUN"/bucket/data/objects/dumps/other*
	done
}

@test "resume from another machine: a path of the first one is not used" {
	mode Good
	dump "$RIG_RUN/out/to/x.hprof" -s 0 --detach
	ID=$output
	rm -rf "$RIG_RUN/home/.local"
	mkdir "$RIG_RUN/out/to/cwd"
	cd "$RIG_RUN/out/to/cwd"
	run_jdiag -s 0 resume "$ID" "node/$NODE"
	[[ $output == "$RIG_RUN/out/to/cwd/shop_web_app-0_"*.hprof ]]
	artifact_is_good "$output"
}

@test "resume without an ID: none, several" {
	mode Good
	refuses 3 resume
	tells "no capture here"
	dump "$RIG_RUN/out/to/" -s 0 --detach
	first=$output
	dump "$RIG_RUN/out/to/" -s 0 --detach
	refuses 3 resume
	tells "2 captures are not finished: name one"
	tells "$first"
	tells "$output"
}

@test "resume what is not there any more" {
	mode Good
	dump "$RIG_RUN/out/to/" -s 0 --detach
	ID=$output
	rm "$RIG_RUN/mode.captures/$ID"
	refuses 3 resume "$ID"
	tells "forget it: jdiag spool rm $ID"
	run_jdiag -s 0 spool rm "$ID"
	nothing_kept
	refuses 2 resume nonsense
}

@test "a label of the node that means no good" {
	mode HostileLabel
	dump gs://dumps/label/ -s 0 --detach
	ID=$output
	rm -rf "$RIG_RUN/home/.local"
	cd "$RIG_RUN/out/to"
	refuses 1 resume "$ID" "node/$NODE"
	tells "label is not one of jdiag's"
	run_jdiag -s 0 spool "node/$NODE"
	says "$ID"
	mode HostileDestination
	run_jdiag -s 0 resume "$ID" "node/$NODE"
	[[ $output == "$RIG_RUN/out/to/"* ]]
}

@test "a label of the node names a bucket: it is told, and what is to be pasted is quoted" {
	mode Good
	dump "$RIG_RUN/out/to/" -s 0 --detach
	ID=$output
	rm -rf "$RIG_RUN/home/.local"
	cd "$RIG_RUN/out/to"
	mode ShellDestination
	bucket_faults '[{"on": "final", "status": 403, "times": 1}]'
	run_jdiag -s 9 resume "$ID" "node/$NODE"
	tells "going to 'gs://dumps/a \$(touch pasted)/it's.hprof', as the capture says"
	run_jdiag -s 0 resume "$ID" "node/$NODE"
	tells "next: gcloud storage cp 'gs://dumps/a \$(touch pasted)/it'\\''s.hprof' . "
}

@test "what fails before the first byte leaves the record, too" {
	mode Good
	dump "$RIG_RUN/out/to/x.hprof" -s 0 --detach
	ID=$output
	run_jdiag -s 2 resume --upload-from node
	tells "--upload-from node goes with a bucket"
	kept
	run_jdiag -s 2 resume --to "$RIG_RUN/out/no/such/place"
	kept
	run_jdiag -s 0 resume
	nothing_kept
}

@test "resume to another place fails: the line names that place" {
	mode Good
	dump "$RIG_RUN/out/to/x.hprof" -s 0 --detach
	ID=$output
	bucket_faults '[{"on": "final", "status": 403, "times": 1}]'
	run_jdiag -s 9 resume --to gs://dumps/else/x.hprof
	tells "the capture is kept on node '$NODE': jdiag resume $ID --to gs://dumps/else/x.hprof"
	run_jdiag -s 0 resume "$ID" --to gs://dumps/else/x.hprof
	artifact_is_good "$(object else/x.hprof)"
}

@test "resume after an upload that was finished by a run that was killed then" {
	mode Good
	dump gs://dumps/twice/x.hprof -s 0 --detach
	ID=$output
	cp "$RIG_RUN/mode.captures/$ID" "$RIG_RUN/out/state"
	cp "$(records)" "$RIG_RUN/out/record"
	run_jdiag -s 0 resume
	cp "$RIG_RUN/out/state" "$RIG_RUN/mode.captures/$ID"
	cp "$RIG_RUN/out/record" "$RIG_RUN/home/.local/state/jdiag/captures/$ID.json"
	run_jdiag -s 0 resume
	[ "$output" = gs://dumps/twice/x.hprof ]
	nothing_kept
}

@test "resume after a file that was finished by a run that was killed then" {
	mode Good
	dump "$RIG_RUN/out/to/x.hprof" -s 0 --detach
	ID=$output
	cp "$RIG_RUN/mode.captures/$ID" "$RIG_RUN/out/state"
	cp "$(records)" "$RIG_RUN/out/record"
	run_jdiag -s 0 resume
	cp "$RIG_RUN/out/state" "$RIG_RUN/mode.captures/$ID"
	cp "$RIG_RUN/out/record" "$RIG_RUN/home/.local/state/jdiag/captures/$ID.json"
	run_jdiag -s 2 resume
	tells "if a run before has finished it: jdiag check $RIG_RUN/out/to/x.hprof"
	tells "jdiag spool rm $ID"
	run_jdiag -s 0 spool rm "$ID" -o json
	[[ $output == *'"phase":"removed"'* ]]
	nothing_kept
}

@test "the helper fails, the capture does not: kept" {
	mode WatchFails
	dump "$RIG_RUN/out/to/" -s 6
	tells "cannot read the state"
	asked 0 remove
	kept
}

@test "a record that somebody else has written, or can, is not used" {
	mode Good
	dump "$RIG_RUN/out/to/x.hprof" -s 0 --detach
	ID=$output
	chmod 660 "$(records)"
	refuses 1 resume "$ID"
	tells "belongs to somebody else, or others can write it"
	refuses 3 resume
	chmod 600 "$(records)"
	chown nobody "$(records)"
	refuses 1 resume "$ID"
	chown root "$(records)"
	run_jdiag -s 0 resume "$ID"
}

@test "spool: the forms" {
	mode Good
	run_jdiag -s 0 spool
	tells "no capture found"
	dump "$RIG_RUN/out/to/" -s 0 --detach
	ID=$output
	run_jdiag -s 0 spool list
	[[ ${lines[0]} =~ ^NAME\ +POD\ +PHASE\ +STORED\ +RAW\ +NODE\ +AGE$ ]]
	[[ ${lines[1]} =~ ^$ID\ +web\ +complete\ +195_KiB\ +195_KiB\ +$NODE\ +10m$ ]]
	run_jdiag -s 0 spool list "node/$NODE" -o wide
	[[ ${lines[1]} == "$ID"*"/var/lib/.jdiag-$ID"* ]]
	run_jdiag -s 0 spool web -n shop -o name
	[ "$output" = "$ID" ]
	run_jdiag -s 0 spool "ssh://root@127.0.0.1:$(<"$RIG_RUN/ssh/port")" -o json
	python3 -c 'import json, sys; got = json.loads(sys.argv[1]); assert got["state"]["phase"] == "complete" and got["now"], got' "$output"
	refuses 2 spool rm
	refuses 2 spool list web other
	refuses 3 spool rm 0123456789abcdef
	run_jdiag -s 0 spool rm "$ID"
	[ "$output" = "$ID" ]
	nothing_kept
}

@test "spool: of another version" {
	mode OtherVersion
	run_jdiag -s 0 spool "node/$NODE"
	[[ ${lines[1]} =~ ^0123456789abcdef\ +-\ +unreadable ]]
	tells "was written by jdiag-helper 9.9"
	refuses 6 resume 0123456789abcdef "node/$NODE"
	tells "was written by jdiag-helper 9.9"
}

@test "records: private, without secrets, and without a place for them only a warning" {
	mode Good
	dump "$RIG_RUN/out/to/" -s 0 --detach --token-command "echo $CANARY_TOKEN"
	[ "$(stat -c %a "$(dirname "$(records)")")" = 700 ]
	[ "$(stat -c %a "$(records)")" = 600 ]
	run ! grep -q "$CANARY_TOKEN" "$(records)"
	run ! grep -rq "$CANARY_TOKEN" "$RIG_RUN/mode.captures"
	JDIAG_EXTRA_ENV=(XDG_STATE_HOME=/proc/nowhere)
	dump "$RIG_RUN/out/to/" -s 0 --detach
	tells "warning: the capture is not noted here"
	tells "next: jdiag resume $output node/$NODE"
}

@test "formats: by the name, by --format, the kind and the type of the object" {
	local name
	mode Good
	for name in x.hprof x.hprof.gz x.hprof.zst; do
		dump "gs://dumps/formats/$name" -s 0
		grep -q "\"format\": \"${name#x.}\"" "$(object formats/$name.manifest.json)"
		tells "next: gcloud storage cp gs://dumps/formats/$name ."
		tells "open it in Eclipse MAT"
		[[ $name == *.gz || $stderr == *VisualVM* ]]
		[[ $name != *.gz || $stderr != *VisualVM* ]] # which reads plain dumps alone
	done
	tells "zstd -d ./x.hprof.zst"
	grep -q application/zstd "$(object formats/x.hprof.zst).meta"
	grep -q application/gzip "$(object formats/x.hprof.gz).meta"
	grep -q application/octet-stream "$(object formats/x.hprof).meta"
	dump "$RIG_RUN/out/to/" -s 0 --format hprof.zst
	[[ $output == *_1.hprof.zst ]]
	tells "next: zstd -d $output"
	dump "$RIG_RUN/out/to/y.gz" -s 0 --format hprof
	grep -q '"format": "hprof"' "$RIG_RUN/out/to/y.gz.manifest.json"
	dump "$RIG_RUN/out/to/z.hprof" -s 0 --redact strings --parallel 3 --buffer 40%
	[ "$(grep -c '^begin' "$RIG_RUN/mode.captures/log")" = 6 ]
	refuses 2 heapdump web -n shop --buffer 200%
	refuses 2 heapdump web -n shop --buffer lots
	refuses 2 heapdump web -n shop --parallel 33
}

@test "a container that was restarted during the dump" {
	mode Restarts
	dump "$RIG_RUN/out/to/x.hprof" -s 0
	tells "warning: container 'app' was restarted during the dump (0 -> 1)"
	python3 -c 'import json, sys; assert json.load(open(sys.argv[1]))["restarts"] == {"before": 0, "after": 1}' \
		"$RIG_RUN/out/to/x.hprof.manifest.json"
	mode Good
}
