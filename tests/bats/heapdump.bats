# jdiag heapdump, end to end: pod name, API, sshd, helper, container, JVM, artifact.
load lib

setup_file() { rig_up; }
teardown_file() { rig_down; }
teardown() { container stop-all; }

dump_to_file() {
	local version=$1
	shift
	pod_up web --image "$version" "$@"
	run_jdiag -s 0 heapdump web -n shop --to "$RIG_RUN/out/$version.hprof"
	[ "$output" = "$RIG_RUN/out/$version.hprof" ]
	[ "$(stat -c %a "$output")" = 600 ]
	manifest_agrees "$output"
	dump_is_good "$output" live
	rm "$output" "$output.manifest.json"
	untouched web
}

@test "Java 8 to a file" { dump_to_file 8; }
@test "Java 11 to a file" { dump_to_file 11; }
@test "Java 17 to a file" { dump_to_file 17; }
@test "Java 21 to a file" { dump_to_file 21; }
@test "Java 25 to a file" { dump_to_file 25; }
@test "Java 26 to a file" { dump_to_file 26; }
@test "a jlinked image without a shell, read-only root, no capability, no writable /tmp" {
	dump_to_file jlink --read-only --tmp image
}
@test "root in the container" { dump_to_file 17 --user 0 --caps default; }
@test "a uid without a name" { dump_to_file 21 --user random; }
@test "a user namespace" { dump_to_file 17 --userns --read-only; }
@test "a JVM with -Xrs" { dump_to_file 17 --java -Xrs; }

@test "every format opens, and holds the same objects" {
	local format
	pod_up web
	for format in hprof hprof.gz hprof.zst; do
		run_jdiag -s 0 heapdump web -n shop --to "$RIG_RUN/out/f.$format"
		manifest_agrees "$output"
		dump_is_good "$output" live
	done
	untouched web
}

@test "to a directory: the name says where it comes from" {
	pod_up web
	mkdir "$RIG_RUN/out/dir"
	run_jdiag -s 0 heapdump web -n shop --to "$RIG_RUN/out/dir/"
	[[ $output =~ /out/dir/shop_web_app-0_[0-9]{8}T[0-9]{6}Z_1\.hprof\.gz$ ]]
	[ "$(find "$RIG_RUN/out/dir" -type f | wc -l)" = 2 ]
	manifest_agrees "$output"
	dump_is_good "$output" live
}

@test "without --to: into the working directory" {
	pod_up web
	mkdir "$RIG_RUN/out/cwd"
	cd "$RIG_RUN/out/cwd"
	run_jdiag -s 0 heapdump web -n shop
	[ "$(dirname "$output")" = "$PWD" ]
	dump_is_good "$output" live
}

@test "to stdout: nothing but the dump" {
	pod_up web
	jdiag_env "$JDIAG" heapdump web -n shop --to - >"$RIG_RUN/out/stdout.hprof"
	dump_is_good "$RIG_RUN/out/stdout.hprof" live
	untouched web
}

# The object that was put into the bucket, as the server keeps it.
only_object() { find "$RIG_RUN/bucket/data/objects/$1" -type f -name "*$2" -not -name '*.meta'; }

@test "to a bucket, with metadata and a manifest" {
	pod_up web
	run_jdiag -s 0 heapdump web -n shop --to gs://dumps/incident/
	[[ $output =~ ^gs://dumps/incident/shop_web_app-0_[0-9TZ]*_1\.hprof\.gz$ ]]
	object=$(only_object dumps .hprof.gz)
	dump_is_good "$object" live
	grep -q '"jdiag-pod": "web"' "$object.meta"
	[ -n "$(only_object dumps .hprof.gz.manifest.json)" ]
	untouched web
}

@test "an object of that name is there already: never overwritten" {
	pod_up web
	run_jdiag -s 0 heapdump web -n shop --to gs://dumps/fixed.hprof
	before=$(sha256sum <"$RIG_RUN/bucket/data/objects/dumps/fixed.hprof")
	refuses 9 heapdump web -n shop --to gs://dumps/fixed.hprof
	[ "$before" = "$(sha256sum <"$RIG_RUN/bucket/data/objects/dumps/fixed.hprof")" ]
	untouched web
}

@test "a file of that name is there already: never overwritten" {
	pod_up web
	echo mine >"$RIG_RUN/out/mine.hprof"
	refuses 2 heapdump web -n shop --to "$RIG_RUN/out/mine.hprof"
	[ "$(cat "$RIG_RUN/out/mine.hprof")" = mine ]
	untouched web
}

@test "--all-objects: garbage too" {
	pod_up web
	run_jdiag -s 0 heapdump web -n shop --all-objects --to "$RIG_RUN/out/all.hprof"
	dump_is_good "$output" all
}

@test "-o json: one object on stdout" {
	pod_up web
	run_jdiag -s 0 heapdump web -n shop -o json --to "$RIG_RUN/out/json.hprof"
	python3 - "$output" "$RIG_RUN/out/json.hprof" <<'END'
import json, os, sys
got = json.loads(sys.argv[1])
assert got["apiVersion"] == "jdiag/v1" and got["kind"] == "HeapDump", got
assert got["size"] == os.path.getsize(sys.argv[2]), got
assert got["target"]["pod"] == "web" and got["jvm"]["main"] == "Checkout", got
END
}

@test "-q: nothing on stderr" {
	pod_up web
	run_jdiag -s 0 heapdump web -n shop -q --to "$RIG_RUN/out/quiet.hprof"
	[ -z "$stderr" ]
}

@test "--progress json: every line of stderr is JSON" {
	pod_up web
	run_jdiag -s 0 heapdump web -n shop --progress json --to "$RIG_RUN/out/progress.hprof"
	every_line_is_json
}

every_line_is_json() {
	python3 -c 'import json, sys; assert all(json.loads(l)["message_type"] for l in sys.argv[1].splitlines())' "$stderr"
}

@test "--progress json: warnings and -v are JSON, too" {
	pod_up web
	run_jdiag -s 0 heapdump web -n shop --progress json -v=9 --host-key ignore --known-hosts /dev/null \
		--to "$RIG_RUN/out/log.hprof"
	every_line_is_json
	tells '"message_type":"log","message":"warning: the host key of'
	run_jdiag -s 3 heapdump web -n shop --progress json --jvm 'no "such\' --to "$RIG_RUN/out/none.hprof"
	every_line_is_json
	tells '"message_type":"exit_error"'
}

@test "--dry-run: the plan, and the JVM is not touched" {
	pod_up web
	run_jdiag -s 0 heapdump web -n shop --dry-run
	says "pod shop/web, container app"
	says Checkout
	[ ! -e "/proc/$(container pid web)/root/tmp/.java_pid1" ]
	untouched web
}

@test "ssh:// with a container id, no API" {
	container start web
	run_jdiag -s 0 heapdump "ssh://root@127.0.0.1:$(<"$RIG_RUN/ssh/port")" \
		--container "$(container id web)" --to "$RIG_RUN/out/ssh-id.hprof" --kubeconfig /nonexistent
	dump_is_good "$output" live
	untouched web
}

@test "ssh:// with a host pid" {
	container start web
	run_jdiag -s 0 heapdump "ssh://root@127.0.0.1:$(<"$RIG_RUN/ssh/port")" \
		--pid "$(container pid web)" --to "$RIG_RUN/out/ssh-pid.hprof"
	dump_is_good "$output" live
	untouched web
}

@test "--jvm chooses one of two JVMs" {
	pod_up web -- spawn=1
	wait_for 40 grep -q '^child ready' "$(container log web)"
	run_jdiag -s 0 heapdump web -n shop --jvm 1 --to "$RIG_RUN/out/one.hprof"
	dump_is_good "$output" live
	untouched web
}

@test "-c chooses one of two containers" {
	pod_up web
	container start --pod "$(container pod web)" --exec fakejvm side plain
	pod_at_api web --container "side=$(container id side)"
	run_jdiag -s 0 heapdump web -n shop -c app --to "$RIG_RUN/out/app.hprof"
	dump_is_good "$output" live
	untouched web
}

@test "the context's namespace, a client certificate" {
	pod_up web
	sed 's/namespace: default/namespace: shop/' "$RIG_RUN/kube/kubeconfig-cert" >"$RIG_RUN/out/kubeconfig"
	run_jdiag -s 0 heapdump web --kubeconfig "$RIG_RUN/out/kubeconfig" --to "$RIG_RUN/out/cert.hprof"
	dump_is_good "$output" live
	grep -q cert-user "$RIG_RUN/kube/requests"
}

@test "two runs, one after the other, and a larger heap" {
	pod_up web --java -Xmx400m -- fill=200
	run_jdiag -s 0 heapdump web -n shop --to "$RIG_RUN/out/first.hprof"
	run_jdiag -s 0 heapdump web -n shop --to gs://dumps/large/
	dump_is_good "$RIG_RUN/out/first.hprof" live
	[ "$(stat -c %s "$RIG_RUN/out/first.hprof")" -gt 200000000 ]
	rm "$RIG_RUN/out/first.hprof"
	untouched web
}

# --- before the JVM is touched ----------------------------------------------------------------------

never_attached() { [ ! -e "/proc/$(container pid "$1")/root/tmp/.java_pid1" ]; }

@test "a destination that does not work is told before the JVM is touched" {
	pod_up web
	refuses 9 heapdump web -n shop --to gs://no-such-bucket/x/
	refuses 2 heapdump web -n shop --to /nonexistent/dir/
	echo mine >"$RIG_RUN/out/kept.hprof"
	refuses 2 heapdump web -n shop --to "$RIG_RUN/out/kept.hprof"
	echo old >"$RIG_RUN/out/gone.hprof.manifest.json"
	refuses 2 heapdump web -n shop --to "$RIG_RUN/out/gone.hprof"
	tells "gone.hprof.manifest.json': it exists already"
	never_attached web
	untouched web
}

@test "--dry-run looks at the destination too, and leaves nothing there" {
	pod_up web
	refuses 9 heapdump web -n shop --dry-run --to gs://no-such-bucket/x/
	mkdir "$RIG_RUN/out/plan"
	run_jdiag -s 0 heapdump web -n shop --dry-run --to "$RIG_RUN/out/plan/"
	says "to        $RIG_RUN/out/plan/shop_web_app-0_"
	[ -z "$(ls -A "$RIG_RUN/out/plan")" ]
	run_jdiag -s 0 heapdump web -n shop --dry-run --to gs://dumps/plan/ -o json
	says '"kind":"HeapDumpPlan"'
	says '"pod":"web"'
	says '"url":"gs://dumps/plan/shop_web_app-0_'
	[ -z "$(find "$RIG_RUN/bucket/data/objects/dumps/plan" -type f 2>/dev/null)" ]
	never_attached web
	untouched web
}

on_terminal() {
	local answer=$1
	shift
	run jdiag_env "$RIG/pty_run.py" --prompt '[y/N] ' --type "$answer" -- "$JDIAG" "$@"
	printf '%s\n' "$output" | tee -a "$RIG_RUN/out/all"
}

@test "on a terminal: the plan and a question, also with -q; no is the default" {
	pod_up web
	on_terminal "" heapdump web -n shop -q --to "$RIG_RUN/out/asked.hprof"
	[ "$status" = 130 ]
	[[ $output == *"jdiag: target    pod shop/web"*"jdiag: to        $RIG_RUN/out/asked.hprof"* ]]
	[[ $output == *"not confirmed, nothing was done"* ]]
	[ ! -e "$RIG_RUN/out/asked.hprof" ]
	[ ! -e "$RIG_RUN/out/asked.hprof.partial" ]
	on_terminal y heapdump web -n shop --to "$RIG_RUN/out/asked.hprof"
	[ "$status" = 0 ]
	dump_is_good "$RIG_RUN/out/asked.hprof" live
	untouched web
}

@test "on a terminal nobody is asked with -y, with --no-input, on a CI runner" {
	pod_up web
	on_terminal "" heapdump web -n shop -y --to "$RIG_RUN/out/yes.hprof"
	[ "$status" = 0 ]
	on_terminal "" heapdump web -n shop --no-input --to "$RIG_RUN/out/no-input.hprof"
	[ "$status" = 0 ]
	JDIAG_EXTRA_ENV=(CI=true)
	on_terminal "" heapdump web -n shop --to "$RIG_RUN/out/ci.hprof"
	[ "$status" = 0 ]
	JDIAG_EXTRA_ENV=(CI=false)
	on_terminal "" heapdump web -n shop --to "$RIG_RUN/out/no-ci.hprof"
	[ "$status" = 130 ]
}
