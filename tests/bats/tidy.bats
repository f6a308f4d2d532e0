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

@test "a pod is no target" {
	refuses 2 tidy web
	tells "name it as node/NODE or ssh://HOST"
}
