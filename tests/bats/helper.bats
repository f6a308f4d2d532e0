#!/usr/bin/env bats
# Getting a helper to run on a node: mount namespace, sudo, login shells, noexec, leftovers. Most tests
# push a fake that tells what became of it; the last ones push the real one.

load lib

NODE_USER=jdiag-rig

setup_file() {
	RIG_RUN=$(mktemp -d "${TMPDIR:-/tmp}/jdiag-push.XXXXXX")
	export RIG_RUN
	mkdir -p "$RIG_RUN/home"
	mkdir -m 700 "$RIG_RUN/xdg"
	chmod 755 "$RIG_RUN"
	sshd_start "$RIG_RUN/ssh"
	find_left | sort >"$RIG_RUN/left-before"
}

teardown_file() {
	sshd_stop "$RIG_RUN/ssh"
	rm -rf "$RIG_RUN"
}

setup() {
	D=$RIG_RUN/ssh
	PORT=$(<"$D/port")
	KNOWN=$D/known_hosts
	K=$BATS_TEST_TMPDIR
	LOGIN=root
}

teardown() {
	[[ ! -d $RIG_RUN/sshd2 ]] || sshd_stop "$RIG_RUN/sshd2"
	rm -rf "$RIG_RUN/sshd2"
	rm -f "/etc/sudoers.d/$NODE_USER"
	! id "$NODE_USER" >/dev/null 2>&1 || userdel -rf "$NODE_USER" 2>/dev/null
	wait_for 20 nothing_on_node || { echo "left on the node: $left" && return 1; }
	wait_for 20 no_ways || { find_ways && return 1; }
}

# push STATUS OPERATION [OPTION...]
push() {
	local want=$1 operation=$2
	shift 2
	run --separate-stderr env -u SSH_AUTH_SOCK HOME="$RIG_RUN/home" XDG_RUNTIME_DIR="$RIG_RUN/xdg" \
		timeout -k 5 60 setsid -w "$JDIAG_BUILD/tools/ssh-probe" -p "$PORT" -l "$LOGIN" -k "$KNOWN" \
		-i "$D/client" -F /dev/null -b "$BACKEND" \
		-H "${IMAGE:-$RIG/fake_helper.py}" "$@" 127.0.0.1 "$operation"
	printf 'status: %s\nstdout: %s\nstderr: %s\n' "$status" "${output:0:2000}" "$stderr"
	[[ $status == "$want" ]]
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

# An sshd that sees another node: LINE... are run in its own mount namespace before it starts.
node() {
	printf '#!/bin/bash\nset -e\nmount --make-rprivate /\n' >"$K/node"
	printf '%s\n' "$@" 'exec "${@}"' >>"$K/node"
	chmod 755 "$K/node"
	SSHD_UNDER="unshare -m $K/node" sshd_start "$RIG_RUN/sshd2"
	sshd_authorize "$RIG_RUN/sshd2" "$D/client.pub"
	PORT=$SSHD_PORT KNOWN=$RIG_RUN/sshd2/known_hosts
}

no_ssh_client() { ! pgrep -f -- " -F $RIG_RUN/xdg/"; }

@test "as root: a private mount namespace, a tmpfs that is read-only, nothing on the node" {
	push 0 where
	says '"euid":0'
	says '"tmpfs","jdiag","ro,'
	says '"ro,nosuid,nodev'
	[[ $output != *"$(readlink /proc/self/ns/mnt)"* ]]
}

@test "the running helper's file cannot be written, not even by root (CVE-2019-5736)" {
	push 0 write-self
	says '"writable":false,"error":"Read-only file system"'
}

@test "a refused operation, an unexpected death, and the words before it" {
	push 10 nonsense
	tells 'no such \x1b[31mop'
	push 6 die
	lib tells "the helper ended: killed by signal KILL: about to die"
	ossh tells "the helper ended: killed by signal (unknown): about to die"
}

@test "100 MiB through frames" {
	push 0 stream
	says "data: 104857600 bytes"
}

@test "not root: sudo -n; the sudoers line of the error is enough" {
	user_up
	push 6 where
	tells "cannot become root: sudo refused '$NODE_USER': a password is required"
	local line
	line=$(grep -F 'NOPASSWD' <<<"$stderr")
	[[ $line == "  $NODE_USER ALL=(root) NOPASSWD: /usr/bin/unshare" ]]
	sudoers "$line"
	push 0 where
	says '"euid":0'
	push 0 where -S always
	push 0 stream
	push 6 where -S never
	tells "the helper has to be root on the node, and '$NODE_USER' is not"
	tells "--sudo auto"
}

@test "sudo that wants a terminal: both lines of the error are enough" {
	user_up
	sudoers "Defaults:$NODE_USER requiretty" "$NODE_USER ALL=(root) NOPASSWD: /usr/bin/unshare"
	push 6 where
	tells "must have a tty"
	mapfile -t lines < <(grep -E '^  ' <<<"$stderr")
	[[ ${#lines[@]} == 2 && ${lines[0]} == *"!requiretty" ]]
	sudoers "Defaults:$NODE_USER requiretty" "${lines[@]}"
	push 0 where
}

@test "sudo that uses a pseudo terminal passes every byte" {
	user_up
	# the log's usual place is that of other tests, too
	sudoers "Defaults:$NODE_USER use_pty, log_output, iolog_dir=\"$RIG_RUN/sudo-io\"" "$NODE_USER ALL=(root) NOPASSWD: /usr/bin/unshare"
	push 0 stream
	says "data: 104857600 bytes"
	[[ -d $RIG_RUN/sudo-io ]]
}

@test "no sudo on the node" {
	user_up
	node 'mount --bind /dev/null /usr/bin/sudo'
	push 6 where
	tells "sudo"
	tells "--ssh-user"
}

@test "login shells: fish, dash, bash with noise on both streams" {
	local shell
	for shell in /usr/bin/fish /usr/bin/dash; do
		user_up "$shell"
		sudoers "$NODE_USER ALL=(root) NOPASSWD: /usr/bin/unshare"
		push 0 where
		userdel -rf "$NODE_USER" 2>/dev/null
	done
	user_up /bin/bash
	printf 'echo Welcome; printf "\\0JDIAG-not-yet\\n"; echo talk >&2\n' >"/home/$NODE_USER/.bashrc"
	push 0 where -v 1
	tells "node: talk"
	printf 'head -c 300000 /dev/zero | tr "\\0" x; exec sleep 60\n' >"/home/$NODE_USER/.bashrc"
	push 6 where
	tells "the helper's greeting did not come; the login shell printed: 'xxxx"
	((${#stderr} < 1000))
}

@test "a login shell that is a refusal" {
	user_up /usr/sbin/nologin
	push 6 where
	tells "the helper did not start: exit status 1: This account is currently not available."
}

@test "a forced command that is not a shell" {
	sshd_start "$RIG_RUN/sshd2" 'ForceCommand echo "menu: 1) 2)"'
	sshd_authorize "$RIG_RUN/sshd2" "$D/client.pub"
	PORT=$SSHD_PORT KNOWN=$RIG_RUN/sshd2/known_hosts
	push 6 where
	tells "menu: 1) 2)"
}

@test "/tmp, /home, /var/tmp, /run, /dev/shm are noexec" {
	node 'for d in /tmp /home /var/tmp /run /dev/shm; do mount --bind $d $d; mount -o remount,bind,noexec $d; done'
	cp "$RIG/fake_helper.py" "$K/image"
	IMAGE=$K/image push 0 where
	says '"tmpfs","jdiag","ro,'
}

@test "no unshare on the node: a directory, and the file is gone before it starts" {
	node 'mount --bind /dev/null /usr/bin/unshare'
	push 0 where
	says '"path":"/proc/self/fd/9"'
	nothing_on_node
	user_up
	push 6 where
	tells "$NODE_USER ALL=(root) NOPASSWD: /bin/sh"
	sudoers "$NODE_USER ALL=(root) NOPASSWD: /bin/sh"
	push 0 where
	push 0 stream
}

@test "no unshare, and no directory to run a program from" {
	node 'mount --bind /dev/null /usr/bin/unshare' \
		'for d in /run /etc /var/tmp /tmp /dev/shm; do mount --bind $d $d; mount -o remount,bind,noexec $d; done' \
		'for d in /var/lib/toolbox /var/lib/google /var/lib/cloud; do [[ ! -d $d ]] || mount -o noexec -t tmpfs x $d; done'
	push 6 where
	tells "no directory to run a program from"
}

@test "another machine than this build has a helper for" {
	mkdir "$K/bin"
	printf '#!/bin/sh\necho armv7l\n' >"$K/bin/uname"
	chmod 755 "$K/bin/uname"
	node "mount --bind $K/bin/uname /usr/bin/uname"
	push 6 where
	tells "the node's machine is 'armv7l', and this build of jdiag has a helper for x86_64"
}

@test "a helper that cannot be executed" {
	printf 'this is no program, is it\001\n' >"$K/image"
	IMAGE=$K/image push 6 where
	tells "the helper did not start"
}

@test "the client is killed: the helper and its mounts are gone" {
	XDG_RUNTIME_DIR=$RIG_RUN/xdg setsid "$JDIAG_BUILD/tools/ssh-probe" -A -p "$PORT" -l root -k "$KNOWN" \
		-i "$D/client" -F /dev/null -b "$BACKEND" -H "$RIG/fake_helper.py" 127.0.0.1 wait >/dev/null 2>&1 3>&- &
	local client=$!
	wait_for 20 pgrep -f '/jdiag-helper'
	left=$(find_left | sort)
	kill -9 "$client"
	wait_for 20 nothing_on_node
	# its ssh ends with it, its directory goes with the next run
	ossh wait_for 20 no_ssh_client
	push 0 where
}

@test "the real helper: start, ps, and the end" {
	IMAGE=- push 0 ps -v 2
	says '"jvms":'
	tells "helper ended with status 0"
}

@test "the real helper, not root, through sudo" {
	user_up
	sudoers "$NODE_USER ALL=(root) NOPASSWD: /usr/bin/unshare"
	IMAGE=- push 0 ps
	says '"jvms":'
}

@test "the real helper without unshare" {
	node 'mount --bind /dev/null /usr/bin/unshare'
	IMAGE=- push 0 ps
	says '"jvms":'
}
