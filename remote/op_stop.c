/* stop: give a capture up that is under way. */
#include "remote/op_ending.h"

static int start(struct helper_state *h, struct op_request *r, struct error *err)
{
	return op_ending_start(h, r, false, err);
}

const struct op op_stop = {
	.name = "stop",
	.start = start,
	.step = op_ending_step,
	.poll = op_ending_poll,
	.end = op_ending_end,
};
