/* Priorities. What cannot be set stays as it is: then the work is only less polite. */
#include <errno.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "remote/drain/inside.h"

/* linux/ioprio.h, which old headers lack */
#define IOPRIO_WHO_THREAD 1
#define IOPRIO_IDLE (3 << 13)
#define IOPRIO_BEST_EFFORT (2 << 13 | 4)

void idle_join(struct inside *d, pid_t *ret_tid)
{
	*ret_tid = gettid();
	sem_post(&d->started);
}

static void set_all(const struct inside *d, int policy, int io_priority)
{
	const struct sched_param none = {0};

	for (unsigned int i = 0; i < d->n_workers + 1; i++) {
		pid_t tid = i < d->n_workers ? d->workers[i].tid : d->hasher.tid;

		(void)sched_setscheduler(tid, policy, &none);
		syscall(SYS_ioprio_set, IOPRIO_WHO_THREAD, tid, io_priority);
	}
}

/* Not by each for itself: one that came late would be idle again when it is awaited. */
void idle_begin(struct inside *d)
{
	for (unsigned int i = 0; i < d->n_workers + 1; i++)
		while (sem_wait(&d->started) < 0 && errno == EINTR)
			;
	set_all(d, SCHED_IDLE, IOPRIO_IDLE);
}

void idle_end(struct inside *d)
{
	if (!atomic_load(&d->awaited) && !atomic_exchange(&d->awaited, true))
		set_all(d, SCHED_BATCH, IOPRIO_BEST_EFFORT);
}

unsigned int idle_count(const struct inside *d, unsigned int cpus)
{
	unsigned int writers = d->segmented ? d->n_streams - 1 : 1;

	return cpus > writers ? cpus - writers : 0;
}

void idle_hurry(struct inside *d)
{
	if (atomic_exchange(&d->hurried, true))
		return;
	for (unsigned int i = 0; i < d->n_workers; i++)
		sem_post(&d->more);
	sem_post(&d->hash);
}

void idle_press(struct inside *d)
{
	if (atomic_load(&d->pressed) || atomic_exchange(&d->pressed, true))
		return;
	if (d->o.redact != HPROF_REDACT_NONE)
		idle_hurry(d);
	else if (d->workers[0].held)
		sem_post(&d->more);
}
