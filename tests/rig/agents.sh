#!/bin/bash
# Agents that mean no good, and jars that are none: made on the first use, kept in
# ${XDG_CACHE_HOME:-$HOME/.cache}/jdiag-rig, at a path that stays the same while the sources do.
#
#   agents.sh NAME      prints the path of NAME.jar or NAME.so
#   agents.sh           makes all, prints their directory
#
#   naughty                  does what its options say (java/Naughty.java): return throw error exit=7 halt=9 crash
#                            hang hang=MS serve=PORT,PAGE
#   exporter-DEED            takes the exporter for its model, 1.0.1, and [HOST:]PORT:FILE for options:
#                            return throw error exit (7) halt (9) crash hang
#   exporter-page-PAGE       ... and serves: good hang stall drip huge lies junk html empty error other redirect
#                            failing refuses close
#   java11, exporter-java11  as naughty and exporter-page-good, with classes of Java 11; all others are of Java 8
#   no-agent-class no-manifest no-class no-agentmain truncated flipped (a bit) text (is not a zip) empty bomb
#   native                   a library, does what its options say (agent.c): return fail=N exit=N abort hang
#   no-attach                a library without Agent_OnAttach
#   native-arm64             a library for another machine
set -euo pipefail

RIG_SRC=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
RIG_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/jdiag-rig

make_jars() {
	local out=$1 src=("$RIG_SRC"/java/{Naughty,JavaAgent}.java) release
	for release in 8 11; do
		javac --release "$release" -Xlint:-options -d "$out/classes/$release" "${src[@]}" >&2 || return
	done
	"$RIG_SRC/agent_jars.py" "$out" "$out/classes/8" "$out/classes/11" && rm -r "$out/classes"
}

make_libraries() {
	local out=$1 flags=(-std=gnu11 -D_GNU_SOURCE -O1 -fPIC -shared -nostartfiles)
	${CC:-cc} "${flags[@]}" -o "$out/native.so" "$RIG_SRC/agent.c" >&2 &&
		${CC:-cc} "${flags[@]}" -DNO_ATTACH -o "$out/no-attach.so" "$RIG_SRC/agent.c" >&2 &&
		aarch64-linux-gnu-gcc "${flags[@]}" -o "$out/native-arm64.so" "$RIG_SRC/agent.c" >&2
}

agents() {
	local dir part
	dir=$RIG_CACHE/agents-$(cat "$RIG_SRC"/{agents.sh,agent_jars.py,agent.c} "$RIG_SRC"/java/{Naughty,JavaAgent}.java |
		sha256sum | cut -c1-16)
	if [ ! -d "$dir" ]; then
		mkdir -p "$RIG_CACHE"
		part=$(mktemp -d "$RIG_CACHE/agents.XXXXXX")
		chmod 755 "$part"
		if ! make_jars "$part" || ! make_libraries "$part"; then rm -rf "$part" && return 1; fi
		mv -T "$part" "$dir" 2>/dev/null || rm -rf "$part"
	fi
	printf '%s\n' "$dir"
}

dir=$(agents)
case ${1:-} in
"") printf '%s\n' "$dir" ;;
*)
	for file in "$dir/$1".{jar,so}; do
		if [ -e "$file" ]; then printf '%s\n' "$file" && exit; fi
	done
	sed -n '2,18s/^# \{0,1\}//p' "$0" >&2
	exit 2
	;;
esac
