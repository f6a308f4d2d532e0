# Pages of metrics, good and broken: jdiag's verdict and that of a real Prometheus that scrapes them.
load lib.bash

judge() {
	timeout -k 5 110 unshare --net sh -c 'ip link set lo up; exec "$@"' sh \
		python3 "$TESTS/rig/prometheus_judge.py" "$JDIAG_BUILD/tools/prom-check" "$@"
}

@test "jdiag judges pages as Prometheus does" { judge 800 1; }
