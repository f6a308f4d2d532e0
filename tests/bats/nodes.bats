# Where a node is reached: what the cluster says, templates, the Compute Engine API; jdiag nodes.
load lib

setup_file() {
	rig_up
	gce_up
	printf '{"type": "authorized_user", "client_id": "client", "client_secret": "secret-of-the-client",
		"refresh_token": "refresh-4711", "token_uri": "http://127.0.0.1:%s/token"}' "$(<"$RIG_RUN/gce/port")" >"$RIG_RUN/adc.json"
}
teardown_file() {
	server_stop gce
	rig_down
}

gce_up() { server gce "$RIG/gce_server.py" "$RIG_RUN/gce" --token "$CANARY_TOKEN" --denied-token denied-4711 --page-size 3; }

PROJECT=rig-project
ZONE=europe-west1-b

setup() {
	KUBE=$RIG_RUN/kube
	GCE=$RIG_RUN/gce
	kube_state node "$NODE"
	credentials yes
	rm -rf "$GCE/instances" "$GCE/faults.json" "$GCE/revoked" "$GCE/requests"
	mkdir -p "$GCE/instances/$PROJECT/$ZONE"
	# "${lines[@]}" of a second node would be in the way
	forget=()
}

teardown() {
	rm -f "$KUBE/faults.json" "$KUBE/users.json"
	local name
	for name in "${forget[@]}"; do kube_state remove "$name"; done
	[ -z "$(grep -F -e canary-metadata -e refresh-4711 -e ya29. -e secret-of-the-client "$RIG_RUN/out/all" || true)" ]
}

# credentials yes|no|denied: what the environment has; the API is the rig's.
credentials() {
	JDIAG_EXTRA_ENV=("CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE=http://127.0.0.1:$(<"$RIG_RUN/gce/port")")
	case $1 in
	yes) JDIAG_EXTRA_ENV+=("GOOGLE_APPLICATION_CREDENTIALS=$RIG_RUN/adc.json") ;;
	metadata) JDIAG_EXTRA_ENV+=("GCE_METADATA_HOST=127.0.0.1:$(<"$RIG_RUN/gce/port")") ;;
	esac
}

# node NAME [OPTION...]: another node, gone after the test.
node() {
	kube_state node "$@"
	forget+=("$1")
}

# instance NAME FACTS [ZONE [PROJECT]]
instance() {
	local dir=$GCE/instances/${4:-$PROJECT}/${3:-$ZONE}
	mkdir -p "$dir"
	printf '%s\n' "$2" >"$dir/$1.json"
}

gce_faults() { printf '%s\n' "$1" >"$GCE/faults.json"; }

# asked N: so many requests for instances.
asked() { [ "$(grep -c /compute/ "$GCE/requests" 2>/dev/null)" = "$1" ]; }

# reach STATUS [OPTION...]: log in to the rig's node.
reach() { run_jdiag -s "$1" ps "node/$NODE" "${@:2}"; }

# address OPTION...: what jdiag nodes shows as the address of the rig's node.
address() {
	run_jdiag -s 0 nodes --filter "name=$NODE" -o json "$@" >&2
	python3 -c 'import json, sys; print(json.loads(sys.argv[1]).get("address"))' "$output"
}

# --- nodes of the cluster -------------------------------------------------------------------------------

@test "the nodes of the cluster" {
	node other --address 10.0.0.9 --merge '{"spec": {"unschedulable": true}, "status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}'
	run_jdiag -s 0 nodes
	[[ ${lines[0]} =~ ^NAME\ +STATUS\ +ADDRESS\ +ARCH\ +RUNTIME\ +AGE$ ]]
	[[ ${lines[1]} =~ ^$NODE\ +Ready\ +127.0.0.1\ +amd64\ +containerd://1.6.20\ +[0-9]+[smhd]$ ]]
	[[ ${lines[2]} =~ ^other\ +Unknown,Cordoned\ +10.0.0.9\  ]]
	[ "${#lines[@]}" = 3 ]
	[ "${#lines[0]}" -le 80 ]
}

@test "wide, names, JSON" {
	kube_state node "$NODE" --external 127.0.0.7
	run_jdiag -s 0 nodes -o wide
	says "127.0.0.1,127.0.0.7,$NODE"
	says Container-Optimized_OS_from_Google
	says 6.1.0-18-cloud-amd64
	says "$ZONE"
	run_jdiag -s 0 nodes -o name
	[ "$output" = "node/$NODE" ]
	run_jdiag -s 0 nodes -o json
	python3 - "$output" <<-'PY'
		import json, sys
		node = json.loads(sys.argv[1])
		assert (node["apiVersion"], node["kind"]) == ("jdiag/v1", "Node")
		assert node["status"] == "Ready" and node["cordoned"] is False and node["address"] == "127.0.0.1"
		assert node["project"] == "rig-project" and node["zone"] == "europe-west1-b" and node["region"] == "europe-west1"
		assert node["addresses"][1] == {"type": "ExternalIP", "address": "127.0.0.7"}
		assert node["labels"]["kubernetes.io/os"] == "linux"
	PY
}

@test "several pages" {
	for i in $(seq 3); do node "page-$i"; done
	run_jdiag -s 0 nodes -o name
	[ "${#lines[@]}" = 4 ]
	grep -q 'GET /api/v1/nodes?limit=' "$KUBE/requests"
}

@test "a filter" {
	node java-1 --merge '{"metadata": {"labels": {"pool": "java"}}}'
	node java-2 --merge '{"metadata": {"labels": {"pool": "java"}}, "status": {"conditions": [{"type": "Ready", "status": "False"}]}}'
	node go-1 --merge '{"metadata": {"labels": {"pool": "go"}}}'
	run_jdiag -s 0 nodes -o name --filter 'status:RUNNING AND labels.pool:java'
	[ "$output" = node/java-1 ]
	run_jdiag -s 0 nodes -o name --filter 'labels.pool:* AND NOT name eq "java-[12]"'
	[ "$output" = node/go-1 ]
	run_jdiag -s 0 nodes -o name --filter 'status=NotReady'
	[ "$output" = node/java-2 ]
	run_jdiag -s 0 nodes -o name --filter "addresses:127.0.0.* labels.kubernetes.io/hostname=$NODE"
	[ "$output" = "node/$NODE" ]
	run_jdiag -s 0 nodes -o name --filter 'labels.pool=rust'
	[ -z "$output" ]
	tells "no node fits"
}

@test "a filter that is none: where, and what there is; nothing is asked" {
	: >"$KUBE/requests"
	refuses 2 nodes --filter 'status:'
	tells "bad filter at character 8: a value is expected"
	tells "for example: status:RUNNING AND labels.pool:java"
	refuses 2 nodes --filter '(name:x'
	tells "at character 1: the parenthesis is not closed"
	refuses 2 nodes --filter 'sttus:Ready'
	tells "a node has no field 'sttus'"
	tells "there are: name, status"
	refuses 2 nodes --filter 'name eq "(a+)\1"'
	tells "only punctuation may be escaped"
	refuses 2 nodes --filter "$(printf '%05000d' 0)"
	tells "longer than 4096 bytes"
	[ ! -s "$KUBE/requests" ]
}

@test "list on nodes is missing" {
	printf '{"%s": {"name": "ops", "deny": ["list nodes"]}}' "$CANARY_TOKEN" >"$KUBE/users.json"
	refuses 4 nodes
	tells "list"
	tells "nodes"
}

@test "version skew: other fields, missing fields, null, another apiVersion" {
	node skew --merge '{"apiVersion": "v2beta1", "metadata": {"labels": null, "creationTimestamp": null, "new": {"a": [1]}},
		"spec": null, "status": {"conditions": null, "nodeInfo": null, "later": 7,
		"addresses": [{"type": "PodIP", "address": "10.1.1.1"}, {"type": "InternalIP", "address": "10.0.0.3", "zone": "x"}, 7]}}'
	run_jdiag -s 0 nodes
	[[ ${lines[2]} =~ ^skew\ +Unknown\ +10.0.0.3\ +-\ +-\ +-$ ]]
	run_jdiag -s 0 nodes --filter 'name:skew AND arch:*' -o json
	[ -z "$output" ]
	faults '[{"path": "/nodes", "do": "garbage", "body": "{\"kind\": \"NodeList\", \"items\": [{\"metadata\": {\"name\": \"a b\"}}]}"}]'
	refuses 4 nodes
	tells "something that is not a node"
}

@test "texts of a node are escaped" {
	node odd --merge '{"status": {"nodeInfo": {"osImage": "\u001b]0;owned\u0007", "containerRuntimeVersion": "a\nb"}}}'
	run_jdiag -s 0 nodes -o wide
	says '\x1b]0;owned\x07'
	[ "${#lines[@]}" = 3 ]
}

# --- the kinds of addresses ------------------------------------------------------------------------------

@test "each kind of address" {
	kube_state node "$NODE" --address 10.0.0.1 --external 34.1.2.3
	[ "$(address)" = 10.0.0.1 ]
	[ "$(address --node-address internal)" = 10.0.0.1 ]
	[ "$(address --node-address external)" = 34.1.2.3 ]
	[ "$(address --node-address hostname)" = "$NODE" ]
	[ "$(address --node-address '{name}.{zone}.c.{project}.internal')" = "$NODE.$ZONE.c.$PROJECT.internal" ]
	[ "$(address --node-address 'n-{hostname}.{region}.example')" = "n-$NODE.europe-west1.example" ]
	JDIAG_EXTRA_ENV+=(JDIAG_NODE_ADDRESS=external)
	[ "$(address)" = 34.1.2.3 ]
}

@test "where one kind is missing, its DNS name; or what there is" {
	kube_state node "$NODE" --merge '{"status": {"addresses": [{"type": "InternalDNS", "address": "a.internal"}, {"type": "ExternalDNS", "address": "a.example"}]}}'
	[ "$(address --node-address internal)" = a.internal ]
	[ "$(address --node-address external)" = a.example ]
	[ "$(address --node-address hostname)" = a.internal ]
	kube_state node "$NODE"
	reach 3 --node-address external
	tells "node '$NODE' has no ExternalIP address"
	tells "choose another with --node-address"
	run_jdiag -s 0 nodes --node-address external
	tells "node '$NODE' has no ExternalIP address"
	[[ ${lines[1]} =~ ^$NODE\ +Ready\ +-\  ]]
}

@test "zone and region by label" {
	kube_state node "$NODE" --merge '{"spec": {"providerID": "aws:///eu-1a/i-0"}, "metadata": {"labels": {"topology.kubernetes.io/zone": "eu-1a", "topology.kubernetes.io/region": "eu-1"}}}'
	[ "$(address --node-address '{name}.{zone}.{region}')" = "$NODE.eu-1a.eu-1" ]
	reach 3 --node-address '{name}.{project}'
	tells "node '$NODE': {project} is not known"
	tells "it needs a providerID of Google's"
}

@test "a kind that is none, a template that is none: before anything is sent" {
	: >"$KUBE/requests"
	for bad in psychic 10.0.0.1 '{name' 'x{}' '{name}.{cluster}' '-{name}' '{name};id' '{name} x' '{name}/x' "{name}'"; do
		refuses 2 ps "node/$NODE" --node-address "$bad"
		tells "$bad"
		tells "valid: "
	done
	JDIAG_EXTRA_ENV=(JDIAG_NODE_ADDRESS=psychic)
	refuses 2 nodes
	tells "JDIAG_NODE_ADDRESS"
	[ ! -s "$KUBE/requests" ]
}

@test "what a node says of itself never gets a metacharacter into an address" {
	for zone in '$(id)' 'a;b' '-oProxyCommand=x' 'a b' "$(printf 'a\nb')" 'A' '../x' ''; do
		merge=$(python3 -c 'import json, sys; print(json.dumps({"spec": {"providerID": "x"}, "metadata": {"labels": {"topology.kubernetes.io/zone": sys.argv[1]}}}))' "$zone")
		kube_state node "$NODE" --merge "$merge"
		reach 3 --node-address '{name}.{zone}.example'
		tells "{zone}"
	done
	kube_state node "$NODE" --merge '{"status": {"addresses": [{"type": "InternalIP", "address": "-oProxyCommand=id"}, {"type": "InternalIP", "address": "a;b"}]}}'
	credentials no
	reach 3
	tells "has no InternalIP address"
	[ ! -e "$GCE/requests" ]
}

@test "a pod whose host is an address that the cluster does not list" {
	kube_state pod shop/web --node "$NODE" --container "app=$(printf 'a%.0s' {1..64})" --host-ip 127.0.0.2
	cd "$BATS_TEST_TMPDIR"
	for kind in '' hostname gce-external '{name}.example'; do
		refuses 3 heapdump web -n shop ${kind:+--node-address "$kind"}
		tells "the pod's hostIP '127.0.0.2' is no address of node '$NODE'"
	done
	kube_state remove shop/web
	[ ! -e "$GCE/requests" ]
}

@test "the ExternalIP where the InternalIP does not answer" {
	kube_state node "$NODE" --address 127.0.0.9 --external 127.0.0.1
	reach 0
	tells "node '$NODE' does not answer at '127.0.0.9': trying its '127.0.0.1'"
	[ ! -e "$GCE/requests" ]
	# who names a kind gets that one
	reach 5 --node-address internal
	tells "cannot connect to '127.0.0.9'"
}

# --- the Compute Engine API ------------------------------------------------------------------------------

@test "gce-external, gce-internal" {
	kube_state node "$NODE" --address 127.0.0.9
	instance "$NODE" '{"internal": "127.0.0.9", "external": "127.0.0.1"}'
	reach 0 --node-address gce-external
	asked 1
	reach 5 --node-address gce-internal
	tells "cannot connect to '127.0.0.9'"
	[ "$(address --node-address gce-internal)" = 127.0.0.9 ]
	[ "$(address --node-address gce-external)" = 127.0.0.1 ]
	! grep -q canary-metadata <<<"$output"
}

@test "the first interface that has an external address; IPv6; none" {
	instance "$NODE" '{"interfaces": [{"networkIP": "127.0.0.1", "accessConfigs": [{"natIP": "junk"}]}, {"networkIP": "10.0.0.2", "accessConfigs": [{"type": "x"}, {"natIP": "34.0.0.9"}]}, {"accessConfigs": [{"natIP": "34.0.0.3"}]}]}'
	[ "$(address --node-address gce-external)" = 34.0.0.3 ]
	instance "$NODE" '{"interfaces": [{"networkIP": "127.0.0.1", "ipv6AccessConfigs": [{"externalIpv6": "2600:1900::1"}]}]}'
	[ "$(address --node-address gce-external)" = 2600:1900::1 ]
	instance "$NODE" '{"internal": "127.0.0.1", "external": ""}'
	reach 0 --node-address gce-external
	tells "instance '$NODE' has no external address: using its internal '127.0.0.1'"
	instance "$NODE" '{"interfaces": []}'
	kube_state node "$NODE" --merge '{"status": {"addresses": null}}'
	reach 3 --node-address gce-external
	tells "instance '$NODE' has no address"
}

@test "the cluster's address is dead: the Compute Engine API knows another" {
	kube_state node "$NODE" --address 127.0.0.9
	instance "$NODE" '{"internal": "127.0.0.9", "external": "127.0.0.1"}'
	reach 0
	tells "node '$NODE' does not answer at '127.0.0.9': trying '127.0.0.1', by the Compute Engine API"
	[ "$(grep -c 'does not answer' <<<"$stderr")" = 1 ]
	asked 1
	# the machine's own account; the other back end
	credentials metadata
	reach 0 --ssh openssh
	tells "by the Compute Engine API"
	# it is the jump host that cannot reach it, or that does not answer itself
	reach 0 --host-key ignore --jump "root@localhost:$(<"$RIG_RUN/ssh/port")"
	tells "by the Compute Engine API"
}

@test "a jump host that does not answer says nothing of the node" {
	instance "$NODE" '{"internal": "127.0.0.1", "external": "127.0.0.1"}'
	reach 5 --ssh libssh2 --jump "root@127.0.0.9:$(<"$RIG_RUN/ssh/port")"
	tells "jump host '127.0.0.9': cannot connect to '127.0.0.9'"
	[ ! -e "$GCE/requests" ]
}

@test "a node without addresses: the Compute Engine API knows one" {
	kube_state node "$NODE" --merge '{"status": {"addresses": null}}'
	instance "$NODE" '{"internal": "127.0.0.9", "external": "127.0.0.1"}'
	reach 0
	tells "node '$NODE' has no InternalIP address: using '127.0.0.1', by the Compute Engine API"
	credentials no
	reach 3
	tells "node '$NODE' has no InternalIP address"
}

@test "the cluster's address is dead, and nothing else is known: the first error" {
	kube_state node "$NODE" --address 127.0.0.9
	credentials no
	reach 5
	tells "cannot connect to '127.0.0.9'"
	tells "with Google credentials jdiag also asks the"
	[ ! -e "$GCE/requests" ]
	credentials yes
	reach 5
	tells "cannot connect to '127.0.0.9'"
	tells "nor does the Compute Engine API help: no instance '$NODE' in zone '$ZONE' of project '$PROJECT'"
	# what it knows does not answer either
	instance "$NODE" '{"internal": "127.0.0.9", "external": "127.0.0.8"}'
	reach 5
	tells "cannot connect to '127.0.0.9'"
	instance "$NODE" '{"internal": "127.0.0.9"}'
	reach 5
	kube_state node "$NODE" --address 127.0.0.9 --provider-id 'aws:///eu-1a/i-0'
	: >"$GCE/requests"
	reach 5
	[ ! -s "$GCE/requests" ]
	[[ $stderr != *"Google credentials"* ]]
}

@test "another address that answers and is not as it should be is the error" {
	kube_state node "$NODE" --address 127.0.0.9 --external 127.0.0.1
	reach 5 --known-hosts /dev/null
	tells "127.0.0.1"
	[[ $stderr != *"cannot connect"* ]]
}

@test "an instance that does not run" {
	instance "$NODE" '{"internal": "127.0.0.1", "status": "TERMINATED"}'
	reach 3 --node-address gce-internal
	tells "instance '$NODE' does not run: it is TERMINATED"
	tells "gcloud compute instances start $NODE --zone $ZONE"
	instance "$NODE" '{"internal": "127.0.0.1", "status": "STOPPING"}'
	reach 3 --node-address gce-internal
	tells "it is STOPPING"
}

@test "a providerID that is none, another machine's, another project's" {
	for id in '' 'gce://p/z' 'gce://p/z/n/x' 'gce:///z/n' 'gce://p/../n' "gce://p/z/$NODE?x=1" 'gce://P/z/n' "kind://x/$NODE"; do
		kube_state node "$NODE" --merge "{\"spec\": {\"providerID\": \"$id\"}}"
		reach 3 --node-address gce-external
		tells "node '$NODE' is no instance of the Compute Engine: its providerID is '$id'"
	done
	kube_state node "$NODE" --provider-id "gce://$PROJECT/$ZONE/database-1"
	instance database-1 '{"internal": "127.0.0.1"}'
	reach 3 --node-address gce-internal
	tells "node '$NODE' says that it is instance 'database-1'"
	[ ! -e "$GCE/requests" ]
	kube_state node "$NODE" --provider-id "gce://evil/$ZONE/$NODE"
	instance "$NODE" '{"internal": "10.9.9.9", "external": "127.0.0.1"}' "$ZONE" evil
	reach 3 --node-address gce-external
	tells "instance '$NODE' of project 'evil' has no address of the node's"
	tells "not done"
	! grep -q "$NODE.*127.0.0.1" <<<"$output"
	# nor when the node lists none that is called internal
	kube_state node "$NODE" --provider-id "gce://evil/$ZONE/$NODE" --merge '{"status": {"addresses": [{"type": "ExternalIP", "address": "127.0.0.1"}]}}'
	instance "$NODE" '{"internal": "10.9.9.9", "external": "127.0.0.8"}' "$ZONE" evil
	reach 3 --node-address gce-external
	tells "instance '$NODE' of project 'evil' has no address of the node's"
}

@test "credentials: refused, without the permission, renewed once, a broken file" {
	instance "$NODE" '{"internal": "127.0.0.1"}'
	credentials no
	JDIAG_EXTRA_ENV+=("GOOGLE_APPLICATION_CREDENTIALS=$RIG_RUN/denied.json")
	sed 's/refresh-4711/refresh-0815/' "$RIG_RUN/adc.json" >"$RIG_RUN/denied.json"
	reach 4 --node-address gce-internal
	tells "no access token for credentials from '$RIG_RUN/denied.json'"
	echo '{' >"$RIG_RUN/denied.json"
	reach 2 --node-address gce-internal
	tells "credential file '$RIG_RUN/denied.json'"
	credentials yes
	refuses 4 nodes --project $PROJECT --token-command 'echo denied-4711'
	tells "Compute Engine API: not permitted: Required 'compute.instances.list' permission"
	tells "compute.instances.list on project '$PROJECT'"
	refuses 4 nodes --project $PROJECT --token-command 'echo other'
	tells "the credentials were not accepted"
	for i in $(seq 7); do instance "n-$i" '{}'; done
	gce_faults '[{"path": "pageToken", "times": 1, "status": 401}]'
	run_jdiag -s 0 nodes --project $PROJECT -o name
	[ "${#lines[@]}" = 8 ]
	# the one that was refused above, the first, the one after the 401
	[ "$(grep -c 'POST /token' "$GCE/requests")" = 3 ]
}

@test "an API that is busy, broken, or somebody else" {
	instance "$NODE" '{"internal": "127.0.0.1"}'
	gce_faults '[{"path": "compute", "times": 1, "status": 429, "headers": {"Retry-After": "1"}}]'
	reach 0 --node-address gce-internal
	asked 2
	gce_faults '[{"path": "compute", "times": 1, "status": 503}]'
	reach 0 --node-address gce-internal
	gce_faults '[{"path": "compute", "status": 418}]'
	reach 4 --node-address gce-internal
	tells "answered with status 418"
	gce_faults '[{"path": "compute", "status": 302, "headers": {"Location": "http://evil.example/"}}]'
	reach 4 --node-address gce-internal
	gce_faults '[{"path": "compute", "status": 200, "body": "<html>"}]'
	reach 4 --node-address gce-internal
	tells "answer of the Compute Engine API"
	gce_faults '[{"path": "compute", "body": {"name": "another"}}]'
	reach 4 --node-address gce-internal
	tells "sent another instance than '$NODE'"
	gce_faults '[{"path": "compute", "body": {"networkInterfaces": [{"networkIP": "-oProxyCommand=id"}, {"networkIP": "a b"}, 7, null]}}]'
	kube_state node "$NODE" --merge '{"status": {"addresses": null}}'
	reach 3 --node-address gce-internal
	tells "instance '$NODE' has no address"
	JDIAG_EXTRA_ENV+=("CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE=http://evil.example/compute/v1/")
	reach 2 --node-address gce-internal
	tells "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE: 'http://evil.example/compute/v1/' cannot be used"
}

# --- instances -------------------------------------------------------------------------------------------

@test "the instances of a project, over all pages, without a cluster" {
	for i in 1 2 3 4; do instance "a-$i" "{\"internal\": \"10.0.0.$i\", \"labels\": {\"pool\": \"java\"}}"; done
	for i in 5 6 7; do instance "b-$i" "{\"internal\": \"10.0.0.$i\", \"external\": \"34.0.0.$i\"}" us-east1-c; done
	instance gone '{"internal": "10.0.0.8", "status": "TERMINATED"}' us-east1-c
	mkdir "$GCE/instances/$PROJECT/us-east1-d"
	run_jdiag -s 0 nodes --project $PROJECT --kubeconfig /nonexistent
	[[ ${lines[0]} =~ ^NAME\ +STATUS\ +ADDRESS\ +ZONE\ +MACHINE\ +AGE$ ]]
	[[ ${lines[1]} =~ ^a-1\ +RUNNING\ +10.0.0.1\ +$ZONE\ +e2-standard-4\ +[0-9]+[smhd]$ ]]
	[[ ${lines[5]} =~ ^b-5\ +RUNNING\ +34.0.0.5\ +us-east1-c\  ]]
	[[ ${lines[8]} =~ ^gone\ +TERMINATED\ +-\  ]]
	[ "${#lines[@]}" = 9 ]
	asked 3
	run_jdiag -s 0 nodes --project $PROJECT --zone us-east1-c -o name --node-address internal
	[ "$(printf '%s ' $output)" = "b-5 b-6 b-7 gone " ]
	JDIAG_EXTRA_ENV+=(GOOGLE_CLOUD_PROJECT=$PROJECT)
	run_jdiag -s 0 nodes --gce --filter 'name=a-2' -o json
	python3 - "$output" <<-'PY'
		import json, sys
		one = json.loads(sys.argv[1])
		assert one["kind"] == "Instance" and one["address"] == "10.0.0.2" and one["zone"] == "europe-west1-b"
		assert one["labels"] == {"pool": "java"} and one["id"] == "4711000000000000001"
		assert "metadata" not in one
	PY
}

@test "the filter is the API's: sent as it is" {
	instance a '{"labels": {"pool": "java"}}'
	instance b '{"status": "TERMINATED", "labels": {"pool": "java"}}'
	run_jdiag -s 0 nodes --project $PROJECT --filter 'status:RUNNING AND labels.pool:java' -o name
	[ "$output" = a ]
	grep -qF 'filter=status%3ARUNNING%20AND%20labels.pool%3Ajava' "$GCE/requests"
	refuses 2 nodes --project $PROJECT --filter 'weird(('
	tells "Invalid value for field 'filter': 'weird(('"
	tells "is it the --filter?"
}

@test "what was not reached is told" {
	instance a '{}'
	gce_faults '[{"path": "aggregated", "body": {"unreachables": ["zones/us-east1-c"]}}]'
	run_jdiag -s 0 nodes --project $PROJECT -o name
	tells "could not reach 'zones/us-east1-c': its instances are missing"
}

@test "a list that does not end" {
	instance a '{}'
	gce_faults '[{"path": "aggregated", "body": {"nextPageToken": "page==0&"}}]'
	refuses 4 nodes --project $PROJECT -o name
	tells "the Compute Engine API's list does not end"
}

@test "projects and zones that are none" {
	refuses 3 nodes --project no-such-project
	tells "no project 'no-such-project'"
	refuses 3 nodes --project $PROJECT --zone no-zone1-a
	for bad in '../x' 'a b' '-x' 'a/b' 'a?x=1'; do
		refuses 2 nodes --project "$bad"
		tells "'$bad' cannot be the id of a project"
		refuses 2 nodes --project $PROJECT --zone "$bad"
	done
	refuses 2 nodes --gce
	tells "which project?"
	refuses 2 nodes --zone $ZONE
	tells "--filter 'zone:$ZONE'"
	refuses 2 nodes --project $PROJECT --node-address hostname
	refuses 2 nodes "$NODE"
}
