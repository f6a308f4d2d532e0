#include "jdiag/question.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "jdiag/interrupt.h"
#include "jdiag/output.h"

#define TICK_MS 200

bool question_possible(void)
{
	return isatty(STDIN_FILENO) && isatty(STDERR_FILENO) && !output_on_ci();
}

/* The first byte of the line, '\n' for an empty one; 0 at the end of the input. The terminal gives
 * a whole line at a time; of one that is longer than the buffer the rest is left. */
static int read_answer(void)
{
	char line[256];
	ssize_t n = read(STDIN_FILENO, line, sizeof(line));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return -1;
	return n > 0 ? line[0] : 0;
}

int question_ask(const char *text, int (*tick)(void *ctx, struct error *err), void *ctx,
		 struct error *err)
{
	struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};

	fputs(text, stderr);
	for (;;) {
		int answer = -1;

		if (poll(&p, 1, TICK_MS) > 0)
			answer = read_answer();
		if (interrupt_check(err) < 0 || (answer < 0 && tick && tick(ctx, err) < 0)) {
			fputs("\n", stderr); /* what follows begins a line */
			return -1;
		}
		if (answer >= 0)
			return answer == 'y' || answer == 'Y';
	}
}
