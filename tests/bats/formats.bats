# Every format and every way to capture, end to end, of each JVM: the artifact is what its name says, the
# independent reader opens it, and the way is the one that was expected, or asked for.
load lib

setup_file() { rig_up; }
teardown_file() { rig_down; }

setup() {
	TO=$BATS_TEST_TMPDIR/to
	mkdir "$TO"
}
teardown() {
	[[ -n $BATS_TEST_COMPLETED ]] || { run_jdiag tidy "node/$NODE" --force || true; }
	container stop-all
}

# is_format FILE FORMAT: by its first bytes.
is_format() {
	local magic
	magic=$(head -c 4 "$1" | od -An -tx1 | tr -d ' \n')
	case $2 in
	hprof) [[ $magic == 4a415641 ]] ;;
	hprof.gz) [[ $magic == 1f8b08* ]] ;;
	hprof.zst) [[ $magic == 28b52ffd ]] ;;
	esac || { echo "$1 begins with $magic" && return 1; }
}

# dumped NAME FORMAT STRATEGY [OPTION...]
dumped() {
	local file=$TO/$1
	run_jdiag -s 0 heapdump web -n shop --to "$file" "${@:4}"
	tells " by $3, verified"
	is_format "$file" "$2"
	grep -q "\"format\": \"$2\"" "$file.manifest.json"
	grep -q "\"strategy\": \"$3\"" "$file.manifest.json"
	manifest_agrees "$file"
	dump_is_good "$file" live
	rm "$file" "$file.manifest.json"
}

# all_of VERSION EXPECTED [OTHER...]: the formats in the way that is expected; every other way.
all_of() {
	local way expected=$2
	pod_up web --image "$1"
	dumped x.hprof hprof "$expected"
	dumped x.hprof.gz hprof.gz "$expected"
	dumped x.hprof.zst hprof.zst "$expected"
	shift 2
	for way in "$expected" "$@"; do
		# the option is stronger than the name
		dumped "$way.dump" hprof.zst "$way" --format hprof.zst --strategy "$way"
	done
	untouched web
}

@test "Java 8" { all_of 8 growing-file container-file; }
@test "Java 11" { all_of 11 fifo growing-file container-file; }
@test "Java 17" { all_of 17 fifo growing-file container-file; }
@test "Java 21" { all_of 21 fifo growing-file container-file; }
@test "Java 25" { all_of 25 segments growing-file container-file; }
@test "Java 26" { all_of 26 segments growing-file container-file; }

@test "a strategy that the JVM cannot do, forced: refused, with the reason" {
	pod_up web --image 8
	refuses 8 heapdump web -n shop --to "$TO/" --strategy fifo
	tells "fifo: "
	pod_up web25 --image 25
	refuses 8 heapdump web25 -n shop --to "$TO/" --strategy fifo
	tells "JDK 22 and later write segments besides"
	[[ -z $(ls -A "$TO") ]]
	untouched web
	untouched web25
}
