#include "jdiag/filter.h"

#include <jansson.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/filter_parse.h"
#include "jdiag/json.h"
#include "remote/base/str.h"

void filter_free(struct filter *f)
{
	if (!f)
		return;
	filter_free(f->left);
	filter_free(f->right);
	if (f->has_regex)
		regfree(&f->regex);
	free(f->field);
	free(f->value);
	free(f);
}

const char *filter_unknown_field(const struct filter *f, const char *const *known)
{
	const char *unknown;

	if (!f)
		return NULL;
	if (f->field) {
		size_t n = strcspn(f->field, ".");

		for (; *known; known++)
			if (strlen(*known) == n && strncmp(*known, f->field, n) == 0)
				return NULL;
		return f->field;
	}
	unknown = filter_unknown_field(f->left, known);
	return unknown ? unknown : filter_unknown_field(f->right, known);
}

/* ---- one value ---- */

/* A plain decimal number: strtod alone takes "nan", "0x10" and blanks, too. */
static bool to_number(const char *s, double *ret)
{
	char *end;

	if (!str_only(s, "0123456789+-.eE") || strlen(s) > 64)
		return false;
	*ret = strtod(s, &end);
	return !*end;
}

/* * stands for any text; everything else for itself. The last star is the only one that may have to
 * be tried again. */
static bool fits_pattern(const char *s, const char *pattern)
{
	const char *star = NULL, *from = NULL;

	while (*s) {
		if (*pattern == '*') {
			star = ++pattern;
			from = s;
		} else if (*pattern == *s) {
			pattern++;
			s++;
		} else if (star) {
			pattern = star;
			s = ++from;
		} else {
			return false;
		}
	}
	return !pattern[strspn(pattern, "*")];
}

static int compare(const char *a, const char *b)
{
	double x, y;

	if (to_number(a, &x) && to_number(b, &y))
		return x < y ? -1 : x > y;
	return strcmp(a, b);
}

static bool text_fits(const struct filter *f, const char *text, bool number)
{
	switch (f->op) {
	case FILTER_EQUAL:
	case FILTER_NOT_EQUAL:
		return strcmp(text, f->value) == 0 || (number && compare(text, f->value) == 0);
	case FILTER_HAS:
		return fits_pattern(text, f->value);
	case FILTER_LESS:
		return compare(text, f->value) < 0;
	case FILTER_LESS_EQUAL:
		return compare(text, f->value) <= 0;
	case FILTER_GREATER:
		return compare(text, f->value) > 0;
	case FILTER_GREATER_EQUAL:
		return compare(text, f->value) >= 0;
	case FILTER_REGEX:
	case FILTER_NOT_REGEX:
		return regexec(&f->regex, text, 0, NULL, 0) == 0;
	default:
		return false;
	}
}

static bool value_fits(const struct filter *f, const json_t *value)
{
	char number[40];
	const json_t *one;
	size_t i;

	if (json_is_array(value)) {
		json_array_foreach (value, i, one)
			if (!json_is_array(one) && value_fits(f, one))
				return true;
		return false;
	}
	if (json_is_string(value))
		return text_fits(f, json_string_value(value), false);
	if (json_is_boolean(value))
		return text_fits(f, json_is_true(value) ? "true" : "false", false);
	if (json_is_number(value)) {
		snprintf(number, sizeof(number), "%.15g", json_number_value(value));
		return text_fits(f, number, true);
	}
	/* an object: all that can be asked is whether it is there */
	return json_is_object(value) && f->op == FILTER_HAS && strcmp(f->value, "*") == 0;
}

/* The value at a path whose names may hold dots themselves: the longest member first. */
static const json_t *find(const json_t *object, const char *path)
{
	const json_t *value = json_object_get(object, path), *below;
	size_t n = strlen(path);

	while (!value && n--) {
		auto_free char *head = path[n] == '.' ? xstrndup(path, n) : NULL;

		below = head ? json_object_get(object, head) : NULL;
		value = json_is_object(below) ? find(below, path + n + 1) : NULL;
	}
	return value;
}

bool filter_matches(const struct filter *f, const json_t *object)
{
	const json_t *value;
	bool fits;

	switch (f->op) {
	case FILTER_AND:
		return filter_matches(f->left, object) && filter_matches(f->right, object);
	case FILTER_OR:
		return filter_matches(f->left, object) || filter_matches(f->right, object);
	case FILTER_NOT:
		return !filter_matches(f->left, object);
	default:
		break;
	}
	value = find(object, f->field);
	fits = value && value_fits(f, value);
	return f->op == FILTER_NOT_EQUAL || f->op == FILTER_NOT_REGEX ? !fits : fits;
}
