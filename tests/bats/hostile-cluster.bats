# An API server, a kubeconfig and a credential plugin that mean no good; and what may never leave jdiag:
# credentials to another server, secrets in any output. The rows are those of tests/README.md.
load lib
load hostile

setup_file() {
	rig_up
	pod_up web
	server recorder "$RIG/recorder.py" "$RIG_RUN/recorder/connections"
}
teardown_file() {
	server_stop recorder
	rig_down
}

setup() {
	KUBE=$RIG_RUN/kube
	D=$BATS_TEST_TMPDIR
	ELSEWHERE=127.0.0.1:$(<"$RIG_RUN/recorder/port")
	measure
}
teardown() {
	rm -f "$KUBE/faults.json" "$RIG_RUN/recorder/connections"
	server_stop kube2
	server_stop bucket2
	[[ ! -d $D/sshd2 ]] || sshd_stop "$D/sshd2"
	kube_state node "$NODE"
	pod_at_api web
	container working web
}

# dump STATUS TEXT [OPTION...]: the dump of pod web ends so.
dump() { fails "$1" "$2" heapdump web -n shop --to "$RIG_RUN/out/to/" "${@:3}"; }

nobody_came() { [ ! -e "$RIG_RUN/recorder/connections" ]; }

# user LINE...: $D/config is the rig's kubeconfig with this user instead of the token.
kubeconfig_with_user() {
	sed '/^    token: /d' "$KUBE/kubeconfig" >"$D/config"
	printf '    %s\n' "$@" >>"$D/config"
}

# plugin TEXT: an exec credential plugin, a shell script, in $D/config.
plugin() {
	printf '#!/bin/sh\n%s\n' "$1" >"$D/plugin"
	chmod +x "$D/plugin"
	kubeconfig_with_user exec: "  apiVersion: client.authentication.k8s.io/v1" "  command: $D/plugin" \
		"  interactiveMode: ${2:-IfAvailable}"
}

@test "row 27: a pod, a node that was not asked for" {
	faults '[{"path": "/pods/web", "do": "merge", "patch": {"metadata": {"name": "other"}}}]'
	dump 4 "sent another object"
	faults '[{"path": "/pods/web", "do": "merge", "patch": {"metadata": {"namespace": "kube-system"}}}]'
	dump 4 "sent another object"
	faults '[{"path": "/nodes/", "do": "merge", "patch": {"metadata": {"name": "other"}}}]'
	dump 4 "sent another object"
}

# A server of those that sshd offers, and what it says about the session.
sshd_with() {
	sshd_start "$D/sshd2" "LogLevel DEBUG2" "$@"
	JDIAG_EXTRA_ENV+=(JDIAG_SSH_PORT="$SSHD_PORT" JDIAG_IDENTITY="$D/sshd2/client"
		JDIAG_KNOWN_HOSTS="$D/sshd2/known_hosts")
}

@test "row 30: a session's ciphers are not those of a prefix truncation" {
	sshd_with
	run_jdiag -s 0 ps web -n shop
	grep -E 'kex: (client->server|server->client) cipher: ' "$D/sshd2/sshd.log"
	[ "$(grep -cE 'kex: (client->server|server->client) cipher: aes[0-9]+-(ctr|gcm@openssh.com) ' "$D/sshd2/sshd.log")" -ge 2 ]
	run ! grep -E 'kex: (client->server|server->client) cipher: (chacha20|.*-cbc)' "$D/sshd2/sshd.log"
}

@test "row 30: a server that has only ciphers of a prefix truncation is refused" {
	sshd_with "Ciphers chacha20-poly1305@openssh.com"
	dump 5 ""
	sshd_stop "$D/sshd2"
	sshd_with "Ciphers aes256-cbc" "MACs hmac-sha2-256-etm@openssh.com"
	dump 5 ""
	run ! grep Accepted "$D/sshd2/sshd.log"
}

@test "row 31: a node's name or address with metacharacters gets nowhere" {
	local name
	touch "$D/before"
	for name in "-oProxyCommand=touch $D/ran" "\$(touch $D/ran)" "a;touch $D/ran" "../namespaces/kube-system/secrets" \
		'a\nb' 'a\u0000b' 'a b' 'a?x=y' 'a#b' 'a%2fb'; do
		faults "[{\"path\": \"/pods/web\", \"do\": \"merge\", \"patch\": {\"spec\": {\"nodeName\": \"$name\"}}}]"
		dump 4 ""
		faults "[{\"path\": \"/nodes/\", \"do\": \"merge\", \"patch\": {\"status\": {\"addresses\": [
			{\"type\": \"InternalIP\", \"address\": \"$name\"}]}}}]"
		run_jdiag heapdump web -n shop --to "$RIG_RUN/out/to/"
		[[ $status == [34] ]]
		clean "$stderr"
	done
	[ ! -e "$D/ran" ]
	run ! grep -e secrets -e 'x=y' -e '%2f' -e ProxyCommand "$KUBE/requests"
}

@test "row 31: hosts and users with metacharacters on the command line" {
	local name
	for name in "-oProxyCommand=touch $D/ran" "\$(touch $D/ran)" "a;b" 'a b' $'a\nb' '`id`'; do
		run_jdiag heapdump "ssh://$name" --pid 1 --to "$RIG_RUN/out/to/"
		[[ $status == [25] ]]
		clean "$stderr"
		run_jdiag heapdump "ssh://$name@127.0.0.1" --pid 1 --to "$RIG_RUN/out/to/"
		[[ $status == [25] ]]
		run_jdiag heapdump web -n shop --ssh-user "$name" --to "$RIG_RUN/out/to/"
		[[ $status == [25] ]]
	done
	[ ! -e "$D/ran" ]
}

@test "row 32: credentials never follow a redirect" {
	local code
	for code in 301 302 303 307 308; do
		faults "[{\"do\": \"status\", \"code\": $code, \"headers\": {\"Location\": \"http://$ELSEWHERE/api\"}}]"
		dump 4 "never followed"
	done
	dump 4 "never followed" --kubeconfig "$KUBE/kubeconfig-cert"
	nobody_came
}

@test "row 32: a server that is not the one of the kubeconfig gets no credential" {
	local kind
	for kind in other-ca other-name expired; do
		server kube2 "$RIG/kube_server.py" "$RIG_RUN/kube2" --token "$CANARY_TOKEN" --certificate $kind
		dump 4 "certificate" --kubeconfig "$RIG_RUN/kube2/kubeconfig"
		server_stop kube2
	done
	[ ! -e "$RIG_RUN/kube2/requests" ]
	# Nor does a server that speaks no TLS.
	sed "s,https://.*,https://$ELSEWHERE," "$KUBE/kubeconfig" >"$D/config"
	dump 4 "" --kubeconfig "$D/config"
	run ! grep -F "$CANARY_TOKEN" "$RIG_RUN/recorder/connections"
}

@test "row 33: floods, nesting, endless lists of the API, in bounded memory" {
	faults '[{"do": "flood"}]'
	dump 4 "larger than"
	fails 4 "larger than" ps -l app=web -n shop
	faults '[{"do": "nest", "depth": 1000000}]'
	dump 4 ""
	fails 4 "" ps -l app=web -n shop
	faults '[{"do": "merge", "patch": {"metadata": {"continue": "eyAic3RhcnQiOiAwfQ=="}}}]'
	fails 4 "" ps -l app=web -n shop
}

@test "row 33: kubeconfig bombs" {
	local level
	{
		echo 'a0: &a0 [x, x, x, x, x, x, x, x, x, x]'
		for level in {1..12}; do
			echo "a$level: &a$level [$(printf "*a$((level - 1)), %.0s" {1..9})*a$((level - 1))]"
		done
	} >"$D/aliases"
	fails 2 "aliases" ps web -n shop --kubeconfig "$D/aliases"
	python3 -c 'print("[" * 100000 + "]" * 100000)' >"$D/depth"
	fails 2 "depth" ps web -n shop --kubeconfig "$D/depth"
	printf 'a: &a [*a]\n' >"$D/itself"
	fails 2 "" ps web -n shop --kubeconfig "$D/itself"
	truncate -s 8G "$D/large"
	fails 2 "" ps web -n shop --kubeconfig "$D/large"
	fails 2 "" ps web -n shop --kubeconfig /dev/zero
	python3 -c 'print("clusters:\n" + "- name: x\n" * 90000)' >"$D/many"
	fails 2 "" ps web -n shop --kubeconfig "$D/many"
}

@test "row 34: a pod's hostIP that is not its node's is not connected to" {
	# What listens there would see it.
	pod_at_api web --host-ip 127.0.0.2
	JDIAG_EXTRA_ENV+=(JDIAG_SSH_PORT="$(<"$RIG_RUN/recorder/port")")
	dump 3 "is no address of node"
	nobody_came
}

@test "row 34: container ids that are none" {
	local id
	for id in containerd://abc "containerd://../../../etc/passwd" "containerd://$(printf 'AB%.0s' {1..32})" \
		"$(printf 'ab%.0s' {1..32})" "containerd://$(printf 'ab%.0s' {1..32})x" \
		'containerd://\u001b[31m' "containerd://*"; do
		faults "[{\"path\": \"/pods/web\", \"do\": \"merge\", \"patch\": {\"status\": {\"containerStatuses\": [
			{\"name\": \"app\", \"containerID\": \"$id\", \"restartCount\": 0, \"state\": {\"running\": {}}}]}}}]"
		dump 4 "container id"
	done
}

@test "row 35: a credential plugin that prints junk, or without end" {
	plugin 'printf "\033[31mjunk \000 token: %s\n" '"$CANARY_TOKEN"
	dump 4 "$D/plugin" --kubeconfig "$D/config"
	plugin 'exec cat /dev/zero'
	dump 4 "$D/plugin" --kubeconfig "$D/config"
	plugin 'echo "{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1\",\"status\":{\"token\":\"a\\r\\nX-Other: b\"}}"'
	dump 4 "$D/plugin" --kubeconfig "$D/config"
	python3 -c 'print("{\"kind\":" + "[" * 200000)' >"$D/deep"
	plugin "cat $D/deep"
	dump 4 "$D/plugin" --kubeconfig "$D/config"
	plugin 'kill -SEGV $$'
	dump 4 "$D/plugin" --kubeconfig "$D/config"
}

@test "row 35: a credential plugin that hangs, or asks for a terminal" {
	plugin 'sleep 300'
	dump 130 "timed out" --kubeconfig "$D/config" --timeout 2s
	plugin 'read -r answer </dev/tty || exit 7; sleep 300' Always
	dump 2 "needs a terminal" --kubeconfig "$D/config" --no-input </dev/null
	plugin 'read -r answer; [ -n "$answer" ] || exit 7; sleep 300' Never
	dump 4 "$D/plugin" --kubeconfig "$D/config"
}

@test "row 35: what a kubeconfig names is a program, never a shell line" {
	kubeconfig_with_user exec: "  apiVersion: client.authentication.k8s.io/v1" \
		"  command: \"touch $D/ran; true\"" "  interactiveMode: Never"
	dump 4 "touch $D/ran" --kubeconfig "$D/config"
	[ ! -e "$D/ran" ]
}

# --- row 36 ---------------------------------------------------------------------------------------------

# A service account that the token endpoint of bucket2 knows, in $D/sa.json.
service_account() {
	openssl genrsa -out "$D/key.pem" 2048 2>/dev/null
	openssl rsa -in "$D/key.pem" -pubout -out "$D/public.pem" 2>/dev/null
	server bucket2 "$RIG/gcs_server.py" "$RIG_RUN/bucket2/data" --crc32c "$JDIAG_BUILD/tools/crc32c" \
		--bucket dumps --service-account "dumper@rig.iam.gserviceaccount.com=$D/public.pem"
	BUCKET=http://127.0.0.1:$(<"$RIG_RUN/bucket2/port")
	python3 - "$D" "$BUCKET" <<'END'
import json, sys
with open(sys.argv[1] + "/key.pem") as key, open(sys.argv[1] + "/sa.json", "w") as out:
    json.dump({"type": "service_account", "client_email": "dumper@rig.iam.gserviceaccount.com",
               "private_key_id": "0123", "private_key": key.read(),
               "token_uri": sys.argv[2] + "/token"}, out)
END
	# jdiag_env points at the emulator, which would ask for no credentials.
	JDIAG_EXTRA_ENV+=(STORAGE_EMULATOR_HOST= CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE="$BUCKET"
		GOOGLE_APPLICATION_CREDENTIALS="$D/sa.json")
}

# no_canary FILE: none of the secrets that a job handles, nor anything made of them, is in FILE.
no_canary() {
	local secret
	while read -r secret; do
		[[ -n $secret ]] || continue
		if grep -qF -e "$secret" "$1"; then
			echo "$1 has '$secret'" && return 1
		fi
	done < <(printf '%s\n' "$CANARY_TOKEN" ya29. upload_id eyJ 'PRIVATE KEY' assertion "$(sed -n 3p "$D/key.pem")" \
		"$(sed -n 3p "$RIG_RUN/ssh/client")" "$(base64 <<<"$CANARY_TOKEN" | cut -c1-24)")
}

# job NAME [OPTION...]: a whole job at the highest verbosity; all that it says, and all programs that it starts
# with their arguments and environments, in $D/NAME.said and $D/NAME.started.
job() {
	local name=$1
	shift
	# The leak checker cannot work where another program traces.
	run_traced "$name" heapdump web -n shop -v=9 --to "gs://dumps/$name/" "$@"
	[ -s "$D/$name.said" ] && [ -s "$D/$name.started" ]
	grep -q "gs://dumps/$name/shop_web" "$D/$name.said"
	no_canary "$D/$name.said"
	no_canary "$D/$name.started"
	# The objects with their metadata, the manifest.
	for object in $(find "$RIG_RUN/bucket2/data/objects" -name '*.meta' -o -name '*.json'); do
		no_canary "$object"
	done
}
run_traced() {
	local name=$1
	shift
	JDIAG_EXTRA_ENV+=(ASAN_OPTIONS=detect_leaks=0)
	jdiag_env timeout -k 5 60 strace -f --seccomp-bpf -v -s 1000000 -e trace=execve,execveat -o "$D/$name.started" \
		"${PEAK_OF_JDIAG:-$JDIAG}" "$@" >"$D/$name.said" 2>&1 || { cat "$D/$name.said" && return 1; }
}

@test "row 36: a whole job at -v=9 with a plugin's token and a service account tells no secret" {
	service_account
	PEAK_OF_JDIAG=$JDIAG_BUILD/jdiag
	plugin "echo '{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1\",\"status\":{\"token\":\"$CANARY_TOKEN\"}}'"
	job plugin --kubeconfig "$D/config"
	grep -q "$D/plugin" "$D/plugin.started"
	no_canary "$RIG_RUN/ssh/sshd.log"
	no_canary "$KUBE/requests"
}

@test "row 36: the same with a token in the kubeconfig, and with --token-command" {
	service_account
	PEAK_OF_JDIAG=$JDIAG_BUILD/jdiag
	job token
	printf '#!/bin/sh\ncat "%s"\n' "$D/bucket-token" >"$D/print-token"
	chmod +x "$D/print-token"
	server_stop bucket2
	rm -rf "$RIG_RUN/bucket2"
	server bucket2 "$RIG/gcs_server.py" "$RIG_RUN/bucket2/data" --crc32c "$JDIAG_BUILD/tools/crc32c" \
		--bucket dumps --token "ya29.canary-bucket"
	JDIAG_EXTRA_ENV+=(CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE="http://127.0.0.1:$(<"$RIG_RUN/bucket2/port")")
	echo ya29.canary-bucket >"$D/bucket-token"
	job command --token-command "$D/print-token"
	grep -q print-token "$D/command.started"
}

@test "row 36: an API that repeats the token in its answers does not make us print it" {
	faults "[{\"do\": \"status\", \"code\": 403, \"reason\": \"Forbidden\", \"message\": \"no: $CANARY_TOKEN\"}]"
	run_jdiag -s 4 heapdump web -n shop -v=9
	[[ $stderr != *"$CANARY_TOKEN"* ]]
	faults "[{\"path\": \"/pods\", \"do\": \"status\", \"code\": 302, \"headers\": {\"Location\": \"https://x.example/$CANARY_TOKEN\"}}]"
	run_jdiag -s 4 heapdump web -n shop -v=9
	[[ $stderr != *"$CANARY_TOKEN"* ]]
}
