#include <curl/curl.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "jdiag/http/http.h"
#include "jdiag/secret.h"
#include "remote/base/str.h"

#define MAX_RETRY_AFTER_MS (10 * 60 * 1000ul)

void http_response_release(struct http_response *r)
{
	secret_wipe(r->body.data, r->body.cap);
	secret_wipe(r->headers.data, r->headers.cap);
	buf_release(&r->body);
	buf_release(&r->headers);
	r->status = 0;
}

static const char *skip_blank(const char *s, const char *end)
{
	while (s < end && (*s == ' ' || *s == '\t'))
		s++;
	return s;
}

static size_t value_length(const char *s, const char *end)
{
	while (end > s && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	return (size_t)(end - s);
}

bool http_response_header(const struct http_response *r, const char *name, char *dst, size_t size)
{
	const char *line = buf_str(&r->headers), *found = NULL, *end;
	size_t n = strlen(name), len = 0;

	for (; *line; line = *end ? end + 1 : end) {
		end = strchrnul(line, '\n');
		if ((size_t)(end - line) <= n || strncasecmp(line, name, n) != 0 || line[n] != ':')
			continue;
		found = skip_blank(line + n + 1, end);
		len = value_length(found, end);
	}
	if (!found || len >= size)
		return false;
	memcpy(dst, found, len);
	dst[len] = '\0';
	return true;
}

uint64_t http_retry_after_ms(const struct http_response *r)
{
	char value[64];
	uint64_t seconds;
	time_t when, now = time(NULL);

	if (!http_response_header(r, "Retry-After", value, sizeof(value)))
		return 0;
	if (!str_to_u64(value, UINT64_MAX, &seconds)) {
		when = curl_getdate(value, NULL);
		if (when <= now)
			return 0;
		seconds = (uint64_t)(when - now);
	}
	return seconds > MAX_RETRY_AFTER_MS / 1000 ? MAX_RETRY_AFTER_MS : seconds * 1000;
}

void http_escape(struct buf *b, const char *s)
{
	static const char unreserved[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					 "0123456789-._~";

	for (; *s; s++) {
		if (strchr(unreserved, *s))
			buf_add(b, s, 1);
		else
			buf_addf(b, "%%%02X", (unsigned char)*s);
	}
}
