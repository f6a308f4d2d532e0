# What changes under jdiag: a pod that goes or comes again, a container that restarts, a JVM that is probed.
load cluster

setup_file() { shop_up moved; }
teardown_file() { shop_down; }

uid_of() { k get pod "$1" -o jsonpath='{.metadata.uid}'; }

nothing_at() { [ -z "$(find "$OUT" -mindepth 1 -name "$1*")" ]; }

@test "a pod that was made again while the plan was read: refused, then captured" {
	pods_up web
	before=$(uid_of web-0)
	while_asked "k='kubectl --kubeconfig $ADMIN -n $SHOP'
		\$k delete pod web-0 --now &&
		\$k wait --for=create --timeout=60s pod/web-0 &&
		\$k wait --for=condition=Ready --timeout=60s pod/web-0" \
		heapdump web-0 -n "$SHOP" --to "$OUT/moved.hprof"
	[ "$status" = 3 ]
	[[ $output == *"pod 'web-0' has changed meanwhile: it is another pod of the same name"* ]]
	nothing_at moved
	[ "$(uid_of web-0)" != "$before" ]
	wait_for 60 at_work web-0 app
	dumped web-0
	grep -qF "$(uid_of web-0)" "$TO.manifest.json"
	pod_untouched web-0 app
}

@test "a pod that went while the plan was read" {
	pods_up checkout
	pod=$(pod_of checkout)
	while_asked "kubectl --kubeconfig $ADMIN -n $SHOP delete pod $pod --now" \
		heapdump "$pod" -n "$SHOP" --to "$OUT/gone.hprof"
	[ "$status" = 3 ]
	[[ $output == *"pod '$pod'"* ]]
	nothing_at gone
	refuses 3 heapdump "$pod" -n "$SHOP" --to "$OUT/"
	pods_down checkout
}

@test "a container that restarted: the old one is refused, the new one is captured" {
	old=$(status_of web-0 app containerID)
	while_asked "kill -9 $(task web-0 app)
		status='{.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].ready}'
		until [ \"\$(kubectl --kubeconfig $ADMIN -n $SHOP get pod web-0 -o jsonpath=\"\$status\")\" = '1 true' ]
		do sleep 0.1
		done" heapdump web-0 -n "$SHOP" --to "$OUT/restarted.hprof"
	[ "$status" = 3 ]
	[[ $output == *"pod 'web-0' has changed meanwhile: its container has restarted"* ]]
	nothing_at restarted
	[ "$(status_of web-0 app containerID)" != "$old" ]
	wait_for 60 at_work web-0 app
	dumped web-0
	run_jdiag -s 0 heapdump web-0 -n "$SHOP" --to "$OUT/"
	[[ $output == *"/${SHOP}_web-0_app-1_"* ]]
	pod_untouched web-0 app
}

@test "a liveness probe: the plan knows its budget, and refuses what it does not survive" {
	pods_up probed
	run_jdiag -s 0 heapdump patient -n "$SHOP" --dry-run --to "$OUT/"
	says "the liveness probe allows 30.0s"
	dumped patient
	refuses 10 heapdump probed -n "$SHOP" --to "$OUT/"
	tells "its liveness probe restarts it after 1.0s"
	for pod in patient probed; do
		[ "$(status_of $pod app restartCount)" = 0 ]
		pod_untouched $pod app
	done
}

@test "a pod whose readiness gate is closed" {
	k apply -f "$BATS_TEST_DIRNAME/pods/gated.yaml"
	k wait --for=jsonpath='{.status.containerStatuses[0].ready}'=true --timeout=90s pod/gated
	[ "$(k get pod gated -o jsonpath='{.status.conditions[?(@.type=="Ready")].status}')" = False ]
	wait_for 60 at_work gated app
	dumped gated
	pod_untouched gated app
}
