# What every .bats file loads: the rig around a test file, one wrapper around jdiag, and assertions.
#
#	setup_file() { rig_up; }          sshd, API server, bucket server, an empty home directory
#	teardown_file() { rig_down; }     checks that nothing is left, and that no output held a secret
#
#	pod_up NAME [CONTAINER OPTION...] [-- PROGRAM ARGUMENT...]   a container, and its pod at the API
#	run_jdiag [-s STATUS] ARGUMENT...   sets $status, $output (stdout) and $stderr; -s checks
#	says TEXT, tells TEXT               stdout has it, stderr has it
#	ended HOW                           what is said of how a JVM ended, on this kernel
#	untouched NAME                      container and node carry nothing of ours, the JVM works
bats_require_minimum_version 1.5.0

TESTS=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=tests/rig/rig.sh
. "$TESTS/rig/rig.sh"

rig_up() { rig_start; }

rig_down() {
	local status=0
	no_secret_was_told || status=1
	rig_stop
	return $status
}

# ended HOW: what is said of a JVM that ended so; the kernel tells it from 6.15 on.
ended() {
	local major minor
	IFS=.- read -r major minor _ < <(uname -r)
	if ((major > 6 || (major == 6 && minor >= 15))); then
		printf '%s' "$1"
	else
		printf 'how is not known'
	fi
}

# A file named *-openssh.bats is another one once more, with the other back end of the transport.
BACKEND=libssh2
[[ ${BATS_TEST_FILENAME:-} != *-openssh.bats ]] || BACKEND=openssh

# lib COMMAND..., ossh COMMAND...: with this back end only.
lib() { [[ $BACKEND != libssh2 ]] || "$@"; }
ossh() { [[ $BACKEND != openssh ]] || "$@"; }

# Directories and processes of the OpenSSH back end that are still there.
find_ways() {
	find "$RIG_RUN/xdg" -mindepth 1 -maxdepth 1
	pgrep -af -- " -F $RIG_RUN/xdg/"
}

no_ways() { [[ -z $(find_ways) ]]; }

# --- jdiag ------------------------------------------------------------------------------------------

# Variables of one test: JDIAG_EXTRA_ENV=(KUBECONFIG=... ).

run_jdiag() {
	local want=
	if [[ $1 == -s ]]; then
		want=$2
		shift 2
	fi
	run --separate-stderr jdiag_env timeout -k 5 "${JDIAG_TIMEOUT:-60}" "$JDIAG" "$@"
	printf '$ jdiag %s\n' "$*"
	printf 'status: %s\n' "$status"
	printf 'stdout: %s\n' "${output:0:4000}"
	printf 'stderr: %s\n' "${stderr:0:4000}"
	printf '%s\n%s\n' "$output" "$stderr" >>"$RIG_RUN/out/all"
	if [[ -n $want && $status != "$want" ]]; then
		echo "the status should be $want"
		return 1
	fi
}

# Nothing that was ever printed in this file has the token, a private key or an upload session in it.
no_secret_was_told() {
	[[ -f $RIG_RUN/out/all ]] || return 0
	local secret
	for secret in "$CANARY_TOKEN" "PRIVATE KEY" "upload_id=" "$(sed -n 2p "$RIG_RUN/ssh/client")"; do
		if grep -qF -e "$secret" "$RIG_RUN/out/all"; then
			echo "a secret was printed:" >&2
			grep -nF -e "$secret" "$RIG_RUN/out/all" | cut -c1-300 >&2
			return 1
		fi
	done
}

says() { [[ $output == *"$1"* ]] || { echo "stdout does not say: $1" && return 1; }; }
tells() { [[ $stderr == *"$1"* ]] || { echo "stderr does not tell: $1" && return 1; }; }

# An error is one line `jdiag: what: why`, then indented lines; nothing on stdout.
refuses() {
	run_jdiag -s "$@"
	[[ -z $output ]] || { echo "stdout is not empty" && return 1; }
	tells "jdiag: "
}

# --- pods and containers --------------------------------------------------------------------------

# pod_up NAME [OPTION...] [-- ARGUMENT...]: container NAME in pod shop/NAME, at the API as "app". Options of
# kube_state.py start with --pod-, as in --pod-phase=Running; the others are those of container.sh.
pod_up() {
	local name=$1 options=() api=() option
	shift
	while (($#)) && [[ $1 != -- ]]; do
		case $1 in
		--pod-*) option=${1#--pod-} && api+=("--$option") ;;
		*) options+=("$1") ;;
		esac
		shift
	done
	if (($#)); then shift; fi
	container start "${options[@]}" "$name" "$@"
	pod_at_api "$name" "${api[@]}"
}

# pod_at_api NAME [OPTION...]: what the API says about container NAME.
pod_at_api() {
	local name=$1
	shift
	kube_state pod "shop/$name" --node "$NODE" --uid "$(container pod "$name")" \
		--container "app=$(container id "$name")" --label "app=$name" "$@"
}

# faults TEXT: replaced in one step, as the server reads it at every request.
faults() { printf '%s\n' "$1" >"$RIG_RUN/kube/faults.new" && mv "$RIG_RUN/kube/faults.new" "$RIG_RUN/kube/faults.json"; }

# --- the bucket (gcs_server.py) -----------------------------------------------------------------------

bucket_control() { curl -sf "http://127.0.0.1:$(<"$RIG_RUN/bucket/port")/control/$1" "${@:2}"; }
bucket_faults() { bucket_control faults --data-binary "$1" >/dev/null; }

# hold_bucket: it takes nothing, until it gets other faults. bucket_holds: somebody waits for it.
hold_bucket() { bucket_faults '[{"on": "put", "wait": true, "times": 100}, {"on": "final", "wait": true, "times": 100}]'; }
bucket_holds() { [[ $(bucket_control waiting) != 0 ]]; }

# --- a job in the background: its number is in $RIG_RUN/job --------------------------------------------

job_has_ended() {
	local job
	job=$(<"$RIG_RUN/job")
	! kill -0 "$job" 2>/dev/null || grep -q '^State:.Z' "/proc/$job/status"
}

# --- nothing is left --------------------------------------------------------------------------------

# Of what was there when the command had ended, $left is still there. Other tests run on this node at
# the same time: what they make comes later, or goes.
nothing_on_node() {
	left=$(comm -12 <(printf '%s\n' "$left") <(find_left | sort))
	[[ -z $left ]]
}

nothing_in_container() {
	left=$(find_in_container "$1" 2>/dev/null)
	[[ -z $left ]]
}

untouched() {
	local left
	left=$(find_left | sort)
	wait_for 20 nothing_on_node || { echo "left on the node: $left" && return 1; }
	wait_for 20 nothing_in_container "$1" || { echo "left in container $1: $left" && return 1; }
	container working "$1" || { echo "the JVM of $1 does not work any more" && return 1; }
	# A SIGQUIT that was not meant for the attach listener prints all threads.
	! grep -q 'Full thread dump' "$(container log "$1")" || { echo "thread dump in the log" && return 1; }
}

# --- dumps ------------------------------------------------------------------------------------------

# begin_half_way NAME ARGUMENT...: `begin`, and the JVM of NAME stands still in the middle of the dump that it
# writes, because $DRAIN is stopped: that goes on by a SIGCONT.
begin_half_way() {
	watch_half_way "$1"
	begin "${@:2}"
	caught_half_way
}

# watch_half_way NAME, caught_half_way: the same in two steps, with something in between.
watch_half_way() {
	local word
	exec {WATCHER}< <("$TESTS/pipe/half_way.py" "$(container pid "$1")" 3>&-)
	read -r word <&"$WATCHER" && [[ $word == watching ]]
}

caught_half_way() {
	local found
	read -r found <&"$WATCHER" || { cat "$RIG_RUN/out/stderr" && return 1; }
	exec {WATCHER}<&-
	# shellcheck disable=SC2034 # for the tests
	read -r CAPTURE DRAIN GUARD <<<"$found"
}

# leave_nothing: behind a test that failed, of what runs yet, and what it holds.
leave_nothing() {
	# shellcheck disable=SC2046 # a list
	kill -KILL $(helper_pids) || true
	wait_for 20 nothing_of_ours || true
	run_jdiag tidy "node/$NODE" --force || true
}

nothing_of_ours() { [[ -z $(helper_pids) ]]; }

# plain FILE: the dump in it, as a file. (The reader takes gzip of one member only, also not what a JDK
# writes with -gz.)
plain() {
	case $(head -c 4 "$1" | od -An -tx1 | tr -d ' ') in
	1f8b*) gzip -dc "$1" >"$RIG_RUN/out/plain" ;;
	28b52ffd) zstd -qdc "$1" >"$RIG_RUN/out/plain" ;;
	*) ln -f "$1" "$RIG_RUN/out/plain" ;;
	esac || return 1
	echo "$RIG_RUN/out/plain"
}

# dump_is_good FILE live|all: the independent reader finds the objects of Checkout.java in it.
dump_is_good() {
	local classes file
	mkdir -p "$RIG_RUN/out"
	rm -f "$RIG_RUN/out/plain"
	file=$(plain "$1") || { echo "cannot unpack $1" && return 1; }
	classes=$("$RIG/read_dump.sh" "$file") || { echo "the reader refuses $1" && return 1; }
	rm "$file"
	grep Checkout <<<"$classes"
	grep -qE '^ +1000 .* Checkout\$Order$' <<<"$classes" &&
		grep -qE '^ +5000 .* Checkout\$Item$' <<<"$classes" &&
		grep -qE '^ +300 .* Checkout\$Customer$' <<<"$classes" || return 1
	case $2 in
	live) ! grep -q 'Checkout\$Forgotten$' <<<"$classes" ;;
	all) grep -qE '^ +700 .* Checkout\$Forgotten$' <<<"$classes" ;;
	esac
}

# manifest_agrees FILE: FILE.manifest.json has its size and digest.
manifest_agrees() {
	[[ -s $1.manifest.json ]] || { echo "no manifest" && return 1; }
	grep -qF "\"sha256\": \"$(sha256sum "$1" | cut -d' ' -f1)\"" "$1.manifest.json" &&
		grep -qF "\"size\": $(stat -c %s "$1")" "$1.manifest.json"
}
