# jdiag ps: every JVM, and nothing is signalled.
load lib

setup_file() {
	rig_up
	pod_up web --read-only
	pod_up old --image 8 --java -XX:+DisableAttachMechanism
	container start --image 21 loose
}
teardown_file() { rig_down; }

teardown() { untouched web; }

# Attach has not begun: its socket is not there.
not_attached() { [ ! -e "/proc/$(container pid "$1")/root/tmp/.java_pid1" ]; }

@test "of a pod" {
	run_jdiag -s 0 ps web -n shop
	[[ ${lines[0]} == NAME*AGE* || ${lines[0]} == POD* ]]
	says Checkout
	says "$(container pid web)"
	says 17.0.
	not_attached web
}

@test "why it cannot be attached to" {
	run_jdiag -s 0 ps old -n shop -o wide
	says no
	says DisableAttachMechanism
	not_attached old
}

@test "by label" {
	run_jdiag -s 0 ps -l 'app in (web,old)' -n shop -o name
	[ "${#lines[@]}" = 2 ]
}

@test "of a node, also what is in no pod" {
	run_jdiag -s 0 ps "node/$NODE" -o json
	says "$(container id web)"
	says "$(container id loose)"
	while read -r line; do python3 -c 'import json, sys; assert json.loads(sys.argv[1])["kind"] == "JVM"' "$line"; done <<<"$output"
}

@test "of a host without an API" {
	run_jdiag -s 0 ps "ssh://root@127.0.0.1:$(<"$RIG_RUN/ssh/port")" --kubeconfig /nonexistent -o wide
	says "$(container id loose)"
}

@test "text has no more than 80 columns in its title" {
	run_jdiag -s 0 ps web -n shop
	[ "${#lines[0]}" -le 80 ]
}

@test "a container that is not there: those that there are" {
	refuses 3 ps web -n shop -c typo
	tells "has no container 'typo'"
	tells "app (running)"
}
