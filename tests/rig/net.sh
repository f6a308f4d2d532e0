# Hosts of their own for tests: network namespaces in a row, each reachable from its neighbours only.
# Source it after sshd.sh; bash; needs root. net_up begins with the host that a test's programs run on.
#
#	net_up NAME...             the hosts, lo up, neighbours joined: NAME's address towards the next
#	                           one is 198.18.N.1, the next one's is 198.18.N.2 (N from 1)
#	net_on NAME COMMAND...     run it on that host
#	net_sshd NAME DIR [LINE..] an sshd on it, on each of its addresses; as sshd_start
#	net_down                   end it all (the sshd's by sshd_stop first)
#
# The names of namespaces are those of this shell: NET_PREFIX keeps them apart.

NET_PREFIX=${NET_PREFIX:-jd$$}
export NET_PREFIX

net_up() {
	local name before='' n=0
	for name in "$@"; do
		ip netns add "$NET_PREFIX-$name"
		ip -n "$NET_PREFIX-$name" link set lo up
		if [[ -n $before ]]; then
			n=$((n + 1))
			ip link add "right" netns "$NET_PREFIX-$before" type veth peer name "left" netns "$NET_PREFIX-$name"
			ip -n "$NET_PREFIX-$before" addr add "198.18.$n.1/30" dev right
			ip -n "$NET_PREFIX-$name" addr add "198.18.$n.2/30" dev left
			ip -n "$NET_PREFIX-$before" link set right up
			ip -n "$NET_PREFIX-$name" link set left up
		fi
		before=$name
	done
}

net_on() {
	local name=$1
	shift
	ip netns exec "$NET_PREFIX-$name" "$@"
}

net_addresses() {
	ip -n "$NET_PREFIX-$1" -4 -o addr show scope global | sed 's|.* inet \([0-9.]*\)/.*|\1|'
}

net_sshd() {
	local name=$1 dir=$2 address lines=()
	shift 2
	for address in $(net_addresses "$name"); do
		lines+=("ListenAddress $address")
	done
	SSHD_UNDER="ip netns exec $NET_PREFIX-$name" sshd_start "$dir" "${lines[@]}" "$@"
	for address in $(net_addresses "$name"); do
		sed "s/^\[127.0.0.1\]/[$address]/" "$dir/known_hosts"
	done >"$dir/known_hosts.all"
	cat "$dir/known_hosts.all" >>"$dir/known_hosts"
}

net_down() {
	local name
	for name in $(ip netns list | sed -n "s/^\($NET_PREFIX-[^ ]*\).*/\1/p"); do
		ip netns del "$name"
	done
}
