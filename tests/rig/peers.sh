#!/bin/bash
# Programs of others that the benchmarks compare with; made once, kept in
# ${XDG_CACHE_HOME:-$HOME/.cache}/jdiag-rig.
#
#   peers.sh hprof-slurp    a fast reader of heap dumps, built by cargo; prints the program's path
#
# Ends with 1 when there is no cargo or it cannot fetch.
set -euo pipefail

RIG_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/jdiag-rig
SLURP_VERSION=0.10.0

slurp() {
	local dir=$RIG_CACHE/hprof-slurp-$SLURP_VERSION part
	if [ ! -d "$dir" ]; then
		command -v cargo >/dev/null || { echo "rig: no cargo: no hprof-slurp" >&2 && return 1; }
		mkdir -p "$RIG_CACHE"
		part=$(mktemp -d "$RIG_CACHE/hprof-slurp.XXXXXX")
		if ! cargo install hprof-slurp --version "$SLURP_VERSION" --locked --quiet --root "$part" >&2; then
			rm -rf "$part"
			return 1
		fi
		mv -T "$part" "$dir" 2>/dev/null || rm -rf "$part"
	fi
	printf '%s\n' "$dir/bin/hprof-slurp"
}

case ${1:-} in
hprof-slurp) slurp ;;
*) sed -n '2,8s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac
