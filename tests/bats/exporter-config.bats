#!/usr/bin/env bats
# What jdiag refuses before an exporter is loaded, against the real exporter (0.3.1, 0.12.0, 0.20.0, 1.0.1) and
# the real Java: whatever makes it call System.exit, throw, or fail at a scrape is refused, and what people
# write is taken. Cases: tests/fixtures/exporter/.
bats_require_minimum_version 1.5.0

: "${JDIAG_BUILD:=$BATS_TEST_DIRNAME/../../build}"
PROBE=$(realpath "$JDIAG_BUILD/tools/exporter-config-probe")
TESTS=$(realpath "$BATS_TEST_DIRNAME/..")
CASES=$TESTS/fixtures/exporter
CORPUS=$TESTS/rig/exporter_corpus.py
EXPORTERS="0.3.1 0.12.0 0.20.0 1.0.1"

setup_file() {
	local version
	export WORK=$BATS_FILE_TMPDIR/work
	mkdir -p "$WORK"/{jars,good,bad,classes}
	for version in $EXPORTERS; do
		cp "$("$TESTS/rig/exporter.sh" "$version")" "$WORK/jars/$version.jar"
	done
	javac -nowarn -Xlint:-options --release 8 -d "$WORK/classes" "$TESTS/rig/java/ExporterJudge.java" 2>&1
	"$CORPUS" cases "$WORK/good" "$CASES/good.txt"
	"$CORPUS" cases "$WORK/bad" "$CASES/bad.txt"
}

# java_of IMAGE ARGUMENT...: a JVM with nothing around it but its image; $WORK is /app there.
java_of() {
	local root home
	root=$("$TESTS/rig/jvm.sh" "$1")
	home=$("$TESTS/rig/jvm.sh" java-home "$1")
	shift
	unshare -m --propagation private sh -c 'mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" &&
		mount --bind "$WORK" "$1/app" && root=$1 java=$2/bin/java && shift 2 &&
		exec env -i PATH="$PATH" LANG=C chroot "$root" "$java" -Xmx256m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC "$@"' \
		sh "$root" "$home" "$@"
}

# judge IMAGE ARGUMENT...
judge() {
	local image=$1 allow=()
	shift
	[[ $image != 17 ]] || allow=(-Djava.security.manager=allow)
	java_of "$image" "${allow[@]}" -cp /app/classes ExporterJudge "$@" 2>"$WORK/err" || { cat "$WORK/err" >&2 && return 1; }
}

probe() { "$PROBE" config "$1" "${@:2}"; }

# verdicts IMAGE good|bad VERSION...: every case of good.txt or bad.txt, by the exporter and by jdiag.
verdicts() {
	local image=$1 what=$2 version
	for version in "${@:3}"; do
		judge "$image" start "/app/jars/$version.jar" "/app/$what" >"$WORK/$what.$version.judge"
		probe "$version" "$WORK/$what"/*.yaml >"$WORK/$what.$version.probe"
	done
	python3 - "$WORK/$what" "$CASES/$what.txt" "${@:3}" <<-'PY'
		import re, sys
		what, fixture, versions = sys.argv[1], sys.argv[2], sys.argv[3:]
		column_of = {"0.3.1": 0, "0.12.0": 1, "0.20.0": 2, "1.0.1": 3}
		good = what.endswith("good")
		def read(version, suffix):
		    with open("%s.%s.%s" % (what, version, suffix)) as f:
		        return dict(line.rstrip("\n").split("\t", 1) for line in f)
		word = {"o": "ok", "s": "scrape", "t": "throws", "x": "exit"}
		problems = cases = 0
		for head in re.findall(r"^=== (.*)", open(fixture).read(), re.M):
		    name, expected, words = (head.split(" ", 2) + [""])[:3]
		    cases += 1
		    for version in versions:
		        i = column_of[version]
		        was, said = read(version, "judge").get(name + ".yaml"), read(version, "probe").get(name + ".yaml", "nothing")
		        if good and expected == "new" and i < 2:
		            continue
		        should = "ok" if good else word[expected[i]]
		        wrong = was != should or (should != "ok" and said == "ok") or (good and said != "ok")
		        if not good and i == 3 and words not in said:
		            wrong = True
		        if wrong:
		            print("%s %s: %s instead of %s; jdiag: %s" % (version, name, was, should, said))
		            problems += 1
		print("%d cases, %d problems" % (cases, problems))
		sys.exit(problems > 0 or cases < 9)
	PY
}

# never_more_than_java CHECKED JUDGED LEAST: line by line, what jdiag takes Java takes, with as many groups; and at
# least LEAST lines are taken, so that this says something.
never_more_than_java() {
	paste "$1" "$2" | awk -F '\t' -v least="$3" '
		$1 ~ /^ok/ { n++; if ($2 != $1 && !($2 == "ok" && $1 ~ /^ok/)) {
			if (bad++ < 20) print NR ": jdiag " $1 ", Java " $2 } }
		END { print n " of " NR " taken"; exit bad > 0 || n < least }'
}

@test "good configurations are taken by the exporter and by jdiag: Java 8" {
	verdicts 8 good $EXPORTERS
}

@test "good configurations are taken by the exporter and by jdiag: Java 17" {
	verdicts 17 good $EXPORTERS
}

@test "whatever ends a JVM, throws or fails at a scrape is refused: Java 8, 0.3.1" {
	verdicts 8 bad 0.3.1
}

@test "whatever ends a JVM, throws or fails at a scrape is refused: Java 8, 0.12.0" {
	verdicts 8 bad 0.12.0
}

@test "whatever ends a JVM, throws or fails at a scrape is refused: Java 8, 0.20.0" {
	verdicts 8 bad 0.20.0
}

@test "whatever ends a JVM, throws or fails at a scrape is refused: Java 8, 1.0.1" {
	verdicts 8 bad 1.0.1
}

@test "whatever ends a JVM, throws or fails at a scrape is refused: Java 17, 0.3.1" {
	verdicts 17 bad 0.3.1
}

@test "whatever ends a JVM, throws or fails at a scrape is refused: Java 17, 0.12.0" {
	verdicts 17 bad 0.12.0
}

@test "whatever ends a JVM, throws or fails at a scrape is refused: Java 17, 0.20.0" {
	verdicts 17 bad 0.20.0
}

@test "whatever ends a JVM, throws or fails at a scrape is refused: Java 17, 1.0.1" {
	verdicts 17 bad 1.0.1
}

@test "a JVM without a security manager does die of it" {
	local version image status
	for image in 8 17; do
		for version in $EXPORTERS; do
			java_of "$image" "-javaagent:/app/jars/$version.jar=127.0.0.1:0:/app/good/lower-case.yaml" \
				-cp /app/classes ExporterJudge regex </dev/null
			status=0
			java_of "$image" "-javaagent:/app/jars/$version.jar=127.0.0.1:0:/app/bad/regex.yaml" \
				-cp /app/classes ExporterJudge regex </dev/null 2>/dev/null || status=$?
			# 0.3.1 throws, and Java aborts; the others have called System.exit(1).
			[ "$status" = "$([ "$version" = 0.3.1 ] && echo 134 || echo 1)" ]
		done
		status=0
		java_of "$image" "-javaagent:/app/jars/0.20.0.jar=127.0.0.1:0:/app/bad/host-port.yaml" \
			-cp /app/classes ExporterJudge regex </dev/null 2>/dev/null || status=$?
		[ "$status" = 255 ]
	done
}

@test "a file that is replaced can end the JVM, too" {
	local version
	for version in 0.20.0 1.0.1; do
		[ "$(judge 17 reload "/app/jars/$version.jar" /app/good/lower-case.yaml /app/bad/host-port.yaml)" = exit ]
		[ "$(judge 17 reload "/app/jars/$version.jar" /app/good/lower-case.yaml /app/good/memory.yaml)" = ok ]
		[ "$(judge 17 reload "/app/jars/$version.jar" /app/good/lower-case.yaml /app/bad/regex.yaml)" = ok ]
	done
	[[ $(probe 1.0.1 "$WORK/bad/host-port.yaml") == *"makes an agent end its JVM"* ]]
}

@test "1.0 beside a program that has its library under the same name ends the JVM" {
	[ "$(java_of 17 -Djava.security.manager=allow -cp /app/classes:/app/jars/1.0.1.jar ExporterJudge \
		beside /app/good/lower-case.yaml 2>/dev/null)" = exit ]
}

@test "a dash in a comment can end a JVM that is told another character set" {
	mkdir -p "$WORK/dash"
	printf '# \xe2\x80\x94\nlowercaseOutputName: true\n' >"$WORK/dash/dash.yaml"
	[[ $(java_of 17 -Djava.security.manager=allow -Dfile.encoding=ISO-8859-1 -cp /app/classes ExporterJudge \
		start /app/jars/1.0.1.jar /app/dash 2>/dev/null) == *exit ]]
	[[ $(probe 1.0.1 "$WORK/dash/dash.yaml") == *"line 1: a character that is not ASCII"*"character set"* ]]
}

@test "bytes that are no text, and 2 MB" {
	mkdir -p "$WORK/bytes"
	printf 'rules: []\0\n' >"$WORK/bytes/nul.yaml"
	printf '\xef\xbb\xbfrules: []\n' >"$WORK/bytes/mark.yaml"
	printf '# \a\nrules: []\n' >"$WORK/bytes/bell.yaml"
	{ echo '{}' && yes '# filler' | head -c 2097152; } >"$WORK/bytes/size.yaml"
	run probe 1.0.1 "$WORK"/bytes/*.yaml
	[[ ${lines[0]} == bell.yaml*"line 1: a control character, 0x07" ]]
	[[ ${lines[1]} == mark.yaml*"begins with a byte order mark" ]]
	[[ ${lines[2]} == nul.yaml*"line 1: a control character, 0x00" ]]
	[[ ${lines[3]} == size.yaml*"is larger than 1 MiB" ]]
	[[ $(judge 17 start /app/jars/1.0.1.jar /app/bytes) == bell.yaml*exit* ]]
}

@test "small changes of good configurations: none is taken that the exporter does not read" {
	local version
	mkdir -p "$WORK/changed"
	"$CORPUS" yaml 3000 "$WORK/changed" "$WORK"/good/*.yaml
	for version in $EXPORTERS; do
		judge 17 load "/app/jars/$version.jar" /app/changed | cut -f2 >"$WORK/judged"
		printf '%s\0' "$WORK"/changed/*.yaml | xargs -0 "$PROBE" config "$version" | cut -f2 >"$WORK/probed"
		never_more_than_java "$WORK/probed" "$WORK/judged" 800
	done
}

@test "regular expressions: none is taken that Java refuses, in every version" {
	local image
	"$CORPUS" regex 20000 >"$WORK/regex"
	"$PROBE" regex <"$WORK/regex" >"$WORK/probed"
	for image in 8 11 17 21 25 26; do
		judge "$image" regex <"$WORK/regex" >"$WORK/judged"
		never_more_than_java "$WORK/probed" "$WORK/judged" 3000
	done
}

@test "references to groups: none is taken that Matcher.replaceAll throws at" {
	local image regex='(a)(b)(?<name>c)'
	"$CORPUS" replacement 5000 >"$WORK/replacement"
	"$PROBE" replacement "$regex" <"$WORK/replacement" >"$WORK/probed"
	for image in 8 26; do
		judge "$image" replacement "$regex" abc <"$WORK/replacement" >"$WORK/judged"
		never_more_than_java "$WORK/probed" "$WORK/judged" 1000
	done
}

@test "object names: none is taken that ObjectName refuses" {
	local image
	"$CORPUS" object-name 5000 >"$WORK/names"
	"$PROBE" object-name <"$WORK/names" >"$WORK/probed"
	for image in 8 26; do
		judge "$image" object-name <"$WORK/names" >"$WORK/judged"
		never_more_than_java "$WORK/probed" "$WORK/judged" 1000
	done
}

@test "fetch-exporter keeps what has the right digest, and nothing else" {
	local name=jmx_prometheus_javaagent-1.0.1.jar repository=$BATS_TEST_TMPDIR/repository
	local folder=$repository/io/prometheus/jmx/jmx_prometheus_javaagent/1.0.1
	mkdir -p "$folder"
	cp "$WORK/jars/0.20.0.jar" "$folder/$name"
	export XDG_DATA_HOME=$BATS_TEST_TMPDIR/data MAVEN_REPOSITORY=file://$repository/
	run ! "$TESTS/../scripts/fetch-exporter"
	[[ $output == *"has another digest"* ]]
	[ -z "$(ls "$XDG_DATA_HOME/jdiag")" ]
	cp "$WORK/jars/1.0.1.jar" "$folder/$name"
	[ "$("$TESTS/../scripts/fetch-exporter")" = "$XDG_DATA_HOME/jdiag/$name" ]
	rm -r "$repository"
	[ "$("$TESTS/../scripts/fetch-exporter")" = "$XDG_DATA_HOME/jdiag/$name" ]
	[ "$(ls "$XDG_DATA_HOME/jdiag")" = "$name" ]
}
