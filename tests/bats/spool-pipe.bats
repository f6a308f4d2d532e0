# Spools over a pipe, with captures that are none: tests/pipe/spools.py does the talking.
load lib.bash

setup_file() {
	export JDIAG_HELPER=$JDIAG_BUILD/jdiag-helper-$(uname -m)
}

check() {
	timeout -k 5 110 python3 "$TESTS/pipe/spools.py" "$@"
}

@test "a finished artifact, from any offset" { check fetch-finished; }
@test "an artifact that grows, several readers" { check fetch-while-it-grows; }
@test "a fetch before the first byte" { check fetch-before-the-first-byte; }
@test "nothing is sent while the JVM needs the processors" { check fetch-holds-back; }
@test "a ring" { check fetch-of-a-ring; }
@test "a fetch that is cancelled" { check fetch-cancelled; }
@test "watch" { check watch; }
@test "a capture that fails" { check failed; }
@test "a capture that is killed, in each phase" { check killed; }
@test "a spool that is removed while it is followed" { check removed-meanwhile; }
@test "stop and remove a capture that is under way" { check stop; }
@test "a capture that does not stop" { check stop-in-vain; }
@test "stop and remove a finished one" { check remove-finished; }
@test "the list, and a spool of another version" { check spools; }
@test "more spools than one answer holds" { check many-spools; }
@test "tidy keeps what is finished" { check tidy; }
@test "tidy lets a JVM go that hangs in its FIFO" { check fifo-is-let-go; }

@test "nothing is left on the node" {
	run -0 bash -c 'ls -d /var/lib/.jdiag-* /run/.jdiag-* 2>/dev/null || true'
	[[ -z $output ]]
}
