# Links that are narrow or far away, and destinations that fail in the middle: what it costs the JVM, and how
# it ends.
load links

setup_file() {
	links_up
	pod_up web --java "-Xmx400m -Xlog:safepoint" -- fill=100
}
teardown_file() { rig_down; }
setup() {
	links_reset
	pauses web >"$RIG_RUN/dumps"
}
teardown() {
	links_reset
	untouched web
}

object() { echo "$RIG_RUN/bucket/data/objects/dumps/${1//\//%2F}"; }
paused_once() { [[ $(pauses web) == $(($(<"$RIG_RUN/dumps") + 1)) ]]; }

@test "a narrow link: the JVM does not wait for it, but for a ring it does" {
	local ring spool n
	link_up narrow --rate 100
	through narrow
	run_jdiag -s 0 heapdump web -n shop --no-spool --buffer 16MiB --to "$RIG_RUN/out/to/y.hprof"
	manifest_agrees "$RIG_RUN/out/to/y.hprof"
	rm -f "$RIG_RUN"/kept/*
	ring=$(pause_ns web)
	[ "$ring" -gt 800000000 ] # 40 MB or so have to go before it can end
	for n in 1 2 3; do # a machine that is busy makes a pause long, too
		run_jdiag -s 0 heapdump web -n shop --to "$RIG_RUN/out/to/$n.hprof"
		as_on_node "$RIG_RUN/out/to/$n.hprof"
		spool=$(pause_ns web)
		echo "pauses: $ring, $spool"
		((ring <= spool + spool / 2)) || return 0
	done
	return 1
}

@test "far away, and it breaks: on from where it was" {
	link_up far --delay 100
	through far
	run_jdiag -s 0 heapdump web -n shop --detach --to "$RIG_RUN/out/to/x.hprof"
	link far cut down:700000 up:900000 down:1500000
	run_jdiag -s 0 resume
	link far stats | grep '"pending": 0,'
	as_on_node "$RIG_RUN/out/to/x.hprof"
	paused_once
}

@test "Ctrl-C while it connects again: at once, with the line that goes on" {
	link_up lost --rate 40
	through lost
	begin heapdump web -n shop --to "$RIG_RUN/out/to/x.hprof"
	told_soon '^jdiag: (spool|transfer)$'
	link lost refuse
	link lost cut
	told_soon 'connecting again'
	signal INT
	ends 130 30 # it would try for 15 minutes
	tells "interrupted"
	link lost accept
	link lost rate 0
	[[ $stderr =~ (jdiag resume [0-9a-f]{16}) ]]
	read -r -a words <<<"${BASH_REMATCH[1]#jdiag }"
	run_jdiag -s 0 "${words[@]}"
	as_on_node "$RIG_RUN/out/to/x.hprof"
	paused_once
	nothing_remembered
}

@test "the bucket forgets the upload half-way: a new one, from the spool" {
	bucket_faults '[{"on": "final", "status_at": 30000000, "status": 410}]'
	run_jdiag -s 0 heapdump web -n shop --to gs://dumps/gone/x.hprof
	as_on_node "$(object gone/x.hprof)"
	paused_once
}

@test "the bucket fails for long: status 9, and resume delivers from the spool" {
	bucket_faults '[{"on": "final", "status": 503, "retry_after": 0, "times": 99}, {"on": "status", "status": 403, "times": 99}]'
	run_jdiag -s 9 heapdump web -n shop --to gs://dumps/late/x.hprof
	tells "the capture is kept on node '$NODE'"
	bucket_faults '[]'
	run_jdiag -s 0 resume
	as_on_node "$(object late/x.hprof)"
	paused_once
	nothing_remembered
}

@test "the bucket forgets the upload at its end, and there is no spool: the dump is lost, and that is said" {
	bucket_faults '[{"on": "final", "status": 410}]'
	run_jdiag -s 9 heapdump web -n shop --no-spool --to gs://dumps/lost/x.hprof
	tells "take the dump again, without --no-spool"
	[ ! -e "$(object lost/x.hprof)" ]
	paused_once
	nothing_remembered
}
