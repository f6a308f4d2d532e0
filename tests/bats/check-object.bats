#!/usr/bin/env bats
# jdiag check gs://...: an object against its manifest and its bucket; broken downloads go on (S8 of the
# conformance tests for retries).

load lib

setup_file() {
	rig_up
	pod_up one
	BUCKET="http://127.0.0.1:$(<"$RIG_RUN/bucket/port")"
	export BUCKET
	run_jdiag -s 0 heapdump one -n shop --to gs://dumps/c/
	export URL=$output
	OBJECT=$(find "$RIG_RUN/bucket/data/objects" -type f -name "*${URL##*/}")
	export OBJECT
}

teardown_file() { rig_down; }

setup() { bucket_faults '[]'; }

# A copy of the object under another name, with its own metadata; the bytes can then be changed.
copy() {
	local file=${OBJECT%/*}/$1
	cp "$OBJECT" "$file"
	sed "s|\"name\": \"[^\"]*\"|\"name\": \"$1\"|" "$OBJECT.meta" >"$file.meta"
	printf '%s' "$file"
}

@test "an object that is whole" {
	run_jdiag -s 0 check "$URL"
	says "= $URL  hprof.gz"
	says "same as the manifest"
	says "crc32c"
	run_jdiag -s 0 check "$URL" -o json
	says '"mark":"="'
	says '"manifest":true'
}

@test "a download that breaks, is refused for a while, or hangs up at once goes on" {
	bucket_faults '[{"on": "download", "skip": 1, "reset_at": 300000}, {"on": "download", "status": 503}, {"on": "download", "reset_at": 0}]'
	run_jdiag -s 0 check "$URL"
	says "= $URL"
	[[ $(curl -sf "$BUCKET/control/log" | grep -o '"kind": "object"' | wc -l) -ge 3 ]]
}

@test "a download that breaks each time is given up" {
	bucket_faults '[{"on": "download", "skip": 1, "reset_at": 1000, "times": 99}]'
	run_jdiag -s 9 check "$URL"
	says "! $URL"
}

@test "an object whose bytes differ from what the bucket says" {
	local file
	file=$(copy changed.hprof.gz)
	printf '\1' | dd of="$file" bs=1 seek=5 conv=notrunc status=none
	run_jdiag -s 8 check gs://dumps/changed.hprof.gz
	says "* gs://dumps/changed.hprof.gz"
	says "the bucket"
}

@test "an object that is cut" {
	local file
	file=$(copy cut.hprof.gz)
	truncate -s 400000 "$file"
	sed -i 's|"size": "[0-9]*"|"size": "400000"|' "$file.meta"
	run_jdiag -s 8 check gs://dumps/cut.hprof.gz
	says "! gs://dumps/cut.hprof.gz"
}

@test "no such object, no such bucket, no object's name, no permission" {
	run_jdiag -s 3 check gs://dumps/none.hprof.gz
	says "- gs://dumps/none.hprof.gz"
	run_jdiag -s 3 check gs://nobody/none.hprof.gz
	run_jdiag -s 2 check gs://dumps/
	says "names no object"
	bucket_faults '[{"on": "object", "status": 403}]'
	run_jdiag -s 9 check "$URL"
	tells "storage.objects.get"
}

@test "a manifest without its object" {
	cp "$OBJECT.manifest.json" "${OBJECT%/*}/lost.hprof.gz.manifest.json"
	sed 's|"name": "[^"]*"|"name": "lost.hprof.gz.manifest.json"|' "$OBJECT.manifest.json.meta" >"${OBJECT%/*}/lost.hprof.gz.manifest.json.meta"
	run_jdiag -s 8 check gs://dumps/lost.hprof.gz
	says "- gs://dumps/lost.hprof.gz"
}
