# jdiag doctor in a real cluster: what it says is missing is missing, and the lines that it prints fix it.
load cluster

setup_file() {
	shop_up doctor
	pods_up web
}
teardown_file() { shop_down; }

# step NAME STATE [TEXT]: that step of the last run.
step() {
	python3 -c '
import json, sys
name, state, text = (sys.argv[1:] + [""])[:3]
found = [s for s in json.loads(sys.stdin.read())["steps"] if s["name"] == name]
if not found or found[0]["state"] != state or text not in found[0]["text"]:
    sys.exit("%s is not %s: %s" % (name, (state, text), found))
' "$@" <<<"$output"
}

# What the steps that failed say: rules for a role, and the lines of kubectl that make one.
fixes() {
	python3 -c '
import json, sys
for step in json.loads(sys.stdin.read())["steps"]:
    if step["state"] == "fail":
        print(step["fix"])' <<<"$output"
}

nothing_was_done() {
	[ ! -e "/proc/$(task web-0 app)/root/tmp/.java_pid1" ]
	pod_untouched web-0 app
}

@test "all is fine with the role of the README" {
	run_jdiag -s 0 doctor web-0 -n "$SHOP" --to gs://dumps/doctor/ -o json
	step api ok "v1.34.0, its certificate is trusted"
	step credentials ok "system:serviceaccount:$SHOP:jdiag"
	step get-pods ok
	step get-nodes ok
	step address ok "'127.0.0.1' of node '$CLUSTER_NODE'"
	step jvm ok
	step destination ok
	nothing_was_done
}

@test "without any right: what fixes it does" {
	k create serviceaccount new
	kubeconfig new "$(k create token new)" >"$RIG_RUN/kube/new"
	JDIAG_EXTRA_ENV=(KUBECONFIG="$RIG_RUN/kube/new")
	run_jdiag -s 4 doctor web-0 -n "$SHOP" --to "$OUT/" -o json
	step get-pods fail
	step get-nodes fail
	step pod -
	fixes >"$OUT/fixes"
	cat "$OUT/fixes"
	grep '^kubectl ' "$OUT/fixes" >"$OUT/commands"
	[ "$(wc -l <"$OUT/commands")" -ge 2 ]
	KUBECONFIG=$ADMIN bash -e "$OUT/commands"
	allowed new get pods
	allowed new get nodes
	run_jdiag -s 0 doctor web-0 -n "$SHOP" --to "$OUT/" -o json
	step get-pods ok
	step get-nodes ok
	step list-pods warn
	dumped web-0
}

@test "a pod that cannot start" {
	k run broken --image=rig.example/none:1 --image-pull-policy=Never
	wait_for 60 bash -c "KUBECONFIG=$ADMIN command kubectl -n $SHOP get pod broken | grep -q ErrImageNeverPull"
	run_jdiag -s 3 doctor broken -n "$SHOP" --to "$OUT/" -o json
	step get-pods ok
	step pod fail
	[[ $output == *ErrImageNeverPull* ]]
	step address -
	step destination ok
	k delete pod broken --now
}
