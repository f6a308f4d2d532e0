#include "jdiag/json.h"

#include <jansson.h>
#include <string.h>

#include "remote/base/limits.h"
#include "remote/base/str.h"

/* jansson's own bound on depth is 2048; an answer that nests deeper than ours is an attack. Strings
 * are skipped: brackets inside them do not nest. */
static bool too_deep(const char *text, size_t len)
{
	unsigned int depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < len; i++) {
		char ch = text[i];

		if (in_string) {
			if (ch == '\\')
				i++;
			else if (ch == '"')
				in_string = false;
		} else if (ch == '"') {
			in_string = true;
		} else if (ch == '{' || ch == '[') {
			if (++depth > MAX_JSON_DEPTH_OUTSIDE)
				return true;
		} else if ((ch == '}' || ch == ']') && depth) {
			depth--;
		}
	}
	return false;
}

json_t *json_from_text(const char *text, size_t len, const char *what, enum err_code code,
		       struct error *err)
{
	json_error_t e;
	json_t *root;
	char *quote;

	if (too_deep(text, len)) {
		error_set(err, code, "%s is nested too deep", what);
		return NULL;
	}
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &e);
	if (!root) {
		/* jansson quotes up to 20 bytes of the text, which may be of a token */
		quote = strstr(e.text, " near '");
		if (quote)
			*quote = '\0';
		error_set(err, code, "%s is not JSON: %s (line %d)", what, e.text, e.line);
	}
	return root;
}

json_t *json_at(const json_t *root, const char *path)
{
	const json_t *at = root;

	while (at && *path) {
		size_t n = strcspn(path, ".");
		char name[256];

		if (n >= sizeof(name))
			return NULL;
		memcpy(name, path, n);
		name[n] = '\0';
		at = json_object_get(at, name);
		path += n + (path[n] == '.');
	}
	return (json_t *)at;
}

const char *json_str_at(const json_t *root, const char *path, const char *otherwise)
{
	const json_t *v = json_at(root, path);

	return json_is_string(v) ? json_string_value(v) : otherwise;
}

uint64_t json_u64_at(const json_t *root, const char *path, uint64_t otherwise)
{
	const json_t *v = json_at(root, path);

	return json_is_integer(v) && json_integer_value(v) >= 0 ? (uint64_t)json_integer_value(v)
								: otherwise;
}

bool json_bool_at(const json_t *root, const char *path, bool otherwise)
{
	const json_t *v = json_at(root, path);

	return json_is_boolean(v) ? json_is_true(v) : otherwise;
}

void json_set_text(json_t *object, const char *key, const char *text)
{
	auto_free char *escaped = str_escape_dup(text, strlen(text), "");
	json_t *exact = json_string(text);

	json_object_set_new(object, key, exact ? exact : json_string(escaped));
}

char *json_to_line(const json_t *root)
{
	char *s = json_dumps(root, JSON_COMPACT);

	if (!s)
		die_oom();
	return s;
}

void json_cleanup(json_t **root)
{
	json_decref(*root);
}
