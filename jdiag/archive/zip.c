#include "jdiag/archive/zip.h"

#include <archive.h>
#include <archive_entry.h>
#include <string.h>

#include "remote/base/buf.h"

struct walk {
	struct archive *a;
	const struct zip_visitor *v;
	size_t entries, bytes;
	struct error *err;
};

static int broken(const struct walk *w)
{
	const char *why = archive_error_string(w->a);

	return error_set(w->err, ERR_USAGE, "broken zip: %s", why ? why : "unknown error");
}

/* libarchive says the method in the name of the format only: "ZIP 2.0 (deflation)". */
static int check_entry(struct walk *w, struct archive_entry *entry)
{
	const char *format = archive_format_name(w->a);

	if (++w->entries > MAX_ZIP_ENTRIES)
		return error_set(w->err, ERR_USAGE, "more than %d entries", MAX_ZIP_ENTRIES);
	if (!archive_entry_pathname(entry))
		return error_set(w->err, ERR_USAGE, "broken zip: an entry without a name");
	if (archive_entry_is_encrypted(entry))
		return error_set(w->err, ERR_USAGE, "has encrypted entries");
	if (!format || (!strstr(format, "(deflation)") && !strstr(format, "(uncompressed)")))
		return error_set(
			w->err, ERR_USAGE,
			"has an entry that is compressed in a way that Java does not know");
	return 0;
}

/* The whole entry, of which the first b->max bytes are kept. */
static int read_entry(struct walk *w, struct buf *b)
{
	for (;;) {
		const void *block;
		la_int64_t offset;
		size_t len;
		int rc = archive_read_data_block(w->a, &block, &len, &offset);

		if (rc == ARCHIVE_EOF)
			return 0;
		if (rc != ARCHIVE_OK)
			return broken(w);
		if (len > MAX_ZIP_BYTES - w->bytes)
			return error_set(w->err, ERR_USAGE, "inflates to more than %lu MiB",
					 MAX_ZIP_BYTES / MiB);
		w->bytes += len;
		if (b->max > b->len)
			buf_add(b, block, len < b->max - b->len ? len : b->max - b->len);
	}
}

static int visit(struct walk *w, struct archive_entry *entry)
{
	const char *name = archive_entry_pathname(entry);
	auto_buf struct buf b = BUF_INIT(0);

	if (check_entry(w, entry) != 0)
		return -1;
	b.max = w->v->wanted(w->v->ctx, name);
	if (!b.max && w->v->again)
		return archive_read_data_skip(w->a) == ARCHIVE_OK ? 0 : broken(w);
	if (read_entry(w, &b) != 0)
		return -1;
	return b.max ? w->v->member(w->v->ctx, name, buf_str(&b), b.len, w->err) : 0;
}

static int walk_all(struct walk *w)
{
	struct archive_entry *entry;
	int rc;

	for (;;) {
		rc = archive_read_next_header(w->a, &entry);
		if (rc == ARCHIVE_EOF)
			return 0;
		if (rc != ARCHIVE_OK)
			return broken(w);
		if (visit(w, entry) != 0)
			return -1;
	}
}

int zip_walk(const void *data, size_t len, const struct zip_visitor *v, struct error *err)
{
	struct walk w = {.a = archive_read_new(), .v = v, .err = err};
	int rc;

	if (!w.a)
		die_oom();
	if (archive_read_support_format_zip_seekable(w.a) != ARCHIVE_OK ||
	    archive_read_open_memory(w.a, data, len) != ARCHIVE_OK)
		rc = error_set(err, ERR_USAGE, "not a zip, or one that is cut");
	else
		rc = walk_all(&w);
	archive_read_free(w.a);
	return rc;
}
