# jdiag top: the classes of a dump, against the histogram that the JVM itself makes.
load lib

setup_file() {
	rig_up
	# name, image, JVM options
	dump_of j8 8 -Xmx64m
	dump_of j11 11 -Xmx64m
	dump_of j17 17 "-Xmx64m -XX:-UseCompressedOops"
	dump_of j25 25 -Xmx64m
	dump_of compact 25 "-Xmx64m -XX:+UseCompactObjectHeaders"
}
teardown_file() { rig_down; }

setup() { cd "$RIG_RUN/out"; }

# dump_of NAME IMAGE OPTIONS: NAME.hprof and NAME.histogram of a JVM, all objects, by the attach protocol.
dump_of() {
	container start --image "$2" --java "$3" "$1"
	"$RIG/attach.py" "$(container pid "$1")" GC.class_histogram -all >"$RIG_RUN/out/$1.histogram"
	"$RIG/attach.py" "$(container pid "$1")" GC.heap_dump -all /tmp/dump >"$RIG_RUN/out/$1.said"
	cp "/proc/$(container pid "$1")/root/tmp/dump" "$RIG_RUN/out/$1.hprof"
	container stop "$1"
}

# classes NAME: "class instances bytes" of each class, by jdiag.
classes() {
	run_jdiag -s 0 top "$1.hprof" --limit 0 -o wide
	tail -n +2 <<<"$output" | awk '{print $1, $2, $3}' | sort >"$1.ours"
}

# histogram NAME: the same by the JVM, "[Ljava.lang.String;" written as "java.lang.String[]".
histogram() {
	awk '$1 ~ /^[0-9]+:$/ {
		name = $4; depth = 0
		while (sub(/^\[/, "", name)) depth++
		if (depth && name ~ /;$/) { sub(/^L/, "", name); sub(/;$/, "", name) }
		else if (depth) name = primitive[name]
		while (depth-- > 0) name = name "[]"
		print name, $2, $3
	}
	BEGIN {
		split("Z boolean C char F float D double B byte S short I int J long", p, " ")
		for (i = 1; i in p; i += 2) primitive[p[i]] = p[i + 1]
	}' "$1.histogram" | sort >"$1.theirs"
}

# agrees NAME: the program's classes are equal; of all others that both count alike, so are the bytes but
# for what the manual page names.
agrees() {
	classes "$1"
	histogram "$1"
	local class
	for class in 'Checkout$Order 1000' 'Checkout$Item 5000' 'Checkout$Customer 300' 'Checkout$Forgotten 700'; do
		grep -F "$class " "$1.ours"
	done
	diff <(grep ^Checkout "$1.ours") <(grep ^Checkout "$1.theirs")
	join "$1.ours" "$1.theirs" | awk '
		$2 != $4 || $1 == "java.lang.Class" || $1 ~ /ClassLoader$/ {next}
		$3 == $5 {same++; next}
		{print; other++}
		END {print same " agree, " other + 0 " do not"; exit !(same > 200 && other <= 6)}'
}

@test "as the histogram of Java 8" { agrees j8; }
@test "as the histogram of Java 11" { agrees j11; }
@test "as the histogram of Java 17, references not compressed" { agrees j17; }
@test "as the histogram of Java 25" { agrees j25; }
@test "as the histogram of Java 25 with compact headers" { agrees compact; }

@test "gzip and zstd are read by their content, and standard input" {
	run_jdiag -s 0 top j17.hprof
	want=$output
	gzip -c j17.hprof >one
	zstd -q j17.hprof -o two
	run_jdiag -s 0 top one
	[ "$output" = "$want" ]
	run_jdiag -s 0 top two
	[ "$output" = "$want" ]
	run_jdiag -s 0 top - <j17.hprof
	[ "$output" = "$want" ]
}

@test "text: the largest first, 20, no more than 80 columns" {
	run_jdiag -s 0 top j25.hprof
	[[ ${lines[0]} == NAME*INSTANCES*BYTES* ]]
	[ "${#lines[@]}" = 21 ]
	[ -z "$(awk 'length > 80' <<<"$output")" ]
	awk 'NR > 1 {print $3}' <<<"$output" | sort -rnc
	[ -z "$stderr" ]
	run_jdiag -s 0 top j25.hprof --limit 0
	((${#lines[@]} > 150))
	[ -z "$(awk 'length > 80' <<<"$output")" ]
	run_jdiag -s 0 top j25.hprof -v
	tells "classes, "
}

@test "names and JSON" {
	run_jdiag -s 0 top j25.hprof --limit 5 -o name
	[ "${#lines[@]}" = 5 ]
	[[ $output != *" "* ]]
	run_jdiag -s 0 top j25.hprof --limit 0 -o json
	python3 -c '
import json, sys
rows = {row["name"]: row for row in map(json.loads, sys.stdin)}
order = rows["Checkout$Order"]
assert order["kind"] == "Class" and order["apiVersion"] == "jdiag/v1"
assert order["instances"] == 1000 and order["bytes"] == 1000 * order["instanceSize"]
assert "instanceSize" not in rows["byte[]"]
' <<<"$output"
}

@test "what is no whole dump" {
	head -c 1000000 j17.hprof >cut.hprof
	refuses 8 top cut.hprof
	tells "truncated heap dump"
	head -c 100000 j17.hprof | gzip >cut.gz
	refuses 8 top cut.gz
	head -c 3000 /dev/zero >zeroes
	refuses 8 top zeroes
	tells "not a heap dump"
	refuses 2 top missing.hprof
	refuses 2 top
	refuses 2 top a b
	refuses 2 top j17.hprof --limit many
}
