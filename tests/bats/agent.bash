# What the tests of agents share.

agents_up() {
	rig_up
	AGENTS=$("$RIG/agents.sh")
	export AGENTS
}

agent() { printf '%s\n' "$AGENTS/$1".*; }

# load STATUS POD [OPTION...]
load_into() {
	local want=$1 pod=$2
	shift 2
	run_jdiag -s "$want" agent load "$pod" -n shop "$@"
}

# fails_to_load STATUS TEXT [OPTION...]: into pod web; nothing on stdout.
fails_to_load() {
	local want=$1 text=$2
	shift 2
	load_into "$want" web "$@"
	[[ -z $output ]]
	tells "jdiag: "
	tells "$text"
}

log_has() { grep -qF -- "$2" "$(container log "$1")"; }
log_lacks() { ! log_has "$@"; }

# Where the jar or library lies in the container, as $output says: ", from PATH".
placed() {
	local path=${output#*, from }
	echo "${path%% *}"
}

# Owned by the JVM's user, for nobody else, whole.
is_well_placed() {
	local file root
	root=/proc/$(container pid "$1")/root
	file=$root$(placed)
	[[ $(stat -c %u "$file") == $(stat -c %u "/proc/$(container pid "$1")") ]] || { stat "$file" && return 1; }
	[[ $(stat -c %a "$file") =~ ^[45]00$ ]] || { stat "$file" && return 1; }
	cmp "$file" "$2"
}

# Nothing but the file: no socket of ours, no cover, no thread dump.
only_the_file_is_left() {
	local left
	left=$(find_in_container "$1" | grep -v '/\.jdiag-agents' || true)
	[[ -z $left ]] || { echo "left: $left" && return 1; }
	container working "$1"
	log_lacks "$1" 'Full thread dump'
}
