# The link may break at any byte and at any message: the artifact is the node's, byte for byte, and the JVM
# stood still once for it. LINK_CUTS (200) is the number of bytes that are tried.
load links

setup_file() {
	links_up
	pod_up web --java "-Xmx128m -Xlog:safepoint" -- fill=16
}
teardown_file() { rig_down; }
setup() {
	links_reset
	pauses web >"$RIG_RUN/dumps"
}
teardown() {
	kill -CONT "$(container pid web)"
	links_reset
	untouched web
}

# one_more [N]: pauses of web since the last time.
one_more() {
	local want=$(($(<"$RIG_RUN/dumps") + ${1:-1}))
	pauses web >"$RIG_RUN/dumps"
	[[ $(<"$RIG_RUN/dumps") == "$want" ]] || { echo "$(<"$RIG_RUN/dumps") pauses instead of $want" && return 1; }
}

# --- at a byte -------------------------------------------------------------------------------------

LANES=5

# A capture that stays on the node, and the bytes at which its deliveries will break: two at least.
lane_up() {
	local lane=$1 how=$2 seed=$3 number=$((${LINK_CUTS:-200} / 4 / LANES))
	link_up "$lane" --how "$how"
	through "$lane"
	run_jdiag -s 0 heapdump web -n shop --detach --to "$RIG_RUN/out/to/$lane.hprof"
	echo "$output" >"$RIG_RUN/link-$lane/id"
	# shellcheck disable=SC2046 # a list
	link "$lane" cut $("$RIG/cut_offsets.py" "$seed" $((number > 2 ? number : 2)) \
		"$(stat -c %s "$JDIAG_BUILD/jdiag-helper-$(uname -m)")")
}

# Side by side: most of the time they wait to connect again.
deliver_all() {
	local lane pids=()
	for ((lane = 1; lane <= LANES; lane++)); do
		jdiag_env timeout 110 "$JDIAG" resume "$(<"$RIG_RUN/link-$lane/id")" \
			>"$RIG_RUN/link-$lane/stdout" 2>"$RIG_RUN/link-$lane/stderr" 3>&- </dev/null &
		pids+=($!)
	done
	wait "${pids[@]}" || true # whether it was good is seen below
}

lane_is_good() {
	local lane=$1 id
	id=$(<"$RIG_RUN/link-$lane/id")
	cat "$RIG_RUN/link-$lane/stderr"
	cat "$RIG_RUN/link-$lane/stderr" >>"$RIG_RUN/out/all"
	[ "$(<"$RIG_RUN/link-$lane/stdout")" = "$RIG_RUN/out/to/$lane.hprof" ]
	link "$lane" stats | grep '"pending": 0,'
	cmp "$RIG_RUN/kept/$id" "$RIG_RUN/out/to/$lane.hprof"
	manifest_agrees "$RIG_RUN/out/to/$lane.hprof"
}

breaks_at_bytes() {
	local lane
	for ((lane = 1; lane <= LANES; lane++)); do lane_up "$lane" "$1" $(($2 + lane)); done
	one_more $LANES
	deliver_all
	for ((lane = 1; lane <= LANES; lane++)); do lane_is_good "$lane"; done
	one_more 0
	nothing_remembered
}

@test "a quarter of the bytes: the connection is reset" { breaks_at_bytes reset 100; }
@test "another quarter: the connection is reset" { breaks_at_bytes reset 150; }
@test "a quarter of the bytes: the connection ends" { breaks_at_bytes close 200; }
@test "another quarter: the connection ends" { breaks_at_bytes close 250; }

# --- at a message ----------------------------------------------------------------------------------

# broken N: so often by now.
broken() { [[ $(grep -c 'connecting again' "$RIG_RUN/out/stderr") -ge $1 ]]; }

# breaks_at RULE...: a dump whose first connections break there (cut_frames.py).
breaks_at() {
	printf '%s\n' "$@" >"$RIG_RUN/rules"
	begin heapdump web -n shop --to "$RIG_RUN/out/to/x.hprof.gz"
	delivered $#
}

# delivered N: after so many breaks.
delivered() {
	wait_for 90 broken "$1" || { cat "$RIG_RUN/out/stderr" && return 1; }
	kill -CONT "$(container pid web)" # where a test has stopped it
	ends 0
	[ ! -s "$RIG_RUN/rules" ]
	as_on_node "$RIG_RUN/out/to/x.hprof.gz"
	manifest_agrees "$RIG_RUN/out/to/x.hprof.gz"
	rm "$RIG_RUN"/out/to/*
	nothing_remembered
	one_more
}

@test "before the capture: hello, ps, inspect" {
	breaks_at "HELLO 1 half" "ps asked" "ps answered"
	breaks_at "inspect asked" "inspect answered"
}

@test "begin: before the helper has it, before its answer, in its answer, behind it" {
	breaks_at "begin asked"
	breaks_at "begin answered"
	breaks_at "begin answered" "begin answered"
	breaks_at "watch asked"
}

@test "while the capture is watched" {
	printf '%s\n' "PROGRESS 1 before" "PROGRESS 1 half" "PROGRESS 2 after" >"$RIG_RUN/rules"
	begin_half_way web heapdump web -n shop --to "$RIG_RUN/out/to/x.hprof.gz"
	kill -STOP "$(container pid web)"
	kill -CONT "$DRAIN"
	delivered 3
	breaks_at "fetch asked"
}

@test "in the artifact, and at its end" {
	breaks_at "DATA 1 before" "DATA 2 half" "DATA 3 after" "END 1 before" "END 1 half"
	breaks_at "END 1 after"
}

@test "while the spool is removed" {
	breaks_at "remove asked"
	breaks_at "remove answered"
	breaks_at "remove asked" "remove answered" "HELLO 1 before"
}

@test "a delivery that breaks at each message, one further each time, and in the middle of each" {
	local rules=() n where
	run_jdiag -s 0 heapdump web -n shop --detach --to "$RIG_RUN/out/to/x.hprof"
	one_more
	for n in 1 2; do
		for where in before half after; do rules+=("any $n $where" "DATA 1 after"); done
	done
	for n in 3 4 5; do rules+=("any $n before" "any $n half" "any $n after"); done
	printf '%s\n' "${rules[@]}" >"$RIG_RUN/rules"
	begin resume
	ends 0 110
	[ ! -s "$RIG_RUN/rules" ]
	as_on_node "$RIG_RUN/out/to/x.hprof"
	one_more 0
}
