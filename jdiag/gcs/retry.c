#include <errno.h>
#include <stdlib.h>

#include "jdiag/gcs/internal.h"

/* Google's list: https://cloud.google.com/storage/docs/retry-strategy */
bool gcs_retryable_status(long status)
{
	return status == 408 || status == 429 || (status >= 500 && status <= 599);
}

/* Not: what cannot get better by itself (certificates, a peer that speaks something else), and what
 * has no errno (an interrupt, our own mistakes). */
bool gcs_retryable_error(const struct error *err)
{
	switch (err->sys) {
	case 0:
	case EKEYREJECTED:
	case EKEYEXPIRED:
	case EFBIG:
	case EPROTO:
	case EINVAL:
		return false;
	default:
		return err->code != ERR_INTERRUPTED;
	}
}

int gcs_failed(const struct error *why, const char *doing, struct error *err)
{
	if (err)
		*err = *why;
	if (why->code == ERR_INTERRUPTED)
		return -1;
	if (err && !*err->hint && gcs_retryable_error(why))
		error_hint(err, "can it be reached from here? (%s)",
			   getenv("STORAGE_EMULATOR_HOST")
				   ? "STORAGE_EMULATOR_HOST says where it is"
				   : "a firewall, a proxy, DNS");
	return error_prefix(err, "%s", doing);
}
