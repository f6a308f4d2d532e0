# For tests that drive the uploader of tests/tools/sink-probe against the rig's bucket server. Needs RIG,
# TOOLS, DIR and, of the server in use, HERE (its directory) and URL.

wait_for() {
	local end=$((SECONDS + 40))
	until "$@"; do
		((SECONDS < end)) || return 1
		sleep 0.05
	done
}

# server NAME OPTION...: a bucket server of that name.
server() {
	local name=$1
	shift
	mkdir "$DIR/$name"
	"$RIG/gcs_server.py" "$DIR/$name" --bucket dumps "$@" >"$DIR/$name.log" 2>&1 3>&- </dev/null &
	echo $! >"$DIR/$name.pid"
	wait_for test -s "$DIR/$name/port" || { cat "$DIR/$name.log" && return 1; }
}

stop_servers() {
	local file pid
	for file in "$DIR"/*.pid; do
		pid=$(<"$file")
		kill "$pid"
		wait_for bash -c "! kill -0 $pid 2>/dev/null"
	done
}

control() {
	local what=$1
	shift
	curl -sS --noproxy '*' "$@" "$URL/control/$what"
}

faults() { printf '%s' "$1" | control faults -d @- >/dev/null; }

says() { [[ $output == *"$1"* ]] || { echo "does not say: $1" && return 1; }; }

# good SIZE [NAME]: the object is there and holds the pattern.
good() {
	"$TOOLS/sink-probe" -p "$1" | cmp - "$HERE/objects/dumps/d%2F${2:-probe.hprof}"
}

# nothing: neither object nor session is left.
nothing() {
	[[ -z $(find "$HERE/objects" -type f) ]] && [[ $(control sessions) == '[]' ]] &&
		[[ -z $(ls "$HERE/sessions") ]]
}

# asked JQ-LIKE: a Python expression over the list `log` of requests holds.
asked() {
	control log | python3 -c "
import json, sys
log = json.load(sys.stdin)
of = lambda kind: [e for e in log if e.get('kind') == kind]
if not ($1):
    print(*log, sep='\n')
    sys.exit('does not hold: ' + sys.argv[1])
" "$1"
}
