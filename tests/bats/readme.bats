#!/usr/bin/env bats
# The README's map is true: what it names is there, and every folder is on it.

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
