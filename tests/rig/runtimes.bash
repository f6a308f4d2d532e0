# Real container runtimes for tests/bats/runtimes.bats: each with a JVM in it, private to $RIG_RUN, and gone with
# runtimes_down. Source it behind lib.bash; meant for own-node: /run and /var/lib are this test's own.
#
#	runtimes_prepare               the application's root directory, and the same as a tar
#	docker_up, containerd_up       start the daemon
#	jvm_ready FILE                 the program has said that it is ready
#	as_user COMMAND...             as a user who is made for this, with subordinate ids
#
# The daemons write to $RIG_RUN/NAME.log.

RT_USER=jdiag-rt
RT_UID=7071
JAVA_ARGS=(-Xmx64m -cp /app Checkout)

# The jlinked image: 45 MB, its own libraries, no shell.
runtimes_prepare() {
	local image
	image=$("$RIG/jvm.sh" jlink)
	mkdir -p "$RIG_RUN/app/app"
	chmod 755 "$RIG_RUN/app" "$RIG_RUN/app/app"
	javac --release 8 -Xlint:-options -d "$RIG_RUN/app/app" "$RIG/java/Checkout.java"
	chmod -R go+rX "$RIG_RUN/app"
	tar -C "$image" --exclude ./app -cf "$RIG_RUN/image.tar" .
	tar -C "$RIG_RUN/app" -rf "$RIG_RUN/image.tar" ./app
	chmod 644 "$RIG_RUN/image.tar"
}

jvm_java() { "$RIG/jvm.sh" java-home jlink; }

# rootfs NAME [IMAGE]: an overlay of the image and the program, for runtimes that take a directory.
rootfs() {
	local dir=$RIG_RUN/rootfs-$1 image
	image=$("$RIG/jvm.sh" "${2:-jlink}")
	mkdir -p "$dir"/{upper,work,merged}
	cp -r "$RIG_RUN/app/app" "$dir/upper/"
	mount -t overlay overlay -o "lowerdir=$image,upperdir=$dir/upper,workdir=$dir/work" "$dir/merged"
	echo "$dir/merged"
}

jvm_ready() { wait_for 60 grep -qs '^ready' "$1" || { cat "$1" && return 1; }; }

# daemon NAME COMMAND...: in the background; its pid in NAME.pid.
daemon() {
	local name=$1
	shift
	"$@" >"$RIG_RUN/$name.log" 2>&1 3>&- </dev/null &
	echo $! >"$RIG_RUN/$name.pid"
}

daemon_stop() {
	local pid
	[[ -f $RIG_RUN/$1.pid ]] || return 0
	pid=$(<"$RIG_RUN/$1.pid")
	kill "$pid" 2>/dev/null || true
	wait_for 20 bash -c "! kill -0 $pid 2>/dev/null" || kill -KILL "$pid"
	rm -f "$RIG_RUN/$1.pid"
}

# --- docker: its data root is not the usual place ---------------------------------------------------

docker_up() {
	daemon dockerd dockerd --data-root "$RIG_RUN/docker" --exec-root "$RIG_RUN/docker-run" \
		--pidfile "$RIG_RUN/docker-pid" -H "unix://$RIG_RUN/docker.sock" --iptables=false --ip6tables=false \
		--bridge=none --exec-opt native.cgroupdriver=cgroupfs
	wait_for 60 rt_docker info >/dev/null 2>&1 || { cat "$RIG_RUN/dockerd.log" && return 1; }
}

rt_docker() { docker -H "unix://$RIG_RUN/docker.sock" "$@"; }

# --- containerd, alone: the usual place, which is this node's own ----------------------------------------

containerd_up() {
	cat >"$RIG_RUN/containerd.toml" <<-END
		version = 2
		root = "$RIG_RUN/containerd"
		state = "/run/containerd"
		disabled_plugins = ["io.containerd.grpc.v1.cri"]
		[grpc]
		address = "/run/containerd/containerd.sock"
	END
	daemon containerd containerd -c "$RIG_RUN/containerd.toml"
	wait_for 60 rt_ctr version >/dev/null 2>&1 || { cat "$RIG_RUN/containerd.log" && return 1; }
}

rt_ctr() { ctr -a /run/containerd/containerd.sock "$@"; }

# --- a user without privileges, who exists in this test only --------------------------------------------

user_up() {
	local file
	for file in passwd group subuid subgid; do
		cp -p "/etc/$file" "$RIG_RUN/$file" 2>/dev/null || : >"$RIG_RUN/$file"
		chmod 644 "$RIG_RUN/$file"
		[[ -e /etc/$file ]] || : >"/etc/$file"
	done
	mkdir -p "$RIG_RUN/user/home" "$RIG_RUN/user/run"
	chmod 711 "$RIG_RUN" "$RIG_RUN/user"
	chown -R "$RT_UID:$RT_UID" "$RIG_RUN/user/home" "$RIG_RUN/user/run"
	chmod 700 "$RIG_RUN/user/run"
	echo "$RT_USER:x:$RT_UID:$RT_UID::$RIG_RUN/user/home:/bin/sh" >>"$RIG_RUN/passwd"
	echo "$RT_USER:x:$RT_UID:" >>"$RIG_RUN/group"
	echo "$RT_USER:7000000:65536" | tee -a "$RIG_RUN/subuid" >>"$RIG_RUN/subgid"
	for file in passwd group subuid subgid; do mount --bind "$RIG_RUN/$file" "/etc/$file"; done
}

user_down() {
	local file
	for file in passwd group subuid subgid; do
		if mountpoint -q "/etc/$file"; then umount "/etc/$file"; fi
	done
}

as_user() {
	(cd "$RIG_RUN/user/home" && setpriv --reuid "$RT_UID" --regid "$RT_UID" --clear-groups \
		env -i PATH="$PATH" HOME="$RIG_RUN/user/home" USER="$RT_USER" XDG_RUNTIME_DIR="$RIG_RUN/user/run" "$@")
}

# --- the end -------------------------------------------------------------------------------------------------

# The cgroups that the runtimes leave: those that are below DIR... and empty.
cgroups_remove() {
	local mount dir
	while read -r mount; do
		for dir; do
			[[ ! -d $mount/$dir ]] || find "$mount/$dir" -depth -type d -exec rmdir {} + 2>/dev/null || true
		done
	done < <(awk '$3 ~ /^cgroup2?$/ {print $2}' /proc/mounts)
}
