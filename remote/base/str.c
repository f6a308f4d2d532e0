#include "remote/base/str.h"

#include <stdio.h>
#include <string.h>

#include "remote/base/error.h"

/* Length of the well-formed UTF-8 sequence at s (2 to 4 bytes) or 0; the code point in *cp. */
static size_t utf8_sequence(const unsigned char *s, size_t len, uint32_t *cp)
{
	size_t n = (s[0] & 0xe0) == 0xc0   ? 2
		   : (s[0] & 0xf0) == 0xe0 ? 3
		   : (s[0] & 0xf8) == 0xf0 ? 4
					   : 0;
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};

	if (n == 0 || n > len)
		return 0;
	*cp = s[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*cp = *cp << 6 | (s[i] & 0x3fu);
	}
	if (*cp < least[n] || *cp > 0x10ffff || (*cp >= 0xd800 && *cp <= 0xdfff))
		return 0;
	return n;
}

size_t str_utf8_sequence(const char *s, size_t len)
{
	uint32_t cp;

	return len ? utf8_sequence((const unsigned char *)s, len, &cp) : 0;
}

/* C1 controls, and what reorders the text around it (CVE-2021-42574). */
static bool code_point_is_safe(uint32_t cp)
{
	if (cp < 0xa0)
		return false;
	return !(cp >= 0x202a && cp <= 0x202e) && !(cp >= 0x2066 && cp <= 0x2069) &&
	       !(cp >= 0x200e && cp <= 0x200f) && cp != 0x2028 && cp != 0x2029;
}

size_t str_escape(char *dst, size_t size, const char *src, size_t len, const char *keep)
{
	const unsigned char *s = (const unsigned char *)src;
	size_t out = 0;

	for (size_t i = 0; i < len;) {
		char esc[5];
		const char *piece = (const char *)s + i;
		size_t n = 1, consumed = 1;
		uint32_t cp;

		if (s[i] >= 0x80) {
			size_t seq = utf8_sequence(s + i, len - i, &cp);

			if (seq && code_point_is_safe(cp))
				n = consumed = seq;
			else
				n = 0;
		} else if (s[i] < 0x20 || s[i] == 0x7f) {
			n = s[i] && keep && strchr(keep, s[i]) ? 1 : 0;
		}
		if (n == 0) {
			snprintf(esc, sizeof(esc), "\\x%02x", s[i]);
			piece = esc;
			n = 4;
		}
		if (out + n + 1 > size)
			break;
		memcpy(dst + out, piece, n);
		out += n;
		i += consumed;
	}
	if (size)
		dst[out] = '\0';
	return out;
}

char *str_escape_dup(const char *src, size_t len, const char *keep)
{
	char *dst = xmalloc(len * 4 + 1);

	str_escape(dst, len * 4 + 1, src, len, keep);
	return dst;
}

/* Digits at *s up to max; advances *s; false when there is no digit or the number is too large. */
static bool take_digits(const char **s, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;
	const char *p = *s;

	for (; *p >= '0' && *p <= '9'; p++) {
		unsigned int d = (unsigned int)(*p - '0');

		if (v > (max - d) / 10)
			return false;
		v = v * 10 + d;
	}
	if (p == *s)
		return false;
	*s = p;
	*ret = v;
	return true;
}

bool str_to_u64(const char *s, uint64_t max, uint64_t *ret)
{
	uint64_t v;

	if (!take_digits(&s, max, &v) || *s)
		return false;
	*ret = v;
	return true;
}

bool str_to_duration_ms(const char *s, uint64_t *ret_ms)
{
	static const struct {
		const char *unit;
		uint64_t ms;
	} units[] = {{"ms", 1}, {"h", 3600000}, {"m", 60000}, {"s", 1000}};
	const uint64_t limit = UINT64_C(10) * 365 * 24 * 3600 * 1000;
	uint64_t total = 0, v;

	if (str_to_u64(s, limit / 1000, &v)) {
		*ret_ms = v * 1000;
		return true;
	}
	do {
		size_t i;

		if (!take_digits(&s, limit, &v))
			return false;
		for (i = 0; i < ARRAY_SIZE(units); i++)
			if (str_starts(s, units[i].unit))
				break;
		if (i == ARRAY_SIZE(units) || v > limit / units[i].ms)
			return false;
		total += v * units[i].ms;
		s += strlen(units[i].unit);
	} while (*s && total <= limit);
	if (total > limit)
		return false;
	*ret_ms = total;
	return true;
}

bool str_to_size(const char *s, uint64_t *ret_bytes)
{
	static const char prefixes[] = "KMGT";
	uint64_t v;
	const char *unit;

	if (!take_digits(&s, UINT64_MAX, &v))
		return false;
	if (*s == '\0' || strcmp(s, "B") == 0) {
		*ret_bytes = v;
		return true;
	}
	unit = strchr(prefixes, *s);
	if (!unit || (s[1] && strcmp(s + 1, "iB") != 0))
		return false;
	for (const char *p = prefixes; p <= unit; p++) {
		if (v > UINT64_MAX >> 10)
			return false;
		v <<= 10;
	}
	*ret_bytes = v;
	return true;
}

bool str_only(const char *s, const char *set)
{
	return *s && s[strspn(s, set)] == '\0';
}

bool str_copy(char *dst, size_t size, const char *src)
{
	size_t n = strlen(src);

	if (n >= size)
		return false;
	memcpy(dst, src, n + 1);
	return true;
}

bool str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && strcmp(s + n - m, suffix) == 0;
}

char *str_format_size(char dst[16], uint64_t bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
	double v = (double)bytes;
	size_t u = 0;

	while (v >= 1024 && u + 1 < ARRAY_SIZE(units)) {
		v /= 1024;
		u++;
	}
	snprintf(dst, 16, u && v < 100 ? "%.1f %s" : "%.0f %s", v, units[u]);
	return dst;
}

char *str_format_age(char dst[24], uint64_t seconds)
{
	static const struct {
		uint64_t below, unit;
		char letter;
	} steps[] = {{120, 1, 's'}, {7200, 60, 'm'}, {172800, 3600, 'h'}, {UINT64_MAX, 86400, 'd'}};
	size_t i = 0;

	while (seconds >= steps[i].below && i + 1 < ARRAY_SIZE(steps))
		i++;
	snprintf(dst, 24, "%llu%c", (unsigned long long)(seconds / steps[i].unit), steps[i].letter);
	return dst;
}

char *str_format_ms(char dst[16], uint64_t ms)
{
	if (ms < 1000)
		snprintf(dst, 16, "%ums", (unsigned int)ms);
	else if (ms < 60000)
		snprintf(dst, 16, "%.1fs", (double)ms / 1000);
	else if (ms < 3600000)
		snprintf(dst, 16, "%um%02us", (unsigned int)(ms / 60000),
			 (unsigned int)(ms / 1000 % 60));
	else
		snprintf(dst, 16, "%uh%02um", (unsigned int)(ms / 3600000),
			 (unsigned int)(ms / 60000 % 60));
	return dst;
}

char *str_shell_word(const char *text)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789@%+=:,./_-";
	size_t size = strlen(text) * 4 + 3, n = 0;
	char *word;

	if (str_only(text, plain))
		return xstrdup(text);
	word = xmalloc(size);
	word[n++] = '\'';
	for (; *text; text++) {
		if (*text == '\'') {
			memcpy(word + n, "'\\''", 4);
			n += 4;
		} else {
			word[n++] = *text;
		}
	}
	word[n++] = '\'';
	word[n] = '\0';
	return word;
}

char *str_hex(char *dst, const unsigned char *src, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		dst[2 * i] = digits[src[i] >> 4];
		dst[2 * i + 1] = digits[src[i] & 15];
	}
	dst[2 * len] = '\0';
	return dst;
}
