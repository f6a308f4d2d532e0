#!/bin/bash
# The real Prometheus JMX exporter in four generations, from Maven once, kept in
# ${XDG_CACHE_HOME:-$HOME/.cache}/jdiag-rig.
#
#   exporter.sh 1.0.1   print the path of that version's jar: 1.0.1, 0.20.0, 0.12.0 or 0.3.1
#   exporter.sh all     of all of them
set -euo pipefail

RIG_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/jdiag-rig
NAME=jmx_prometheus_javaagent
declare -A SHA256=(
	[1.0.1]=7d61f737fd661610ccc14aea79764faa1ea94a340cbc8f0029b3d2edea3d80c1
	[0.20.0]=8b67ed40485d475648c36d11d21464b484406f85faf912b3363f71a6a7861320
	[0.12.0]=6c7d195cb67a09517ec1469c214b3d8ab0030bdbaa9e2ee06a9995d7b03c707c
	[0.3.1]=2a25e74e7af7f4e63c227bf5d0d0a4da9b6b146ce521eca58fcde3bf803f1974
)

good() { [ -f "$2" ] && echo "${SHA256[$1]}  $2" | sha256sum --status --check; }

exporter() {
	local jar=$RIG_CACHE/exporter/$NAME-$1.jar part try
	if ! good "$1" "$jar"; then
		mkdir -p "$RIG_CACHE/exporter"
		part=$(mktemp -d "$RIG_CACHE/exporter.XXXXXX")
		for try in 1 2 3; do
			if mvn -q -B dependency:copy "-Dartifact=io.prometheus.jmx:$NAME:$1" "-DoutputDirectory=$part" >&2; then break; fi
			[ "$try" -lt 3 ] || return 1
			sleep "$try"
		done
		good "$1" "$part/$NAME-$1.jar" || { echo "rig: $NAME $1 has another digest" >&2 && return 1; }
		mv "$part/$NAME-$1.jar" "$jar"
		rm -rf "$part"
	fi
	printf '%s\n' "$jar"
}

case ${1:-} in
all) for version in "${!SHA256[@]}"; do exporter "$version"; done ;;
*)
	[ -n "${SHA256[${1:-none}]:-}" ] || { sed -n '2,6s/^# \{0,1\}//p' "$0" >&2 && exit 2; }
	exporter "$1"
	;;
esac
