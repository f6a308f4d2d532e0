#include <errno.h>
#include <poll.h>

#include "jdiag/crypto/crypto.h"
#include "jdiag/gcs/internal.h"
#include "jdiag/interrupt.h"
#include "remote/base/io.h"
#include "remote/base/log.h"

#define FIRST_WAIT_MS 500
#define LONGEST_WAIT_MS 32000
#define SLICE_MS 100

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
	case EFBIG:
	case EPROTO:
	case EINVAL:
		return false;
	default:
		return err->code != ERR_INTERRUPTED;
	}
}

/* Between half and all of the doubled time, so that clients that failed together do not come back
 * together. */
static uint64_t wait_ms(unsigned int failures)
{
	uint64_t full = FIRST_WAIT_MS, random;

	while (--failures && full < LONGEST_WAIT_MS)
		full *= 2;
	crypto_random(&random, sizeof(random));
	return full / 2 + random % (full / 2 + 1);
}

int gcs_backoff(struct gcs *g, unsigned int failures, uint64_t retry_after_ms, struct error *err)
{
	uint64_t wait = wait_ms(failures ? failures : 1), now = now_ms(), until, ticked = 0;

	if (wait < retry_after_ms)
		wait = retry_after_ms;
	log_at(LOG_DEBUG, "bucket: waiting %llu ms before try %u", (unsigned long long)wait,
	       failures + 1);
	for (until = now + wait; now < until; now = now_ms()) {
		if (interrupt_check(err) < 0)
			return -1;
		if (g->tick && now - ticked >= 2 * SLICE_MS) {
			ticked = now;
			if (g->tick(g->tick_ctx, err) < 0)
				return -1;
		}
		poll(NULL, 0, until - now < SLICE_MS ? (int)(until - now) : SLICE_MS);
	}
	return 0;
}
