# What goes wrong between `exporter inject` and the cluster: ConfigMaps, what becomes of the annotations when the
# pod is changed, replaced or forbidden meanwhile, annotations that are not ours, pods without a JVM and with two.
# Each time: what and why, what is loaded, the exit status, the JVM at work.
load lib

setup_file() {
	rig_up
	JAR=$("$RIG/exporter.sh" 1.0.1)
	export JAR
	pod_up still # into which nothing is ever loaded
}
teardown_file() { rig_down; }

setup() {
	D=$BATS_TEST_TMPDIR
	KUBE=$RIG_RUN/kube
	POD=still
	cd "$D"
	: >"$KUBE/requests"
}

teardown() {
	rm -f "$KUBE/faults.json" "$KUBE/users.json"
	container working "$POD" || return 1
	[[ $POD = still ]] || container stop "$POD"
}

# up NAME [OPTION...]: the pod of this test.
up() {
	pod_up "$@"
	POD=$1
}

inject() { run_jdiag -s "$1" exporter inject "$POD" -n shop --jar "$JAR" "${@:2}"; }

denied() { printf '{"%s": {"name": "dev", "deny": ["%s"]}}\n' "$CANARY_TOKEN" "$1" >"$KUBE/users.json"; }

# annotation KEY: what the pod has; fails when it has none.
annotation() { kube_state annotations "shop/$POD" "$1"; }

has_no() { ! annotation "$1" || { echo "there is an annotation $1" && return 1; }; }

patches() { grep -c '^PATCH ' "$KUBE/requests"; }

# placed: what lies in the container of it.
placed() { find "/proc/$(container pid "$POD")/root/tmp/" -xdev -path '*/.jdiag-agents/*' -type f; }

not_loaded() {
	[ -z "$(placed)" ] || return 1
	! grep -q jmx_prometheus "/proc/$(container pid "$POD")/maps" || return 1
	! annotation exporter.jdiag.dev/app || return 1
	[ "$(patches)" = 0 ]
}

marked() {
	[ "$(annotation prometheus.io/scrape)" = true ] && [ "$(annotation prometheus.io/port)" = "$1" ] &&
		[ "$(annotation prometheus.io/path)" = /metrics ] &&
		annotation exporter.jdiag.dev/app | grep -qF "\"port\":$1,"
}

# --- files, and whose option it is --------------------------------------------------------------------

@test "a configuration that is a directory, or has its regular expressions in double quotes" {
	mkdir dir
	inject 2 --config dir
	tells "cannot read 'dir': not a regular file"
	tells "see 'jdiag man exporter'"
	printf 'rules:\n- pattern: "java.lang<type=(\\w+)>"\n' >words.yaml
	inject 2 --config words.yaml
	tells "words.yaml, line 2: not YAML: found unknown escape character"
	tells "use single quotes, or write it twice"
	inject 2 --jar words.yaml
	tells "see 'jdiag man exporter'"
	run_jdiag -s 2 exporter status still -n shop --jvm 1
	tells "'exporter status' does not take '--jvm'"
	tells "it is an option of: inject, eject"
	not_loaded
}

@test "a selector that finds one pod: it is named, and its failure is an object" {
	run_jdiag -s 3 exporter status -l app=still -n shop -c none -o json
	tells "jdiag: still: "
	grep -qF '"kind":"Failure"' <<<"$output"
	grep -qF '"pod":"still"' <<<"$output"
}

# --- ConfigMaps -------------------------------------------------------------------------------------

@test "no such ConfigMap, no such key, several keys, none" {
	kube_state configmap shop/jmx --data 'a.yaml=rules: []' --data 'b.yaml=rules: []'
	kube_state configmap shop/empty
	kube_state configmap other/there --data 'a.yaml=rules: []'
	inject 3 --config configmap/none
	tells "no configmap 'none' in namespace 'shop'"
	tells "kubectl get configmaps -n shop"
	inject 3 --config configmap/there
	tells "no configmap 'there' in namespace 'shop'"
	inject 3 --config configmap/jmx:none
	tells "configmap 'jmx' has no key 'none'"
	tells "its keys: a.yaml, b.yaml"
	inject 3 --config configmap/jmx
	tells "configmap 'jmx' has 2 keys"
	tells "its keys: a.yaml, b.yaml"
	inject 3 --config configmap/empty
	tells "configmap 'empty' has no keys"
	not_loaded
}

@test "a name of a ConfigMap that is none" {
	inject 2 --config 'configmap/../pods/web'
	tells "'../pods/web' cannot be the name of a configmap"
	inject 2 --config configmap/
	inject 2 --config configmap/jmx:
	! grep -q configmaps "$KUBE/requests"
	not_loaded
}

@test "no permission to read ConfigMaps: the rule that gives it" {
	kube_state configmap shop/jmx --data 'a.yaml=rules: []'
	denied "get configmaps"
	inject 4 --config configmap/jmx
	tells "not allowed to get configmaps in namespace 'shop'"
	tells '- {apiGroups: [""], resources: [configmaps], verbs: [get]}'
	tells "--user=dev"
	not_loaded
}

@test "what is in a ConfigMap is checked, and not shown" {
	printf 'rules: []\n\0\n' >zeros
	kube_state configmap shop/jmx --data 'broken=rules: [canary-in-a-configmap' \
		--data 'unknown=canaryInAConfigmap: 1' --binary zeros=zeros
	inject 2 --config configmap/jmx:broken
	tells "ConfigMap 'jmx', key 'broken'"
	inject 2 --config configmap/jmx:unknown
	tells "ConfigMap 'jmx', key 'unknown'"
	inject 2 --config configmap/jmx:zeros
	tells "ConfigMap 'jmx', key 'zeros'"
	not_loaded
}

@test "the value of a ConfigMap's key, text or binary, is what the exporter gets" {
	up web
	printf 'startDelaySeconds: 0\nrules:\n- pattern: ".*"\n' >jmx.yaml
	kube_state configmap shop/jmx --binary key=jmx.yaml
	inject 0 --config configmap/jmx
	marked 9404
	placed | grep '\.yaml$'
	cmp jmx.yaml "$(placed | grep '\.yaml$')"
	annotation exporter.jdiag.dev/app | grep -qF "\"config\":\"$(sha256sum <jmx.yaml | cut -d' ' -f1)\""
}

# --- between look and patch -------------------------------------------------------------------------

# answers: the exporter that is loaded is told, and is there.
answers() {
	tells "answers on port 9404, but the pod is not annotated"
	[ -n "$(placed)" ]
}

@test "the pod is replaced between look and patch: the new one is not annotated" {
	up web
	faults '[{"path": "/pods/web$", "method": "PATCH", "do": "change", "patch": {"metadata": {"uid": "another"}}}]'
	inject 3
	answers
	tells "pod 'web' has changed meanwhile: it is another pod of the same name"
	tells "look at it again, then start over"
	[[ $stderr != *"run the same command again"* ]]
	has_no prometheus.io/scrape
	has_no exporter.jdiag.dev/app
	[ "$(patches)" = 1 ]
}

@test "the pod is deleted between look and patch" {
	up web
	faults '[{"path": "/pods/web$", "method": "PATCH", "do": "remove"}]'
	inject 3
	answers
	tells "pod 'web' has changed meanwhile: it was deleted"
}

@test "the pod is changed between look and patch: looked at again, and done" {
	up web
	faults '[{"path": "/pods/web$", "method": "PATCH", "times": 2, "do": "change",
		"patch": {"metadata": {"labels": {"touched": "yes"}, "annotations": {"somebody/else": "1"}}}}]'
	inject 0
	marked 9404
	[ "$(annotation somebody/else)" = 1 ]
	[ "$(patches)" -ge 2 ]
}

@test "annotations that cannot be set: changed all the time, no answer, taken off again; then they are" {
	up web
	faults '[{"path": "/pods/web$", "method": "PATCH", "do": "status", "code": 409, "reason": "Conflict"}]'
	inject 4
	answers
	tells "the pod is changed all the time"
	has_no exporter.jdiag.dev/app
	faults '[{"path": "/pods/web$", "method": "PATCH", "do": "status", "code": 502, "message": "no backend"}]'
	inject 4
	answers
	tells "no backend (502)"
	tells "whether they were set is not known"
	tells "run it again"
	has_no exporter.jdiag.dev/app
	faults '[{"path": "/pods/web$", "method": "PATCH", "do": "merge",
		"patch": {"metadata": {"annotations": {"prometheus.io/scrape": null}}}}]'
	inject 4
	answers
	tells "'prometheus.io/scrape' is not as it was sent"
	rm "$KUBE/faults.json"
	inject 0
	marked 9404
}

@test "the container was restarted between look and patch: that is said, and no more" {
	local id
	up web
	printf -v id 'f%.0s' {1..64}
	faults '[{"path": "/pods/web$", "method": "PATCH", "times": 1, "do": "change", "patch": {"status": {"containerStatuses":
		[{"name": "app", "ready": true, "started": true, "restartCount": 9, "image": "i", "imageID": "", "lastState": {},
		"containerID": "containerd://'"$id"'", "state": {"running": {"startedAt": "2026-11-21T12:00:00Z"}}}]}}}]'
	inject 3
	tells "container 'app' was restarted meanwhile"
	[[ $stderr != *"it loads nothing more, and annotates"* ]]
	has_no prometheus.io/scrape
	has_no exporter.jdiag.dev/app
}

@test "another configuration whose proof is not marked: it is not taken for the one before" {
	local first=$D/first.yaml second=$D/second.yaml
	echo 'lowercaseOutputName: true' >"$first"
	echo 'lowercaseOutputName: false' >"$second"
	up web
	inject 0 --config "$first"
	faults '[{"path": "/pods/web$", "method": "PATCH", "from": 2, "do": "status", "code": 403, "reason": "Forbidden"}]'
	inject 4 --config "$second"
	tells "answers on port 9404, but the pod is not annotated"
	rm "$KUBE/faults.json"
	marked 9404
	! annotation exporter.jdiag.dev/app | grep -q '"config"' || return 1
	inject 0 --config "$first" -o json
	[[ $output == *'"state": "reloaded"'* || $output == *'"state":"reloaded"'* ]]
	annotation exporter.jdiag.dev/app | grep -qF "\"config\":\"$(sha256sum <"$first" | cut -d ' ' -f 1)\""
	# nothing is replaced where the mark cannot be changed
	denied "patch pods"
	inject 4 --config "$second"
	tells "the configuration is not replaced, as the pod cannot be annotated"
	rm "$KUBE/users.json"
	inject 2 --config "$second" --no-annotate --dry-run
	tells "the pod's mark would go on to name the configuration that is replaced"
	inject 2 --config "$second" --no-annotate
	tells "the pod's mark would go on to name the configuration that is replaced"
	inject 0 --config "$first" -o json
	[[ $output == *'"state": "unchanged"'* || $output == *'"state":"unchanged"'* ]]
}

@test "somebody annotates the pod between look and patch: that stays" {
	up web
	faults '[{"path": "/pods/web$", "method": "PATCH", "times": 1, "do": "change",
		"patch": {"metadata": {"annotations": {"prometheus.io/scrape": "false"}}}}]'
	inject 0
	tells "prometheus.io/scrape 'false' is the pod's own, and is left alone"
	[ "$(annotation prometheus.io/scrape)" = false ]
	has_no prometheus.io/port
	annotation exporter.jdiag.dev/app
}

@test "patch forbidden: the rule that gives it, what is loaded; --no-annotate goes without" {
	up web
	denied "patch pods"
	inject 4
	answers
	tells "it loads nothing more, and annotates"
	tells "not allowed to patch pods in namespace 'shop'"
	tells '- {apiGroups: [""], resources: [pods], verbs: [patch]}'
	tells "kubectl create role jdiag-patch-pods -n shop --verb=patch --resource=pods"
	tells "kubectl create rolebinding jdiag-patch-pods -n shop --role=jdiag-patch-pods --user=dev"
	has_no exporter.jdiag.dev/app
	inject 0 --no-annotate
	has_no exporter.jdiag.dev/app
	[ "$(patches)" = 1 ]
	rm "$KUBE/users.json"
	inject 0
	marked 9404
}

@test "the answer to the patch is lost: looked up, not done twice" {
	up web
	faults '[{"path": "/pods/web$", "method": "PATCH", "times": 1, "do": "drop"}]'
	inject 0
	marked 9404
	faults '[{"path": "/pods/web$", "method": "PATCH", "times": 1, "do": "cut"}]'
	run_jdiag -s 0 exporter eject web -n shop
	has_no prometheus.io/scrape
	has_no exporter.jdiag.dev/app
	[ "$(patches)" = 4 ]
}

# --- annotations that are there already -------------------------------------------------------------

@test "the pod's own annotations for Prometheus stay, also after eject" {
	up web --pod-annotation=prometheus.io/scrape=true --pod-annotation=prometheus.io/port=8080
	inject 0
	tells "prometheus.io/port '8080' is the pod's own, and is left alone"
	[ "$(annotation prometheus.io/port)" = 8080 ]
	has_no prometheus.io/path
	annotation exporter.jdiag.dev/app
	run_jdiag -s 0 exporter eject web -n shop
	[ "$(annotation prometheus.io/port)" = 8080 ]
	[ "$(annotation prometheus.io/scrape)" = true ]
	has_no exporter.jdiag.dev/app
}

@test "hostile marks: not read, and replaced" {
	local mark
	up web
	kube_state annotate shop/web "exporter.jdiag.dev/app=$(printf '{"v":1,"id":"\\u001b[2J"}')"
	inject 0
	tells "the pod's mark of container 'app' is not read: its 'id' is not valid"
	marked 9404
	kube_state annotate shop/web "exporter.jdiag.dev/app=$(head -c 100000 /dev/zero | tr '\0' x)"
	run_jdiag -s 0 exporter status web -n shop
	inject 0
	marked 9404
}

# Who may annotate pods is not who may remove files on behalf of who ejects.
@test "a mark that names files that are none of ours: they stay, ours go" {
	local mark pid
	up web
	inject 0
	mark=$(annotation exporter.jdiag.dev/app)
	mark=$(sed -E 's|"jar":"[^"]*"|"jar":"/app/Checkout.class"|' <<<"$mark")
	grep -qF '"jar":"/app/Checkout.class"' <<<"$mark"
	kube_state annotate shop/web "exporter.jdiag.dev/app=$mark"
	pid=$(container pid web)
	run_jdiag -s 0 exporter eject web -n shop
	[ -e "/proc/$pid/root/app/Checkout.class" ]
	[ -z "$(placed)" ]
	has_no exporter.jdiag.dev/app
}

# --- pods without a JVM, with two -------------------------------------------------------------------

@test "a pod without a JVM" {
	pod_up plain --exec fakejvm -- plain
	run_jdiag -s 3 exporter inject plain -n shop --jar "$JAR"
	tells "no JVM runs in pod 'plain'"
	tells "list the JVMs there: jdiag ps plain -n shop"
	container stop plain
	run_jdiag -s 3 exporter inject none -n shop --jar "$JAR"
	tells "no pod 'none' in namespace 'shop'"
	[ "$(patches)" = 0 ]
}

@test "a pod with two JVMs: listed and refused; --jvm chooses" {
	up two -- spawn=1
	wait_for 40 grep -q '^child ready' "$(container log two)"
	inject 3
	tells "pod 'two' has 2 JVMs"
	tells "-c app --jvm 1  Checkout"
	tells "choose one of them, or take each, with a port of its own: --all --port 9404-9499"
	not_loaded
	inject 0 --jvm 1
	marked 9404
}
