#!/usr/bin/env bats
# The user's ssh_config, jump hosts and ProxyCommand, with each back end. Four hosts in a row, each
# reachable from its neighbours only: here, a, b, c.

load lib
# shellcheck source=tests/rig/net.sh
. "$TESTS/rig/net.sh"

setup_file() {
	RIG_RUN=$(mktemp -d "${TMPDIR:-/tmp}/jdiag-sshconfig.XXXXXX")
	export RIG_RUN
	mkdir -p "$RIG_RUN/home"
	net_up here a b c
	for name in a b c; do
		net_sshd "$name" "$RIG_RUN/$name"
	done
}

teardown_file() {
	for name in a b c; do
		sshd_stop "$RIG_RUN/$name"
	done
	net_down
	rm -rf "$RIG_RUN"
}

setup() {
	K=$BATS_TEST_TMPDIR
	CONFIG=$K/config
	A=$RIG_RUN/a B=$RIG_RUN/b C=$RIG_RUN/c
	A_PORT=$(<"$A/port") B_PORT=$(<"$B/port") C_PORT=$(<"$C/port")
	PATH_FOR=$PATH
	config </dev/null
}

teardown() {
	[[ ! -d $K/other ]] || sshd_stop "$K/other"
}

# The file of the test: what stands on stdin, then the three hosts.
config() {
	cat - >"$CONFIG" <<-END
		$(cat)
		Host a
		  HostName 198.18.1.2
		  Port $A_PORT
		  IdentityFile $A/client
		  UserKnownHostsFile $A/known_hosts
		Host b
		  HostName 198.18.2.2
		  Port $B_PORT
		  IdentityFile $B/client
		  UserKnownHostsFile $B/known_hosts
		Host c
		  HostName 198.18.3.2
		  Port $C_PORT
		  IdentityFile $C/client
		  UserKnownHostsFile $C/known_hosts
		Host *
		  User root
		  IdentitiesOnly yes
		  GlobalKnownHostsFile /dev/null
		  StrictHostKeyChecking yes
	END
}

# probe STATUS BACK_END ARGUMENT...: on the first host, without a terminal
probe() {
	local want=$1 way=$2
	shift 2
	run --separate-stderr env -u SSH_AUTH_SOCK HOME="$RIG_RUN/home" PATH="$PATH_FOR" \
		timeout -k 5 60 ip netns exec "$NET_PREFIX-here" setsid -w "$JDIAG_BUILD/tools/ssh-probe" \
		-b "$way" -F "$CONFIG" "$@"
	printf 'status: %s\nstdout: %s\nstderr: %s\n' "$status" "${output:0:2000}" "$stderr"
	[[ $status == "$want" ]]
}

# The same with each back end.
each() {
	local want=$1 way
	shift
	for way in libssh2 openssh; do
		probe "$want" "$way" "$@"
	done
}

# other_sshd HOST NAME [LINE...]: one more sshd there, as NAME in the file
other_sshd() {
	local host=$1 name=$2
	shift 2
	net_sshd "$host" "$K/other" "$@"
	config <<<"Host $name
  HostName $(net_addresses "$host" | head -n 1)
  Port $(<"$K/other/port")
  IdentityFile $K/other/client
  UserKnownHostsFile $K/other/known_hosts
Host *"
}

# A ProxyCommand: "relay HOST PORT", with its process number in the file "relay.pid".
write_relay() {
	cat >"$K/relay" <<-END
		#!/usr/bin/env python3
		import os, socket, sys, threading
		open("$K/relay.pid", "w").write(str(os.getpid()))
		sys.stderr.write("relay: on its way\\n")
		s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
		limit = int(sys.argv[3]) if len(sys.argv) > 3 else None
		def up():
		    while True:
		        data = os.read(0, 65536)
		        if not data: break
		        s.sendall(data)
		    s.shutdown(socket.SHUT_WR)
		threading.Thread(target=up, daemon=True).start()
		done = 0
		while True:
		    data = s.recv(65536)
		    if not data: break
		    if limit is not None and done + len(data) > limit:
		        sys.stderr.write("relay: that is all\\n")
		        sys.stderr.flush()
		        os._exit(7)
		    done += len(data)
		    while data: data = data[os.write(1, data):]
	END
	chmod 755 "$K/relay"
}

relay_has_gone() { [[ -s $K/relay.pid ]] && ! kill -0 "$(<"$K/relay.pid")" 2>/dev/null; }

# --- the file ---------------------------------------------------------------------------------------

@test "HostName, Port, User, IdentityFile, UserKnownHostsFile of an alias" {
	each 0 a 'echo "on a as $(id -un)"'
	says "on a as root"
	each 5 -l nosuch a true
	tells "nosuch"
	# what is said on the command line wins
	each 5 -p 1 a true
	tells "port 1"
	each 5 -k /dev/null a true
	tells "not known"
	probe 5 libssh2 -i "$B/client" a true
}

@test "a file that others may write to, or that is another's: as ssh -F takes it" {
	chmod 664 "$CONFIG"
	chown 1:1 "$CONFIG"
	each 0 a true
	ln -s "$CONFIG" "$K/a link"
	CONFIG="$K/a link"
	each 0 a true
	each 0 -J a b true
}

@test "Include and Match are honoured, as ssh itself reads them" {
	echo "Host nick
  HostName 198.18.1.2" >"$K/more"
	config <<-END
		Include $K/more
		Match host 198.18.1.2 exec "test -e $K/switch"
		  Port $A_PORT
		  IdentityFile $A/client
		  UserKnownHostsFile $A/known_hosts
		Match all
	END
	each 5 nick true
	touch "$K/switch"
	each 0 nick true
}

@test "several known_hosts files, HostKeyAlias, StrictHostKeyChecking" {
	sed "s/^[^ ]*/compute.7/" "$A/known_hosts" >"$K/known"
	config <<-END
		Host alias
		  HostName 198.18.1.2
		  Port $A_PORT
		  IdentityFile $A/client
		  UserKnownHostsFile $K/none $K/known
		  HostKeyAlias compute.7
		Host new-*
		  HostName 198.18.1.2
		  Port $A_PORT
		  IdentityFile $A/client
		  UserKnownHostsFile $K/%n
		Host new-accept
		  StrictHostKeyChecking accept-new
		Host new-no
		  StrictHostKeyChecking no
		Host new-ask
		  StrictHostKeyChecking ask
	END
	each 0 alias true
	each 5 new-ask true
	tells "not known"
	each 5 -m strict new-accept true
	for way in libssh2 openssh; do
		rm -f "$K/new-accept"
		probe 0 "$way" new-accept true
		tells "198.18.1.2"
		grep -q "^\[198.18.1.2\]:$A_PORT " "$K/new-accept"
		rm -f "$K/new-no"
		probe 0 "$way" new-no true
	done
	probe 0 libssh2 new-no true
	tells "is NOT checked"
}

@test "an agent that the file names, or forbids" {
	agent_start "$K/agent" "$A/client"
	config <<-END
		Host agent no-agent
		  HostName 198.18.1.2
		  Port $A_PORT
		  IdentityFile $K/none
		  UserKnownHostsFile $A/known_hosts
		  IdentitiesOnly no
		Host agent
		  IdentityAgent $K/agent
		Host no-agent
		  IdentityAgent none
	END
	each 0 agent true
	each 5 no-agent true
	kill "$AGENT_PID"
}

@test "a file that ssh does not take is an error, with what ssh says" {
	echo "Host a
  NoSuchKeyword 1" >"$CONFIG"
	each 5 a true
	tells "the ssh_config for 'a' cannot be read: ssh says: $CONFIG: line 2: Bad configuration option"
	each 2 -o "NoSuchKeyword=1" a true
}

@test "hostile values in the file are refused, and nothing is run" {
	local value
	for value in 'HostName "x;touch${IFS}HERE"' 'HostName "-oProxyCommand=touch HERE"' \
		'User "$(touch HERE)"' 'HostKeyAlias "a b"' 'ProxyJump "x`touch HERE`"'; do
		config <<<"Host evil
  ${value//HERE/$K/touched}
Host *"
		each 5 evil true
		tells "in the ssh_config for 'evil'"
		[[ ! -e $K/touched ]]
	done
	each 2 -- '-oProxyCommand=x' true
	each 2 -J 'a;b' a true
	each 2 -l '-x' a true
}

@test "without an ssh client: jdiag's own options, and -v says so" {
	run --separate-stderr env -i HOME="$RIG_RUN/home" PATH=/nonexistent \
		"$(command -v ip)" netns exec "$NET_PREFIX-here" "$JDIAG_BUILD/tools/ssh-probe" -b libssh2 -v 1 -l root \
		-p "$A_PORT" -i "$A/client" -k "$A/known_hosts" 198.18.1.2 'echo in'
	printf '%s\n%s\n' "$output" "$stderr"
	[[ $status == 0 && $output == in ]]
	tells "there is no ssh client in PATH: no ssh_config is read"
	# a jump host needs none either
	cat "$A/known_hosts" "$B/known_hosts" >"$K/known"
	run --separate-stderr env -i HOME="$RIG_RUN/home" PATH=/nonexistent \
		"$(command -v ip)" netns exec "$NET_PREFIX-here" "$JDIAG_BUILD/tools/ssh-probe" -b libssh2 -l root \
		-J "root@198.18.1.2:$A_PORT" -p "$B_PORT" -i "$A/client" -i "$B/client" -k "$K/known" \
		198.18.2.2 'echo in'
	printf '%s\n%s\n' "$output" "$stderr"
	[[ $status == 0 && $output == in ]]
}

# --- what only the OpenSSH client can do ------------------------------------------------------------

@test "a host certificate: the OpenSSH client checks it, libssh2 says that it cannot" {
	mkdir -p "$K/other"
	sshd_keys "$K/other"
	ssh-keygen -q -t ed25519 -N '' -f "$K/ca"
	ssh-keygen -q -s "$K/ca" -I host -h -n 198.18.1.2 "$K/other/host_ed25519.pub"
	other_sshd a certified "HostCertificate $K/other/host_ed25519-cert.pub"
	echo "@cert-authority * $(cut -d' ' -f1,2 "$K/ca.pub")" >"$K/known"
	sed -i "s|$K/other/known_hosts|$K/known|" "$CONFIG"
	probe 5 libssh2 certified true
	tells "$K/known:1 names a certificate authority, and libssh2 cannot check host certificates"
	tells "--ssh openssh"
	probe 0 openssh certified true
	probe 0 auto certified true
	tells "using the OpenSSH client for '198.18.1.2': libssh2 cannot check the host's certificate"
	# of a jump host, too
	probe 5 libssh2 -J certified b true
	probe 0 auto -J certified b true
	tells "using the OpenSSH client for '198.18.2.2': jump host 'certified': libssh2 cannot check"
}

@test "CertificateFile and RevokedHostKeys: auto takes the OpenSSH client, and says why" {
	ssh-keygen -q -t ed25519 -N '' -f "$K/user"
	ssh-keygen -q -t ed25519 -N '' -f "$K/ca"
	ssh-keygen -q -s "$K/ca" -I user -n root "$K/user.pub"
	mv "$K/user-cert.pub" "$K/elsewhere"
	other_sshd a ca "TrustedUserCAKeys $K/ca.pub"
	sed -i "s|^Host \*|Host ca\n  IdentityFile $K/user\n  CertificateFile $K/elsewhere\nHost *|; s|$K/other/client|$K/user|" "$CONFIG"
	probe 5 libssh2 ca true
	probe 0 openssh ca true
	probe 0 auto ca true
	tells "using the OpenSSH client for '198.18.1.2': libssh2 cannot do 'CertificateFile' of the ssh_config"
	probe 0 auto -J ca b true
	tells "jump host 'ca': libssh2 cannot do 'CertificateFile'"
	config <<<"Host a
  RevokedHostKeys $A/host_ed25519.pub
Host *"
	probe 5 libssh2 a true
	tells "RevokedHostKeys"
	probe 5 auto a true
}

# --- jump hosts -------------------------------------------------------------------------------------

@test "ProxyJump: a host that only the jump host can reach; -J does the same" {
	each 5 -t 1000 b true
	each 0 -J a b 'echo "from $SSH_CONNECTION"'
	says "from 198.18.2.1 "
	config <<<"Host b
  ProxyJump a
Host *"
	each 0 b true
	# -J none takes it away
	each 5 -t 1000 -J none b true
}

@test "ProxyJump: two hops, each with its own key, known_hosts and port" {
	each 0 -J a,b c 'echo "from $SSH_CONNECTION"'
	says "from 198.18.3.1 "
	# the jump host of a jump host
	config <<<"Host b
  ProxyJump a
Host c
  ProxyJump b
Host *"
	each 0 c 'echo "from $SSH_CONNECTION"'
	says "from 198.18.3.1 "
}

@test "user and port of a jump host, as -J has them" {
	sed -i '/^Host a$/,/^Host b$/{/Port/d;/HostName/d}' "$CONFIG"
	sed -i "s/^Host a\$/Host 198.18.1.2/" "$CONFIG"
	each 0 -J "root@198.18.1.2:$A_PORT" b true
	each 5 -J "nosuch@198.18.1.2:$A_PORT" b true
	probe 5 libssh2 -J "nosuch@198.18.1.2:$A_PORT" b true
	tells "jump host '198.18.1.2': cannot log in to '198.18.1.2' port $A_PORT as 'nosuch'"
}

@test "16 MiB out and 2 MiB in through two hops arrive whole, and status and streams" {
	head -c 2097152 /dev/urandom >"$K/in"
	want=$( (cat "$K/in" && head -c 14680064 /dev/zero) | sha256sum)
	for way in libssh2 openssh; do
		run -0 --separate-stderr bash -c "ip netns exec $NET_PREFIX-here setsid -w '$JDIAG_BUILD/tools/ssh-probe' -b $way -F '$CONFIG' \
			-J a,b -I c 'cat; head -c 14680064 /dev/zero' <'$K/in' | sha256sum"
		[[ $output == "$want" ]]
	done
	each 7 -J a,b c 'echo out; echo err >&2; exit 7'
	[[ $output == out && $stderr == *err* ]]
}

@test "both directions at once through a jump host, more than a window of sshd" {
	head -c 10000000 /dev/urandom >"$K/in"
	for way in libssh2 openssh; do
		run -0 --separate-stderr bash -c "ip netns exec $NET_PREFIX-here timeout 60 setsid -w '$JDIAG_BUILD/tools/ssh-probe' -b $way \
			-F '$CONFIG' -J a -I b cat <'$K/in' | cmp - '$K/in'"
	done
}

@test "new keys in the middle of a tunnel, at each end" {
	want=$(head -c 4000000 /dev/zero | sha256sum)
	moved() {
		run -0 --separate-stderr bash -c "ip netns exec $NET_PREFIX-here timeout 60 setsid -w '$JDIAG_BUILD/tools/ssh-probe' -b $1 \
			-t 60000 -F '$CONFIG' -J $2 $3 'head -c 4000000 /dev/zero' | sha256sum"
		printf '%s\n' "$stderr"
		[[ $output == "$want" ]]
	}
	other_sshd b other "RekeyLimit 1M"
	moved libssh2 a other
	moved openssh a other
	sshd_stop "$K/other"
	other_sshd a jump "RekeyLimit 1M"
	moved libssh2 jump b
	moved openssh jump b
}

@test "the helper runs behind two jump hosts" {
	each 0 -J a,b -H - -S never c ps
	says jvms
}

@test "a host's own StrictHostKeyChecking, or that of an option, is not its jump host's" {
	local mode
	for mode in no accept-new; do
		config <<<"Host node-*
  HostName 198.18.2.2
  Port $B_PORT
  IdentityFile $B/client
  UserKnownHostsFile $K/new
  StrictHostKeyChecking $mode
  ProxyJump bastion
Host bastion
  HostName 198.18.1.2
  Port $A_PORT
  IdentityFile $A/client
  UserKnownHostsFile $K/none
Host *"
		each 5 node-1 true
		each 5 -J bastion -o StrictHostKeyChecking=$mode b true
		[[ ! -e $K/none && ! -e $K/new ]]
		# said to jdiag itself it goes for all, and for a bastion that is known the host's does
		each 0 -m "${mode/#no/ignore}" node-1 true
		rm -f "$K/none" "$K/new"
		sed -i "s|$K/none|$A/known_hosts|" "$CONFIG"
		for way in libssh2 openssh; do
			probe 0 "$way" node-1 true
			rm -f "$K/new"
		done
	done
}

@test "a jump host that is down, unknown, refuses the login or the forwarding: the error names it" {
	config <<<"Host down
  HostName 198.18.1.2
  Port 1
Host stranger
  HostName 198.18.1.2
  Port $A_PORT
  IdentityFile $A/client
  UserKnownHostsFile $K/none
Host locked
  HostName 198.18.1.2
  Port $A_PORT
  IdentityFile $B/client
  UserKnownHostsFile $A/known_hosts
Host *"
	probe 5 libssh2 -J down b true
	tells "jump host 'down': cannot connect to '198.18.1.2' port 1: Connection refused"
	probe 5 libssh2 -J stranger b true
	tells "jump host 'stranger': the host key of '[198.18.1.2]:$A_PORT' is not known"
	probe 5 libssh2 -J locked b true
	tells "jump host 'locked': cannot log in to '198.18.1.2' port $A_PORT as 'root': no key was accepted"
	for host in down stranger locked; do
		probe 5 openssh -J "$host" b true
	done
	# the second one, through the first one
	probe 5 libssh2 -J a,down b true
	tells "jump host 'down': cannot connect to '198.18.1.2' port 1 through jump host '198.18.1.2': it cannot reach it"
	each 5 -J a -p 1 b true
	probe 5 libssh2 -J a -p 1 b true
	tells "cannot connect to '198.18.2.2' port 1 through jump host '198.18.1.2': it cannot reach it"
}

@test "a host behind a jump host that does not answer: in time, and named" {
	# nobody takes connections from it, and it has room for two that wait
	net_on b python3 - "$K/full" <<-END 3>&- &
		import socket, sys, time
		s = socket.socket(); s.bind(("198.18.2.2", 0)); s.listen(0)
		held = [socket.socket() for _ in range(8)]
		for each in held:
		    each.setblocking(False)
		    each.connect_ex(s.getsockname())
		time.sleep(0.5)
		open(sys.argv[1], "w").write(str(s.getsockname()[1]))
		time.sleep(600)
	END
	FULL=$!
	wait_for 40 test -s "$K/full"
	probe 5 libssh2 -t 10000 -J a -p "$(<"$K/full")" b true
	kill "$FULL"
	tells "cannot connect to '198.18.2.2' port $(<"$K/full") through jump host '198.18.1.2': no answer in time"
	tells "can be reached from '198.18.1.2'"
}

@test "a jump host that does not forward: the error says what to allow" {
	other_sshd a jump "AllowTcpForwarding no"
	each 5 -J jump b true
	probe 5 libssh2 -J jump b true
	tells "through jump host '198.18.1.2': it does not forward there"
	tells "AllowTcpForwarding"
}

@test "a jump host that goes away in the middle ends the command with an error" {
	other_sshd a jump
	for way in libssh2 openssh; do
		(
			wait_for 30 test -e "$K/begun"
			pkill -KILL -P "$(<"$K/other/pid")"
		) 3>&- &
		probe 5 "$way" -J jump b "touch $K/begun; sleep 60"
		wait $!
		rm "$K/begun"
	done
	probe 0 libssh2 -J jump b true
}

@test "jump hosts that lead in a circle are noticed" {
	config <<<"Host *
  ProxyJump a"
	each 5 b true
	probe 5 libssh2 b true
	tells "through jump host 'a' again"
	config <<<"Host a
  ProxyJump b
Host b
  ProxyJump a
Host *"
	probe 5 libssh2 c -J a true || probe 5 libssh2 -J a c true
	tells "again"
}

# --- ProxyCommand -----------------------------------------------------------------------------------

@test "ProxyCommand: it is the connection, and it is gone afterwards" {
	write_relay
	config <<<"Host p
  HostName 198.18.1.2
  Port $A_PORT
  IdentityFile $A/client
  UserKnownHostsFile $A/known_hosts
  ProxyCommand env TOKEN=canary-4711 $K/relay %h %p
Host *"
	for way in libssh2 openssh; do
		# what stands in it is told nobody
		probe 0 "$way" -v 9 p true
		[[ $stderr != *canary-4711* ]]
		rm -f "$K/relay.pid"
		probe 3 "$way" p 'echo in; exit 3'
		says in
		wait_for 20 relay_has_gone
	done
	run -0 --separate-stderr bash -c "ip netns exec $NET_PREFIX-here '$JDIAG_BUILD/tools/ssh-probe' -b libssh2 -F '$CONFIG' p \
		'head -c 5000000 /dev/zero' | sha256sum"
	[[ $output == "$(head -c 5000000 /dev/zero | sha256sum)" ]]
	# a jump host that is reached by one
	config <<<"Host p
  HostName 198.18.1.2
  Port $A_PORT
  IdentityFile $A/client
  UserKnownHostsFile $A/known_hosts
  ProxyCommand $K/relay %h %p
Host *"
	each 0 -J p b true
}

@test "ProxyCommand: one that fails, is not there, or prints something else" {
	local command
	proxy() {
		config <<<"Host p
  HostName 198.18.1.2
  UserKnownHostsFile /dev/null
  ProxyCommand $1
Host *"
	}
	proxy "sh -c 'echo no way >&2; exit 3'"
	each 5 p true
	probe 5 libssh2 p true
	tells "cannot connect to '198.18.1.2': its ProxyCommand failed (status 3)"
	tells "no way"
	proxy "$K/nonexistent %h"
	probe 5 libssh2 p true
	tells "its ProxyCommand failed (status 127)"
	tells "$K/nonexistent"
	proxy "echo hello"
	each 5 p true
	probe 5 libssh2 p true
	tells "its ProxyCommand prints 'hello', which is not SSH"
	proxy "yes"
	probe 5 libssh2 p true
	tells "its ProxyCommand prints 'y', which is not SSH"
	proxy "sleep 600"
	probe 5 libssh2 -t 2000 p true
	tells "no answer in time"
	tells "nothing came from the ProxyCommand"
	run ! pgrep -f "^sleep 600"
	proxy "head -c 100000000 /dev/zero"
	probe 5 libssh2 p true
	tells "which is not SSH"
	proxy "sh -c 'head -c 1000000 /dev/zero >&2; exit 1'"
	probe 5 libssh2 p true
	tells "its ProxyCommand failed (status 1)"
}

@test "ProxyCommand: one that ends in the middle" {
	write_relay
	config <<<"Host p
  HostName 198.18.1.2
  Port $A_PORT
  IdentityFile $A/client
  UserKnownHostsFile $A/known_hosts
  ProxyCommand $K/relay %h %p 200000
Host *"
	each 5 p 'head -c 1000000 /dev/zero'
	probe 5 libssh2 p 'head -c 1000000 /dev/zero'
	tells "the ProxyCommand has ended (status 7)"
	tells "relay: that is all"
}

@test "ProxyCommand: a signal ends it, with what it has started" {
	config <<<"Host p
  HostName 198.18.1.2
  UserKnownHostsFile /dev/null
  ProxyCommand sh -c 'sleep 600 & echo \$! >$K/pid; wait'
Host *"
	(
		wait_for 30 test -s "$K/pid"
		pkill -INT -x ssh-probe # not with 'timeout', which would send it a second one
	) 3>&- &
	probe 130 libssh2 p true
	wait $!
	gone() { ! kill -0 "$(<"$K/pid")" 2>/dev/null; }
	wait_for 20 gone
}
