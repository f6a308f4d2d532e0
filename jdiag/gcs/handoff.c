/* An upload whose bytes somebody else sends: the node. Only the session's address leaves. */
#include "jdiag/gcs/upload.h"
#include "remote/base/str.h"

const struct secret *gcs_upload_session(const struct gcs_upload *u)
{
	return &u->session;
}

void gcs_upload_headers(const struct gcs_upload *u, uint64_t offset, uint64_t size, uint32_t crc,
			char *ret[2])
{
	char text[16];

	(void)u;
	ret[0] = offset < size ? xasprintf("Content-Range: bytes %llu-%llu/%llu",
					   (unsigned long long)offset, (unsigned long long)size - 1,
					   (unsigned long long)size)
			       : xasprintf("Content-Range: bytes */%llu", (unsigned long long)size);
	ret[1] = xasprintf("x-goog-hash: crc32c=%s", gcs_crc_text(text, crc));
}

int gcs_upload_check(struct gcs_upload *u, uint64_t size, uint32_t crc, uint64_t *ret_offset,
		     struct error *err)
{
	u->available = u->highest = u->hashed = size;
	u->sent = u->stored;
	u->crc = crc;
	u->final = u->final_sent = true;
	if (u->done)
		return 0;
	return upload_ask(u, ret_offset, err);
}
