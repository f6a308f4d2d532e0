#!/bin/bash
# What a real cluster is made of, fetched and built once and kept in ${XDG_CACHE_HOME:-$HOME/.cache}/jdiag-rig.
# Nothing is installed on this machine.
#
#   prepare.sh kube     the control plane, the kubelet and kubectl, built from control-plane/; prints the
#                       directory of its programs. About 10 minutes of two cores, at the first time
#   prepare.sh tools    etcd, containerd and network plugins, Debian's packages unpacked; prints their root
#   prepare.sh images   what pods run, as OCI archives; prints their directory
#   prepare.sh          all of it
#
# The compiler is always the same Go, which any newer one fetches as a module: the machine's own, or Debian's
# from sid, as the JVMs are (tests/rig/jvm.sh).
set -euo pipefail

CLUSTER_SRC=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/rig/jvm.sh
. "$CLUSTER_SRC/../rig/jvm.sh"

GO_VERSION=go1.26.8
TOOLS="etcd-server containerd containernetworking-plugins"
KUBE_VERSION=$(awk '$1 == "k8s.io/kubernetes" || $2 == "k8s.io/kubernetes" {print $NF}' "$CLUSTER_SRC/control-plane/go.mod")
KUBE_PARTS="kube-apiserver kube-controller-manager kube-scheduler kubelet kubectl"

# once DIRECTORY FUNCTION: when it is not there, `FUNCTION PART` makes it as PART, in a process of its own, which
# ends at the first error. Prints it.
once() {
	local dir=$1 part=$1.partial
	if [ ! -d "$dir" ]; then
		mkdir -p "$RIG_CACHE"
		(
			flock 7
			[ ! -d "$dir" ] || exit 0
			rm -rf "$part" && mkdir -p "$part" &&
				"$CLUSTER_SRC/prepare.sh" --make "$2" "$part" >&2 && mv "$part" "$dir"
		) 7>"$dir.lock" || return
	fi
	printf '%s\n' "$dir"
}

key() { cat "$@" | sha256sum | cut -c1-16; }

# --- Go ---------------------------------------------------------------------------------------------

# fetches_go GO: it is new enough to fetch the Go that is meant.
fetches_go() {
	local have
	have=$(GOTOOLCHAIN=local "$1" env GOVERSION 2>/dev/null) && printf '1.21\n%s\n' "${have#go}" | sort -V -C
}

# The compiler that sid's golang-go stands for; its name has a version in it.
fetch_go() {
	local debs packages deb
	refresh_lists
	packages=$(private_apt -s install golang-go | awk '$1 == "Inst" && $2 ~ /^golang-1.*-(go|src)$/ {print $2}')
	debs=$(mktemp -d "$RIG_CACHE/debs.XXXXXX")
	# shellcheck disable=SC2086 # a list of words
	fetch "$debs" $packages || { rm -rf "$debs"; return 1; }
	for deb in "$debs"/*.deb; do dpkg -x "$deb" "$1"; done
	rm -rf "$debs"
}

go_program() {
	local go
	go=$(command -v go) && fetches_go "$go" && printf '%s\n' "$go" && return
	go=$(once "$RIG_CACHE/cluster-go" fetch_go) && echo "$go"/usr/lib/go-1.*/bin/go
}

# --- the parts --------------------------------------------------------------------------------------

build_kube() {
	local part=$1 go name
	go=$(go_program)
	say "building Kubernetes, for about 10 minutes"
	(
		cd "$CLUSTER_SRC/control-plane"
		export GOMODCACHE=$RIG_CACHE/go/mod GOCACHE=$RIG_CACHE/go/build GOTOOLCHAIN=$GO_VERSION GOFLAGS= GOWORK=off
		CGO_ENABLED=0 nice "$go" build -trimpath -buildvcs=false -o "$part/kube" \
			-ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$KUBE_VERSION" .
	)
	for name in $KUBE_PARTS; do ln -s kube "$part/$name"; done
}

fetch_tools() {
	local part=$1 debs try deb
	debs=$(mktemp -d "$RIG_CACHE/debs.XXXXXX")
	for try in 1 2 3; do
		# shellcheck disable=SC2086 # a list of words
		(cd "$debs" && apt-get -q -o APT::Sandbox::User=root download $TOOLS) && break
		[ "$try" -lt 3 ] || { rm -rf "$debs"; return 1; }
		apt-get -q update
	done
	for deb in "$debs"/*.deb; do dpkg -x "$deb" "$part"; done
	rm -rf "$debs"
}

# Each image is a root directory of ours: there is no registry to pull from.
build_images() {
	local part=$1 root name
	root=$(mktemp -d "$RIG_CACHE/image-root.XXXXXX")
	chmod 755 "$root"
	${CC:-cc} -std=gnu11 -D_GNU_SOURCE -O1 -static -o "$root/pause" "$CLUSTER_SRC/pause.c"
	"$CLUSTER_SRC/oci_archive.py" "$part/pause.tar" registry.k8s.io/pause:3.6 /pause -- "$root"
	rm -rf "$root"
	root=$(mktemp -d "$RIG_CACHE/image-root.XXXXXX")
	mkdir "$root/app"
	javac --release 8 -Xlint:-options -d "$root/app" "$CLUSTER_SRC"/../rig/java/Checkout.java "$CLUSTER_SRC"/java/*.java
	chmod -R go+rX "$root"
	for name in jlink 25; do
		"$CLUSTER_SRC/oci_archive.py" "$part/java-$name.tar" "rig.example/java:$name" \
			"$(jvm_home "$(image "$name")")/bin/java" -- "$(image "$name")" "$root"
	done
	rm -rf "$root"
}

kube() { once "$RIG_CACHE/cluster-kube-$(key "$CLUSTER_SRC"/{prepare.sh,control-plane/*})" build_kube; }
tools() { once "$RIG_CACHE/cluster-tools-$(printf '%s' "$TOOLS" | cat /etc/debian_version - | key)" fetch_tools; }
images() {
	once "$RIG_CACHE/cluster-images-$(key "$CLUSTER_SRC"/{prepare.sh,pause.c,oci_archive.py} "$CLUSTER_SRC"/java/*.java \
		"$CLUSTER_SRC"/../rig/java/Checkout.java)" build_images
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
	case ${1:-all} in
	kube | tools | images) "$1" ;;
	--make) "$2" "$3" ;;
	all) tools && images && kube ;;
	*) sed -n '2,12s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
	esac
fi
