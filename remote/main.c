/* jdiag-helper: what jdiag runs on a node, over its standard input and output. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/log.h"
#include "remote/conn.h"
#include "remote/ops.h"
#include "remote/upload/curl.h"

#define LINGER_MS 1000
#define END_MS 3500 /* for all requests together: PROTOCOL.md promises 5 s */
#define MAX_POLL (3 + WIRE_MAX_REQUESTS * OP_MAX_FDS)

struct helper {
	struct helper_state state;
	struct connection conn;
	struct op_request requests[WIRE_MAX_REQUESTS]; /* op NULL: free */
	uint64_t stepped[WIRE_MAX_REQUESTS];	       /* now_ms() of the last step */
	uint64_t due[WIRE_MAX_REQUESTS];	       /* of the next one */
	uint32_t last_id;
	bool greeted;
	int signals; /* signalfd */
};

static int usage(FILE *f, int status)
{
	fputs("Usage: jdiag-helper [--version | --help]\n"
	      "Serves jdiag on standard input and output; not for use by hand.\n",
	      f);
	return status;
}

/* -1: serve; else the exit status. */
static int parse_options(int argc, char **argv)
{
	static const struct option longs[] = {
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};

	switch (getopt_long(argc, argv, "h", longs, NULL)) {
	case -1:
		return optind == argc ? -1 : usage(stderr, ERR_USAGE);
	case 'V':
		puts("jdiag-helper " JDIAG_VERSION);
		return 0;
	case 'h':
		return usage(stdout, 0);
	default:
		return usage(stderr, ERR_USAGE);
	}
}

/* Move the stream away from 0 and 1, so that nothing else can read or write it. */
static int take_stdio(struct connection *c, struct error *err)
{
	int in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	int out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	auto_fd int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (in < 0 || out < 0 || null < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot set up standard input and output");
	return conn_open(c, in, out, err);
}

static int open_signals(int *ret, struct error *err)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot block signals");
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot open a signalfd");
	*ret = fd;
	return 0;
}

static void send_hello(struct helper *h)
{
	auto_buf struct buf b = BUF_INIT(MAX_FRAME_JSON);
	struct jsonw w = {.b = &b};
	struct utsname u = {0};

	(void)uname(&u); /* the names are for messages only */
	jsonw_open(&w, NULL, '{');
	jsonw_u64(&w, "min", WIRE_VERSION_MIN);
	jsonw_u64(&w, "max", WIRE_VERSION_MAX);
	jsonw_string(&w, "program", "jdiag-helper");
	jsonw_string(&w, "version", JDIAG_VERSION);
	jsonw_string(&w, "arch", u.machine);
	jsonw_string(&w, "kernel", u.release);
	jsonw_u64(&w, "euid", geteuid());
	jsonw_u64(&w, "pid", (uint64_t)getpid());
	jsonw_string(&w, "curl", curl_find() ? curl_find() : "");
	ops_names(&w, "capabilities");
	jsonw_close(&w, '}');
	conn_send_json(&h->conn, FRAME_HELLO, 0, &b);
}

static int take_hello(struct helper *h, const struct frame *f, struct error *err)
{
	uint64_t min = 0, max = 0;
	struct jsonr doc;

	if (h->greeted || f->request)
		return error_set(err, ERR_FAILED, "protocol error: unexpected HELLO frame");
	if (jsonr_parse(&doc, f->body, f->len, err) < 0 || jsonr_u64(&doc, "min", &min, err) < 0 ||
	    jsonr_u64(&doc, "max", &max, err) < 0)
		return error_prefix(err, "protocol error: HELLO");
	if (min > WIRE_VERSION_MAX || max < WIRE_VERSION_MIN || min > max)
		return error_set(err, ERR_FAILED,
				 "no common protocol version: the helper speaks %u to %u, the "
				 "client %llu to %llu",
				 WIRE_VERSION_MIN, WIRE_VERSION_MAX, (unsigned long long)min,
				 (unsigned long long)max);
	h->greeted = true;
	return 0;
}

/* What start or step returned; err is filled when it is -1. */
static void settle(struct helper *h, struct op_request *r, int rc, const struct error *e)
{
	if (rc == 0) {
		h->stepped[r - h->requests] = now_ms();
		return;
	}
	if (rc < 0)
		conn_send_error(&h->conn, r->id, e);
	if (r->op->end)
		r->op->end(&h->state, r);
	*r = (struct op_request){0};
}

static int take_request(struct helper *h, const struct frame *f, struct error *err)
{
	struct op_request *r = NULL;
	struct error failed = {0};
	char name[64] = "";
	struct jsonr doc;
	const struct op *op;

	if (f->request <= h->last_id)
		return error_set(err, ERR_FAILED, "protocol error: request %u after %u", f->request,
				 h->last_id);
	if (jsonr_parse(&doc, f->body, f->len, err) < 0 ||
	    jsonr_string(&doc, "op", name, sizeof(name), err) < 0)
		return error_prefix(err, "protocol error: request %u", f->request);
	for (size_t i = 0; i < WIRE_MAX_REQUESTS && !r; i++)
		r = h->requests[i].op ? NULL : &h->requests[i];
	if (!r)
		return error_set(err, ERR_FAILED, "protocol error: more than %u open requests",
				 WIRE_MAX_REQUESTS);
	h->last_id = f->request;
	op = ops_find(name);
	if (!op) {
		error_set(&failed, ERR_FAILED, "unknown operation '%s'", name);
		conn_send_error(&h->conn, f->request, &failed);
		return 0;
	}
	*r = (struct op_request){.id = f->request, .params = doc, .op = op};
	settle(h, r, op->start(&h->state, r, &failed), &failed);
	return 0;
}

/* The open one with that number, or NULL. */
static struct op_request *find_request(struct helper *h, uint32_t id)
{
	for (size_t i = 0; i < WIRE_MAX_REQUESTS; i++)
		if (h->requests[i].op && h->requests[i].id == id)
			return &h->requests[i];
	return NULL;
}

static int take_cancel(struct helper *h, const struct frame *f, struct error *err)
{
	struct op_request *r = find_request(h, f->request);
	struct error e = {0};

	if (!f->request || f->request > h->last_id)
		return error_set(err, ERR_FAILED,
				 "protocol error: CANCEL of request %u, which was never sent",
				 f->request);
	if (!r)
		return 0;
	error_set(&e, ERR_INTERRUPTED, "%s: cancelled", r->op->name);
	settle(h, r, -1, &e);
	return 0;
}

/* The request is open, or was: its DATA may have been under way when it ended. */
static int take_data(struct helper *h, const struct frame *f, struct error *err)
{
	uint64_t offset = wire_get_u64((const unsigned char *)f->body);
	size_t len = f->len - WIRE_DATA_OFFSET_SIZE;
	struct op_request *r = find_request(h, f->request);
	struct error e = {0};
	int rc;

	if (!f->request || f->request > h->last_id)
		return error_set(err, ERR_FAILED,
				 "protocol error: DATA of request %u, which was never sent",
				 f->request);
	if (!r)
		return 0;
	if (!r->op->data)
		return error_set(err, ERR_FAILED, "protocol error: '%s' takes no DATA",
				 r->op->name);
	if (offset != r->received)
		return error_set(err, ERR_FAILED,
				 "protocol error: DATA of request %u at %llu instead of %llu",
				 f->request, (unsigned long long)offset,
				 (unsigned long long)r->received);
	r->received += len;
	rc = r->op->data(&h->state, r, offset, f->body + WIRE_DATA_OFFSET_SIZE, len, &e);
	if (rc)
		settle(h, r, rc, &e);
	return 0;
}

static int take_frame(struct helper *h, const struct frame *f, struct error *err)
{
	if (!h->greeted && f->type != FRAME_HELLO)
		return error_set(err, ERR_FAILED, "protocol error: %s frame before HELLO",
				 frame_type_name(f->type));
	switch (f->type) {
	case FRAME_HELLO:
		return take_hello(h, f, err);
	case FRAME_REQUEST:
		return take_request(h, f, err);
	case FRAME_CANCEL:
		return take_cancel(h, f, err);
	case FRAME_DATA:
		return take_data(h, f, err);
	default: /* the reader lets only PING through besides */
		return f->request ? error_set(err, ERR_FAILED,
					      "protocol error: PING with a request number")
				  : 0;
	}
}

static int take_input(struct helper *h, struct error *err)
{
	struct frame f;
	int rc;

	conn_fill(&h->conn);
	while ((rc = conn_next(&h->conn, &f, err)) > 0)
		if (take_frame(h, &f, err) < 0)
			return -1;
	return rc;
}

/* Poll everything; afterwards due[] tells which requests are to be stepped. */
static void wait_for_events(struct helper *h)
{
	struct pollfd fds[MAX_POLL];
	unsigned int first[WIRE_MAX_REQUESTS + 1], n = 3;
	int timeout = conn_timeout(&h->conn);
	uint64_t now = now_ms();

	conn_poll(&h->conn, fds);
	fds[2] = (struct pollfd){.fd = h->signals, .events = POLLIN};
	for (size_t i = 0; i < WIRE_MAX_REQUESTS; i++) {
		const struct op_request *r = &h->requests[i];
		int interval = 1000;

		first[i] = n;
		if (!r->op)
			continue;
		if (r->op->poll)
			n += r->op->poll(r, fds + n, OP_MAX_FDS, &interval);
		h->due[i] = h->stepped[i] + (uint64_t)interval;
		if (h->due[i] < now + (uint64_t)timeout)
			timeout = h->due[i] > now ? (int)(h->due[i] - now) : 0;
	}
	first[WIRE_MAX_REQUESTS] = n;
	if (poll(fds, n, timeout) <= 0)
		return;
	for (size_t i = 0; i < WIRE_MAX_REQUESTS; i++)
		for (unsigned int j = first[i]; j < first[i + 1]; j++)
			if (fds[j].revents)
				h->due[i] = now;
	/* A peer that closed its reading end is gone, though its writing end may be open still. */
	if (fds[1].revents & POLLERR)
		h->conn.eof = true;
}

static void step_requests(struct helper *h)
{
	uint64_t now = now_ms();

	for (size_t i = 0; i < WIRE_MAX_REQUESTS; i++) {
		struct op_request *r = &h->requests[i];
		struct error e = {0};

		if (r->op && now >= h->due[i])
			settle(h, r, r->op->step(&h->state, r, &e), &e);
	}
}

static bool signalled(const struct helper *h)
{
	struct signalfd_siginfo info;

	return read(h->signals, &info, sizeof(info)) > 0;
}

/* Until the peer closes, a signal comes or the protocol is broken (-1). */
static int serve(struct helper *h, struct error *err)
{
	while (!h->conn.eof && !signalled(h)) {
		wait_for_events(h);
		if (take_input(h, err) < 0 || conn_tick(&h->conn, err) < 0) {
			conn_send_error(&h->conn, 0, err);
			conn_flush(&h->conn);
			return -1;
		}
		step_requests(h);
		conn_flush(&h->conn);
	}
	return 0;
}

static void end_all(struct helper *h)
{
	h->state.end_by = now_ms() + END_MS;
	for (size_t i = 0; i < WIRE_MAX_REQUESTS; i++)
		if (h->requests[i].op && h->requests[i].op->end)
			h->requests[i].op->end(&h->state, &h->requests[i]);
	for (unsigned int i = 0; i < h->state.n_lifelines; i++)
		fd_close(&h->state.lifelines[i]);
}

static int run(struct helper *h, struct error *err)
{
	int rc;

	if (take_stdio(&h->conn, err) < 0 || open_signals(&h->signals, err) < 0)
		return -1;
	rc = procfs_open(&h->state.proc, NULL);
	if (rc < 0)
		return error_sys(err, ERR_NODE, -rc, "cannot use /proc");
	send_hello(h);
	rc = serve(h, err);
	end_all(h);
	conn_close(&h->conn, LINGER_MS);
	procfs_close(&h->state.proc);
	return rc;
}

int main(int argc, char **argv)
{
	struct helper h = {.signals = -1};
	struct error err = {0};
	int status = parse_options(argc, argv);

	if (status >= 0)
		return status;
	h.state.conn = &h.conn;
	/* Not dumpable: a container that is entered can neither trace us nor write our binary. */
	if (io_secure_stdio() < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
		return ERR_FAILED;
	/* Ignored, as who started us may have left it, it would let the kernel reap a child and
	 * give its pid away before we kill it. */
	if (signal(SIGCHLD, SIG_DFL) == SIG_ERR)
		return ERR_FAILED;
	if (run(&h, &err) < 0) {
		log_at(LOG_WARN, "%s", err.msg);
		return ERR_FAILED;
	}
	return 0;
}
