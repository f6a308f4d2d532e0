#include "jdiag/survey.h"

#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "jdiag/helper/helper.h"
#include "jdiag/json.h"
#include "remote/base/str.h"

#define SURVEY_MS 30000

static bool is_port(const json_t *v)
{
	return json_is_integer(v) && json_integer_value(v) > 0 &&
	       json_integer_value(v) <= UINT16_MAX;
}

static bool is_listener(const json_t *v)
{
	return json_is_string(json_object_get(v, "address")) && is_port(json_object_get(v, "port"));
}

static bool is_text(const json_t *v)
{
	return json_is_string(v);
}

static bool is_size(const json_t *v)
{
	return json_is_integer(v) && json_integer_value(v) >= 0;
}

/* An array of these at that name. */
static bool is_list(const json_t *answer, const char *name, bool (*is)(const json_t *v))
{
	const json_t *list = json_object_get(answer, name), *v;
	size_t i;

	if (!json_is_array(list))
		return false;
	json_array_foreach (list, i, v)
		if (!is(v))
			return false;
	return true;
}

static bool is_survey(const json_t *a)
{
	return is_list(a, "listening", is_listener) && is_list(a, "own", is_port) &&
	       is_list(a, "jars", is_text) && is_list(a, "agents", is_text) &&
	       json_is_boolean(json_object_get(a, "security_manager")) &&
	       json_is_boolean(json_object_get(a, "truncated")) &&
	       is_size(json_at(a, "memory.limit")) && is_size(json_at(a, "memory.usage"));
}

int survey_with(struct helper *h, const struct jvmref *j, uint16_t port, const char *variable,
		struct json_t **ret, struct error *err)
{
	auto_json json_t *params = jvmref_params(j), *answer = NULL;

	if (port)
		json_object_set_new(params, "port", json_integer(port));
	if (variable)
		json_object_set_new(params, "variable", json_string(variable));
	if (helper_call(h, "survey", params, SURVEY_MS, &answer, err) < 0)
		return -1;
	if (!is_survey(answer) || (port && (!is_size(json_object_get(answer, "bind")) ||
					    !is_size(json_object_get(answer, "next")))))
		return error_set(err, ERR_FAILED, "protocol error: what 'survey' answered is none");
	*ret = STEAL(answer);
	return 0;
}

int survey(struct helper *h, const struct jvmref *j, struct json_t **ret, struct error *err)
{
	return survey_with(h, j, 0, NULL, ret, err);
}

int survey_bind(const struct json_t *answer)
{
	return (int)(json_u64_at(answer, "bind", 0) & INT_MAX);
}

uint16_t survey_next(const struct json_t *answer)
{
	uint64_t next = json_u64_at(answer, "next", 0);

	return next <= UINT16_MAX ? (uint16_t)next : 0;
}

bool survey_listens(const struct json_t *answer, uint16_t port)
{
	const json_t *list = json_object_get(answer, "listening"), *v;
	size_t i;

	if (json_bool_at(answer, "crowded", false))
		return true;
	json_array_foreach (list, i, v)
		if (json_u64_at(v, "port", 0) == port)
			return true;
	return false;
}

bool survey_listens_self(const struct json_t *answer, uint16_t port)
{
	const json_t *list = json_object_get(answer, "own"), *v;
	size_t i;

	json_array_foreach (list, i, v)
		if (json_integer_value(v) == port)
			return true;
	return false;
}

void survey_own(const struct json_t *answer, char dst[64])
{
	const json_t *list = json_object_get(answer, "own"), *v;
	size_t i;

	dst[0] = '\0';
	json_array_foreach (list, i, v) {
		size_t len = strlen(dst);

		if (len < 64 - sizeof(", 65535"))
			snprintf(dst + len, 64 - len, "%s%u", len ? ", " : "",
				 (unsigned int)(uint16_t)json_integer_value(v));
	}
}

static bool is_everywhere_or_loopback(const char *address)
{
	return strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0 ||
	       strcmp(address, "::1") == 0 || str_starts(address, "127.");
}

const char *survey_interface(const struct json_t *answer, uint16_t port)
{
	const json_t *list = json_object_get(answer, "listening"), *v;
	size_t i;

	json_array_foreach (list, i, v) {
		const char *address = json_str_at(v, "address", "");

		if (json_u64_at(v, "port", 0) == port && !is_everywhere_or_loopback(address))
			return address;
	}
	return NULL;
}
