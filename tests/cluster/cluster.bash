# What every .bats file here loads: jdiag as a user of a real cluster, with the rights that the README gives it.
#
#	setup_file() { shop_up NAMESPACE; }       a namespace, a service account with the README's ClusterRole
#	teardown_file() { shop_down; }            all of it goes; no output held a secret
#
#	allowed ACCOUNT VERB RESOURCE             the API server goes by it that this account may
#	pods_up FILE                              apply pods/FILE.yaml, wait until all its pods are at work
#	pod_of KIND/NAME                          the name of its first pod
#	task POD CONTAINER                        the process of a container on the node
#	dumped WORDS...                           jdiag heapdump WORDS, to a file: it is whole
#	pod_untouched POD CONTAINER               neither node nor container carries anything of ours, the JVM works
#
# The wrapper around jdiag and the assertions are those of tests/bats/lib.bash.

# shellcheck source=tests/bats/lib.bash
. "$BATS_TEST_DIRNAME/../bats/lib.bash"
# shellcheck source=tests/cluster/cluster.sh
. "$BATS_TEST_DIRNAME/cluster.sh"

: "${RIG_RUN:?run these by: make test-cluster}"
[[ ! -f $RIG_RUN/shop-$(basename "$BATS_TEST_FILENAME") ]] || . "$RIG_RUN/shop-$(basename "$BATS_TEST_FILENAME")"

# On a busy machine a command takes longer.
JDIAG_TIMEOUT=100

k() { kubectl -n "$SHOP" "$@"; }

# readme_role NAME [jdiag-exporter]: a ClusterRole of the README, under another name.
readme_role() {
	awk -v want="{name: ${2:-jdiag}}" '
		/^    apiVersion: rbac/ {on = 1; text = ""}
		on && /^    / {text = text substr($0, 5) "\n"; next}
		on {on = 0; if (index(text, want)) {printf "%s", text; exit}}' "$TESTS/../README.md" |
		sed "s/{name: jdiag[a-z-]*}/{name: $1}/"
}

shop_up() {
	local file
	file=$(basename "$BATS_TEST_FILENAME")
	kubectl create namespace "$1"
	SHOP=$1
	readme_role "jdiag-$SHOP" | kubectl apply -f -
	k create serviceaccount jdiag
	kubectl create clusterrolebinding "jdiag-$SHOP" --clusterrole "jdiag-$SHOP" --serviceaccount "$SHOP:jdiag"
	CANARY_TOKEN=$(k create token jdiag)
	kubeconfig jdiag "$CANARY_TOKEN" >"$RIG_RUN/kube/$SHOP"
	printf '%s=%s\n' SHOP "$SHOP" CANARY_TOKEN "$CANARY_TOKEN" >"$RIG_RUN/shop-$file"
	wait_for 60 k get serviceaccount default
	wait_for 60 k get configmap kube-root-ca.crt
	allowed jdiag get pods
	allowed jdiag get nodes
}

# allowed ACCOUNT VERB RESOURCE: it learns of a role a moment after it has stored it.
allowed() { wait_for 60 k auth can-i "$2" "$3" --as "system:serviceaccount:$SHOP:$1"; }

shop_down() {
	local status=0
	no_secret_was_told || status=1
	kubectl delete namespace "$SHOP" --wait=false
	kubectl delete clusterrole,clusterrolebinding "jdiag-$SHOP"
	return $status
}

setup() {
	JDIAG_EXTRA_ENV=(KUBECONFIG="$RIG_RUN/kube/$SHOP")
	OUT=$RIG_RUN/out/$SHOP
	mkdir -p "$OUT"
}

# --- pods -------------------------------------------------------------------------------------------

pods_up() {
	all_made "$1"
	pods_ready "app=$1"
}

# all_made FILE: apply it; each set and job in it has made all its pods.
all_made() {
	local each
	k apply -f "$BATS_TEST_DIRNAME/pods/$1.yaml"
	for each in $(k get -f "$BATS_TEST_DIRNAME/pods/$1.yaml" -o name); do
		case $each in
		job.*) k wait --for=jsonpath='{.status.ready}'=1 --timeout=90s "$each" ;;
		pod/*) ;;
		*) k rollout status --timeout=90s "$each" ;;
		esac || { k describe pod -l "app=$1" | tail -n 40 && return 1; }
	done
}

# pods_ready SELECTOR: and their JVMs have come to their loops; a container is started before its JVM is.
pods_ready() {
	local pod container
	if ! k wait --for=condition=Ready --timeout=90s pod -l "$1"; then
		k describe pod -l "$1" | tail -n 40
		return 1
	fi
	while read -r pod container; do
		wait_for 60 at_work "$pod" "$container" || return 1
	done < <(k get pod -l "$1" -o json | python3 -c '
import json, sys
for pod in json.load(sys.stdin)["items"]:
    sidecars = [c for c in pod["spec"].get("initContainers", []) if c.get("restartPolicy") == "Always"]
    for each in pod["spec"]["containers"] + sidecars:
        print(pod["metadata"]["name"], each["name"])')
}

pods_down() {
	k delete -f "$BATS_TEST_DIRNAME/pods/$1.yaml" --now --wait=true
	k wait --for=delete --timeout=60s pod -l "app=$1"
}

pod_of() {
	k get pod -l "app=$1" -o jsonpath='{.items[0].metadata.name}'
}

# status POD CONTAINER FIELD: of any kind of container.
status_of() {
	k get pod "$1" -o json | python3 -c '
import json, sys
status = json.load(sys.stdin)["status"]
for kind in "containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses":
    for each in status.get(kind, []):
        if each["name"] == sys.argv[1]:
            print(each[sys.argv[2]])' "$2" "$3"
}

task() {
	local id
	id=$(status_of "$1" "$2" containerID)
	ctr task ls | awk -v id="${id#containerd://}" '$1 == id {print $2}'
}

restarted() { [[ $(status_of "$1" "$2" restartCount) == "$3" && $(status_of "$1" "$2" ready) == True ]]; }

# --- jdiag ------------------------------------------------------------------------------------------

# Of lib.bash, at a place of this file: others run at the same time.
dump_is_whole() { (RIG_RUN=$RIG_RUN/$SHOP && dump_is_good "$1" live); }

TO=
dumped() {
	TO=$OUT/$BATS_TEST_NUMBER.hprof.gz
	run_jdiag -s 0 heapdump "$@" -n "$SHOP" --to "$TO"
	[[ $output == "$TO" ]]
	manifest_agrees "$TO"
	dump_is_whole "$TO"
}

# Between the plan and the answer a command runs.
while_asked() {
	local command=$1
	shift
	run jdiag_env "$RIG/pty_run.py" --timeout 100 --prompt '[y/N] ' --before "$command" --type y -- "$JDIAG" "$@"
	printf '%s\n' "$output" | tee -a "$RIG_RUN/out/all"
}

# last_tick POD CONTAINER: fails where there is none among its last words.
last_tick() { k logs "$1" -c "$2" --tail=20 </dev/null | awk '/^tick/ {tick = $0} END {if (!tick) exit 1; print tick}'; }

at_work() { last_tick "$1" "$2" >/dev/null; }

ticks_on() {
	local tick
	tick=$(last_tick "$1" "$2") && [[ $tick != "$3" ]]
}

pod_untouched() {
	local left pid before
	left=$(find_left | sort)
	# another file's run may be there for as long as a pod takes to come again
	wait_for 90 nothing_on_node || { echo "left on the node: $left" && return 1; }
	pid=$(task "$1" "$2")
	[[ -d /proc/$pid/root/tmp/ ]] || { echo "$1, $2 does not run" && return 1; }
	left=$(grep -E ' jdiag(-tmp)? | /[^ ]*\.jdiag-' "/proc/$pid/mountinfo" ||
		find "/proc/$pid/root/" "/proc/$pid/root/tmp/" -xdev -maxdepth 3 -ignore_readdir_race \
			\( -name '.jdiag*' -o -name '.attach_pid*' -o -name '*.hprof' \) -print)
	[[ -z $left ]] || { echo "left in $1, $2: $left" && return 1; }
	before=$(last_tick "$1" "$2" || true)
	wait_for 40 ticks_on "$1" "$2" "$before" || { echo "the JVM of $1 does not work any more" && return 1; }
	! k logs "$1" -c "$2" | grep -q 'Full thread dump' || { echo "thread dump in the log" && return 1; }
}
