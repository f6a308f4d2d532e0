#!/bin/bash
# The demo (`make demo`): a heap dump travels from a pod name to a bucket, everything around it real but
# the cluster and the cloud. All that it starts lies in one directory and ends with it, also after Ctrl-C.
set -euo pipefail

# shellcheck source=tests/rig/rig.sh
. "$(dirname "${BASH_SOURCE[0]}")/rig.sh"

POD=checkout-7d9f8
RIG_RUN=

if [[ -t 1 ]]; then bold=$'\e[1m' plain=$'\e[0m'; else bold='' plain=''; fi
title() { printf '\n%s== %s%s\n' "$bold" "$1" "$plain"; }
prompt() { printf '%s$ %s%s\n' "$bold" "$1" "$plain"; }

stop() {
	local status=$?
	trap '' INT TERM HUP
	trap - EXIT
	if [[ -n $RIG_RUN ]]; then
		printf '\nstopping what the demo has started ...\n'
		rig_stop || status=1
	fi
	exit "$status"
}

start() {
	"$RIG/jvm.sh" jlink >/dev/null
	"$RIG/read_dump.sh" --prepare
	rig_start
	container start --image jlink --read-only --java "-Xmx256m" "$POD" fill=64
	kube_state pod "shop/$POD" --node "$NODE" --uid "$(container pod "$POD")" \
		--container "app=$(container id "$POD")" --label app=checkout --probe app=10,3
}

show_pod() {
	local pid
	pid=$(container pid "$POD")
	title "A node, a pod, a JVM in it: nothing of ours is installed anywhere"
	printf 'node       %s, sshd on 127.0.0.1:%s\n' "$NODE" "$(<"$RIG_RUN/ssh/port")"
	printf 'pod        %s in namespace shop, container app\n' "$POD"
	printf 'cgroup     %s\n' "$(container cgroup "$POD")"
	printf 'process    %s\n' "$(tr '\0' ' ' <"/proc/$pid/cmdline")"
	printf 'uid        %s, capabilities %s, root file system %s\n' \
		"$(awk '/^Uid/ {print $2}' "/proc/$pid/status")" "$(awk '/^CapBnd/ {print $2}' "/proc/$pid/status")" \
		"$(awk '$2 == "/" {print ($4 ~ /(^|,)ro(,|$)/) ? "read-only" : "writable"}' "/proc/$pid/mounts")"
	printf 'programs   %s\n' "$(cd "/proc/$pid/root" && find . -xdev -path ./proc -prune -o -type f -perm -1 -path '*bin/*' -printf '/%P ')"
}

take_dump() {
	title "The dump, by the pod's name"
	prompt "jdiag heapdump $POD -n shop --to gs://dumps/demo/"
	jdiag_env "$JDIAG" heapdump "$POD" -n shop --to gs://dumps/demo/ </dev/null | tee "$RIG_RUN/url"
}

check_dump() {
	local url
	url=$(<"$RIG_RUN/url")
	title "The object, read back: the dump, its manifest and its bucket agree"
	prompt "jdiag check $url"
	jdiag_env "$JDIAG" check "$url" --progress none
}

read_dump() {
	local object url name
	url=$(<"$RIG_RUN/url")
	name=${url#gs://dumps/}
	title "The same, read by a library that is not ours"
	object=$(find "$RIG_RUN/bucket/data/objects/dumps" -type f -name "*${name##*/}")
	cp "$object" "$RIG_RUN/${name##*/}"
	printf '%s: %s bytes, SHA-256 %s\n\n' "$url" "$(stat -c %s "$object")" "$(sha256sum "$object" | cut -c1-16)..."
	"$RIG/read_dump.sh" "$RIG_RUN/${name##*/}" 10
}

show_nothing_left() {
	local left
	title "What is left of it"
	left=$(find_left; find_in_container "$POD" 2>/dev/null) || true
	if [[ -n $left ]]; then
		printf 'LEFT BEHIND:\n%s\n' "$left"
		return 1
	fi
	printf 'node       no file, no mount, no process of jdiag\n'
	printf 'container  no file, no mount, no attach trigger; root file system as before\n'
	container working "$POD"
	printf 'JVM        alive and at work: %s\n' "$(tail -n 1 "$(container log "$POD")")"
	! grep -q 'Full thread dump' "$(container log "$POD")"
	printf '           its log has nothing of ours: %s lines, all its own\n' "$(wc -l <"$(container log "$POD")")"
}

if [[ $(id -u) != 0 ]]; then
	echo "the demo makes containers: run it as root" >&2
	exit 2
fi
trap stop EXIT
trap 'exit 130' INT TERM HUP
start
show_pod
take_dump
check_dump
read_dump
show_nothing_left
title "Done"
