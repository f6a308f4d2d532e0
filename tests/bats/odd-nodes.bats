# Nodes that are not as one would like them: what their sshd, login shell, user land, mounts and sudo do to
# the start of the helper. The whole of jdiag against a real sshd, by both ways to speak SSH.
load lib

NODE_USER=jdiag-odd
WAYS=(libssh2 openssh)

setup_file() {
	rig_up
	container start web
}
teardown_file() { rig_down; }

setup() {
	D=$BATS_TEST_TMPDIR
	chmod 755 "$D"
	SSH=$RIG_RUN/ssh
	LOGIN=root
}

teardown() {
	[[ ! -f $D/relay.pid ]] || kill "$(<"$D/relay.pid")" 2>/dev/null || true
	[[ ! -d $RIG_RUN/ssh2 ]] || sshd_stop "$RIG_RUN/ssh2"
	rm -rf "$RIG_RUN/ssh2"
	rm -f "/etc/sudoers.d/$NODE_USER"
	! id "$NODE_USER" >/dev/null 2>&1 || userdel -rf "$NODE_USER" 2>/dev/null
	untouched web
}

user_up() {
	useradd -m -s "${1:-/bin/bash}" -p '*' "$NODE_USER"
	LOGIN=$NODE_USER
}

sudoers() {
	printf '%s\n' "$@" >"/etc/sudoers.d/$NODE_USER"
	chmod 440 "/etc/sudoers.d/$NODE_USER"
	visudo -cqf "/etc/sudoers.d/$NODE_USER"
}

may_sudo() { sudoers "$NODE_USER ALL=(root) NOPASSWD: ${1:-/usr/bin/unshare}"; }

# sshd LINE...: another sshd, with these lines in its configuration.
sshd() {
	SSH=$RIG_RUN/ssh2
	sshd_start "$SSH" "$@"
	sshd_authorize "$SSH" "$RIG_RUN/ssh/client.pub"
}

# node LINE...: an sshd that sees another node: the lines are run in its own mount namespace before it starts.
node() {
	printf '#!/bin/bash\nset -e\nmount --make-rprivate /\n' >"$D/node"
	printf '%s\n' "$@" 'exec "${@}"' >>"$D/node"
	chmod 755 "$D/node"
	SSHD_UNDER="unshare -m $D/node" sshd
}

# ps_by WAY STATUS [OPTION...]: jdiag ps of the node, by that way.
ps_by() {
	run_jdiag -s "$2" ps "ssh://$LOGIN@127.0.0.1:${PORT:-$(<"$SSH/port")}" --ssh "$1" --known-hosts "$SSH/known_hosts" "${@:3}"
}

# works [OPTION...]: by both ways, and the JVM of the container is seen.
works() {
	local way
	for way in "${WAYS[@]}"; do
		ps_by "$way" 0 "$@"
		says "$(container pid web)"
	done
}

# refused STATUS TEXT...: by both ways; the error says the texts, and is not long.
refused() {
	local way text
	for way in "${WAYS[@]}"; do
		ps_by "$way" "$1"
		for text in "${@:2}"; do
			tells "$text"
		done
		[[ -z $output ]]
		((${#stderr} < 1500))
	done
}

# relay OPTION...: a link to the sshd in use.
relay() {
	local type
	rm -f "$D/port"
	"$RIG/relay.py" --control "$D/control" "$@" "$D/port" "$(<"$SSH/port")" >"$D/relay.out" 2>&1 3>&- </dev/null &
	echo $! >"$D/relay.pid"
	wait_for 40 test -s "$D/port"
	PORT=$(<"$D/port")
	for type in ed25519 ecdsa rsa; do
		echo "[127.0.0.1]:$PORT $(cut -d' ' -f1,2 "$SSH/host_$type.pub")"
	done >>"$SSH/known_hosts"
}

@test "a banner, a message of the day, a login that talks on both streams" {
	printf '*** authorized use only ***\n%.0s' {1..200} >"$D/banner"
	user_up
	may_sudo
	{
		echo 'echo Welcome; echo "warning: disk" >&2; printf "\0JDIAG\n\033[2Jbinary \377\n"'
		echo 'head -c 40000 /dev/urandom'
	} >"/home/$NODE_USER/.bashrc"
	sshd "Banner $D/banner" "PrintMotd yes" "PrintLastLog yes"
	works
}

@test "a forced command that echoes, one that gives back what it gets" {
	# shellcheck disable=SC2016 # for the node's shell
	sshd 'ForceCommand echo "you said: $SSH_ORIGINAL_COMMAND"'
	refused 6 "the helper did not start; the login shell printed: 'you said" "the login shell of 'root'" "ForceCommand"
	tells "you said: exec /bin/sh -c"
	sshd_stop "$SSH"
	sshd 'ForceCommand cat'
	refused 6 "ForceCommand"
}

# Half a minute each.
swallowed_by() {
	WAYS=("$1")
	sshd 'ForceCommand cat >/dev/null'
	refused 6 "the helper did not start" "ForceCommand"
}

@test "a forced command that swallows, and never ends: by libssh2" { swallowed_by libssh2; }
@test "a forced command that swallows, and never ends: by openssh" { swallowed_by openssh; }

@test "a login without a PATH, and with one that has no sbin" {
	user_up
	may_sudo
	sshd 'SetEnv PATH=/nonexistent'
	works
	LOGIN=root
	works
	sshd_stop "$SSH"
	sshd 'SetEnv PATH=/usr/local/bin:/usr/games'
	works
}

@test "login shells: dash, fish, ash of busybox" {
	local shell
	cp "$(readlink -f /usr/bin/busybox)" "$RIG_RUN/ash"
	for shell in /usr/bin/dash /usr/bin/fish "$RIG_RUN/ash"; do
		user_up "$shell"
		may_sudo
		works
		userdel -rf "$NODE_USER" 2>/dev/null
	done
}

# busybox_only [APPLET...]: $D/bin and $D/sbin hold only busybox, under all its names but these, and what sshd
# itself is. The lines that put them in place.
busybox_only() {
	local name
	rm -rf "$D/bin" "$D/sbin"
	mkdir "$D/bin" "$D/sbin"
	cp /usr/bin/busybox "$D/bin/busybox"
	cp /usr/sbin/sshd "$D/sbin/sshd"
	for name in $(busybox --list); do
		[[ " $* " == *" $name "* ]] || ln -s busybox "$D/bin/$name"
	done
	sed 's|^root:.*|root:x:0:0:root:/root:/bin/sh|' /etc/passwd >"$D/passwd"
	printf '%s\n' "mount --bind $D/passwd /etc/passwd" "mount --bind $D/sbin /usr/sbin" "mount --bind $D/bin /usr/bin"
}

@test "a user land that is only busybox, with unshare and without" {
	mapfile -t lines < <(busybox_only)
	node "${lines[@]}"
	works
	sshd_stop "$SSH"
	mapfile -t lines < <(busybox_only unshare)
	node "${lines[@]}"
	works
}

# facts: https://cloud.google.com/container-optimized-os/docs/concepts/disks-and-filesystem. What is not there
# is made, as a tmpfs in the node's own view.
cos() {
	printf '%s\n' 'mount --bind /var/lib /var/lib; mount --bind /var/tmp /var/tmp; mount --rbind /var /var' \
		'for d in /home /tmp /run /dev/shm; do mount --rbind $d $d; done' \
		'for d in /var /var/lib /var/tmp /home /tmp /run /dev/shm; do mount -o remount,bind,noexec,nosuid,nodev $d; done' \
		'mount -t tmpfs x /mnt' 'mkdir -p /var/lib/{google,docker,toolbox,cloud} /mnt/disks' \
		'for d in /var/lib/google /var/lib/docker /var/lib/toolbox; do mount -t tmpfs -o exec,mode=755 x $d; done' \
		'for d in /var/lib/cloud /mnt/disks; do mount -t tmpfs -o exec x $d; done' \
		'mount -o remount,bind,ro /'
}

@test "a node of Container-Optimized OS: / is read-only, nearly all else noexec" {
	mapfile -t lines < <(cos)
	node "${lines[@]}"
	works
	local way
	for way in "${WAYS[@]}"; do
		run_jdiag -s 0 heapdump "ssh://root@127.0.0.1:$(<"$SSH/port")" --pid "$(container pid web)" --ssh "$way" \
			--known-hosts "$SSH/known_hosts" -y --to "$RIG_RUN/out/$way.hprof.gz"
		dump_is_good "$RIG_RUN/out/$way.hprof.gz" live
		rm "$RIG_RUN/out/$way"*
	done
}

@test "the same without unshare: it starts where programs may" {
	mapfile -t lines < <(cos)
	node 'mount --bind /dev/null /usr/bin/unshare' "${lines[@]}"
	works
}

@test "every disk but one is noexec, and there is no unshare" {
	node 'mount --bind /dev/null /usr/bin/unshare' \
		'for d in /run /var/lib /etc /var/tmp /tmp; do mount --bind $d $d; mount -o remount,bind,noexec $d; done' \
		'mount -t tmpfs -o exec x /dev/shm'
	works
	sshd_stop "$SSH"
	node 'mount --bind /dev/null /usr/bin/unshare' \
		'for d in /run /var/lib /etc /var/tmp /tmp /dev/shm; do mount --bind $d $d; mount -o remount,bind,noexec $d; done'
	refused 6 "no directory to run a program from"
}

@test "sudo that wants a password, or a terminal: the lines that are printed are enough" {
	local way
	for way in "${WAYS[@]}"; do
		user_up
		ps_by "$way" 6
		tells "sudo refused '$NODE_USER': a password is required"
		sudoers "$(grep NOPASSWD <<<"$stderr")"
		ps_by "$way" 0
		sudoers "Defaults:$NODE_USER requiretty" "$NODE_USER ALL=(root) NOPASSWD: /usr/bin/unshare"
		ps_by "$way" 6
		tells "must have a tty"
		mapfile -t lines < <(grep -E '^    ' <<<"$stderr")
		sudoers "Defaults:$NODE_USER requiretty" "${lines[@]}"
		ps_by "$way" 0
		userdel -rf "$NODE_USER" 2>/dev/null
		rm "/etc/sudoers.d/$NODE_USER"
	done
}

@test "one session a connection (MaxSessions 1); none" {
	sshd "MaxSessions 1"
	works
	sshd_stop "$SSH"
	sshd "MaxSessions 0"
	refused 5 "127.0.0.1"
}

@test "a server that closes in the middle of the bootstrap: an error in time, and nothing is left" {
	local way at how
	relay
	for way in "${WAYS[@]}"; do
		for at in up:500 up:20000 up:200000 down:2500; do
			for how in close reset; do
				"$RIG/relay.py" --ask "$D/control" how $how >/dev/null
				"$RIG/relay.py" --ask "$D/control" each $at >/dev/null
				ps_by "$way" 5
				tells "127.0.0.1"
				"$RIG/relay.py" --ask "$D/control" clear >/dev/null
			done
		done
		ps_by "$way" 0
	done
}

@test "300 ms away" {
	relay --delay 150
	works
}
