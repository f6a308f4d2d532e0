# What goes wrong between the command line and the cluster API: one line of what and why, one of what to
# do, the exit status, nothing on stdout, nothing left behind, the JVM at work.
load lib

setup_file() {
	rig_up
	pod_up web
}
teardown_file() { rig_down; }

setup() {
	D=$BATS_TEST_TMPDIR
	KUBE=$RIG_RUN/kube
	SERVER=https://127.0.0.1:$(<"$KUBE/port")
	LOGINS=$(logins)
	cd "$D"
}

teardown() {
	rm -f "$KUBE/faults.json" "$KUBE/users.json"
	pod_at_api web
	untouched web || return 1
	[ -z "$(find "$D" -name '*.hprof*')" ]
}

# dump STATUS [OPTION...]: heapdump of pod web fails with this status.
dump() { refuses "$1" heapdump web -n shop "${@:2}"; }

# kubeconfig SED: the rig's kubeconfig, edited, in $D/config.
kubeconfig() { sed "$1" "$KUBE/kubeconfig" >"$D/config"; }

logins() { grep -c 'Accepted publickey' "$RIG_RUN/ssh/sshd.log" || true; }

# The pod was refused before anybody went to its node.
not_logged_in() { [ "$(logins)" = "$LOGINS" ]; }

@test "no such pod" {
	refuses 3 heapdump wbe -n shop
	tells "no pod 'wbe' in namespace 'shop'"
	tells "kubectl get pods -n shop"
	not_logged_in
}

@test "no such namespace" {
	refuses 3 heapdump web -n shpo
	tells "no pod 'web' in namespace 'shpo'"
	tells "kubectl get pods -n shpo"
}

@test "a name that is none" {
	refuses 2 heapdump 'web/../../nodes' -n shop
	refuses 2 heapdump web -n '../kube-system'
	tells "namespace"
	! grep -q kube-system "$KUBE/requests"
}

@test "no such container: those that there are" {
	dump 3 -c api
	tells "pod 'web' has no container 'api'"
	tells "containers: app (running)"
}

@test "no such context: those that there are" {
	dump 2 --context prod
	tells "no context 'prod' in the kubeconfig"
	tells "contexts there are: rig"
	dump 2 --cluster prod
	tells "no cluster 'prod' in the kubeconfig"
	dump 2 --user root
	tells "no user 'root' in the kubeconfig"
}

@test "no kubeconfig, a broken one" {
	dump 2 --kubeconfig "$D/none"
	tells "cannot read kubeconfig '$D/none': No such file or directory"
	printf 'clusters: [\n' >"$D/config"
	dump 2 --kubeconfig "$D/config"
	tells "kubeconfig '$D/config'"
}

@test "pod Pending, without node" {
	kube_state pod shop/web --phase Pending --container app=
	dump 3
	tells "pod 'web' does not run yet: it is Pending, and has no node"
	tells "kubectl describe pod web -n shop"
}

@test "pod Pending, its image is pulled" {
	pod_at_api web --phase Pending --container "side=,state=ContainerCreating"
	dump 3
	tells "pod 'web' does not run yet: it is Pending"
	tells "side (waiting: ContainerCreating)"
}

@test "pod Succeeded, Failed" {
	pod_at_api web --phase Succeeded
	dump 3
	tells "pod 'web' has ended: it is Succeeded"
	tells "choose a pod that is Running"
	pod_at_api web --phase Failed
	dump 3
	tells "pod 'web' has ended: it is Failed"
}

@test "pod Running without node, of a node that is gone, being deleted" {
	kube_state pod shop/web --container "app=$(container id web)"
	dump 3
	tells "pod 'web' has no node"
	pod_at_api web --node gke-gone
	dump 3
	tells "no node 'gke-gone' in the cluster"
	tells "kubectl get nodes"
	pod_at_api web --deleting
	dump 3
	tells "pod 'web' is being deleted"
	not_logged_in
}

@test "a pod's hostIP that is not its node's" {
	pod_at_api web --host-ip 127.0.0.2
	dump 3
	tells "the pod's hostIP '127.0.0.2' is no address of node '$NODE'"
	not_logged_in
}

@test "container in CrashLoopBackOff" {
	kube_state pod shop/web --node "$NODE" --container "app=$(container id web),restarts=7,state=CrashLoopBackOff"
	dump 3
	tells "no container of pod 'web' runs"
	tells "app (waiting: CrashLoopBackOff)"
	dump 3 -c app
	tells "container 'app' of pod 'web' does not run: waiting: CrashLoopBackOff"
}

# changes PATCH TEXT: the answer to the second look at the pod is merged with PATCH.
changes() {
	faults "[{\"path\": \"/pods/web$\", \"from\": 2, \"do\": \"merge\", \"patch\": $1}]"
	dump 3
	tells "pod 'web' has changed meanwhile: $2"
	tells "nothing was done to it: look at it again, then start over"
	[ ! -e "/proc/$(container pid web)/root/tmp/.java_pid1" ]
}

# A merge patch replaces a list as a whole.
container_status() {
	printf '{"status": {"containerStatuses": [{"name": "app", "containerID": "containerd://%s", "restartCount": %s, "state": %s}]}}' "$@"
}

@test "between look and act: another pod of the same name" {
	changes '{"metadata": {"uid": "00000000-0000-4000-8000-000000000000"}}' "it is another pod of the same name"
}

@test "between look and act: another node" {
	changes '{"spec": {"nodeName": "gke-other"}}' "it is on another node"
}

@test "between look and act: another container, a restart, the end" {
	local running='{"running": {}}'
	changes "$(container_status "$(printf 'ab%.0s' {1..32})" 0 "$running")" "its container has restarted"
	changes "$(container_status "$(container id web)" 1 "$running")" "its container has restarted"
	changes "$(container_status "$(container id web)" 0 '{"waiting": {"reason": "CrashLoopBackOff"}}')" \
		"its container does not run any more"
	changes '{"metadata": {"deletionTimestamp": "2026-11-21T04:00:00Z"}}' "it is being deleted"
}

@test "between look and act: the pod is gone" {
	faults '[{"path": "/pods/web$", "from": 2, "do": "status", "code": 404, "reason": "NotFound", "message": "pods \"web\" not found"}]'
	dump 3
	tells "cannot check the pod again: no pod 'web' in namespace 'shop'"
}

@test "between inspection and capture: a restart" {
	faults "[{\"path\": \"/pods/web$\", \"from\": 3, \"do\": \"merge\", \"patch\":
		$(container_status "$(container id web)" 1 '{"running": {}}')}]"
	dump 3
	tells "its container has restarted"
}

@test "gVisor, Kata: refused by the name of the runtime class" {
	pod_at_api web --runtime-class gvisor
	dump 3
	tells "pod 'web' runs under gVisor (runtimeClassName 'gvisor')"
	tells "its JVM is no process of the node"
	pod_at_api web --runtime-class kata-qemu
	dump 3
	tells "pod 'web' runs under Kata Containers (runtimeClassName 'kata-qemu')"
	not_logged_in
}

@test "API unreachable" {
	port=$CLOSED_PORT
	kubeconfig "s,$SERVER,https://127.0.0.1:$port,"
	dump 4 --kubeconfig "$D/config"
	tells "cluster API: cannot reach 'https://127.0.0.1:$port/api/v1/namespaces/shop/pods/web': Connection refused"
	tells "is this the right cluster, and can it be reached from here?"
	tells "context 'rig', cluster 'rig'"
	kubeconfig "s,$SERVER,https://api.invalid,"
	dump 4 --kubeconfig "$D/config"
	tells "cluster API: cannot reach 'https://api.invalid/"
}

# certificate KIND: $D/config leads to an API server with such a certificate.
certificate() {
	server "kube-$1" "$RIG/kube_server.py" "$RIG_RUN/kube-$1" --certificate "$1"
	cp "$RIG_RUN/kube-$1/kubeconfig" "$D/config"
	run_jdiag heapdump web -n shop --kubeconfig "$D/config"
	server_stop "kube-$1"
	[[ $status == 4 && -z $output ]]
	tells "cluster API: certificate of 'https://127.0.0.1:"
	tells "is not trusted: "
	# its credentials were not sent there
	! grep -q GET "$RIG_RUN/kube-$1/requests"
}

@test "certificate of a CA that is not trusted" {
	certificate other-ca
	tells "set certificate-authority-data of cluster 'rig' in '$D/config' to the CA that signed it"
}

@test "certificate of another name" {
	certificate other-name
	tells "or tls-server-name if only the name differs"
}

@test "certificate that has expired" {
	certificate expired
	tells "certificate has expired"
	tells "renew the certificate of cluster 'rig', or set the clock of this machine"
}

@test "401" {
	kubeconfig 's/token: .*/token: stale-token/'
	dump 4 --kubeconfig "$D/config"
	tells "the cluster API '$SERVER' does not accept the credentials of user 'rig'"
	tells "the token of user 'rig' has expired, or is of another cluster (context 'rig'): get a new kubeconfig"
	[[ $stderr != *stale-token* ]]
}

@test "no credentials at all" {
	kubeconfig '/token:/d; s/user:$/user: {}/'
	dump 4 --kubeconfig "$D/config"
	tells "not allowed to get pods in namespace 'shop'"
	tells "the request had no credentials that count"
}

# denied RULE: the rig's user may not do that.
denied() { printf '{"%s": {"name": "dev", "deny": ["%s"]}}\n' "$CANARY_TOKEN" "$1" >"$KUBE/users.json"; }

@test "403 on pods: which verb on which resource" {
	denied "get pods"
	dump 4
	tells "not allowed to get pods in namespace 'shop'"
	tells 'it takes a Role with: apiGroups [""], resources ["pods"], verbs ["get"]'
	tells "kubectl auth can-i get pods -n shop"
	denied "list pods"
	refuses 4 ps -l app=web -n shop
	tells 'resources ["pods"], verbs ["list"]'
}

@test "403 on nodes: which verb on which resource" {
	denied "get nodes"
	dump 4
	tells "not allowed to get nodes"
	tells 'it takes a ClusterRole with: apiGroups [""], resources ["nodes"], verbs ["get"]'
	tells "kubectl auth can-i get nodes"
}

# fault ACTION... : what the API does with each request for the pod.
fault() { faults "[{\"path\": \"/pods/web\", $1}]"; }

@test "a redirect is not followed" {
	fault '"do": "redirect", "location": "https://login.example/?state=secret"'
	dump 4
	tells "the cluster API '$SERVER' redirects (302) to 'https://login.example/', which is never followed"
	tells "make it the server of cluster 'rig'"
	[[ $stderr != *state=secret* ]]
}

@test "a flood, nesting" {
	fault '"do": "flood"'
	dump 4
	tells "is larger than"
	fault '"do": "nest"'
	dump 4
	tells "answer of the cluster API"
	[ "$(wc -c <<<"$stderr")" -lt 1500 ]
}

@test "no JSON, a login page, another object, escape sequences" {
	fault '"do": "garbage"'
	dump 4
	tells "answer of the cluster API"
	tells "is '$SERVER' a cluster API"
	fault '"do": "html"'
	dump 4
	tells "answer of the cluster API"
	tells "login page"
	fault '"do": "garbage", "body": "{\"kind\": \"Secret\"}"'
	dump 4
	tells "the cluster API sent"
	fault '"do": "status", "code": 500, "reason": "InternalError", "message": "\u001b[31mred\u0007"'
	dump 4
	[[ $stderr != *$'\e'* && $stderr != *$'\a'* ]]
	tells "red"
}

@test "half of an answer" {
	fault '"do": "cut"'
	dump 4
	tells "cluster API: "
}

@test "no answer: --request-timeout" {
	fault '"do": "hang"'
	# a busy machine makes it longer, never shorter: one of several counts
	for _ in {1..10}; do
		dump 4 --request-timeout 1s
		tells "cluster API: no answer from 'https://127.0.0.1:"
		[[ ! $stderr =~ after\ [0-8]?[0-9]?[0-9]ms ]]
		[[ ! $stderr =~ after\ (9[0-9][0-9]ms|1\.[0-9]s) ]] || break # a clock of whole milliseconds
	done
	[[ $stderr =~ after\ (9[0-9][0-9]ms|1\.[0-9]s) ]]
	tells "is this the right cluster"
}

@test "429: waits as long as it is told to, then gives up" {
	local busy='"do": "status", "code": 429, "reason": "TooManyRequests", "message": "busy", "headers": {"Retry-After": "1"}'
	faults "[{\"path\": \"/pods/web\", \"times\": 1, $busy}]"
	run_jdiag -s 0 heapdump web -n shop --dry-run -v=2
	tells "the cluster API is busy (429): waiting 1000 ms"
	fault "${busy/\"1\"/\"3600\"}"
	dump 4
	tells "busy (429)"
	tells "try again later"
}

@test "410 in the middle of a list: it starts again; always 410: it gives up" {
	local gone='"do": "status", "code": 410, "reason": "Expired", "message": "The provided continue parameter is too old"'
	faults "[{\"path\": \"/pods[?].*labelSelector\", \"times\": 1, $gone}]"
	run_jdiag ps -l app=web -n shop
	faults "[{\"path\": \"/pods[?].*labelSelector\", $gone}]"
	refuses 4 ps -l app=web -n shop
	tells "(410)"
}

# --- kubeconfig and credential plugins --------------------------------------------------------------

# plugin SCRIPT [MEMBER...]: $D/config has this credential plugin as its user, with these members.
plugin() {
	printf '#!/bin/sh\n%s\n' "$1" >"$D/plugin"
	chmod +x "$D/plugin"
	exec_entry "command: $D/plugin" "${@:2}"
}

exec_entry() {
	kubeconfig '/^    token: /d'
	{
		printf '    exec:\n      apiVersion: client.authentication.k8s.io/%s\n' "${API:-v1}"
		printf '      interactiveMode: %s\n' "${MODE:-Never}"
		printf '      %s\n' "$@"
	} >>"$D/config"
}

# The script of a plugin that gives the token, as this version.
gives() {
	printf "echo '{\"kind\": \"ExecCredential\", \"apiVersion\": \"client.authentication.k8s.io/%s\", %s'" "$1" \
		"\"status\": {\"token\": \"$CANARY_TOKEN\"}}"
}

@test "two contexts of one name: refused in a file, the first file wins" {
	kubeconfig 's/^- name: rig$/&/; /^contexts:$/a - name: rig\n  context: {cluster: rig, user: rig, namespace: other}'
	dump 2 --kubeconfig "$D/config"
	tells "kubeconfig '$D/config': 'rig' is twice in 'contexts'"
	tells "rename or remove one"
	kubeconfig 's/namespace: default/namespace: nowhere/'
	JDIAG_EXTRA_ENV=(KUBECONFIG="$D/config:$KUBE/kubeconfig")
	refuses 3 heapdump web
	tells "no pod 'web' in namespace 'nowhere'"
	JDIAG_EXTRA_ENV=(KUBECONFIG="$KUBE/kubeconfig:$D/config")
	refuses 3 heapdump web
	tells "no pod 'web' in namespace 'default'"
	JDIAG_EXTRA_ENV=()
}

@test "a credential plugin that is missing: how to install it" {
	exec_entry "command: gke-gcloud-auth-plugin-none" "installHint: apt-get install google-cloud-cli"
	dump 4 --kubeconfig "$D/config"
	tells "credential plugin 'gke-gcloud-auth-plugin-none' of user 'rig': cannot run"
	tells "No such file or directory"
	tells "the kubeconfig says how to install it:"
	tells "  apt-get install google-cloud-cli"
	exec_entry "command: ./bin/plugin"
	dump 4 --kubeconfig "$D/config"
	tells "install '$D/./bin/plugin', or put its directory into PATH"
}

@test "a credential plugin that fails: its own words, and the command that shows it" {
	plugin 'echo "token has expired: log in" >&2; exit 7' "args: [get-token, --secret-id, s3cret]"
	dump 4 --kubeconfig "$D/config"
	tells "token has expired: log in"
	tells "credential plugin '$D/plugin' of user 'rig': '$D/plugin' ended with status 7"
	tells "see what this says: $D/plugin get-token --secret-id ..."
	[[ $stderr != *s3cret* ]]
}

@test "a credential plugin that prints junk, or that is asked for another version" {
	plugin "echo 'Opening browser... $CANARY_TOKEN'"
	dump 4 --kubeconfig "$D/config"
	tells "its answer is not a JSON object"
	plugin "$(gives v1beta1)"
	dump 4 --kubeconfig "$D/config"
	tells "it answers with another version than 'client.authentication.k8s.io/v1'"
	API=v1alpha1 plugin "$(gives v1alpha1)"
	dump 2 --kubeconfig "$D/config"
	tells "apiVersion 'client.authentication.k8s.io/v1alpha1', which is not known"
	tells "update the plugin and get a new kubeconfig"
	API=v1beta1 plugin "$(gives v1beta1)"
	run_jdiag -s 0 heapdump web -n shop --dry-run --kubeconfig "$D/config"
}

@test "a credential plugin that asks, where nobody can answer" {
	MODE=Always plugin 'read -r answer </dev/tty'
	dump 2 --kubeconfig "$D/config" --no-input
	tells "user 'rig': its exec entry needs a terminal to ask on (interactiveMode Always)"
	MODE=IfAvailable plugin 'read -r answer || { echo "no terminal" >&2; exit 3; }'
	dump 4 --kubeconfig "$D/config"
	tells "ended with status 3"
}

@test "a newer API: fields and words that are not known yet" {
	faults '[{"path": "/pods/web$", "do": "merge", "patch": {"futureRoot": [1, {"a": null}],
		"metadata": {"futureMeta": "x", "finalizersV2": ["a"]}, "spec": {"futureSpec": {"deep": {"er": true}}},
		"status": {"futureStatus": 7, "hostIPs": [{"ip": "127.0.0.1", "family": "v9"}]}}}]'
	run_jdiag -s 0 heapdump web -n shop --dry-run
	faults '[{"path": "/nodes/", "do": "merge", "patch": {"status": {"futureStatus": {"x": []},
		"addresses": [{"type": "QuantumIP", "address": "q://7", "zone": "x"},
			{"type": "InternalIP", "address": "127.0.0.1", "future": true}]}}}]'
	run_jdiag -s 0 heapdump web -n shop --dry-run
	faults '[{"path": "/pods/web$", "do": "merge", "patch": {"status": {"phase": "Hibernated"}}}]'
	dump 3
	tells "pod 'web' does not run yet: it is Hibernated"
}

@test "an older API: what it does not send yet is not missed" {
	faults '[{"path": "/pods/web$", "do": "merge", "patch": {"metadata": {"generation": null, "managedFields": null},
		"spec": {"runtimeClassName": null, "os": null, "ephemeralContainers": null},
		"status": {"hostIPs": null, "podIPs": null, "observedGeneration": null, "resize": null}}}]'
	run_jdiag -s 0 heapdump web -n shop --dry-run
	# the pod's API itself is another one
	faults '[{"path": "/pods/web$", "do": "merge", "patch": {"kind": "PodV2", "apiVersion": "v2"}}]'
	dump 4
	tells "the cluster API sent something that is not a pod"
}

@test "403 on the list of pods of a node: the JVMs without the names of pods" {
	denied "list pods"
	run_jdiag -s 0 ps "node/$NODE" -n shop
	tells "the names of pods are not shown: not allowed to list pods in all namespaces"
	says " Checkout "
}
