# jdiag on several pods of a real cluster, chosen by what made them.
load cluster

setup_file() {
	shop_up fleet
	pods_up checkout
	pods_up web
	# what deploy/NAME needs beside the README's ClusterRole
	kubectl create clusterrole "workloads-$SHOP" --verb get \
		--resource deployments.apps,replicasets.apps,statefulsets.apps,daemonsets.apps,jobs.batch
	k create rolebinding workloads --clusterrole "workloads-$SHOP" --serviceaccount "$SHOP:jdiag"
	allowed jdiag get jobs.batch
}
teardown_file() {
	kubectl delete clusterrole "workloads-$SHOP"
	shop_down
}

setup() {
	JDIAG_EXTRA_ENV=(KUBECONFIG="$RIG_RUN/kube/$SHOP")
	OUT=$RIG_RUN/out/$SHOP/$BATS_TEST_NUMBER
	mkdir -p "$OUT"
}

names() { k get pod -l "app=$1" -o jsonpath='{range .items[*]}{.metadata.name}{"\n"}{end}' | sort; }

# all_of APP: one whole dump of each of its pods, and nothing else.
all_of() {
	local pod n=0
	for pod in $(names "$1"); do
		manifest_agrees "$OUT/${SHOP}_${pod}_app"-0_*.hprof.gz
		dump_is_whole "$OUT/${SHOP}_${pod}_app"-0_*.hprof.gz
		n=$((n + 1))
	done
	[ "$n" -gt 0 ]
	[ "$(find "$OUT" -type f | wc -l)" = $((2 * n)) ]
}

@test "--all of a deployment: each replica" {
	run_jdiag -s 0 heapdump deploy/checkout -n "$SHOP" --all --to "$OUT/"
	[ "${#lines[@]}" = 3 ]
	all_of checkout
	for pod in $(names checkout); do pod_untouched "$pod" app; done
}

@test "--all of a selector, into the bucket" {
	run_jdiag -s 0 heapdump -l app=checkout -n "$SHOP" --all --to gs://dumps/fleet/ -o name
	[ "${#lines[@]}" = 3 ]
	for url in "${lines[@]}"; do run_jdiag -s 0 check "$url"; done
}

@test "--any of a deployment: one" {
	run_jdiag -s 0 heapdump deploy/checkout -n "$SHOP" --any --to "$OUT/"
	[ "$(find "$OUT" -name '*.hprof.gz' | wc -l)" = 1 ]
}

@test "several, and nobody has said --all: refused, with their names" {
	refuses 3 heapdump deploy/checkout -n "$SHOP" --to "$OUT/"
	tells "deploy/checkout has 3 pods"
	for pod in $(names checkout); do tells "$pod"; done
	tells "--all"
	[ -z "$(ls "$OUT")" ]
}

@test "what a stateful set, a daemon set and a job have made" {
	pods_up made
	for target in sts/web ds/agent job/batch; do
		run_jdiag -s 0 ps "$target" -n "$SHOP" -o name
		[ "${#lines[@]}" = 1 ]
		run_jdiag -s 0 heapdump "$target" -n "$SHOP" --to "$OUT/${target#*/}.hprof.gz"
		dump_is_whole "$OUT/${target#*/}.hprof.gz"
	done
}

@test "in a rollout: what the deployment has made, old and new" {
	k set env deploy/checkout ROLLED=out
	k rollout status deploy/checkout --timeout=90s
	run_jdiag -s 0 ps deploy/checkout -n "$SHOP" -o json
	for pod in $(k get pod -l app=checkout --field-selector status.phase=Running \
		-o jsonpath='{range .items[?(@.metadata.deletionTimestamp=="")]}{.metadata.name}{"\n"}{end}'); do
		says "$pod"
	done
}

@test "without the right to read deployments" {
	kubectl delete rolebinding workloads -n "$SHOP"
	wait_for 60 bash -c "! KUBECONFIG=$ADMIN command kubectl auth can-i get deployments.apps -n $SHOP --as system:serviceaccount:$SHOP:jdiag"
	refuses 4 ps deploy/checkout -n "$SHOP"
	tells "not allowed to get deployments"
	run_jdiag -s 0 ps -l app=checkout -n "$SHOP" -o name
	[ "${#lines[@]}" = 3 ]
}
