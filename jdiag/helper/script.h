/* The command that starts the helper on a node, for whatever login shell parses it. */
#ifndef JDIAG_HELPER_SCRIPT_H
#define JDIAG_HELPER_SCRIPT_H

#include <stddef.h>

#include "jdiag/helper/helper.h"
#include "remote/base/buf.h"

/* What the script says on stderr about itself begins with this. */
#define SCRIPT_MARK "jdiag-push: "
#define SCRIPT_MARK_MACHINE SCRIPT_MARK "machine " /* unsupported: then `uname -m` */
#define SCRIPT_MARK_PROGRAM SCRIPT_MARK "program " /* path of what starts it: unshare, or sh */
#define SCRIPT_MARK_SUDO SCRIPT_MARK "sudo "	   /* path of the program that sudo is to run */
#define SCRIPT_STATUS_MACHINE 65
#define SCRIPT_STATUS_PLACE 66 /* there is no place to run the helper from */

/*
 * Append the command: it takes `size` bytes of helper from its standard input and becomes the
 * helper, whose input is the rest. Nothing is written to a disk of the node: a private mount
 * namespace, a tmpfs that nobody else sees and that is read-only when the helper starts. Without
 * `unshare` on the node: an executable directory, and the file is unlinked before the start.
 */
void script_build(struct buf *out, enum sudo_mode sudo, const char *machine, size_t size);

#endif
