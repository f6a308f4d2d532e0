/*
 * kubeconfig files, merged as client-go does (tools/clientcmd/loader.go): which files, who wins,
 * what paths are relative to. resolve.h makes one cluster's settings of it.
 */
#ifndef JDIAG_KUBE_KUBECONFIG_H
#define JDIAG_KUBE_KUBECONFIG_H

#include <stddef.h>

#include "remote/base/error.h"

struct json_t;

/*
 * Read and merge. `only`: --kubeconfig, that file alone and it has to exist. Else `list`
 * ($KUBECONFIG: files separated by ':', the missing ones skipped), else home/.kube/config (may be
 * missing).
 *
 * The result is an object: "current-context" (string), and "clusters", "users", "contexts", each
 * an object of NAME -> {"entry": {...}, "file": path, "dir": its directory}. The first file that
 * names an entry wins it whole. *ret is json null when there is no configuration at all.
 * ERR_USAGE with file and line for what cannot be read.
 */
int kubeconfig_load(const char *only, const char *list, const char *home, struct json_t **ret,
		    struct error *err) must_check;

/* One file's text into an empty or already filled result, as above. For kubeconfig_load and for
 * fuzzing. */
int kubeconfig_add(struct json_t *merged, const char *text, size_t len, const char *file,
		   struct error *err) must_check;

struct json_t *kubeconfig_new(void) must_check;

#endif
