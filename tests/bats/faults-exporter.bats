# What goes wrong when an exporter is loaded, and after it: told with how to go on, and nothing is annotated.
load lib
load exporter

setup_file() { rig_up; }
teardown_file() { rig_down; }

# gone NAME: its pod and container.
gone() {
	kube_state remove "shop/$1"
	container stop "$1"
}

@test "a full disk in the container" {
	pod_up full --read-only --tmp tmpfs --tmp-size 1m
	head -c 1M /dev/zero >"/proc/$(container pid full)/root/tmp/fill" || true
	inject full -o json
	json_lines 'x[0]["state"] == "injected"'
	gone full
}

@test "an agent that ends the JVM all the same" {
	pod_up doomed
	JAR=$("$RIG/agents.sh" exporter-exit) inject -s 7 doomed
	tells "has ended while it loaded the agent: $(ended "exit status 7")"
	tells "kubectl logs --previous doomed"
	not_annotated doomed
	gone doomed
}

@test "an agent whose start fails" {
	pod_up sad
	JAR=$("$RIG/agents.sh" exporter-throw) inject -s 7 sad
	tells "agentmain threw"
	tells "nothing was annotated"
	not_annotated sad
	container working sad
	run_jdiag -s 0 exporter status sad -n shop -o json
	json_lines 'x[0]["state"] == "unmarked" and "no port" in x[0]["reason"]'
	# nobody listens: the configuration goes all the same, and nobody is said to answer
	[ -n "$(files sad)" ]
	run_jdiag -s 0 exporter eject sad -n shop -o json
	json_lines 'x[0]["state"] == "ejected" and x[0]["removed"] == 2'
	tells "what the JVM of container 'app' (pid 1) has of the exporter stays"
	[ -z "$(files sad)" ]
	run_jdiag -s 0 exporter eject sad -n shop -o json
	json_lines '[r["state"] for r in x] == ["nothing"]'
	gone sad
}

# no_proof PAGE...: exporters whose pages are that.
no_proof() {
	local page
	for page; do
		pod_up "$page"
		JAR=$("$RIG/agents.sh" "exporter-page-$page") inject -s 1 "$page"
		tells "the exporter is loaded, but its metrics are not right"
		tells "run the same command again"
		not_annotated "$page"
		container working "$page"
		gone "$page"
	done
}

@test "a page that is none: nothing is annotated, what is loaded is said" {
	no_proof html junk
}

@test "a page without metrics, an error instead of it" {
	no_proof empty error
}

@test "a page of metrics of the JVM, but not of the exporter" {
	no_proof other
}

@test "a page without end" {
	no_proof huge
}

@test "a scrape that hangs" {
	pod_up slow
	JAR=$("$RIG/agents.sh" exporter-page-hang) inject -s 1 slow
	tells "the exporter is loaded, but its metrics are not right"
	not_annotated slow
	gone slow
}

@test "a configuration that the running exporter refuses: told, and not marked" {
	local first second
	first=$(config first.yaml 'lowercaseOutputName: true')
	second=$(config second.yaml 'lowercaseOutputName: false')
	pod_up proud
	export JAR
	JAR=$("$RIG/agents.sh" exporter-page-refuses)
	inject proud --config "$first"
	inject -s 1 proud --config "$second"
	tells "the exporter did not take the new configuration (jmx_config_reload_failure_total grew)"
	tells "it goes on with the one before"
	[ "$(annotation proud prometheus.io/port)" = 9404 ]
	[[ $(annotation proud exporter.jdiag.dev/app) != *'"config"'* ]]
	# a later run does not take it for one that has been read
	inject -s 1 proud --config "$first"
	tells "did not take the new configuration"
	unset JAR
	gone proud
}

@test "files that outlive their container: found again without a mark, removed by eject" {
	local rule dir
	rule=$(config rule.yaml 'rules:' '- pattern: "java.lang<type=Runtime><>Uptime"' '  name: my_uptime')
	pod_up kept --tmp image
	inject kept --no-annotate
	restarted kept
	[ -n "$(files kept)" ]
	# another configuration has the name (a pid that comes again): both files lie elsewhere, together
	dir=/proc/$(container pid kept)/root/tmp/.jdiag-agents
	mv "$dir"/jmx-9404-*.yaml "$dir/jmx-9404-$(container pid kept).yaml"
	inject kept --no-annotate --config "$(config other.yaml 'lowercaseOutputName: true')" -o json
	json_lines 'x[0]["jar"].rpartition("/")[0] == x[0]["file"].rpartition("/")[0] != "/tmp/.jdiag-agents"'
	inject kept --config "$rule" -o json
	json_lines 'x[0]["state"] == "reloaded"'
	metrics kept 9404 | grep -q '^my_uptime'
	gone kept
	pod_up left --tmp image
	inject left
	restarted left
	[ -n "$(files left)" ]
	run_jdiag -s 0 exporter eject left -n shop -o json
	json_lines 'len(x) == 1 and x[0]["state"] == "ejected" and x[0]["removed"] == 2'
	[ -z "$(files left)" ]
	not_annotated left
	gone left
}

@test "files that cannot be removed: told, and the annotations go all the same" {
	local dir
	pod_up stuck
	inject stuck
	dir=/proc/$(container pid stuck)/root/tmp/.jdiag-agents
	chmod 755 "$dir"
	run_jdiag exporter eject stuck -n shop
	[ "$status" != 0 ]
	tells "1 JVM failed"
	not_annotated stuck
	[ -n "$(files stuck)" ]
	chmod 700 "$dir"
	run_jdiag -s 0 exporter eject stuck -n shop
	[ -z "$(files stuck)" ]
	gone stuck
}
