# jdiag doctor: all of the way is fine; each step of it broken in turn, with the line that fixes it; steps that
# do not need the broken one go on. The JVM is asked nothing, and nothing is left.
load lib

NODE_USER=jdiag-doctor

setup_file() {
	rig_up
	pod_up web
}
teardown_file() { rig_down; }

setup() {
	D=$BATS_TEST_TMPDIR
	KUBE=$RIG_RUN/kube
	SSH=$RIG_RUN/ssh
	BUCKET=http://127.0.0.1:$(<"$RIG_RUN/bucket/port")
	POD=web
	cd "$D"
}

teardown() {
	[[ -z ${SERVER_PID:-} ]] || kill "$SERVER_PID"
	rm -f "$KUBE/faults.json" "$KUBE/users.json" "/etc/sudoers.d/$NODE_USER"
	! id "$NODE_USER" >/dev/null 2>&1 || userdel -rf "$NODE_USER" 2>/dev/null
	[[ ! -d $D/ssh2 ]] || sshd_stop "$D/ssh2"
	curl -sf "$BUCKET/control/reset" -d '' >/dev/null
	pod_at_api web
	not_touched web || return 1
	untouched web || return 1
	[[ $POD == web ]] || { not_touched "$POD" && untouched "$POD" && container stop "$POD"; } || return 1
	[ -z "$(find "$D" -name 'jdiag-*' -o -name '*.partial')" ] || return 1
	[ "$(curl -sf "$BUCKET/control/sessions")" = '[]' ]
}

# No signal was sent, no socket opened: the JVM does not even listen.
not_touched() {
	! grep -q 'Full thread dump' "$(container log "$1")" &&
		[ ! -e "/proc/$(container pid "$1")/root/tmp/.java_pid1" ]
}

# doctor STATUS [OPTION...]: of the pod, as JSON.
doctor() { run_jdiag -s "$1" doctor "$POD" -n shop -o json "${@:2}"; }

# step NAME STATE [TEXT [FIX]]: that step of the last run.
step() {
	python3 -c '
import json, sys
name, state, text, fix = (sys.argv[1:] + ["", ""])[:4]
steps = json.loads(sys.stdin.read())["steps"]
found = [s for s in steps if s["name"] == name]
if not found or found[0]["state"] != state or text not in found[0]["text"] or fix not in found[0]["fix"]:
    sys.exit("%s is not %s: %s" % (name, (state, text, fix), found or [s["name"] for s in steps]))
' "$@" <<<"$output"
}

# are STATE TEXT NAME...: each of these steps is so.
are() {
	python3 -c '
import json, sys
steps = {s["name"]: s for s in json.loads(sys.stdin.read())["steps"]}
for name in sys.argv[3:]:
    if name not in steps or steps[name]["state"] != sys.argv[1] or sys.argv[2] not in steps[name]["text"]:
        sys.exit("%s is not %s: %s" % (name, sys.argv[1:3], steps.get(name, list(steps))))
' "$@" <<<"$output"
}

# after CAUSE NAME...: these were not tried.
after() { are - "not tried: '$1' has failed" "${@:2}"; }

# The lines of the last run's fix of a step.
fix() {
	python3 -c 'import json, sys
print(next(s["fix"] for s in json.loads(sys.stdin.read())["steps"] if s["name"] == sys.argv[1]))' "$1" <<<"$output"
}

fails_in() { tells "one step fails: '$1'"; }

denied() { printf '{"%s": {"name": "dev", "deny": ["%s"]}}\n' "$CANARY_TOKEN" "$1" >"$KUBE/users.json"; }

@test "all is fine" {
	doctor 0
	[[ -z $stderr ]]
	says '"kind":"Doctor","target":"web"'
	are ok "" kubeconfig api credentials get-pods list-pods get-workloads pod get-nodes list-nodes address tcp ssh sudo \
		helper container jvm attach strategy spool pod-disk pause destination
	step api ok "v1.34.0, its certificate is trusted"
	step credentials ok "as user 'rig-user'"
	step pod ok "'web' is Running on node '$NODE', container 'app' runs"
	step address ok "'127.0.0.1' of node '$NODE'"
	step ssh ok "logged in as 'root', by libssh2; the host key is known"
	step sudo ok "not needed: 'root' is root"
	step helper ok "in memory, from a tmpfs of its own; $(uname -m), Linux $(uname -r)"
	step jvm ok "pid 1 ($(container pid web) on the node), hotspot 17."
	step strategy ok "fifo, for a dump of up to "
	step pod-disk ok "nothing is taken of it"
	step pause ok "no probe limits it"
	step destination ok "'./' can be written to, "
}

@test "text: a line each, 80 columns, nothing on stderr; what fixes it is not broken" {
	run_jdiag -s 0 doctor web -n shop --to gs://dumps/x/
	[[ -z $stderr ]]
	says "ok    kubeconfig     context 'rig', namespace 'shop'"
	says "ok    attach         nothing stands against it"
	[ "$(wc -L <<<"$output")" -le 80 ]
	[ "$(grep -c '^ok    ' <<<"$output")" = 23 ]
	denied "get pods"
	run_jdiag -s 4 doctor web -n shop
	says "fail  get-pods       not allowed to get pods in namespace 'shop'"
	says "      - {apiGroups: [\"\"], resources: [pods], verbs: [get]}"
	says "      kubectl create rolebinding jdiag-get-pods -n shop --role=jdiag-get-pods --user=dev"
	says "-     pod            not tried: 'get-pods' has failed"
	fails_in get-pods
	! grep -v '^      [-k]' <<<"$output" | grep -E '.{81}'
}

@test "no kubeconfig; the destination is looked at all the same" {
	doctor 2 --kubeconfig "$D/none"
	step kubeconfig fail "cannot read kubeconfig '$D/none': No such file or directory"
	after kubeconfig api credentials get-pods pod get-nodes address tcp ssh sudo helper container jvm attach \
		strategy spool pod-disk pause
	step destination ok
	fails_in kubeconfig
}

@test "the API is down, has another certificate, is a login page" {
	local port=$CLOSED_PORT
	sed "s,https://.*,https://127.0.0.1:$port," "$KUBE/kubeconfig" >config
	doctor 4 --kubeconfig config
	step api fail "cannot reach 'https://127.0.0.1:$port/version': Connection refused" "can it be reached from here?"
	after api credentials get-pods get-nodes
	server kube-other "$RIG/kube_server.py" "$RIG_RUN/kube-other" --certificate other-ca
	doctor 4 --kubeconfig "$RIG_RUN/kube-other/kubeconfig"
	server_stop kube-other
	step api fail "is not trusted" "set certificate-authority-data of cluster 'rig'"
	faults '[{"path": "/version", "do": "html"}]'
	doctor 4
	step api fail "does not answer like a cluster API" "check the server of cluster 'rig'"
}

@test "the certificate is not verified: a warning" {
	sed 's/certificate-authority-data: .*/insecure-skip-tls-verify: true/' "$KUBE/kubeconfig" >config
	doctor 0 --kubeconfig config
	step api warn "its certificate is not verified" "certificate-authority-data"
	step attach ok
}

@test "credentials: a token that is wrong, none at all, a plugin that fails" {
	sed 's/token: .*/token: stale-token/' "$KUBE/kubeconfig" >config
	doctor 4 --kubeconfig config
	step api ok
	step credentials fail "does not accept the credentials of user 'rig'" "get a new kubeconfig"
	after credentials get-pods list-pods pod get-nodes address ssh jvm
	[[ $output$stderr != *stale-token* ]]
	sed '/token:/d; s/user:$/user: {}/' "$KUBE/kubeconfig" >config
	doctor 4 --kubeconfig config
	step credentials fail "" "no credentials that count"
	sed '/token:/d' "$KUBE/kubeconfig" >config
	printf '    exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: /bin/false}\n' >>config
	doctor 4 --kubeconfig config
	step api ok
	step credentials fail "credential plugin '/bin/false' of user 'rig': '/bin/false' ended with status 1" "/bin/false"
}

@test "RBAC: each permission that is missing, and the rule that gives it" {
	denied "get pods"
	doctor 4
	step get-pods fail "not allowed to get pods in namespace 'shop'" '- {apiGroups: [""], resources: [pods], verbs: [get]}'
	after get-pods pod address ssh
	step get-nodes ok
	step destination ok
	denied "get nodes"
	doctor 4
	step pod ok
	step get-nodes fail "not allowed to get nodes" '- {apiGroups: [""], resources: [nodes], verbs: [get]}'
	after get-nodes address tcp ssh helper jvm
	denied "list pods"
	doctor 0
	step list-pods warn "not allowed to list pods in namespace 'shop', which is needed for -l" \
		"kubectl create role jdiag-list-pods -n shop --verb=list --resource=pods"
	step attach ok
	printf '{"%s": {"name": "dev", "deny": ["get deployments", "get jobs"]}}\n' "$CANARY_TOKEN" >"$KUBE/users.json"
	doctor 0
	step get-workloads warn "not allowed to get deployments, jobs in namespace 'shop'" \
		'- {apiGroups: ["batch"], resources: [jobs], verbs: [get]}'
	denied "list nodes"
	doctor 0
	step list-nodes warn "not allowed to list nodes, which is needed for 'nodes'" "resources: [nodes], verbs: [list]"
}

@test "an API that does not say who we are or what we may do: the way goes on" {
	denied "create selfsubjectaccessreviews"
	doctor 0
	step get-pods warn "not known, the cluster API does not say: not allowed to create selfsubjectaccessreviews"
	step attach ok
	denied "create selfsubjectreviews"
	doctor 0
	step credentials ok accepted
	# a server before 1.28
	faults '[{"path": "selfsubjectreviews", "do": "status", "code": 404, "reason": "NotFound", "message": "none"}]'
	doctor 0
	step credentials ok accepted
	faults '[{"path": "accessreviews", "do": "garbage", "body": "{\"status\": {}}"}]'
	doctor 0
	step get-nodes warn "not known"
}

@test "the pod: missing, Pending, in a sandbox, without the container" {
	run_jdiag -s 3 doctor wbe -n shop -o json
	step pod fail "no pod 'wbe' in namespace 'shop'" "kubectl get pods -n shop"
	step get-nodes ok
	after pod address tcp ssh container jvm
	kube_state pod shop/web --phase Pending --container app=
	doctor 3
	step pod fail "pod 'web' does not run yet: it is Pending" "kubectl describe pod web -n shop"
	pod_at_api web --runtime-class gvisor
	doctor 3
	step pod fail "pod 'web' runs under gVisor" "no process of the node"
	pod_at_api web
	doctor 3 -c api
	step pod fail "pod 'web' has no container 'api'" "app (running)"
}

@test "the address: one that the cluster does not list; a node that is gone" {
	pod_at_api web --host-ip 127.0.0.2
	doctor 3
	step address fail "the pod's hostIP '127.0.0.2' is no address of node '$NODE'"
	after address tcp ssh
	pod_at_api web --node gke-gone
	doctor 3
	step address fail "no node 'gke-gone' in the cluster" "kubectl get nodes"
}

@test "TCP: refused; a port that says nothing" {
	local port=$CLOSED_PORT
	doctor 5 -p "$port"
	step tcp fail "cannot connect to '127.0.0.1' port $port: Connection refused" "that port $port of the node can be reached"
	after tcp ssh sudo helper container jvm attach strategy
	step destination ok
	"$RIG/silent_server.py" port 3>&- &
	SERVER_PID=$!
	wait_for 40 test -s port
	doctor 5 -p "$(<port)" --ssh-option ConnectTimeout=4
	step tcp ok "port $(<port) of '127.0.0.1' is open"
	step ssh fail "" "is it SSH?"
}

@test "SSH: a host key that is not known, and the line that makes it known; ignored; a wrong key" {
	: >known
	doctor 5 --known-hosts "$D/known"
	step tcp ok
	step ssh fail "the host key of '[127.0.0.1]:$(<"$SSH/port")' is not known" "ssh-keyscan"
	local line
	line=$(fix ssh | grep ssh-keyscan)
	scanned() { bash -c "$line" 2>/dev/null && [ -s known ]; }
	wait_for 30 scanned # it gives up after 5 s
	doctor 0 --known-hosts "$D/known"
	doctor 0 --known-hosts "$D/known" --host-key ignore
	step ssh warn "the host key was not checked"
	ssh-keygen -q -t ed25519 -N '' -f stranger
	doctor 5 -i stranger --ssh libssh2
	step ssh fail "no key was accepted" "stranger"
	after ssh sudo helper jvm
}

@test "SSH: an RSA key, by the OpenSSH client, and why" {
	ssh-keygen -q -t rsa -N '' -f rsa
	sshd_authorize "$SSH" rsa.pub
	doctor 0 -i "$D/rsa"
	if [[ $stderr == *"using the OpenSSH client"* ]]; then
		step ssh ok "logged in as 'root', by openssh: "
	else # a libssh2 that can
		step ssh ok "logged in as 'root', by libssh2; "
	fi
}

@test "sudo: the line that is printed is enough" {
	useradd -m -s /bin/bash -p '*' "$NODE_USER"
	doctor 6 --ssh-user "$NODE_USER"
	step sudo fail "sudo refused '$NODE_USER': a password is required" "visudo"
	after sudo helper container jvm
	fix sudo | grep NOPASSWD >"/etc/sudoers.d/$NODE_USER"
	chmod 440 "/etc/sudoers.d/$NODE_USER"
	doctor 0 --ssh-user "$NODE_USER"
	step sudo ok "'$NODE_USER' becomes root by sudo -n"
	doctor 6 --ssh-user "$NODE_USER" --sudo never
	step sudo fail "the helper has to be root on the node" "--ssh-user root"
}

# node LINE...: an sshd in a mount namespace of its own, after these lines; $NODE_OPTIONS lead to it.
node() {
	printf '#!/bin/bash\nset -e\nmount --make-rprivate /\n' >node-script
	printf '%s\n' "$@" 'exec "${@}"' >>node-script
	chmod 755 node-script
	SSHD_UNDER="unshare -m $D/node-script" sshd_start "$D/ssh2"
	sshd_authorize "$D/ssh2" "$SSH/client.pub"
	NODE_OPTIONS=(-p "$SSHD_PORT" --known-hosts "$D/ssh2/known_hosts")
}

@test "the helper: without unshare, and with every disk noexec" {
	node 'mount --bind /dev/null /usr/bin/unshare'
	doctor 0 "${NODE_OPTIONS[@]}"
	step helper ok "from a directory of the node (there is no unshare)"
	sshd_stop ssh2
	node 'mount --bind /dev/null /usr/bin/unshare' \
		'for d in /run /etc /var/tmp /tmp /dev/shm; do mount --bind $d $d; mount -o remount,bind,noexec $d; done' \
		'for d in /var/lib/toolbox /var/lib/google /var/lib/cloud; do [[ ! -d $d ]] || mount -o noexec -t tmpfs x $d; done'
	doctor 6 "${NODE_OPTIONS[@]}"
	step sudo warn "not known: the helper did not start"
	step helper fail "no directory to run a program from"
	after helper container jvm attach
}

@test "the container is not on the node" {
	kube_state pod shop/moved --node "$NODE" --container "app=$(printf 'ab%.0s' {1..32})"
	run_jdiag -s 3 doctor moved -n shop -o json
	kube_state remove shop/moved
	step container fail "container 'app' of pod 'moved' is not on node '$NODE'" "run the command again"
	after container jvm attach
}

# up NAME [OPTION...]: the pod of this test.
up() {
	pod_up "$@"
	POD=$1
}

@test "no JVM" {
	up plain --exec fakejvm -- plain
	run_jdiag -s 3 doctor plain -n shop -o json
	step container ok
	step jvm fail "no JVM runs in container 'app' of pod 'plain'" "jdiag ps plain -n shop"
	after jvm attach strategy spool pause
	container stop plain
	POD=web
}

@test "two JVMs: listed; --jvm chooses" {
	up two -- spawn=1
	wait_for 40 grep -q '^child ready' "$(container log two)"
	doctor 3
	step jvm fail "2 JVMs match" "--jvm 1  Checkout (host pid $(container pid two))"
	doctor 0 --jvm 1
	step attach ok
}

@test "attach: DisableAttachMechanism; what a dump would take is told all the same" {
	up disabled --java -XX:+DisableAttachMechanism
	doctor 7
	step attach fail "DisableAttachMechanism" "started without that option"
	step strategy ok "fifo"
	step spool ok
	fails_in attach
}

@test "the spool: no room, no place at all" {
	up big --java -Xmx450m -- fill=300
	node "mkdir -p $D/small" "mount -t tmpfs -o size=640m,mode=755 small $D/small" \
		"mkdir -p $D/small/upper $D/small/work" \
		"mount -t overlay overlay -o lowerdir=/var/lib,upperdir=$D/small/upper,workdir=$D/small/work /var/lib" \
		'mount -t tmpfs none /var/tmp' '[[ ! -d /mnt/disks ]] || mount -t tmpfs none /mnt/disks' \
		'mount --bind /tmp /tmp' 'mount -o remount,bind,ro /tmp'
	doctor 10 "${NODE_OPTIONS[@]}"
	step spool fail "does not fit in '/var/lib' of the node with 512 MiB left over: " "make room"
	step pause ok
	sshd_stop ssh2
	node 'for d in /var/lib /var/tmp /tmp; do mount --bind $d $d; mount -o remount,bind,ro $d; done' \
		'for d in /mnt/disks /mnt/stateful_partition; do [[ ! -d $d ]] || mount -t tmpfs -o ro none $d; done'
	doctor 6 "${NODE_OPTIONS[@]}"
	step strategy ok
	step spool fail
	after spool pod-disk pause
}

@test "the pause: longer than the liveness probe or --max-pause allows" {
	up slow --java -Xmx450m -- fill=300
	pod_at_api slow --probe app=30,3
	doctor 0
	step pause ok "the liveness probe allows 1m30s"
	doctor 10 --max-pause 1
	step pause fail "--max-pause allows 1.0s" "raise it"
	pod_at_api slow --probe app=1,1
	doctor 10
	step pause fail "its liveness probe restarts it after 1.0s" "raise failureThreshold x periodSeconds"
}

@test "a bucket: missing, forbidden, read only by others, not reached; nothing is uploaded" {
	doctor 0 --to gs://dumps/incident/
	step destination ok "objects can be made in 'gs://dumps'"
	step bucket-read ok
	doctor 9 --to gs://dmups/
	step destination fail "bucket 'dmups' does not exist" "gcloud storage buckets create gs://dmups"
	after destination bucket-read
	curl -sf "$BUCKET/control/faults" -d '[{"on": "permissions", "answer": {"body": "{}"}}]' >/dev/null
	doctor 9 --to gs://dumps/
	step destination fail "not permitted on 'gs://dumps': storage.objects.create" \
		"gcloud storage buckets add-iam-policy-binding gs://dumps --member="
	fix destination | grep -q -e '--role=roles/storage.objectCreator$'
	curl -sf "$BUCKET/control/faults" \
		-d '[{"on": "permissions", "answer": {"body": "{\"permissions\": [\"storage.objects.create\"]}"}}]' >/dev/null
	doctor 0 --to gs://dumps/
	step destination ok
	step bucket-read warn "storage.objects.get" "--role=roles/storage.objectViewer"
	[ -z "$(find "$RIG_RUN/bucket/data/objects" -type f)" ]
	doctor 2 --to gs://Dumps_/x/
	step destination fail "'Dumps_' is not the name of a bucket"
}

@test "a bucket, by credentials that are known: whose they are" {
	server bucket2 "$RIG/gcs_server.py" "$RIG_RUN/bucket2/data" --crc32c "$JDIAG_BUILD/tools/crc32c" \
		--bucket dumps --token good --denied-token denied
	JDIAG_EXTRA_ENV=(STORAGE_EMULATOR_HOST=
		CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE="http://127.0.0.1:$(<"$RIG_RUN/bucket2/port")")
	doctor 0 --to gs://dumps/ --token-command 'echo good'
	step destination ok "with the credentials of "
	doctor 9 --to gs://dumps/ --token-command 'echo denied'
	step destination fail "not permitted on 'gs://dumps': storage.objects.create" "add-iam-policy-binding"
	doctor 9 --to gs://dumps/ --token-command 'echo expired'
	step destination fail "the credentials were not accepted"
	doctor 9 --to gs://dumps/ --token-command 'exit 3'
	step destination fail
	JDIAG_EXTRA_ENV=()
	server_stop bucket2
}

@test "a local destination: missing, without room, standard output" {
	doctor 2 --to "$D/none/"
	step destination fail "cannot open the directory '$D/none/'" "mkdir -p"
	mkdir small
	mount -t tmpfs -o size=1m none small
	doctor 10 --to "$D/small/"
	umount small
	step destination fail "does not fit at the destination"
	touch there.hprof
	doctor 2 --to "$D/there.hprof"
	step destination fail "it exists already"
	run_jdiag -s 0 doctor web -n shop --to -
	says "ok    destination    standard output"
}

@test "--upload-from node: the node's curl" {
	doctor 0 --to gs://dumps/ --upload-from node
	step node-curl ok "/bin/curl'"
	node "mount --bind /dev/null $(readlink -f /usr/bin/curl)"
	doctor 0 --to gs://dumps/ --upload-from node "${NODE_OPTIONS[@]}"
	step node-curl warn "the node has no curl" "install curl"
	refuses 2 doctor web -n shop --upload-from node
	tells "goes with a bucket"
}

@test "several failures: all are told, the first one is the status" {
	doctor 5 -p "$CLOSED_PORT" --to gs://dmups/
	step tcp fail
	step destination fail
	tells "2 steps fail, the first one is 'tcp'"
}

@test "of a node, of a host without an API" {
	run_jdiag -s 0 doctor "node/$NODE" -o json
	step get-nodes ok
	step jvm ok "JVM"
	[[ $output != *'"name":"strategy"'* && $output != *'"name":"get-pods"'* ]]
	run_jdiag -s 3 doctor node/gke-gone -o json
	step address fail "no node 'gke-gone'"
	run_jdiag -s 0 doctor "ssh://root@127.0.0.1:$(<"$SSH/port")" --pid "$(container pid web)" -o json
	step address ok "'127.0.0.1', without a cluster API"
	step attach ok
	step pause ok
	[[ $output != *'"name":"api"'* ]]
	run_jdiag -s 0 doctor "ssh://root@127.0.0.1:$(<"$SSH/port")"
	says "ok    jvm"
}

@test "interrupted: what was found until then" {
	local seconds
	faults '[{"path": "/nodes/", "do": "hang"}]'
	for seconds in 2 10 25; do # a busy machine may not have found anything yet
		run_jdiag -s 130 doctor web -n shop --timeout "${seconds}s"
		[[ $output != *"ok    pod"* ]] || break
	done
	says "ok    pod"
	[[ $output != *" address "* ]]
}

@test "words that are no target, options that do not fit" {
	refuses 2 doctor
	refuses 2 doctor 'a/b/c'
	refuses 2 doctor deploy/web -n shop
	tells "name one of them, or a node"
	refuses 2 doctor web -n shop --pid 1
	refuses 2 doctor web -n shop --buffer nothing
}
