#include "jdiag/agent/place.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "jdiag/helper/helper.h"
#include "jdiag/json.h"
#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"

#define PIECE (1 * MiB)		/* between two looks at what the helper says */
#define PLACE_TIMEOUT_MS 120000 /* for the container's disk, after the last byte */
#define UNPLACE_TIMEOUT_MS 60000

/* What has arrived for this request, if it is its end: 1; 0; -1. */
static int next_answer(struct helper *h, uint32_t id, uint64_t timeout_ms, json_t **ret,
		       struct error *err)
{
	struct helper_message m;

	if (helper_next(h, timeout_ms, &m, err) < 0)
		return -1;
	if (m.kind == HELPER_NOTHING || m.request != id || m.kind == HELPER_PROGRESS)
		return 0;
	if (m.kind == HELPER_ERROR) {
		*err = m.error;
		return -1;
	}
	if (m.kind != HELPER_RESULT)
		return error_set(err, ERR_FAILED, "protocol error: 'place' answered with data");
	*ret = json_incref(m.json);
	return 1;
}

static int wait_for_answer(struct helper *h, uint32_t id, json_t **ret, struct error *err)
{
	uint64_t deadline = now_ms() + PLACE_TIMEOUT_MS;

	for (;;) {
		uint64_t now = now_ms();
		int rc = next_answer(h, id, deadline > now ? deadline - now : 0, ret, err);

		if (rc)
			return rc < 0 ? -1 : 0;
		if (now_ms() < deadline)
			continue;
		if (helper_cancel(h, id, err) < 0)
			return -1;
		return error_set(err, ERR_NODE,
				 "the file could not be placed in the container within %d s",
				 PLACE_TIMEOUT_MS / 1000);
	}
}

/* All of it; what the helper refuses is noticed on the way. */
static int send_all(struct helper *h, uint32_t id, const char *data, size_t len, json_t **ret,
		    struct error *err)
{
	for (size_t at = 0; at < len;) {
		size_t n = len - at < PIECE ? len - at : PIECE;
		int rc;

		if (helper_send_data(h, id, at, data + at, n, err) < 0)
			return -1;
		at += n;
		rc = at < len ? next_answer(h, id, 0, ret, err) : 0;
		if (rc)
			return rc < 0 ? -1
				      : error_set(err, ERR_FAILED,
						  "protocol error: 'place' answered too early");
	}
	return wait_for_answer(h, id, ret, err);
}

/* It becomes part of what a JVM is told, and is shown: the node may lie. */
static bool is_path_of(const char *path, const char *name)
{
	size_t len = strlen(path), tail = strlen(name);

	for (const char *p = path; *p; p++)
		if (*p <= ' ' || *p > '~' || *p == '=')
			return false;
	return *path == '/' && len > tail + 1 && path[len - tail - 1] == '/' &&
	       strcmp(path + len - tail, name) == 0 && !strstr(path, "/../");
}

static int take_result(const json_t *answer, const char *name, const char *replace,
		       struct placed *ret, struct error *err)
{
	const char *path = json_str_at(answer, "path", ""), *how = json_str_at(answer, "how", "");
	struct placed p = {.mounted = strcmp(how, "mount") == 0,
			   .existed = json_bool_at(answer, "existed", false)};
	const char *why = json_str_at(answer, "why", "");

	if (!is_path_of(path, name) || (replace && strcmp(path, replace) != 0) ||
	    !str_copy(p.path, sizeof(p.path), path) ||
	    (!p.mounted && strcmp(how, "directory") != 0))
		return error_set(err, ERR_FAILED,
				 "protocol error: 'place' says '%s' for where '%s' lies", path,
				 name);
	str_escape(p.why, sizeof(p.why), why, strlen(why), NULL);
	*ret = p;
	return 0;
}

static json_t *place_params(const struct jvmref *j, const char *name, size_t len,
			    const char *sha256, bool exec, const char *replace)
{
	json_t *params = jvmref_params(j);

	json_object_set_new(params, "name", json_string(name));
	json_object_set_new(params, "size", json_integer((json_int_t)len));
	json_object_set_new(params, "sha256", json_string(sha256));
	json_object_set_new(params, "exec", json_boolean(exec));
	json_object_set_new(params, "path", json_string(replace ? replace : ""));
	return params;
}

int agent_place(struct helper *h, const struct jvmref *j, const char *name, const void *data,
		size_t len, const char *sha256, bool exec, const char *replace, struct placed *ret,
		struct error *err)
{
	auto_json json_t *params = place_params(j, name, len, sha256, exec, replace);
	auto_json json_t *answer = NULL;
	uint32_t id;

	if (len == 0 || len > MAX_PLACED)
		return error_set(err, ERR_USAGE, "'%s' has %zu bytes; 1 to %lu can be placed", name,
				 len, MAX_PLACED);
	if (helper_request(h, "place", params, &id, err) < 0 ||
	    send_all(h, id, data, len, &answer, err) < 0)
		return -1;
	return take_result(answer, name, replace, ret, err);
}

static json_t *unplace(struct helper *h, const struct jvmref *j, const char *path,
		       const char *begin, struct error *err)
{
	auto_json json_t *params = jvmref_params(j);
	json_t *answer = NULL;

	json_object_set_new(params, "path", json_string(path));
	if (*begin)
		json_object_set_new(params, "begin", json_string(begin));
	return helper_call(h, "unplace", params, UNPLACE_TIMEOUT_MS, &answer, err) < 0 ? NULL
										       : answer;
}

int agent_unplace(struct helper *h, const struct jvmref *j, const char *path, bool *ret_removed,
		  struct error *err)
{
	auto_json json_t *answer = unplace(h, j, path, "", err);

	if (!answer)
		return -1;
	*ret_removed = json_is_true(json_at(answer, "removed"));
	return 0;
}

int agent_unplace_like(struct helper *h, const struct jvmref *j, const char *path,
		       const char *begin, char ret_name[AGENT_NAME_SIZE], struct error *err)
{
	auto_json json_t *answer = unplace(h, j, path, begin, err);

	if (!answer)
		return -1;
	snprintf(ret_name, AGENT_NAME_SIZE, "%s", json_str_at(answer, "name", ""));
	return 0;
}
