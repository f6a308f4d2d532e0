#!/usr/bin/env bats
# jdiag check on dumps of real JVMs: whole ones, and damage of every kind.

load dumps

setup_file() { dumps_up; }
teardown_file() { dumps_down; }
setup() { cd "$BATS_TEST_TMPDIR"; }

# manifest FILE [JQ-LIKE PYTHON]: writes FILE's manifest; `m` is the object that the Python may change.
manifest() {
	local change=${2:-pass}
	python3 - "$1" "$change" <<-'PY'
		import hashlib, json, os, sys
		name, change = sys.argv[1:]
		with open(name, "rb") as f:
		    data = f.read()
		m = {"apiVersion": "jdiag/v1", "kind": "HeapDump", "name": os.path.basename(name),
		     "format": "hprof" + {".gz": ".gz", ".zst": ".zst"}.get(os.path.splitext(name)[1], ""),
		     "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
		exec(change)
		with open(name + ".manifest.json", "w") as f:
		    json.dump(m, f)
	PY
}

# flip FILE OFFSET BIT
flip() {
	python3 - "$@" <<-'PY'
		import sys
		name, offset, bit = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
		with open(name, "r+b") as f:
		    f.seek(offset)
		    byte = f.read(1)[0]
		    f.seek(offset)
		    f.write(bytes([byte ^ 1 << bit]))
	PY
}

# invalid TEXT: one line of output, with the mark of an error and this text.
invalid() {
	[[ $output == "! "* && $output == *"$1"* ]] || { echo "the line is not an error about: $1" && return 1; }
	[[ $(wc -l <<<"$output") == 1 ]]
}

@test "whole dumps of 8, 17 and 25, plain, gzip and zstd" {
	for v in 8 17 17-wide 25; do
		cp "$DUMPS/$v.hprof" .
		gzip -1k $v.hprof
		zstd -q1k $v.hprof
		jdiag 0 check $v.hprof $v.hprof.gz $v.hprof.zst
		[[ $(grep -c '^= .*compared: format$' <<<"$output") == 3 ]]
		says "= $v.hprof  hprof, "
		says "= $v.hprof.gz  hprof.gz, "
		says "= $v.hprof.zst  hprof.zst, "
		[[ $(sed 's/.*, \([0-9]* classes, [0-9]* objects\).*/\1/' <<<"$output" | sort -u | wc -l) == 1 ]]
	done
}

@test "the counts are those of the independent reader" {
	for v in 8 17 25; do
		"$RIG/read_dump.sh" "$DUMPS/$v.hprof" >classes
		grep -E '^ +1000 .* Secrets\$Account$' classes
		jdiag 0 check -o json "$DUMPS/$v.hprof"
		python3 - "$output" classes <<-'PY'
			import json, sys
			result = json.loads(sys.argv[1])
			rows = [line.split() for line in open(sys.argv[2]) if line.split()[:1] and line.split()[0].isdigit()]
			assert result["objects"] == sum(int(row[0]) for row in rows), (result, sum(int(r[0]) for r in rows))
			assert result["records"] > 1000 and result["classes"] > 300
		PY
	done
}

@test "what the JDK's own -gz writes" {
	javac -d . "$RIG/java/Secrets.java"
	java -Xmx64m -cp . Secrets >log 3>&- &
	pid=$!
	for ((i = 0; i < 800; i++)); do
		! grep -q ready log || break
		sleep 0.05
	done
	jcmd $pid GC.heap_dump -gz=1 "$PWD/jdk.hprof.gz"
	kill $pid
	jdiag 0 check jdk.hprof.gz
	says "= jdk.hprof.gz  hprof.gz, "
	# Ours looks the same to a viewer: the comment in the first member's header, and the bytes around it.
	jdiag 0 redact jdk.hprof.gz ours.hprof.gz --redact strings
	[[ $(head -c 9 jdk.hprof.gz | xxd -p) == $(head -c 9 ours.hprof.gz | xxd -p) ]]
	[[ $(head -c 34 jdk.hprof.gz | tail -c 24 | tr -d '\0') == "HPROF BLOCKSIZE=1048576" ]]
	cmp <(head -c 34 jdk.hprof.gz | tail -c 24) <(head -c 34 ours.hprof.gz | tail -c 24)
	# Each of the JDK's members holds at most 1 MiB; so do ours.
	python3 - jdk.hprof.gz ours.hprof.gz <<-'PY'
		import sys, zlib
		for name in sys.argv[1:]:
		    data = open(name, "rb").read()
		    members = 0
		    while data:
		        d = zlib.decompressobj(31)
		        assert len(d.decompress(data)) <= 1 << 20 and d.eof
		        data = d.unused_data
		        members += 1
		    assert members > 3, (name, members)
	PY
}

@test "with a manifest: the same" {
	for suffix in hprof hprof.gz hprof.zst; do
		rm -f x.*
		cp "$DUMPS/17.hprof" x.hprof
		case $suffix in *.gz) gzip -1 x.hprof ;; *.zst) zstd -q1 --rm x.hprof ;; esac
		manifest x.$suffix
		jdiag 0 check x.$suffix
		says "; same as the manifest: format, size, sha256"
		[[ -z $(grep -v '^jdiag: check$' <<<"$stderr") ]]
		records=$("$JDIAG" check -o json x.$suffix | sed 's/.*"records":\([0-9]*\).*/\1/')
		manifest x.$suffix "m['capture'] = {'records': $records}"
		jdiag 0 check -q x.$suffix
		says "; same as the manifest: format, size, sha256, records"
		[[ -z $stderr ]]
	done
}

@test "with a manifest that says something else" {
	cp "$DUMPS/17.hprof" x.hprof
	for change in "m['size'] += 1" "m['sha256'] = '0' * 64" "m['format'] = 'hprof.gz'" "m['capture'] = {'records': 7}"; do
		manifest x.hprof "$change"
		jdiag 8 check -o text x.hprof
		what=$(sed "s/m\[.\([a-z0-9]*\).*/\1/; s/capture/records/" <<<"$change")
		[[ $output == "* x.hprof  'x.hprof': $what is "*", the manifest says "* ]]
		tells "jdiag: 'x.hprof': $what is "
	done
	manifest x.hprof "m['size'] += 1; m['sha256'] = '0' * 64"
	jdiag 8 check -o json x.hprof
	says '"mark":"*"'
	[[ $output == *"size is "*"; sha256 is "* ]]
}

@test "a manifest that is none" {
	cp "$DUMPS/8.hprof" x.hprof
	for text in "" "{" "[]" '{"kind": "HeapDump"}' '{"kind": "Pod", "size": 1, "sha256": "x"}'; do
		echo "$text" >x.hprof.manifest.json
		jdiag 8 check x.hprof
		invalid manifest
	done
	rm x.hprof.manifest.json
	mkfifo x.hprof.manifest.json
	jdiag 1 check x.hprof
	invalid "cannot read 'x.hprof.manifest.json'"
}

@test "the content is not what the name says" {
	gzip -1c "$DUMPS/8.hprof" >x.hprof
	cp "$DUMPS/8.hprof" y.hprof.gz
	cp "$DUMPS/8.hprof" noname
	jdiag 8 check x.hprof
	says "* x.hprof  'x.hprof': format is hprof.gz, the name says hprof"
	jdiag 8 check y.hprof.gz
	says "format is hprof, the name says hprof.gz"
	jdiag 0 check noname
	says "= noname  hprof, "
	says "compared: nothing"
}

@test "truncated anywhere" {
	cp "$DUMPS/17.hprof" whole.hprof
	jdiag 0 redact -q whole.hprof whole.hprof.gz --redact strings
	jdiag 0 redact -q whole.hprof whole.hprof.zst --redact strings
	for suffix in hprof hprof.gz hprof.zst; do
		size=$(stat -c %s whole.$suffix)
		# zstd's seek table at the end is a help only; without it the dump is whole all the same.
		for cut in 1 5 9 30 1000 $((size / 2)) $((size - 20)) $((size - 3)); do
			head -c $((size - cut)) whole.$suffix >x.$suffix
			jdiag 8 check x.$suffix
			invalid "'x.$suffix'"
		done
	done
	# Cut between two members: gzip is content, the dump is not.
	python3 -c '
import sys, zlib
data = open("whole.hprof.gz", "rb").read()
d = zlib.decompressobj(31)
d.decompress(data)
sys.stdout.buffer.write(data[: len(data) - len(d.unused_data)])' >x.hprof.gz
	gzip -t x.hprof.gz
	jdiag 8 check x.hprof.gz
	invalid "'x.hprof.gz': "
}

@test "flipped bits" {
	cp "$DUMPS/25.hprof" whole.hprof
	jdiag 0 redact -q whole.hprof whole.hprof.gz --redact strings
	jdiag 0 redact -q whole.hprof whole.hprof.zst --redact strings
	manifest whole.hprof
	for suffix in hprof.gz hprof.zst; do
		size=$(stat -c %s whole.$suffix)
		for offset in 40 5000 $((size / 3)) $((size / 2)) $((size - 300)); do
			cp whole.$suffix x.$suffix
			flip x.$suffix $offset $((offset % 8))
			jdiag 8 check x.$suffix
			invalid "corrupt near byte"
		done
	done
	# In a plain dump only the manifest knows: the contents of an array can be anything.
	size=$(stat -c %s whole.hprof)
	for offset in 25 20 $((size / 3)) $((size / 2)) $((size - 9)); do
		cp whole.hprof x.hprof
		cp whole.hprof.manifest.json x.hprof.manifest.json
		flip x.hprof $offset 3
		jdiag 8 check x.hprof
		[[ $output == "! x.hprof  "* || $output == "* x.hprof  "* ]]
	done
}

@test "not a dump" {
	head -c 100000 /dev/urandom >noise.hprof
	echo hello >text.hprof
	: >empty.hprof
	gzip -1c text.hprof >text.hprof.gz
	head -c 20 "$DUMPS/17.hprof" >short.hprof
	for f in noise.hprof text.hprof text.hprof.gz short.hprof; do
		jdiag 8 check $f
		invalid "'$f'"
	done
	jdiag 8 check empty.hprof
	invalid "'empty.hprof' is empty"
	jdiag 1 check .
	invalid "cannot read '.': Is a directory"
	(cat "$DUMPS/17.hprof" && echo more) >longer.hprof
	jdiag 8 check longer.hprof
	invalid "'longer.hprof'"
	(gzip -1c "$DUMPS/17.hprof" && echo more) >longer.hprof.gz
	jdiag 8 check longer.hprof.gz
	invalid "something else lies behind the gzip data"
}

@test "no such file" {
	jdiag 2 check nowhere.hprof
	[[ $output == "- nowhere.hprof  cannot open 'nowhere.hprof': No such file or directory" ]]
	tells "jdiag: cannot open 'nowhere.hprof'"
	cp "$DUMPS/17.hprof" x.hprof
	manifest x.hprof
	rm x.hprof
	jdiag 8 check x.hprof
	says "- x.hprof  "
	jdiag 2 check
	tells "jdiag: check needs a FILE or an object"
}

@test "a bomb unfolds in bounded memory, and is no dump" {
	# The header, then text records of 1 GiB in all that repeat one gzip member; no heap follows.
	python3 - <<-'PY'
		import gzip, struct
		header = b"JAVA PROFILE 1.0.2\0" + struct.pack(">IQ", 8, 0)
		record = gzip.compress(struct.pack(">BIIQ", 1, 0, 8 + (1 << 20) - 17, 1) + bytes((1 << 20) - 17), 9)
		with open("bomb.hprof.gz", "wb") as f:
		    f.write(gzip.compress(header) + 1024 * record)
	PY
	[[ $(stat -c %s bomb.hprof.gz) -lt 2000000 ]]
	PEAK_OF=$JDIAG PEAK_TO=peak run "$RIG/peak.py" check bomb.hprof.gz
	echo "$output, $(<peak) KiB"
	[[ $status == 8 ]]
	[[ $output == *"! bomb.hprof.gz  'bomb.hprof.gz': "* ]]
	[[ $JDIAG_BUILD == *asan* ]] || [[ $(<peak) -lt 48000 ]]
}

@test "a zstd window that is too large" {
	head -c 400000000 /dev/zero | zstd -q1 --long=28 >wide.hprof.zst
	jdiag 8 check wide.hprof.zst
	invalid "'wide.hprof.zst' needs a window of more than 128 MiB to unpack"
	tells "zstd -d --long=31"
}

@test "several files: a line each, the status of what is not fine" {
	cp "$DUMPS/8.hprof" a.hprof
	cp "$DUMPS/17.hprof" c.hprof
	head -c 5000 c.hprof >b.hprof
	jdiag 8 check nowhere a.hprof b.hprof c.hprof
	[[ $(cut -c1-9 <<<"$output") == $'- nowhere\n= a.hprof\n! b.hprof\n= c.hprof' ]]
	tells "jdiag: 2 of 4 artifacts are not fine, the first: 'b.hprof'"
	jdiag 8 check -o name a.hprof b.hprof c.hprof
	[[ $output == $'a.hprof\nc.hprof' ]]
	jdiag 8 check -o json a.hprof b.hprof
	python3 - "$output" <<-'PY'
		import json, sys
		a, b = [json.loads(line) for line in sys.argv[1].splitlines()]
		assert (a["kind"], a["name"], a["mark"], a["format"]) == ("Check", "a.hprof", "=", "hprof")
		assert a["size"] == a["dumpSize"] and len(a["sha256"]) == 64 and not a["manifest"] and "error" not in a
		assert b["mark"] == "!" and "size" not in b and "b.hprof" in b["error"]
	PY
}

@test "standard input, and a name that is hostile" {
	run --separate-stderr bash -c "zstd -q1c '$DUMPS/17.hprof' | '$JDIAG' check -"
	[[ $status == 0 && $output == "= -  hprof.zst, "* ]]
	cp "$DUMPS/8.hprof" $'a\e[31m\nb.hprof'
	jdiag 0 check $'a\e[31m\nb.hprof'
	[[ $output == '= a\x1b[31m\x0ab.hprof  hprof, '* ]]
}

@test "Ctrl-C while the input is silent" {
	mkfifo pipe
	"$JDIAG" check pipe >out 2>err 3>&- &
	pid=$!
	exec 7>pipe
	head -c 1000 "$DUMPS/17.hprof" >&7
	for ((i = 0; i < 100; i++)); do
		! grep -q read "/proc/$pid/wchan" || break
		sleep 0.05
	done
	kill -INT $pid
	status=0
	wait $pid || status=$?
	exec 7>&-
	cat out err
	[[ $status == 130 && ! -s out ]]
}
