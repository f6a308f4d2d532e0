# What the test files of exporters share.

# Several pods of a node are worked on one after the other.
JDIAG_TIMEOUT=110

# For a teardown: all containers, whose JVMs have to be at work still; the API has no faults any more.
stop_working() {
	local dir
	rm -f "$RIG_RUN/kube/faults.json"
	for dir in "$RIG_RUN"/container/*; do
		[[ -d $dir ]] || continue
		container working "${dir##*/}" || return 1
		container stop "${dir##*/}"
	done
}

# An exporter's jar, by its version.
jar() { "$RIG/exporter.sh" "$1"; }

# inject [-s STATUS] ARGUMENT...: in namespace shop, with the newest exporter.
inject() {
	local expect=0
	if [[ $1 == -s ]]; then
		expect=$2
		shift 2
	fi
	run_jdiag -s "$expect" exporter inject -n shop --jar "${JAR:-$(jar 1.0.1)}" "$@"
}

# json_lines EXPRESSION: each line of stdout is an object (list x); and it is true.
json_lines() {
	python3 -c 'import json, sys
x = [json.loads(line) for line in sys.argv[1].splitlines()]
assert eval("(" + sys.argv[2] + ")"), x' "$output" "$1"
}

# annotation POD KEY: of a pod at the API; nothing when it has none.
annotation() { kube_state annotations "shop/$1" "$2" || true; }

not_annotated() {
	[[ -z $(annotation "$1" prometheus.io/port)$(annotation "$1" exporter.jdiag.dev/app) ]] ||
		{ echo "$1 is annotated" && return 1; }
}

# metrics CONTAINER PORT: the page, from inside.
metrics() {
	nsenter --net="/proc/$(container pid "$1")/ns/net" curl -sS --noproxy '*' --max-time 20 "http://127.0.0.1:$2/metrics"
}

# restarted POD [OPTION...]: as a kubelet does it, and tells it; the annotations stay.
restarted() {
	local name=$1
	shift
	container restart "$name"
	kube_state restart "shop/$name" app --id "$(container id "$name")" "$@"
}

# config NAME [LINE...]: a file of that name; prints its path.
config() {
	local file=$RIG_RUN/out/$1
	shift
	printf '%s\n' "$@" >"$file"
	echo "$file"
}

# files POD: what jdiag has placed in the container.
files() { find "/proc/$(container pid "$1")/root/tmp/.jdiag-agents" -type f -printf '%f\n' 2>/dev/null | sort; }

# no_agent POD: nothing was loaded, placed or annotated; the JVM works.
no_agent() {
	not_annotated "$1" || return 1
	[[ -z $(files "$1") ]] || { echo "files are left in $1" && return 1; }
	container working "$1" || { echo "the JVM of $1 does not work any more" && return 1; }
}

# two_up: a pod whose container has two JVMs.
two_up() {
	pod_up two -- spawn=1
	wait_for 40 grep -q '^child ready' "$(container log two)"
}
