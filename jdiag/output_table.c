#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/output.h"
#include "remote/base/buf.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"

struct table {
	size_t columns, rows;
	size_t *widths;
	char **cells; /* rows * columns, the titles first */
};

static char *make_cell(const char *text)
{
	char *cell = str_escape_dup(text, strlen(text), "");

	for (char *p = cell; *p; p++)
		if (*p == ' ')
			*p = '_';
	if (*cell)
		return cell;
	free(cell);
	return xstrdup("-");
}

/* Columns on a terminal, as far as one per character goes. */
static size_t display_width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

void table_row(struct table *t, const char *const *cells)
{
	t->cells = xrealloc(t->cells, (t->rows + 1) * t->columns * sizeof(*t->cells));
	for (size_t i = 0; i < t->columns; i++) {
		char *cell = make_cell(cells[i] ? cells[i] : "");
		size_t width = display_width(cell);

		t->cells[t->rows * t->columns + i] = cell;
		if (width > t->widths[i])
			t->widths[i] = width;
	}
	t->rows++;
}

struct table *table_new(const char *const *titles)
{
	struct table *t = xcalloc(1, sizeof(*t));

	while (titles[t->columns])
		t->columns++;
	t->widths = xcalloc(t->columns, sizeof(*t->widths));
	table_row(t, titles);
	return t;
}

static void print_row(const struct table *t, char *const *cells)
{
	auto_buf struct buf line = BUF_INIT(MAX_API_BODY);

	for (size_t i = 0; i < t->columns; i++) {
		size_t pad = t->widths[i] - display_width(cells[i]) + 2;

		buf_adds(&line, cells[i]);
		if (i + 1 < t->columns)
			buf_addf(&line, "%*s", (int)pad, "");
	}
	output_line(buf_str(&line));
}

void table_print(const struct table *t)
{
	for (size_t i = 0; i < t->rows && t->rows > 1; i++)
		print_row(t, t->cells + i * t->columns);
}

void table_free(struct table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->rows * t->columns; i++)
		free(t->cells[i]);
	free(t->cells);
	free(t->widths);
	free(t);
}
