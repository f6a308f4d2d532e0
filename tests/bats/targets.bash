# What targets.bats and prometheus.bats share: annotated pods, jdiag targets in the background. Load lib first.
# shellcheck source=tests/rig/prometheus.sh
. "$TESTS/rig/prometheus.sh"

A=$(printf 'a%.0s' {1..64})
B=$(printf 'b%.0s' {1..64})
WORK=$BATS_FILE_TMPDIR

setup() {
	KUBE=$RIG_RUN/kube
	rm -rf "$KUBE/state.json" "$KUBE/requests" "${WORK:?}/"*
	kube_state node "$NODE"
}

teardown() {
	rm -f "$KUBE/faults.json" "$KUBE/users.json"
	prometheus_stop
	server_stop page
	serving_stop
}

# mark ID RESTARTS PORT [PATH]: what jdiag exporter inject writes to a pod.
mark() {
	printf '{"v":1,"id":"%s","restarts":%s,"port":%s,"path":"%s","config":"%s","version":"1.0.1","jar":"/tmp/jmx_prometheus_javaagent-1.0.1.jar","file":"/tmp/jmx-%s.yaml","jvm":4711,"pid":1,"scraped":"2026-11-21T16:00:00Z","set":["prometheus.io/scrape","prometheus.io/port"]}' \
		"$1" "$2" "$3" "${4:-/metrics}" "$A" "$3"
}

# marked NAME PORT [OPTION...]: pod shop/NAME whose container app was injected; other options are kube_state's.
marked() {
	kube_state pod "shop/$1" --node "$NODE" --container "app=$A,restarts=2" --label app=web --pod-ip 127.0.0.1 \
		--annotation prometheus.io/scrape=true --annotation "prometheus.io/port=$2" \
		--annotation "exporter.jdiag.dev/app=$(mark "$A" 2 "$2")" "${@:3}"
}

# annotated NAME PORT [OPTION...]: one that somebody else has annotated.
annotated() {
	kube_state pod "shop/$1" --node "$NODE" --container "app=$B" --pod-ip 127.0.0.1 \
		--annotation prometheus.io/scrape=true --annotation "prometheus.io/port=$2" "${@:3}"
}

line() { printf '{"targets":["%s"],"labels":{"namespace":"shop","pod":"%s","container":"app","node":"%s","app":"web"}}' "$2" "$1" "$NODE"; }

# serving ARGUMENT...: jdiag targets that goes on, in the background; $pid. What it says is in $WORK/err.
serving() {
	JDIAG_EXEC=exec jdiag_env env --default-signal=INT,TERM "$JDIAG" targets "$@" >"$WORK/out" 2>"$WORK/err" 3>&- </dev/null &
	pid=$!
}

# serve ARGUMENT...: one with --listen; $URL.
serve() {
	serving --listen 127.0.0.1:0 "$@"
	wait_for 40 grep -qs 'serving .* on http' "$WORK/err"
	URL=$(sed -n 's|.*\(http://[^/]*\)/targets$|\1|p' "$WORK/err")
}

# stopped SIGNAL STATUS: it ends by that signal.
stopped() {
	local status=0
	kill "-$1" "$pid"
	wait "$pid" || status=$?
	unset pid
	cat "$WORK/out" "$WORK/err" >>"$RIG_RUN/out/all"
	[ "$status" = "$2" ]
}

serving_stop() {
	[[ -n ${pid:-} ]] || return 0
	kill "$pid" 2>/dev/null || true
	wait "$pid" || true
	unset pid
}

get() { curl -sS --max-time 20 -o "$WORK/body" -w '%{http_code}' "$URL$1"; }
answers() { [ "$(get "$1")" = "$2" ]; }
# value NAME: of a metric of its own.
value() { curl -fsS "$URL/metrics" | awk -v name="$1" '$1 == name {print $2}'; }
serves() { curl -fsS "$URL/targets" | grep -qF "$1"; }
serves_not() { ! serves "$1"; }
# json EXPRESSION: of d, the text on stdin.
json() { python3 -c 'import json, sys; d = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"; }
has() { grep -qsF -e "$2" "$1"; }
has_not() { ! has "$1" "$2"; }
