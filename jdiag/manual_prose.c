#include <ctype.h>
#include <string.h>

#include "jdiag/manual.h"

void manual_add_text(struct buf *b, const char *text, size_t len)
{
	if (len && (text[0] == '.' || text[0] == '\''))
		buf_adds(b, "\\&");
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\\')
			buf_adds(b, "\\e");
		else if (text[i] == '-')
			buf_adds(b, "\\-"); /* so that it can be copied into a shell */
		else
			buf_add(b, text + i, 1);
	}
}

/* Where the page is: a paragraph is begun only when its first line comes, so that none is empty. */
struct writer {
	struct buf *b;
	enum { TEXT, VERBATIM } place;
	bool gap; /* an empty line was read */
};

static void end_verbatim(struct writer *w)
{
	if (w->place == VERBATIM)
		buf_adds(w->b, ".fi\n.RE\n");
	w->place = TEXT;
}

static void add_title(struct writer *w, const char *title, size_t len)
{
	end_verbatim(w);
	buf_adds(w->b, ".SH ");
	for (size_t i = 0; i < len; i++)
		buf_addf(w->b, "%c", toupper((unsigned char)title[i]));
	buf_adds(w->b, "\n");
	w->gap = false;
}

static void begin_verbatim(struct writer *w)
{
	if (w->place == VERBATIM)
		buf_adds(w->b, w->gap ? "\n" : "");
	else
		buf_adds(w->b, w->gap ? ".PP\n.RS 4\n.nf\n" : ".RS 4\n.nf\n");
	w->place = VERBATIM;
}

static void add_line(struct writer *w, const char *line, size_t len)
{
	size_t skip = 0;

	if (len == 0) {
		w->gap = true;
		return;
	}
	if (len > 4 && strncmp(line, "    ", 4) == 0) {
		begin_verbatim(w);
		skip = 4;
	} else {
		end_verbatim(w);
		if (len > 2 && strncmp(line, "- ", 2) == 0) {
			buf_adds(w->b, ".IP \\(bu 2\n");
			skip = 2;
		} else {
			buf_adds(w->b, w->gap ? ".PP\n" : "");
			skip = strspn(line, " ");
		}
	}
	manual_add_text(w->b, line + skip, len - skip);
	buf_adds(w->b, "\n");
	w->gap = false;
}

void manual_add_prose(struct buf *b, const char *text, bool sections)
{
	struct writer w = {.b = b};
	bool in_section = false;

	while (*text) {
		size_t len = strcspn(text, "\n");
		bool title = strncmp(text, "# ", 2) == 0;

		in_section |= title;
		if (title && sections)
			add_title(&w, text + 2, len - 2);
		else if (!title && in_section == sections)
			add_line(&w, text, len);
		text += len + (text[len] == '\n');
	}
	end_verbatim(&w);
}
