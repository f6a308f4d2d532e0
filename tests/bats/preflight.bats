# What is said and refused before the JVM is asked for anything: how long it will stand still, what it
# takes of the node.
load lib

# A node whose only disk is small: 640 MB, of which 512 stay free.
small_node() {
	printf '%s\n' '#!/bin/bash' 'set -e' 'mount --make-rprivate /' \
		"mkdir -p $RIG_RUN/small" \
		"mount -t tmpfs -o size=640m,mode=755 small $RIG_RUN/small" \
		"mkdir -p $RIG_RUN/small/upper $RIG_RUN/small/work" \
		"mount -t overlay overlay -o lowerdir=/var/lib,upperdir=$RIG_RUN/small/upper,workdir=$RIG_RUN/small/work /var/lib" \
		'mount -t tmpfs none /var/tmp' \
		'[[ ! -d /mnt/disks ]] || mount -t tmpfs none /mnt/disks' \
		'mount --bind /tmp /tmp' 'mount -o remount,bind,ro /tmp' 'exec "${@}"' >"$RIG_RUN/small-node"
	chmod 755 "$RIG_RUN/small-node"
}

setup_file() { rig_up; }
teardown_file() { rig_down; }

setup() {
	D=$BATS_TEST_TMPDIR
	TO=$D/dump.hprof.gz
	cd "$D"
}

teardown() {
	! mountpoint -q "$D/full" || umount "$D/full"
	[[ -z $POD ]] || untouched "$POD" || return 1
	container stop-all
	[[ ! -f $RIG_RUN/ssh2/pid ]] || sshd_stop "$RIG_RUN/ssh2"
}

up() {
	pod_up "$@"
	POD=$1
}

dump() { refuses "$1" heapdump "$POD" -n shop --to "$TO" "${@:2}"; }

good() {
	run_jdiag -s 0 heapdump "$POD" -n shop --to "$TO" "$@"
	manifest_agrees "$TO"
	[[ -n $KEEP ]] || rm "$TO" "$TO.manifest.json"
}

# field PATH: of the manifest or the plan on stdin, by jq's notation.
field() { python3 -c 'import functools, json, sys
print(functools.reduce(lambda o, k: o[int(k) if k.isdigit() else k], sys.argv[1].split("."), json.load(sys.stdin)))' "$1"; }

not_attached() { [ ! -e "/proc/$(container pid "$POD")/root/tmp/.java_pid1" ]; }

@test "the plan: size, pause, the rate and where it comes from, what the node gives" {
	up plan --java "-Xmx300m -Dtoken=$CANARY_TOKEN -XX:+UseSerialGC" -- fill=100
	run_jdiag -s 0 heapdump plan -n shop --to "$TO" --dry-run
	says "stored "
	says "of it for a full collection)"
	says " MB/s: Java 17, measured 440 MB/s on 2 cores of the reference machine, this node's CPU x"
	says "strategy  fifo, nothing in the container, "
	says "node disk up to "
	run_jdiag -s 0 heapdump plan -n shop --to "$TO" --dry-run -o json
	size=$(field expected.size <<<"$output")
	[ "$size" -gt 150000000 ] && [ "$(field expected.stored <<<"$output")" -lt $((size * 6 / 10)) ]
	[ "$(field expected.podPeak <<<"$output")" = 0 ]
	[ "$(field expected.rate.mbps <<<"$output")" -gt 10 ]
	[ "$(field format <<<"$output")" = hprof.gz ]
	not_attached
	KEEP=1 good --redact strings
	m=$TO.manifest.json
	[[ $(field jvm.flags <"$m") == *"-Xmx300m"*"-XX:+UseSerialGC"* ]]
	! grep -qF -e "$CANARY_TOKEN" -e "-Dtoken" "$m"
	[ "$(field jvm.collector <"$m")" = Serial ]
	[ "$(field capture.redact <"$m")" = strings ]
	[ "$(field format <"$m")" = hprof.gz ]
	[ "$(field rawSize <"$m")" = "$(zcat "$TO" | wc -c)" ]
	[ "$(field capture.expected.size <"$m")" -ge "$(field rawSize <"$m")" ]
	[ "$(field capture.elapsedMs <"$m")" -gt 0 ]
	[ "$(field capture.notes <"$m")" = "[]" ]
}

@test "half a CPU: twice the pause" {
	up half --cpus 0.5 --java -Xmx200m -- fill=100
	run_jdiag -s 0 heapdump half -n shop --to "$TO" --dry-run
	says ", the JVM's CPU quota x0.50"
}

@test "--max-pause: refused with the numbers, also with --force" {
	up slow --java -Xmx450m -- fill=300
	for force in "" --force; do
		# shellcheck disable=SC2086
		dump 10 --max-pause 500ms $force
		tells "jdiag: the JVM would stand still for about "
		tells ", --max-pause allows 500ms"
		tells "  at "
		tells "--force does not override --max-pause: raise it"
	done
	run_jdiag -s 10 heapdump slow -n shop --to "$TO" --dry-run --max-pause 500ms
	good --max-pause 5m
}

@test "the liveness probe: refused before anything is done, all reasons at once" {
	up probed --java -Xmx450m -- fill=300
	pod_at_api probed --probe app=1,1
	mkdir "$D/full"
	mount -t tmpfs -o size=8m none "$D/full"
	refuses 10 heapdump probed -n shop --to "$D/full/x.hprof.gz"
	umount "$D/full"
	tells "does not fit at the destination"
	tells "  also: the JVM would stand still for about "
	tells "its liveness probe restarts it after 1.0s"
}

@test "no room for the spool: the numbers; --force goes on, a small dump fits" {
	small_node
	up big --java -Xmx450m -- fill=300
	SSHD_UNDER="unshare -m $RIG_RUN/small-node" sshd_start "$RIG_RUN/ssh2"
	sshd_authorize "$RIG_RUN/ssh2" "$RIG_RUN/ssh/client.pub"
	small=(-p "$SSHD_PORT" --known-hosts "$RIG_RUN/ssh2/known_hosts")
	dump 10 "${small[@]}"
	tells "jdiag: a dump of up to "
	tells "does not fit in '/var/lib' of the node with 512 MiB left over: "
	tells "make room, or go on with --force"
	good "${small[@]}" --force
	tells "--force: a dump of up to "
	good --max-pause 5m
}

@test "what the pause depends on is said before: too little memory, no spool" {
	up told --java -Xmx200m -- fill=50
	good --buffer 1MiB
	tells "jdiag: too little memory on the node: the dump goes raw to its disk (--buffer is 1.0 MiB)"
	good --buffer 32MiB
	tells "of the dump may go raw to the node's disk (--buffer is 32.0 MiB)"
	good --no-spool
	tells "jdiag: --no-spool: the pause depends on the network"
}

@test "Shenandoah: a warning, in the plan and the manifest too" {
	up shen --image 21 --java -XX:+UseShenandoahGC
	run_jdiag -s 0 heapdump shen -n shop --to "$TO" --dry-run
	says "note      known bad build of Java: "
	says "JDK-8345750"
	KEEP=1 good
	tells "JDK-8345750"
	[[ $(field capture.notes.0 <"$TO.manifest.json") == *JDK-8345750* ]]
}
