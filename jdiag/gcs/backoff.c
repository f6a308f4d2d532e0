#include <poll.h>

#include "jdiag/crypto/crypto.h"
#include "jdiag/gcs/internal.h"
#include "jdiag/interrupt.h"
#include "remote/base/io.h"
#include "remote/base/log.h"

#define FIRST_WAIT_MS 500
#define LONGEST_WAIT_MS 32000
#define SLICE_MS 100

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

int gcs_backoff(const struct google_token *t, unsigned int failures, uint64_t retry_after_ms,
		struct error *err)
{
	uint64_t wait = wait_ms(failures ? failures : 1), now = now_ms(), until, ticked = 0;

	if (wait < retry_after_ms)
		wait = retry_after_ms;
	log_at(LOG_DEBUG, "bucket: waiting %llu ms before try %u", (unsigned long long)wait,
	       failures + 1);
	for (until = now + wait; now < until; now = now_ms()) {
		if (interrupt_check(err) < 0)
			return -1;
		if (t->tick && now - ticked >= 2 * SLICE_MS) {
			ticked = now;
			if (t->tick(t->tick_ctx, err) < 0)
				return -1;
		}
		poll(NULL, 0, until - now < SLICE_MS ? (int)(until - now) : SLICE_MS);
	}
	return 0;
}
