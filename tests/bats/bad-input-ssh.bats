# What goes wrong on the way to the node: SSH, host keys, keys, sudo. The message says what and why and
# what to do, and where it prints a command, that command helps.
load lib

NODE_USER=jdiag-bad

setup_file() {
	rig_up
	pod_up web
}
teardown_file() { rig_down; }

setup() {
	D=$BATS_TEST_TMPDIR
	SSH=$RIG_RUN/ssh
	PORT=$(<"$SSH/port")
	JDIAG_EXTRA_ENV=(JDIAG_SSH="$BACKEND")
	cd "$D"
}

teardown() {
	[[ -z ${SERVER_PID:-} ]] || kill "$SERVER_PID"
	[[ ! -d $D/ssh ]] || sshd_stop "$D/ssh"
	rm -f "/etc/sudoers.d/$NODE_USER"
	! id "$NODE_USER" >/dev/null 2>&1 || userdel -rf "$NODE_USER" 2>/dev/null
	untouched web || return 1
	wait_for 20 no_ways || { find_ways && return 1; }
	[ -z "$(find "$D" -name '*.hprof*')" ]
}

# dump STATUS [OPTION...]: heapdump of pod web fails with this status.
dump() { refuses "$1" heapdump web -n shop "${@:2}"; }

works() { run_jdiag -s 0 heapdump web -n shop --dry-run "$@"; }

fingerprint() { ssh-keygen -lf "$1" | cut -d' ' -f2; }

@test "connection refused" {
	port=$CLOSED_PORT
	dump 5 -p "$port"
	tells "cannot connect to '127.0.0.1' port $port: "
	tells "Connection refused"
	tells "check the address and that port $port of the node can be reached from here"
}

@test "no answer to the connection: a time-out" {
	# a listener whose queue is full takes no further connection and does not refuse it
	cat >full.py <<-'PY'
		import os, socket, time
		server = socket.socket()
		server.bind(("127.0.0.1", 0))
		server.listen(0)
		clients = []
		while True:
		    client = socket.socket()
		    client.settimeout(0.5)
		    clients.append(client)
		    try:
		        client.connect(server.getsockname())
		    except TimeoutError:
		        break
		with open("port.new", "w") as out:
		    print(server.getsockname()[1], file=out)
		os.rename("port.new", "port")
		time.sleep(300)
	PY
	python3 full.py 3>&- &
	SERVER_PID=$!
	wait_for 40 test -s port
	dump 5 -p "$(<port)"
	tells "cannot connect to '127.0.0.1' port $(<port): "
	tells "no answer"
	tells "can be reached from here (firewall, bastion, VPN)"
}

# plays TEXT: a server says TEXT to each connection and nothing else; $PORT is its port.
plays() {
	"$RIG/silent_server.py" port "$@" 3>&- &
	SERVER_PID=$!
	wait_for 40 test -s port
	PORT=$(<port)
}

@test "a port where nobody speaks" {
	plays
	dump 5 -p "$PORT"
	tells "the port is open, but nothing came from it: is it SSH?"
}

@test "a port where something else speaks" {
	plays 'HTTP/1.1 400 Bad Request\r\n\r\n\x1b[31m'
	dump 5 -p "$PORT" --timeout 20s
	[[ $stderr != *$'\e'* ]]
	tells "127.0.0.1"
}

@test "a host name that does not exist" {
	refuses 5 heapdump ssh://root@node.invalid --pid 1
	tells "cannot find the address of 'node.invalid': "
}

@test "unknown host key: the line that is printed makes it known" {
	export PATH
	: >known
	dump 5 --known-hosts "$D/known"
	tells "the host key of '[127.0.0.1]:$PORT' is not known: it shows ssh-ed25519 $(fingerprint "$SSH/host_ed25519.pub")"
	tells "compare the fingerprint with the node's own (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub there)"
	tells "--host-key accept-new"
	[ ! -s known ]
	line=$(grep ssh-keyscan <<<"$stderr")
	scanned() { bash -c "$line" 2>/dev/null && [ -s known ]; }
	wait_for 30 scanned # it gives up after 5 s
	works --known-hosts "$D/known"
}

@test "unknown host key: accept-new adds it, and then it is known" {
	works --known-hosts "$D/known" --host-key accept-new
	tells "its key ssh-ed25519 $(fingerprint "$SSH/host_ed25519.pub") was added to '$D/known'"
	works --known-hosts "$D/known"
	[[ $stderr != *"was added"* ]]
}

@test "changed host key: both fingerprints, also with accept-new; the line that is printed forgets the old one" {
	ssh-keygen -q -t ed25519 -N '' -f other
	echo "[127.0.0.1]:$PORT $(cut -d' ' -f1,2 other.pub)" >known
	for mode in strict accept-new; do
		dump 5 --known-hosts "$D/known" --host-key $mode
		tells "the host key of '[127.0.0.1]:$PORT' has changed: it shows ssh-ed25519 $(fingerprint "$SSH/host_ed25519.pub")"
		tells "but $D/known:1 has "
		lib tells "but $D/known:1 has $(fingerprint other.pub)"
		tells "somebody may be between you and the host"
	done
	line=$(grep 'ssh-keygen -f' <<<"$stderr")
	bash -c "$line"
	dump 5 --known-hosts "$D/known"
	tells "is not known"
	works --known-hosts "$D/known" --host-key accept-new
}

@test "changed host key: ignored only by name, and loudly" {
	ssh-keygen -q -t ed25519 -N '' -f other
	echo "[127.0.0.1]:$PORT $(cut -d' ' -f1,2 other.pub)" >known
	works --known-hosts "$D/known" --host-key ignore
	tells "warning: the host key of '[127.0.0.1]:$PORT' is NOT checked (--host-key ignore); it is not the one that is known"
}

@test "a node of GKE whose key only gcloud knows, by the number that the cluster says" {
	mkdir -p "$RIG_RUN/home/.ssh"
	cut -d' ' -f1,2 "$SSH/host_ed25519.pub" | sed 's/^/compute.4711 /' >"$RIG_RUN/home/.ssh/google_compute_known_hosts"
	JDIAG_EXTRA_ENV+=(JDIAG_KNOWN_HOSTS=)
	dump 5
	tells "the host key of '[127.0.0.1]:$PORT' is not known"
	kube_state node "$NODE" --instance-id 4711
	works
	cut -d' ' -f1,2 "$SSH/client.pub" | sed 's/^/compute.4711 /' >"$RIG_RUN/home/.ssh/google_compute_known_hosts"
	dump 5
	tells "the host key of 'compute.4711' has changed"
	kube_state node "$NODE" --instance-id '4711 -oProxyCommand=x'
	dump 5
	tells "the host key of '[127.0.0.1]:$PORT' is not known"
	kube_state node "$NODE"
	rm -r "$RIG_RUN/home/.ssh"
}

@test "key rejected: what the server offers, what was tried" {
	ssh-keygen -q -t ed25519 -N '' -f stranger
	dump 5 -i "$D/stranger"
	tells "cannot log in to '127.0.0.1' port $PORT as 'root': no key was accepted (the server offers: publickey"
	tells "keys that were tried:"
	tells "$D/stranger"
	tells "rejected by the server"
	tells "add the public key to the authorized keys of that user, or choose a key by -i"
}

@test "no such key file; a file that is no key; a key that everybody can read is still one" {
	dump 5 -i "$D/none"
	tells "$D/none"
	tells "No such file or directory"
	echo "not a key" >garbage
	dump 5 -i "$D/garbage"
	tells "$D/garbage"
}

@test "a user that does not exist on the node" {
	dump 5 --ssh-user nobody-here
	tells "as 'nobody-here': no key was accepted"
}

user_up() { useradd -m -s /bin/bash -p '*' "$NODE_USER"; }

@test "sudo wants a password: the line that is printed is enough" {
	user_up
	dump 6 --ssh-user "$NODE_USER"
	tells "node '$NODE': cannot become root: sudo refused '$NODE_USER': a password is required"
	tells "visudo -f /etc/sudoers.d/jdiag on the node"
	line=$(grep NOPASSWD <<<"$stderr")
	printf '%s\n' "$line" >"/etc/sudoers.d/$NODE_USER"
	chmod 440 "/etc/sudoers.d/$NODE_USER"
	visudo -cqf "/etc/sudoers.d/$NODE_USER"
	run_jdiag -s 0 heapdump web -n shop --ssh-user "$NODE_USER" --to "$RIG_RUN/out/sudo.hprof"
	dump_is_good "$output" live
	rm "$RIG_RUN"/out/sudo.hprof*
}

@test "no root at all: --sudo never" {
	user_up
	dump 6 --ssh-user "$NODE_USER" --sudo never
	tells "the helper has to be root on the node, and '$NODE_USER' is not"
	tells "use sudo (--sudo auto), or log in as root: --ssh-user root"
}

@test "an account that may not run commands" {
	user_up
	usermod -s /usr/sbin/nologin "$NODE_USER"
	dump 6 --ssh-user "$NODE_USER"
	tells "node '$NODE': "
	tells "This account is currently not available"
}

@test "node without the container: the pod has moved" {
	kube_state pod shop/moved --node "$NODE" --container "app=$(printf 'ab%.0s' {1..32})"
	refuses 3 heapdump moved -n shop
	tells "container 'app' of pod 'moved' is not on node '$NODE'"
	tells "has the pod moved or restarted? run the command again"
}

@test "no such process, no such container behind ssh://" {
	pid=$(bash -c 'echo $$')
	refuses 3 heapdump "ssh://root@127.0.0.1:$PORT" --pid "$pid"
	tells "process '$pid' has ended"
	tells "list the JVMs there: jdiag ps ssh://127.0.0.1:$PORT"
	refuses 3 heapdump "ssh://root@127.0.0.1:$PORT" --pid $$
	tells "process '$$' is not a JVM"
	refuses 3 heapdump "ssh://root@127.0.0.1:$PORT" --container "$(printf 'cd%.0s' {1..32})"
	tells "on '127.0.0.1'"
	tells "list the JVMs there: jdiag ps ssh://127.0.0.1:$PORT"
	refuses 2 heapdump "ssh://root@127.0.0.1:$PORT"
	tells "which JVM on '127.0.0.1'?"
	tells "jdiag ps ssh://127.0.0.1 lists them"
}
