# Containers that mean no good, end to end: jdiag, API, sshd, helper, container. The rows are those of
# "Attacks and their tests" in tests/README.md.
load lib
load hostile

setup_file() {
	rig_up
	mkdir -m 777 "$RIG_RUN/victim"
	echo original >"$RIG_RUN/victim/file"
	chmod 666 "$RIG_RUN/victim/file"
	find "$RIG_RUN/victim" -printf '%p %y %m %u %T@ %C@\n' | sort >"$RIG_RUN/out/victim-before"
}
teardown_file() { rig_down; }
setup() { measure; }
teardown() {
	[[ -z ${INTRUDER:-} ]] || kill -KILL "$INTRUDER" || true
	container stop-all
}

# Nothing was created, written or changed where the planted links point to.
victim_is_well() {
	find "$RIG_RUN/victim" -printf '%p %y %m %u %T@ %C@\n' | sort | diff "$RIG_RUN/out/victim-before" -
}

# intrude NAME ARGUMENT...: intruder.c as another process of the container, with the user of its JVM.
intrude() {
	local name=$1 dir=$RIG_RUN/container/$1
	shift
	cp "$("$RIG/container.sh" program intruder)" "$dir/rootfs/app/intruder"
	runc --root "$RIG_RUN/runc" exec -d --pid-file "$dir/intruder.pid" "$(container id "$name")" \
		/app/intruder "$@" </dev/null >"$dir/intruder.log" 2>&1 3>&-
	INTRUDER=$(<"$dir/intruder.pid")
	wait_for 40 grep -q ready "$dir/intruder.log"
}
intruder_said() { grep -q "$2" "$RIG_RUN/container/$1/intruder.log"; }

# hostile MODE [TARGET]: a pod "bad" whose container pretends to be a JVM.
hostile() { pod_up bad --exec fakejvm -- "$@"; }

# fails_at STATUS TEXT [OPTION...]: the dump of pod "bad" ends so, and nothing is left on the node.
fails_at() {
	local want=$1 text=$2
	shift 2
	fails "$want" "$text" heapdump bad -n shop --to "$RIG_RUN/out/to/" "$@"
	node_is_clean
}

captures_while_exchanged() {
	local strategy=$1 round good=0
	shift
	pod_up web
	intrude web exchange "$RIG_RUN/victim" "$@"
	# It has begun, where there is something before we come.
	[[ $1 == .jdiag* ]] || wait_for 40 intruder_said web exchanged
	for round in 1 2; do
		run_jdiag heapdump web -n shop --strategy "$strategy" --to "$RIG_RUN/out/race-$round.hprof"
		[[ $status == [078] ]]
		if [[ $status == 0 ]]; then
			dump_is_good "$RIG_RUN/out/race-$round.hprof" live
			good=$((good + 1))
		else
			[ ! -e "$RIG_RUN/out/race-$round.hprof" ]
		fi
		rm -f "$RIG_RUN/out/race-$round".*
	done
	victim_is_well
	kill -KILL "$INTRUDER"
	INTRUDER=
	node_is_clean
	container working web
	echo "$good of 2 were good"
}

@test "row 1: our directories are exchanged with links during captures (growing-file)" {
	captures_while_exchanged growing-file '.jdiag*'
}

@test "row 1: our directories are exchanged with links during captures (container-file)" {
	captures_while_exchanged container-file '.jdiag*'
}

@test "row 1: socket, trigger and hsperfdata are exchanged with links during captures" {
	captures_while_exchanged growing-file .java_pid1 '.attach_pid*' hsperfdata_app
}

@test "row 1: /tmp of the container is a link to a place of the node" {
	pod_up bad --tmp image
	mv "$(container root bad)/tmp" "$(container root bad)/tmp.away"
	ln -s "$RIG_RUN/victim" "$(container root bad)/tmp"
	fails_at 7 tmp
	victim_is_well
	container working bad
}

@test "row 2: /dev/null of the container is a link" {
	pod_up web --user 0 --caps default
	intrude web plant "$RIG_RUN/victim/file" /dev/null
	wait_for 40 intruder_said web planted
	INTRUDER=
	run_jdiag -s 0 heapdump web -n shop --to "$RIG_RUN/out/null.hprof"
	dump_is_good "$output" live
	victim_is_well
	untouched web
}

@test "row 3: a faked /proc in the container is not believed" {
	pod_up web
	pid=$(container pid web)
	mount -N "$pid" -t tmpfs none /proc
	mkdir -p "/proc/$pid/root/proc/1" "/proc/$pid/root/proc/self/fd"
	echo 'Name: x
Uid: 0 0 0 0
NSpid: 1' >"/proc/$pid/root/proc/1/status"
	run_jdiag -s 0 ps web -n shop -o json
	says '"uid":1000,'
	run_jdiag -s 0 heapdump web -n shop --to "$RIG_RUN/out/proc.hprof"
	dump_is_good "$output" live
}

@test "row 4: dangling links to the node where attach files belong create nothing there" {
	pod_up web
	intrude web plant "$RIG_RUN/victim/new" /tmp/.attach_pid1
	wait_for 40 intruder_said web planted
	INTRUDER=
	run_jdiag heapdump web -n shop --to "$RIG_RUN/out/dangling.hprof"
	[[ $status == [07] ]]
	victim_is_well
	node_is_clean
	container working web
}

@test "row 5, row 6: the container's root sees no process of ours, or cannot open or trace it" {
	pod_up web --user 0 --caps default
	intrude web hunt
	for round in 1 2; do
		run_jdiag -s 0 heapdump web -n shop --to "$RIG_RUN/out/hunt-$round.hprof"
	done
	run ! intruder_said web 'opened\|traced'
}

@test "row 11: an attach socket that is silent" {
	hostile silent
	fails_at 130 "timed out" --timeout 8s
}

@test "row 11: an attach socket of another user" {
	hostile liar
	chown 4242 "/proc/$(container pid bad)/root/tmp/.java_pid1"
	fails_at 7 socket
}

@test "row 11: a JVM that never opens its socket" {
	hostile deaf
	fails_at 7 "attach socket"
}

@test "row 11: a JVM that dies when it is asked" {
	hostile dies
	fails_at 8 "has ended"
}

@test "row 12: a reply without end" {
	hostile flood
	fails_at 7 "larger than"
}

@test "row 13: a FIFO in place of hsperfdata does not block" {
	hostile deaf
	dir=/proc/$(container pid bad)/root/tmp/hsperfdata_app
	mkdir "$dir"
	mkfifo "$dir/1"
	chown -R 1000:1000 "$dir"
	run_jdiag -s 0 ps bad -n shop
	says "$(container pid bad)"
}

@test "row 13: a device in place of hsperfdata is not read" {
	pod_up web --tmp image
	dir=/proc/$(container pid web)/root/tmp/hsperfdata_app
	rm -r "$dir"
	mkdir "$dir"
	mknod "$dir/1" c 1 5
	chown -R 1000:1000 "$dir"
	run_jdiag -s 0 ps web -n shop
	says "$(container pid web)"
}

# in_place_of_dump MODE [TARGET]: what the container makes of the file that it was asked for.
in_place_of_dump() {
	for strategy in growing-file container-file; do
		hostile "$@"
		fails_at 8 "" --strategy $strategy
		container stop bad
	done
	victim_is_well
}

@test "row 13: a FIFO in place of the dump" { in_place_of_dump fifo; }
@test "row 13: a link to a device in place of the dump" { in_place_of_dump link /dev/zero; }
@test "row 13: a link to a file in place of the dump" { in_place_of_dump link "$RIG_RUN/victim/file"; }

@test "row 13: a hard link in place of the dump" {
	hostile hardlink
	fails_at 8 "2 links" --strategy container-file
}

@test "row 13: nothing in place of the dump" {
	hostile liar
	fails_at 8 ""
}

@test "row 14: escape sequences in an attach reply" {
	hostile rubbish
	fails_at 7 "not attach protocol"
}

@test "row 14: escape sequences in names do not reach the terminal" {
	hostile names
	run_jdiag -s 0 ps bad -n shop
	says 'Main'
	clean "$output"
	clean "$stderr"
	run_jdiag -s 0 ps bad -n shop -o wide
	says 'Main'
	clean "$output"
	run_jdiag -s 0 ps bad -n shop -o name
	clean "$output"
	run_jdiag -s 0 ps bad -n shop -o json
	clean "$output"
	[ "${#lines[@]}" = 1 ]
	says '\u001B]0;owned'
	JDIAG_EXTRA_ENV+=(CI=true GITHUB_ACTIONS=true)
	run_jdiag -s 0 ps bad -n shop -o wide -v=9
	clean "$output"
	clean "$stderr"
	run ! grep -E '^[[:space:]]*::' <<<"$output"$'\n'"$stderr"
}

@test "row 22: an HPROF that is none, is cut, or has lengths that lie" {
	for what in broken short lengths; do
		hostile $what
		fails_at 8 "dump"
		container stop bad
	done
}

@test "row 22: an HPROF without end" {
	hostile endless
	fails_at 130 "timed out" --timeout 6s
}
