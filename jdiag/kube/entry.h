/* Fields of one kubeconfig entry (kubeconfig.h: {"entry", "file", "dir"}). */
#ifndef JDIAG_KUBE_ENTRY_H
#define JDIAG_KUBE_ENTRY_H

#include <stdbool.h>

#include "jdiag/secret.h"
#include "remote/base/error.h"

struct json_t;

/* A field as text: strings, and numbers and booleans as YAML wrote them (a token may look like a
 * number). NULL when absent, null or empty. Free with free(). -1 when it is a list or a mapping. */
int entry_text(const struct json_t *wrapped, const char *field, char **ret,
	       struct error *err) must_check;

/* The same for a path: relative ones start at the directory of the kubeconfig. */
int entry_path(const struct json_t *wrapped, const char *field, char **ret,
	       struct error *err) must_check;

bool entry_flag(const struct json_t *wrapped, const char *field);

/* PEM text: `field`-data in base64, else the file that `field` names. Left alone when there is
 * neither. */
int entry_pem(const struct json_t *wrapped, const char *field, struct secret *ret,
	      struct error *err) must_check;

/* Another member of the entry, borrowed; NULL when absent or null. */
struct json_t *entry_get(const struct json_t *wrapped, const char *field);

#endif
