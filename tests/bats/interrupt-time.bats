# --timeout, in every phase: it is told apart from Ctrl-C, and all is undone. And what an end in the middle
# leaves in the bucket: no object, no open upload session.
load lib

setup_file() {
	rig_up
	pod_up web --java -Xmx400m -- fill=150
}
teardown_file() { rig_down; }

setup() {
	D=$BATS_TEST_TMPDIR
	BUCKET=http://127.0.0.1:$(<"$RIG_RUN/bucket/port")
	JOB=
	cd "$D"
}

teardown() {
	[[ -z ${SERVER_PID:-} ]] || kill "$SERVER_PID"
	[[ -z $JOB ]] || kill -KILL "$JOB" 2>/dev/null || true
	kill -CONT "$(<"$RIG_RUN/bucket/pid")"
	rm -f "$RIG_RUN/kube/faults.json"
	rm -rf "$RIG_RUN/home/.local"
	curl -sf "$BUCKET/control/reset" -d '' >/dev/null
	untouched web || return 1
	[ -z "$(find "$D" -name '*.hprof*')" ]
}

open_sessions() { curl -sf "$BUCKET/control/sessions" | python3 -c 'import json, sys; print(len(json.load(sys.stdin)))'; }

# bucket_was_asked KIND: there was such a request.
bucket_was_asked() { curl -sf "$BUCKET/control/log" | grep -q "\"kind\": \"$1\""; }

no_object() { [ -z "$(find "$RIG_RUN/bucket/data/objects" -type f 2>/dev/null)" ]; }

# kept_capture_goes: the dump is safe on the node, the error says how it goes away, and so it does.
kept_capture_goes() {
	local stderr=${stderr:-$(<stderr)} line
	line=$(grep -o 'jdiag spool rm [0-9a-f]\{16\}' <<<"$stderr")
	# shellcheck disable=SC2086 # words
	run_jdiag -s 0 ${line#jdiag }
}

# last_phase: that was told.
last_phase() { grep -oE '^jdiag: (resolve|connect|inspect|attach|pause|spool|upload|transfer|finish)$' <<<"$stderr" | tail -n 1; }

# times_out PHASE SECONDS [OPTION...]: in that phase, and not later. A machine that is busy may not have come to
# it by then, and gets more time.
times_out() {
	local phase=$1 first=$2 seconds
	shift 2
	for seconds in "$first" 8 30; do
		refuses 130 heapdump web -n shop --timeout "${seconds}s" "$@"
		[[ $(last_phase) != "jdiag: $phase" ]] || break
	done
	[ "$(last_phase)" = "jdiag: $phase" ]
	tells "jdiag: timed out: the time given by --timeout has passed"
	tells "give it more time, or see with -v=2 which step takes so long"
}

@test "the API does not answer" {
	faults '[{"path": "/pods/web", "do": "hang"}]'
	times_out resolve 1
}

@test "the API is busy for a long time" {
	faults '[{"path": "/pods/web", "do": "status", "code": 429, "message": "busy", "headers": {"Retry-After": "10"}}]'
	times_out resolve 1
}

@test "a credential plugin does not answer" {
	sed "s|token: .*|exec: {apiVersion: client.authentication.k8s.io/v1, command: sleep, args: ['3141'], interactiveMode: Never}|" \
		"$RIG_RUN/kube/kubeconfig" >config
	times_out resolve 1 --kubeconfig "$D/config"
	run ! pgrep -fx 'sleep 3141'
}

@test "the node does not take the connection" {
	# a listener whose queue is full takes no further connection and does not refuse it
	cat >full.py <<-'PY'
		import os, socket, time
		server = socket.socket()
		server.bind(("127.0.0.1", 0))
		server.listen(0)
		clients = []
		while True:
		    client = socket.socket()
		    client.settimeout(0.5)
		    clients.append(client)
		    try:
		        client.connect(server.getsockname())
		    except TimeoutError:
		        break
		with open("port.new", "w") as out:
		    print(server.getsockname()[1], file=out)
		os.rename("port.new", "port")
		time.sleep(300)
	PY
	python3 full.py 3>&- &
	SERVER_PID=$!
	wait_for 40 test -s port
	times_out connect 1 -p "$(<port)"
}

@test "sshd does not speak" {
	"$RIG/silent_server.py" port 3>&- &
	SERVER_PID=$!
	wait_for 40 test -s port
	times_out connect 1 -p "$(<port)"
}

@test "the login shell does not end" {
	sshd_start "$D/ssh" "ForceCommand sleep 300"
	sshd_authorize "$D/ssh" "$RIG_RUN/ssh/client.pub"
	times_out connect 3 -p "$SSHD_PORT" --known-hosts "$D/ssh/known_hosts"
	sshd_stop "$D/ssh"
}

@test "the bucket does not start an upload" {
	"$RIG/silent_server.py" port 3>&- &
	SERVER_PID=$!
	wait_for 40 test -s port
	JDIAG_EXTRA_ENV=(STORAGE_EMULATOR_HOST="http://127.0.0.1:$(<port)")
	times_out inspect 5 --to gs://dumps/x/
	JDIAG_EXTRA_ENV=()
}

@test "the bucket is slow, is slow at the end: the session is closed, the capture is kept" {
	hold_bucket
	run_jdiag -s 130 heapdump web -n shop --to gs://dumps/slow/ --timeout 25s
	bucket_holds
	tells "jdiag: timed out"
	[ "$(open_sessions)" = 0 ]
	no_object
	kept_capture_goes
}

@test "the reader of stdout does not read" {
	jdiag_env bash -c '"$@" --to - --timeout 25s 2>stderr; echo $? >status' bash "$JDIAG" heapdump web -n shop 3>&- |
		(wait_for 90 test -s status)
	[ "$(<status)" = 130 ]
	grep '^jdiag: timed out' stderr
	stderr=$(<stderr) kept_capture_goes
}

# begin ARGUMENT...: jdiag in the background, which may be interrupted.
begin() {
	jdiag_env bash -c 'echo $$ >job; exec env --default-signal=INT,QUIT,HUP,TERM "$@"' bash "$JDIAG" "$@" \
		>stdout 2>stderr 3>&- </dev/null &
	wait_for 20 test -s job
	JOB=$(<job)
}

# ends STATUS
ends() {
	local status=0
	wait $! || status=$?
	cat stderr
	JOB=
	[[ $status == "$1" && ! -s stdout ]]
}

@test "Ctrl-C while a slow bucket takes the dump: the upload session is closed" {
	hold_bucket
	begin heapdump web -n shop --to gs://dumps/slow/
	wait_for 60 grep -qE '^jdiag: (spool|upload)' stderr
	wait_for 60 bucket_holds
	[ "$(open_sessions)" = 1 ]
	kill -INT "$JOB"
	ends 130
	grep '^jdiag: interrupted$' stderr
	[ "$(open_sessions)" = 0 ]
	no_object
	stderr=$(<stderr) kept_capture_goes
}

@test "Ctrl-C while the bucket finishes: the upload session is closed" {
	bucket_faults '[{"on": "final", "status": 503, "retry_after": 30, "times": 100}, {"on": "status", "status": 503, "retry_after": 30, "times": 100}]'
	begin heapdump web -n shop --to gs://dumps/end/
	wait_for 60 bucket_was_asked final
	kill -INT "$JOB"
	ends 130
	[ "$(open_sessions)" = 0 ]
	no_object
	stderr=$(<stderr) kept_capture_goes
}

@test "a second Ctrl-C while a dead connection is given up: at once" {
	hold_bucket
	begin heapdump web -n shop --to gs://dumps/two/
	wait_for 60 bucket_holds
	kill -STOP "$(<"$RIG_RUN/bucket/pid")"
	kill -INT "$JOB"
	sleep 2 # it gives the connection up after ten seconds, and says then that it was interrupted
	kill -INT "$JOB"
	ends 130
	kill -CONT "$(<"$RIG_RUN/bucket/pid")"
	run ! grep '^jdiag: interrupted$' stderr
	run_jdiag -s 0 spool -o name
	run_jdiag -s 0 spool rm "$output"
}
