#include "jdiag/ssh/config_tokens.h"

#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "remote/base/buf.h"
#include "remote/base/error.h"
#include "remote/base/str.h"

#define MAX_EXPANDED 16384

static const char *own_directory(void)
{
	const struct passwd *pw = getpwuid(getuid());

	return pw && pw->pw_dir ? pw->pw_dir : "/";
}

static const char *own_name(void)
{
	const struct passwd *pw = getpwuid(getuid());

	return pw && pw->pw_name ? pw->pw_name : "root";
}

/* %l, or %L up to its first dot */
static void add_local_host(struct buf *b, bool short_form)
{
	char name[256] = "localhost";

	if (gethostname(name, sizeof(name) - 1) == 0 && short_form)
		name[strcspn(name, ".")] = '\0';
	buf_adds(b, name);
}

static bool add_path_token(struct buf *b, char token, const struct ssh_tokens *t)
{
	switch (token) {
	case 'd':
		buf_adds(b, own_directory());
		return true;
	case 'i':
		buf_addf(b, "%u", (unsigned int)getuid());
		return true;
	case 'k':
		buf_adds(b, t->alias ? t->alias : t->name);
		return true;
	case 'L':
	case 'l':
		add_local_host(b, token == 'L');
		return true;
	case 'u':
		buf_adds(b, own_name());
		return true;
	default:
		return false;
	}
}

static bool add_token(struct buf *b, char token, const struct ssh_tokens *t, bool paths)
{
	switch (token) {
	case '%':
		buf_adds(b, "%");
		return true;
	case 'h':
		buf_adds(b, t->host);
		return true;
	case 'n':
		buf_adds(b, t->name);
		return true;
	case 'p':
		buf_addf(b, "%u", t->port);
		return true;
	case 'r':
		buf_adds(b, t->user);
		return true;
	default:
		return paths && add_path_token(b, token, t);
	}
}

/* "${NAME}" at *p; moves behind it. */
static bool add_variable(struct buf *b, const char **p)
{
	const char *end = strchr(*p, '}');
	auto_free char *name = end ? xstrndup(*p + 2, (size_t)(end - *p - 2)) : NULL;
	const char *value = name ? getenv(name) : NULL;

	if (!value)
		return false;
	buf_adds(b, value);
	*p = end + 1;
	return true;
}

static char *expand(const char *text, const struct ssh_tokens *t, bool paths)
{
	auto_buf struct buf b = BUF_INIT(MAX_EXPANDED);

	for (const char *p = text; *p;) {
		if (*p == '%') {
			if (!p[1] || !add_token(&b, p[1], t, paths))
				return NULL;
			p += 2;
		} else if (paths && p[0] == '$' && p[1] == '{') {
			if (!add_variable(&b, &p))
				return NULL;
		} else {
			buf_add(&b, p++, 1);
		}
	}
	return b.overflow ? NULL : xstrdup(buf_str(&b));
}

char *tokens_expand(const char *text, const struct ssh_tokens *t)
{
	return expand(text, t, false);
}

char *tokens_expand_path(const char *text, const struct ssh_tokens *t)
{
	auto_free char *full = NULL;

	if (*text == '~' && text[1] != '/' && text[1] != '\0')
		return NULL;
	full = *text == '~' ? xasprintf("%s%s", own_directory(), text + 1) : xstrdup(text);
	return expand(full, t, true);
}
