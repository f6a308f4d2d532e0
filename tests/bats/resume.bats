# Captures of a real JVM whose connection is cut in each phase, whose jdiag is killed, or that are left on
# their node: the artifact is whole each time, and the JVM stood still once.
load lib

setup_file() {
	rig_up
	pod_up web --java -Xmx900m --java -Xlog:safepoint -- fill=150
	RELAY=$RIG_RUN/relay
	mkdir -p "$RELAY"
	"$RIG/relay.py" --control "$RELAY/control" "$RELAY/port" "$(<"$RIG_RUN/ssh/port")" 3>&- </dev/null &
	echo $! >"$RELAY/pid"
	wait_for 40 test -s "$RELAY/port"
	sed "s/^\[127.0.0.1\]:[0-9]*/[127.0.0.1]:$(<"$RELAY/port")/" "$RIG_RUN/ssh/known_hosts" >"$RELAY/known_hosts"
	chmod 600 "$RELAY/known_hosts"
}
teardown_file() {
	kill "$(<"$RIG_RUN/relay/pid")"
	rig_down
}

setup() {
	RELAY=$RIG_RUN/relay
	JDIAG_EXTRA_ENV=(JDIAG_SSH_PORT="$(<"$RELAY/port")" JDIAG_KNOWN_HOSTS="$RELAY/known_hosts")
	OUT=$RIG_RUN/out/$BATS_TEST_NUMBER
	mkdir -p "$OUT"
	DUMPS=$(dumps)
}

teardown() {
	[[ ! -f $RIG_RUN/job ]] || kill -KILL "$(<"$RIG_RUN/job")" 2>/dev/null || true
	relay clear
	relay accept
	relay rate 0
	rm -rf "$RIG_RUN/job" "$RIG_RUN/home/.local" "$OUT"
	[[ -n $BATS_TEST_COMPLETED ]] || leave_nothing
	# what one test leaves is not the next one's fault
	untouched web
}

relay() { "$RIG/relay.py" --ask "$RELAY/control" "$@" >/dev/null; }

# How often the JVM has dumped, by its own log.
dumps() { grep -c '"HeapDumper"' "$(container log web)" || true; }

# paused_once: since the test began.
paused_once() {
	[[ $(dumps) == $((DUMPS + 1)) ]] || { echo "$(dumps) dumps, $DUMPS before" && return 1; }
}

begin() {
	: >"$RIG_RUN/out/stderr"
	JDIAG_EXEC=exec jdiag_env env --default-signal=INT,QUIT "$JDIAG" "$@" \
		>"$RIG_RUN/out/stdout" 2>"$RIG_RUN/out/stderr" 3>&- </dev/null &
	echo $! >"$RIG_RUN/job"
}

told() { grep -q "$1" "$RIG_RUN/out/stderr"; }
phase() { wait_for 60 told "^jdiag: \\($1\\)$" || { cat "$RIG_RUN/out/stderr" && return 1; }; }

# ends STATUS
ends() {
	local status=0
	wait_for 60 job_has_ended
	wait "$(<"$RIG_RUN/job")" || status=$?
	rm -f "$RIG_RUN/job"
	stderr=$(<"$RIG_RUN/out/stderr")
	tee -a "$RIG_RUN/out/all" <"$RIG_RUN/out/stderr"
	[[ $status == "$1" ]] || { echo "status $status instead of $1" && return 1; }
}

records() { find "$RIG_RUN/home/.local/state/jdiag/captures" -type f 2>/dev/null; }

no_spool() { [[ -z $(compgen -G '/var/lib/.jdiag-*') ]]; }

# whole FILE: the artifact, its manifest, and nothing else anywhere.
whole() {
	manifest_agrees "$1"
	dump_is_good "$1" live
	paused_once
	[[ -z $(records) ]] || { records; return 1; }
	wait_for 20 no_spool || { ls -la /var/lib/.jdiag-*; cat /var/lib/.jdiag-*/state; helper_pids; return 1; }
	rm "$1" "$1.manifest.json"
	[ -z "$(ls -A "$OUT")" ]
}

# asked [OPTION...]: the JVM is asked for a dump, or has been; it will be caught half way (caught_half_way).
asked() {
	watch_half_way web
	begin heapdump web -n shop --to "$OUT/x.hprof" "$@"
	phase attach
}

# stands_still [OPTION...]: the JVM stands still, as long as the drain does (go_on).
stands_still() {
	asked "$@"
	caught_half_way
	phase pause
}

go_on() { kill -CONT "$DRAIN"; }

# comes: the artifact of 160 MB is on its way, for a minute yet.
comes() {
	stands_still
	relay rate 20
	go_on
	phase transfer
}

ends_well() {
	ends 0
	tells "the connection to node '$NODE' broke"
	tells "connected again"
	whole "$OUT/x.hprof"
}

@test "the connection is cut while the JVM is asked" {
	asked
	relay cut
	caught_half_way
	go_on
	ends_well
}
@test "the connection is cut while the JVM stands still" {
	stands_still
	relay cut
	go_on
	ends_well
}
@test "the connection is cut while the node compresses" {
	stands_still --format hprof.zst
	relay cut down:300000 # of 2 MB; it sends none before it has begun with them
	go_on
	ends_well
}
@test "the connection is cut while the artifact comes" {
	comes
	relay cut
	relay rate 0
	ends_well
}

@test "the connection stays down for a while" {
	stands_still
	relay refuse
	relay cut
	go_on
	wait_for 40 told 'broke'
	sleep 3
	relay accept
	ends_well
}

@test "before the JVM is asked: once more, but not for ever" {
	relay each up:300000 # in the middle of the helper
	run_jdiag -s 5 heapdump web -n shop --to "$OUT/x.hprof.gz"
	[ "$(grep -c 'connecting again' <<<"$stderr")" = 3 ]
	[ -z "$(records)" ]
	[ "$(dumps)" = "$DUMPS" ]
	[ -z "$(ls -A "$OUT")" ]
	relay clear
	relay cut up:300000
	run_jdiag -s 0 heapdump web -n shop --to "$OUT/x.hprof.gz"
	whole "$OUT/x.hprof.gz"
}

@test "the connection does not come back: kept until --timeout, then resumed" {
	stands_still --timeout 25s
	relay refuse
	relay cut
	go_on
	ends 130
	tells "timed out"
	tells "jdiag resume $(basename "$(records)" .json)"
	relay accept
	run_jdiag -s 0 resume
	whole "$OUT/x.hprof"
}

@test "--no-spool: complete without a break, lost with one" {
	run_jdiag -s 0 heapdump web -n shop --no-spool --to "$OUT/x.hprof.gz"
	whole "$OUT/x.hprof.gz"
	stands_still --no-spool
	relay cut
	go_on || true # it may have been ended already
	ends 5
	tells "take it again without"
	[ -z "$(records)" ]
	[ -z "$(ls -A "$OUT")" ]
}

# The node has answered: from now on it goes on alone.
has_begun() { grep -qsE '"phase": ?"(attach|dump|spool|complete)"' /var/lib/.jdiag-*/state; }

killed() {
	kill -KILL "$(<"$RIG_RUN/job")"
	ends 137
}

# another_one: finishes it.
another_one() {
	relay rate 0
	run_jdiag -s 0 resume "$(basename "$(records)" .json)"
	whole "$OUT/x.hprof"
}

@test "jdiag is killed while the JVM is asked" {
	asked
	wait_for 30 has_begun
	killed
	caught_half_way
	go_on
	another_one
}
@test "jdiag is killed while the JVM stands still" {
	stands_still
	killed
	go_on
	another_one
}
@test "jdiag is killed while the artifact comes" {
	comes
	killed
	another_one
}

@test "--detach: the dump is safe on the node; resume from here, by node, by pod, in each format" {
	local target format
	for format in hprof hprof.gz hprof.zst; do
		case $format in
		hprof) target=() ;;
		hprof.gz) target=("node/$NODE") ;;
		hprof.zst) target=(web -n shop) ;;
		esac
		DUMPS=$(dumps)
		run_jdiag -s 0 heapdump web -n shop --detach --format "$format" --to "$OUT/"
		paused_once
		id=$output
		[[ $id =~ ^[0-9a-f]{16}$ ]]
		run_jdiag -s 0 spool "node/$NODE" -o name
		[ "$output" = "$id" ]
		run_jdiag -s 0 spool -o wide
		says " web "
		says " complete "
		((${#target[@]} == 0)) || rm -r "$RIG_RUN/home/.local"
		run_jdiag -s 0 resume "$id" "${target[@]}" --to "$OUT/x.$format"
		whole "$OUT/x.$format"
	done
}

@test "--redact: the spool and the artifact have no contents" {
	run_jdiag -s 0 heapdump web -n shop --redact strings --to "$OUT/x.hprof"
	grep -q '"redact": "strings"' "$OUT/x.hprof.manifest.json"
	whole "$OUT/x.hprof"
}

@test "spool rm stops what is under way" {
	pod_up stall --exec fakejvm -- stall
	begin heapdump stall -n shop --to "$OUT/" --force
	phase pause
	id=$(basename "$(records)" .json)
	run_jdiag -s 0 spool
	says "$id"
	says " dump "
	run_jdiag -s 0 spool rm "$id"
	ends 8
	tells "was stopped"
	[ -z "$(ls -A "$OUT")" ]
	[ -z "$(records)" ]
	untouched stall
	container stop stall
}
