# jdiag tidy on a node. What a killed helper leaves is in helper-pipe.bats.
load lib

setup_file() { rig_up; }
teardown_file() { rig_down; }

@test "the place where a helper itself runs is not left over" {
	run_jdiag -s 0 tidy "node/$NODE" --dry-run
	[[ $output != *"mount on '/media'"* && $output != *"mount on '/srv'"* ]]
	run_jdiag -s 0 tidy "ssh://root@127.0.0.1" --dry-run -o json
	says '"kind":"Tidy"'
}

@test "agents in a container are told of, and stay" {
	local what helper=$JDIAG_BUILD/jdiag-helper-$(uname -m)
	container start app
	what="directory '/tmp/.jdiag-agents' in the container of process $(container pid app)"
	printf 'rules: []\n' >"$RIG_RUN/a.yaml"
	"$TESTS/pipe/call.py" "$helper" place "$(container pid app)" "$RIG_RUN/a.yaml" a.yaml
	run_jdiag -s 0 tidy "node/$NODE"
	tells "kept: $what: agents lie there, which stay as long as the container does"
	[[ $output != *jdiag-agents* ]]
	run_jdiag -s 0 tidy "node/$NODE" --dry-run -o json
	says '"stays":true'
	"$TESTS/pipe/call.py" "$helper" on "$(container pid app)" unplace 'path="/tmp/.jdiag-agents/a.yaml"'
	untouched app
	container stop app
}

@test "a pod is no target" {
	refuses 2 tidy web
	tells "name it as node/NODE or ssh://HOST"
}
