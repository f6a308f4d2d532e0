#include "jdiag/kube/quantity.h"

#include <string.h>

/* A value is number * 2^two * 10^ten. */
struct scale {
	int two, ten;
};

static const struct {
	const char *name;
	struct scale scale;
} suffixes[] = {
	{"", {0, 0}},	 {"n", {0, -9}},  {"u", {0, -6}},  {"m", {0, -3}},
	{"k", {0, 3}},	 {"M", {0, 6}},	  {"G", {0, 9}},   {"T", {0, 12}},
	{"P", {0, 15}},	 {"E", {0, 18}},  {"Ki", {10, 0}}, {"Mi", {20, 0}},
	{"Gi", {30, 0}}, {"Ti", {40, 0}}, {"Pi", {50, 0}}, {"Ei", {60, 0}},
};

/* "e9", "E-3": at most two digits, far beyond what 64 bits hold. */
static bool parse_exponent(const char *s, int *ten)
{
	int sign = 1, n = 0;

	if (*s != 'e' && *s != 'E')
		return false;
	s++;
	if (*s == '+' || *s == '-')
		sign = *s++ == '-' ? -1 : 1;
	if (!*s || strlen(s) > 2 || s[strspn(s, "0123456789")])
		return false;
	for (; *s; s++)
		n = n * 10 + (*s - '0');
	*ten = sign * n;
	return true;
}

static bool parse_suffix(const char *s, struct scale *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		if (strcmp(s, suffixes[i].name) == 0) {
			*ret = suffixes[i].scale;
			return true;
		}
	}
	*ret = (struct scale){0, 0};
	return parse_exponent(s, &ret->ten);
}

/* Digits with at most one point; the places behind it go into *places. At most 18 digits count, so
 * that 2^60 times the number fits into 128 bits. */
static bool parse_number(const char **s, uint64_t *ret, int *places)
{
	bool point = false;
	int n = 0, seen = 0;

	*ret = 0;
	*places = 0;
	for (; (**s >= '0' && **s <= '9') || (**s == '.' && !point); (*s)++) {
		if (**s == '.') {
			point = true;
			continue;
		}
		seen++;
		n += n || **s != '0'; /* leading zeros cost nothing */
		if (n > 18)
			return false;
		*ret = *ret * 10 + (uint64_t)(**s - '0');
		*places += point;
	}
	return seen > 0 && *places <= 18;
}

bool quantity_to_bytes(const char *text, uint64_t *ret)
{
	unsigned __int128 v;
	struct scale scale;
	uint64_t number;
	int places;

	text += *text == '+';
	if (!parse_number(&text, &number, &places) || !parse_suffix(text, &scale))
		return false;
	v = (unsigned __int128)number << scale.two;
	for (scale.ten -= places; scale.ten > 0 && v <= UINT64_MAX; scale.ten--)
		v *= 10;
	for (; scale.ten < 0 && v; scale.ten++) {
		bool more = v % 10 != 0;

		v = v / 10 + more;
	}
	*ret = v > UINT64_MAX ? UINT64_MAX : (uint64_t)v;
	return true;
}
