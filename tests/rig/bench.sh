#!/bin/bash
# make bench: does jdiag reach its figures? Pauses, the whole job, memory, disk, speed; ratios to what a JVM,
# a script and other tools reach in the same run.
#
#   bench.sh [--alone] [--only ROW]... [--heap-mb N] [--runs N] [--sizes MB,MB,...] [--pods N] [--patience S]
#            [--json FILE]
#   bench.sh --help        the rows and their limits
#
# One run, everything of its own: sshd, cluster API, bucket server, containers with JVMs (Mixed.java). What
# is compared alternates on the same JVM; figures are medians of --runs after one round that does not
# count. Pauses are those that the application saw: its ticker's longest gap. What a row compares and
# how stands in bench_rows.py. The row `jmap` lowers the dirty-page limits of the machine while it lasts.
#
# Ends with 1 when a figure is missed, 2 when one could not be measured. Needs root, busybox-static, 12 GB
# of disk and 8 GB of memory, and 15 minutes on an idle machine: what else runs, is measured as well. The
# figures go to build/bench.json, too. `make test` does not call it.
#
# --alone: a cgroup of its own for all of it, with nearly all of the processors where something else wants
# them, too; the containers and the rest are siblings in it, as on a node. Memory and disk stay shared.
set -euo pipefail

RIG_SRC=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
JDIAG_BUILD=$(realpath "${JDIAG_BUILD:-$RIG_SRC/../../build}")
RIG_RUN=$(mktemp -d "${TMPDIR:-/var/tmp}/jdiag-bench.XXXXXX")
export RIG_SRC RIG_RUN JDIAG_BUILD
# shellcheck source=tests/rig/sshd.sh
. "$RIG_SRC/sshd.sh"

servers=()
RIG_CGROUP=

# The old hierarchy or the unified one; both as the kernel has them, the latter with our parent delegating.
alone() {
	local top=/sys/fs/cgroup/cpu share=cpu.shares value=262144
	if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
		top=/sys/fs/cgroup share=cpu.weight value=10000
		echo +cpu >$top/cgroup.subtree_control
	fi
	RIG_CGROUP=/jdiag-bench-$$
	ALONE_DIR=$top$RIG_CGROUP
	mkdir -p "$ALONE_DIR/system"
	echo $value >"$ALONE_DIR/$share"
	if [ $share = cpu.weight ]; then echo +cpu >"$ALONE_DIR/cgroup.subtree_control"; fi
	echo $$ >"$ALONE_DIR/system/cgroup.procs"
	export RIG_CGROUP
}

alone_no_more() {
	local i
	echo $$ >"${ALONE_DIR%/*}/cgroup.procs"
	for ((i = 0; i < 100; i++)); do # what ends takes a moment
		find "$ALONE_DIR" -depth -type d -exec rmdir {} + 2>/dev/null || true
		if [ ! -d "$ALONE_DIR" ]; then return; fi
		sleep 0.1
	done
	echo "bench: $ALONE_DIR is still in use" >&2
}

stop_all() {
	local pid
	trap - EXIT INT TERM HUP
	"$RIG_SRC/container.sh" stop-all || true
	for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; done
	sshd_stop "$RIG_RUN/ssh"
	rm -rf "$RIG_RUN"
	if [ -n "$RIG_CGROUP" ]; then alone_no_more; fi
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
		kill -0 "${servers[-1]}" 2>/dev/null || break
		sleep 0.05
	done
	cat "$RIG_RUN/$name.log" >&2
	return 1
}

if [[ " $* " == *" --help "* ]]; then
	mkdir -p "$RIG_RUN/ssh" && echo 0 | tee "$RIG_RUN/bucket.port" >"$RIG_RUN/ssh/port"
	python3 "$RIG_SRC/bench.py" --help
	exit
fi
options=()
for word; do
	if [ "$word" = --alone ]; then alone; else options+=("$word"); fi
done
chmod 711 "$RIG_RUN"
mkdir -p "$RIG_RUN"/{home,kube,bucket}
# Started by sshd bash reads root's own .bashrc for each command, which may take longer than what is measured; not so
# with a SHLVL.
sshd_start "$RIG_RUN/ssh" "Subsystem sftp internal-sftp" "SetEnv SHLVL=1"
server kube "$RIG_SRC/kube_server.py" "$RIG_RUN/kube"
server bucket "$RIG_SRC/gcs_server.py" "$RIG_RUN/bucket" --crc32c "$JDIAG_BUILD/tools/crc32c"
python3 "$RIG_SRC/bench.py" --json "$JDIAG_BUILD/bench.json" "${options[@]}"
