# A scrape through the network namespace of a pod, over a real sshd, of servers of every kind.
load lib.bash

setup_file() {
	RIG_RUN=$(mktemp -d "${TMPDIR:-/tmp}/jdiag-scrape.XXXXXX")
	export RIG_RUN
	mkdir -m 700 "$RIG_RUN/home" "$RIG_RUN/xdg"
	sshd_start "$RIG_RUN/ssh"
}

teardown_file() {
	sshd_stop "$RIG_RUN/ssh"
	rm -rf "$RIG_RUN"
}

setup() {
	JUMP=()
}

teardown() {
	pod_end
	wait_for 20 no_ways || { find_ways && return 1; }
}

# pod MODE: sets PID and PORT.
pod() {
	pod_end
	coproc POD { exec unshare --net sh -c 'ip link set lo up; exec "$@"' sh \
		python3 "$TESTS/pipe/pod.py" "$@" 3>&-; }
	local ready
	read -r -t 20 ready PORT PID <&"${POD[0]}"
	[[ $ready == ready ]]
}

pod_end() {
	[[ -n ${POD_PID:-} ]] || return 0
	local pid=$POD_PID
	eval "exec ${POD[1]}>&-"
	wait "$pid" || true
}

# scrape STATUS [WAIT_MS [TIMES]]: of the pod
scrape() {
	local want=$1
	run --separate-stderr env -u SSH_AUTH_SOCK HOME="$RIG_RUN/home" XDG_RUNTIME_DIR="$RIG_RUN/xdg" \
		timeout -k 5 60 "$JDIAG_BUILD/tools/scrape-probe" -p "$(<"$RIG_RUN/ssh/port")" -l root \
		-i "$RIG_RUN/ssh/client" -k "$RIG_RUN/ssh/known_hosts" -b "$BACKEND" "${JUMP[@]}" \
		127.0.0.1 "$PID" "$PORT" /metrics "${2:-0}" "${3:-1}"
	printf 'status: %s\nstdout: %s\nstderr: %s\n' "$status" "${output:0:2000}" "$stderr"
	[[ $status == "$want" ]]
}

@test "a page of metrics, again and again" {
	pod metrics
	scrape 0 0 20
	says "survey: listens 1, self 1"
	[[ $(grep -c "scrape: 2 families, 2 samples, 59 bytes from 127.0.0.1;" <<<"$output") == 20 ]]
	# nothing waits for a look around now and then: that would be 200 ms each; one or the other may wait for a CPU
	local median
	median=$(sed -n 's/^scrape: .*; \([0-9]*\) of .*/\1/p' <<<"$output" | sort -n | sed -n 10p)
	((median < 100))
}

@test "OpenMetrics, because it is asked for as Prometheus does" {
	pod openmetrics
	scrape 0
	says "1 families, 1 samples"
}

@test "a large page" {
	pod large
	scrape 0
	says "1 families, 100000 samples"
}

@test "through a jump host" {
	local known=$RIG_RUN/ssh/known_hosts
	sed 's/127\.0\.0\.1/localhost/' "$known" >"$BATS_TEST_TMPDIR/known"
	cat "$BATS_TEST_TMPDIR/known" >>"$known"
	JUMP=(-J "root@localhost:$(<"$RIG_RUN/ssh/port")")
	pod large
	scrape 0 0 2
	says "1 families, 100000 samples"
}

@test "a server that comes up late" {
	pod late
	scrape 0 20000
	says "2 samples"
}

@test "a server on an address of the pod only" {
	pod interface-metrics
	scrape 0
	says "2 samples, 59 bytes from 10.1.2.3"
}

@test "nothing listens" {
	pod nobody
	scrape 1 300
	says "listens 0, self 0"
	tells "Connection refused (errno 111)"
}

@test "1 GiB" {
	pod gigabyte
	scrape 1
	tells "larger than 16777216 bytes (errno 27)"
}

@test "headers without end" {
	pod headers
	scrape 1
	tells "(errno 27)"
}

@test "what is no page of metrics" {
	pod html
	scrape 1
	tells "is not for Prometheus: line 1"
	tells "(errno 71)"
	pod garbage
	scrape 1
	tells "does not speak HTTP (errno 71)"
}

@test "a server that closes, or resets" {
	pod close
	scrape 1
	tells "(errno 104)"
	# it may come before what it said has been read
	pod reset
	scrape 1
	tells "(errno 71)" || tells "(errno 104)"
}

# Fifteen seconds each: one with this back end, one with the other.

hangs() {
	pod hang
	scrape 1
	[[ $stderr =~ "no answer from 'http://127.0.0.1:$PORT/metrics' after "([0-9]+) ]]
	((BASH_REMATCH[1] >= 15 && BASH_REMATCH[1] < 30)) # by a clock, on a busy machine
	tells "(errno 110)"
}

drips() {
	pod drip
	scrape 1
	tells "(errno 110)"
}

@test "a server that hangs, or never comes to its end" {
	lib hangs
	ossh drips
}
