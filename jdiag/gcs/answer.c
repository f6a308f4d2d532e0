#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "jdiag/crypto/crypto.h"
#include "jdiag/gcs/internal.h"
#include "jdiag/gcs/service.h"
#include "jdiag/json.h"
#include "remote/base/str.h"

void gcs_service_words(const struct gcs *g, const struct http_response *r, char *dst, size_t size)
{
	auto_json json_t *root =
		json_from_text(buf_str(&r->body), r->body.len, "answer", ERR_UPLOAD, NULL);
	const char *message = json_str_at(root, "error.message", "");

	dst[0] = '\0';
	if ((g->token.value.len && strstr(message, secret_str(&g->token.value))) ||
	    strstr(message, "upload_id"))
		return;
	snprintf(dst, size, "%.200s", message);
}

/* The same behind a colon. */
static void words(const struct gcs *g, const struct http_response *r, char *dst, size_t size)
{
	char said[256];

	gcs_service_words(g, r, said, sizeof(said));
	snprintf(dst, size, "%s%s", *said ? ": " : "", said);
}

int gcs_hint_grant(const struct gcs *g, const char *bucket, const char *permission,
		   const char *role, struct error *err)
{
	const struct credentials *c = &g->token.cred;
	auto_free char *who = credentials_member(c);

	return error_hint(err,
			  "the credentials (from '%s') need the permission %s on bucket '%s':\n"
			  "gcloud storage buckets add-iam-policy-binding gs://%s "
			  "--member=%s --role=%s",
			  credentials_from(c), permission, bucket, bucket, who, role);
}

static int unauthorised(const struct gcs *g, struct error *err)
{
	if (g->token.cred.kind == CRED_NONE)
		return error_hint(err, "STORAGE_EMULATOR_HOST is set, so no credentials were sent");
	return error_hint(err, "the credentials came from '%s'", credentials_from(&g->token.cred));
}

int gcs_answer_error(const struct gcs *g, const struct http_response *r, const char *doing,
		     const char *bucket, struct error *err)
{
	char said[256];

	words(g, r, said, sizeof(said));
	switch (r->status) {
	case 400:
		return error_set(err, ERR_UPLOAD, "%s: the request was refused%s", doing, said);
	case 401:
		error_set(err, ERR_UPLOAD, "%s: the credentials were not accepted%s", doing, said);
		return unauthorised(g, err);
	case 403:
		error_set(err, ERR_UPLOAD, "%s: not permitted%s", doing, said);
		return gcs_hint_grant(g, bucket, "storage.objects.create",
				      "roles/storage.objectCreator", err);
	case 404:
		error_set(err, ERR_UPLOAD, "%s: bucket '%s' does not exist%s", doing, bucket, said);
		return error_hint(
			err, "check its name, or create it: gcloud storage buckets create gs://%s",
			bucket);
	case 412:
		error_set(err, ERR_UPLOAD, "%s: an object of this name exists already", doing);
		return error_hint(err, "nothing is ever overwritten: choose another name, or end "
				       "the destination in / to get a new name each time");
	default:
		error_set(err, ERR_UPLOAD, "%s: the service answered with status %ld%s", doing,
			  r->status, said);
		return gcs_retryable_status(r->status)
			       ? error_hint(err,
					    "it is not available at the moment: try again later")
			       : -1;
	}
}

bool gcs_stored_bytes(const struct http_response *r, uint64_t *ret)
{
	char range[64];
	uint64_t last;

	if (!http_response_header(r, "Range", range, sizeof(range))) {
		/* no header: nothing is stored; one that is too long for us is not a range */
		if (strcasestr(buf_str(&r->headers), "\nRange:"))
			return false;
		*ret = 0;
		return true;
	}
	if (!str_starts(range, "bytes=0-") ||
	    !str_to_u64(range + strlen("bytes=0-"), INT64_MAX - 1, &last))
		return false;
	*ret = last + 1;
	return true;
}

char *gcs_crc_text(char dst[16], uint32_t crc)
{
	const unsigned char bytes[4] = {(unsigned char)(crc >> 24), (unsigned char)(crc >> 16),
					(unsigned char)(crc >> 8), (unsigned char)crc};
	auto_buf struct buf b = BUF_INIT(15);

	base64_encode(&b, bytes, sizeof(bytes), false);
	snprintf(dst, 16, "%s", buf_str(&b));
	return dst;
}

int gcs_check_object(const struct http_response *r, const char *object, uint64_t size, uint32_t crc,
		     struct error *err)
{
	auto_json json_t *root = json_from_text(buf_str(&r->body), r->body.len,
						"answer of the bucket", ERR_UPLOAD, err);
	uint64_t stored;
	char ours[16];

	if (!root)
		return -1;
	if (strcmp(json_str_at(root, "name", ""), object) != 0)
		return error_set(err, ERR_UPLOAD, "the bucket stored the object as '%s'",
				 json_str_at(root, "name", ""));
	/* 64-bit numbers are strings in Google's JSON */
	if (!str_to_u64(json_str_at(root, "size", ""), INT64_MAX, &stored) || stored != size)
		return error_set(err, ERR_UPLOAD,
				 "the bucket has '%s' bytes of '%s', %llu were sent",
				 json_str_at(root, "size", "?"), object, (unsigned long long)size);
	if (strcmp(json_str_at(root, "crc32c", ""), gcs_crc_text(ours, crc)) != 0)
		return error_set(
			err, ERR_UPLOAD,
			"object '%s' was corrupted: the bucket has crc32c '%s', sent was '%s'",
			object, json_str_at(root, "crc32c", "none"), ours);
	return 0;
}
