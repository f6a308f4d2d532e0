# Real runtimes with a real JVM each, and no cluster API: the container by its name, its id, a part of its id.
load lib
. "$BATS_TEST_DIRNAME/../rig/runtimes.bash"

setup_file() {
	RIG_RUN=$(mktemp -d "${TMPDIR:-/tmp}/jdiag-rig.XXXXXX")
	export RIG_RUN
	chmod 711 "$RIG_RUN"
	mkdir -p "$RIG_RUN/home" "$RIG_RUN/out" "$RIG_RUN/bucket"
	echo 1 >"$RIG_RUN/bucket/port"
	# crun knows no hybrid of cgroup v1 and v2; this is the test's own view only.
	if mountpoint -q /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified; fi
	sshd_start "$RIG_RUN/ssh"
	runtimes_prepare
}

teardown_file() {
	local status=0
	no_secret_was_told || status=1
	sshd_stop "$RIG_RUN/ssh"
	rm -rf "$RIG_RUN"
	return $status
}

setup() {
	HOST=ssh://root@127.0.0.1:$(<"$RIG_RUN/ssh/port")
	# No name that another test on this machine could have.
	NAME=rt-$BATS_SUITE_TEST_NUMBER-${RIG_RUN##*.}
}

teardown() {
	local mount
	container stop-all
	daemon_stop "java-$NAME"
	daemon_stop dockerd
	daemon_stop containerd
	if [[ -d $RIG_RUN/lxc/$NAME ]]; then lxc-stop -P "$RIG_RUN/lxc" -n "$NAME" -k || true; fi
	daemon_stop lxc
	user_down
	for mount in "$RIG_RUN"/rootfs-*/merged; do
		[[ ! -d $mount ]] || umount "$mount" || true
	done
	rm -rf "$RIG_RUN"/rootfs-* "$RIG_RUN"/out/x.hprof*
	cgroups_remove "$NAME" default lxc.pivot "lxc.payload.$NAME" "lxc.monitor.$NAME" "lxc/$NAME" "default/$NAME"
}

# field NAME: of the one JVM that `ps` has printed as JSON.
field() { python3 -c 'import json, sys; print(json.loads(sys.argv[1]).get(sys.argv[2], ""))' "$output" "$1"; }

# known_as RUNTIME NAME ID [POD NAMESPACE]: what `ps` knows about the container of that name.
known_as() {
	run_jdiag -s 0 ps "$HOST" --container "$2" -o json
	[ "${#lines[@]}" = 1 ]
	[ "$(field runtime)" = "$1" ]
	[ "$(field containerName)" = "$2" ]
	[ "$(field container)" = "$3" ]
	[ "$(field pod)" = "${4:-}" ]
	[ "$(field namespace)" = "${5:-}" ]
	run_jdiag -s 0 ps "$HOST" --container "$2"
	says "$2"
	[ "${#lines[@]}" = 2 ]
}

# dumped_by WHAT...: each --container WHAT gives the whole dump.
dumped_by() {
	local what
	for what; do
		run_jdiag -s 0 heapdump "$HOST" --container "$what" --to "$RIG_RUN/out/x.hprof"
		dump_is_good "$RIG_RUN/out/x.hprof" live
		rm "$RIG_RUN"/out/x.hprof*
	done
}

@test "docker, its data root elsewhere" {
	docker_up
	rt_docker import "$RIG_RUN/image.tar" app >/dev/null
	id=$(rt_docker run -d --name "$NAME" --network none --cgroup-parent "/$NAME" --user 1000 app \
		"$(jvm_java)/bin/java" "${JAVA_ARGS[@]}")
	wait_for 60 bash -c "docker -H unix://$RIG_RUN/docker.sock logs $NAME | grep -q ready"
	known_as docker "$NAME" "$id"
	dumped_by "$NAME" "$id" "${id:0:12}"
	rt_docker rm -f "$NAME"
}

@test "containerd: a container with a name for an id" {
	containerd_up
	rt_ctr run --detach --rootfs --log-uri "file://$RIG_RUN/log" "$(rootfs "$NAME")" "$NAME" "$(jvm_java)/bin/java" "${JAVA_ARGS[@]}"
	jvm_ready "$RIG_RUN/log"
	known_as containerd "$NAME" "containerd:default/$NAME"
	dumped_by "$NAME" "containerd:default/$NAME"
	rt_ctr task rm -f "$NAME"
	rt_ctr container rm "$NAME"
}

@test "containerd: as a kubelet's CRI has it" {
	containerd_up
	id=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
	rt_ctr -n k8s.io run --detach --rootfs --log-uri "file://$RIG_RUN/log" --cgroup "/$NAME/kubepods/burstable/pod1/$id" \
		--annotation io.kubernetes.cri.container-type=container --annotation "io.kubernetes.cri.container-name=$NAME" \
		--annotation io.kubernetes.cri.sandbox-name=web-0 --annotation io.kubernetes.cri.sandbox-namespace=shop \
		"$(rootfs "$NAME")" "$id" "$(jvm_java)/bin/java" "${JAVA_ARGS[@]}"
	jvm_ready "$RIG_RUN/log"
	known_as containerd "$NAME" "$id" web-0 shop
	run_jdiag -s 0 ps "$HOST" --container "$NAME"
	says web-0
	dumped_by "$NAME" "${id:0:4}"
	rt_ctr -n k8s.io task rm -f "$id"
	rt_ctr -n k8s.io container rm "$id"
}

@test "podman as root" {
	podman="podman --storage-driver vfs --cgroup-manager cgroupfs --events-backend file"
	$podman import -q "$RIG_RUN/image.tar" app >/dev/null
	id=$($podman run -d --name "$NAME" --network none --cgroup-parent "/$NAME" app "$(jvm_java)/bin/java" "${JAVA_ARGS[@]}" 3>&-)
	wait_for 60 bash -c "$podman logs $NAME | grep -q ready"
	known_as podman "$NAME" "$id"
	dumped_by "$NAME" "$id" "${id:0:12}"
	$podman rm -f -t 0 "$NAME"
}

@test "podman without root" {
	user_up
	podman="podman --cgroup-manager cgroupfs --events-backend file"
	as_user $podman import -q "$RIG_RUN/image.tar" app >/dev/null
	id=$(as_user $podman run -d --name "$NAME" --network none --cgroups disabled app "$(jvm_java)/bin/java" "${JAVA_ARGS[@]}" 3>&-)
	wait_for 60 eval "as_user $podman logs $NAME | grep -q ready"
	known_as podman "$NAME" "user:$(as_user id -u)/$id"
	dumped_by "$NAME" "user:$(as_user id -u)/$id" "$id" "${id:0:12}"
	as_user $podman rm -f -t 0 "$NAME"
	as_user $podman unshare rm -rf "$RIG_RUN/user/home/.local"
}

@test "lxc" {
	mkdir -p "$RIG_RUN/lxc/$NAME"
	cat >"$RIG_RUN/lxc/$NAME/config" <<-END
		lxc.rootfs.path = dir:$(rootfs "$NAME" 21)
		lxc.uts.name = web
		lxc.net.0.type = empty
		lxc.apparmor.profile = unconfined
		lxc.mount.auto = proc:mixed sys:ro
		lxc.init.cmd = $("$RIG/jvm.sh" java-home 21)/bin/java ${JAVA_ARGS[*]}
	END
	# What the container prints goes to the terminal that lxc-start has.
	daemon lxc script -qefc "exec lxc-start -F -P $RIG_RUN/lxc -n $NAME -l INFO -o $RIG_RUN/lxc-start.log" /dev/null
	jvm_ready "$RIG_RUN/lxc.log" || { cat "$RIG_RUN/lxc-start.log" && false; }
	known_as lxc "$NAME" "lxc:$NAME"
	dumped_by "$NAME" "lxc:$NAME"
}

@test "no container at all" {
	daemon "java-$NAME" /usr/lib/jvm/java-17-openjdk-*/bin/java -Xmx64m -cp "$RIG_RUN/app/app" Checkout
	jvm_ready "$RIG_RUN/java-$NAME.log"
	pid=$(<"$RIG_RUN/java-$NAME.pid")
	run_jdiag -s 0 ps "$HOST" --pid "$pid" -o json
	[ "$(field container)" = "" ]
	[ "$(field runtime)" = "" ]
	run_jdiag -s 0 heapdump "$HOST" --pid "$pid" --to "$RIG_RUN/out/x.hprof"
	dump_is_good "$RIG_RUN/out/x.hprof" live
}

# of_container NAME: the dump that was made is of this container's JVM.
of_container() {
	run_jdiag -s 0 heapdump "$HOST" --container "$(container id "$1")" --to "$RIG_RUN/out/x.hprof"
	grep -q "\"pid\": $(container pid "$1")," "$RIG_RUN/out/x.hprof.manifest.json"
	dump_is_good "$RIG_RUN/out/x.hprof" live
	rm "$RIG_RUN/out/x.hprof"*
	untouched "$1"
}

@test "several containers in one pid namespace: the cgroup decides" {
	pod=$(cat /proc/sys/kernel/random/uuid)
	container start --pod "$pod" app
	container start --pod "$pod" --pid-ns "/proc/$(container pid app)/ns/pid" sidecar
	container start --pod "$pod" --image 21 --pid-ns "/proc/$(container pid app)/ns/pid" debugger
	of_container app
	of_container sidecar
	of_container debugger
}

@test "the node's pid namespace: the cgroup decides" {
	container start --pid-ns host one
	container start --pid-ns host two
	of_container one
	of_container two
}

@test "an id that begins like another one: refused, both are listed" {
	container start --cgroup "/$NAME/docker/abcd$(printf '%060d' 1)" one
	container start --cgroup "/$NAME/docker/abcd$(printf '%060d' 2)" two
	run_jdiag -s 3 heapdump "$HOST" --container abcd --to "$RIG_RUN/out/x.hprof"
	tells "'abcd' means more than one container"
	tells "--container abcd$(printf '%060d' 1)"
	tells "--container abcd$(printf '%060d' 2)"
	run_jdiag -s 3 heapdump "$HOST" --container abc --to "$RIG_RUN/out/x.hprof"
	tells "no JVM runs in container 'abc'"
}
