# A real cluster of one node, in namespaces of its own (see `run`). Source it; bash.
#
#	cluster_start, cluster_stop    all of it; what it writes lies in $RIG_RUN
#	cluster_save_logs              what its parts said, to $CLUSTER_LOGS
#	cluster_down PART, cluster_up PART    end and start one: etcd kube-apiserver kube-controller-manager
#	                               kube-scheduler containerd kubelet
#
# Its node has an sshd on loopback for an address, and the provider id of an instance of GKE. The programs come
# from $CLUSTER_KUBE and $CLUSTER_TOOLS. The network is this cluster's own, so ports are fixed. $ADMIN is the
# kubeconfig of its administrator, who kubectl is here.

CLUSTER=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/rig/rig.sh
. "$CLUSTER/../rig/rig.sh"

API_PORT=6443
CLUSTER_NODE=$NODE
CLUSTER_PROVIDER=gce://rig-project/europe-west1-b/$NODE
CLUSTER_PARTS="etcd kube-apiserver kube-controller-manager kube-scheduler containerd kubelet"
PATH=$CLUSTER_KUBE:$CLUSTER_TOOLS/usr/bin:$PATH
export CONTAINERD_ADDRESS=/run/containerd/containerd.sock CONTAINERD_NAMESPACE=k8s.io

# --- the machine ------------------------------------------------------------------------------------

# Where a node has its things, on a disk of this run: an overlay cannot lie on the overlay that own-node has made.
machine_dirs() {
	local dir
	for dir in /var/lib/containerd /var/lib/kubelet /var/log; do
		mkdir -p "$dir" "$RIG_RUN/node$dir"
		mount --bind "$RIG_RUN/node$dir" "$dir"
	done
}

# A kubelet sets these for the whole machine, when they differ. Here it finds what it wants, and writes nothing.
machine_sysctls() {
	local name value
	mkdir -p "$RIG_RUN/sysctl"
	while read -r name value; do
		printf '%s\n' "$value" >"$RIG_RUN/sysctl/$name"
		mount --bind "$RIG_RUN/sysctl/$name" "/proc/sys/${name//.//}"
	done <<-END
		vm.overcommit_memory 1
		vm.panic_on_oom 0
		kernel.panic 10
		kernel.panic_on_oops 1
		kernel.keys.root_maxkeys 1000000
		kernel.keys.root_maxbytes 25000000
	END
}

# The loopback of a new network namespace is down.
machine_network() {
	python3 - <<-'END'
		import fcntl, socket, struct
		SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
		with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
		    name, flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, SIOCGIFFLAGS, struct.pack("16s16x", b"lo")))
		    fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", name, flags | IFF_UP))
	END
}

# --- configuration ----------------------------------------------------------------------------------

kubeconfig() {
	local user=$1 token=$2
	cat <<-END
		apiVersion: v1
		kind: Config
		current-context: rig
		clusters:
		- name: rig
		  cluster: {server: "https://127.0.0.1:$API_PORT", certificate-authority: "$RIG_RUN/kube/apiserver.crt"}
		users:
		- name: $user
		  user: {token: "$token"}
		contexts:
		- name: rig
		  context: {cluster: rig, user: $user}
	END
}

config_secrets() {
	local user token
	mkdir -p "$RIG_RUN/kube"
	openssl genrsa -out "$RIG_RUN/kube/sa.key" 2048 2>/dev/null
	openssl rsa -in "$RIG_RUN/kube/sa.key" -pubout -out "$RIG_RUN/kube/sa.pub" 2>/dev/null
	(umask 077 && : >"$RIG_RUN/kube/tokens")
	for user in admin system:kube-controller-manager system:kube-scheduler; do
		token=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
		echo "$token,$user,$user,$([[ $user != admin ]] || echo system:masters)" >>"$RIG_RUN/kube/tokens"
		(umask 077 && kubeconfig "${user#*:}" "$token" >"$RIG_RUN/kube/${user#*:}.kubeconfig")
	done
	# A kubelet is an administrator here: the node authorizer is not what is tested.
	ln -s admin.kubeconfig "$RIG_RUN/kube/kubelet.kubeconfig"
}

config_containerd() {
	mkdir -p "$RIG_RUN/cni"
	cat >"$RIG_RUN/cni/10-rig.conflist" <<-END
		{"cniVersion": "0.4.0", "name": "rig", "plugins": [
		  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": false,
		   "ipam": {"type": "host-local", "dataDir": "$RIG_RUN/cni/state",
		            "ranges": [[{"subnet": "10.244.0.0/24"}]]}}]}
	END
	# What is missing for the score is CAP_SYS_RESOURCE, on some machines.
	cat >"$RIG_RUN/containerd.toml" <<-END
		version = 2
		root = "/var/lib/containerd"
		state = "/run/containerd"
		[grpc]
		  address = "$CONTAINERD_ADDRESS"
		[plugins."io.containerd.grpc.v1.cri"]
		  restrict_oom_score_adj = true
		  sandbox_image = "registry.k8s.io/pause:3.6"
		  [plugins."io.containerd.grpc.v1.cri".cni]
		    bin_dir = "$CLUSTER_TOOLS/usr/lib/cni"
		    conf_dir = "$RIG_RUN/cni"
	END
}

config_kubelet() {
	cat >"$RIG_RUN/kubelet.yaml" <<-END
		apiVersion: kubelet.config.k8s.io/v1beta1
		kind: KubeletConfiguration
		address: 127.0.0.1
		healthzBindAddress: 127.0.0.1
		containerRuntimeEndpoint: unix://$CONTAINERD_ADDRESS
		providerID: $CLUSTER_PROVIDER
		cgroupRoot: /$CLUSTER_CGROUP
		cgroupDriver: cgroupfs
		failCgroupV1: false
		failSwapOn: false
		oomScoreAdj: 0
		localStorageCapacityIsolation: false
		makeIPTablesUtilChains: false
		resolvConf: ""
		# Nothing can be pulled again, so nothing is thrown away.
		imageGCHighThresholdPercent: 100
		imageGCLowThresholdPercent: 99
		evictionHard: {memory.available: 50Mi, nodefs.available: 1%, imagefs.available: 1%}
		authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
		authorization: {mode: AlwaysAllow}
		syncFrequency: 5s
		nodeStatusUpdateFrequency: 4s
		registerNode: true
	END
}

# --- the parts --------------------------------------------------------------------------------------

run_etcd() {
	exec etcd --name rig --data-dir "$RIG_RUN/etcd" --unsafe-no-fsync --logger zap --log-level warn \
		--listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
		--listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
		--initial-cluster rig=http://127.0.0.1:2380
}

run_kube-apiserver() {
	exec kube-apiserver --etcd-servers http://127.0.0.1:2379 --bind-address 127.0.0.1 --advertise-address 10.96.0.1 \
		--secure-port $API_PORT --cert-dir "$RIG_RUN/kube" --service-cluster-ip-range 10.96.0.0/24 \
		--endpoint-reconciler-type none --kubelet-preferred-address-types InternalIP,Hostname \
		--token-auth-file "$RIG_RUN/kube/tokens" --authorization-mode RBAC \
		--service-account-key-file "$RIG_RUN/kube/sa.pub" --service-account-signing-key-file "$RIG_RUN/kube/sa.key" \
		--service-account-issuer https://kubernetes.default.svc
}

run_kube-controller-manager() {
	exec kube-controller-manager --kubeconfig "$RIG_RUN/kube/kube-controller-manager.kubeconfig" --leader-elect=false \
		--bind-address 127.0.0.1 --cert-dir "$RIG_RUN/kube/controllers" --use-service-account-credentials \
		--service-account-private-key-file "$RIG_RUN/kube/sa.key" --root-ca-file "$RIG_RUN/kube/apiserver.crt"
}

run_kube-scheduler() {
	exec kube-scheduler --kubeconfig "$RIG_RUN/kube/kube-scheduler.kubeconfig" --leader-elect=false \
		--bind-address 127.0.0.1 --cert-dir "$RIG_RUN/kube/scheduler"
}

run_containerd() {
	exec containerd --config "$RIG_RUN/containerd.toml"
}

run_kubelet() {
	exec kubelet --config "$RIG_RUN/kubelet.yaml" --kubeconfig "$RIG_RUN/kube/kubelet.kubeconfig" \
		--hostname-override "$CLUSTER_NODE" --cloud-provider external \
		--node-labels cloud.google.com/gke-nodepool=java
}

# 3 and 4 are descriptors that bats waits on.
cluster_up() {
	mkdir -p "$RIG_RUN/parts"
	("run_$1") </dev/null >>"$RIG_RUN/parts/$1.log" 2>&1 3>&- 4>&- &
	echo $! >"$RIG_RUN/parts/$1.pid"
}

cluster_down() {
	local pid=$RIG_RUN/parts/$1.pid
	[[ -f $pid ]] || return 0
	kill "$(<"$pid")" 2>/dev/null || true
	wait_for 40 bash -c "! kill -0 $(<"$pid") 2>/dev/null" || kill -9 "$(<"$pid")"
	rm "$pid"
}

# part_lives PART: for waiting, so that a part that has ended is told at once.
part_lives() { kill -0 "$(<"$RIG_RUN/parts/$1.pid")" 2>/dev/null; }

# await PART SECONDS COMMAND...: until it succeeds, while the part lives.
await() {
	local part=$1 end=$((SECONDS + $2))
	shift 2
	until "$@" >/dev/null 2>&1; do
		if ! part_lives "$part" || ((SECONDS >= end)); then
			echo "the cluster does not start: $part; not so: $*" >&2
			tail -n 20 "$RIG_RUN/parts/$part.log" >&2
			return 1
		fi
		sleep 0.1
	done
}

kubectl() { KUBECONFIG=$ADMIN command kubectl "$@"; }

# What a cloud controller would do: the addresses, and that the node is initialized.
node_initialize() {
	kubectl patch node "$CLUSTER_NODE" --subresource=status --type=merge --patch '{"status": {"addresses": [
		{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": "'"$CLUSTER_NODE"'"}]}}'
	kubectl taint node "$CLUSTER_NODE" node.cloudprovider.kubernetes.io/uninitialized-
}

import_images() {
	local image
	for image in pause java-jlink java-25; do
		ctr images import "$CLUSTER_IMAGES/$image.tar" || return
	done
}

cluster_start() {
	RIG_RUN=$(mktemp -d "${TMPDIR:-/tmp}/jdiag-rig.XXXXXX")
	export RIG_RUN ADMIN=$RIG_RUN/kube/admin.kubeconfig
	chmod 711 "$RIG_RUN"
	mkdir -p "$RIG_RUN/home" "$RIG_RUN/out"
	machine_dirs
	machine_sysctls
	machine_network
	config_secrets
	config_containerd
	config_kubelet
	cluster_up etcd
	cluster_up containerd
	cluster_up kube-apiserver
	sshd_start "$RIG_RUN/ssh"
	bucket_up
	await containerd 120 ctr version
	import_images >"$RIG_RUN/parts/import.log" 2>&1
	await kube-apiserver 180 kubectl get --raw /readyz
	cluster_up kube-controller-manager
	cluster_up kube-scheduler
	cluster_up kubelet
	await kubelet 120 kubectl get node "$CLUSTER_NODE"
	node_initialize >/dev/null
	await kubelet 120 kubectl wait --for=condition=Ready --timeout=1s "node/$CLUSTER_NODE"
	await kube-controller-manager 120 kubectl get serviceaccount default
}

# The rest ends with the namespaces.
cluster_stop() {
	local part
	for part in kubelet kube-scheduler kube-controller-manager kube-apiserver etcd containerd; do cluster_down "$part"; done
	server_stop bucket
	sshd_stop "$RIG_RUN/ssh"
}

cluster_save_logs() {
	cp "$RIG_RUN"/parts/*.log "$RIG_RUN/ssh/sshd.log" "$CLUSTER_LOGS" 2>/dev/null
	if [[ -d /var/log/pods ]]; then cp -R /var/log/pods "$CLUSTER_LOGS"; fi
}
