#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/kube/node.h"
#include "jdiag/nearest.h"
#include "jdiag/options.h"
#include "remote/base/limits.h"
#include "remote/base/log.h"
#include "remote/base/str.h"

#define MAX_PID (1u << 22) /* PID_MAX_LIMIT of 64-bit kernels */
#define MAX_COUNT 32
#define MAX_LEVEL 9

/* One option on its way in: from argv ("--timeout", "-p") or from a variable ("JDIAG_TIMEOUT"). */
struct incoming {
	const struct option_spec *spec;
	const char *as; /* how the user spelled it */
	const char *value;
};

static int bad_value(const struct incoming *in, const char *what, const char *valid,
		     struct error *err)
{
	error_set(err, ERR_USAGE, "bad %s '%s' for '%s'", what, in->value, in->as);
	return error_hint(err, "%s", valid);
}

static int list_values(const struct incoming *in, struct error *err)
{
	char text[128] = "valid: ";
	const char *at = in->spec->values, *word;
	size_t used = strlen(text), len;

	while ((word = option_next_word(&at, &len)))
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%.*s%s", (int)len, word,
					 *at ? ", " : "");
	return bad_value(in, "value", text, err);
}

/* The position of the value among the valid words, or -1. */
static int find_value(const struct incoming *in, const char **ret_word)
{
	const char *at = in->spec->values, *word;
	size_t len;

	for (int i = 0; (word = option_next_word(&at, &len)); i++)
		if (strlen(in->value) == len && strncmp(word, in->value, len) == 0) {
			*ret_word = in->value;
			return i;
		}
	return -1;
}

static int take_bool(const struct incoming *in, bool when_true, bool *member, struct error *err)
{
	if (!in->value || strcmp(in->value, "true") == 0 || strcmp(in->value, "1") == 0)
		*member = when_true;
	else if (strcmp(in->value, "false") == 0 || strcmp(in->value, "0") == 0)
		*member = !when_true;
	else
		return bad_value(in, "value", "valid: true, false", err);
	return 0;
}

static int take_choice(const struct incoming *in, void *member, struct error *err)
{
	const char *word;
	int position = find_value(in, &word);
	unsigned int value = (unsigned int)position;

	if (position < 0)
		return list_values(in, err);
	if (in->spec->kind == OPTION_WORD)
		*(const char **)member = word;
	else
		memcpy(member, &value, sizeof(value)); /* each enum here has the size of an int */
	return 0;
}

_Static_assert(sizeof(enum sudo_mode) == sizeof(int) && sizeof(enum output_format) == sizeof(int) &&
		       sizeof(enum ssh_way) == sizeof(int) &&
		       sizeof(enum progress_mode) == sizeof(int),
	       "take_choice stores an int");

static int take_number(const struct incoming *in, void *member, struct error *err)
{
	uint64_t v;

	if (in->spec->kind == OPTION_DURATION) {
		if (!str_to_duration_ms(in->value, &v))
			return bad_value(in, "duration", "a duration looks like 30s, 5m or 1h30m",
					 err);
		*(uint64_t *)member = v;
	} else if (in->spec->kind == OPTION_PORT) {
		if (!str_to_u64(in->value, UINT16_MAX, &v) || v == 0)
			return bad_value(in, "port", "a port is a number from 1 to 65535", err);
		*(uint16_t *)member = (uint16_t)v;
	} else if (in->spec->kind == OPTION_COUNT) {
		if (!str_to_u64(in->value, MAX_COUNT, &v) || v == 0)
			return bad_value(in, "number", "a number from 1 to 32", err);
		*(uint64_t *)member = v;
	} else if (in->spec->kind == OPTION_WINDOW) {
		if (!str_to_u64(in->value, MAX_CONNECTIONS, &v) || v == 0)
			return bad_value(in, "number", "a number from 1 to 256", err);
		*(uint64_t *)member = v;
	} else if (in->spec->kind == OPTION_LIMIT) {
		if (!str_to_u64(in->value, UINT32_MAX, &v))
			return bad_value(in, "number", "valid: 0 and whole numbers above", err);
		*(uint64_t *)member = v ? v : UINT64_MAX;
	} else {
		if (!str_to_u64(in->value, MAX_PID, &v) || v == 0)
			return bad_value(in, "pid", "a pid is a number from 1 to 4194304", err);
		*(uint64_t *)member = v;
	}
	return 0;
}

static int take_level(const struct incoming *in, int *member, struct error *err)
{
	uint64_t v;

	if (!in->value) {
		/* -v, -vv, -vvv: the three levels at which something new is said */
		*member = *member < LOG_NOTICE ? LOG_NOTICE
			  : *member < LOG_STEP ? LOG_STEP
					       : LOG_DEBUG;
		return 0;
	}
	if (!str_to_u64(in->value, MAX_LEVEL, &v))
		return bad_value(in, "level", "a level is a number from 0 to 9", err);
	*member = (int)v;
	return 0;
}

static int take_list(const struct incoming *in, const char **list, struct error *err)
{
	for (size_t i = 0; i < MAX_IDENTITIES; i++)
		if (!list[i]) {
			list[i] = in->value;
			return 0;
		}
	return error_set(err, ERR_USAGE, "too many '%s': at most %d", in->as, MAX_IDENTITIES);
}

static int take_address(const struct incoming *in, const char **member, struct error *err)
{
	enum node_way way;

	if (node_way_parse(in->value, &way, err) < 0)
		return str_starts(in->as, "--") ? -1 : error_prefix(err, "%s", in->as);
	*member = in->value;
	return 0;
}

static int take(struct options *o, const struct incoming *in, struct error *err)
{
	void *member = (char *)o + in->spec->at;

	if (in->value && !*in->value && in->spec->argument)
		return error_set(err, ERR_USAGE, "'%s' needs a value: %s", in->as,
				 in->spec->argument);
	switch (in->spec->kind) {
	case OPTION_FLAG:
		return take_bool(in, true, member, err);
	case OPTION_UNFLAG:
		return take_bool(in, false, member, err);
	case OPTION_LEVEL:
		return take_level(in, member, err);
	case OPTION_LIST:
		return take_list(in, member, err);
	case OPTION_ENUM:
	case OPTION_WORD:
		return take_choice(in, member, err);
	case OPTION_ADDRESS:
		return take_address(in, member, err);
	case OPTION_STRING:
		*(const char **)member = in->value;
		return 0;
	case OPTION_DURATION:
	case OPTION_PORT:
	case OPTION_PID:
	case OPTION_COUNT:
	case OPTION_WINDOW:
	case OPTION_LIMIT:
		return take_number(in, member, err);
	}
	return 0;
}

static int take_given(struct options *o, const struct incoming *in, struct error *err)
{
	if (take(o, in, err) < 0)
		return -1;
	o->given[in->spec - option_table] = true;
	return 0;
}

static int missing_value(const struct option_spec *s, const char *as, struct error *err)
{
	return error_set(err, ERR_USAGE, "'%s' needs a value: %s", as, s->argument);
}

static int unknown_long(const char *name, struct error *err)
{
	struct nearest n;

	nearest_init(&n, name);
	for (const struct option_spec *s = option_table; s->name; s++)
		nearest_offer(&n, s->name);
	error_set(err, ERR_USAGE, "unknown option '--%s'", name);
	if (n.best)
		error_hint(err, "did you mean '--%s'?", n.best);
	return -1;
}

/* "--name", "--name=value", "--name value". *next: the word behind it, or NULL; *used: whether it
 * was the value. */
static int parse_long(struct options *o, const char *word, const char *next, bool *used,
		      struct error *err)
{
	char name[64], as[70];
	size_t len = strcspn(word + 2, "=");
	struct incoming in = {.as = as};

	snprintf(name, sizeof(name), "%.*s", (int)(len < sizeof(name) ? len : sizeof(name) - 1),
		 word + 2);
	snprintf(as, sizeof(as), "--%s", name);
	in.spec = option_find(name);
	if (!in.spec)
		return unknown_long(name, err);
	if (word[2 + len] == '=') {
		in.value = word + 2 + len + 1;
	} else if (in.spec->argument) {
		if (!next)
			return missing_value(in.spec, as, err);
		in.value = next;
		*used = true;
	}
	return take_given(o, &in, err);
}

static const struct option_spec *find_letter(char letter)
{
	for (const struct option_spec *s = option_table; s->name; s++)
		if (s->letter == letter)
			return s;
	return NULL;
}

/* "-qv", "-n value", "-nvalue", "-n=value", "-v=4", "-v4". */
static int parse_letters(struct options *o, const char *word, const char *next, bool *used,
			 struct error *err)
{
	for (const char *p = word + 1; *p; p++) {
		char as[3] = {'-', *p, '\0'};
		struct incoming in = {find_letter(*p), as, NULL};
		bool attached =
			p[1] == '=' || (in.spec && in.spec->argument && p[1]) ||
			(in.spec && in.spec->kind == OPTION_LEVEL && p[1] >= '0' && p[1] <= '9');

		if (!in.spec)
			return error_set(err, ERR_USAGE, "unknown option '%s' in '%s'", as, word);
		if (attached) {
			in.value = p + 1 + (p[1] == '=');
		} else if (in.spec->argument) {
			if (!next)
				return missing_value(in.spec, as, err);
			in.value = next;
			*used = true;
		}
		if (take_given(o, &in, err) < 0)
			return -1;
		if (in.value)
			break;
	}
	return 0;
}

int options_parse(char *const *argv, struct options *o, char ***ret_words, struct error *err)
{
	size_t count = 0, n = 0;
	bool ended = false;
	int r = 0;
	char **words;

	while (argv[count])
		count++;
	words = xcalloc(count + 1, sizeof(*words));
	*ret_words = words;
	for (size_t i = count ? 1 : 0; i < count && r == 0; i++) {
		char *word = argv[i];
		bool used = false;

		if (ended || word[0] != '-' || !word[1])
			words[n++] = word;
		else if (strcmp(word, "--") == 0)
			ended = true;
		else if (word[1] == '-')
			r = parse_long(o, word, argv[i + 1], &used, err);
		else
			r = parse_letters(o, word, argv[i + 1], &used, err);
		i += used;
	}
	return r;
}

int options_from_environment(struct options *o, const struct command *c, struct error *err)
{
	for (const struct option_spec *s = option_table; s->name; s++) {
		char name[64];
		const char *value = getenv(option_env_name(s, name));

		if (!name[0] || !value || !*value || !option_taken(s, c) || option_given(o, s))
			continue;
		if (take(o, &(struct incoming){s, name, value}, err) < 0)
			return -1;
	}
	return 0;
}
