# The helper over a pipe, in real containers with real JVMs: no SSH, no API.
load lib

setup_file() {
	RIG_RUN=$(mktemp -d "${TMPDIR:-/tmp}/jdiag-rig.XXXXXX")
	export RIG_RUN
}

teardown() { container stop-all; }

teardown_file() { rm -rf "$RIG_RUN"; }

# call ARGUMENT...: sets $output (JSON) and $stderr.
call() {
	run --separate-stderr timeout 60 "$TESTS/pipe/call.py" "$JDIAG_BUILD/jdiag-helper-$(uname -m)" "$@"
	printf '$ call %s\nstatus: %s\n%s\n%s\n' "$*" "$status" "${output:0:3000}" "${stderr:0:2000}"
}

works() {
	call "$@"
	[ "$status" = 0 ]
}

# A JVM of this version: listed, inspected, dumped in both ways, and left as it was.
all_about() {
	local version=$1 pid
	shift
	container start --image "$version" "$@" app
	pid=$(container pid app)
	works ps "containers=[\"$(container id app)\"]"
	says '"main": "Checkout"'
	says "\"container\": \"$(container id app)\""
	says '"attachable": true'
	says '"ns_pid": 1,'
	works on "$pid" inspect attach=true strategy='""'
	says '"usable": true'
	works dump "$pid" "$RIG_RUN/all.hprof"
	dump_is_good "$RIG_RUN/all.hprof" all
	works dump "$pid" "$RIG_RUN/live.hprof" live=true
	dump_is_good "$RIG_RUN/live.hprof" live
	untouched app
}

@test "JVM 8" { all_about 8; }
@test "JVM 11" { all_about 11; }
@test "JVM 17" { all_about 17; }
@test "JVM 21" { all_about 21; }
@test "JVM 25" { all_about 25; }
@test "JVM 26" { all_about 26; }
@test "jlinked image without a shell" { all_about jlink; }

@test "read-only root, no writable /tmp: JVM 8" { all_about 8 --read-only --tmp image; }
@test "read-only root, no writable /tmp: JVM 17" { all_about 17 --read-only --tmp image; }
@test "read-only root, no writable /tmp: JVM 25" { all_about 25 --read-only --tmp image; }

@test "root in the container" { all_about 17 --user 0 --caps default; }
@test "a uid without a name" { all_about 17 --user random; }
@test "a user namespace, JVM 8" { all_about 8 --userns; }
@test "a user namespace, JVM 17" { all_about 17 --userns; }
@test "a user namespace, root in it, read-only root" { all_about 21 --userns --user 0 --read-only --tmp image; }

@test "-Xrs: by the socket that is there, without a signal" { all_about 17 --java -Xrs; }

# forced VERSION STRATEGY...: these are the ones that it says can be used, and each works.
forced() {
	local version=$1 name names
	shift
	container start --image "$version" app
	works on "$(container pid app)" inspect attach=false strategy='""'
	names=$(python3 -c 'import json, sys; print(*[s["name"] for s in json.loads(sys.argv[1])["strategies"] if s["usable"]])' "$output")
	[[ $names == "$*" ]] || { echo "usable: $names" && return 1; }
	for name; do
		works dump "$(container pid app)" "$RIG_RUN/$name.hprof" "strategy=\"$name\""
		says "\"strategy\": \"$name\""
		dump_is_good "$RIG_RUN/$name.hprof" all
		untouched app
	done
}

@test "every strategy, when forced, JVM 8" { forced 8 growing-file container-file; }
@test "every strategy, when forced, JVM 17" { forced 17 fifo growing-file container-file; }
@test "every strategy, when forced, JVM 25" { forced 25 segments growing-file container-file; }

@test "DisableAttachMechanism is seen before any signal" {
	container start --java -XX:+DisableAttachMechanism app
	works ps "containers=[\"$(container id app)\"]"
	says '"attachable": false'
	says DisableAttachMechanism
	call on "$(container pid app)" inspect attach=true strategy='""'
	[ "$status" = 1 ]
	[[ $stderr == *attach:*DisableAttachMechanism* ]]
	untouched app
}

@test "a JVM that is told to go away from a full destination keeps working" {
	container start --tmp-size 1m app fill=20
	call dump "$(container pid app)" "$RIG_RUN/x.hprof" 'strategy="container-file"'
	untouched app
}

@test "two JVMs in a container are both listed" {
	container start app spawn=1
	wait_for 60 grep -q '^child ready' "$(container log app)"
	works ps "containers=[\"$(container id app)\"]"
	[ "$(grep -o '"main": "Checkout"' <<<"$output" | wc -l)" = 2 ]
}

@test "cgroup paths of other runtimes" {
	id=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
	for path in "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podab_cd.slice/cri-containerd-ID.scope" \
		"/docker/ID" "/machine.slice/libpod-ID.scope" "/kubepods/besteffort/podxy/crio-ID"; do
		container start --cgroup "${path/ID/$id}" app
		works ps "containers=[\"$id\"]"
		says "\"container\": \"$id\""
		container stop app
	done
}
