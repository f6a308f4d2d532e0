/* Giving a capture up: asked to stop, it undoes everything and removes its spool; if it dies before
 * that, the spool is removed here. */
#include "remote/base/io.h"
#include "remote/spool/spool.h"

#define ASK_AGAIN_MS 1000
#define ENDING_MS 15000

int spool_ending_start(struct spool_ending *e, const char *id, bool finished_too, struct error *err)
{
	*e = (struct spool_ending){.spool = SPOOL_INIT, .finished_too = finished_too};
	e->deadline = now_ms() + ENDING_MS;
	return spool_find(id, &e->spool, err);
}

/* It lives and is under way. */
static int wait_for_it(struct spool_ending *e, struct error *err)
{
	uint64_t now = now_ms();

	if (now >= e->deadline)
		return error_set(err, ERR_NODE, "capture '%s' did not stop within %d s",
				 e->spool.id, ENDING_MS / 1000);
	if (e->asked && now - e->asked < ASK_AGAIN_MS)
		return 0;
	e->asked = now;
	return spool_stop(&e->spool, err);
}

/* One that has failed and lives removes its state first, and itself then: in between it looks as if
 * it were under way. */
static int remove_it(struct spool_ending *e, struct error *err)
{
	if (spool_remove(&e->spool, err) == 0)
		return 1;
	if (err->code != ERR_REFUSED || now_ms() >= e->deadline)
		return -1;
	*err = (struct error){0};
	return 0;
}

int spool_ending_step(struct spool_ending *e, struct error *err)
{
	bool alive = spool_alive(&e->spool);
	enum spool_phase phase;

	if (!spool_exists(&e->spool))
		return 1;
	phase = spool_phase(&e->spool);
	if (phase == SPOOL_COMPLETE && !e->finished_too) {
		error_set(err, ERR_FAILED, "capture '%s' is complete", e->spool.id);
		return error_hint(err, "'jdiag spool rm %s' removes it", e->spool.id);
	}
	if (alive && phase != SPOOL_COMPLETE && phase != SPOOL_FAILED)
		return wait_for_it(e, err);
	return remove_it(e, err);
}

void spool_ending_release(struct spool_ending *e)
{
	spool_close(&e->spool);
}
