#!/bin/bash
# Images with a JVM in them, for the containers of the rig: one root directory per JVM, kept in
# ${XDG_CACHE_HOME:-$HOME/.cache}/jdiag-rig and made on the first use.
#
#   jvm.sh 17          make the image of the headless JRE 17, print its directory
#   jvm.sh jlink       the same for a jlinked image: no shell, no JDK tools, its libraries only
#   jvm.sh jdk         that with jmap, jcmd and a static busybox, for what a script would do
#   jvm.sh all         every image
#   jvm.sh java-home N the JVM's directory inside image N
#
# The JREs come from Debian's sid by the machine's own mirror through a private apt directory: nothing
# of the system's apt is touched. A headless JRE has neither jmap nor jcmd.
set -euo pipefail

RIG_SRC=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
RIG_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/jdiag-rig
RIG_JVMS="8 11 17 21 25 26"

# What a headless JRE loads when no window, no sound and no smart card is asked for.
JVM_LIBS="libc6 libgcc-s1 libstdc++6 zlib1g libzstd1"

say() { printf 'rig: %s\n' "$*" >&2; }

# The Debian archive that this machine already uses: not its security and not third-party archives.
debian_archive() {
	apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' |
		awk -F '|' '$1 == "Debian" && $2 == "Debian" && !found {found = 1; print $3}'
}

# private_apt COMMAND...: apt-get in a directory of its own, which knows sid and has nothing installed.
private_apt() {
	apt-get -q \
		-o Dir::Etc::sourcelist="$RIG_CACHE/apt/sources.list" -o Dir::Etc::sourceparts=- \
		-o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts="$RIG_CACHE/apt/none" \
		-o Dir::State::lists="$RIG_CACHE/apt/lists" -o Dir::State::status="$RIG_CACHE/apt/status" \
		-o Dir::Cache="$RIG_CACHE/apt/cache" -o APT::Get::List-Cleanup=0 \
		-o APT::Install-Recommends=0 -o APT::Sandbox::User=root -o Acquire::Retries=3 \
		-o Acquire::Languages=none "$@"
}

# The lists of sid, at most a day old: older ones name files that the mirror no longer has.
refresh_lists() {
	local uri keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	if [ -n "$(find "$RIG_CACHE/apt/fresh" -mmin -1440 2>/dev/null)" ]; then return; fi
	uri=$(debian_archive)
	if [ -z "$uri" ]; then
		apt-get -q update >&2 || return
		uri=$(debian_archive)
	fi
	mkdir -p "$RIG_CACHE"/apt/none "$RIG_CACHE"/apt/lists/partial "$RIG_CACHE"/apt/cache/archives/partial
	: >"$RIG_CACHE/apt/status"
	if [ -r $keyring ]; then keyring="[signed-by=$keyring] "; else keyring=; fi
	printf 'deb %s%s sid main\n' "$keyring" "$uri" >"$RIG_CACHE/apt/sources.list"
	private_apt update >&2 || return
	touch "$RIG_CACHE/apt/fresh"
}

# fetch DIRECTORY PACKAGE...: retried with new lists, because sid may move between list and download.
fetch() {
	local dir=$1 try
	shift
	mkdir -p "$dir"
	for try in 1 2 3; do
		if refresh_lists && (cd "$dir" && private_apt download "$@" >&2); then return; fi
		say "download failed, try $try of 3"
		rm -f "$RIG_CACHE/apt/fresh"
		sleep "$try"
	done
	return 1
}

# image_skeleton ROOT: the directories that a container runtime mounts on, and merged /usr.
image_skeleton() {
	local d
	mkdir -p "$1"/{dev,etc,home,proc,sys,tmp,run,var/tmp,app,usr/bin,usr/lib,usr/lib64,usr/sbin}
	for d in bin lib lib64 sbin; do ln -sfn "usr/$d" "$1/$d"; done
	chmod 1777 "$1/tmp" "$1/var/tmp"
	# uid 1000 has a name (so the JVM writes its hsperfdata); random uids have none.
	printf 'root:x:0:0:root:/root:/nonexistent\napp:x:1000:1000::/app:/nonexistent\n' >"$1/etc/passwd"
	printf 'root:x:0:\napp:x:1000:\n' >"$1/etc/group"
	chmod -R go+rX "$1"
}

debian_image() {
	local version=$1 root=$2 deb debs
	debs=$(mktemp -d "$RIG_CACHE/debs.XXXXXX")
	# shellcheck disable=SC2086 # a list of words
	fetch "$debs" "openjdk-$version-jre-headless" $JVM_LIBS || { rm -rf "$debs"; return 1; }
	image_skeleton "$root"
	for deb in "$debs"/*.deb; do dpkg -x "$deb" "$root"; done
	rm -rf "$debs" "$root"/usr/share/{doc,man,locale,i18n}
}

# The JDK of the machine that has jlink and the modules to link from.
machine_jdk() {
	local home
	for home in /usr/lib/jvm/java-17-openjdk-*; do
		if [ -x "$home/bin/jlink" ] && [ -d "$home/jmods" ]; then printf '%s\n' "$home" && return; fi
	done
	say "no JDK 17 with jlink below /usr/lib/jvm: run \`make deps\`"
	return 1
}

# jlink_image ROOT [MODULE...]
jlink_image() {
	local root=$1 jdk lib modules
	shift
	modules=$(IFS=, && printf '%s' "java.base,java.management${*:+,}$*")
	jdk=$(machine_jdk)
	image_skeleton "$root"
	mkdir -p "$root/usr/lib/jvm"
	"$jdk/bin/jlink" --module-path "$jdk/jmods" --add-modules "$modules" \
		--strip-debug --no-header-files --no-man-pages --output "$root/usr/lib/jvm/java"
	rm -f "$root/usr/lib/jvm/java/bin/keytool" "$root/usr/lib/jvm/java/bin/rmiregistry"
	find "$root/usr/lib/jvm" -type f \( -name '*.so' -o -path '*/bin/*' \) -exec ldd {} + |
		awk '$2 == "=>" && $3 ~ /^\// {print $3} $1 ~ /^\/.*ld-/ {print $1}' | sort -u |
		while read -r lib; do
			case $lib in "$root"/*) continue ;; esac
			mkdir -p "$root$(dirname "$lib")"
			cp -L "$lib" "$root$lib"
		done
}

# A shell and the common tools. Only this image has them, so only its user needs the package.
add_busybox() {
	local root=$1 busybox tool
	busybox=$(command -v busybox) || { say "no busybox: install busybox-static" && return 1; }
	cp -L "$busybox" "$root/usr/bin/busybox"
	for tool in sh cat ls rm ps; do ln -s busybox "$root/usr/bin/$tool"; done
	"$root/usr/bin/sh" -c :
}

# jvm_home ROOT: the JVM's directory inside the image.
jvm_home() {
	local java
	java=$(cd "$1" && find usr/lib/jvm -path '*/bin/java' -type f | sort | tail -n 1)
	[ -n "$java" ] && java=${java%/bin/java} && printf '/%s\n' "${java%/jre}${java##*"${java%/jre}"}"
}

# image NAME: makes the image when it is not there and prints its directory.
image() {
	local name=$1 root=$RIG_CACHE/image-$1 part
	if [ ! -d "$root" ]; then
		mkdir -p "$RIG_CACHE"
		exec 8>"$RIG_CACHE/lock"
		flock 8
	fi
	if [ ! -d "$root" ]; then
		say "making the image of JVM $name"
		part=$root.partial
		rm -rf "$part"
		case $name in
		jlink) jlink_image "$part" ;;
		jdk) jlink_image "$part" jdk.jcmd jdk.attach && add_busybox "$part" ;;
		*) debian_image "$name" "$part" ;;
		esac
		# A JVM wants /proc/self/exe; a chroot has none until it is mounted.
		unshare -m sh -c 'mount -t proc proc "$1/proc" && chroot "$1" "$2/bin/java" -version' sh \
			"$part" "$(jvm_home "$part")" >&2
		mv "$part" "$root"
	fi
	printf '%s\n' "$root"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
	shopt -s inherit_errexit # an image that is not whole is not kept
	case ${1:-} in
	all) for v in $RIG_JVMS jlink; do image "$v"; done ;;
	java-home) jvm_home "$(image "$2")" ;;
	8 | 11 | 17 | 21 | 25 | 26 | jlink | jdk) image "$1" ;;
	*) sed -n '2,10s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
	esac
fi
