#include "jdiag/helper/script.h"

#include <assert.h>
#include <string.h>

#include "remote/base/limits.h"

/*
 * The login shell may be any (fish, tcsh, ash): it sees one simple command whose arguments stand in
 * single quotes, and inside those is neither a single quote nor a backslash nor an exclamation mark
 * nor a newline, which such shells treat differently. All else is run by sh.
 */

/*
 * $1, $2: the scripts below. The machine is asked first: exec of a foreign binary says little.
 * Paths are looked for, because `command -v` of a busybox shell names what is inside itself, which
 * sudo cannot start. The PATH of a login may be anything, or nothing (and an empty part of it would
 * be the current directory).
 */
static const char outer[] =
	"LC_ALL=C; PATH=${PATH:+$PATH:}/usr/sbin:/usr/bin:/sbin:/bin; export LC_ALL PATH; "
	"m=$(uname -m); "
	"[ \"$m\" = %s ] || { echo \"" SCRIPT_MARK_MACHINE "$m\" >&2; exit 65; }; "
	"%s"
	"p=/bin/sh; i=$2; "
	"for d in /usr/bin /bin /usr/sbin /sbin /run/current-system/sw/bin; do "
	"[ -x $d/unshare ] && p=$d/unshare && i=$1 && break; done; "
	"[ $p = /bin/sh ] && set -- || set -- -m /bin/sh; "
	"echo \"" SCRIPT_MARK_PROGRAM "$p\" >&2; "
	"[ -z \"$s\" ] || echo \"" SCRIPT_MARK_SUDO "$p\" >&2; "
	"exec $s $p \"$@\" -c \"$i\" jdiag";

static const char *const choose_sudo[] = {
	[SUDO_AUTO] = "s=\"sudo -n\"; [ \"$(id -u)\" = 0 ] && s=; ",
	[SUDO_ALWAYS] = "s=\"sudo -n\"; ",
	[SUDO_NEVER] = "s=; ",
};

/*
 * In the new mount namespace. make-rprivate because unshare before util-linux 2.27 leaves mounts
 * shared, and ours would then be seen on the node. The remount names the source so that fstab is
 * not asked for the directory. Read-only, so that nobody who reaches the running program through
 * /proc/PID/exe can write to it (CVE-2019-5736).
 */
static const char in_namespace[] =
	"d=; for x in /media /srv /mnt /opt /tmp; do [ -d $x ] && d=$x && break; done; "
	"o=size=%zuk,mode=0700,nosuid,nodev; umask 077; "
	"mount --make-rprivate / && mount -t tmpfs -o $o jdiag $d && "
	"head -c %zu >$d/jdiag-helper && chmod 0500 $d/jdiag-helper && "
	"mount -o remount,ro,$o jdiag $d && exec $d/jdiag-helper; "
	"exit 66";

/*
 * No unshare: the first directory where a program can be run, tried with an empty one: exec says
 * ENOEXEC and sh takes it for a script, or EACCES where the mount is noexec. noclobber is O_EXCL: a
 * file or link that somebody has put there is not touched. The file is unlinked before a byte is in
 * it and started through its descriptor, so nothing is left however this ends. The writing
 * descriptor has to be closed first (ETXTBSY).
 */
static const char in_directory[] =
	"umask 077; set -C; f=; "
	"for x in /run /var/lib/toolbox /var/lib/google /var/lib/cloud /etc /var/tmp /tmp "
	"/dev/shm; "
	"do [ -d $x ] && [ -w $x ] || continue; "
	"f=$x/.jdiag-helper.$$; trap \"rm -f $f\" EXIT; trap \"exit 66\" HUP INT TERM; "
	"{ : >$f && chmod 0700 $f && $f; } 2>/dev/null && break; "
	"rm -f $f; f=; done; "
	"[ -n \"$f\" ] || { echo \"no directory to run a program from\" >&2; exit 66; }; "
	"exec 8>>$f 9<$f; rm -f $f; trap - EXIT HUP INT TERM; "
	"head -c %zu >&8 && exec 8>&- && exec /proc/self/fd/9; "
	"exit 66";

static void add_quoted(struct buf *out, const char *script)
{
	assert(!strpbrk(script, "'\\!\n"));
	buf_adds(out, " '");
	buf_adds(out, script);
	buf_adds(out, "'");
}

void script_build(struct buf *out, enum sudo_mode sudo, const char *machine, size_t size)
{
	auto_buf struct buf script = BUF_INIT(4 * KiB);

	buf_adds(out, "exec /bin/sh -c");
	buf_addf(&script, outer, machine, choose_sudo[sudo]);
	add_quoted(out, buf_str(&script));
	buf_adds(out, " jdiag");

	buf_reset(&script);
	buf_addf(&script, in_namespace, size / KiB + 64, size);
	add_quoted(out, buf_str(&script));

	buf_reset(&script);
	buf_addf(&script, in_directory, size);
	add_quoted(out, buf_str(&script));
}
