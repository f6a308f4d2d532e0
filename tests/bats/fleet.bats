# Several targets: deployments, selectors, words. Nodes are addresses of 127/8, of one sshd.
load lib

HASH=5d9f

setup_file() {
	rig_up
	# one more address for each node
	sshd_stop "$RIG_RUN/ssh"
	sshd_start "$RIG_RUN/ssh" "ListenAddress 127.0.0.2" "ListenAddress 127.0.0.3" "ListenAddress 127.0.0.4" \
		"ListenAddress 127.0.0.5"
	know_hosts 2 3 4
	wrong_host_key 5
	local i
	for i in 1 2 3 4 5; do kube_state node "n$i" --address "127.0.0.$i"; done
	kube_state node dead --address 127.0.0.66   # nobody listens
	kube_state node silent --address 127.0.0.67 # somebody listens, and says nothing
	kube_state workload deployments/shop/web --select tier=java --select-in 'app=web-0,web-1,web-2,other'
	replica_up web-0 1
	replica_up web-1 2 --pod-created=2026-01-01T00:00:00Z
	replica_up web-2 2
	pod_up bad --java -XX:+DisableAttachMechanism --pod-node=n3 --pod-host-ip=127.0.0.3
	# it matches, but another made it; and one that has not begun
	ghost other --node n3 --label app=other --label tier=java --owner "ReplicaSet/more-web-$HASH/u2"
	ghost late --phase Pending --label app=web-0 --label tier=java
}
teardown_file() { rig_down; }

setup() { rm -rf "$RIG_RUN/out/to" && mkdir -p "$RIG_RUN/out/to"; }

teardown() {
	local name
	[[ ! -f $RIG_RUN/job ]] || kill -KILL "$(<"$RIG_RUN/job")" 2>/dev/null || true
	rm -rf "$RIG_RUN/job" "$RIG_RUN/kube/users.json" "$RIG_RUN/home/.local"
	server_stop silent
	for name in web-0 web-1 web-2; do untouched "$name" || return 1; done
	for name in stall-0 stall-1; do
		if [[ -d $RIG_RUN/container/$name ]]; then untouched "$name" && container stop "$name"; fi
	done
}

know_hosts() {
	local n type port
	port=$(<"$RIG_RUN/ssh/port")
	for n; do
		for type in ed25519 ecdsa rsa; do
			echo "[127.0.0.$n]:$port $(cut -d' ' -f1,2 "$RIG_RUN/ssh/host_$type.pub")"
		done
	done >>"$RIG_RUN/ssh/known_hosts"
}

wrong_host_key() {
	echo "[127.0.0.$1]:$(<"$RIG_RUN/ssh/port") $(cut -d' ' -f1,2 "$RIG_RUN/ssh/client.pub")" >>"$RIG_RUN/ssh/known_hosts"
}

# replica_up NAME NODE [OPTION...]: a pod of the deployment.
replica_up() {
	local name=$1 node=$2
	shift 2
	pod_up "$name" --pod-node="n$node" --pod-host-ip="127.0.0.$node" --pod-label=tier=java \
		--pod-label="pod-template-hash=$HASH" --pod-owner="ReplicaSet/web-$HASH/u1" "$@"
}

# ghost NAME [OPTION...]: a pod at the API alone; its container is that of web-0.
ghost() {
	local name=$1
	shift
	kube_state pod "shop/$name" --container "app=$(container id web-0)" "$@"
}

logins() { grep -c '^Accepted publickey' "$RIG_RUN/ssh/sshd.log" || true; }
requests() { grep -cE "^GET $1" "$RIG_RUN/kube/requests" || true; }

# stalled: two JVMs that have begun their dumps and do not go on; jdiag waits for them, in the background.
stalled() {
	stall_up
	begin heapdump "$@" -n shop --to "$RIG_RUN/out/to/" --force
	wait_for 60 told "^jdiag: stall-0: pause$" || { cat "$RIG_RUN/out/stderr" && return 1; }
}

stall_up() {
	pod_up stall-0 --exec fakejvm --pod-node=n1 -- stall
	pod_up stall-1 --exec fakejvm --pod-node=n2 --pod-host-ip=127.0.0.2 -- stall
}

# begin ARGUMENT...: jdiag in the background; shells let background jobs ignore SIGINT: undone.
begin() {
	JDIAG_EXEC=exec jdiag_env env --default-signal=INT,QUIT,HUP,TERM "$JDIAG" "$@" >"$RIG_RUN/out/stdout" 2>"$RIG_RUN/out/stderr" \
		3>&- </dev/null &
	echo $! >"$RIG_RUN/job"
}

told() { grep -q "$1" "$RIG_RUN/out/stderr"; }

# ends STATUS: the job ends by itself.
ends() {
	local job status=0
	job=$(<"$RIG_RUN/job")
	wait_for 60 job_has_ended
	wait "$job" || status=$?
	rm -f "$RIG_RUN/job"
	cat "$RIG_RUN/out/stdout" "$RIG_RUN/out/stderr" | tee -a "$RIG_RUN/out/all"
	[[ $status == "$1" ]] || { echo "status $status instead of $1" && return 1; }
}

# json_lines EXPRESSION: each line of stdout is an object (list x); and it is true.
json_lines() {
	python3 -c 'import json, sys
x = [json.loads(line) for line in sys.argv[1].splitlines()]
assert eval("(" + sys.argv[2] + ")"), x' "$output" "$1"
}

@test "ps of a deployment: its own pods, one connection for each node" {
	before=$(logins)
	run_jdiag -s 0 ps deploy/web -n shop
	[ "${#lines[@]}" = 4 ]
	[[ ${lines[0]} == NAME*AGE ]]
	[[ ${lines[1]} == web-0* && ${lines[2]} == web-1* && ${lines[3]} == web-2* ]]
	[ "$(logins)" = $((before + 2)) ]
	tells "3 done"
}

@test "words of several kinds, each pod once" {
	run_jdiag -s 0 ps web-0 deployment.apps/web pod/web-2 -n shop -o name
	[ "$(sort <<<"$output")" = "$(printf '%s\n' web-0/1 web-1/1 web-2/1)" ]
	run_jdiag -s 0 ps node/n1 "ssh://root@127.0.0.2:$(<"$RIG_RUN/ssh/port")" -o json
	json_lines 'len([j for j in x if j["node"] == "n1"]) >= 4 and len([j for j in x if j["node"] == "127.0.0.2"]) >= 4'
	json_lines '{j.get("pod") for j in x} == {"web-0", None}' # of n1 the API knows the names
}

@test "heapdump of more than one pod: refused, and they are listed" {
	refuses 3 heapdump deploy/web -n shop --to "$RIG_RUN/out/to/"
	tells "deploy/web has 3 pods"
	tells "  web-2"
	tells "--any"
	refuses 3 heapdump -l tier=java -n shop --to "$RIG_RUN/out/to/"
	tells "the selector has 4 pods"
	refuses 2 heapdump deploy/web --all -n shop --to "$RIG_RUN/out/to/one.hprof"
	tells "3 dumps do not fit into"
	refuses 2 heapdump deploy/web --all -n shop --to -
	refuses 2 heapdump deploy/web --all -n shop --to gs://dumps/one
	refuses 3 heapdump deploy/none --all -n shop
	tells "no deployment 'none' in namespace 'shop'"
	refuses 3 ps web-0 web-7 -n shop
	tells "no pod 'web-7'"
}

@test "--any: the one that kubectl exec would take" {
	run_jdiag -s 0 heapdump deploy/web --any -n shop --to "$RIG_RUN/out/to/"
	[[ ${#lines[@]} == 1 && $output == */shop_web-1_app-* ]]
	dump_is_good "$output" live
}

@test "--all: every dump, with its own name and record" {
	before=$(logins)
	run_jdiag -s 0 heapdump deploy/web --all -n shop --to "$RIG_RUN/out/to/" --format hprof
	[ "${#lines[@]}" = 3 ]
	[ "$(logins)" = $((before + 2)) ]
	for name in web-0 web-1 web-2; do
		says "/shop_${name}_app-0_"
		tells "jdiag: $name: "
	done
	for line in "${lines[@]}"; do manifest_agrees "$line" && dump_is_good "$line" live; done
	tells "3 done"
	[ -z "$(ls -A "$RIG_RUN/home/.local/state/jdiag/captures" 2>/dev/null)" ]
}

@test "to a bucket, and one bad pod among good ones" {
	run_jdiag -s 7 heapdump web-0 bad web-2 -n shop --to gs://dumps/many/ -o json
	json_lines 'sorted(j["kind"] for j in x) == ["Failure", "HeapDump", "HeapDump"]'
	json_lines 'sorted(j["target"]["pod"] for j in x if j["kind"] == "HeapDump") == ["web-0", "web-2"]'
	json_lines '[(j["pod"], j["namespace"], j["node"], j["code"], j["reason"]) for j in x if j["kind"] == "Failure"]
		== [("bad", "shop", "n3", 7, "attach")]'
	tells "jdiag: bad: the JVM"
	tells "jdiag: 2 done, 1 failed"
}

@test "a dry run shows each plan" {
	run_jdiag -s 0 heapdump web-0 web-1 -n shop --to "$RIG_RUN/out/to/" --dry-run -o json
	json_lines 'len(x) == 2'
	[ -z "$(ls -A "$RIG_RUN/out/to")" ]
}

@test "on a terminal: one question for all" {
	run jdiag_env "$RIG/pty_run.py" --prompt '[y/N] ' --type n -- "$JDIAG" heapdump web-0 web-1 -n shop --to "$RIG_RUN/out/to/"
	[ "$status" = 130 ]
	[[ $output == *"jdiag: web-0 on node n1"*"jdiag: web-1 on node n2"*"Take these 2 dumps?"*"not confirmed"* ]]
	run jdiag_env "$RIG/pty_run.py" --prompt '[y/N] ' --type y -- "$JDIAG" heapdump web-0 web-1 -n shop --to "$RIG_RUN/out/to/"
	[ "$status" = 0 ]
	[ "$(find "$RIG_RUN/out/to" -name '*.hprof.gz' | wc -l)" = 2 ]
}

@test "nodes that are dead, silent, or somebody else" {
	server silent "$RIG/silent_server.py" "$RIG_RUN/silent/port" "" 127.0.0.67 "$(<"$RIG_RUN/ssh/port")"
	ghost d1 --node dead --label sick=yes
	ghost d2 --node dead --label sick=yes
	ghost s1 --node silent --label sick=yes
	ghost k1 --node n5 --label sick=yes
	kube_state pod shop/fine --node n4 --container "app=$(container id web-2)" --label sick=yes
	run_jdiag -s 5 ps -l sick=yes -n shop -o json
	json_lines '[j["pod"] for j in x if j["kind"] == "JVM"] == ["fine"]'
	json_lines 'x[-1]["pod"] == "s1"' # nobody has waited for it
	json_lines 'all(j["code"] == 5 for j in x if j["kind"] == "Failure")'
	tells "jdiag: d1,d2: cannot connect to '127.0.0.66'"
	tells "jdiag: k1: the host key"
	tells "jdiag: 1 done, 4 failed"
	run_jdiag -s 1 heapdump d1 bad -n shop --to "$RIG_RUN/out/to/" # 5 and 7
	for name in d1 d2 s1 k1 fine; do kube_state remove "shop/$name"; done
}

@test "three logins that are refused are enough" {
	local before port start tried word words=(node/n1 node/n2 node/n3 node/n4)
	port=$(<"$RIG_RUN/ssh/port")
	for word in 1 2 3 4; do words+=("ssh://127.0.0.$word:$port"); done
	JDIAG_EXTRA_ENV=(JDIAG_SSH_USER=nobody-here)
	# Two seconds later others are tried, too, and so long a busy machine may take: it has to be faster once.
	for _ in {1..5}; do
		before=$(refused_logins)
		start=${EPOCHREALTIME/[.,]/}
		refuses 5 ps "${words[@]}"
		tried=$(($(refused_logins) - before))
		[[ $tried != 3 ]] || break
		((${EPOCHREALTIME/[.,]/} - start >= 2000000))
	done
	three_were_enough
	# one after the other, however long it takes
	before=$(refused_logins)
	refuses 5 ps "${words[@]}" --connections 1
	tried=$(($(refused_logins) - before))
	three_were_enough
}

refused_logins() { grep -oE 'Invalid user nobody-here from .*' "$RIG_RUN/ssh/sshd.log" | sort -u | wc -l; }

three_were_enough() {
	tells "3 logins were refused: no other node is connected to"
	tells "not begun: 3 logins were refused before"
	tells "0 done, 8 failed"
	[ "$tried" = 3 ]
}

@test "forty pods on four nodes: one list, four nodes, four connections" {
	local i id before
	id=$(container id web-0)
	for ((i = 0; i < 40; i++)); do
		echo "pod shop/many-$i --container app=$id --node n$((i % 4 + 1)) --label many=yes"
	done | kube_state each
	before=$(logins)
	: >"$RIG_RUN/kube/requests"
	run_jdiag -s 0 ps -l many=yes -n shop -o name
	[ "${#lines[@]}" = 40 ]
	[ "$(sort -u <<<"$output" | wc -l)" = 40 ]
	[ "$(logins)" = $((before + 4)) ]
	[ "$(requests '/api/v1/namespaces/shop/pods\?')" = 1 ]
	[ "$(requests '')" = 5 ]
	for ((i = 0; i < 40; i++)); do echo "remove shop/many-$i"; done | kube_state each
}

@test "many nodes: one list, or one by one where that is not allowed" {
	local i id
	id=$(container id web-0)
	for ((i = 0; i < 9; i++)); do
		echo "node m$i --address 127.0.0.$((i % 4 + 1))"
		echo "pod shop/wide-$i --container app=$id --node m$i --label wide=yes"
	done | kube_state each
	: >"$RIG_RUN/kube/requests"
	run_jdiag -s 0 ps -l wide=yes -n shop -o name --connections 4 --jobs 2
	[ "${#lines[@]}" = 9 ]
	[ "$(requests '')" = 2 ]
	printf '{"%s": {"name": "limited", "deny": ["list nodes"]}}\n' "$CANARY_TOKEN" >"$RIG_RUN/kube/users.json"
	: >"$RIG_RUN/kube/requests"
	run_jdiag -s 0 ps -l wide=yes -n shop -o name
	[ "${#lines[@]}" = 9 ]
	[ "$(requests '/api/v1/nodes/m')" = 9 ]
	for ((i = 0; i < 9; i++)); do echo "remove shop/wide-$i"; done | kube_state each
}

@test "without permission to read deployments: what it takes" {
	printf '{"%s": {"name": "limited", "deny": ["get deployments"]}}\n' "$CANARY_TOKEN" >"$RIG_RUN/kube/users.json"
	refuses 4 ps deploy/web -n shop
	tells 'apiGroups ["apps"], resources ["deployments"], verbs ["get"]'
}

@test "Ctrl-C in the middle: each cleans up" {
	stalled stall-0 stall-1
	wait_for 60 told "^jdiag: stall-1: pause$"
	kill -INT "$(<"$RIG_RUN/job")"
	ends 130
	told "jdiag: stall-[01],stall-[01]: interrupted"
	told "jdiag: interrupted: 0 done, 2 not"
	nothing_kept
}

nothing_kept() {
	[ -z "$(ls -A "$RIG_RUN/out/to")" ]
	[ -z "$(ls -A "$RIG_RUN/home/.local/state/jdiag/captures")" ]
	run_jdiag -s 0 spool node/n1 -o name
	[ -z "$output" ]
}

@test "--timeout ends the rest, what is done is done" {
	local seconds
	for seconds in 15 50; do # a busy machine may not have done the other one yet
		stall_up
		JDIAG_TIMEOUT=90 run_jdiag -s 130 heapdump stall-0 web-2 -n shop --to "$RIG_RUN/out/to/" --force --timeout "${seconds}s"
		[[ -z $output ]] || break
		container stop stall-0
		container stop stall-1
	done
	[[ ${#lines[@]} == 1 && $output == */shop_web-2_* ]]
	tells "timed out: the time given by --timeout has passed: 1 done, 1 not"
}

@test "a worker that is killed is an error of its own targets" {
	pod_up deaf --exec fakejvm --pod-node=n1 -- silent
	begin heapdump deaf web-2 -n shop --to "$RIG_RUN/out/to/"
	wait_for 60 told "^jdiag: deaf: inspect$"
	# The first one is that of the first word. It waits for 15 s only, so not until the other one has ended.
	kill -KILL "$(pgrep -P "$(<"$RIG_RUN/job")" | sort -n | head -n 1)"
	ends 1
	told "jdiag: deaf: its worker was killed by signal 9"
	told "jdiag: 1 done, 1 failed"
	untouched deaf
	container stop deaf
}

@test "jdiag itself is killed: the workers end, and clean up" {
	local worker workers
	stalled stall-0 stall-1
	wait_for 60 told "^jdiag: stall-1: pause$"
	workers=$(pgrep -P "$(<"$RIG_RUN/job")")
	kill -KILL "$(<"$RIG_RUN/job")"
	for worker in $workers; do wait_for 40 bash -c "! kill -0 $worker 2>/dev/null"; done
	rm -f "$RIG_RUN/job"
	nothing_kept
}

@test "JSON progress: who says what, one summary" {
	run_jdiag -s 0 heapdump web-0 web-1 -n shop --to "$RIG_RUN/out/to/" --progress json
	python3 -c 'import json, sys
x = [json.loads(line) for line in sys.argv[1].splitlines()]
assert {"web-0", "web-1"} == {m["target"] for m in x if m["message_type"] == "progress"}, x
assert [m["message_type"] for m in x].count("summary") == 1 and x[-1]["message_type"] == "summary", x[-1]
assert [m for m in x if m["message_type"] == "targets"], x' "$stderr"
}
