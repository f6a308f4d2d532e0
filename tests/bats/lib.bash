# What every .bats file loads: the rig around a test file, one wrapper around jdiag, and assertions.
#
#	setup_file() { rig_up; }          sshd, API server, bucket server, an empty home directory
#	teardown_file() { rig_down; }     checks that nothing is left, and that no output held a secret
#
#	pod_up NAME [CONTAINER OPTION...] [-- PROGRAM ARGUMENT...]   a container, and its pod at the API
#	run_jdiag [-s STATUS] ARGUMENT...   sets $status, $output (stdout) and $stderr; -s checks
#	says TEXT, tells TEXT               stdout has it, stderr has it
#	untouched NAME                      container and node carry nothing of ours, the JVM works
bats_require_minimum_version 1.5.0

TESTS=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
RIG=$TESTS/rig
: "${JDIAG_BUILD:=$TESTS/../build}"
JDIAG=$JDIAG_BUILD/jdiag
NODE=gke-rig-pool-1
# Strings that may never be seen in any output: see rig_down.
CANARY_TOKEN=canary-token-6f1d0a

export XDG_CACHE_HOME=${XDG_CACHE_HOME:-$HOME/.cache}

# shellcheck source=tests/rig/sshd.sh
. "$RIG/sshd.sh"

container() { "$RIG/container.sh" "$@"; }
kube_state() { "$RIG/kube_state.py" "$RIG_RUN/kube/state.json" "$@"; }

# wait_for SECONDS COMMAND...
wait_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		if ((SECONDS >= end)); then
			echo "did not come true: $*" >&2
			return 1
		fi
		sleep 0.05
	done
}

# server NAME PROGRAM ARGUMENTS...: started in the background; it says its port on stdout when it listens.
server() {
	local name=$1 dir=$RIG_RUN/$1
	shift
	mkdir -p "$dir"
	rm -f "$dir/port"
	"$@" >"$dir/port" 2>"$dir/stderr" 3>&- </dev/null &
	echo $! >"$dir/pid"
	wait_for 20 grep -q . "$dir/port" || { cat "$dir/stderr" >&2 && return 1; }
}

server_stop() {
	local pid
	[[ -f $RIG_RUN/$1/pid ]] || return 0
	pid=$(<"$RIG_RUN/$1/pid")
	kill "$pid" 2>/dev/null || true
	wait_for 10 bash -c "! kill -0 $pid 2>/dev/null"
	rm -f "$RIG_RUN/$1/pid"
}

kube_up() { server kube "$RIG/kube_server.py" "$RIG_RUN/kube" --token "$CANARY_TOKEN" "$@"; }

bucket_up() {
	server bucket "$RIG/gcs_server.py" --dir "$RIG_RUN/bucket/data" --crc32c "$JDIAG_BUILD/tools/crc32c" --bucket dumps "$@"
}

rig_up() {
	RIG_RUN=$(mktemp -d "${TMPDIR:-/tmp}/jdiag-rig.XXXXXX")
	export RIG_RUN
	chmod 711 "$RIG_RUN"
	mkdir -p "$RIG_RUN/home" "$RIG_RUN/out"
	sshd_start "$RIG_RUN/ssh"
	kube_up
	bucket_up
	kube_state node "$NODE"
	find_left | sort >"$RIG_RUN/left-before"
}

rig_down() {
	container stop-all
	server_stop kube
	server_stop bucket
	sshd_stop "$RIG_RUN/ssh"
	no_secret_was_told
	rm -rf "$RIG_RUN"
}

# --- jdiag ------------------------------------------------------------------------------------------

# The environment of a person at a bastion host. The caller's own must not leak in.
jdiag_env() {
	env -i PATH="$PATH" HOME="$RIG_RUN/home" USER=root LANG=C.UTF-8 TMPDIR="${TMPDIR:-/tmp}" \
		${ASAN_OPTIONS:+ASAN_OPTIONS="$ASAN_OPTIONS"} ${UBSAN_OPTIONS:+UBSAN_OPTIONS="$UBSAN_OPTIONS"} \
		KUBECONFIG="$RIG_RUN/kube/kubeconfig" JDIAG_SSH_USER=root \
		JDIAG_SSH_PORT="$(<"$RIG_RUN/ssh/port")" JDIAG_IDENTITY="$RIG_RUN/ssh/client" \
		JDIAG_KNOWN_HOSTS="$RIG_RUN/ssh/known_hosts" \
		STORAGE_EMULATOR_HOST="http://127.0.0.1:$(<"$RIG_RUN/bucket/port")" \
		"${JDIAG_EXTRA_ENV[@]}" "$@"
}

# Variables of one test: JDIAG_EXTRA_ENV=(KUBECONFIG=... ).
JDIAG_EXTRA_ENV=()

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

faults() { printf '%s\n' "$1" >"$RIG_RUN/kube/faults.json"; }

# --- nothing is left --------------------------------------------------------------------------------

# What a run could leave on the node: directories, mounts, processes.
find_left() {
	find /run /var/lib /var/tmp /tmp /etc /dev/shm /mnt -xdev -maxdepth 3 -name '.jdiag-*' \
		-not -path "$RIG_RUN/*" 2>/dev/null
	grep -E ' jdiag | /[^ ]*\.jdiag-' /proc/self/mountinfo | grep -vF "${RIG_RUN:-/nonexistent}"
	# A process that is being torn down has no command line any more.
	pgrep -fa '^[^ ]*/jdiag-helper' || true
}

nothing_on_node() {
	local now
	now=$(find_left | sort)
	if [[ $now != "$(cat "$RIG_RUN/left-before")" ]]; then
		left=$now
		return 1
	fi
}

# What a run could leave in a container: files, mounts, attach triggers. (.java_pidN is the JVM's own.)
find_in_container() {
	local pid
	pid=$(container pid "$1")
	grep -E ' jdiag | /[^ ]*\.jdiag-' "/proc/$pid/mountinfo"
	find "/proc/$pid/root/" -xdev \( -name '.jdiag*' -o -name '.attach_pid*' -o -name '*.hprof' \) -print
	find "/proc/$pid/root/tmp/" -xdev \( -name '.jdiag*' -o -name '.attach_pid*' -o -name '*.hprof' \) -print
}

nothing_in_container() {
	left=$(find_in_container "$1" 2>/dev/null)
	[[ -z $left ]]
}

untouched() {
	wait_for 6 nothing_on_node || { echo "left on the node: $left" && return 1; }
	wait_for 6 nothing_in_container "$1" || { echo "left in container $1: $left" && return 1; }
	container working "$1" || { echo "the JVM of $1 does not work any more" && return 1; }
	# A SIGQUIT that was not meant for the attach listener prints all threads.
	! grep -q 'Full thread dump' "$(container log "$1")" || { echo "thread dump in the log" && return 1; }
}

# --- dumps ------------------------------------------------------------------------------------------

# dump_is_good FILE live|all: the independent reader finds the objects of Checkout.java in it.
dump_is_good() {
	local classes
	classes=$("$RIG/read_dump.sh" "$1") || { echo "the reader refuses $1" && return 1; }
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
