/* remove: remove a spool; a capture that is under way is stopped first. */
#include "remote/op_ending.h"

static int start(struct helper_state *h, struct op_request *r, struct error *err)
{
	return op_ending_start(h, r, true, err);
}

const struct op op_remove = {
	.name = "remove",
	.start = start,
	.step = op_ending_step,
	.poll = op_ending_poll,
	.end = op_ending_end,
};
