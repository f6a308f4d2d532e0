# A real Prometheus, on a free port of loopback, with data of its own below $RIG_RUN. Source it; bash.
#
#	prometheus_start CONFIG    with that file; its address is $PROMETHEUS
#	prometheus_stop
#	scraped JOB                its targets of a job, as it sees them: "HEALTH URL NAME=VALUE,...", sorted
#	answer_of EXPRESSION       what a query gives: "VALUE NAME=VALUE,...", sorted
#	pod_network NAME           container NAME can be reached from here, at $POD_IP

prometheus_start() {
	local dir=$RIG_RUN/prometheus
	mkdir -p "$dir"
	# Nothing of the caller's environment is its business; it takes a port that is free.
	env -i PATH="$PATH" HOME="$dir" GOMAXPROCS=2 prometheus --config.file="$1" --storage.tsdb.path="$dir/data" \
		--web.listen-address=127.0.0.1:0 >"$dir/log" 2>&1 3>&- </dev/null &
	echo $! >"$dir/pid"
	wait_for 60 prometheus_listens "$dir/pid" || { cat "$dir/log" >&2 && return 1; }
	PROMETHEUS=$(prometheus_address "$dir/pid")
	wait_for 60 curl -fsS -o /dev/null "http://$PROMETHEUS/-/ready"
}

prometheus_address() { ss -Hltnp | awk -v pid="pid=$(<"$1")," 'index($0, pid) {print $4}'; }
prometheus_listens() { [[ $(prometheus_address "$1") == 127.0.0.1:* ]]; }
prometheus_stop() { server_stop prometheus; }

scraped() {
	curl -fsS "http://$PROMETHEUS/api/v1/targets?state=active" | python3 -c '
import json, sys
for target in json.load(sys.stdin)["data"]["activeTargets"]:
    labels = {name: value for name, value in target["labels"].items() if name not in ("job", "instance")}
    if target["scrapePool"] == sys.argv[1]:
        print(target["health"], target["scrapeUrl"], ",".join("%s=%s" % pair for pair in sorted(labels.items())))
' "$1" | sort
}

answer_of() {
	curl -fsS --get --data-urlencode "query=$1" "http://$PROMETHEUS/api/v1/query" | python3 -c '
import json, sys
for result in json.load(sys.stdin)["data"]["result"]:
    labels = {name: value for name, value in result["metric"].items() if name not in ("job", "instance")}
    print(result["value"][1], ",".join("%s=%s" % pair for pair in sorted(labels.items())))
' | sort
}

# pod_network NAME: a link from here into the network of container NAME, which goes with it; $POD_IP.
pod_network() {
	local pid n
	pid=$(container pid "$1")
	# The network is the machine's: other tests may have made such links, too.
	for _ in $(seq 50); do
		n=$((RANDOM % 16384))
		if ip link add "jdrig$n" type veth peer name eth0 netns "$pid" 2>/dev/null; then break; fi
		n=
	done
	[[ -n $n ]] || return 1
	POD_IP=198.18.$((n / 64)).$((n % 64 * 4 + 2))
	ip addr add "198.18.$((n / 64)).$((n % 64 * 4 + 1))/30" dev "jdrig$n"
	ip link set "jdrig$n" up
	nsenter -t "$pid" -n ip addr add "$POD_IP/30" dev eth0
	nsenter -t "$pid" -n ip link set eth0 up
}
