# jdiag agent load, end to end: pod name, API, sshd, helper, container, JVM, and what came of it.
load lib
load agent

setup_file() { agents_up; }
teardown_file() { rig_down; }
teardown() { container stop-all; }

loads_a_jar() {
	local version=$1
	shift
	pod_up web --image "$version" "$@"
	load_into 0 web --jar "$(agent naughty)" --options return:hidden7
	says "shop/web: loaded naughty.jar (rig.Naughty)"
	says "into JVM 1 (Checkout), from /"
	is_well_placed web "$(agent naughty)"
	log_has web "agent: return"
	only_the_file_is_left web
	[[ $output$stderr != *hidden7* ]]
	# JEP 451: announced when it comes, and only then
	if log_has web "A Java agent has been loaded dynamically"; then
		tells "four lines of warning"
	else
		[[ $stderr != *"four lines"* ]]
	fi
}

@test "a jar into Java 8" { loads_a_jar 8; }
@test "a jar into Java 11" { loads_a_jar 11; }
@test "a jar into Java 17" { loads_a_jar 17; }
@test "a jar into Java 21, which warns" {
	loads_a_jar 21
	tells "JEP 451"
}
@test "a jar into Java 25, allowed by its command line: no warning" {
	loads_a_jar 25 --java -XX:+EnableDynamicAgentLoading
	[[ $stderr != *"JEP 451"* ]]
}
@test "a jar into Java 21, allowed by its environment: it warns all the same" {
	loads_a_jar 21 --env JAVA_TOOL_OPTIONS=-XX:+EnableDynamicAgentLoading
	tells "JEP 451"
}
@test "a JVM with -Xrs" { loads_a_jar 17 --java -Xrs; }
@test "a user namespace" { loads_a_jar 17 --userns; }
@test "root in the container" { loads_a_jar 21 --user 0 --caps default; }

@test "read-only root, nothing can be written: a mount, and it is said" {
	pod_up web --image 17 --read-only --tmp image
	load_into 0 web --jar "$(agent naughty)"
	says ", from /"
	log_has web "agent: return"
	cmp "/proc/$(container pid web)/root$(placed)" "$(agent naughty)"
	container working web
}

@test "a library: native agents" {
	pod_up web --image 17
	load_into 0 web --native "$(agent native)"
	says "shop/web: loaded native.so into JVM 1 (Checkout), from /"
	is_well_placed web "$(agent native)"
	log_has web "native: return"
	fails_to_load 7 "Agent_OnAttach returned 3" --native "$(agent native)" --options fail=3
	fails_to_load 2 "" --native "$(agent native-arm64)"
	fails_to_load 2 "" --native "$(agent no-attach)"
	only_the_file_is_left web
}

@test "a native agent into Java 8, and into 25, which warns" {
	pod_up web --image 8
	load_into 0 web --native "$(agent native)" --options return
	log_has web "native: return"
	pod_up later --image 25
	load_into 0 later --native "$(agent native)"
	log_has later "native: return"
	tells "JEP 451"
}

@test "an agent whose start fails: the class stays, the JVM lives" {
	pod_up web --image 17
	fails_to_load 7 "the agent's own start failed" --jar "$(agent naughty)" --options throw
	tells "kubectl logs"
	tells "stays in the container, the JVM may use it"
	only_the_file_is_left web
}

@test "an agent that ends the JVM: with its status" {
	pod_up web --image 21
	fails_to_load 7 "the JVM has ended while it loaded the agent: $(ended "exit status 7")" \
		--jar "$(agent naughty)" --options exit=7
	tells "kubectl logs --previous"
}

@test "a jar once more: said, and done" {
	pod_up web --image 11
	load_into 0 web --jar "$(agent naughty)"
	load_into 0 web --jar "$(agent naughty)"
	tells "has this jar open already"
	[[ $(grep -c 'agent: return' "$(container log web)") == 2 ]]
	only_the_file_is_left web
}

# another_build: the same agent, in a jar with another digest
another_build() {
	local jar=$BATS_TEST_TMPDIR/newer.jar
	cp "$(agent naughty)" "$jar"
	python3 -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1], "a").writestr("two", "2")' "$jar"
	echo "$jar"
}

@test "another build of an agent that the JVM has: refused, the old code would run" {
	pod_up web --image 17
	load_into 0 web --jar "$(agent naughty)"
	load_into 0 web --jar "$(another_build)" --dry-run
	tells "if that has the class rig.Naughty, too, its code would run"
	fails_to_load 10 "the JVM has a class 'rig.Naughty' already" --jar "$(another_build)"
	tells "takes a new JVM"
	[[ $(grep -c 'agent: return' "$(container log web)") == 1 ]]
	[[ -z $(find_in_container web | grep newer) ]]
	# the first is the JVM's own, under whatever name it comes
	cp "$(agent naughty)" "$BATS_TEST_TMPDIR/renamed.jar"
	load_into 0 web --jar "$BATS_TEST_TMPDIR/renamed.jar"
	tells "has this jar open already"
}

@test "another build of an agent, Java 8, which does not tell its classes: told" {
	pod_up web --image 8
	load_into 0 web --jar "$(agent naughty)"
	load_into 0 web --jar "$(another_build)"
	tells "its code would run, and not that of this jar"
}

@test "an agent that takes its time" {
	pod_up web --image 17
	load_into 0 web --jar "$(agent naughty)" --options hang=2000
	only_the_file_is_left web
}
