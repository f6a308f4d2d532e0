#!/usr/bin/env bats
# Documents are true: what the README names is there, every folder is on its map; the rules in the manual work.

setup() {
	cd "$BATS_TEST_DIRNAME/../.."
}

@test "every file and folder that the README names exists" {
	names=$(grep -oE '`(jdiag|remote|tests|ci|scripts)/[A-Za-z0-9_./]*`' README.md | tr -d '`' | sort -u)
	[ "$(wc -l <<<"$names")" -gt 30 ]
	for name in $names; do
		[ -e "$name" ] || { echo "README names $name" && false; }
	done
}

@test "every folder of code is on the README's map" {
	for folder in $(git ls-files 'jdiag/*/*.c' 'remote/*/*.c' | xargs -n 1 dirname | sort -u); do
		grep -qF "\`$folder/\`" README.md || { echo "$folder is missing" && false; }
	done
}

@test "the README has an exit status for each code, and the two commands on its first screen" {
	for status in $(grep -oE '^\sERR_[A-Z]+ = [0-9]+' remote/base/error.h | grep -oE '[0-9]+'); do
		grep -qE "(^|· |\*\* )$status [a-zA-Z]" README.md || { echo "$status is missing" && false; }
	done
	head -n 25 README.md | grep -qx '    scripts/demo'
	head -n 25 README.md | grep -qx '    scripts/test'
}

@test "every file that the tables of tests/README.md name exists" {
	cd tests
	names=$(sed -n '/^## What is where/,/^## Attacks/p' README.md | grep -oE '`[a-z_/-]+\.(bats|py|sh|c)`' | tr -d '`' | sort -u)
	[ "$(wc -l <<<"$names")" -gt 40 ]
	for name in $names; do
		[ -e "bats/$name" ] || [ -e "rig/$name" ] || [ -e "pipe/$name" ] || [ -e "cluster/$name" ] ||
			{ echo "tests/README.md names $name" && false; }
	done
}

@test "every unit test that the table of attacks names exists" {
	names=$(sed -n '/^## Attacks/,/^## [^A]/p' tests/README.md | grep -oE '`[a-z0-9_]+(::|_)[a-z0-9_]+`' | tr -d '`')
	[ "$(wc -l <<<"$names")" -gt 30 ]
	for name in $names; do
		[[ $name != *::* ]] || file=tests/unit/test_${name%%::*}.c
		grep -qwF "${name##*::}" "$file" || { echo "$file has no ${name##*::}" && false; }
	done
}

# relabelled TIME: the rules of the manual, with pods as Kubernetes's discovery has them: what Prometheus has made of
# them then.
relabelled() {
	local name=__meta_kubernetes_pod_ sd
	local note=${name}annotation_prometheus_io_
	sd="
  - {targets: ['10.0.0.7:8080'], labels: {${note}scrape: 'true', ${note}port: '9404', ${note}path: /metrics, ${name}ip: 10.0.0.7, ${name}name: a}}
  - {targets: ['10.0.0.7:8081'], labels: {${note}scrape: 'true', ${note}port: '9404', ${note}path: /metrics, ${name}ip: 10.0.0.7, ${name}name: a}}
  - {targets: ['[fd00::7]:80'], labels: {${note}scrape: 'true', ${note}port: '9405', ${note}path: /m, ${name}ip: 'fd00::7', ${name}name: b}}
  - {targets: ['10.0.0.8:8080'], labels: {${name}ip: 10.0.0.8, ${name}name: c}}
  - {targets: ['10.0.0.9'], labels: {${note}scrape: 'true', ${note}port: '9404', ${name}ip: 10.0.0.9, ${name}phase: Succeeded}}"
	awk '/^    scrape_configs:/ {on = 1} on && !/^    / {exit} on {print substr($0, 5)}' jdiag/man/exporter.txt |
		SD=$sd perl -0pe 's/kubernetes_sd_configs:\n *- role: pod/static_configs:$ENV{SD}/' >"$BATS_TEST_TMPDIR/prometheus.yml"
	promtool check config "$BATS_TEST_TMPDIR/prometheus.yml" >&2
	promtool check service-discovery --timeout "$1" "$BATS_TEST_TMPDIR/prometheus.yml" annotated-pods |
		python3 -c '
import json, sys
for labels in (target["labels"] for target in json.load(sys.stdin)):
    print(labels["__address__"] + labels["__metrics_path__"], labels["pod"]) if labels else None'
}

@test "Prometheus takes the relabelling rules of the manual, and finds what is annotated" {
	for time in 2s 10s 30s; do
		found=$(relabelled $time | sort -u)
		[ -z "$found" ] || break
	done
	[ "$found" = $'10.0.0.7:9404/metrics a\n[fd00::7]:9405/m b' ]
}
