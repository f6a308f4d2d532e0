/* Options as words again, for the lines that a person pastes. */
#include <stdlib.h>
#include <string.h>

#include "jdiag/options.h"
#include "remote/base/buf.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"

static void add_text(struct buf *b, const struct option_spec *s, const char *value)
{
	auto_free char *word = str_shell_word(value);

	buf_addf(b, " --%s %s", s->name, word);
}

/* Word number i of a list. */
static void add_choice(struct buf *b, const struct option_spec *s, unsigned int i)
{
	const char *list = s->values, *word;
	size_t len;

	while ((word = option_next_word(&list, &len)))
		if (i-- == 0) {
			buf_addf(b, " --%s %.*s", s->name, (int)len, word);
			return;
		}
}

static void add(struct buf *b, const struct options *o, const struct option_spec *s)
{
	const void *member = (const char *)o + s->at;

	switch (s->kind) {
	case OPTION_STRING:
	case OPTION_WORD:
		add_text(b, s, *(const char *const *)member);
		break;
	case OPTION_LIST:
		for (const char *const *list = member; *list; list++)
			add_text(b, s, *list);
		break;
	case OPTION_PORT:
		buf_addf(b, " --%s %u", s->name, *(const uint16_t *)member);
		break;
	case OPTION_ENUM:
		add_choice(b, s, *(const unsigned int *)member);
		break;
	default: /* how long somebody waits is not a part of the way */
		break;
	}
}

char *options_way(const struct options *o)
{
	auto_buf struct buf b = BUF_INIT(64 * KiB);

	for (const struct option_spec *s = option_table; s->name; s++)
		if ((s->group == OPTION_CLUSTER || s->group == OPTION_SSH) && option_given(o, s))
			add(&b, o, s);
	return xstrdup(buf_str(&b));
}
