/*
 * JSON trees (jansson), the common data type of API answers, kubeconfig, helper messages, manifests
 * and results. Headers say `struct json_t *`; a .c that touches one includes <jansson.h>.
 * Everything parsed here comes from outside: size is the caller's limit, depth is bounded,
 * duplicate keys are refused.
 */
#ifndef JDIAG_JSON_H
#define JDIAG_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "remote/base/error.h"

struct json_t;

/* Parse one JSON text, nested at most MAX_JSON_DEPTH_OUTSIDE deep. `what` names it in the error
 * ("answer of the cluster API"). A new reference, or NULL. */
struct json_t *json_from_text(const char *text, size_t len, const char *what, enum err_code code,
			      struct error *err) must_check;

/* The value at a dotted path of object members ("metadata.name"; names here never contain a dot),
 * or NULL. Borrowed. */
struct json_t *json_at(const struct json_t *root, const char *path);

/* The value there when it has that type, else the default. Strings are borrowed. */
const char *json_str_at(const struct json_t *root, const char *path, const char *otherwise);
uint64_t json_u64_at(const struct json_t *root, const char *path, uint64_t otherwise);
bool json_bool_at(const struct json_t *root, const char *path, bool otherwise);

/* text as a member of object; escaped if it is not UTF-8 (a path), which JSON cannot hold. */
void json_set_text(struct json_t *object, const char *key, const char *text);

/* One line, keys in the order of insertion; free with free(). */
char *json_to_line(const struct json_t *root) must_check;

void json_cleanup(struct json_t **root); /* decref; NULL is fine */

#define auto_json auto_cleanup(json_cleanup)

#endif
