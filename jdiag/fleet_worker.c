#include "jdiag/fleet_worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "jdiag/command.h"
#include "jdiag/fleet_record.h"
#include "jdiag/helper/helper.h"
#include "jdiag/interrupt.h"
#include "jdiag/reconnect.h"
#include "jdiag/session.h"
#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/log.h"

#define PUMP_MS 500

/* The parent has gone, or takes nothing any more: nobody is left to be told. */
static void must_arrive(int rc)
{
	if (rc < 0)
		_exit(ERR_FAILED);
}

/* ---- standard streams ---- */

/* Nothing to read, nobody's terminal; what is written to stdout is kept until it is a result. */
static void redirect(const struct fleet_worker *w)
{
	auto_fd int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	auto_fd int result = memfd_create("jdiag-result", MFD_CLOEXEC);

	if (null < 0 || result < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(result, STDOUT_FILENO) < 0 || dup2(w->talk, STDERR_FILENO) < 0)
		_exit(ERR_FAILED);
	close(w->talk);
}

/* What was written since the last time. */
static int take_result(struct buf *b, struct error *err)
{
	off_t size;

	fflush(stdout);
	size = lseek(STDOUT_FILENO, 0, SEEK_END);
	if (ferror(stdout) || size < 0)
		return error_set(err, ERR_FAILED, "the result cannot be kept");
	if (lseek(STDOUT_FILENO, 0, SEEK_SET) < 0 || io_read_all(STDOUT_FILENO, b) < 0)
		return error_set(err, ERR_FAILED, "the result is too large: %llu bytes",
				 (unsigned long long)size);
	return 0;
}

static void forget_result(void)
{
	fflush(stdout);
	if (ftruncate(STDOUT_FILENO, 0) < 0 || lseek(STDOUT_FILENO, 0, SEEK_SET) < 0)
		_exit(ERR_FAILED);
}

/* ---- its life ---- */

static void begin_life(const struct fleet_worker *w)
{
	sigset_t none;

	/* a group of its own: a Ctrl-C comes from the parent, once. Signals were blocked before
	 * the fork, so that none came in between. */
	if (setpgid(0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != w->parent)
		_exit(ERR_INTERRUPTED);
	redirect(w);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	log_as_json = true;
}

static int reach(const struct selected_node *n, struct session *s, struct error *err)
{
	if (n->target.kind == TARGET_SSH)
		return session_resolve_ssh(s, &n->target, err);
	return session_take_node(s, n->object, err);
}

/* Until it is our turn; what the helper says meanwhile is taken in. A connection that breaks while
 * nothing is asked of it does no harm: work() makes another one. */
static int wait_for_turn(const struct fleet_worker *w, struct session *s, struct error *err)
{
	struct pollfd p = {.fd = w->turn, .events = POLLIN};
	char byte;

	for (;;) {
		struct error lost = {0};

		if (interrupt_check(err) < 0)
			return -1;
		if (s->helper && helper_pump(s->helper, &lost) < 0) {
			if (lost.code == ERR_INTERRUPTED) {
				*err = lost;
				return -1;
			}
			log_at(LOG_STEP, "%s", lost.msg);
			session_disconnect(s);
		}
		if (poll(&p, 1, PUMP_MS) > 0)
			break;
	}
	if (read(w->turn, &byte, 1) != 1)
		return error_set(err, ERR_INTERRUPTED, "interrupted");
	return 0;
}

static int work(const struct fleet_worker *w, struct session *s, size_t target, struct error *err)
{
	auto_buf struct buf text = BUF_INIT(MAX_FLEET_RECORD);

	s->has_pod = false;
	s->container = NULL;
	s->ns[0] = '\0';
	if (interrupt_check(err) < 0 || session_steadily(s, NULL, NULL, NULL, err) < 0 ||
	    w->command->work(w->ctx, s, &w->selection->targets[target], err) < 0 ||
	    take_result(&text, err) < 0)
		return -1;
	must_arrive(fleet_record_write(w->results, FLEET_RESULT, (uint32_t)target, buf_str(&text),
				       text.len));
	return 0;
}

/* It has failed: what was done before. */
static void tell_part(const struct fleet_worker *w, size_t target)
{
	auto_buf struct buf text = BUF_INIT(MAX_FLEET_RECORD);
	struct error unimportant;

	if (w->command->part && take_result(&text, &unimportant) == 0 && text.len)
		must_arrive(fleet_record_write(w->results, FLEET_PART, (uint32_t)target,
					       buf_str(&text), text.len));
}

static void work_on_all(const struct fleet_worker *w, struct session *s)
{
	for (size_t i = 0; i < w->selection->n; i++) {
		struct error err = {0};

		if (w->selection->targets[i].node != w->node)
			continue;
		fprintf(stderr, "{\"message_type\":\"fleet\",\"target\":%zu}\n", i);
		if (work(w, s, i, &err) < 0) {
			/* nothing of what went wrong shall be in the way of the next one */
			session_disconnect(s);
			tell_part(w, i);
			must_arrive(fleet_record_write_error(w->results, FLEET_FAILED, (uint32_t)i,
							     &err));
		}
		forget_result();
	}
}

static void tell_node(const struct session *s)
{
	auto_free char *target = session_node_target(s);

	log_at(LOG_WARN, "warning: the node did not say that it is clean again: %s tidy %s",
	       command_program(), target);
}

_Noreturn void fleet_worker(const struct fleet_worker *w)
{
	struct options o = *w->o;
	struct error err = {0};
	struct session s;

	begin_life(w);
	/* one question was for all; nobody sees a second one */
	o.yes = o.no_input = true;
	o.progress = PROGRESS_JSON;
	session_init(&s, &o);
	s.kube = w->selection->kube;
	if (reach(&w->selection->nodes[w->node], &s, &err) < 0 ||
	    session_steadily(&s, NULL, NULL, NULL, &err) < 0) {
		session_disconnect(&s);
		must_arrive(fleet_record_write_error(w->results, FLEET_REFUSED, 0, &err));
		_exit(0);
	}
	must_arrive(fleet_record_write(w->results, FLEET_CONNECTED, 0, NULL, 0));
	if (wait_for_turn(w, &s, &err) < 0)
		must_arrive(fleet_record_write_error(w->results, FLEET_REFUSED, 0, &err));
	else
		work_on_all(w, &s);
	if (!session_disconnect(&s))
		tell_node(&s);
	_exit(0);
}
