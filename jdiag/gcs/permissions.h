/*
 * What the credentials may do with a bucket, without doing it:
 * https://cloud.google.com/storage/docs/json_api/v1/buckets/testIamPermissions. No permission is
 * needed to ask.
 */
#ifndef JDIAG_GCS_PERMISSIONS_H
#define JDIAG_GCS_PERMISSIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "jdiag/gcs/gcs.h"

struct gcs_permission {
	const char *name; /* "storage.objects.create" */
	const char *role; /* the smallest one that has it: "roles/storage.objectCreator" */
	bool granted;	  /* set */
};

/* Ask about n of them (at most 8) at once. ERR_UPLOAD: no credentials, bucket missing, no answer.
 */
int gcs_test_permissions(struct gcs *g, const char *bucket, struct gcs_permission *list, size_t n,
			 struct error *err) must_check;

/* One that was not granted, as an error with the line that grants it. Always -1. */
int gcs_permission_error(const struct gcs *g, const char *bucket, const struct gcs_permission *p,
			 struct error *err);

/* Where the credentials come from, and whose they are where that is known: "'FILE' (ACCOUNT)". Free
 * with free(). */
char *gcs_credentials_text(const struct gcs *g) must_check;

/* The answer, into `granted`; -1 when it is none. For gcs_test_permissions and for fuzzing. */
int gcs_permissions_parse(const char *text, size_t len, struct gcs_permission *list, size_t n,
			  struct error *err) must_check;

#endif
