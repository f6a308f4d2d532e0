# place and unplace of the helper: over a pipe with processes that pretend to be JVMs
# (tests/pipe/place.py), then with real JVMs in containers, which load what was placed.
load lib.bash

setup_file() {
	RIG_RUN=$(mktemp -d "${TMPDIR:-/tmp}/jdiag-rig.XXXXXX")
	export RIG_RUN
	chmod 711 "$RIG_RUN"
	export JDIAG_HELPER=$JDIAG_BUILD/jdiag-helper-$(uname -m)
	JAR=$("$RIG/agents.sh" naughty)
	LIBRARY=$("$RIG/agents.sh" native)
	export JAR LIBRARY
}

teardown() { container stop-all; }

teardown_file() { rm -rf "$RIG_RUN"; }

check() {
	timeout -k 5 60 python3 "$TESTS/pipe/place.py" "$@"
}

@test "any pieces" { check pieces; }
@test "64 MiB, and not more" { check largest; }
@test "requests that cannot be served" { check bad-requests; }
@test "other bytes than were announced" { check other-content; }
@test "DATA of a request that has ended" { check late-data; }
@test "DATA out of order" { check order; }
@test "DATA for what takes none" { check not-for-data; }
@test "cancelled at any moment" { check cancel; }
@test "the connection ends at any moment" { check lost; }
@test "the helper is killed at any moment" { check killed; }
@test "the JVM ends" { check ended; }
@test "replaced as a whole, and later" { check replace; }
@test "tidy tells of it and leaves it" { check tidy; }

# call ARGUMENT...: sets $output (JSON) and $stderr.
call() {
	run --separate-stderr timeout 60 "$TESTS/pipe/call.py" "$JDIAG_HELPER" "$@"
	printf '$ call %s\nstatus: %s\n%s\n%s\n' "$*" "$status" "${output:0:3000}" "${stderr:0:2000}"
}

works() {
	call "$@"
	[ "$status" = 0 ]
}

value() { python3 -c 'import json, sys; print(json.loads(sys.argv[1])[sys.argv[2]])' "$output" "$1"; }

# placed NAME FILE AS [NAME=JSON...]: sets $path and $how.
placed() {
	local name=$1
	shift
	works place "$(container pid "$name")" "$@"
	path=$(value path)
	how=$(value how)
}

unplaced() {
	works on "$(container pid "$1")" unplace "path=\"$2\""
	says '{"removed": true}'
}

# loads NAME ABSOLUTE LIBRARY OPTIONS TEXT: the JVM says so in its log.
loads() {
	works on "$(container pid "$1")" ask 'command="load"' "args=[\"$2\", \"$3\", \"$4\"]"
	wait_for 20 grep -q "$5" "$(container log "$1")"
}

# Not at the beginning of a line: before Java 17 a line and its end are two writes, and the library's comes between.
jar_loads() { loads "$1" instrument false "$2=return" 'agent: return'; }
library_loads() { loads "$1" "$2" true return 'native: return'; }

# as_it_should_be NAME: the JVM's user's alone, and the bytes.
as_it_should_be() {
	local pid file
	pid=$(container pid "$1")
	file=/proc/$pid/root$path
	[[ $(stat -c '%a %u %h' "$file") == "400 $(stat -c %u "/proc/$pid") 1" ]]
	cmp "$file" "$2"
}

# An agent from its place to its removal.
all_about() {
	local version=$1
	shift
	container start --image "$version" "$@" app
	placed app "$JAR" naughty.jar
	as_it_should_be app "$JAR"
	jar_loads app "$path"
	unplaced app "$path"
	placed app "$LIBRARY" native.so exec=true
	as_it_should_be app "$LIBRARY"
	library_loads app "$path"
	unplaced app "$path"
	untouched app
}

@test "Java 8" { all_about 8; }
@test "Java 11" { all_about 11; }
@test "Java 17" { all_about 17; }
@test "Java 21" { all_about 21; }
@test "Java 25" { all_about 25; }
@test "a uid without a name and a home" { all_about 17 --user random; }
@test "root" { all_about 17 --user 0 --caps default; }
@test "a user namespace" { all_about 17 --userns; }

# Nothing of the image can be written, but /dev/shm, from which no code is mapped.
read_only() {
	local version=$1
	shift
	container start --image "$version" --read-only --tmp image "$@" app
	placed app "$JAR" naughty.jar
	[[ $path == /dev/shm/.jdiag-agents/naughty.jar && $how == directory ]]
	says '/tmp: '
	jar_loads app "$path"
	unplaced app "$path"
	placed app "$LIBRARY" native.so exec=true
	[[ $how == mount ]]
	says '/dev/shm: mounted noexec'
	as_it_should_be app "$LIBRARY"
	library_loads app "$path"
	unplaced app "$path"
	untouched app
}

@test "read-only root, Java 8" { read_only 8; }
@test "read-only root, Java 25" { read_only 25; }
@test "read-only root in a user namespace" { read_only 17 --userns; }
@test "read-only root, root in it" { read_only 21 --user 0; }

# fill_shm NAME
fill_shm() {
	head -c 65536k /dev/zero >"/proc/$(container pid "$1")/root/dev/shm/full" || true
}

@test "an image without a shell" {
	container start --image jlink --read-only --tmp image app
	placed app "$LIBRARY" native.so exec=true
	[[ $how == mount ]]
	library_loads app "$path"
	unplaced app "$path"
	untouched app
}

@test "nowhere to write: a mount, read-only, for jar and configuration" {
	container start --image 8 --read-only --tmp image app
	fill_shm app
	placed app "$JAR" naughty.jar
	[[ $how == mount && $path != /tmp/* ]]
	says '/dev/shm: No space left on device'
	jar=$path
	mnt=${path%/*}
	grep -q " $mnt rw,nosuid,nodev,.* - tmpfs jdiag-agent ro," "/proc/$(container pid app)/mountinfo"
	printf 'rules: []\n' >"$RIG_RUN/a.yaml"
	printf 'rules: [{pattern: ".*"}]\n' >"$RIG_RUN/b.yaml"
	placed app "$RIG_RUN/a.yaml" jmx-9404.yaml
	[[ $path == "$mnt/jmx-9404.yaml" ]]
	before=$(stat -c %Y "/proc/$(container pid app)/root$path")
	placed app "$RIG_RUN/b.yaml" jmx-9404.yaml "path=\"$path\""
	as_it_should_be app "$RIG_RUN/b.yaml"
	(($(stat -c %Y "/proc/$(container pid app)/root$path") > before))
	jar_loads app "$jar"
	grep -q " - tmpfs jdiag-agent ro," "/proc/$(container pid app)/mountinfo"
	unplaced app "$path"
	unplaced app "$jar"
	rm "/proc/$(container pid app)/root/dev/shm/full"
	untouched app
}

@test "what the container plants where our directory belongs leads nowhere" {
	local root uid plant
	container start app
	root=/proc/$(container pid app)/root
	uid=$(stat -c %u "/proc/$(container pid app)")
	for plant in "ln -s /etc" "ln -s /proc/1/root/etc" "mkfifo -m 777" "mkdir -m 700" "install -m 400 -o $uid /dev/null" \
		"install -d -m 755 -o $uid"; do
		$plant "$root/tmp/.jdiag-agents"
		placed app "$JAR" naughty.jar
		[[ $path == /var/tmp/.jdiag-agents/naughty.jar ]]
		says "/tmp: '.jdiag-agents' there is not a directory of the JVM's user alone"
		as_it_should_be app "$JAR"
		unplaced app "$path"
		rm -r "$root/tmp/.jdiag-agents"
	done
	install -d -m 700 -o "$uid" "$root/tmp/.jdiag-agents"
	for plant in "ln -s /etc/passwd" "mkfifo -m 777" "mkdir -m 777" "install -m 400 -o $uid /dev/null"; do
		$plant "$root/tmp/.jdiag-agents/naughty.jar"
		placed app "$JAR" naughty.jar
		[[ $path == /var/tmp/.jdiag-agents/naughty.jar ]]
		says "/tmp: something else has the file's name"
		unplaced app "$path"
		rm -r "$root/tmp/.jdiag-agents/naughty.jar"
	done
	rmdir "$root/tmp/.jdiag-agents"
	untouched app
}

# volume MODE: a directory of the node at /tmp, as an emptyDir is, with no other place but /dev/shm.
volume() {
	install -d -m "$1" "$RIG_RUN/volume-$1"
	container start --read-only --tmp image --bind "$RIG_RUN/volume-$1:/tmp" app
	placed app "$JAR" naughty.jar
	[[ $path == /dev/shm/* ]]
	says "/tmp: $2"
	unplaced app "$path"
	fill_shm app
	placed app "$JAR" naughty.jar
	[[ $how == mount ]]
	jar_loads app "$path"
	unplaced app "$path"
	rm "/proc/$(container pid app)/root/dev/shm/full"
	untouched app
	container stop app
}

@test "a volume is no place: its owner, or a neighbour, could exchange the agent" {
	volume 0777 "others can exchange what lies there"
	volume 1777 "others of the pod may have it, too"
}

@test "who comes second is told that it existed" {
	container start app
	placed app "$JAR" naughty.jar
	says '"existed": false'
	placed app "$JAR" naughty.jar
	says '"existed": true'
	unplaced app "$path"
	untouched app
}

@test "the disk of the container is full" {
	container start --read-only --tmp-size 1m app
	head -c 2m /dev/zero >"/proc/$(container pid app)/root/tmp/full" || true
	head -c 300000 /dev/urandom >"$RIG_RUN/large.jar"
	placed app "$RIG_RUN/large.jar" large.jar
	[[ $path == /dev/shm/* ]]
	says '/tmp: No space left on device'
	unplaced app "$path"
	untouched app
}

@test "it goes with the container, and a new one begins anew" {
	container start --read-only --tmp image app
	placed app "$LIBRARY" native.so exec=true
	[[ $how == mount ]]
	container restart app
	call on "$(container pid app)" unplace "path=\"$path\""
	says '{"removed": false}'
	run ! grep -q jdiag-agent "/proc/$(container pid app)/mountinfo" /proc/self/mountinfo
}
