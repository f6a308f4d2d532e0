# jdiag heapdump in a real cluster: an API server, a scheduler, a kubelet and containerd that are not ours.
load cluster

setup_file() { shop_up heapdump; }
teardown_file() { shop_down; }

@test "a pod of a deployment: the file, the bucket, nothing is left" {
	pods_up checkout
	pod=$(pod_of checkout)
	dumped "$pod"
	grep -qF "\"pod\": \"$pod\"" "$TO.manifest.json"
	run_jdiag -s 0 heapdump "$pod" -n "$SHOP" --to gs://dumps/cluster/
	run_jdiag -s 0 check "$output"
	says '='
	pod_untouched "$pod" app
}

@test "ps of a pod, of a selector, of the node" {
	pod=$(pod_of checkout)
	run_jdiag -s 0 ps "$pod" -n "$SHOP"
	says "$(task "$pod" app)"
	says Web
	run_jdiag -s 0 ps -l app=checkout -n "$SHOP" -o name
	[ "${#lines[@]}" = 3 ]
	run_jdiag -s 0 ps "node/$CLUSTER_NODE" -o json
	says "\"pod\":\"$pod\""
}

@test "a strict pod: another user, no capability, read-only, sidecars, an init container" {
	pods_up strict
	refuses 3 heapdump strict -n "$SHOP" --to "$OUT/"
	tells "app (running)"
	tells "logs (running)"
	tells "proxy (running)"
	for container in app logs proxy; do
		dumped strict -c "$container"
		rm "$TO"*
		pod_untouched strict "$container"
	done
	refuses 3 heapdump strict -c prepare -n "$SHOP" --to "$OUT/"
	[ "$(status_of strict app restartCount)" = 0 ]
}

@test "an ephemeral container" {
	k debug strict --container=debugger --image=rig.example/java:jlink --image-pull-policy=Never -- \
		/usr/lib/jvm/java/bin/java -Xmx32m -cp /app Checkout
	wait_for 60 last_tick strict debugger
	dumped strict -c debugger
	pod_untouched strict debugger
}

@test "containers that share their processes" {
	pods_up shared
	dumped shared -c twin
	grep -q -- '-Xmx48m' "$TO.manifest.json"
	pod_untouched shared twin
}

@test "in the namespaces of the node, Java 25" {
	pods_up host
	dumped host
	pod_untouched host app
}
