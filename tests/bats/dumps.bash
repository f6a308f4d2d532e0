# Dumps of real JVMs for the tests of commands that work on files: each holds the secrets of
# tests/rig/java/Secrets.java.
#
#	setup_file() { dumps_up; }      $DUMPS/{8,17,17-wide,25}.hprof (wide: without compact strings)
#	teardown_file() { dumps_down; }
#
#	jdiag STATUS ARGUMENT...        sets $output (stdout) and $stderr, checks the status
#	says TEXT, tells TEXT           stdout has it, stderr has it
bats_require_minimum_version 1.5.0

: "${JDIAG_BUILD:=$BATS_TEST_DIRNAME/../../build}"
JDIAG=$(realpath "$JDIAG_BUILD/jdiag")
RIG=$(realpath "$BATS_TEST_DIRNAME/../rig")

dump_of() {
	local name=$1
	shift
	"$RIG/container.sh" start --bind "$DUMPS:/dumps" --main Secrets "$@" "dump-$name" "dump=/dumps/$name.hprof"
}

dumps_up() {
	export RIG_RUN=$BATS_FILE_TMPDIR/rig DUMPS=$BATS_FILE_TMPDIR/dumps
	# The JVM in the container is another user.
	chmod 711 "$BATS_RUN_TMPDIR" "${BATS_FILE_TMPDIR%/*}" "$BATS_FILE_TMPDIR"
	mkdir -m 711 "$RIG_RUN"
	mkdir -m 777 "$DUMPS"
	dump_of 8 --image 8
	dump_of 17 --image 17
	dump_of 17-wide --image 17 --java "-Xmx64m -XX:-CompactStrings"
	dump_of 25 --image 25
	chown root: "$DUMPS"/*
	chmod 755 "$DUMPS"
}

dumps_down() { "$RIG/container.sh" stop-all; }

jdiag() {
	local want=$1
	shift
	run --separate-stderr env -i PATH="$PATH" HOME="$BATS_TEST_TMPDIR" LANG=C.UTF-8 \
		${ASAN_OPTIONS:+ASAN_OPTIONS="$ASAN_OPTIONS"} ${UBSAN_OPTIONS:+UBSAN_OPTIONS="$UBSAN_OPTIONS"} \
		timeout -k 5 60 "$JDIAG" "$@"
	printf '$ jdiag %s\nstatus: %s\nstdout: %s\nstderr: %s\n' "$*" "$status" "${output:0:3000}" "${stderr:0:3000}"
	[[ $status == "$want" ]] || { echo "the status should be $want" && return 1; }
}

says() { [[ $output == *"$1"* ]] || { echo "stdout does not say: $1" && return 1; }; }
tells() { [[ $stderr == *"$1"* ]] || { echo "stderr does not tell: $1" && return 1; }; }
