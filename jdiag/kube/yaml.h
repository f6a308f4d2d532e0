/*
 * YAML (libyaml's events) into a jansson tree: the subset that kubeconfig files use, which is
 * YAML 1.1 with JSON's types. Plain `null`, `~` and nothing are null, `true` and `false` booleans,
 * decimal numbers numbers; all else, and all that is quoted or tagged !!str, is a string. Aliases
 * share what they name (so do not change the tree) and merge keys (<<) are merged. Only the first
 * document counts, as for kubectl.
 *
 * Outside input: at most MAX_YAML_DEPTH deep and MAX_YAML_NODES nodes, aliases counting as what
 * they name, duplicate keys and NUL characters refused. Errors name the line and never quote the
 * content, which may be secret.
 */
#ifndef JDIAG_KUBE_YAML_H
#define JDIAG_KUBE_YAML_H

#include <stddef.h>

#include "remote/base/error.h"

struct json_t;

/* `what` names it in the error: "what, line 7: why". A new reference (json null for an empty text),
 * or NULL with ERR_USAGE. */
struct json_t *yaml_from_text(const char *text, size_t len, const char *what,
			      struct error *err) must_check;

#endif
