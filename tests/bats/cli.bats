#!/usr/bin/env bats
# The program's face: help, manual, completion, usage errors, exit statuses. No node, no cluster.

bats_require_minimum_version 1.5.0

setup_file() {
	case ${JDIAG_BUILD:-} in
	/*) ;;
	*) export JDIAG_BUILD=$PWD/${JDIAG_BUILD:-build} ;;
	esac
	[ -x "$JDIAG_BUILD/jdiag" ] || { echo "$JDIAG_BUILD/jdiag is not there: make" >&2; return 1; }
}

setup() {
	declare -g JDIAG=$JDIAG_BUILD/jdiag
	local name
	for name in CI GITHUB_ACTIONS TF_BUILD "${!JDIAG_@}"; do
		[ "$name" = JDIAG_BUILD ] || unset "$name"
	done
	export HOME=$BATS_TEST_TMPDIR LC_ALL=C.UTF-8 KUBECONFIG=/nonexistent
	cd "$BATS_TEST_TMPDIR"
}

# jdiag STATUS ARG...: run it; stdout in $output, stderr in $stderr.
jdiag() {
	local want=$1
	shift
	run --separate-stderr -"$want" timeout 20 "$JDIAG" "$@"
}

verbs() { "$JDIAG" help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'; }

# The long options that the help of a command (or of jdiag) shows, one a line.
help_options() { "$JDIAG" help $1 | grep -oE '^ +(-[A-Za-z], )?--[a-z-]+' | grep -oE -- '--[a-z-]+' | sort; }

@test "every command has help: --help, -h and 'help VERB' say the same, on stdout" {
	[ "$(verbs | wc -l)" -ge 4 ]
	for verb in $(verbs); do
		jdiag 0 help "$verb"
		want=$output
		[ -z "$stderr" ]
		[[ $want == "Usage: jdiag $verb [options]"* ]]
		jdiag 0 "$verb" --help
		[ "$output" = "$want" ]
		jdiag 0 -h "$verb" whatever
		[ "$output" = "$want" ]
	done
	jdiag 0 --help
	[[ $output == "Usage: jdiag [options] COMMAND"* ]]
}

@test "--pid is a process behind ssh://: refused for pods, before anything is asked" {
	for words in "exporter status web-0" "exporter eject web-0" "agent load web-0 --module jdk.management.agent"; do
		jdiag 2 $words --pid 5
		[[ $stderr == *"--pid goes with ssh://HOST, use --jvm for a pod"* ]]
	done
}

@test "help, manual page and bash completion show the same options for every command" {
	for verb in '' $(verbs); do
		help_options "$verb" >help.txt
		[ "$(wc -l <help.txt)" -ge 8 ]
		"$JDIAG" man $verb | grep -oE '^(\\fB\\-[A-Za-z]\\fR, )?\\fB\\-\\-[a-z\\-]+' | sed 's/\\f$//; s/.*\\fB//; s/\\//g' |
			sort >man.txt
		diff help.txt man.txt
		bash_complete jdiag ${verb:+"$verb"} -- | grep -e '^--' | sort >bash.txt
		diff help.txt bash.txt
	done
}

# Candidates of bash for the words; the last one is completed.
bash_complete() {
	"$JDIAG" completion bash >complete.bash
	bash --norc -c '
		source ./complete.bash
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
		_jdiag
		(( ${#COMPREPLY[@]} )) && printf "%s\n" "${COMPREPLY[@]}"
		true' bash "$@"
}

fish_complete() { # LINE
	"$JDIAG" completion fish >complete.fish
	fish --no-config -c "source complete.fish; complete -C '$1'" | cut -f 1
}

@test "fish knows every long option of every command" {
	for verb in $(verbs); do
		help_options "$verb" >help.txt
		fish_complete "jdiag $verb --" | grep -e '^--' | sort >fish.txt
		diff help.txt fish.txt
	done
}

@test "zsh's completion names every long option of every command" {
	"$JDIAG" completion zsh >complete.zsh
	for verb in $(verbs); do
		sed -n "/^\t$verb)\$/,/^\t\t) ;;/p" complete.zsh | grep -oE -- "--[a-z-]+=?[}[]" | tr -d '=}[' |
			sort >zsh.txt
		help_options "$verb" | diff - zsh.txt
	done
}

@test "completion scripts parse" {
	for shell in bash zsh fish kubectl; do
		"$JDIAG" completion "$shell" >"complete.$shell"
		[ -s "complete.$shell" ]
	done
	bash -n complete.bash
	bash -n complete.kubectl
	fish --no-execute complete.fish
}

@test "completion knows commands, values and files" {
	[ "$(bash_complete jdiag heapd)" = heapdump ]
	[ "$(bash_complete jdiag -n shop heapd)" = heapdump ]
	[ "$(bash_complete jdiag -o '' | tr '\n' ' ')" = "text wide name json file_sd http_sd " ]
	[ "$(bash_complete jdiag ps --sudo = al)" = always ]
	[ "$(bash_complete jdiag --sudo = always heapd)" = heapdump ]
	touch key.pem
	[ "$(bash_complete jdiag ps -i key)" = key.pem ]
	[ -z "$(bash_complete jdiag ps -n '')" ]
	[ "$(bash_complete jdiag top key)" = key.pem ]
	[ "$(fish_complete 'jdiag top key')" = key.pem ]
	[ -z "$(bash_complete jdiag ps key)" ]
	[ "$(bash_complete jdiag help heap)" = heapdump ]
	[ "$(bash_complete jdiag exporter in)" = inject ]
	[ "$(fish_complete 'jdiag exporter in')" = inject ]
	[ "$(fish_complete 'jdiag -n shop heapd')" = heapdump ]
	[ "$(fish_complete 'jdiag ps --host-key ' | tr '\n' ' ')" = "accept-new ignore strict " ]
}

@test "kubectl gets candidates and the directive" {
	"$JDIAG" completion kubectl >kubectl_complete-jdiag
	[ "$(bash kubectl_complete-jdiag heapdump --all-o | tr '\n' ' ')" = "--all-objects :4 " ]
}

@test "manual pages are clean roff and have every section" {
	for verb in '' $(verbs); do
		"$JDIAG" man $verb >page.1
		groff -man -ww -Tutf8 -P-c page.1 >page.txt 2>warnings.txt
		[ ! -s warnings.txt ]
		for section in NAME SYNOPSIS DESCRIPTION OPTIONS "EXIT STATUS" "SEE ALSO"; do
			grep -q "^\.SH $section\$" page.1
		done
		# prose was written for it
		[ -n "$(sed -n '/^\.SH DESCRIPTION/{n;p}' page.1 | grep -v '^\.')" ]
	done
}

@test "usage errors: exit 2, one line, what is valid, where to read on" {
	jdiag 2
	[ "$stderr" = $'jdiag: no command given\n  see \'jdiag help\'' ]
	[ -z "$output" ]
	jdiag 2 heapdmup web-0
	[ "$stderr" = $'jdiag: unknown command \'heapdmup\'\n  did you mean \'heapdump\'?\n  see \'jdiag help\'' ]
	jdiag 2 heapdump web-0 --namspace shop
	[ "$stderr" = $'jdiag: unknown option \'--namspace\'\n  did you mean \'--namespace\'?\n  see \'jdiag help heapdump\'' ]
	jdiag 2 heapdump web-0 --all-namespace
	[[ $stderr == *"unknown option '--all-namespace'"*"did you mean '--all-namespaces'"* ]]
	jdiag 2 heapdump web-0 --timeout 5parsecs
	[ "$stderr" = $'jdiag: bad duration \'5parsecs\' for \'--timeout\'\n  a duration looks like 30s, 5m or 1h30m\n  see \'jdiag help heapdump\'' ]
	jdiag 2 heapdump web-0 -p 99999
	[[ $stderr == "jdiag: bad port '99999' for '-p'"* ]]
	jdiag 2 ps web-0 --to x
	[[ $stderr == "jdiag: 'ps' does not take '--to'"*"see 'jdiag help ps'" ]]
	jdiag 2 tidy -l app=web
	[[ $stderr == "jdiag: 'tidy' does not take '--selector'"* ]]
	jdiag 2 heapdump
	[[ $stderr == "jdiag: 'heapdump' needs a TARGET, or -l SELECTOR"* ]]
	jdiag 2 tidy node/a node/b
	[[ $stderr == "jdiag: 'tidy' takes one TARGET, not also 'node/b'"* ]]
	jdiag 2 heapdump -l app=web --all --any
	[[ $stderr == "jdiag: --all and --any at once"* ]]
	jdiag 2 heapdump ssh://a ssh://b -c app --to x.hprof
	[[ $stderr == "jdiag: 2 dumps do not fit into 'x.hprof'"* ]]
	jdiag 2 ps cronjob/x
	[[ $stderr == "jdiag: bad target 'cronjob/x': no such kind 'cronjob'"* ]]
	jdiag 2 ps
	[[ $stderr == "jdiag: 'ps' needs a TARGET, or -l SELECTOR"* ]]
	jdiag 2 ps web-0 -l app=web
	[[ $stderr == "jdiag: a TARGET and '--selector' at once"* ]]
	jdiag 2 completion tcsh
	[[ $stderr == "jdiag: no completion for 'tcsh'"*"valid: bash, zsh, fish, kubectl"* ]]
}

@test "JDIAG_* variables are defaults, and a bad one is named" {
	JDIAG_OUTPUT=json jdiag 0 version
	[[ $output == '{"apiVersion":"jdiag/v1","kind":"Version",'* ]]
	JDIAG_OUTPUT=json jdiag 0 version -o text
	[[ $output == "jdiag "* ]]
	JDIAG_OUTPUT=yaml jdiag 2 version
	[[ $stderr == "jdiag: bad value 'yaml' for 'JDIAG_OUTPUT'"* ]]
	JDIAG_SUDO=perhaps jdiag 0 version
	JDIAG_SUDO=perhaps jdiag 2 ps web-0
	[[ $stderr == "jdiag: bad value 'perhaps' for 'JDIAG_SUDO'"* ]]
}

@test "an error is one exit_error line with --progress json" {
	jdiag 2 --progress json heapdmup
	[[ $stderr == '{"message_type":"exit_error","code":2,"reason":"usage","message":"unknown command'* ]]
	[[ $stderr != *$'\n'* ]]
}

@test "control characters of the command line do not reach the terminal" {
	jdiag 2 ps $'web\e[2J\n::set-env'
	[[ $stderr != *$'\e'* ]]
	[[ $stderr == "jdiag: bad pod name 'web\\x1b[2J\\x0a::set-env'"* ]]
	GITHUB_ACTIONS=true jdiag 2 $'::error::x'
	run ! grep -E '^[[:blank:]]*::' <<<"$stderr"
}

@test "a result that cannot be written is an error" {
	run --separate-stderr -1 bash -c "'$JDIAG' version >/dev/full"
	[ "$stderr" = "jdiag: cannot write the result: No space left on device" ]
	mkfifo pipe
	exec 8<>pipe 9>pipe 8<&-
	run --separate-stderr -1 bash -c "'$JDIAG' version >&9"
	exec 9>&-
	[ "$stderr" = "jdiag: cannot write the result: Broken pipe" ]
}

@test "as kubectl-jdiag it speaks of 'kubectl jdiag'" {
	ln -s "$JDIAG" kubectl-jdiag
	run -0 ./kubectl-jdiag help ps
	[[ $output == "Usage: kubectl jdiag ps [options] [TARGET...]"* ]]
	run --separate-stderr -2 ./kubectl-jdiag ps
	[[ $stderr == *"see 'kubectl jdiag help ps'" ]]
}

@test "no colour, no escape sequence in help and version, also on a terminal" {
	run -0 script -qec "'$JDIAG' help heapdump; '$JDIAG' version" /dev/null
	[[ $output == *"Usage: jdiag heapdump"* ]]
	[[ $output != *$'\e'* ]]
}

# A server that accepts and says nothing: a node whose sshd hangs. Its port in $port.
start_mute_server() {
	mkfifo port hold
	python3 -c 'import socket, sys
s = socket.create_server(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
sys.stdin.read()' <>hold >port 3>&- &
	mute=$!
	read -r port <port
}

teardown() {
	[ -z "${mute:-}" ] || kill "$mute"
}

@test "--timeout ends a command that hangs, and says so" {
	start_mute_server
	jdiag 130 ps "ssh://127.0.0.1:$port" --timeout 500ms
	[[ $stderr == "jdiag: timed out: the time given by --timeout has passed"* ]]
	[ -z "$output" ]
}

@test "Ctrl-C on a terminal clears the progress line and leaves one error" {
	start_mute_server
	cat >drive.py <<-'END'
	import os, pty, sys
	pid, fd = pty.fork()
	if pid == 0:
	    os.environ["TERM"] = "xterm"
	    os.execv(sys.argv[1], sys.argv[1:])
	seen, typed = b"", False
	while True:
	    try:
	        data = os.read(fd, 4096)
	    except OSError:
	        break
	    if not data:
	        break
	    seen += data
	    if b"connect" in seen and not typed:
	        os.write(fd, b"\x03")
	        typed = True
	status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
	assert status == 130, (status, seen)
	assert seen.endswith(b"\r\x1b[Kjdiag: interrupted\r\n"), seen
	assert seen.count(b"\n") == 1, seen
	END
	timeout 30 python3 drive.py "$JDIAG" heapdump "ssh://127.0.0.1:$port" --pid 5
}

@test "install and uninstall leave nothing" {
	make -s -C "$BATS_TEST_DIRNAME/../.." BUILD="$JDIAG_BUILD" DESTDIR="$PWD/root" PREFIX=/usr install
	root/usr/bin/jdiag version
	root/usr/bin/kubectl-jdiag version
	[ -s root/usr/share/man/man1/jdiag-heapdump.1 ]
	[ -s root/usr/share/bash-completion/completions/jdiag ]
	make -s -C "$BATS_TEST_DIRNAME/../.." BUILD="$JDIAG_BUILD" DESTDIR="$PWD/root" PREFIX=/usr uninstall
	[ -z "$(find root ! -type d)" ]
}

@test "started with SIGCHLD ignored: the status of a command is not lost" {
	run -9 timeout 20 python3 -c 'import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execv(sys.argv[1], sys.argv[1:])' "$JDIAG" check gs://bucket/object --token-command 'echo token; exit 3'
	[[ $output == *"the token command ended with status 3"* ]]
}
