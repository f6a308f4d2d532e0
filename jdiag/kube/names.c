#include "jdiag/kube/names.h"

#include <string.h>

#define ALNUM "abcdefghijklmnopqrstuvwxyz0123456789"

static bool is_label(const char *s, size_t len)
{
	return len && len <= 63 && strchr(ALNUM, s[0]) && strchr(ALNUM, s[len - 1]) &&
	       strspn(s, ALNUM "-") >= len;
}

bool name_is_label(const char *s)
{
	return is_label(s, strlen(s));
}

bool name_is_subdomain(const char *s)
{
	if (strlen(s) > 253)
		return false;
	for (;;) {
		size_t n = strcspn(s, ".");

		/* a part of a subdomain may be longer than a label, up to the whole */
		if (!n || !strchr(ALNUM, s[0]) || !strchr(ALNUM, s[n - 1]) ||
		    strspn(s, ALNUM "-") < n)
			return false;
		if (!s[n])
			return true;
		s += n + 1;
	}
}
