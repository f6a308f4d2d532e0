# A real sshd on a free port of 127.0.0.1, with its own host keys, for tests and the demo.
# Source it; bash. Everything lies below the directory that is given; nothing of ~/.ssh is touched.
#
#	sshd_start DIR [LINE...]   start; the lines are added to its configuration
#	sshd_stop DIR              end it, with the sessions below it
#	sshd_authorize DIR PUB...  let these public keys in, whoever the user is
#	sshd_known DIR             write DIR/known_hosts with the host keys in use
#	sshd_log DIR               what it said
#	agent_start SOCKET [KEY...]   an ssh-agent with these keys; sets AGENT_PID
#
# sshd_start leaves DIR/port, DIR/pid, DIR/host_{ed25519,ecdsa,rsa}, DIR/client (an ed25519 key that
# is let in), DIR/known_hosts, and sets SSHD_PORT. SSHD_HOST_KEYS chooses: "ed25519 ecdsa rsa".
# SSHD_UNDER is a command to run sshd under, as in "unshare -m"; it has to exec it.

sshd_keys() {
	local dir=$1 type
	for type in ed25519 ecdsa rsa; do
		[[ -f $dir/host_$type ]] || ssh-keygen -q -t "$type" -N '' -C "host $type" -f "$dir/host_$type"
	done
	[[ -f $dir/client ]] || ssh-keygen -q -t ed25519 -N '' -C client -f "$dir/client"
}

sshd_config() {
	local dir=$1 port=$2 type
	shift 2
	# the first value of a keyword wins: the caller's lines come first
	(($# == 0)) || printf '%s\n' "$@"
	cat <<-END
		Port $port
		ListenAddress 127.0.0.1
		PidFile $dir/sshd.pid
		AuthorizedKeysFile $dir/authorized_keys
		StrictModes no
		UsePAM yes
		PermitRootLogin prohibit-password
		PasswordAuthentication no
		KbdInteractiveAuthentication no
		PrintMotd no
		PrintLastLog no
		MaxStartups 200
		MaxSessions 100
		UseDNS no
	END
	for type in ${SSHD_HOST_KEYS:-ed25519 ecdsa rsa}; do
		echo "HostKey $dir/host_$type"
	done
}

sshd_authorize() {
	local dir=$1
	shift
	cat "$@" >>"$dir/authorized_keys"
}

sshd_known() {
	local dir=$1 type
	for type in ${SSHD_HOST_KEYS:-ed25519 ecdsa rsa}; do
		echo "[127.0.0.1]:$(<"$dir/port") $(cut -d' ' -f1,2 "$dir/host_$type.pub")"
	done >"$dir/known_hosts"
	chmod 600 "$dir/known_hosts"
}

sshd_log() {
	cat "$1/sshd.log"
}

# On each of its addresses: it does not mind that one of them is taken.
sshd_listens() {
	[[ $(grep -c '^Server listening' "$1/sshd.log") == $(grep -c '^ListenAddress' "$1/sshd_config") ]]
}

# Start on this port; fails when the port is taken.
sshd_try_port() {
	local dir=$1 port=$2 i
	shift 2
	sshd_config "$dir" "$port" "$@" >"$dir/sshd_config"
	# descriptors of bats must not live on in it
	# shellcheck disable=SC2086
	setsid ${SSHD_UNDER:-} /usr/sbin/sshd -f "$dir/sshd_config" -D -e </dev/null >"$dir/sshd.log" 2>&1 3>&- 4>&- &
	echo $! >"$dir/pid"
	for ((i = 0; i < 100; i++)); do
		sshd_listens "$dir" && return 0
		kill -0 "$(<"$dir/pid")" 2>/dev/null || return 1
		sleep 0.05
	done
	sshd_stop "$dir"
	return 1
}

sshd_start() {
	local dir i
	dir=$(realpath "$1")
	shift
	mkdir -p "$dir" /run/sshd
	sshd_keys "$dir"
	[[ -f $dir/authorized_keys ]] || sshd_authorize "$dir" "$dir/client.pub"
	for ((i = 0; i < 20; i++)); do
		SSHD_PORT=$((10000 + (RANDOM * 32768 + RANDOM) % 20000)) # below the ephemeral ports
		if sshd_try_port "$dir" "$SSHD_PORT" "$@"; then
			echo "$SSHD_PORT" >"$dir/port"
			sshd_known "$dir"
			return 0
		fi
	done
	echo "sshd does not start:" >&2
	cat "$dir/sshd.log" >&2
	return 1
}

# setsid made it the leader of a group of its own; each login is a child of it.
sshd_stop() {
	local pid i
	[[ -f $1/pid ]] || return 0
	pid=$(<"$1/pid")
	pkill -TERM -P "$pid" || true
	kill "$pid" 2>/dev/null || true
	for ((i = 0; i < 100; i++)); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.05
	done
	rm -f "$1/pid"
}

# Its socket is there before it listens.
agent_answers() {
	local status=0
	SSH_AUTH_SOCK=$1 ssh-add -l >/dev/null 2>&1 || status=$?
	((status < 2))
}

agent_start() {
	local socket=$1
	shift
	ssh-agent -D -a "$socket" >/dev/null 2>&1 3>&- &
	# shellcheck disable=SC2034 # for the tests
	AGENT_PID=$!
	wait_for 20 agent_answers "$socket"
	(($# == 0)) || SSH_AUTH_SOCK=$socket ssh-add -q "$@"
}
