# The rig as a whole, for the tests and the demo: sshd, API server, bucket server, an empty home.
# Source it; bash. $JDIAG_BUILD is the build directory.
#
#	rig_start, rig_stop      everything, in a new directory $RIG_RUN
#	container, kube_state    container.sh, kube_state.py
#	jdiag_env COMMAND...     run it with the environment of a person at a bastion host
#	find_left, find_in_container NAME    what jdiag could leave on the node, in a container

RIG=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
JDIAG_BUILD=$(realpath -m "${JDIAG_BUILD:-$RIG/../../build}")
JDIAG=$JDIAG_BUILD/jdiag
NODE=gke-rig-pool-1
# Strings that may never be seen in any output.
CANARY_TOKEN=canary-token-6f1d0a
# A port where nobody listens. One that was free a moment ago may be that of another test's server by now.
# shellcheck disable=SC2034 # for the tests
CLOSED_PORT=1

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
	wait_for 40 grep -qs . "$dir/port" || { cat "$dir/stderr" >&2 && return 1; }
}

server_stop() {
	local pid
	[[ -f $RIG_RUN/$1/pid ]] || return 0
	pid=$(<"$RIG_RUN/$1/pid")
	kill "$pid" 2>/dev/null || true
	wait_for 20 bash -c "! kill -0 $pid 2>/dev/null"
	rm -f "$RIG_RUN/$1/pid"
}

kube_up() { server kube "$RIG/kube_server.py" "$RIG_RUN/kube" --token "$CANARY_TOKEN" "$@"; }

bucket_up() {
	server bucket "$RIG/gcs_server.py" "$RIG_RUN/bucket/data" --crc32c "$JDIAG_BUILD/tools/crc32c" --bucket dumps "$@"
}

rig_start() {
	RIG_RUN=$(mktemp -d "${TMPDIR:-/tmp}/jdiag-rig.XXXXXX")
	export RIG_RUN
	chmod 711 "$RIG_RUN"
	mkdir -p "$RIG_RUN/home" "$RIG_RUN/out"
	mkdir -m 700 "$RIG_RUN/xdg"
	sshd_start "$RIG_RUN/ssh"
	kube_up
	bucket_up
	kube_state node "$NODE"
}

rig_stop() {
	container stop-all
	server_stop kube
	server_stop bucket
	sshd_stop "$RIG_RUN/ssh"
	rm -rf "$RIG_RUN"
}

# The environment of a person at a bastion host. The caller's own must not leak in. With JDIAG_EXEC=exec in
# place of the shell; with RIG_SSH=openssh by that back end of the transport.
jdiag_env() {
	$JDIAG_EXEC env -i PATH="$PATH" HOME="$RIG_RUN/home" USER=root LANG=C.UTF-8 TMPDIR="${TMPDIR:-/tmp}" \
		${ASAN_OPTIONS:+ASAN_OPTIONS="$ASAN_OPTIONS"} ${UBSAN_OPTIONS:+UBSAN_OPTIONS="$UBSAN_OPTIONS"} \
		KUBECONFIG="$RIG_RUN/kube/kubeconfig" JDIAG_SSH_USER=root \
		JDIAG_SSH_PORT="$(<"$RIG_RUN/ssh/port")" JDIAG_IDENTITY="$RIG_RUN/ssh/client" \
		JDIAG_KNOWN_HOSTS="$RIG_RUN/ssh/known_hosts" JDIAG_SSH_CONFIG=/dev/null XDG_RUNTIME_DIR="$RIG_RUN/xdg" \
		${RIG_SSH:+JDIAG_SSH="$RIG_SSH"} STORAGE_EMULATOR_HOST="http://127.0.0.1:$(<"$RIG_RUN/bucket/port")" \
		"${JDIAG_EXTRA_ENV[@]}" "$@"
}

JDIAG_EXTRA_ENV=()
JDIAG_EXEC=

# A process of this rig: it, or what started it, runs from our build or below our sshd.
is_ours() {
	local pid=$1
	while ((pid > 1)); do
		if [[ $(readlink "/proc/$pid/exe") == "$JDIAG_BUILD"/* ]] ||
			tr '\0' '\n' <"/proc/$pid/environ" | grep -q "^SSH_CONNECTION=.* $(<"$RIG_RUN/ssh/port")$"; then
			return 0
		fi
		pid=$(awk '/^PPid:/ {print $2}' "/proc/$pid/status")
	done 2>/dev/null
	return 1
}

# The helpers of this rig, by the places that they are started from: over SSH, over a pipe. Those of tests
# that run at the same time are not told.
helper_pids() {
	local pid
	for pid in $(pgrep -f "^(/(media|srv|mnt|opt|tmp)/jdiag-helper|/proc/self/fd/9|$JDIAG_BUILD/jdiag-helper)"); do
		if is_ours "$pid"; then echo "$pid"; fi
	done
}

# What a run could leave on the node: directories, mounts, processes.
find_left() {
	find /run /var/lib /var/tmp /tmp /etc /dev/shm /mnt -xdev -maxdepth 3 -name '.jdiag-*' \
		-not -path "$RIG_RUN/*" -not -path '/tmp/jdiag-test-*' 2>/dev/null
	grep -E ' jdiag(-tmp)? | /[^ ]*\.jdiag-' /proc/self/mountinfo | grep -vF "${RIG_RUN:-/nonexistent}"
	helper_pids
}

# What a run could leave in a container: files, mounts, attach triggers. (.java_pidN is the JVM's own.)
find_in_container() {
	local pid
	pid=$(container pid "$1")
	grep -E ' jdiag(-tmp|-agent)? | /[^ ]*\.jdiag-' "/proc/$pid/mountinfo"
	find "/proc/$pid/root/" -xdev \( -name '.jdiag*' -o -name '.attach_pid*' -o -name '*.hprof' \) -print
	find "/proc/$pid/root/tmp/" "/proc/$pid/root/dev/shm/" -xdev \( -name '.jdiag*' -o -name '.attach_pid*' -o -name '*.hprof' \) -print
}

