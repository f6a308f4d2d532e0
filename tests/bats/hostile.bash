# What the hostile-*.bats files share; after `load lib`.

# measure: the next commands' peak memory is taken; within_memory checks it.
measure() {
	JDIAG_EXTRA_ENV+=(PEAK_OF="$JDIAG" PEAK_TO="$RIG_RUN/out/peak")
	JDIAG=$RIG/peak.py
}

# Below 64 MiB at any time. (The sanitizers keep what is freed and shadow all of it.)
within_memory() {
	local limit=65536
	[[ $JDIAG_BUILD != *asan* ]] || limit=1000000
	(($(<"$RIG_RUN/out/peak") < limit)) || { echo "peak: $(<"$RIG_RUN/out/peak") KiB" && return 1; }
}

# clean TEXT: well-formed UTF-8 without any control character but the newline.
clean() {
	python3 -c '
import sys, unicodedata
text = sys.argv[1].encode("utf-8", "surrogateescape").decode()
bad = [c for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Cs")]
sys.exit("not clean: %r" % bad if bad else 0)' "$1"
}

# Other tests may run on this node: of the helpers only those count that came through our sshd, of
# directories and mounts those that stay.
our_helpers() {
	local pid
	for pid in $(pgrep -f '^/(media|srv|mnt|opt|tmp)/jdiag-helper'); do
		grep -qszE "^SSH_CONNECTION=.* $(<"$RIG_RUN/ssh/port")\$" "/proc/$pid/environ" && echo "helper $pid"
	done
}
find_ours() {
	our_helpers
	find_left | grep -v '^[0-9]' || true
}
ours_are_gone() {
	left=$(comm -12 <(printf '%s\n' "$left") <(find_ours | sort))
	[[ -z $left ]]
}
node_is_clean() {
	local left
	left=$(find_ours | sort)
	wait_for 20 ours_are_gone || { echo "left on the node: $left" && return 1; }
}

# fails STATUS TEXT ARGUMENT...: jdiag ends so in time and within its memory, says so in clean lines, and
# there is nothing at the destination $RIG_RUN/out/to/.
fails() {
	local want=$1 text=$2
	shift 2
	mkdir -p "$RIG_RUN/out/to"
	JDIAG_TIMEOUT=${JDIAG_TIMEOUT:-40} refuses "$want" "$@"
	tells "$text"
	clean "$stderr"
	[ -z "$(ls -A "$RIG_RUN/out/to")" ]
	within_memory
}
