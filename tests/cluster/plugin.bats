# jdiag as a plugin of kubectl, installed as `make install` does it.
load cluster

setup_file() {
	shop_up plugin
	pods_up web
	make -C "$TESTS/.." install BUILD="$JDIAG_BUILD" DESTDIR="$RIG_RUN/plugin" PREFIX=/usr
}
teardown_file() { shop_down; }

# What a person types; jdiag finds kubectl's arguments and configuration.
plugin() {
	run --separate-stderr jdiag_env PATH="$RIG_RUN/plugin/usr/bin:$PATH" timeout -k 5 60 kubectl "$@"
	printf '$ kubectl %s\nstatus: %s\nstdout: %s\nstderr: %s\n' "$*" "$status" "$output" "$stderr"
	printf '%s\n%s\n' "$output" "$stderr" >>"$RIG_RUN/out/all"
}

@test "kubectl lists it" {
	plugin plugin list
	[ "$status" = 0 ]
	says "$RIG_RUN/plugin/usr/bin/kubectl-jdiag"
	[[ $stderr != *warning* ]]
}

@test "kubectl jdiag heapdump" {
	plugin jdiag heapdump web-0 -n "$SHOP" --to "$OUT/plugin.hprof.gz"
	[ "$status" = 0 ]
	[ "$output" = "$OUT/plugin.hprof.gz" ]
	dump_is_whole "$output"
	pod_untouched web-0 app
}

@test "errors and exit statuses come through, and speak of kubectl jdiag" {
	plugin jdiag heapdump web-1 -n "$SHOP"
	[ "$status" = 3 ]
	tells "pod 'web-1'"
	plugin jdiag heapdump
	[ "$status" = 2 ]
	tells "kubectl jdiag help heapdump"
}

@test "kubectl completes it" {
	plugin __complete jdiag heapd
	[ "$status" = 0 ]
	says heapdump
	plugin __complete jdiag heapdump --all-o
	says --all-objects
}
