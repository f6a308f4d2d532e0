#include "jdiag/reconnect.h"

#include <errno.h>
#include <time.h>

#include "jdiag/crypto/crypto.h"
#include "jdiag/interrupt.h"
#include "jdiag/progress.h"
#include "jdiag/session.h"
#include "remote/base/io.h"

#define FIRST_WAIT_MS 500
#define LONGEST_WAIT_MS 15000
#define SLICE_MS 100

/* From half to one and a half of the wait: many clients of one node do not come back at once. */
static uint64_t wait_ms(unsigned int tries)
{
	uint64_t ms = FIRST_WAIT_MS;
	uint16_t random;

	while (tries-- && ms < LONGEST_WAIT_MS)
		ms *= 2;
	if (ms > LONGEST_WAIT_MS)
		ms = LONGEST_WAIT_MS;
	crypto_random(&random, sizeof(random));
	return ms / 2 + ms * random / UINT16_MAX;
}

static int pause_for(uint64_t ms, struct progress *p, struct error *err)
{
	const struct timespec slice = {.tv_nsec = SLICE_MS * 1000000};
	uint64_t end = now_ms() + ms;

	do {
		if (interrupt_check(err) < 0)
			return -1;
		progress_waiting(p);
		if (nanosleep(&slice, NULL) < 0 && errno != EINTR)
			break;
	} while (now_ms() < end);
	return 0;
}

int session_reconnect(struct session *s, struct reconnect *r, struct progress *p,
		      const struct error *why, struct error *err)
{
	struct error last = *why;

	session_disconnect(s);
	if (!r->give_up_at)
		r->give_up_at = now_ms() + RECONNECT_GIVE_UP_MS;
	progress_note(p, "the connection to node '%s' broke: %s; connecting again", s->node,
		      why->msg);
	while (now_ms() < r->give_up_at) {
		if (pause_for(wait_ms(r->tries++), p, err) < 0)
			return -1;
		if (session_connect(s, &last) == 0) {
			progress_note(p, "connected again");
			return 0;
		}
		session_disconnect(s);
		if (last.code == ERR_INTERRUPTED) {
			*err = last;
			return -1;
		}
	}
	return error_set(err, ERR_UPLOAD,
			 "the connection to node '%s' broke and does not come back: %s", s->node,
			 last.msg);
}
