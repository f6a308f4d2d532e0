/*
 * The resumable session, as the files upload.c (sending), session.c (opening, cancelling) and
 * recover.c (what the service answers, what happens after a failure) share it.
 *
 * Bytes go out in PUTs of a whole number of GCS_QUANTUM that are known to exist; once the total is
 * known, one PUT brings everything but the last bytes (at most one quantum), and a final one brings
 * those with the total and the checksum of the whole. Nothing is kept for a second time: after any
 * failure the service is asked how much it has, and the caller goes on from there.
 */
#ifndef JDIAG_GCS_UPLOAD_H
#define JDIAG_GCS_UPLOAD_H

#include "jdiag/gcs/internal.h"
#include "remote/base/limits.h"

/* While the source grows: each boundary between PUTs costs a round trip and a commit, 20 to 50 ms
 * without any bytes (google-cloud-swift issue 886), so wait for this much; held in memory. */
#define LEAST_CHUNK (8 * MiB)

struct gcs_upload {
	struct gcs *g;
	char *bucket, *object, *doing; /* owned */
	char *create_body;	       /* owned: the object's metadata */
	char *create_header;	       /* owned */
	struct secret session;	       /* its URI: whoever has it can write the object */
	struct http_put *put;
	uint64_t put_end;   /* offset behind the running PUT's last byte */
	uint64_t available; /* what the source has; its size once final */
	bool final;
	struct buf held;  /* bytes that came and belong to no PUT yet */
	uint64_t sent;	  /* offset of the next byte to send; the caller is held.len further */
	uint64_t highest; /* largest sent ever: the service cannot have more */
	uint64_t stored;  /* what the service said that it has */
	uint64_t hashed;  /* bytes that are in crc; a rewind does not take them out */
	uint32_t crc;
	unsigned int failures;	/* since the last progress */
	bool final_sent;	/* in this session, and nothing else since */
	bool final_sent_before; /* in the session that was lost */
	bool restarted, done;
};

/* session.c: open a session in place of the one that may be there. */
int upload_open_session(struct gcs_upload *u, struct error *err) must_check;

/* "cannot upload to ...: the service " + what. Returns -1. */
int upload_broken_protocol(const struct gcs_upload *u, const char *what, struct error *err);

/*
 * recover.c. All return 0 (go on: nothing that is not held has to be sent again; u->done when that
 * was all), GCS_REWIND with *ret_offset, or -1.
 */

/* A request of the session failed for `why`; the running PUT, if any, is given up. */
int upload_failed(struct gcs_upload *u, struct error *why, uint64_t *ret_offset,
		  struct error *err) must_check;

/* A PUT was answered. */
int upload_judge(struct gcs_upload *u, const struct http_response *r, uint64_t *ret_offset,
		 struct error *err) must_check;

/* Nothing is known to have failed: how much has the service? */
int upload_ask(struct gcs_upload *u, uint64_t *ret_offset, struct error *err) must_check;

/* Continue at offset; what is held is dropped. Returns GCS_REWIND. */
int upload_rewind(struct gcs_upload *u, uint64_t offset, uint64_t *ret_offset);

#endif
