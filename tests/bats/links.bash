# For links*.bats: links that break, between jdiag and a real node.
load lib

# The sshd of the rig once more, whose commands cut_frames.py passes on.
links_up() {
	rig_up
	mkdir -p "$RIG_RUN/kept" "$RIG_RUN/out/to"
	sshd_stop "$RIG_RUN/ssh"
	sshd_start "$RIG_RUN/ssh" "ForceCommand $RIG/cut_frames.py $(stat -c %s "$JDIAG_BUILD/jdiag-helper-$(uname -m)") $RIG_RUN/rules $RIG_RUN/kept"
}

# --- the links -------------------------------------------------------------------------------------

# link_up NAME OPTION...: a relay to the sshd. through NAME: jdiag goes that way from now on.
link_up() {
	local dir=$RIG_RUN/link-$1 type
	shift
	mkdir -p "$dir"
	rm -f "$dir/port"
	"$RIG/relay.py" --control "$dir/control" --log "$dir/log" "$@" "$dir/port" "$(<"$RIG_RUN/ssh/port")" \
		>"$dir/out" 2>&1 3>&- </dev/null &
	echo $! >"$dir/pid"
	wait_for 30 test -s "$dir/port"
	for type in ed25519 ecdsa rsa; do
		echo "[127.0.0.1]:$(<"$dir/port") $(cut -d' ' -f1,2 "$RIG_RUN/ssh/host_$type.pub")"
	done >>"$RIG_RUN/ssh/known_hosts"
}

links_down() {
	local dir
	for dir in "$RIG_RUN"/link-*; do
		[[ -d $dir ]] || continue
		kill "$(<"$dir/pid")" 2>/dev/null || true
		rm -rf "$dir"
	done
}

through() { JDIAG_EXTRA_ENV+=(JDIAG_SSH_PORT="$(<"$RIG_RUN/link-$1/port")"); }

# link NAME COMMAND...
link() {
	local dir=$RIG_RUN/link-$1
	shift
	"$RIG/relay.py" --ask "$dir/control" "$@"
}

# --- the JVM -----------------------------------------------------------------------------------------

# pauses NAME: how many dumps it has made, as it says itself (-Xlog:safepoint).
pauses() { grep -c 'Safepoint "HeapDumper"' "$(container log "$1")" || true; }

# pause_ns NAME: how long the last one took.
pause_ns() { sed -n 's/.*Safepoint "HeapDumper".* Total: *\([0-9]*\) ns.*/\1/p' "$(container log "$1")" | tail -n 1; }

# --- the artifact ---------------------------------------------------------------------------------------

# as_on_node FILE: byte for byte what the node had before it was removed there; nothing else was kept.
as_on_node() {
	local kept=("$RIG_RUN"/kept/*)
	[[ ${#kept[@]} == 1 ]] || { echo "kept: ${kept[*]}" && return 1; }
	cmp "${kept[0]}" "$1"
	rm "${kept[0]}"
}

records() { find "$RIG_RUN/home/.local/state/jdiag/captures" -type f 2>/dev/null || true; }

nothing_remembered() { [[ -z $(records) ]] || { echo "records: $(records)" && return 1; }; }

# --- jdiag in the background ------------------------------------------------------------------------

# begin ARGUMENT...: shells let background jobs ignore SIGINT: undone.
begin() {
	: >"$RIG_RUN/out/stderr"
	JDIAG_EXEC=exec jdiag_env env --default-signal=INT,QUIT "$JDIAG" "$@" \
		>"$RIG_RUN/out/stdout" 2>"$RIG_RUN/out/stderr" 3>&- </dev/null &
	echo $! >"$RIG_RUN/job"
}

told() { grep -qE "$1" "$RIG_RUN/out/stderr"; }

# told_soon REGEX: it has come so far.
told_soon() { wait_for 60 told "$1" || { cat "$RIG_RUN/out/stderr" && return 1; }; }

signal() { kill -"$1" "$(<"$RIG_RUN/job")"; }

# ends STATUS [SECONDS]: by itself; sets $output and $stderr.
ends() {
	local job status=0
	job=$(<"$RIG_RUN/job")
	wait_for "${2:-90}" job_has_ended
	wait "$job" || status=$?
	rm -f "$RIG_RUN/job"
	output=$(<"$RIG_RUN/out/stdout") stderr=$(<"$RIG_RUN/out/stderr")
	cat "$RIG_RUN/out/stdout" "$RIG_RUN/out/stderr" | tee -a "$RIG_RUN/out/all"
	[[ $status == "$1" ]] || { echo "status $status instead of $1" && return 1; }
}

# What a test has begun, and what it may have left where it failed.
links_reset() {
	if [[ -f $RIG_RUN/job ]]; then
		kill -KILL "$(<"$RIG_RUN/job")" 2>/dev/null || true
		wait "$(<"$RIG_RUN/job")" 2>/dev/null || true
	fi
	links_down
	rm -rf "$RIG_RUN"/{job,rules,kept,out/to,home/.local}
	mkdir -p "$RIG_RUN/kept" "$RIG_RUN/out/to"
	bucket_faults '[]'
}
