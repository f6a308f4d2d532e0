# survey and connect of the helper over a pipe: tests/pipe/podnet.py does the talking, with processes
# that pretend to be JVMs in network namespaces of their own.
load lib.bash

setup_file() {
	export JDIAG_HELPER=$JDIAG_BUILD/jdiag-helper-$(uname -m)
}

check() {
	timeout -k 5 110 python3 "$TESTS/pipe/podnet.py" "$@"
}

@test "survey: the ports of the namespace, and the JVM's own" { check survey; }
@test "survey: a port of another process" { check not-its-own; }
@test "survey: a port that nobody listens on, and that is not free" { check bind; }
@test "ask: what says that the JVM was told nothing" { check not-asked; }
@test "ask: a port that a JVM was told to take, which has not answered" { check unanswered; }
@test "survey: open jars" { check files; }
@test "survey: agents, without their options" { check options; }
@test "survey: 65535 sockets" { check crowd; }
@test "another process, another container" { check wrong-process; }
@test "connect: both ways" { check echo; }
@test "connect: only to the pod itself" { check addresses; }
@test "connect: nothing listens" { check refused; }
@test "connect: no answer" { check busy; }
@test "connect: servers that close, reset, hang, die" { check ends; }
@test "connect: 1 GiB" { check flood; }
@test "connect: a server that does not read" { check slow-reader; }
@test "connect: a client that sends too much" { check credit; }
@test "connect: nothing is left of it" { check no-leftovers; }
