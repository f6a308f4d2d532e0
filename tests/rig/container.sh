#!/bin/bash
# Containers by runc, as a kubelet would have them made: own pid, mnt, ipc, uts and net namespaces, a
# 64-hex id, a cgroup /kubepods/burstable/pod<uid>/<id>, an overlay root over an image of jvm.sh.
#
#   container.sh start [OPTION...] NAME [PROGRAM ARGUMENTS...]
#       --image I       8 11 17 21 25 26 jlink jdk (17)
#       --java OPTS     options of the JVM (-Xmx64m), words split at spaces; more than one --java adds up
#       --main CLASS    the Java program (Checkout)
#       --exec NAME     run NAME.c of this directory, linked statically, instead of the JVM
#       --pod UID       the pod's uid, when containers share a pod; else a new one
#       --cgroup PATH   a cgroup of another shape
#       --no-wait       do not wait for the program's "ready"
#       --user, --group, --userns, --read-only, --tmp, --tmp-size, --caps, --memory, --cpus, --env,
#       --bind, --pid-ns, --net: see oci_bundle.py; --user random is a uid without a name
#   container.sh stop NAME | stop-all
#   container.sh id|pid|pod|log|root NAME
#   container.sh working NAME     its program has counted on; fails after 10 s
#   container.sh program NAME     NAME.c of this directory, compiled
#   container.sh restart NAME     what a kubelet does: the same pod, a new id
#
# Everything lies in $RIG_RUN; $RIG_CGROUP (none) stands before the cgroups. Needs root.
set -euo pipefail

RIG_SRC=${RIG_SRC:-$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)}
RIG_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/jdiag-rig
: "${RIG_RUN:?is the directory for all that the rig starts}"

random_hex() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }
random_uuid() { cat /proc/sys/kernel/random/uuid; }
container_dir() { printf '%s/container/%s\n' "$RIG_RUN" "$1"; }
fact() { cat "$(container_dir "$1")/$2"; }
rig_runc() { runc --root "$RIG_RUN/runc" "$@"; }

# classes: where the compiled Java programs lie. Java 8 is the oldest JVM that runs them.
classes() {
	local dir part src=("$RIG_SRC"/java/{Checkout,Guard,Mixed,OwnLoader,Secrets}.java)
	dir=$RIG_CACHE/classes-$(cat "${src[@]}" | sha256sum | cut -c1-16)
	if [ ! -d "$dir" ]; then
		# Not by our number: in a pid namespace beside this one it is another's too.
		mkdir -p "$RIG_CACHE"
		part=$(mktemp -d "$dir.XXXXXX")
		chmod 755 "$part"
		javac --release 8 -Xlint:-options -d "$part" "${src[@]}" >&2
		mv -T "$part" "$dir" 2>/dev/null || rm -rf "$part"
	fi
	printf '%s\n' "$dir"
}

# program NAME: NAME.c, compiled.
program() {
	local file part
	file=$RIG_CACHE/$1-$(sha256sum "$RIG_SRC/$1.c" | cut -c1-16)
	if [ ! -x "$file" ]; then
		part=$(mktemp -d "$file.XXXXXX")
		${CC:-cc} -std=gnu11 -D_GNU_SOURCE -O1 -static -pthread -o "$part/program" "$RIG_SRC/$1.c" >&2
		mv "$part/program" "$file"
		rmdir "$part"
	fi
	printf '%s\n' "$file"
}

# wait_for SECONDS COMMAND...: until it succeeds.
wait_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		if [ "$SECONDS" -ge "$end" ]; then return 1; fi
		sleep 0.05
	done
}

log_says() { grep -q "^$2\$" "$(container_dir "$1")/log" 2>/dev/null; }

# mount_root DIR IMAGE_ROOT EXEC: the overlay root of a container, with the programs in /app.
mount_root() {
	local dir=$1 lower=$2 exec=$3
	mkdir -p "$dir"/{rootfs,upper/app,work}
	chmod 755 "$dir" "$dir/upper" "$dir/upper/app"
	cp "$(classes)"/*.class "$dir/upper/app/"
	if [ -n "$exec" ]; then cp "$(program "$exec")" "$dir/upper/app/program"; fi
	chmod -R go+rX "$dir/upper/app"
	mount -t overlay overlay -o "lowerdir=$lower,upperdir=$dir/upper,workdir=$dir/work" "$dir/rootfs"
}

start() {
	local image=17 java=() main=Checkout exec= pod= cgroup= wait=yes bundle=() name dir root id argv
	while [ $# -gt 0 ]; do
		case $1 in
		--image) image=$2 && shift 2 ;;
		--java) read -r -a argv <<<"$2" && java+=("${argv[@]}") && shift 2 ;;
		--main) main=$2 && shift 2 ;;
		--exec) exec=$2 && shift 2 ;;
		--pod) pod=$2 && shift 2 ;;
		--cgroup) cgroup=$2 && shift 2 ;;
		--no-wait) wait= && shift ;;
		--userns | --read-only) bundle+=("$1") && shift ;;
		--user)
			if [ "$2" = random ]; then set -- "$1" $((20000 + RANDOM)) "${@:3}"; fi
			bundle+=("$1" "$2") && shift 2
			;;
		--*) bundle+=("$1=$2") && shift 2 ;;
		*) break ;;
		esac
	done
	name=$1 && shift
	dir=$(container_dir "$name")
	[ ! -e "$dir" ] || { echo "container $name is there already" >&2 && return 1; }
	mkdir -p "$dir"
	chmod 711 "$RIG_RUN" "$RIG_RUN/container"
	root=$("$RIG_SRC/jvm.sh" "$image")
	id=$(random_hex 32)
	pod=${pod:-$(random_uuid)}
	printf '%s\n' "$id" >"$dir/id"
	printf '%s\n' "$pod" >"$dir/pod"
	printf '%s\n' "${cgroup:-${RIG_CGROUP:-}/kubepods/burstable/pod$pod/$id}" >"$dir/cgroup"
	mount_root "$dir" "$root" "$exec"
	if [ -n "$exec" ]; then
		argv=(/app/program "$@")
	else
		argv=("$("$RIG_SRC/jvm.sh" java-home "$image")/bin/java" "${java[@]:--Xmx64m}" -cp /app "$main" "$@")
	fi
	python3 "$RIG_SRC/oci_bundle.py" --cgroup "$(cat "$dir/cgroup")" --hostname "$name" "${bundle[@]}" \
		"$dir" -- "${argv[@]}"
	launch "$name"
	if [ -n "$wait" ] && ! wait_for 60 log_says "$name" ready; then
		cat "$dir/log" >&2
		return 1
	fi
}

# launch NAME: from its bundle. 3 is the descriptor that bats waits on. Nobody removes a cgroup meanwhile: runc has
# just found /kubepods, and puts another one into it.
launch() {
	local dir
	dir=$(container_dir "$1")
	flock -s -o "$RIG_CACHE/cgroups" runc --root "$RIG_RUN/runc" run -d --bundle "$dir" --pid-file "$dir/pid" "$(cat "$dir/id")" \
		</dev/null >"$dir/log" 2>&1 3>&- || { cat "$dir/log" >&2 && return 1; }
}

# remove_cgroup PATH: with its parents, which runc leaves; one that is in use stays.
remove_cgroup() {
	local path=$1 mount lock
	exec {lock}>"$RIG_CACHE/cgroups"
	flock -w 20 "$lock" || return 0
	while [ "$path" != / ] && [ -n "$path" ]; do
		while read -r mount; do
			rmdir "$mount$path" 2>/dev/null || true
		done < <(awk '$3 ~ /^cgroup2?$/ {print $2}' /proc/mounts)
		path=$(dirname "$path")
	done
	exec {lock}>&-
}

kill_container() {
	local id
	id=$(fact "$1" id)
	if rig_runc state "$id" >/dev/null 2>&1; then
		rig_runc kill "$id" KILL 2>/dev/null || true
		rig_runc delete -f "$id" 2>"$(container_dir "$1")/runc.log"
	fi
	remove_cgroup "$(fact "$1" cgroup)"
}

stop() {
	local dir
	dir=$(container_dir "$1")
	kill_container "$1"
	if mountpoint -q "$dir/rootfs"; then umount "$dir/rootfs"; fi
	rm -rf "$dir"
}

stop_all() {
	local dir
	for dir in "$RIG_RUN"/container/*; do
		if [ -d "$dir" ]; then stop "${dir##*/}"; fi
	done
}

restart() {
	local dir id
	dir=$(container_dir "$1")
	kill_container "$1"
	id=$(random_hex 32)
	sed -i "s/$(cat "$dir/id")/$id/" "$dir/config.json" "$dir/cgroup"
	printf '%s\n' "$id" >"$dir/id"
	launch "$1"
	wait_for 60 log_says "$1" ready
}

# What a library says may be in the same line: before Java 17 a line and its end are two writes.
last_tick() { sed -n 's/^tick \([0-9]*\).*/\1/p' "$(container_dir "$1")/log" | tail -n 1; }
ticks_beyond() {
	local tick
	tick=$(last_tick "$1")
	[ "${tick:-0}" -gt "$2" ]
}
# It may not have counted yet.
working() {
	local tick
	tick=$(last_tick "$1")
	wait_for 20 ticks_beyond "$1" "${tick:-0}"
}

case ${1:-} in
start) shift && start "$@" ;;
stop) stop "$2" ;;
program) program "$2" ;;
stop-all) stop_all ;;
restart) restart "$2" ;;
working) working "$2" ;;
id | pid | pod | cgroup) fact "$2" "$1" ;;
log) printf '%s/log\n' "$(container_dir "$2")" ;;
root) printf '%s/rootfs\n' "$(container_dir "$2")" ;;
*) sed -n '2,25s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac
