#!/bin/bash
# make bench: does jdiag reach its figures? Ratios against the script way, peak memory, time to attach.
#
#   bench.sh [--pairs N] [--heap MB] [--sizes MB,MB,...] [--quick]
#
# One run, everything of its own: sshd, cluster API, bucket server, containers with a JVM that holds MB
# megabytes. The two ways of the whole job alternate on the same JVM; what they are stands in bench.py.
# Ends with 1 when a figure is missed, 2 when something does not work. Needs root, busybox-static, 6 GB
# of disk and 4 GB of memory; takes about 3 minutes (--quick: less than one, with fewer runs, for a
# look). `make test` does not call it.
set -euo pipefail

RIG_SRC=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
JDIAG_BUILD=$(realpath "${JDIAG_BUILD:-$RIG_SRC/../../build}")
RIG_RUN=$(mktemp -d "${TMPDIR:-/var/tmp}/jdiag-bench.XXXXXX")
export RIG_SRC RIG_RUN JDIAG_BUILD
# shellcheck source=tests/rig/sshd.sh
. "$RIG_SRC/sshd.sh"

servers=()
stop_all() {
	local pid
	trap - EXIT INT TERM HUP
	"$RIG_SRC/container.sh" stop-all || true
	for pid in "${servers[@]}"; do kill "$pid" || true; done
	sshd_stop "$RIG_RUN/ssh"
	rm -rf "$RIG_RUN"
}
trap stop_all EXIT
trap 'exit 130' INT TERM HUP

# server NAME PROGRAM ARGUMENT...: in the background, until it has said its port.
server() {
	local name=$1 i
	shift
	"$@" >"$RIG_RUN/$name.port" 2>"$RIG_RUN/$name.log" </dev/null &
	servers+=($!)
	for ((i = 0; i < 400; i++)); do
		if [ -s "$RIG_RUN/$name.port" ]; then return; fi
		sleep 0.05
	done
	cat "$RIG_RUN/$name.log" >&2
	return 1
}

chmod 711 "$RIG_RUN"
mkdir -p "$RIG_RUN"/{home,kube,bucket}
sshd_start "$RIG_RUN/ssh"
server kube "$RIG_SRC/kube_server.py" "$RIG_RUN/kube"
server bucket "$RIG_SRC/gcs_server.py" "$RIG_RUN/bucket" --crc32c "$JDIAG_BUILD/tools/crc32c"
python3 "$RIG_SRC/bench.py" "$@"
