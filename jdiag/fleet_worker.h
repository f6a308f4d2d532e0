/* The part of a fleet that runs in the worker: see fleet.h. */
#ifndef JDIAG_FLEET_WORKER_H
#define JDIAG_FLEET_WORKER_H

#include <sys/types.h>

#include "jdiag/fleet.h"

struct fleet_worker {
	const struct fleet_command *command;
	void *ctx;
	const struct options *o;
	const struct selection *selection;
	size_t node;
	pid_t parent;
	int results; /* records go here */
	int turn;    /* a byte comes from here when it may work */
	int talk;    /* becomes stderr; a line {"message_type":"fleet","target":N} says whose the
			next ones are */
};

/* The whole life of a worker, right after the fork. */
_Noreturn void fleet_worker(const struct fleet_worker *w);

#endif
