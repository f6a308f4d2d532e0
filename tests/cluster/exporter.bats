# jdiag exporter in a real cluster: the real exporter, marks and annotations by a real API server, rights, restarts.
load cluster

JAR=$("$RIG/exporter.sh" 1.0.1)

setup_file() {
	shop_up exporter
	give "$(readme_role "jdiag-$SHOP-exporter" jdiag-exporter)"
	kubectl create clusterrolebinding "jdiag-$SHOP-exporter" --clusterrole "jdiag-$SHOP-exporter" \
		--serviceaccount "$SHOP:jdiag"
	may_all
	configure 'lowercaseOutputName: true'
	pods_up metered
	pods_ready 'app in (alone, linked)'
}

teardown_file() {
	kubectl delete clusterrole,clusterrolebinding "jdiag-$SHOP-exporter"
	shop_down
}

give() { kubectl apply -f - <<<"$1"; }
may() { [[ $(kubectl auth can-i "$@" -n "$SHOP" --as "system:serviceaccount:$SHOP:jdiag" 2>/dev/null) == "$WANT" ]]; }

# The README's role for the exporter, and the API server goes by it.
may_all() {
	give "$(readme_role "jdiag-$SHOP-exporter" jdiag-exporter)"
	WANT=yes
	wait_for 60 may patch pods
	wait_for 60 may get configmaps
}

teardown() { may_all; }

# without VERB RESOURCE: the same, less one right.
without() {
	give "$(readme_role "jdiag-$SHOP-exporter" jdiag-exporter | sed "/resources: \[$2\]/d")"
	WANT=no
	wait_for 60 may "$1" "$2"
}

# configure LINE...: what is in the ConfigMap.
configure() {
	k create configmap jmx --from-literal "config.yaml=$(printf '%s\n' "$@")" --dry-run=client -o yaml | k apply -f -
}

# inject STATUS WORD...
inject() { run_jdiag -s "$1" exporter inject "${@:2}" -n "$SHOP" --jar "$JAR"; }

pods_of() { k get pod -l "app=$1" -o jsonpath='{range .items[*]}{.metadata.name}{"\n"}{end}'; }

# annotation POD KEY
annotation() {
	k get pod "$1" -o json | python3 -c '
import json, sys
print(json.load(sys.stdin)["metadata"].get("annotations", {}).get(sys.argv[1], "-"))' "$2"
}

# mark POD FIELD: of what jdiag has noted about its container app.
mark() { annotation "$1" exporter.jdiag.dev/app | python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$2"; }

# Over the network of the pods, as Prometheus does it.
page() {
	curl -sSf "http://$(k get pod "$1" -o jsonpath='{.status.podIP}'):$(annotation "$1" prometheus.io/port)/metrics"
}

annotated() {
	[ "$(annotation "$1" prometheus.io/scrape)" = true ]
	[ "$(annotation "$1" prometheus.io/port)" = "$2" ]
	[ "$(mark "$1" port)" = "$2" ]
	[ "$(mark "$1" version)" = 1.0.1 ]
	[ "$(mark "$1" restarts)" = "$(status_of "$1" app restartCount)" ]
	page "$1" >"$OUT/page"
	grep -q '^jmx_scrape_error 0.0' "$OUT/page"
	grep -q '^jvm_' "$OUT/page"
}

# All that can be written. Not the versions of the pods: a kubelet that has to wait for a probe writes, too.
annotations_of() { k get pod -l "app=$1" -o jsonpath='{range .items[*]}{.metadata.uid}{.metadata.annotations}{"\n"}{end}'; }

@test "the pods of a deployment, with a ConfigMap: scraped, annotated, not restarted" {
	inject 0 -l app=metered --config configmap/jmx
	for pod in $(pods_of metered); do
		says "$pod"
		annotated "$pod" 9404
		[ "$(annotation "$pod" prometheus.io/path)" = /metrics ]
		[ "$(status_of "$pod" app restartCount)" = 0 ]
	done
	[ "$(pods_of metered | wc -l)" = 2 ]
}

@test "again: nothing is done and nothing written" {
	before=$(annotations_of metered)
	inject 0 -l app=metered --config configmap/jmx
	[ "$(annotations_of metered)" = "$before" ]
	[ "$(page "$(pod_of metered)" | grep -c '^jmx_exporter_build_info')" = 1 ]
}

@test "another configuration: the exporter reads it, and a scrape proves it" {
	pod=$(pod_of metered)
	before=$(mark "$pod" config)
	configure 'lowercaseOutputName: true' 'rules:' \
		'- {pattern: "java.lang<type=Threading><>ThreadCount", name: rig_threads}'
	inject 0 "$pod" --config configmap/jmx:config.yaml
	[ "$(mark "$pod" config)" != "$before" ]
	annotated "$pod" 9404
	grep -q '^rig_threads ' "$OUT/page"
	[ "$(status_of "$pod" app restartCount)" = 0 ]
}

@test "status of the namespace: who has it, and who has not" {
	run_jdiag -s 0 exporter status -n "$SHOP" -l 'app in (metered, alone)' -o wide
	for pod in $(pods_of metered) alone; do says "$pod"; done
	says 9404
	says 1.0.1
	run_jdiag -s 0 exporter status -n "$SHOP" -l app=metered -o json
	[ "${#lines[@]}" = 2 ]
}

@test "a restarted container is injected again" {
	pod=$(pod_of metered)
	kill -KILL "$(task "$pod" app)"
	wait_for 90 restarted "$pod" app 1
	inject 0 "$pod" --config configmap/jmx
	annotated "$pod" 9404
	[ "$(mark "$pod" restarts)" = 1 ]
}

@test "without get on configmaps: told, before anything is done" {
	without get configmaps
	inject 4 alone --config configmap/jmx
	[ -z "$output" ]
	tells "not allowed to get configmaps in namespace '$SHOP'"
	tells 'resources: [configmaps], verbs: [get]'
	[ "$(annotation alone exporter.jdiag.dev/app)" = - ]
	pod_untouched alone app
}

@test "without patch on pods: told what is loaded; with it the same line only annotates" {
	without patch pods
	inject 4 alone
	tells "not allowed to patch pods in namespace '$SHOP'"
	tells 'resources: [pods], verbs: [patch]'
	tells 9404
	[ "$(annotation alone prometheus.io/scrape)" = - ]
	may_all
	inject 0 alone
	annotated alone 9404
	[ "$(page alone | grep -c '^jmx_exporter_build_info')" = 1 ]
	[ "$(status_of alone app restartCount)" = 0 ]
}

@test "a JVM without the module java.instrument: refused, and it works on" {
	run_jdiag exporter inject linked -n "$SHOP" --jar "$JAR"
	[ "$status" != 0 ]
	[ -z "$output" ]
	[ "$(annotation linked exporter.jdiag.dev/app)" = - ]
	pod_untouched linked app
}

@test "eject: annotations and files are gone, what others wrote stays" {
	run_jdiag -s 0 exporter eject alone -n "$SHOP"
	[ "$(annotation alone prometheus.io/scrape)" = - ]
	[ "$(annotation alone prometheus.io/port)" = - ]
	[ "$(annotation alone exporter.jdiag.dev/app)" = - ]
	[ "$(annotation alone prometheus.io/path)" = - ]
	[ "$(annotation alone team)" = billing ]
	pod_untouched alone app
	run_jdiag -s 0 exporter eject -l app=metered -n "$SHOP"
	for pod in $(pods_of metered); do
		[ "$(annotation "$pod" exporter.jdiag.dev/app)" = - ]
		pod_untouched "$pod" app
	done
}
