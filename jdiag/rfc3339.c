#include "jdiag/rfc3339.h"

#include <string.h>
#include <time.h>

/* Exactly n digits. */
static bool digits(const char **s, int n, int *ret)
{
	*ret = 0;
	for (int i = 0; i < n; i++, (*s)++) {
		if (**s < '0' || **s > '9')
			return false;
		*ret = *ret * 10 + (**s - '0');
	}
	return true;
}

static bool literal(const char **s, const char *set)
{
	return **s && strchr(set, **s) && (*s)++;
}

static bool parse_time(const char **s, struct tm *tm)
{
	return digits(s, 4, &tm->tm_year) && literal(s, "-") && digits(s, 2, &tm->tm_mon) &&
	       literal(s, "-") && digits(s, 2, &tm->tm_mday) && literal(s, "Tt ") &&
	       digits(s, 2, &tm->tm_hour) && literal(s, ":") && digits(s, 2, &tm->tm_min) &&
	       literal(s, ":") && digits(s, 2, &tm->tm_sec);
}

/* "Z" or "+hh:mm": seconds east of Greenwich. */
static bool parse_zone(const char **s, int *ret)
{
	int sign = **s == '-' ? -1 : 1, hours, minutes;

	*ret = 0;
	if (literal(s, "Zz"))
		return true;
	if (!literal(s, "+-") || !digits(s, 2, &hours) || !literal(s, ":") ||
	    !digits(s, 2, &minutes))
		return false;
	*ret = sign * (hours * 3600 + minutes * 60);
	return hours < 24 && minutes < 60;
}

bool rfc3339_to_unix(const char *text, int64_t *ret)
{
	struct tm tm = {0};
	int zone;

	if (!parse_time(&text, &tm))
		return false;
	if (*text == '.') {
		if (!strspn(text + 1, "0123456789"))
			return false;
		text += 1 + strspn(text + 1, "0123456789");
	}
	if (!parse_zone(&text, &zone) || *text)
		return false;
	if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 ||
	    tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	*ret = (int64_t)timegm(&tm) - zone;
	return true;
}
