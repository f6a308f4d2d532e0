/* What stop and remove have in common: a spool_ending, stepped. */
#ifndef REMOTE_OP_ENDING_H
#define REMOTE_OP_ENDING_H

#include "remote/ops.h"

/* finished_too: remove also what is complete. */
int op_ending_start(struct helper_state *h, struct op_request *r, bool finished_too,
		    struct error *err) must_check;
int op_ending_step(struct helper_state *h, struct op_request *r, struct error *err) must_check;
unsigned int op_ending_poll(const struct op_request *r, struct pollfd *fds, unsigned int max,
			    int *interval_ms);
void op_ending_end(struct helper_state *h, struct op_request *r);

#endif
