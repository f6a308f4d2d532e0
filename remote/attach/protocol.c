/* The bytes of HotSpot's attach protocol, both ways. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "remote/attach/hotspot.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"

#define V1_ARGS 3
#define V1_MAX_COMMAND 16
#define V2_FIRST_JDK 24

/* "1.8.0_504" is 8, "17.0.15" is 17, "25-ea" is 25; 0 when unknown. *rest: behind it. */
static unsigned long feature_release(const char *version, const char **rest)
{
	char *end;
	unsigned long n;

	if (str_starts(version, "1."))
		version += 2;
	if (*version < '0' || *version > '9')
		return 0;
	n = strtoul(version, &end, 10);
	*rest = end;
	return n;
}

unsigned int hotspot_release(const char *version)
{
	const char *rest;
	unsigned long n = feature_release(version, &rest);

	return n < 1000 ? (unsigned int)n : 0;
}

/* "OpenJDK 64-Bit Server VM version 25.504-b08\nJDK 8.0_504\n": 8 calls itself 1.8 elsewhere. */
bool hotspot_parse_version(const char *text, char *ret, size_t size)
{
	const char *p = str_starts(text, "JDK ") ? text : strstr(text, "\nJDK ");
	size_t n;

	if (!p)
		return false;
	p = strchr(p, ' ') + 1;
	n = strspn(p, "0123456789._");
	if (!n || n + sizeof("1.") > size || *p < '1' || *p > '9')
		return false;
	snprintf(ret, size, "%s%.*s", str_starts(p, "8.0_") ? "1." : "", (int)n, p);
	return true;
}

/* "\t-overwrite : [optional] If specified ..." */
bool hotspot_help_lists(const char *text, const char *option)
{
	size_t n = strlen(option);

	for (const char *p = text; (p = strstr(p, option)); p += n)
		if ((p == text || strchr(" \t\n[", p[-1])) && p[n] && strchr(" \t\n=:]", p[n]))
			return true;
	return false;
}

bool hotspot_patches_dump(const char *version)
{
	const char *rest = "";
	unsigned long feature = feature_release(version, &rest);

	if (feature != 11)
		return feature < 14; /* JDK-8234510 */
	/* Backported in 11.0.14. */
	return !str_starts(rest, ".0.") || strtoul(rest + 3, NULL, 10) < 14;
}

/* All three arguments are always written: JDK 8 to 23 wait for them. */
static void encode_v1(struct buf *b, const char *command, const char *const *args, size_t n)
{
	buf_add(b, "1", 2);
	buf_add(b, command, strlen(command) + 1);
	for (size_t i = 0; i < V1_ARGS; i++)
		buf_add(b, i < n ? args[i] : "", i < n ? strlen(args[i]) + 1 : 1);
}

static void encode_v2(struct buf *b, const char *command, const char *const *args, size_t n)
{
	size_t size = strlen(command) + 1;
	char digits[24];

	for (size_t i = 0; i < n; i++)
		size += strlen(args[i]) + 1;
	snprintf(digits, sizeof(digits), "%zu", size);
	buf_add(b, "2", 2);
	buf_add(b, digits, strlen(digits) + 1);
	buf_add(b, command, strlen(command) + 1);
	for (size_t i = 0; i < n; i++)
		buf_add(b, args[i], strlen(args[i]) + 1);
}

int hotspot_encode(struct buf *request, const char *version, const char *command,
		   const char *const *args, size_t n_args, struct error *err)
{
	const char *rest;
	bool fits = strlen(command) <= V1_MAX_COMMAND;

	if (n_args > HOTSPOT_MAX_ARGS)
		return error_set(err, ERR_ATTACH, "too many arguments for '%s'", command);
	for (size_t i = 0; i < n_args; i++)
		fits = fits && strlen(args[i]) <= HOTSPOT_V1_MAX_ARG;
	if (!fits && feature_release(version, &rest) < V2_FIRST_JDK) {
		error_set(err, ERR_ATTACH,
			  "the arguments of '%s' are too long: a JVM before JDK %d takes %d bytes "
			  "each",
			  command, V2_FIRST_JDK, HOTSPOT_V1_MAX_ARG);
		err->sys = E2BIG;
		return -1;
	}
	if (fits)
		encode_v1(request, command, args, n_args);
	else
		encode_v2(request, command, args, n_args);
	if (request->overflow)
		return error_set(err, ERR_ATTACH, "the arguments of '%s' are too long", command);
	return 0;
}

int hotspot_parse_reply(const struct buf *raw, struct hotspot_reply *ret, struct error *err)
{
	const char *s = buf_str(raw), *digits = s + (*s == '-');
	size_t n = strspn(digits, "0123456789");

	if (raw->len == 0)
		return error_set(err, ERR_ATTACH, "the JVM closed the connection unanswered");
	if (n == 0 || n > 6 || digits[n] != '\n')
		return error_set(err, ERR_ATTACH,
				 "the JVM's answer is not attach protocol: '%.60s'", s);
	*ret = (struct hotspot_reply){.code = (int)strtol(s, NULL, 10), .text = digits + n + 1};
	return 0;
}

/* The last line that says something; "Dumping heap to ..." comes before it. */
static void last_line(const char *text, char *dst, size_t size)
{
	const char *end = text + strlen(text), *start;

	while (end > text && strchr(" \t\r\n", end[-1]))
		end--;
	start = end;
	while (start > text && start[-1] != '\n')
		start--;
	snprintf(dst, size, "%.*s", (int)(end - start < 300 ? end - start : 300), start);
}

static uint64_t pause_of(const char *text)
{
	const char *p = strstr(text, " bytes in ");
	char *end;
	double secs;

	if (!p)
		return 0;
	/* HotSpot prints with its own "%3.3f": always a point, never a locale's comma. */
	secs = strtod(p + strlen(" bytes in "), &end);
	return str_starts(end, " secs") && secs > 0 && secs < 1e6 ? (uint64_t)(secs * 1000 + 0.5)
								  : 0;
}

int hotspot_check_dump(const struct hotspot_reply *reply, uint64_t *pause_ms, struct error *err)
{
	const char *created = strstr(reply->text, "Heap dump file created");
	char line[304];

	if (reply->code == 0 && created) {
		*pause_ms = pause_of(created);
		return 0;
	}
	last_line(reply->text, line, sizeof(line));
	error_set(err, ERR_CAPTURE, "the JVM could not write the heap dump: %s",
		  *line ? line : "it does not say why");
	if (strstr(line, "No space left") || strstr(line, "File too large"))
		error_hint(err, "free space where the dump is written, or choose another place");
	return -1;
}

/* "123K", "123M", "123G", "123B" or "123": bytes. */
static bool take_size(const char **p, uint64_t *ret)
{
	char *end;
	unsigned long long n;
	unsigned int shift = 0;

	if (**p < '0' || **p > '9')
		return false;
	n = strtoull(*p, &end, 10);
	switch (*end) {
	case 'K':
		shift = 10;
		break;
	case 'M':
		shift = 20;
		break;
	case 'G':
		shift = 30;
		break;
	case 'T':
		shift = 40;
		break;
	}
	if (shift || *end == 'B')
		end++;
	if (n > UINT64_MAX >> 16 >> shift)
		return false;
	*ret = (uint64_t)n << shift;
	*p = end;
	return true;
}

/* The size that follows a word on its line: "used 123K", "capacity: 8M". */
static bool size_after(const char *line, size_t len, const char *word, uint64_t *ret)
{
	const char *p = memmem(line, len, word, strlen(word));

	if (!p)
		return false;
	p += strlen(word);
	while (*p == ' ' || *p == ':')
		p++;
	return take_size(&p, ret);
}

/* "256M max, 256M soft max, 16M committed, 4551K used": Shenandoah puts the word behind. */
static bool size_before(const char *line, size_t len, const char *word, uint64_t *ret)
{
	const char *p = memmem(line, len, word, strlen(word));

	if (!p)
		return false;
	while (p > line && p[-1] != ' ' && p[-1] != ',')
		p--;
	return take_size(&p, ret);
}

/* One generation or the whole heap; lines of metaspace do not count. */
static bool parse_line(const char *line, size_t len, uint64_t *used, uint64_t *capacity)
{
	static const char *const skip[] = {"Metaspace", " space", "region"};
	uint64_t u = 0, c = 0;

	for (size_t i = 0; i < ARRAY_SIZE(skip); i++)
		if (memmem(line, len, skip[i], strlen(skip[i])))
			return false;
	if (!size_after(line, len, "used ", &u) && !size_before(line, len, " used", &u))
		return false;
	/* G1 of 25 and later says "total reserved 1K, committed 1K". */
	if (!size_after(line, len, "total ", &c) && !size_after(line, len, "capacity ", &c) &&
	    !size_after(line, len, "committed ", &c) && !size_before(line, len, " committed", &c))
		return false;
	*used += u;
	*capacity += c;
	return true;
}

bool hotspot_parse_heap_info(const char *text, uint64_t *used, uint64_t *capacity)
{
	uint64_t u = 0, c = 0;
	bool found = false;

	while (*text) {
		size_t len = strcspn(text, "\n");

		found = parse_line(text, len, &u, &c) || found;
		text += len + (text[len] == '\n');
	}
	if (found) {
		*used = u;
		*capacity = c;
	}
	return found;
}
