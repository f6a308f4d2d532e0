#include "jdiag/archive/input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jdiag/archive/internal.h"
#include "jdiag/interrupt.h"
#include "remote/base/io.h"

struct artifact_input {
	struct stored stored;
	enum codec codec;
	struct gunzip *gunzip;	   /* owned */
	struct unzstd *unzstd;	   /* owned */
	struct artifact_file file; /* owned, of a path */
};

int stored_need(struct stored *s, size_t need, struct error *err)
{
	if (stored_left(s) >= need || s->end)
		return 0;
	memmove(s->room, s->room + s->at, s->len - s->at);
	s->len -= s->at;
	s->at = 0;
	while (!s->end && s->len < STORED_ROOM) {
		size_t n;

		if (s->source.read(s->source.ctx, s->room + s->len, STORED_ROOM - s->len, &n, err) <
		    0)
			return -1;
		s->len += n;
		s->end = n == 0;
	}
	return 0;
}

int stored_cut(const struct stored *s, struct error *err)
{
	return error_set(err, ERR_CAPTURE, "'%s' is cut off: it ends at byte %llu inside a block",
			 s->source.name, (unsigned long long)(s->offset + stored_left(s)));
}

int stored_corrupt(const struct stored *s, const char *why, struct error *err)
{
	return error_set(err, ERR_CAPTURE, "'%s' is corrupt near byte %llu: %s", s->source.name,
			 (unsigned long long)s->offset, why);
}

static uint32_t first_u32(const struct stored *s)
{
	const unsigned char *p = stored_bytes(s);

	if (stored_left(s) < 4)
		return 0;
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* The skippable frames of RFC 8878 have any of 16 magic numbers and may come first. */
static enum codec detect(const struct stored *s)
{
	uint32_t magic = first_u32(s);

	if ((magic & 0xffff) == 0x8b1f)
		return CODEC_GZIP;
	if (magic == 0xfd2fb528 || (magic & 0xfffffff0) == 0x184d2a50)
		return CODEC_ZSTD;
	return CODEC_NONE;
}

static int begin(struct artifact_input *in, struct error *err)
{
	struct stored *s = &in->stored;

	if (stored_need(s, 1, err) < 0)
		return -1;
	if (!stored_left(s))
		return error_set(err, ERR_CAPTURE, "'%s' is empty", s->source.name);
	in->codec = detect(s);
	if (in->codec == CODEC_GZIP)
		in->gunzip = gunzip_new(stored_bytes(s), stored_left(s));
	else if (in->codec == CODEC_ZSTD)
		in->unzstd = unzstd_new();
	return 0;
}

static struct artifact_input *input_new(const struct artifact_source *source)
{
	struct artifact_input *in = xcalloc(1, sizeof(*in));

	in->file = ARTIFACT_FILE_INIT;
	in->stored.source = *source;
	in->stored.source.name = xstrdup(source->name);
	in->stored.room = xmalloc(STORED_ROOM);
	return in;
}

int artifact_open_source(struct artifact_input **ret, const struct artifact_source *source,
			 struct error *err)
{
	auto_artifact struct artifact_input *in = input_new(source);

	if (begin(in, err) < 0)
		return -1;
	*ret = STEAL(in);
	return 0;
}

static int file_read(void *ctx, void *buf, size_t len, size_t *ret_len, struct error *err)
{
	const struct artifact_file *f = ctx;
	ssize_t n;

	/* A signal has to get through while a pipe is silent. */
	while ((n = read(f->fd, buf, len)) < 0 && errno == EINTR)
		if (interrupt_check(err) < 0)
			return -1;
	if (n < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot read '%s'", f->source.name);
	*ret_len = (size_t)n;
	return 0;
}

int artifact_file_open(struct artifact_file *ret, const char *path, struct error *err)
{
	struct stat st;
	int fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
					: open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return error_sys(err, errno == ENOENT ? ERR_USAGE : ERR_FAILED, errno,
				 "cannot open '%s'", path);
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	*ret = (struct artifact_file){
		.source = {path, file_read, ret},
		.size = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size
								   : UINT64_MAX,
		.fd = fd,
	};
	return 0;
}

void artifact_file_close(struct artifact_file *f)
{
	fd_close(&f->fd);
}

int artifact_open(struct artifact_input **ret, const char *path, struct error *err)
{
	struct artifact_file file;
	auto_artifact struct artifact_input *in = NULL;

	if (artifact_file_open(&file, path, err) < 0)
		return -1;
	in = input_new(&file.source);
	in->file = file;
	in->stored.source.ctx = &in->file;
	if (begin(in, err) < 0)
		return -1;
	*ret = STEAL(in);
	return 0;
}

enum codec artifact_codec(const struct artifact_input *in)
{
	return in->codec;
}

static int read_plain(struct stored *s, void *buf, size_t len, size_t *ret_len, struct error *err)
{
	size_t n;

	if (stored_need(s, 1, err) < 0)
		return -1;
	n = stored_left(s) < len ? stored_left(s) : len;
	memcpy(buf, stored_bytes(s), n);
	stored_take(s, n);
	*ret_len = n;
	return 0;
}

int artifact_read(struct artifact_input *in, void *buf, size_t len, size_t *ret_len,
		  struct error *err)
{
	switch (in->codec) {
	case CODEC_GZIP:
		return gunzip_read(in->gunzip, &in->stored, buf, len, ret_len, err);
	case CODEC_ZSTD:
		return unzstd_read(in->unzstd, &in->stored, buf, len, ret_len, err);
	case CODEC_NONE:
		break;
	}
	return read_plain(&in->stored, buf, len, ret_len, err);
}

uint64_t artifact_stored_offset(const struct artifact_input *in)
{
	return in->stored.offset;
}

void artifact_close(struct artifact_input *in)
{
	if (!in)
		return;
	gunzip_free(in->gunzip);
	unzstd_free(in->unzstd);
	artifact_file_close(&in->file);
	free((char *)in->stored.source.name);
	free(in->stored.room);
	free(in);
}

void artifact_cleanup(struct artifact_input **in)
{
	artifact_close(*in);
}
