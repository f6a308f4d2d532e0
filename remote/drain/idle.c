/* Priorities. What cannot be set stays as it is: then the work is only less polite. */
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "remote/drain/inside.h"

/* linux/ioprio.h, which old headers lack */
#define IOPRIO_WHO_THREAD 1
#define IOPRIO_IDLE (3 << 13)
#define IOPRIO_BEST_EFFORT (2 << 13 | 4)

void idle_begin(struct inside *d, pid_t *ret_tid)
{
	const struct sched_param none = {0};

	*ret_tid = gettid();
	sem_post(&d->started);
	(void)sched_setscheduler(0, SCHED_IDLE, &none);
	syscall(SYS_ioprio_set, IOPRIO_WHO_THREAD, 0, IOPRIO_IDLE);
}

void idle_end(pid_t tid)
{
	const struct sched_param none = {0};

	(void)sched_setscheduler(tid, SCHED_BATCH, &none);
	syscall(SYS_ioprio_set, IOPRIO_WHO_THREAD, tid, IOPRIO_BEST_EFFORT);
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
