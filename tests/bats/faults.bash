# What the faults*.bats files share; after `load lib`.

faults_setup() {
	TO=$BATS_TEST_TMPDIR/to
	mkdir "$TO"
}

faults_teardown() {
	[[ ! -f $RIG_RUN/job ]] || kill -KILL "$(<"$RIG_RUN/job")" 2>/dev/null || true
	rm -rf "$RIG_RUN/job" "$RIG_RUN/home/.local"
	[[ -n $BATS_TEST_COMPLETED ]] || leave_nothing
}

# begin ARGUMENT...: jdiag in the background.
begin() {
	# shellcheck disable=SC2209 # the word
	JDIAG_EXEC=exec jdiag_env "$JDIAG" "$@" >"$RIG_RUN/out/stdout" 2>"$RIG_RUN/out/stderr" 3>&- </dev/null &
	echo $! >"$RIG_RUN/job"
}

told() { grep -q "$1" "$RIG_RUN/out/stderr"; }

# ends STATUS: its outputs are in $output and $stderr.
ends() {
	local status=0
	wait_for 60 job_has_ended || { cat "$RIG_RUN/out/stderr" && return 1; }
	wait "$(<"$RIG_RUN/job")" || status=$?
	rm -f "$RIG_RUN/job"
	output=$(<"$RIG_RUN/out/stdout")
	stderr=$(<"$RIG_RUN/out/stderr")
	printf '%s\n' "$output" "$stderr" | tee -a "$RIG_RUN/out/all"
	[[ $status == "$1" ]] || { echo "status $status instead of $1" && return 1; }
}

# half_way NAME [OPTION...]: jdiag in the background; the JVM writes its dump and stands still, because $DRAIN
# is stopped. $ID is its capture.
half_way() {
	begin_half_way "$1" heapdump "$1" -n shop --to "$TO/" "${@:2}"
	ID=$(basename "$RIG_RUN"/home/.local/state/jdiag/captures/*.json .json)
}

ticks() { grep -c ^tick "$(container log "$1")"; }

stands_still() {
	local before try
	for try in 1 2; do
		before=$(ticks "$1")
		sleep 0.4 # four ticks long
		[[ $(ticks "$1") != "$before" ]] || return 0
		echo "try $try: a tick" # one that was under way may come late
	done
	echo "the JVM does not stand still" && return 1
}

has_ticked() { (($(ticks "$1") > $2)); }

# runs_on NAME: at once; that is a second, and more on a machine that is busy. What does not let it go does not
# do so for half a minute.
runs_on() { wait_for 15 has_ticked "$1" "$(ticks "$1")"; }

# nothing_came_of_it NAME: nothing at the destination, no spool, no record; the JVM works.
nothing_came_of_it() {
	[[ -z $output && -z $(ls -A "$TO") ]]
	[[ -z $(find "$RIG_RUN/home/.local" -type f 2>/dev/null) ]]
	run_jdiag -s 0 spool "node/$NODE" -o name
	[[ $output != *"$ID"* ]]
	untouched "$1"
}

# can_be_dumped NAME: still, and again.
can_be_dumped() {
	run_jdiag -s 0 heapdump "$1" -n shop --to "$TO/again.hprof"
	dump_is_good "$TO/again.hprof" live
	rm "$TO"/again*
	untouched "$1"
}

# second_node LINE...: another sshd, whose processes run these lines first; OTHER are the options for it.
second_node() {
	# shellcheck disable=SC2016 # for that shell
	printf '%s\n' '#!/bin/bash' 'set -e' "$@" 'exec "${@}"' >"$RIG_RUN/node2"
	chmod 755 "$RIG_RUN/node2"
	SSHD_UNDER="$RIG_RUN/node2" sshd_start "$RIG_RUN/ssh2"
	sshd_authorize "$RIG_RUN/ssh2" "$RIG_RUN/ssh/client.pub"
	# shellcheck disable=SC2034 # for the tests
	OTHER=(-p "$(<"$RIG_RUN/ssh2/port")" --known-hosts "$RIG_RUN/ssh2/known_hosts")
}
