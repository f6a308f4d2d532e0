# What of the program, of its JVM or of the pod makes the exporter end the JVM: refused by jdiag with the JVM at
# work, then provoked by loading it all the same.
load lib
load exporter

setup_file() { rig_up; }
teardown_file() { rig_down; }

teardown() {
	if [[ -n ${HOLDER:-} ]]; then kill "$HOLDER"; fi
	container stop-all
}

# refused TEXT [ARGUMENT...]: into pod web, which goes on.
refused() {
	local text=$1
	shift
	inject -s 10 web "$@"
	[[ -z $output ]] || return 1
	tells "$text"
	no_agent web
}

# naked JAR: loaded without a look at anything.
naked() {
	printf 'rules: []\n' >"/proc/$(container pid web)/root/tmp/naked.yaml"
	run_jdiag agent load web -n shop --jar "$1" --options "9404:/tmp/naked.yaml"
}

# ends TEXT: refused for that, and rightly so.
ends() {
	refused "$1" || return 1
	naked "$(jar 1.0.1)"
	tells "the JVM has ended while it loaded the agent: exit status 1"
}

@test "a port that nobody listens on, but a connection has" {
	pod_up web
	nsenter --net="/proc/$(container pid web)/ns/net" python3 -c 'import socket, time
a = socket.create_server(("127.0.0.1", 0))
c = socket.socket(); c.bind(("127.0.0.1", 9404)); c.connect(a.getsockname())
print("ready", flush=True); time.sleep(600)' >"$RIG_RUN/out/holder" 3>&- &
	HOLDER=$!
	wait_for 20 grep -q ready "$RIG_RUN/out/holder"
	inject web --port 9404-9405 --dry-run -o json
	json_lines 'x[0]["port"] == 9405'
	ends "port 9404 is in use: nobody listens there"
}

@test "a port that connections get" {
	pod_up web
	nsenter --net="/proc/$(container pid web)/ns/net" sh -c 'echo 9404 9499 >/proc/sys/net/ipv4/ip_local_port_range
echo 9450-9451,9470 >/proc/sys/net/ipv4/ip_local_reserved_ports'
	refused "port 9404 is one of those that the kernel gives to connections"
	refused "no port from 9404 to 9449 is free" --port 9404-9449
	inject web --port 9404-9499 --dry-run -o json
	json_lines 'x[0]["port"] == 9450'
	inject web --port 9470 --dry-run -o json
	json_lines 'x[0]["state"] == "planned"'
}

# at_once ARGUMENTS...: a run for each, all at the same time; sets $codes.
at_once() {
	local i=0 pids=() arguments pid
	for arguments in "$@"; do
		i=$((i + 1))
		# shellcheck disable=SC2086 # a list of words
		jdiag_env timeout 100 "$JDIAG" exporter inject -n shop --jar "$(jar 1.0.1)" -o json $arguments \
			>"$RIG_RUN/out/run.$i" 2>"$RIG_RUN/out/run.$i.err" 3>&- &
		pids+=($!)
	done
	codes=
	for pid in "${pids[@]}"; do
		if wait "$pid"; then codes+=" 0"; else codes+=" $?"; fi
	done
	echo "codes:$codes"
	tail -n 5 "$RIG_RUN"/out/run.[12]*
	output=$(cat "$RIG_RUN"/out/run.[12])
}

@test "two runs at the same time: one loads, the JVM goes on" {
	pod_up web
	at_once web web
	container working web
	metrics web 9404 | grep -q '^jvm_'
	[[ " $codes" == *" 0"* ]]
	json_lines 'len([r for r in x if r["state"] == "injected"]) == 1'
	[ "$(files web | wc -l)" = 2 ]
	inject web -o json
	json_lines 'x[0]["state"] == "unchanged"'
}

@test "two runs at the same time, for two JVMs of a pod: each has a port" {
	local child
	pod_up web -- spawn=1
	wait_for 40 grep -q '^child ready' "$(container log web)"
	inject -s 3 web
	child=$(sed -n 's/.*--jvm \([0-9]*\) .*/\1/p' <<<"$stderr" | grep -vx 1)
	at_once "web --jvm 1 --port 9404-9410" "web --jvm $child --port 9404-9410"
	container working web
	[ "$codes" = " 0 0" ]
	json_lines '[r["state"] for r in x] == ["injected"] * 2 and sorted(r["port"] for r in x) == [9404, 9405]'
	metrics web 9404 | grep -q '^jvm_'
	metrics web 9405 | grep -q '^jvm_'
}

@test "a second exporter" {
	pod_up web
	naked "$(jar 1.0.1)"
	[ "$status" = 0 ]
	cp "$(jar 1.0.1)" "$RIG_RUN/out/other.jar"
	naked "$RIG_RUN/out/other.jar"
	tells "the JVM has ended while it loaded the agent: exit status 1"
}

@test "settings of the exporter's library: a system property" {
	pod_up web --java -Dio.prometheus.exporter.foo=1
	JAR=$(jar 0.20.0) inject web --dry-run -o json
	json_lines 'x[0]["state"] == "planned"'
	ends "system property 'io.prometheus.exporter.foo'"
}

@test "settings of the exporter's library: a file that is not there" {
	pod_up web --env PROMETHEUS_CONFIG=/nonexistent
	ends "PROMETHEUS_CONFIG in its environment"
}

@test "an HTTP server, an MBean server of the program's that is not found" {
	pod_up web --java "-Dcom.sun.net.httpserver.HttpServerProvider=Nowhere -Djavax.management.builder.initial=Nowhere"
	refused "2 reasons are against it"
	tells "'javax.management.builder.initial'"
	ends "'com.sun.net.httpserver.HttpServerProvider'"
}

@test "modules: --limit-modules" {
	pod_up web --java --limit-modules=java.base,java.instrument,java.logging,java.management
	ends "without module 'jdk.httpserver'"
}

# limited MODULES: pod web, with these modules and no other.
limited() {
	container stop-all
	pod_up web --java "--limit-modules=java.base,java.instrument,jdk.httpserver,java.logging,java.management$1"
}

@test "modules: without java.desktop, without java.sql, and exactly what each exporter needs" {
	local version
	limited ""
	ends "without module 'java.desktop'"
	limited ,java.desktop
	JAR=$(jar 0.12.0) refused "without module 'java.sql'"
	naked "$(jar 0.12.0)"
	tells "the agent's own start failed"
	container working web
	for version in 1.0.1 0.20.0; do
		limited ,java.desktop
		JAR=$(jar $version) inject web -o json
		json_lines 'x[0]["state"] == "injected"'
	done
	limited ,java.desktop,java.sql,jdk.unsupported
	JAR=$(jar 0.12.0) inject web -o json
	json_lines 'x[0]["state"] == "injected"'
}

@test "modules: an image without" {
	pod_up web --image jlink
	refused "runtime image has no module 'jdk.httpserver'"
}

@test "a security manager that the program has set" {
	pod_up web --main Guard
	ends "may have set a security manager (it has 'Guard')"
}

@test "a security manager that the program may set" {
	pod_up web --image 21 --main Guard --java -Djava.security.manager=allow
	ends "may have set a security manager (-Djava.security.manager=allow)"
}

@test "little metaspace" {
	pod_up web --java "-XX:MaxMetaspaceSize=4m -XX:+ExitOnOutOfMemoryError"
	inject web --dry-run --force -o json
	tells "--force: little metaspace is left"
	refused "are left of the metaspace (4"
	naked "$(jar 1.0.1)"
	tells "the JVM has ended while it loaded the agent: $(ended "exit status 3")"
}

# threads MORE: the JVM's user may have so many more than it has (less than it has: threads of the JVM come and go).
threads() {
	local pid
	pid=$(container pid web)
	setpriv --reuid "$(stat -c %u "/proc/$pid")" --regid "$(stat -c %g "/proc/$pid")" --clear-groups \
		prlimit --pid "$pid" --nproc=$(($(find "/proc/$pid/task" -mindepth 1 -maxdepth 1 | wc -l) + $1)):
}

# tasks MORE: the same of its cgroup.
tasks() {
	local dir
	for dir in /sys/fs/cgroup{/pids,}"$(container cgroup web)"; do
		if [[ -e $dir/pids.max ]]; then
			echo $(($(<"$dir/pids.current") + $1)) >"$dir/pids.max"
			return
		fi
	done
	return 1
}

@test "few threads, and none: it is not even asked" {
	pod_up web --user random
	threads -8
	refused "threads are left for the JVM"
	threads 1000
	tasks 9
	refused "threads are left for the JVM"
	tasks -8
	naked "$(jar 1.0.1)"
	tells "the JVM has ended while it loaded the agent: exit status 1"
}

@test "few open files" {
	local pid
	pod_up web
	pid=$(container pid web)
	setpriv --reuid "$(stat -c %u "/proc/$pid")" --regid "$(stat -c %g "/proc/$pid")" --clear-groups \
		prlimit --pid "$pid" --nofile=$(($(find "/proc/$pid/fd" | wc -l) + 9)):
	refused "open files are left for the JVM"
}

@test "Java 8 of which nothing is known from outside: an exporter under another name" {
	pod_up web --image 8 --user random
	inject web --dry-run -o json
	tells "--dry-run: the classes of Java 8 are not looked at"
	json_lines 'x[0]["state"] == "planned"'
	cp "$(jar 1.0.1)" "$RIG_RUN/out/other.jar"
	naked "$RIG_RUN/out/other.jar"
	[ "$status" = 0 ]
	inject web --port 9405 -o json
	tells "Java 8 tells its classes by a walk through its heap"
	json_lines 'x[0]["state"] == "foreign"'
	container working web
}
