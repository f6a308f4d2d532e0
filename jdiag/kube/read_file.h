/* Files that a configuration names: kubeconfig files, certificates, keys, tokens. */
#ifndef JDIAG_KUBE_READ_FILE_H
#define JDIAG_KUBE_READ_FILE_H

#include "remote/base/buf.h"

/*
 * The whole file into b, whose maximum is the limit. Unlike io_read_file it follows symbolic links
 * (a mounted service-account token is one, and so are many people's dotfiles) and takes a pipe
 * (`--kubeconfig <(...)`), waiting at most 30 s for its end. 0 or -errno: -EFBIG when it is larger,
 * -EINVAL for anything else than a file or a pipe.
 */
int read_config_file(const char *path, struct buf *b) must_check;

/* `path` as seen from the file that names it: absolute, or relative to dir. Free with free(). */
char *path_from(const char *dir, const char *path) must_check;

#endif
