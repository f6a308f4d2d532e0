# The ClusterRole of the README is enough, and each of its rights is needed: without it the error says which.
load cluster

setup_file() {
	shop_up rights
	pods_up web
}
teardown_file() { shop_down; }
teardown() { give "$(readme_role "jdiag-$SHOP")"; }

may() { [[ $(kubectl auth can-i "$@" --as "system:serviceaccount:$SHOP:jdiag" 2>/dev/null) == "$WANT" ]]; }

# give ROLE: replace the role, and wait until the API server goes by it.
give() {
	local verb resource
	kubectl apply -f - <<<"$1"
	for resource in pods nodes; do
		for verb in get list; do
			WANT=no
			if grep -q "resources: \[$resource\], verbs: .*\b$verb\b" <<<"$1"; then WANT=yes; fi
			wait_for 60 may "$verb" "$resource"
		done
	done
}

# without RULE VERB: the README's role, less one right.
without() {
	give "$(readme_role "jdiag-$SHOP" |
		sed -E "/resources: \[$1\]/{s/\b$2\b//; s/\[,\s*/[/; s/, *\]/]/; /verbs: \[\]/d}")"
}

let_in_no_more() { KUBECONFIG=$RIG_RUN/kube/$1 command kubectl get --raw /version 2>&1 | grep -q Unauthorized; }

# Each line of it has a test below that takes it away.
@test "the role of the README grants no more than it says" {
	rights=$(kubectl get clusterrole "jdiag-$SHOP" -o json | python3 -c '
import json, sys
for rule in json.load(sys.stdin)["rules"]:
    for resource in rule["resources"]:
        for verb in rule["verbs"]:
            print("".join(rule["apiGroups"] + rule.get("resourceNames", [])) + resource, verb)')
	[ "$(tr '\n' , <<<"$rights")" = "pods get,pods list,nodes get," ]
	WANT=no
	may get secrets
	may watch pods
	may create pods --subresource exec
	may get pods --subresource log
	may list nodes
}

@test "with all of them" {
	dumped web-0
	run_jdiag -s 0 ps -l app=web -n "$SHOP"
	says Checkout
	run_jdiag -s 0 ps "node/$CLUSTER_NODE" -o json
	says '"pod":"web-0"'
	pod_untouched web-0 app
}

@test "without get on pods" {
	without pods get
	refuses 4 heapdump web-0 -n "$SHOP" --to "$OUT/"
	tells "not allowed to get pods in namespace '$SHOP'"
	tells 'it takes a Role with: apiGroups [""], resources ["pods"], verbs ["get"]'
	tells "kubectl auth can-i get pods -n $SHOP"
}

@test "without list on pods" {
	without pods list
	refuses 4 ps -l app=web -n "$SHOP"
	tells "not allowed to list pods in namespace '$SHOP'"
	tells 'verbs ["list"]'
	dumped web-0
}

@test "without get on nodes" {
	without nodes get
	refuses 4 heapdump web-0 -n "$SHOP" --to "$OUT/"
	tells "not allowed to get nodes"
	tells 'it takes a ClusterRole with: apiGroups [""], resources ["nodes"], verbs ["get"]'
}

@test "without list on nodes, which is not in it" {
	refuses 4 nodes
	tells "not allowed to list nodes"
	tells 'it takes a ClusterRole with: apiGroups [""], resources ["nodes"], verbs ["list"]'
	dumped web-0
}

@test "a token that does not count any more" {
	k create serviceaccount gone
	kubeconfig gone "$(k create token gone)" >"$RIG_RUN/kube/gone"
	k delete serviceaccount gone
	JDIAG_EXTRA_ENV=(KUBECONFIG="$RIG_RUN/kube/gone")
	# it learns of that a moment later; whom it has let in until then, it lets in for ten seconds more
	wait_for 60 let_in_no_more gone
	refuses 4 heapdump web-0 -n "$SHOP" --to "$OUT/"
	tells "does not accept the credentials of user 'gone'"
}
