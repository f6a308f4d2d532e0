#!/usr/bin/env bats
# jdiag redact on dumps of real JVMs: nothing of the contents is left, everything else is.

load dumps

ALL="field-text field-wide static-text static-wide char-array byte-array map-key"
NUMBERS="inherited-long field-double static-long static-double long-array int-array boxed-long"

setup_file() { dumps_up; }
teardown_file() { dumps_down; }
setup() {
	mkdir "$BATS_TEST_TMPDIR/work"
	cd "$BATS_TEST_TMPDIR/work"
}

# secrets FILE: the kinds that are found in the decoded bytes.
secrets() {
	case $1 in
	*.gz) gzip -dc "$1" ;;
	*.zst) zstd -dcq "$1" ;;
	*) cat "$1" ;;
	esac | "$RIG/find_secrets.py" - | paste -sd ' '
}

# alike FILE FILE: the independent reader finds the same classes, counts and sizes.
alike() {
	diff <("$RIG/read_dump.sh" "$1") <("$RIG/read_dump.sh" "$2") >diff.txt || {
		head diff.txt
		return 1
	}
}

# left: what is in this directory, beside what is named.
left() { ls -A | grep -vxF "$(printf '%s\n' "$@")" || true; }

@test "the search finds every secret in the originals" {
	for v in 8 17 17-wide 25; do
		[[ $(secrets "$DUMPS/$v.hprof") == "$ALL $NUMBERS" ]]
	done
}

@test "strings: text is gone, numbers stay" {
	for v in 8 17 17-wide 25; do
		jdiag 0 redact "$DUMPS/$v.hprof" $v.hprof --redact strings
		[[ $output == "$PWD/$v.hprof" ]]
		[[ $(secrets $v.hprof) == "$NUMBERS" ]]
		[[ $(stat -c %s $v.hprof) == $(stat -c %s "$DUMPS/$v.hprof") ]]
		alike "$DUMPS/$v.hprof" $v.hprof
	done
}

@test "primitives: nothing is left" {
	for v in 8 17 17-wide 25; do
		jdiag 0 redact "$DUMPS/$v.hprof" $v.hprof --redact primitives
		[[ -z $(secrets $v.hprof) ]]
		[[ $(stat -c %s $v.hprof) == $(stat -c %s "$DUMPS/$v.hprof") ]]
		alike "$DUMPS/$v.hprof" $v.hprof
	done
}

@test "every format in and out holds the same dump" {
	cp "$DUMPS/17.hprof" in.hprof
	gzip -1k in.hprof
	zstd -q1k in.hprof
	jdiag 0 redact in.hprof want --format hprof --redact primitives
	for from in hprof hprof.gz hprof.zst; do
		for to in hprof hprof.gz hprof.zst; do
			jdiag 0 redact in.$from out-$from.$to --redact primitives
			case $to in
			hprof) cmp want out-$from.$to ;;
			hprof.gz) gzip -dc out-$from.$to | cmp want ;;
			hprof.zst) zstd -dcq out-$from.$to | cmp want ;;
			esac
		done
	done
	zstd -l out-hprof.hprof.zst
	alike in.hprof out-hprof.hprof.gz
	cmp out-hprof.hprof.gz out-hprof.zst.hprof.gz
}

@test "--format, directories, standard output" {
	mkdir d
	jdiag 0 redact "$DUMPS/8.hprof" x --format hprof.gz --redact strings
	gzip -t <x
	jdiag 0 redact "$DUMPS/8.hprof" d --redact strings
	[[ $output == "$PWD/d/8.hprof" ]]
	jdiag 0 redact "$DUMPS/8.hprof" y.hprof --format hprof.zst --redact strings
	zstd -tq <y.hprof
	"$JDIAG" redact "$DUMPS/8.hprof" - --redact strings >plain
	cmp plain d/8.hprof
	"$JDIAG" redact - - --redact strings --format hprof.zst <"$DUMPS/8.hprof" | zstd -dcq | cmp - d/8.hprof
	[[ $(left d x x.manifest.json y.hprof y.hprof.manifest.json plain) == "" ]]
}

@test "the manifest" {
	cp "$DUMPS/17.hprof" in.hprof
	sum=$(sha256sum <in.hprof | cut -d' ' -f1)
	cat >in.hprof.manifest.json <<-EOF
		{"kind": "HeapDump", "sha256": "$sum", "target": {"pod": "web-0"}, "jvm": {"version": "17.0.1"},
		 "capture": {"pauseMs": 12, "redact": "none"}, "url": "gs://private/in.hprof", "name": "in.hprof"}
	EOF
	jdiag 0 redact in.hprof out.hprof.gz --redact strings -o json
	[[ $(stat -c %a out.hprof.gz out.hprof.gz.manifest.json) == $'600\n600' ]]
	python3 - "$output" "$sum" <<-'PY'
		import hashlib, json, os, sys
		m = json.load(open("out.hprof.gz.manifest.json"))
		data = open("out.hprof.gz", "rb").read()
		assert m["sha256"] == hashlib.sha256(data).hexdigest() and m["size"] == len(data)
		assert (m["name"], m["format"], m["capture"]["redact"]) == ("out.hprof.gz", "hprof.gz", "strings")
		assert m["rawSize"] == os.path.getsize("in.hprof")
		assert m["url"] == os.getcwd() + "/out.hprof.gz"
		assert m["source"] == {"name": "in.hprof", "sha256": sys.argv[2]}
		assert m["target"] == {"pod": "web-0"} and m["jvm"]["version"] == "17.0.1"
		assert m["capture"]["pauseMs"] == 12 and m["capture"]["records"] > 1000
		assert json.loads(sys.argv[1]) == m
	PY
	jdiag 0 check out.hprof.gz
	says "same as the manifest: format, size, sha256, rawSize, records, crc32c"
	# Without one there is less to tell, but still a manifest.
	jdiag 0 redact "$DUMPS/8.hprof" other.hprof --redact primitives
	grep -F '"redact": "primitives"' other.hprof.manifest.json
	jdiag 0 check other.hprof
}

@test "what cannot be meant" {
	cp "$DUMPS/8.hprof" in.hprof
	ln in.hprof same.hprof
	ln -s in.hprof link.hprof
	echo keep >there.hprof
	echo keep >half.hprof.manifest.json
	jdiag 2 redact in.hprof in.hprof --redact strings
	tells "are the same file"
	jdiag 2 redact in.hprof same.hprof --redact strings
	tells "are the same file"
	jdiag 2 redact in.hprof link.hprof --redact strings
	tells "are the same file"
	jdiag 2 redact in.hprof there.hprof --redact strings
	tells "it exists already"
	jdiag 2 redact in.hprof half.hprof --redact strings
	tells "it exists already"
	jdiag 2 redact in.hprof out --redact strings
	tells "does not say the format"
	jdiag 2 redact in.hprof out.hprof
	tells "what is to be redacted?"
	jdiag 2 redact in.hprof out.hprof --redact none
	tells "what is to be redacted?"
	jdiag 2 redact in.hprof out.hprof --redact everything
	jdiag 2 redact in.hprof gs://bucket/out.hprof --redact strings
	tells "redact writes files"
	jdiag 2 redact in.hprof --redact strings
	tells "redact needs IN and OUT"
	jdiag 2 redact in.hprof a b --redact strings
	jdiag 2 redact nowhere out.hprof --redact strings
	jdiag 2 redact in.hprof - --redact strings -o json
	run "$RIG/pty_run.py" -- "$JDIAG" redact in.hprof - --redact strings
	says "standard output is a terminal"
	[[ $(<there.hprof) == keep ]]
	cmp in.hprof "$DUMPS/8.hprof"
	[[ $(left in.hprof same.hprof link.hprof there.hprof half.hprof.manifest.json) == "" ]]
}

@test "a dump that is not whole leaves nothing" {
	head -c 2000000 "$DUMPS/8.hprof" >cut.hprof
	gzip -1c "$DUMPS/8.hprof" | head -c 400000 >cut.hprof.gz
	echo hello >text.hprof
	for f in cut.hprof cut.hprof.gz text.hprof; do
		for to in out.hprof out.hprof.gz; do
			jdiag 8 redact $f $to --redact strings
			tells "jdiag: cannot redact '$f': "
			[[ -z $output ]]
			[[ $(left cut.hprof cut.hprof.gz text.hprof) == "" ]]
		done
	done
	jdiag 8 redact cut.hprof - --redact strings
	tells "throw it away"
}

# An instance before its class: what its fields are cannot be known, so nothing is let through.
@test "an instance of an unknown class stops it" {
	python3 - <<-'PY'
		import struct
		heap = struct.pack(">BQIQI", 0x21, 1, 0, 0xABC, 8) + b"SECRET!!"
		with open("x.hprof", "wb") as f:
		    f.write(b"JAVA PROFILE 1.0.2\0" + struct.pack(">IQ", 8, 0))
		    f.write(struct.pack(">BII", 0x1C, 0, len(heap)) + heap + struct.pack(">BII", 0x2C, 0, 0))
	PY
	jdiag 0 check x.hprof
	jdiag 8 redact x.hprof out.hprof --redact primitives
	tells "jdiag: cannot redact 'x.hprof': "
	[[ $(left x.hprof) == "" ]]
}
