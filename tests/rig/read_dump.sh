#!/bin/bash
# The independent reader: what is in a heap dump, by a Java library that knows nothing of jdiag.
#
#   read_dump.sh FILE [N]    the N largest classes (all): instances, shallow bytes, name. FILE may be gzip
#                            (the library knows gzip of one member only) or zstd
#   read_dump.sh --prepare   fetch and compile only
#
# The library comes from Maven once and is kept in ${XDG_CACHE_HOME:-$HOME/.cache}/jdiag-rig.
set -euo pipefail
shopt -s inherit_errexit # what is not whole is not kept

RIG_SRC=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
RIG_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/jdiag-rig
LIBRARIES="org.gridkit.jvmtool:hprof-heap:0.16 org.gridkit.gzrand:gzrand:0.2"

reader() {
	local dir part try artifact
	dir=$RIG_CACHE/reader-$(sha256sum "$RIG_SRC/java/ReadDump.java" | cut -c1-16)
	if [ ! -d "$dir" ]; then
		mkdir -p "$RIG_CACHE"
		part=$(mktemp -d "$RIG_CACHE/reader.XXXXXX")
		for artifact in $LIBRARIES; do
			for try in 1 2 3; do
				mvn -q -B dependency:copy "-Dartifact=$artifact" "-DoutputDirectory=$part" >&2 && break
				[ "$try" -lt 3 ] || return 1
				sleep "$try"
			done
		done
		javac -nowarn -cp "$part/*" -d "$part" "$RIG_SRC/java/ReadDump.java" >&2
		mv -T "$part" "$dir" 2>/dev/null || rm -rf "$part"
	fi
	printf '%s\n' "$dir"
}

# plain FILE: its dump as a file of its own, when it is packed.
plain() {
	case $(head -c 4 "$1" | od -An -tx1 | tr -d ' ') in
	1f8b*) gzip -dc "$1" ;;
	28b52ffd) zstd -dcq "$1" ;;
	*) return 0 ;;
	esac >"$temp"
	printf '%s\n' "$temp"
}

dir=$(reader)
if [ "${1:-}" != --prepare ]; then
	temp=$(mktemp "${TMPDIR:-/tmp}/read_dump.XXXXXX.hprof")
	trap 'rm -f "$temp"' EXIT
	file=$(plain "$1")
	java -Xmx1g -cp "$dir:$dir/*" ReadDump "${file:-$1}" "${@:2}"
fi
