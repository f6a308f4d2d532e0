# The helper of arm64 under qemu-user: over a pipe, and on a node that says it is one. JVMs cannot be dumped
# from there (qemu-user does not know the mounts that it takes): they are looked at, from inside too.
load ../lib

setup_file() {
	RIG_RUN=$(mktemp -d "${TMPDIR:-/tmp}/jdiag-rig.XXXXXX")
	export RIG_RUN ARM64_HELPER=$JDIAG_BUILD/jdiag-helper-aarch64
	chmod 711 "$RIG_RUN"
	export JDIAG_HELPER=$RIG_RUN/jdiag-helper
	printf '#!/bin/sh\nexec qemu-aarch64-static %s "$@"\n' "$ARM64_HELPER" >"$JDIAG_HELPER"
	chmod 755 "$JDIAG_HELPER"
	mkdir -p "$RIG_RUN/home" "$RIG_RUN/out" "$RIG_RUN/bucket"
	echo 1 >"$RIG_RUN/bucket/port"
}

teardown_file() { rm -rf "$RIG_RUN"; }

teardown() {
	container stop-all
	[[ ! -d $RIG_RUN/ssh ]] || sshd_stop "$RIG_RUN/ssh"
	rm -rf "$RIG_RUN/ssh"
}

check() { timeout -k 5 110 python3 "$TESTS/pipe/checks.py" "$@"; }
spool() { timeout -k 5 110 python3 "$TESTS/pipe/spools.py" "$@"; }

@test "a static program for arm64" {
	run -0 od -An -tx1 -j 18 -N 2 "$ARM64_HELPER"
	[[ $output == " b7 00" ]]
	run -0 readelf -lW "$ARM64_HELPER"
	[[ $output == *LOAD* && $output != *INTERP* ]]
	run -0 "$JDIAG_HELPER" --version
	[[ $output =~ ^jdiag-helper\ [0-9] ]]
}

@test "the helper says hello" {
	run -0 python3 -c 'import sys; sys.path.insert(0, sys.argv[1]); import wire
with wire.Helper() as h: print(h.hello["arch"])' "$TESTS/pipe"
	[[ $output == aarch64 ]]
}

@test "hostile frames of every kind" { check hostile; }
@test "hostile and foreign hellos" { check hostile-hello; }
@test "frames that come byte by byte" { check byte-by-byte; }
@test "input that ends anywhere" { check cut-anywhere; }
@test "requests that cannot be served" { check bad-requests; }
@test "a silent helper pings" { check ping; }
@test "a reader that is gone" { check reader-gone; }

@test "a finished artifact, from any offset" { spool fetch-finished; }
@test "an artifact that grows, several readers" { spool fetch-while-it-grows; }
@test "a fetch before the first byte" { spool fetch-before-the-first-byte; }
@test "a fetch that is cancelled" { spool fetch-cancelled; }
@test "a ring" { spool fetch-of-a-ring; }
@test "watch" { spool watch; }
@test "a capture that fails" { spool failed; }
@test "a spool that is removed while it is followed" { spool removed-meanwhile; }
@test "the list, and a spool of another version" { spool spools; }
@test "tidy keeps what is finished" { spool tidy; }

# A node whose `uname -m` says aarch64 and whose `head` makes what it is given runnable here.
arm64_node() {
	mkdir -p "$RIG_RUN/bin"
	printf '#!/bin/sh\necho aarch64\n' >"$RIG_RUN/bin/uname"
	cat >"$RIG_RUN/bin/head" <<-END
		#!/bin/sh
		$RIG_RUN/bin/real-head "\$@" >$RIG_RUN/arrived
		chmod 755 $RIG_RUN/arrived
		printf '#!/bin/sh\nexec qemu-aarch64-static %s\n' $RIG_RUN/arrived
	END
	cp /usr/bin/head "$RIG_RUN/bin/real-head"
	printf '#!/bin/bash\nset -e\nmount --make-rprivate /\nmount --bind %s /usr/bin/uname\nmount --bind %s /usr/bin/head\nexec "${@}"\n' \
		"$RIG_RUN/bin/uname" "$RIG_RUN/bin/head" >"$RIG_RUN/bin/node"
	chmod 755 "$RIG_RUN"/bin/*
	SSHD_UNDER="unshare -m $RIG_RUN/bin/node" sshd_start "$RIG_RUN/ssh"
}

@test "a node that is arm64 gets this one" {
	arm64_node
	container start --image 17 jvm
	run_jdiag -s 0 ps "ssh://root@127.0.0.1:$(<"$RIG_RUN/ssh/port")" -o json
	says "\"container\":\"$(container id jvm)\""
	says '"attachable":true'
	cmp "$RIG_RUN/arrived" "$ARM64_HELPER"
}

@test "version says what is inside" {
	run -0 "$JDIAG_BUILD/jdiag" version -o json
	says '"helpers":["x86_64","aarch64"]'
}
