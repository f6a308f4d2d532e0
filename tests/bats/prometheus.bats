# A real Prometheus that finds pods by what jdiag targets says, and by the rules in the manual of exporter.
load lib
load targets

setup_file() { rig_up; }
teardown_file() { rig_down; }

prometheus_config() {
	cat >"$WORK/prometheus.yml" <<-YML
		global: {scrape_interval: 2s, scrape_timeout: 2s}
		scrape_configs:
		- job_name: file
		  file_sd_configs: [{files: [$WORK/sd/*.json], refresh_interval: 1s}]
		- job_name: http
		  http_sd_configs: [{url: "$URL/targets", refresh_interval: 1s}]
		- job_name: jdiag
		  static_configs: [{targets: ["${URL#http://}"]}]
	YML
	promtool check config "$WORK/prometheus.yml"
}

job_is() { [ "$(scraped "$1")" = "$2" ]; }
# no_errors LOG: but for answers that did not come in the second that it gives them, on a busy machine.
no_errors() { ! grep level=error "$1" | grep -vE 'Client\.Timeout|context deadline exceeded'; }
query_is() { [ "$(answer_of "$1")" = "$2" ]; }

@test "Prometheus finds pods by the file and by the server, and loses them when they have ended" {
	server page "$RIG/metrics_page.py" /metrics=exporter /other=theirs
	port=$(<"$RIG_RUN/page/port")
	page=http://127.0.0.1:$port
	marked web-0 "$port"
	kube_state pod shop/other-0 --node "$NODE" --container "app=$B" --pod-ip 127.0.0.1 --label app.kubernetes.io/name=other \
		--annotation prometheus.io/scrape=true --annotation "prometheus.io/port=$port" --annotation prometheus.io/path=/other
	mkdir "$WORK/sd"
	run_jdiag -s 0 targets -A --out "$WORK/sd/jdiag.json"
	serve -A --refresh 1s
	prometheus_config
	prometheus_start "$WORK/prometheus.yml"
	both="up $page/metrics app=web,container=app,namespace=shop,node=$NODE,pod=web-0
up $page/other app=other,namespace=shop,node=$NODE,pod=other-0"
	wait_for 60 job_is file "$both"
	wait_for 60 job_is http "$both"
	wait_for 60 query_is 'rig_page{job="http"}' "1 __name__=rig_page,app=other,namespace=shop,node=$NODE,page=theirs,pod=other-0
1 __name__=rig_page,app=web,container=app,namespace=shop,node=$NODE,page=exporter,pod=web-0"
	wait_for 60 query_is 'jdiag_targets' '2 __name__=jdiag_targets'
	# the container of one is started again, the other pod goes
	kube_state pod shop/web-0 --node "$NODE" --container "app=$B,restarts=3" --pod-ip 127.0.0.1 \
		--annotation "exporter.jdiag.dev/app=$(mark "$A" 2 "$port")"
	wait_for 60 job_is http "${both#*$'\n'}"
	kube_state remove shop/other-0
	wait_for 60 job_is http ""
	# still; a scrape may have come too late meanwhile
	wait_for 60 job_is file "$both"
	run_jdiag -s 0 targets -A --out "$WORK/sd/jdiag.json"
	wait_for 60 job_is file ""
	no_errors "$RIG_RUN/prometheus/log"
}

@test "Prometheus takes the configurations of the manual" {
	awk '/^    scrape_configs:/ {n++} n && !/^    / {on = 0} /^    scrape_configs:/ {on = 1} on {print substr($0, 5) >(DIR "/" n ".yml")}' \
		DIR="$WORK" "$TESTS/../jdiag/man/targets.txt"
	[ "$(ls "$WORK"/*.yml | wc -l)" = 3 ]
	for config in "$WORK"/*.yml; do promtool check config "$config"; done
}

# with_rules: the job of jdiag-exporter(1), as it is printed there but for where the pods come from: Debian's
# Prometheus knows no kubernetes_sd.
with_rules() {
	awk '/^    scrape_configs:/ {on = 1; next} on && !/^    / {exit} on {print substr($0, 5)}' "$TESTS/../jdiag/man/exporter.txt" |
		sed "/^  kubernetes_sd_configs:/,/role: pod/c\\  file_sd_configs: [{files: [$WORK/pods/*.json], refresh_interval: 1s}]" \
			>>"$WORK/prometheus.yml"
	has "$WORK/prometheus.yml" "job_name: annotated-pods"
	has_not "$WORK/prometheus.yml" kubernetes_sd
	promtool check config "$WORK/prometheus.yml"
}

# other NAME [OPTION...]: one more pod that is discovered.
other() { "$RIG/kube_state.py" "$WORK/state" pod "shop/$1" --node "$NODE" --container "app=$B" "${@:2}"; }

# discovered: the pods that the API has now, and some that are not to be scraped, as kubernetes_sd tells of them.
discovered() {
	local scrape=--annotation=prometheus.io/scrape port=--annotation=prometheus.io/port=9404
	cp "$KUBE/state.json" "$WORK/state"
	other plain --pod-ip 127.0.0.1
	other no --pod-ip 127.0.0.1 "$scrape=false" "$port"
	other over --pod-ip 127.0.0.1 --phase Succeeded "$scrape=true" "$port"
	other six --pod-ip fd00::1 "$scrape=true" "$port" --annotation=prometheus.io/path=/six
	"$RIG/kubernetes_sd.py" "$WORK/state" >"$WORK/pods/new"
	mv "$WORK/pods/new" "$WORK/pods/all.json"
}

SIX="down http://[fd00::1]:9404/six namespace=shop,pod=six"

# is_up: all three ways have found the page of the injected exporter, and Prometheus has read it.
is_up() {
	job_is file "up http://$POD_IP:9404/metrics app=web,container=app,namespace=shop,node=$NODE,pod=web" &&
		job_is http "$(scraped file)" && [ -n "$(answer_of 'jmx_scrape_error{job="http"} == 0')" ] &&
		job_is annotated-pods "$SIX"$'\n'"up http://$POD_IP:9404/metrics namespace=shop,pod=web" &&
		[ "$(answer_of 'jmx_scrape_error{job="annotated-pods"} == 0')" = "0 __name__=jmx_scrape_error,namespace=shop,pod=web" ]
}

@test "Prometheus scrapes a pod that was really injected: by the file, by the server, by the rules of the manual" {
	container start web
	pod_network web
	# kubernetes_sd has a target for each port that a container declares
	pod_at_api web --pod-ip "$POD_IP" --port app=8080 --port app=8081
	serve -A --refresh 1s
	mkdir "$WORK/sd" "$WORK/pods"
	prometheus_config
	with_rules
	prometheus_start "$WORK/prometheus.yml"
	discovered
	wait_for 60 job_is annotated-pods "$SIX"
	run_jdiag -s 0 exporter inject web -n shop --jar "$("$RIG/exporter.sh" 1.0.1)"
	run_jdiag -s 0 targets web -n shop --out "$WORK/sd/jdiag.json"
	discovered
	wait_for 60 is_up
	run_jdiag -s 0 exporter eject web -n shop
	discovered
	run_jdiag -s 0 targets web -n shop --out "$WORK/sd/jdiag.json"
	wait_for 60 job_is http ""
	wait_for 60 job_is annotated-pods "$SIX"
	wait_for 60 job_is file ""
	container stop web
}
