#include "jdiag/fold.h"

#include <stdlib.h>
#include <string.h>

#include "remote/base/buf.h"
#include "remote/base/error.h"
#include "remote/base/limits.h"

struct group {
	char *text;	   /* owned */
	struct buf labels; /* as they are told */
};

struct fold {
	struct group *groups;
	size_t n;
};

struct fold *fold_new(void)
{
	return xcalloc(1, sizeof(struct fold));
}

static struct group *group_of(struct fold *f, const char *text)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->groups[i].text, text) == 0)
			return &f->groups[i];
	f->groups = xrealloc(f->groups, (f->n + 1) * sizeof(*f->groups));
	f->groups[f->n] = (struct group){xstrdup(text), BUF_INIT(MAX_API_BODY)};
	return &f->groups[f->n++];
}

void fold_add(struct fold *f, const char *label, const char *text)
{
	struct group *g = group_of(f, text);

	buf_addf(&g->labels, "%s%s", g->labels.len ? "," : "", label);
}

void fold_each(const struct fold *f, void (*fn)(void *ctx, const char *labels, const char *text),
	       void *ctx)
{
	for (size_t i = 0; i < f->n; i++)
		fn(ctx, buf_str(&f->groups[i].labels), f->groups[i].text);
}

void fold_free(struct fold *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n; i++) {
		free(f->groups[i].text);
		buf_release(&f->groups[i].labels);
	}
	free(f->groups);
	free(f);
}
