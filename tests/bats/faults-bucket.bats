# Buckets that do not answer as they should, end to end: rows S1 to S7 of the conformance tests of Google
# (retry_tests.json), with a dump on its way. The sink alone is in gcs.bats, reading (S8) in check-object.bats.
load lib
# shellcheck disable=SC2154 # what bats sets

setup_file() {
	rig_up
	pod_up web --java -Xmx200m -- fill=60
	BUCKET="http://127.0.0.1:$(<"$RIG_RUN/bucket/port")"
	export BUCKET
}
teardown_file() { rig_down; }

setup() { curl -sf "$BUCKET/control/reset" -d '' >/dev/null; }
teardown() {
	[[ -n $BATS_TEST_COMPLETED ]] || { run_jdiag tidy "node/$NODE" --force || true; }
	untouched web
}

dump() { run_jdiag "$@" heapdump web -n shop --to gs://dumps/f/x.hprof "${OPTIONS[@]}"; }
OPTIONS=()

# asked KIND: how often.
asked() { curl -sf "$BUCKET/control/log" | grep -o "\"kind\": \"$1\"" | wc -l; }

# whole_once: the object is there, whole, in one generation, and nothing beside it but its manifest; no
# session is open; the JVM has stood still once.
whole_once() {
	local object
	mapfile -t object < <(find "$RIG_RUN/bucket/data/objects" -type f ! -name '*.meta' ! -name '*.manifest.json')
	[[ ${#object[@]} == 1 ]]
	grep -qF "\"sha256\": \"$(sha256sum "${object[0]}" | cut -d' ' -f1)\"" "${object[0]}.manifest.json"
	dump_is_good "${object[0]}" live
	[[ $(curl -sf "$BUCKET/control/sessions") == '[]' ]]
	[[ $(grep -c '^jdiag: attach$' <<<"${stderr:-}") == 1 ]]
}

survives() {
	bucket_faults "$1"
	dump -s 0
	whole_once
}

@test "S1, S2: 503 twice, and a reset, before the upload begins" {
	survives '[{"on": "start", "status": 503, "times": 2, "retry_after": 0}]'
	setup
	survives '[{"on": "start", "reset_at": 0}, {"on": "start", "status": 503, "retry_after": 0}]'
}

# A token that was good before (the destination was looked at) is renewed once.
@test "S5: 400, 401 before the upload begins: at once, and the JVM is not touched" {
	local code
	for code in 400 401; do
		bucket_faults '[{"on": "start", "status": '$code', "times": 9}]'
		dump -s 9
		[[ $stderr != *"jdiag: attach"* && $(asked start) -le $((code == 401 ? 2 : 1)) ]]
		setup
	done
}

@test "S6: 503, then 400: one more try, then the error" {
	bucket_faults '[{"on": "start", "status": 503, "retry_after": 0}, {"on": "start", "status": 400, "times": 9}]'
	dump -s 9
	[[ $(asked start) == 2 ]]
}

@test "S7: a reset and a 503, a 408, a 503 in the middle, while the dump goes out" {
	survives '[{"on": "final", "reset_at": 3000000}, {"on": "put", "reset_at": 300000},
		{"on": "final", "status": 503, "retry_after": 0}]'
	setup
	survives '[{"on": "final", "status": 408}, {"on": "put", "status": 408}]'
	setup
	survives '[{"on": "final", "status_at": 262144, "status": 503, "retry_after": 0},
		{"on": "put", "status_at": 262144, "status": 503, "retry_after": 0}]'
	setup
	survives '[{"on": "final", "status_at": 8388608, "status": 503, "retry_after": 0},
		{"on": "put", "status_at": 8388608, "status": 503, "retry_after": 0}, {"on": "status", "status": 408}]'
}

@test "a storm of 503" {
	survives '[{"on": "start", "status": 503, "times": 2, "retry_after": 0},
		{"on": "put", "status": 503, "times": 3, "retry_after": 0},
		{"on": "final", "status": 503, "times": 3, "retry_after": 0},
		{"on": "status", "status": 503, "times": 3, "retry_after": 0},
		{"on": "small", "status": 503, "times": 2, "retry_after": 0}]'
}

@test "the last answer is lost: the object is there once" {
	survives '[{"on": "final", "lose_answer": true}]'
	setup
	survives '[{"on": "final", "lose_answer": true}, {"on": "status", "status": 503, "retry_after": 0}]'
}

@test "the session expires half-way, with a spool: from the spool, in another session" {
	survives '[{"on": "final", "expire": 410}]'
	setup
	survives '[{"on": "put", "skip": 2, "expire": 410}]'
	setup
	survives '[{"on": "final", "expire": 404}]'
}

@test "the session expires half-way, without a spool: an error that says why, nothing is left" {
	OPTIONS=(--no-spool)
	bucket_faults '[{"on": "final", "expire": 410}]'
	dump -s 9
	tells "take the dump again, without --no-spool"
	[[ -z $(find "$RIG_RUN/bucket/data/objects" -type f) ]]
	[[ -z $(find "$RIG_RUN/home/.local" -type f) ]]
}
