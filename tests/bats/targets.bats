# jdiag targets: what Prometheus can scrape, as a table, a file or a server.
load lib
load targets

setup_file() { rig_up; }
teardown_file() { rig_down; }

# --- what is a target -----------------------------------------------------------------------------------

@test "a table, wide, names, JSON; only the API is asked" {
	marked web-0 9404
	annotated other-0 8080 --annotation prometheus.io/path=/m
	kube_state pod shop/plain-0 --node "$NODE" --container "app=$B"
	run_jdiag -s 0 targets -A
	[[ ${lines[0]} =~ ^NAMESPACE\ +NAME\ +CONTAINER\ +TARGET\ +APP$ ]]
	[[ ${lines[1]} =~ ^shop\ +other-0\ +-\ +127.0.0.1:8080\ +-$ ]]
	[[ ${lines[2]} =~ ^shop\ +web-0\ +app\ +127.0.0.1:9404\ +web$ ]]
	[ "${#lines[@]}" = 3 ]
	[ -z "$stderr" ]
	run_jdiag -s 0 targets -A -o wide
	[[ ${lines[1]} =~ ^other-0\ +shop\ +-\ +127.0.0.1:8080\ +/m\ +$NODE\ +-$ ]]
	run_jdiag -s 0 targets -A -o name
	[ "$output" = $'127.0.0.1:8080\n127.0.0.1:9404' ]
	run_jdiag -s 0 targets -A -o json
	[ "${lines[1]}" = '{"apiVersion":"jdiag/v1","kind":"TargetGroup",'"$(line web-0 127.0.0.1:9404 | cut -c2-)" ]
	[ -z "$(grep -v '^GET /api/v1/pods?' "$KUBE/requests")" ]
	run_jdiag -s 0 targets -l app=web -n shop
	[[ ${lines[0]} =~ ^NAME\ +CONTAINER\ +TARGET\ +APP$ ]]
	[[ ${lines[1]} =~ ^web-0\ +app\ +127.0.0.1:9404\ +web$ ]]
}

@test "file_sd and http_sd: one text, in order; nothing at all is an empty list" {
	run_jdiag -s 0 targets -A -o file_sd
	[ "$output" = '[]' ]
	tells "no target"
	marked web-1 9404
	marked web-0 9405
	run_jdiag -s 0 targets -A -o file_sd
	[ "$output" = "$(printf '[\n%s,\n%s\n]' "$(line web-0 127.0.0.1:9405)" "$(line web-1 127.0.0.1:9404)")" ]
	first=$output
	run_jdiag -s 0 targets -A -o http_sd
	[ "$output" = "$first" ]
}

@test "pods by name, by what made them, by node, by selector, in a namespace" {
	marked web-0 9404 --owner ReplicaSet/web-5d9/u1 --label pod-template-hash=5d9
	annotated other-0 8080
	kube_state pod lab/web-0 --node other --container "app=$A,restarts=2" --annotation prometheus.io/scrape=true \
		--annotation prometheus.io/port=8081
	kube_state workload deployments/shop/web --select app=web
	run_jdiag -s 0 targets other-0 web-0 -n shop -o name
	[ "$output" = $'127.0.0.1:8080\n127.0.0.1:9404' ]
	run_jdiag -s 0 targets deploy/web web-0 -n shop -o name
	[ "$output" = 127.0.0.1:9404 ]
	run_jdiag -s 0 targets "node/$NODE" -o name
	[ "$output" = $'127.0.0.1:8080\n127.0.0.1:9404' ]
	run_jdiag -s 0 targets -l app=web -n shop -o name
	[ "$output" = 127.0.0.1:9404 ]
	run_jdiag -s 0 targets --field-selector metadata.name=web-0 -A -o name
	[ "$output" = $'10.244.0.15:8081\n127.0.0.1:9404' ]
	refuses 3 targets nobody -n shop
	tells "nobody"
}

@test "a container that was started again is left out, and told; what has ended only with -v" {
	marked web-0 9404
	annotated gone-0 8080 --phase Succeeded
	kube_state pod shop/web-1 --node "$NODE" --container "app=$A,restarts=3" --pod-ip 127.0.0.1 \
		--annotation prometheus.io/scrape=true --annotation prometheus.io/port=9404 \
		--annotation "exporter.jdiag.dev/app=$(mark "$A" 2 9404)"
	run_jdiag -s 0 targets -A -o name
	[ "$output" = 127.0.0.1:9404 ]
	tells "pod 'shop/web-1': container 'app' was started again since it was injected"
	[[ $stderr != *gone-0* ]]
	run_jdiag -s 0 targets -A -o name -v
	tells "pod 'shop/gone-0': Succeeded"
}

@test "annotations that mean no good" {
	annotated web-0 $'80\n::set-env name=X::y'
	annotated web-1 8080 --annotation $'prometheus.io/path=/\e[2J"##vso[x]'
	annotated web-2 8080 --annotation "exporter.jdiag.dev/app=$(printf '{"a":%.0s' {1..5000})"
	annotated web-3 $'8080","labels":{"__address__":"169.254.169.254'
	JDIAG_EXTRA_ENV=(CI=true GITHUB_ACTIONS=true)
	run_jdiag -s 0 targets -A -o file_sd
	[ "$(json '[t["labels"]["pod"] for t in d]' <<<"$output")" = "['web-2']" ]
	tells "prometheus.io/port is '80\\x0a::set-env name=X::y'"
	tells "the mark of container 'app' cannot be read"
	[[ $output$stderr != *$'\e'* ]]
	[[ $stderr != *'##vso['* && $stderr != *$'\n::'* ]]
}

@test "what the command line cannot be; nothing is asked" {
	refuses 2 targets
	tells "needs a TARGET, or -l SELECTOR, or -A"
	refuses 2 targets ssh://host
	tells "'ssh://host' has no targets"
	refuses 2 targets -A --any
	tells "'targets' does not take '--any'"
	refuses 2 targets -A --ssh-user root
	tells "'targets' does not take '--ssh-user'"
	run_jdiag -s 0 help targets
	[[ $output == *--selector* && $output != *--jobs* && $output != *--any* && $output != *--ssh-* ]]
	refuses 2 targets -A --refresh 5s
	tells "--refresh is for a file or a server"
	refuses 2 targets -A --refresh 0s --out "$WORK/t"
	tells "--refresh: at most once a second"
	refuses 2 targets -A --refresh 999ms --listen 0
	refuses 2 targets -A --listen 0 --out "$WORK/t"
	refuses 2 targets -A --listen 0 -o file_sd
	refuses 2 targets -A --out "$WORK/t" -o json
	refuses 2 targets -A --listen example.com:80
	tells "cannot listen on 'example.com:80': that is no address"
	refuses 2 ps -A -l a=b -o file_sd
	[ ! -s "$KUBE/requests" ]
}

@test "without the permission to list pods" {
	printf '{"%s": {"name": "ops", "deny": ["list pods"]}}' "$CANARY_TOKEN" >"$KUBE/users.json"
	refuses 4 targets -A -o file_sd
	tells "pods"
	refuses 4 targets -A --listen 127.0.0.1:0
	refuses 4 targets -A --out "$WORK/targets.json" --refresh 1s
	[ ! -e "$WORK/targets.json" ]
}

@test "twelve hundred pods, over pages" {
	marked web-0 9404
	python3 - "$KUBE/state.json" <<-'PY'
		import copy, json, sys
		with open(sys.argv[1]) as source:
		    state = json.load(source)
		for i in range(1, 1200):
		    pod = copy.deepcopy(state["pods"]["shop/web-0"])
		    pod["metadata"]["name"] = "web-%d" % i
		    state["pods"]["shop/web-%d" % i] = pod
		with open(sys.argv[1], "w") as out:
		    json.dump(state, out)
	PY
	run_jdiag -s 0 targets -A -o file_sd
	[ "$(json 'len(d)' <<<"$output")" = 1200 ]
	[ "$(grep -c '^GET /api/v1/pods' "$KUBE/requests")" = 3 ]
}

# --- a file ---------------------------------------------------------------------------------------------

identity() { stat -c '%i %y' "$1"; }

@test "a file: whole, for everybody to read, and touched only when something has changed" {
	marked web-0 9404
	run_jdiag -s 0 targets -A --out "$WORK/targets.json"
	[ -z "$output" ] && [ -z "$stderr" ]
	[ "$(stat -c %a "$WORK/targets.json")" = 644 ]
	[ "$(json 'd[0]["targets"][0]' <"$WORK/targets.json")" = 127.0.0.1:9404 ]
	before=$(identity "$WORK/targets.json")
	run_jdiag -s 0 targets -A --out "$WORK/targets.json" -o file_sd -v
	tells "1 target: '$WORK/targets.json' is as it was"
	[ "$(identity "$WORK/targets.json")" = "$before" ]
	marked web-1 9405
	chmod 640 "$WORK/targets.json"
	run_jdiag -s 0 targets -A --out "$WORK/targets.json"
	[ "$(identity "$WORK/targets.json")" != "$before" ]
	[ "$(stat -c %a "$WORK/targets.json")" = 640 ]
	[ "$(json 'len(d)' <"$WORK/targets.json")" = 2 ]
	[ "$(ls "$WORK")" = targets.json ]
}

@test "a file that cannot be written" {
	marked web-0 9404
	refuses 2 targets -A --out "$WORK/none/targets.json"
	tells "cannot write '$WORK/none/targets.json': No such file or directory"
	mkdir "$WORK/dir"
	refuses 2 targets -A --out "$WORK/dir"
	tells "no regular file"
	refuses 2 targets -A --out /dev/full
	mount -t tmpfs -o size=4k tmpfs "$WORK/dir"
	echo old >"$WORK/dir/targets.json"
	run_jdiag targets -A --out "$WORK/dir/targets.json"
	left=$(ls "$WORK/dir") content=$(<"$WORK/dir/targets.json")
	umount "$WORK/dir"
	[ "$status" = 1 ]
	tells "No space left on device"
	[ "$left" = targets.json ] && [ "$content" = old ]
}

@test "a file that is kept up to date, through an API that fails" {
	file=$WORK/targets.json
	marked web-0 9404
	serving -A --out "$file" --refresh 1s
	wait_for 40 has "$file" web-0
	annotated web-1 8080
	wait_for 40 has "$file" web-1
	faults '[{"path": "pods", "do": "status", "code": 500, "reason": "InternalError", "message": "etcd is gone"}]'
	wait_for 40 has "$WORK/err" "the last targets stay: "
	has "$WORK/err" "etcd is gone"
	kube_state remove shop/web-1
	rm "$KUBE/faults.json"
	wait_for 40 has_not "$file" web-1
	has "$file" web-0
	wait_for 40 has "$WORK/err" "up to date again"
	# told once, however often it was tried
	[ "$(grep -c 'the last targets stay' "$WORK/err")" = 1 ]
	stopped TERM 130
	[ ! -s "$WORK/out" ]
	[ "$(json 'len(d)' <"$file")" = 1 ]
	[ "$(find "$WORK" -name '*.partial')" = "" ]
}

# --- a server -------------------------------------------------------------------------------------------

@test "a server: targets, health, metrics; GET and HEAD only" {
	marked web-0 9404
	serve -A -o http_sd
	answers /targets 200
	[ "$(json 'd[0]["targets"]' <"$WORK/body")" = "['127.0.0.1:9404']" ]
	answers / 200
	[ "$(json 'len(d)' <"$WORK/body")" = 1 ]
	curl -sS -D - -o /dev/null "$URL/targets" | grep -qi '^content-type: application/json'
	answers /healthz 200
	answers /nothing 404
	answers /targets/../etc/passwd 404
	[ "$(curl -sS -o /dev/null -w '%{http_code}' -X POST -d x "$URL/targets")" = 405 ]
	[ "$(curl -sS -o /dev/null -w '%{http_code}' --head "$URL/targets")" = 200 ]
	[ "$(value jdiag_targets)" = 1 ]
	[ "$(value jdiag_targets_refreshes_total)" = 1 ]
	curl -fsS "$URL/metrics" | promtool check metrics
	stopped INT 130
	[ ! -s "$WORK/out" ]
}

@test "a server goes on when the API fails: the last answer stays, health tells, and it comes back" {
	marked web-0 9404
	serve -A --refresh 1s
	annotated web-1 8080
	wait_for 40 serves web-1
	faults '[{"path": "pods", "do": "status", "code": 500, "reason": "InternalError", "message": "etcd is gone"}]'
	wait_for 40 answers /healthz 503
	serves web-1
	[ "$(value jdiag_targets_refresh_failures_total)" -ge 1 ]
	kube_state remove shop/web-1
	rm "$KUBE/faults.json"
	wait_for 40 serves_not web-1
	wait_for 40 answers /healthz 200
	stopped TERM 130
}

@test "a server answers while the API hangs, and ends at once" {
	marked web-0 9404
	serve -A --refresh 1s
	faults '[{"path": "pods", "do": "hang"}]'
	wait_for 40 answers /healthz 503
	serves web-0
	start=$SECONDS
	stopped TERM 130
	[ $((SECONDS - start)) -lt 20 ] # a request to the API has 30 s
}

@test "a pod that is named, goes and comes again is no failure of a server" {
	marked web-0 9404
	serve web-0 -n shop --refresh 1s
	serves web-0
	kube_state remove shop/web-0
	wait_for 40 serves_not web-0
	[ "$(value jdiag_targets_refresh_failures_total)" = 0 ]
	marked web-0 9404
	wait_for 40 serves web-0
}

@test "a port that is taken, and one that may be asked for from here only" {
	marked web-0 9404
	serve -A
	: >"$KUBE/requests"
	refuses 2 targets -A --listen "${URL#http://}"
	tells "Address already in use"
	[ ! -s "$KUBE/requests" ]
	[ "$(ss -Hltn "sport = :${URL##*:}" | awk '{print $4}')" = "${URL#http://}" ]
}

@test "clients that are slow, many, or talk nonsense hold nobody up" {
	marked web-0 9404
	serve -A
	python3 - "${URL##*:}" <<-'PY'
		import socket, sys
		address = ("127.0.0.1", int(sys.argv[1]))
		silent = [socket.create_connection(address) for _ in range(40)]
		for client in silent:
		    client.sendall(b"GET /targets HTTP/1.1\r\n")
		junk = socket.create_connection(address)
		junk.sendall(b"\x16\x03\x01" + b"A" * 40000)
		good = socket.create_connection(address)
		good.settimeout(20)
		good.sendall(b"GET /targets HTTP/1.1\r\nHost: x\r\n\r\n")
		assert good.recv(12) == b"HTTP/1.1 200"
	PY
	answers /healthz 200
	stopped TERM 130
}
