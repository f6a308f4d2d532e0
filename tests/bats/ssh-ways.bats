#!/usr/bin/env bats
# The two back ends of the transport: which one is taken, what only the OpenSSH client can do, and that
# nothing of it is left on any way out. (What both can do: ssh.bats and ssh-openssh.bats.)

load lib

probe_bin() { echo "$JDIAG_BUILD/tools/ssh-probe"; }

setup_file() {
	RIG_RUN=$(mktemp -d "${TMPDIR:-/tmp}/jdiag-ways.XXXXXX")
	export RIG_RUN
	mkdir -p "$RIG_RUN/home/.ssh"
	mkdir -m 700 "$RIG_RUN/xdg"
	sshd_start "$RIG_RUN/ssh"
}

teardown_file() {
	sshd_stop "$RIG_RUN/ssh"
	rm -rf "$RIG_RUN"
}

setup() {
	D=$RIG_RUN/ssh
	PORT=$(<"$D/port")
	K=$BATS_TEST_TMPDIR
	KNOWN=$D/known_hosts
	CONFIG=/dev/null
}

teardown() {
	[[ -z ${AGENT_PID:-} ]] || kill "$AGENT_PID"
	[[ -z ${DEAD_PID:-} ]] || kill "$DEAD_PID"
	[[ ! -d $K/sshd2 ]] || sshd_stop "$K/sshd2"
	rm -f "$RIG_RUN"/home/.ssh/*
	wait_for 20 no_ways || { find_ways && return 1; }
}

in_env() {
	env -u SSH_AUTH_SOCK -u SSH_ASKPASS HOME="$RIG_RUN/home" XDG_RUNTIME_DIR="$RIG_RUN/xdg" \
		${AGENT_SOCK:+SSH_AUTH_SOCK="$AGENT_SOCK"} timeout -k 5 60 setsid -w "$@"
}

# probe WAY STATUS ARGUMENT...
probe() {
	local way=$1 want=$2
	shift 2
	run --separate-stderr in_env ${ONLY_PATH:+env PATH="$ONLY_PATH"} "$(probe_bin)" -p "$PORT" -l root \
		${KNOWN:+-k "$KNOWN"} -F "$CONFIG" -b "$way" "$@"
	printf '%s: status: %s\nstdout: %s\nstderr: %s\n' "$way" "$status" "${output:0:2000}" "$stderr"
	[[ $status == "$want" ]]
}

# One line that says that the OpenSSH client is used, and why; nothing else.
one_notice() {
	[[ $(grep -c . <<<"$stderr") == 1 ]] && tells "using the OpenSSH client for '127.0.0.1': " && tells "$1"
}

key() {
	ssh-keygen -q -C "$1" -f "$K/$1" "${@:2}"
	sshd_authorize "$D" "$K/$1.pub"
}

agent() {
	AGENT_SOCK=$K/agent
	agent_start "$AGENT_SOCK" "$@"
}

# A second sshd; its port and known hosts are the test's.
sshd2() {
	sshd_start "$K/sshd2" "$@"
	PORT=$SSHD_PORT KNOWN=$K/sshd2/known_hosts
}

@test "auto: libssh2 where it can, without a word" {
	probe auto 0 -i "$D/client" 127.0.0.1 'echo in'
	[[ $output == in && -z $stderr ]]
	probe auto 0 -v 2 -i "$D/client" 127.0.0.1 true
	[[ $stderr != *"OpenSSH client"* ]]
}

@test "auto: an RSA key, in a file and in the agent" {
	key rsa -t rsa -N ''
	probe auto 0 -i "$K/rsa" 127.0.0.1 'echo in'
	[[ $output == in ]]
	one_notice "/rsa (ssh-rsa) cannot be used by libssh2"
	agent "$K/rsa"
	probe auto 0 127.0.0.1 true
	one_notice "agent key 'rsa' (ssh-rsa) cannot be used by libssh2"
	# it does not stand in the way of a key that both can use
	probe auto 0 -i "$K/rsa" -i "$D/client" 127.0.0.1 true
	[[ -z $stderr ]]
}

@test "auto: where both fail, the error is that of the one that can do more" {
	ssh-keygen -q -t rsa -N '' -f "$K/stranger"
	probe auto 5 -i "$K/stranger" 127.0.0.1 true
	tells "using the OpenSSH client for '127.0.0.1': "
	tells "$K/stranger ssh-rsa: rejected by the server"
	ssh-keygen -q -t ed25519 -N '' -f "$K/other"
	probe auto 5 -i "$K/other" 127.0.0.1 true
	[[ $stderr != *"OpenSSH client"* ]]
	KNOWN=$K/none probe auto 5 -i "$D/client" 127.0.0.1 true
	[[ $stderr != *"OpenSSH client"* ]]
}

@test "no ssh client in PATH: both ways say so" {
	mkdir "$K/empty"
	key rsa -t rsa -N ''
	ONLY_PATH=$K/empty
	probe auto 0 -F none -i "$D/client" 127.0.0.1 true
	probe auto 5 -F none -i "$K/rsa" 127.0.0.1 true
	tells "install the OpenSSH client, which can do it"
	probe openssh 5 -F none -i "$D/client" 127.0.0.1 true
	tells "there is no 'ssh' in PATH"
	tells "--ssh libssh2"
}

@test "a user certificate" {
	ssh-keygen -q -t ed25519 -N '' -f "$K/ca"
	ssh-keygen -q -t ed25519 -N '' -f "$K/user"
	sshd2 "TrustedUserCAKeys $K/ca.pub"
	probe openssh 5 -i "$K/user" 127.0.0.1 true
	ssh-keygen -q -s "$K/ca" -I me -n root -V +1h "$K/user.pub"
	probe openssh 0 -i "$K/user" 127.0.0.1 'echo in'
	[[ $output == in ]]
	probe libssh2 5 -i "$K/user" 127.0.0.1 true
	tells "$K/user-cert.pub certificate: cannot be used by libssh2"
	tells "--ssh openssh"
	probe auto 0 -i "$K/user" 127.0.0.1 true
	one_notice "/user-cert.pub (certificate) cannot be used by libssh2"
}

@test "a key of a security key: named, and left to the OpenSSH client" {
	# the public half of one; there is no such device here
	printf 'sk-ssh-ed25519@openssh.com %s sk\n' "$(python3 - <<-'END'
		import base64, struct
		s = lambda b: struct.pack(">I", len(b)) + b
		print(base64.b64encode(s(b"sk-ssh-ed25519@openssh.com") + s(bytes(32)) + s(b"ssh:")).decode())
	END
	)" >"$K/sk.pub"
	probe libssh2 5 -i "$K/sk.pub" 127.0.0.1 true
	tells "sk.pub sk-ssh-ed25519@openssh.com: cannot be used by libssh2"
	tells "--ssh openssh"
	probe auto 5 -i "$K/sk.pub" 127.0.0.1 true
	tells "using the OpenSSH client for '127.0.0.1': "
}

@test "a host with only an RSA key" {
	SSHD_HOST_KEYS=rsa sshd2
	probe libssh2 5 -i "$K/sshd2/client" 127.0.0.1 true
	tells "--ssh openssh"
	probe auto 0 -i "$K/sshd2/client" 127.0.0.1 true
	one_notice "the host has only an RSA key"
	# and its key is looked at: in each mode
	KNOWN=$K/known
	probe auto 5 -i "$K/sshd2/client" 127.0.0.1 true
	tells "the host key of '[127.0.0.1]:$PORT' is not known: it shows ssh-rsa SHA256:"
	probe auto 0 -m accept-new -i "$K/sshd2/client" 127.0.0.1 true
	tells "its key ssh-rsa SHA256:"
	probe auto 0 -i "$K/sshd2/client" 127.0.0.1 true
	rm "$KNOWN"
	probe auto 0 -m ignore -i "$K/sshd2/client" 127.0.0.1 true
	tells "is NOT checked (--host-key ignore)"
	[[ ! -e $KNOWN ]]
}

@test "a host certificate: good, of another name, expired, of another authority" {
	mkdir "$K/sshd2"
	ssh-keygen -q -t ed25519 -N '' -f "$K/ca"
	ssh-keygen -q -t ed25519 -N '' -f "$K/ca2"
	sshd_keys "$K/sshd2"
	certify() { ssh-keygen -q -s "$1" -I host -h -n "$2" -V "$3" "$K/sshd2/host_ed25519.pub"; }
	SSHD_HOST_KEYS=ed25519
	certify "$K/ca" 127.0.0.1 +1h
	sshd2 "HostCertificate $K/sshd2/host_ed25519-cert.pub"
	KNOWN=$K/known
	echo "@cert-authority [127.0.0.1]:* $(cut -d' ' -f1,2 "$K/ca.pub")" >"$KNOWN"
	probe openssh 0 -i "$K/sshd2/client" 127.0.0.1 true
	[[ -z $stderr ]]
	probe libssh2 5 -i "$K/sshd2/client" 127.0.0.1 true
	tells "$KNOWN:1 names a certificate authority, and libssh2 cannot check host certificates"
	tells "--ssh openssh"
	probe auto 0 -i "$K/sshd2/client" 127.0.0.1 true
	one_notice "libssh2 cannot check the host's certificate (@cert-authority)"
	certify "$K/ca" other.example +1h
	sshd_stop "$K/sshd2"
	sshd2 "HostCertificate $K/sshd2/host_ed25519-cert.pub"
	KNOWN=$K/known
	probe auto 5 -i "$K/sshd2/client" 127.0.0.1 true
	certify "$K/ca" 127.0.0.1 20200101:20200102
	sshd_stop "$K/sshd2"
	sshd2 "HostCertificate $K/sshd2/host_ed25519-cert.pub"
	KNOWN=$K/known
	probe auto 5 -i "$K/sshd2/client" 127.0.0.1 true
	certify "$K/ca2" 127.0.0.1 +1h
	sshd_stop "$K/sshd2"
	sshd2 "HostCertificate $K/sshd2/host_ed25519-cert.pub"
	KNOWN=$K/known
	probe auto 5 -i "$K/sshd2/client" 127.0.0.1 true
}

@test "accept-new: where a certificate authority is known a plain key is not a new one" {
	mkdir "$K/sshd2"
	ssh-keygen -q -t ed25519 -N '' -f "$K/ca"
	sshd_keys "$K/sshd2"
	sshd2
	KNOWN=$K/known
	echo "@cert-authority * $(cut -d' ' -f1,2 "$K/ca.pub")" >"$KNOWN"
	cp "$KNOWN" "$K/before"
	local way
	for way in auto openssh; do
		probe $way 5 -m accept-new -i "$K/sshd2/client" 127.0.0.1 true
		tells "is not known"
		tells "it is not taken as new"
	done
	sshd_stop "$K/sshd2"
	ssh-keygen -q -s "$K/ca" -I host -h -n 127.0.0.1 "$K/sshd2/host_ed25519.pub"
	sshd2 "HostCertificate $K/sshd2/host_ed25519-cert.pub"
	KNOWN=$K/known
	for way in auto openssh; do
		probe $way 0 -m accept-new -i "$K/sshd2/client" 127.0.0.1 true
	done
	cmp "$KNOWN" "$K/before"
}

@test "an agent without keys" {
	agent
	local way
	for way in libssh2 openssh auto; do
		probe $way 5 127.0.0.1 true
		tells "there is no key to try"
		probe $way 0 -i "$D/client" 127.0.0.1 true
	done
}

@test "gcloud: its key and its known hosts do, out of the box" {
	ssh-keygen -q -t rsa -N '' -f "$RIG_RUN/home/.ssh/google_compute_engine"
	sshd_authorize "$D" "$RIG_RUN/home/.ssh/google_compute_engine.pub"
	cut -d' ' -f1,2 "$D/host_ed25519.pub" | sed 's/^/compute.4711 /' >"$RIG_RUN/home/.ssh/google_compute_known_hosts"
	KNOWN=
	probe auto 5 127.0.0.1 true
	tells "is not known"
	probe auto 5 -g compute.4712 127.0.0.1 true
	tells "the host key of '[127.0.0.1]:$PORT' is not known"
	probe auto 0 -g compute.4711 127.0.0.1 true
	one_notice "/.ssh/google_compute_engine (ssh-rsa) cannot be used by libssh2"
	probe libssh2 0 -g compute.4711 -i "$D/client" 127.0.0.1 true
	cut -d' ' -f1,2 "$D/client.pub" | sed 's/^/compute.4711 /' >"$RIG_RUN/home/.ssh/google_compute_known_hosts"
	local way
	for way in libssh2 openssh; do
		probe $way 5 -g compute.4711 -i "$D/client" 127.0.0.1 true
		tells "the host key of 'compute.4711' has changed"
	done
}

@test "jump hosts, each with our known hosts and keys; one that is down, or not known" {
	sshd2
	sshd_authorize "$K/sshd2" "$D/client.pub"
	cat "$D/known_hosts" >>"$KNOWN"
	sed 's/127.0.0.1/localhost/' "$D/known_hosts" >>"$KNOWN"
	local far=$PORT near
	near=$(<"$D/port")
	probe openssh 0 -i "$D/client" -J "root@127.0.0.1:$near" 127.0.0.1 'echo $SSH_CONNECTION'
	[[ $output == *" $far" ]]
	probe openssh 0 -i "$D/client" -J "127.0.0.1:$near,localhost:$near" 127.0.0.1 true
	probe openssh 5 -i "$D/client" -J "127.0.0.1:$near,127.0.0.1:$near" 127.0.0.1 true
	tells "jumphost loop via 127.0.0.1"
	KNOWN=$K/sshd2/only
	grep ":$far " "$K/sshd2/known_hosts" >"$KNOWN"
	probe openssh 5 -i "$D/client" -J "127.0.0.1:$near" 127.0.0.1 true
	tells "is not known"
	[[ $(wc -l <"$KNOWN") == 3 ]]
	probe openssh 5 -i "$D/client" -J "127.0.0.1:1" 127.0.0.1 true
	tells "Connection refused"
}

@test "a person's ssh_config counts, but makes it neither ask nor run, forward or leave anything" {
	CONFIG=$K/config
	cat >"$CONFIG" <<-END
		Host alias
		    HostName 127.0.0.1
		    Port $PORT
		    User root
		    IdentityFile $D/client
		Host *
		    StrictHostKeyChecking ask
		    PermitLocalCommand yes
		    LocalCommand touch $K/ran
		    RemoteCommand touch $K/ran
		    LocalForward $K/forward 127.0.0.1:1
		    RequestTTY force
		    ForwardAgent yes
		    ControlMaster auto
		    ControlPath $K/master
		    ControlPersist yes
		    UpdateHostKeys yes
		    BatchMode no
	END
	cp "$KNOWN" "$K/before"
	run -0 --separate-stderr in_env "$(probe_bin)" -k "$KNOWN" -F "$CONFIG" -b openssh alias \
		'tty; echo "agent: $SSH_AUTH_SOCK"'
	[[ $output == $'not a tty\nagent: ' ]]
	[[ ! -e $K/ran && ! -e $K/forward && ! -e $K/master ]]
	cmp "$KNOWN" "$K/before"
	KNOWN=$K/none
	probe openssh 5 -i "$D/client" -o BatchMode=no -o StrictHostKeyChecking=ask 127.0.0.1 true
	tells "is not known"
	[[ ! -e $KNOWN ]]
}

@test "options for ssh: --ssh-option counts; a broken one, a broken ssh_config" {
	probe openssh 0 -v 4 -i "$D/client" -o Compression=yes 127.0.0.1 true
	tells "compression: zlib@openssh.com"
	probe openssh 2 -i "$D/client" -o Nonsense=yes 127.0.0.1 true
	tells "nonsense"
	CONFIG=$K/config
	echo 'Nonsense yes' >"$CONFIG"
	probe openssh 5 -i "$D/client" 127.0.0.1 true
	tells "nonsense"
	CONFIG=$K/none
	probe openssh 5 -i "$D/client" 127.0.0.1 true
}

@test "a ProxyCommand gets the person's environment, without what is ours" {
	CONFIG=$K/config
	printf '#!/bin/bash\nenv >%s/env\nexec 3<>/dev/tcp/127.0.0.1/%s\ncat <&3 & exec cat >&3\n' "$K" "$PORT" >"$K/proxy"
	chmod 755 "$K/proxy"
	echo "ProxyCommand $K/proxy" >"$CONFIG"
	JDIAG_TOKEN=canary PERSON=me probe openssh 0 -i "$D/client" 127.0.0.1 'echo in'
	[[ $output == in ]]
	grep -q PERSON=me "$K/env"
	run ! grep JDIAG_ "$K/env"
}

@test "a server with room for one session, and one after the other" {
	sshd2 'MaxSessions 1'
	probe openssh 0 -i "$K/sshd2/client" -H - 127.0.0.1 ps
	sshd_stop "$K/sshd2"
	sshd2 'MaxSessions 0'
	probe openssh 5 -i "$K/sshd2/client" 127.0.0.1 true
	tells "cannot open a channel to '127.0.0.1' port $PORT: "
}

# In the background: much output into $K/bytes, the error into $K/err. The probe's process is $PROBE.
much() {
	env -u SSH_AUTH_SOCK HOME="$RIG_RUN/home" XDG_RUNTIME_DIR="$RIG_RUN/xdg" "$(probe_bin)" -p "$PORT" -l root \
		-k "$KNOWN" -F /dev/null -b openssh -i "$D/client" "$@" 127.0.0.1 'yes' 2>"$K/err" 3>&- \
		> >(head -c 5000000 >"$K/bytes"; exec cat >/dev/null) &
	PROBE=$!
	wait_for 40 test -s "$K/bytes"
}

master() { pgrep -f "^[^ ]*ssh -F $RIG_RUN/xdg/"; }

ends_with() {
	local status=0
	wait "$PROBE" || status=$?
	cat "$K/err"
	[[ $status == "$1" ]]
}

@test "the ssh client is killed in the middle of a transfer: a lost connection" {
	much
	kill -9 "$(master)"
	ends_with 5
	grep -q "lost the connection to '127.0.0.1' port $PORT" "$K/err"
}

@test "a signal in the middle of a transfer, and while it logs in" {
	much
	kill -INT "$PROBE"
	ends_with 130
	"$RIG/silent_server.py" "$K/dead" 3>&- &
	DEAD_PID=$!
	wait_for 20 test -s "$K/dead"
	in_env "$(probe_bin)" -p "$(<"$K/dead")" -l root -k "$KNOWN" -F /dev/null -b openssh -i "$D/client" \
		-t 60000 127.0.0.1 true 2>"$K/err" 3>&- &
	PROBE=$!
	wait_for 20 master
	pkill -TERM -f "^$(probe_bin) -p $(<"$K/dead") "
	ends_with 130
}

@test "Ctrl-C on a terminal is for us: the connection lives on to clean up by" {
	much
	# a terminal sends it to the whole group: SIGHUP, SIGINT and SIGQUIT are ignored
	local ignored
	ignored=$(awk '/^SigIgn:/ {print $2}' "/proc/$(master)/status")
	(((16#$ignored & 7) == 7))
	kill -INT "$PROBE"
	ends_with 130
}

@test "a signal at the prompt of a jump host's client ends that, too, and the terminal is as before" {
	key locked -t ed25519 -N 'open sesame'
	# not as the first process of the terminal: with that the kernel ends all that is on it
	cat >"$K/run" <<-END
		$(probe_bin) -p $PORT -l root -k $KNOWN -F /dev/null -b openssh -i $K/locked -J root@127.0.0.1:$PORT localhost true
		status=\$?
		for _ in {1..400}; do # it is given half a second by us, and more by a busy machine
			pgrep -f "ssh .*-F $RIG_RUN/xdg/" >/dev/null || exit \$status
			sleep 0.05
		done
		echo "it is left"
	END
	local name
	for name in TERM INT; do
		run --separate-stderr in_env "$RIG/pty_run.py" --before "pkill -$name -f '^$(probe_bin) '" -- bash "$K/run"
		printf '%s\n' "$output"
		[[ $status == 130 && $output != *"it is left"* ]]
		says "passphrase for key '$K/locked': "
		says "echo is on"
	done
}

@test "killed: the ssh client ends, and what is left goes with the next run" {
	much
	kill -9 "$PROBE"
	ends_with 137
	gone() { ! master; }
	wait_for 20 gone
	[[ -n $(find_ways) ]]
	probe openssh 0 -i "$D/client" 127.0.0.1 true
	[[ -z $(find_ways) ]]
}

@test "a directory that cannot be made" {
	run --separate-stderr in_env unshare -m sh -c "mount -t tmpfs -o ro x /tmp && XDG_RUNTIME_DIR= exec \"\$@\"" sh \
		/proc/self/fd/9 -p "$PORT" -l root -k "$KNOWN" -F /dev/null -b openssh -i "$D/client" 127.0.0.1 true \
		9<"$(probe_bin)"
	[[ $status == 5 ]]
	tells "cannot make a directory in '/tmp'"
}
