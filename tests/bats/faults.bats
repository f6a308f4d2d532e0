# What goes wrong in the middle of a capture, end to end, with real JVMs: the error says what it was, the JVM
# works on, nothing is left.
load lib
load faults

setup_file() {
	rig_up
	pod_up web17 --image 17 --java -Xmx200m -- fill=100
	pod_up web21 --image 21 --java -Xmx200m -- fill=100
	pod_up web25 --image 25 --java -Xmx200m -- fill=100
}
teardown_file() { rig_down; }

setup() { faults_setup; }
teardown() {
	faults_teardown
	[[ ! -d $RIG_RUN/container/bad ]] || container stop bad
	[[ ! -f $RIG_RUN/ssh2/pid ]] || sshd_stop "$RIG_RUN/ssh2"
	[[ ! -d $RIG_RUN/small ]] || rm_small_disk
}

# --- the reader, the disk, the FIFO ---------------------------------------------------------------------

reader_killed() {
	half_way "$1"
	stands_still "$1"
	kill -KILL "$DRAIN"
	runs_on "$1"
	ends 8
	tells "the process that reads the dump was killed"
	nothing_came_of_it "$1"
	can_be_dumped "$1"
}

@test "the reader is killed in the middle of the pause, Java 17 (fifo)" { reader_killed web17; }
@test "the reader is killed in the middle of the pause, Java 21 (fifo)" { reader_killed web21; }
@test "the reader is killed in the middle of the pause, Java 25 (segments)" { reader_killed web25; }

@test "the reader is killed, and the JVM names another reason" {
	pod_up bad --exec fakejvm -- unread "Dump file is incomplete: No such file or directory"
	half_way bad
	kill -KILL "$DRAIN"
	ends 8
	tells "the process that reads the dump was killed"
	[[ -z $(ls -A "$TO") ]]
	untouched bad
}

# A node whose only disk is small; what fills it is not we.
small_disk() {
	mkdir -p "$RIG_RUN/small"
	mount -t tmpfs -o size=800m,mode=755 small "$RIG_RUN/small"
	mkdir "$RIG_RUN/small/upper" "$RIG_RUN/small/work"
	second_node "[[ \$1 == --apart ]] || exec unshare -m --propagation private \$0 --apart \"\$@\"" shift \
		"mount -t overlay overlay -o lowerdir=/var/lib,upperdir=$RIG_RUN/small/upper,workdir=$RIG_RUN/small/work /var/lib" \
		'mount -t tmpfs none /var/tmp' \
		'[[ ! -d /mnt/disks ]] || mount -t tmpfs none /mnt/disks' \
		'mount --bind /tmp /tmp' 'mount -o remount,bind,ro /tmp'
}

rm_small_disk() {
	umount -l "$RIG_RUN/small" 2>/dev/null || true
	rmdir "$RIG_RUN/small"
}

disk_fills_up() {
	local status=0
	small_disk
	half_way "$1" "${OTHER[@]}" "${@:2}"
	dd if=/dev/zero of="$RIG_RUN/small/others" bs=1M status=none || true
	kill -CONT "$DRAIN"
	runs_on "$1" || status=1
	ends 8 || status=1
	rm "$RIG_RUN/small/others"
	tells "No space left" || status=1
	nothing_came_of_it "$1" || status=1
	[[ -z $(find "$RIG_RUN/small/upper" -name '.jdiag*') ]] || status=1
	sshd_stop "$RIG_RUN/ssh2"
	return $status
}

@test "the disk of the node fills up in the middle, Java 17 (fifo)" { disk_fills_up web17; }
@test "the disk of the node fills up in the middle, Java 25 (segments)" { disk_fills_up web25 --format hprof; }

# --- somebody else ----------------------------------------------------------------------------------------

@test "two captures of the same JVM at once: the second is refused, and told whose the first is" {
	half_way web17
	refuses 10 heapdump web17 -n shop --to "$BATS_TEST_TMPDIR/second.hprof"
	tells "another capture of JVM $(container pid web17) is under way: '$ID' of 'root@"
	tells "'jdiag spool rm $ID' stops it"
	[[ -z $(compgen -G "$BATS_TEST_TMPDIR/second*") ]]
	kill -CONT "$DRAIN"
	ends 0
	dump_is_good "$output" live
	untouched web17
}

# --- the container ------------------------------------------------------------------------------------------

# intrude NAME ARGUMENT...: intruder.c as another process of the container, with the user of its JVM.
intrude() {
	local name=$1 dir=$RIG_RUN/container/$1
	shift
	cp "$("$RIG/container.sh" program intruder)" "$dir/rootfs/app/intruder"
	runc --root "$RIG_RUN/runc" exec "$(container id "$name")" /app/intruder "$@" </dev/null 3>&- |
		tee "$dir/intruder.log"
}

# The FIFO's name, its directory's name, and a file where the FIFO was.
@test "the container replaces the FIFO in the middle" {
	local name dir
	for name in web17 web25; do
		half_way "$name"
		dir=/tmp/.jdiag-$ID
		intrude "$name" replace "$dir/h.hprof" | grep '^replaced'
		kill -CONT "$DRAIN"
		runs_on "$name"
		ends 8
		tells "replaced in the container"
		nothing_came_of_it "$name"
	done
}

@test "the container cannot replace the directory of the FIFO, which is a mount" {
	half_way web17
	intrude web17 away "/tmp/.jdiag-$ID" | grep busy
	kill -CONT "$DRAIN"
	ends 0
	dump_is_good "$output" live
	untouched web17
}

# --- what the JVM says ----------------------------------------------------------------------------------------

# says_so TEXT: the JVM's last line, which is not that it has written a dump.
says_so() {
	local strategy
	pod_up bad --exec fakejvm -- says "$1"
	for strategy in fifo growing-file container-file; do
		refuses 8 heapdump bad -n shop --to "$TO/" --strategy $strategy
		tells "the JVM could not write the heap dump: $1"
		[[ -z $(ls -A "$TO") && -z $(find "$RIG_RUN/home/.local" -type f) ]]
		untouched bad
	done
}

@test "the JVM says: Broken pipe" { says_so "Dump file is incomplete: Broken pipe"; }
@test "the JVM says: No space left" { says_so "Dump file is incomplete: No space left on device"; }
@test "the JVM says: File exists" { says_so "Unable to create h.hprof: File exists"; }
@test "the JVM says: incomplete" { says_so "Dump file is incomplete: file size limit"; }

# --- a node that has little -------------------------------------------------------------------------------------

@test "a node with 100 MB of free memory: raw to its disk, the dump is whole, nobody is killed" {
	local group=/sys/fs/cgroup/memory/jdiag-faults-${RIG_RUN##*.} redact
	mkdir "$group"
	echo $((100 << 20)) >"$group/memory.limit_in_bytes"
	second_node "echo \$\$ >$group/cgroup.procs"
	for redact in none primitives; do
		run_jdiag -s 0 heapdump web25 -n shop --to "$TO/$redact.hprof.zst" --redact $redact "${OTHER[@]}"
		[[ $redact != none ]] || tells "too little memory on the node: the dump goes raw to its disk"
		[[ $redact == none ]] || tells "too small: the JVM waits then"
		tells " of memory are available, 1 GiB has to stay free"
		dump_is_good "$TO/$redact.hprof.zst" live
		untouched web25
	done
	grep -x 'oom_kill 0' "$group/memory.oom_control"
	sshd_stop "$RIG_RUN/ssh2"
	wait_for 20 rmdir "$group"
}
