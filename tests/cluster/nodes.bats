# jdiag nodes, and the ways to a node of a real cluster.
load cluster

setup_file() {
	shop_up nodes
	pods_up web
	# beside the README's ClusterRole
	kubectl create clusterrole "nodes-$SHOP" --verb list --resource nodes
	kubectl create clusterrolebinding "nodes-$SHOP" --clusterrole "nodes-$SHOP" --serviceaccount "$SHOP:jdiag"
	allowed jdiag list nodes
}
teardown_file() {
	kubectl delete clusterrole,clusterrolebinding "nodes-$SHOP"
	shop_down
}

@test "the node, by the filter of the Compute Engine" {
	run_jdiag -s 0 nodes
	says "$CLUSTER_NODE"
	says 127.0.0.1
	run_jdiag -s 0 nodes --filter "status:RUNNING AND zone=europe-west1-b AND kubelet=v1.34.0" -o name
	[ "$output" = "node/$CLUSTER_NODE" ]
	run_jdiag -s 0 nodes --filter 'labels.rig:other' -o name
	[ -z "$output" ]
}

@test "a node without a kubelet: listed as such, and what was put there is no target" {
	k apply -f "$BATS_TEST_DIRNAME/pods/ghost.yaml"
	run_jdiag -s 0 nodes --filter 'labels.rig:ghost AND status!=Ready' -o name
	[ "$output" = "node/ghost" ]
	run_jdiag -s 0 nodes --filter 'zone=europe-west1-b' -o name
	[ "$output" = "node/$CLUSTER_NODE" ]
	refuses 3 heapdump lost -n "$SHOP" --to "$OUT/"
	tells "pod 'lost'"
	tells "Pending"
	refuses 3 ps node/ghost
	k delete -f "$BATS_TEST_DIRNAME/pods/ghost.yaml" --force --wait=false
}

@test "the node by its kinds of addresses" {
	run_jdiag -s 0 nodes -o json
	says "\"name\":\"$CLUSTER_NODE\""
	JDIAG_EXTRA_ENV+=(JDIAG_NODE_ADDRESS=internal)
	run_jdiag -s 0 ps web-0 -n "$SHOP" -o name
	refuses 3 ps web-0 -n "$SHOP" --node-address external
	tells "$CLUSTER_NODE"
}
