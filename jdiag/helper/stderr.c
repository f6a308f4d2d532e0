/* What the node says on the helper's standard error: text for people, from outside. */
#include <stdlib.h>
#include <string.h>

#include "jdiag/helper/connection.h"
#include "jdiag/helper/script.h"
#include "remote/base/log.h"
#include "remote/base/str.h"

#define HINT_BYTES 800

static void keep(struct helper *h, const char *text, size_t len)
{
	if (len > STDERR_KEPT) {
		text += len - STDERR_KEPT;
		len = STDERR_KEPT;
	}
	if (h->said.len + len > STDERR_KEPT)
		buf_consume(&h->said, h->said.len + len - STDERR_KEPT);
	buf_add(&h->said, text, len);
}

static void log_lines(struct helper *h, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] != '\n' && h->said_line.len < h->said_line.max) {
			buf_add(&h->said_line, text + i, 1);
			continue;
		}
		if (!str_starts(buf_str(&h->said_line), SCRIPT_MARK))
			log_at(LOG_NOTICE, "node: %s", buf_str(&h->said_line));
		buf_reset(&h->said_line);
	}
}

int helper_read_stderr(struct helper *h, struct error *err)
{
	char chunk[STDERR_KEPT];
	ssize_t n;

	/* bounded: a flood must not keep us from the rest */
	for (int i = 0; i < 64; i++) {
		n = ssh_read(h->channel, SSH_STDERR, chunk, sizeof(chunk), err);
		if (n <= 0)
			return (int)n;
		keep(h, chunk, (size_t)n);
		log_lines(h, chunk, (size_t)n);
	}
	return 0;
}

char *helper_last_words(const struct helper *h)
{
	const char *text = buf_str(&h->said), *end = text + h->said.len;

	while (end > text) {
		const char *start;

		while (end > text && (end[-1] == '\n' || end[-1] == '\r'))
			end--;
		start = end;
		while (start > text && start[-1] != '\n')
			start--;
		if (end > start && !str_starts(start, SCRIPT_MARK))
			return xstrndup(start, (size_t)(end - start));
		end = start;
	}
	return NULL;
}

int helper_hint_stderr(const struct helper *h, struct error *err)
{
	auto_buf struct buf lines = BUF_INIT(STDERR_KEPT);
	const char *p = buf_str(&h->said);
	unsigned int n = 0;

	for (; *p; n++) {
		size_t len = strcspn(p, "\n");

		len += p[len] == '\n';
		if (str_starts(p, SCRIPT_MARK))
			n--;
		else
			buf_add(&lines, p, len);
		p += len;
	}
	if (n < 2)
		return -1; /* a single line is in the message already */
	p = buf_str(&lines) + (lines.len > HINT_BYTES ? lines.len - HINT_BYTES : 0);
	return error_hint(err, "the node said:\n%s", p);
}
