#!/usr/bin/env bats
# SSH to a real sshd: keys, agent, passphrases, host keys, and everything that can go wrong.

load lib

probe_bin() { echo "$JDIAG_BUILD/tools/ssh-probe"; }

setup_file() {
	RIG_RUN=$(mktemp -d "${TMPDIR:-/tmp}/jdiag-ssh.XXXXXX")
	export RIG_RUN
	mkdir -p "$RIG_RUN/home"
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
	PTY=()
}

teardown() {
	[[ -z ${AGENT_PID:-} ]] || kill "$AGENT_PID"
	[[ -z ${DEAD_PID:-} ]] || kill "$DEAD_PID"
	[[ ! -d $K/sshd2 ]] || sshd_stop "$K/sshd2"
	wait_for 20 no_ways || { find_ways && return 1; }
}

# probe STATUS ARGUMENT...: stdout in $output, stderr in $stderr. No terminal, unless PTY says so.
probe() {
	local want=$1
	shift
	((${#PTY[@]})) || PTY=(setsid -w)
	run --separate-stderr env -u SSH_AUTH_SOCK HOME="$RIG_RUN/home" XDG_RUNTIME_DIR="$RIG_RUN/xdg" \
		${AGENT_SOCK:+SSH_AUTH_SOCK="$AGENT_SOCK"} timeout -k 5 60 "${PTY[@]}" "$(probe_bin)" \
		-p "$PORT" -l root -k "$KNOWN" -F /dev/null -b "$BACKEND" "$@"
	printf 'status: %s\nstdout: %s\nstderr: %s\n' "$status" "${output:0:2000}" "$stderr"
	[[ $status == "$want" ]]
}

# in_time SECONDS STATUS ARGUMENT...: probe; it takes less. A busy machine makes it longer, never shorter: one of
# three counts.
in_time() {
	local most=$1 start
	shift
	for _ in 1 2 3; do
		start=$SECONDS
		probe "$@"
		((SECONDS - start >= most)) || return 0
	done
	echo "it takes $((SECONDS - start)) s" && return 1
}

# A key that the server takes.
key() {
	ssh-keygen -q -C "$1" -f "$K/$1" "${@:2}"
	sshd_authorize "$D" "$K/$1.pub"
}

agent() {
	AGENT_SOCK=$K/agent
	agent_start "$AGENT_SOCK" "$@"
}

fingerprint() { ssh-keygen -lf "$1" | cut -d' ' -f2; }

@test "an ed25519 key; streams, status and signal of the command" {
	probe 7 -i "$D/client" 127.0.0.1 'echo out; echo err >&2; exit 7'
	[[ $output == out && $stderr == err ]]
	probe 1 -i "$D/client" 127.0.0.1 'kill -TERM $$'
	tells "killed by signal"
	lib tells "killed by signal 'TERM'"
	# a status that comes long after the end of the streams; two seconds are too long, which a busy machine may take
	for _ in {1..5}; do
		! probe 9 -i "$D/client" 127.0.0.1 'exec >&- 2>&-; sleep 1; exit 9' || break
	done
	[[ $status == 9 ]]
}

@test "64 MiB out and 8 MiB in arrive whole" {
	head -c 8388608 /dev/urandom >"$K/in"
	run -0 bash -c "XDG_RUNTIME_DIR='$RIG_RUN/xdg' setsid -w '$(probe_bin)' -p $PORT -l root -k '$KNOWN' \
		-F /dev/null -b $BACKEND -i '$D/client' -I 127.0.0.1 \
		'for i in 1 2 3 4 5 6 7 8; do cat /dev/stdin; done; head -c 58720256 /dev/zero' <'$K/in' | sha256sum"
	want=$( (cat "$K/in" && head -c 58720256 /dev/zero) | sha256sum)
	[[ $output == "$want" ]]
}

@test "ecdsa keys of each size" {
	for bits in 256 384 521; do
		key "ecdsa$bits" -t ecdsa -b $bits -N ''
		probe 0 -i "$K/ecdsa$bits" 127.0.0.1 true
	done
}

@test "PEM forms of an ecdsa key" {
	key pem -t ecdsa -m PEM -N ''
	probe 0 -i "$K/pem" 127.0.0.1 true
	key pkcs8 -t ecdsa -m PKCS8 -N ''
	probe 0 -i "$K/pkcs8" 127.0.0.1 true
}

@test "the keys in ~/.ssh are tried when there is no -i" {
	mkdir -p "$RIG_RUN/home/.ssh"
	cp "$D/client" "$RIG_RUN/home/.ssh/id_ed25519"
	probe 0 127.0.0.1 true
	rm "$RIG_RUN/home/.ssh/id_ed25519"
	probe 5 127.0.0.1 true
	tells "there is no key to try"
	# what gcloud makes is tried, too
	ssh-keygen -q -t rsa -N '' -f "$RIG_RUN/home/.ssh/google_compute_engine"
	probe 5 127.0.0.1 true
	lib tells "google_compute_engine ssh-rsa: cannot be used by libssh2"
	ossh tells "google_compute_engine ssh-rsa: rejected by the server"
	sshd_authorize "$D" "$RIG_RUN/home/.ssh/google_compute_engine.pub"
	ossh probe 0 127.0.0.1 true
	rm -r "$RIG_RUN/home/.ssh"
}

@test "an encrypted key: its passphrase is asked on the terminal, without echo" {
	key locked -t ed25519 -N 'open sesame'
	PTY=("$RIG/pty_run.py" --type 'open sesame' --)
	probe 0 -i "$K/locked" 127.0.0.1 'echo in'
	says "passphrase for key '$K/locked': "
	says "in"
	says "echo is on"
	[[ $output != *sesame* ]]
}

@test "no secret is told at the highest verbosity: passphrase, key material" {
	key locked -t ed25519 -N 'open sesame'
	key plain -t ed25519 -N ''
	PTY=("$RIG/pty_run.py" --type 'wrong canary' --type 'open sesame' --)
	ossh probe 0 -i "$K/locked" 127.0.0.1 true
	[[ $output != *sesame* && $output != *canary* ]]
	# ssh asks for itself, and what it says meanwhile stands behind the prompt
	lib probe 0 -v 9 -i "$K/locked" 127.0.0.1 true
	[[ $output != *sesame* && $output != *canary* ]]
	probe 0 -v 9 -i "$K/plain" 127.0.0.1 true
	[[ $output != *"$(sed -n 3p "$K/plain")"* ]]
}

@test "an encrypted key: a wrong passphrase is asked again, three times" {
	key locked -t ed25519 -N 'open sesame'
	PTY=("$RIG/pty_run.py" --type wrong --type 'open sesame' --)
	probe 0 -i "$K/locked" 127.0.0.1 true
	PTY=("$RIG/pty_run.py" --type a --type b --type c --)
	probe 5 -i "$K/locked" 127.0.0.1 true
	says "wrong passphrase"
	PTY=("$RIG/pty_run.py" --type 'open sesame' --)
	key lockedpem -t ecdsa -m PEM -N 'open sesame'
	probe 0 -i "$K/lockedpem" 127.0.0.1 true
}

@test "an encrypted key: a signal at the prompt restores the terminal" {
	key locked -t ed25519 -N 'open sesame'
	for name in SIGINT SIGTERM SIGHUP; do
		PTY=("$RIG/pty_run.py" --signal "$name" --)
		probe 130 -i "$K/locked" 127.0.0.1 true
		says "interrupted"
		says "echo is on"
	done
}

@test "an encrypted key without a terminal, or with --no-input, says so" {
	key locked -t ed25519 -N 'open sesame'
	probe 5 -i "$K/locked" 127.0.0.1 true
	tells "ssh-ed25519: encrypted, and there is no terminal to ask for its passphrase"
	PTY=("$RIG/pty_run.py" --)
	probe 5 -n -i "$K/locked" 127.0.0.1 true
	says "asking for its passphrase is forbidden"
}

@test "nobody is asked for the passphrase of a key that the server does not want" {
	ssh-keygen -q -t ed25519 -N secret -f "$K/stranger"
	PTY=("$RIG/pty_run.py" --)
	probe 5 -i "$K/stranger" 127.0.0.1 true
	says "rejected by the server"
	[[ $output != *"passphrase for key"* ]]
}

@test "the agent's keys; with -i only the one that was named" {
	key first -t ed25519 -N ''
	key second -t ecdsa -N ''
	agent "$K/first" "$K/second"
	rm "$K/first" "$K/second"
	probe 0 127.0.0.1 true
	probe 0 -i "$K/second" 127.0.0.1 true
	probe 0 -i "$K/first.pub" 127.0.0.1 true
	ssh-keygen -q -t ed25519 -N '' -f "$K/stranger"
	probe 5 -i "$K/stranger" 127.0.0.1 true
	tells "rejected by the server"
	probe 5 -A 127.0.0.1 true
}

@test "RSA keys, in a file and in the agent: they do, or what cannot be done is said" {
	local want=5
	ossh eval want=0
	key rsa -t rsa -N ''
	probe $want -i "$K/rsa" 127.0.0.1 true
	lib tells "$K/rsa ssh-rsa: cannot be used by libssh2 1."
	lib tells "the OpenSSH client can do more than this libssh2: --ssh openssh"
	agent "$K/rsa"
	probe $want 127.0.0.1 true
	lib tells "agent key 'rsa' ssh-rsa: cannot be used by libssh2"
	# it does not stand in the way of one that can
	SSH_AUTH_SOCK=$AGENT_SOCK ssh-add -q "$D/client"
	probe 0 127.0.0.1 true
}

@test "an agent that is dead or silent does not hang the login" {
	AGENT_SOCK=$K/nothing
	probe 0 -i "$D/client" 127.0.0.1 true
	python3 - "$K/mute" <<-'END' 3>&- &
		import os, socket, sys
		s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1] + ".new"); s.listen()
		os.rename(sys.argv[1] + ".new", sys.argv[1])
		kept = []
		while True: kept.append(s.accept())
	END
	DEAD_PID=$!
	wait_for 20 test -S "$K/mute"
	AGENT_SOCK=$K/mute
	probe 5 -T 1500 -i "$D/client" 127.0.0.1 true
}

@test "a rejected key: what the server offers and what was tried" {
	ssh-keygen -q -t ed25519 -N '' -f "$K/a"
	ssh-keygen -q -t ecdsa -N '' -f "$K/b"
	probe 5 -i "$K/a" -i "$K/b" -i "$K/none" 127.0.0.1 true
	tells "cannot log in to '127.0.0.1' port $PORT as 'root': no key was accepted (the server offers: publickey)"
	tells "$K/a ssh-ed25519: rejected by the server"
	tells "$K/b ecdsa-sha2-nistp256: rejected by the server"
	tells "$K/none: No such file or directory"
}

@test "more keys than the server has patience for" {
	local keys=()
	for i in 1 2 3 4 5 6 7; do
		ssh-keygen -q -t ed25519 -N '' -f "$K/k$i"
		keys+=(-i "$K/k$i")
	done
	probe 5 "${keys[@]}" 127.0.0.1 true
	tells "the server hung up"
}

@test "a key file that others can read is refused" {
	cp "$D/client" "$K/open"
	chmod 640 "$K/open"
	probe 5 -i "$K/open" 127.0.0.1 true
	tells "$K/open: permissions 0640 are too open (chmod 600)"
}

@test "a server that takes no keys" {
	sshd_start "$K/sshd2" 'PubkeyAuthentication no' 'PasswordAuthentication yes'
	PORT=$SSHD_PORT KNOWN=$K/sshd2/known_hosts
	probe 5 -i "$D/client" 127.0.0.1 true
	tells "the server does not take keys (it offers: password"
}

@test "a banner and a noisy login" {
	printf 'Authorized use only\n\033[31m%01000d\n' 1 >"$K/banner"
	sshd_start "$K/sshd2" "Banner $K/banner"
	PORT=$SSHD_PORT KNOWN=$K/sshd2/known_hosts
	probe 0 -i "$K/sshd2/client" 127.0.0.1 'echo in'
	[[ $output == in && -z $stderr ]]
}

# --- host keys --------------------------------------------------------------------------------------

@test "known_hosts: hashed names, comma lists, wildcards, comments and broken lines" {
	KNOWN=$K/known
	cp "$D/known_hosts" "$KNOWN"
	ssh-keygen -q -H -f "$KNOWN" 2>/dev/null
	! grep -q 127.0.0.1 "$KNOWN"
	probe 0 -i "$D/client" 127.0.0.1 true
	local type_and_key
	type_and_key=$(cut -d' ' -f1,2 "$D/host_ed25519.pub")
	printf '# comment\ngarbage\nx ssh-ed25519 AAAA\nother,[127.0.0.*]:%s %s\n' "$PORT" "$type_and_key" >"$KNOWN"
	probe 0 -i "$D/client" 127.0.0.1 true
	printf '127.0.0.1 %s\n' "$type_and_key" >"$KNOWN"
	probe 0 -i "$D/client" 127.0.0.1 true
	printf '[127.0.0.1]:1 %s\n' "$type_and_key" >"$KNOWN"
	probe 5 -i "$D/client" 127.0.0.1 true
	printf 'compute.7 %s\n' "$type_and_key" >"$KNOWN"
	probe 0 -a compute.7 -i "$D/client" 127.0.0.1 true
}

@test "known_hosts: the type that is known there is asked for, of a host that has several" {
	KNOWN=$K/known
	grep ecdsa "$D/known_hosts" >"$KNOWN"
	probe 0 -v 4 -i "$D/client" 127.0.0.1 true
	tells "ecdsa-sha2-nistp256, aes" || ossh tells "host key algorithm: ecdsa-sha2-nistp256"
	grep ed25519 "$D/known_hosts" >"$KNOWN"
	probe 0 -v 4 -i "$D/client" 127.0.0.1 true
	tells "ssh-ed25519, aes" || ossh tells "host key algorithm: ssh-ed25519"
	grep rsa "$D/known_hosts" >"$KNOWN"
	lib probe 5 -i "$D/client" 127.0.0.1 true
	lib tells "known:1 has a key of type ssh-rsa only"
	ossh probe 0 -i "$D/client" 127.0.0.1 true
}

@test "a host that is not known: refused in strict, with its fingerprint" {
	KNOWN=$K/known
	probe 5 -i "$D/client" 127.0.0.1 true
	tells "the host key of '[127.0.0.1]:$PORT' is not known: it shows ssh-ed25519 $(fingerprint "$D/host_ed25519.pub")"
	tells "ssh-keyscan -t ed25519 -p $PORT 127.0.0.1 >>$KNOWN"
	[[ ! -e $KNOWN ]]
	# the advice works
	scanned() { ssh-keyscan -t ed25519 -p "$PORT" 127.0.0.1 >>"$KNOWN" 2>/dev/null && [[ -s $KNOWN ]]; }
	wait_for 30 scanned # it gives up after 5 s
	probe 0 -i "$D/client" 127.0.0.1 true
}

@test "accept-new: taken once, then the file decides; ssh itself agrees with it" {
	KNOWN=$K/dir/known
	probe 0 -m accept-new -i "$D/client" 127.0.0.1 true
	tells "new host '[127.0.0.1]:$PORT': its key ssh-ed25519 $(fingerprint "$D/host_ed25519.pub") was added to '$KNOWN'"
	[[ $(stat -c %a "$KNOWN") == 600 && $(stat -c %a "$K/dir") == 700 ]]
	probe 0 -i "$D/client" 127.0.0.1 true
	[[ -z $stderr ]]
	ssh -F none -p "$PORT" -i "$D/client" -o IdentitiesOnly=yes -o UserKnownHostsFile="$KNOWN" \
		-o StrictHostKeyChecking=yes root@127.0.0.1 true
	echo "[127.0.0.1]:$PORT $(cut -d' ' -f1,2 "$D/client.pub")" >"$KNOWN"
	probe 5 -m accept-new -i "$D/client" 127.0.0.1 true
	tells "has changed"
}

@test "a changed host key: both fingerprints and the line" {
	KNOWN=$K/known
	echo "[127.0.0.1]:$PORT $(cut -d' ' -f1,2 "$D/client.pub")" >"$KNOWN"
	probe 5 -i "$D/client" 127.0.0.1 true
	tells "has changed: it shows ssh-ed25519 $(fingerprint "$D/host_ed25519.pub"), but $KNOWN:1 has "
	lib tells "but $KNOWN:1 has $(fingerprint "$D/client.pub")"
	tells "ssh-keygen -f '$KNOWN' -R '[127.0.0.1]:$PORT'"
	probe 0 -m ignore -i "$D/client" 127.0.0.1 true
	tells "warning: the host key of '[127.0.0.1]:$PORT' is NOT checked (--host-key ignore)"
}

@test "a revoked host key is refused in each mode; a certificate authority alone is not enough" {
	KNOWN=$K/known
	grep ed25519 "$D/known_hosts" >"$KNOWN"
	echo "@revoked * $(cut -d' ' -f1,2 "$D/host_ed25519.pub")" >>"$KNOWN"
	for mode in strict accept-new ignore; do
		# ssh would ask for a key of another type
		probe 5 -m $mode -o HostKeyAlgorithms=ssh-ed25519 -i "$D/client" 127.0.0.1 true
		tells "is revoked"
		lib tells "is revoked by $KNOWN:2"
	done
	echo "@cert-authority * $(cut -d' ' -f1,2 "$D/host_ed25519.pub")" >"$KNOWN"
	probe 5 -i "$D/client" 127.0.0.1 true
	lib tells "names a certificate authority, and libssh2 cannot check host certificates"
	lib tells "--ssh openssh"
	ossh tells "the host key of '[127.0.0.1]:$PORT' is not known"
}

@test "a host with only an RSA key: it does, or what cannot be done is said" {
	SSHD_HOST_KEYS=rsa sshd_start "$K/sshd2"
	PORT=$SSHD_PORT KNOWN=$K/sshd2/known_hosts
	ossh probe 0 -i "$K/sshd2/client" 127.0.0.1 true
	lib probe 5 -i "$K/sshd2/client" 127.0.0.1 true
	lib tells "the host has only an RSA key, and libssh2 1."
	lib tells "(rsa-sha2-512,rsa-sha2-256)"
	lib tells "use the OpenSSH client: --ssh openssh"
	lib tells "give the host an ed25519 key"
}

@test "weak or vulnerable algorithms are not spoken, even if the host has nothing else" {
	local line lines=('Ciphers aes128-cbc' 'KexAlgorithms diffie-hellman-group14-sha1')
	# against these OpenSSH has a defence of its own
	[[ $BACKEND == openssh ]] || lines+=('Ciphers chacha20-poly1305@openssh.com' 'MACs hmac-sha1'
		'MACs hmac-sha2-256-etm@openssh.com')
	for line in "${lines[@]}"; do
		sshd_start "$K/sshd2" "$line"
		PORT=$SSHD_PORT KNOWN=$K/sshd2/known_hosts
		probe 5 -i "$K/sshd2/client" 127.0.0.1 true
		tells "cannot agree on encryption with '127.0.0.1' port $PORT"
		sshd_stop "$K/sshd2"
	done
}

# --- connections ------------------------------------------------------------------------------------

dead_server() {
	"$RIG/silent_server.py" "$K/dead" "$@" 3>&- &
	DEAD_PID=$!
	wait_for 20 test -s "$K/dead"
	PORT=$(<"$K/dead")
}

@test "a port that nobody listens on" {
	PORT=$CLOSED_PORT
	probe 5 -i "$D/client" 127.0.0.1 true
	tells "cannot connect to '127.0.0.1' port $PORT: Connection refused"
}

@test "a host that does not answer: the time-out is kept" {
	# a queue that is full: the kernel answers no further connection
	python3 - "$K/full" <<-'END' 3>&- &
		import socket, sys, time
		s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(0)
		a = socket.create_connection(s.getsockname())
		open(sys.argv[1], "w").write("%d\n" % s.getsockname()[1])
		time.sleep(600)
	END
	DEAD_PID=$!
	wait_for 20 test -s "$K/full"
	PORT=$(<"$K/full")
	in_time 10 5 -t 1200 -i "$D/client" 127.0.0.1 true
	tells "cannot connect to '127.0.0.1' port $PORT: no answer"
}

@test "a host that says nothing, or something else" {
	dead_server
	in_time 10 5 -t 3000 -i "$D/client" 127.0.0.1 true
	tells "cannot start SSH with '127.0.0.1' port $PORT: no answer in time"
	tells "is it SSH?"
	kill "$DEAD_PID"
	rm "$K/dead"
	dead_server '220 mail.example ESMTP\x1b[31m\r\n'
	probe 5 -t 3000 -i "$D/client" 127.0.0.1 true
	tells "cannot start SSH with"
	[[ $stderr != *$'\e'* ]]
}

@test "a host that never stops talking: the time-out is kept" {
	python3 - "$K/drip" <<-'END' 3>&- &
		import socket, sys, time
		s = socket.create_server(("127.0.0.1", 0))
		open(sys.argv[1], "w").write("%d\n" % s.getsockname()[1])
		c = s.accept()[0]
		while True:
		    c.sendall(b"wait\r\n")
		    time.sleep(0.02)
	END
	DEAD_PID=$!
	wait_for 20 test -s "$K/drip"
	PORT=$(<"$K/drip")
	local start=$SECONDS
	probe 5 -t 3000 -i "$D/client" 127.0.0.1 true
	((SECONDS - start < 20))
	lib tells "cannot start SSH with '127.0.0.1' port $PORT: no answer in time"
	DEAD_PID=
}

@test "hostile first packets: an error, in time, and no crash" {
	local i
	for i in '\x00' 'SSH-2.0-x\r\n\xff\xff\xff\xff\xff\xff\xff\xff' 'SSH-1.5-x\r\n' \
		'SSH-2.0-x\r\n\x00\x00\x00\x0c\x04\x14\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00' \
		'SSH-2.0-x\r\n\x00\x00\x00\x00\x00'; do
		dead_server "$i"
		probe 5 -t 1000 -i "$D/client" 127.0.0.1 true
		kill "$DEAD_PID"
		rm "$K/dead"
	done
	DEAD_PID=
}

@test "a name that is no name never gets to the resolver" {
	probe 2 -i "$D/client" '-oProxyCommand=x' true || probe 2 -i "$D/client" -- '-oProxyCommand=x' true
	probe 2 -i "$D/client" 'a;b' true
	tells "host 'a;b' is not valid"
	probe 5 -i "$D/client" 'no-such-host.invalid' true
	tells "cannot find the address of 'no-such-host.invalid'"
}

@test "the connection breaks while a command runs" {
	probe 5 -i "$D/client" 127.0.0.1 'echo $PPID; kill -9 $PPID; sleep 20'
	tells "lost the connection to '127.0.0.1'"
}

@test "Ctrl-C while a command runs" {
	probe 130 -i "$D/client" 127.0.0.1 "touch '$K/begun'; sleep 30" &
	local job=$!
	wait_for 40 test -e "$K/begun"
	# the client itself, not the wrappers around it
	pkill -INT -f "^$(probe_bin) -p $PORT .*; sleep 30"
	wait $job
}

@test "a near host may not fill our memory: a small window; a distant one, behind a relay: the largest" {
	local command='head -c 30000000 /dev/zero | tr "\0" x'
	# one whose sshd gets no processor for 16 ms, twice, looks distant: one of several counts
	for _ in {1..10}; do
		probe 0 -v 4 -i "$D/client" 127.0.0.1 "$command"
		[[ ${#output} == 30000000 ]]
		! lib tells "window of 2097152 bytes" || break
	done
	lib tells "window of 2097152 bytes"

	"$RIG/relay.py" "$K/port" "$PORT" 20 3>&- &
	DEAD_PID=$!
	wait_for 20 test -s "$K/port"
	PORT=$(<"$K/port")
	probe 0 -v 4 -m ignore -i "$D/client" 127.0.0.1 "$command"
	lib tells "window of 16777216 bytes"
	[[ ${#output} == 30000000 ]]
}
