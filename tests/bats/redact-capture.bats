# --redact, end to end: the secrets of tests/rig/java/Secrets.java are in no place that a capture leaves or
# goes through: artifact, manifest, spool, the memory of our processes afterwards.
load lib

NUMBERS="inherited-long field-double static-long static-double long-array int-array boxed-long"

setup_file() { rig_up; }
teardown_file() { rig_down; }

setup() {
	TO=$BATS_TEST_TMPDIR/to
	mkdir "$TO"
}
teardown() {
	curl -sf "http://127.0.0.1:$(<"$RIG_RUN/bucket/port")/control/reset" -d '' >/dev/null
	[[ -n $BATS_TEST_COMPLETED ]] || { run_jdiag tidy "node/$NODE" --force || true; }
	container stop-all
}

# secrets FILE...: the kinds that are found in them, unpacked.
secrets() {
	local file
	for file in "$@"; do
		case $(head -c 4 "$file" | od -An -tx1 | tr -d ' ') in
		1f8b*) gzip -dc "$file" ;;
		28b52ffd) zstd -dcq "$file" ;;
		*) cat "$file" ;;
		esac
	done | "$RIG/find_secrets.py" - | paste -sd ' '
}

in_memory() { "$RIG/find_in_memory.py" "$@" | paste -sd ' '; }

# redacted strings|primitives FORMAT WANT: on the node while it is kept, here, and in our memory.
redacted() {
	local id files
	run_jdiag -s 0 heapdump web -n shop --to "$TO/$1.$2" --redact "$1" --detach
	id=$output
	mapfile -t files < <(find "/var/lib/.jdiag-$id" -type f -name 'data.*' | sort -V)
	((${#files[@]} > 0))
	cat "${files[@]}" >"$TO/spool"
	[[ $(secrets "$TO/spool") == "$3" ]]
	[[ -z $(secrets "/var/lib/.jdiag-$id/state") && -z $(compgen -G "/var/lib/.jdiag-$id/raw*") ]]
	# shellcheck disable=SC2046 # a list
	[[ -n $(helper_pids) && -z $(in_memory $(helper_pids)) ]]
	run_jdiag -s 0 resume "$id"
	cmp "$TO/spool" "$TO/$1.$2"
	[[ -z $(secrets "$TO/$1.$2.manifest.json") ]]
	grep -q "\"redact\": \"$1\"" "$TO/$1.$2.manifest.json"
	run_jdiag -s 0 check "$TO/$1.$2"
	rm "$TO/spool"
	untouched web
}

# secrets_up [OPTION...]: a pod with secrets, which are in a dump that is not redacted.
secrets_up() {
	pod_up web --main Secrets "$@"
	run_jdiag -s 0 heapdump web -n shop --to "$TO/plain.hprof"
	[[ $(secrets "$TO/plain.hprof") == *field-text*static-wide*inherited-long*boxed-long* ]]
}

redacts_strings() {
	secrets_up "$@"
	redacted strings hprof.gz "$NUMBERS"
}

redacts_primitives() {
	secrets_up "$@"
	redacted primitives hprof.zst ""
	redacted primitives hprof ""
	# The independent reader: the same classes of the program, with the same counts and sizes.
	diff <("$RIG/read_dump.sh" "$TO/plain.hprof" | grep 'Secrets') \
		<("$RIG/read_dump.sh" "$TO/primitives.hprof" | grep 'Secrets')
}

@test "Java 8, whose strings are arrays of char: strings" { redacts_strings --image 8; }
@test "Java 8: primitives" { redacts_primitives --image 8; }
@test "Java 17: strings" { redacts_strings --image 17; }
@test "Java 17: primitives" { redacts_primitives --image 17; }
@test "Java 17 without compact strings: strings" { redacts_strings --image 17 --java "-Xmx64m -XX:-CompactStrings"; }
@test "Java 17 without compact strings: primitives" { redacts_primitives --image 17 --java "-Xmx64m -XX:-CompactStrings"; }
@test "Java 25, whose dump comes in segments: strings" { redacts_strings --image 25; }
@test "Java 25: primitives" { redacts_primitives --image 25; }

@test "the search in memory finds them where they are" {
	pod_up web --main Secrets
	[[ $(in_memory "$(container pid web)") == *field-text*boxed-long* ]]
}

@test "the memory of the process that sends has none, while it sends" {
	local job pids
	pod_up web --main Secrets
	bucket_faults '[{"on": "final", "hold": true}]'
	JDIAG_EXEC='' jdiag_env "$JDIAG" heapdump web -n shop --to gs://dumps/slow/ --redact primitives \
		2>"$RIG_RUN/out/stderr" 3>&- </dev/null &
	job=$!
	wait_for 60 grep -q '^jdiag: \(upload\|finish\)' "$RIG_RUN/out/stderr"
	pids=$(helper_pids)
	# shellcheck disable=SC2086 # a list
	[[ -n $pids && -z $(in_memory $pids) ]]
	bucket_faults '[]'
	wait $job
	untouched web
}
