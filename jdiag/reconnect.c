#include "jdiag/reconnect.h"

#include <errno.h>
#include <time.h>

#include "jdiag/crypto/crypto.h"
#include "jdiag/helper/helper.h"
#include "jdiag/interrupt.h"
#include "jdiag/progress.h"
#include "jdiag/session.h"
#include "remote/base/io.h"
#include "remote/base/log.h"

#define FIRST_WAIT_MS 500
#define LONGEST_WAIT_MS 15000
#define SLICE_MS 100
#define MORE_TRIES 3

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
		if (p)
			progress_waiting(p);
		if (nanosleep(&slice, NULL) < 0 && errno != EINTR)
			break;
	} while (now_ms() < end);
	return 0;
}

static void tell_broken(const struct session *s, struct progress *p, const struct error *why)
{
	if (p)
		progress_note(p, "the connection to node '%s' broke: %s; connecting again", s->node,
			      why->msg);
	else
		log_at(LOG_STEP, "the connection to node '%s' broke: %s", s->node, why->msg);
}

int session_reconnect(struct session *s, struct reconnect *r, struct progress *p,
		      const struct error *why, struct error *err)
{
	struct error last = *why;

	session_disconnect(s);
	if (!r->give_up_at)
		r->give_up_at = now_ms() + RECONNECT_GIVE_UP_MS;
	tell_broken(s, p, why);
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

static int one_try(struct session *s, int (*step)(void *ctx, struct error *err), void *ctx,
		   struct error *err)
{
	if (!s->helper && session_connect(s, err) < 0)
		return -1;
	return step ? step(ctx, err) : 0;
}

/* A helper that has ended without a word, in a connection that is good, may do so each time. */
static bool may_work_again(const struct session *s, const struct error *e, unsigned int tries)
{
	if (e->code == ERR_INTERRUPTED)
		return false;
	if (e->code == ERR_SSH && e->sys == ECONNRESET)
		return tries < MORE_TRIES;
	return s->helper && helper_lost(s->helper) && tries == 0;
}

int session_steadily(struct session *s, struct progress *p,
		     int (*step)(void *ctx, struct error *err), void *ctx, struct error *err)
{
	for (unsigned int tries = 0;; tries++) {
		struct error e = {0};

		if (one_try(s, step, ctx, &e) == 0)
			return 0;
		if (!may_work_again(s, &e, tries)) {
			*err = e;
			return -1;
		}
		session_disconnect(s);
		tell_broken(s, p, &e);
		if (pause_for(wait_ms(tries), p, err) < 0)
			return -1;
	}
}
