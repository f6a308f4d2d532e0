#include "remote/capture/holder.h"

#include <time.h>

#include "remote/base/str.h"
#include "remote/spool/spool.h"

struct holder {
	const struct procref *ref;
	struct spool_state state;
	bool found;
};

static int is_holder(void *ctx, const struct spool *s, const struct spool_state *state,
		     const struct error *e)
{
	struct holder *h = ctx;

	(void)e;
	if (!s->alive || !state || state->phase >= SPOOL_COMPLETE || state->pid != h->ref->pid ||
	    state->start_time != h->ref->start_time)
		return 0;
	h->found = true;
	h->state = *state;
	h->state.label = NULL;
	return 1;
}

int capture_lock(struct target *t, struct error *err)
{
	struct holder h = {.ref = &t->ref};
	char age[16];
	int64_t ms;

	if (target_lock(t, err) == 0)
		return 0;
	if (err->code != ERR_REFUSED || !spool_each(is_holder, &h) || !h.found)
		return -1;
	ms = (time(NULL) - h.state.created) * 1000;
	error_set(err, ERR_REFUSED,
		  "another capture of JVM %d is under way: '%s' of '%s', begun %s ago",
		  (int)t->ref.pid, h.state.id, *h.state.owner ? h.state.owner : "somebody",
		  str_format_ms(age, ms > 0 ? (uint64_t)ms : 0));
	return error_hint(err, "wait until it has ended; or 'jdiag spool rm %s' stops it",
			  h.state.id);
}
