#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jdiag/interrupt.h"
#include "jdiag/ssh/child.h"
#include "jdiag/ssh/openssh_session.h"
#include "jdiag/ssh/openssh_tree.h"
#include "jdiag/ssh/tcp.h"
#include "jdiag/ssh/tty.h"
#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/log.h"
#include "remote/base/str.h"

#define AUTH_MS 20000
#define PERSON_MS 300000 /* somebody looks for a passphrase, or for a key to touch */
#define LOOK_MS 10	 /* how often we look for the socket: it says nothing itself */
#define LINGER_MS 500	 /* for words that something it started still holds open */
#define GOODBYE_MS 1000
#define MAX_ENVIRONMENT 4096

extern char **environ;

/* A person can be asked: on the terminal, where we are not in its background, or by a program of
 * theirs. */
static bool can_ask(const struct ssh_options *o)
{
	auto_fd int tty = o->no_input ? -1 : open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	const char *askpass = getenv("SSH_ASKPASS");

	if (o->no_input)
		return false;
	return (tty >= 0 && tcgetpgrp(tty) == getpgrp()) || (askpass && *askpass);
}

/* An ssh_config, an agent and a ProxyCommand live by the person's environment; what is ours is of
 * no use there. The strings are environ's. */
static char **environment(const struct ssh_options *o)
{
	char **list = xcalloc(MAX_ENVIRONMENT + 1, sizeof(*list));
	size_t n = 0;

	for (char **e = environ; *e && n < MAX_ENVIRONMENT; e++)
		if (!str_starts(*e, "JDIAG_") && !(o->no_agent && str_starts(*e, "SSH_AUTH_SOCK=")))
			list[n++] = *e;
	return list;
}

/* Only async-signal-safe calls from here to exec. */
static _Noreturn void in_child(const struct open_session *s, pid_t parent, char *const *argv,
			       char *const *envp, int words)
{
	/* Ctrl-C, and the end of a terminal, are for us: the connection is what we clean up by. A
	 * signal that is ignored stays so in ssh and in what it starts; both are ended by SIGTERM,
	 * ssh also when we are killed. */
	static const int ignored[] = {SIGINT, SIGQUIT, SIGHUP};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	if (s->own_group)
		setsid();
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(127);
	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	umask(077); /* a known_hosts file that it makes */
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(words, 2) < 0)
		_exit(127);
	close_range(3, ~0u, 0);
	execve(argv[0], argv, envp);
	_exit(127);
}

static void free_list(char **list)
{
	for (char **p = list; *p; p++)
		free(*p);
	free(list);
}

static int spawn(struct open_session *s, char **argv, char **envp, struct error *err)
{
	pid_t parent = getpid();
	int words[2];

	if (pipe2(words, O_CLOEXEC) < 0)
		return error_sys(err, ERR_SSH, errno, "cannot make a pipe");
	s->pid = fork();
	if (s->pid == 0)
		in_child(s, parent, argv, envp, words[1]);
	close(words[1]);
	s->stderr_fd = words[0];
	if (s->pid < 0) {
		s->pid = 0;
		return error_sys(err, ERR_SSH, errno, "cannot fork");
	}
	if (io_set_nonblock(s->stderr_fd) < 0)
		return error_sys(err, ERR_SSH, errno, "cannot use a pipe");
	return 0;
}

bool open_listen(struct open_session *s)
{
	char chunk[4096];

	while (s->stderr_fd >= 0) {
		ssize_t n = read(s->stderr_fd, chunk, sizeof(chunk));

		if (n > 0) {
			words_take(&s->words, chunk, (size_t)n);
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return true;
		fd_close(&s->stderr_fd);
	}
	return false;
}

/* Whether it has ended, without reaping it: its number is not another's yet. */
static bool has_ended(const struct open_session *s)
{
	siginfo_t info = {0};

	return !s->pid ||
	       (waitid(P_PID, (id_t)s->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
		info.si_pid == s->pid) ||
	       errno == ECHILD;
}

static bool wait_end(const struct open_session *s, uint64_t deadline)
{
	while (!has_ended(s)) {
		if (now_ms() >= deadline)
			return false;
		poll(NULL, 0, 5);
	}
	return true;
}

static void reap(struct open_session *s)
{
	if (!s->pid)
		return;
	if (s->own_group)
		kill(-s->pid, SIGKILL);
	else
		kill(s->pid, SIGKILL);
	while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
		;
	s->pid = 0;
}

/* What it still has to say, when it has ended or is about to. */
static void hear_out(struct open_session *s)
{
	uint64_t deadline = now_ms() + LINGER_MS;

	while (open_listen(s) && now_ms() < deadline) {
		/* a program that it started may keep this open */
		if (has_ended(s) && io_wait(s->stderr_fd, POLLIN, now_ms() + 50) == 0)
			break;
		if (!has_ended(s))
			(void)!io_wait(s->stderr_fd, POLLIN, now_ms() + 10);
	}
}

void open_master_end(struct open_session *s)
{
	struct process_tree tree = {.n = 0};

	mux_close(&s->control);
	if (s->pid && !s->own_group)
		tree_find(&tree, s->pid);
	if (s->pid && !has_ended(s)) {
		kill(s->pid, SIGTERM); /* it says goodbye, and removes its socket */
		(void)wait_end(s, now_ms() + GOODBYE_MS);
	}
	(void)open_listen(s);
	reap(s);
	tree_end(&tree); /* those that did not end by themselves with it */
	fd_close(&s->stderr_fd);
}

int open_lost(struct open_session *s, struct error *err)
{
	char last[WORDS_LAST];

	if (!s->lost) {
		s->lost = true;
		hear_out(s);
	}
	error_set(err, ERR_SSH, "lost the connection to '%s' port %u: %s", s->base.host,
		  s->base.port, words_last(&s->words, last));
	if (err)
		err->sys = ECONNRESET;
	return -1;
}

/* Time that a person takes to type does not count against the server, and cannot be told apart. */
static uint64_t login_ms(const struct open_session *s, const struct ssh_options *o)
{
	if (o->auth_timeout_ms)
		return o->auth_timeout_ms;
	return s->may_ask ? PERSON_MS : AUTH_MS;
}

static int too_late(const struct open_session *s, struct error *err)
{
	static const char *const what[] = {"cannot connect to", "cannot start SSH with",
					   "cannot log in to"};

	error_set(err, ERR_SSH, "%s '%s' port %u: no answer in time", what[s->words.phase],
		  s->base.host, s->base.port);
	if (s->words.phase == PHASE_CONNECT) {
		(void)tcp_unreachable(err);
		return error_hint(err,
				  "check the address and that port %u of the node can be "
				  "reached from here (firewall, bastion, VPN)",
				  s->base.port);
	}
	if (s->words.phase == PHASE_KEY_EXCHANGE)
		return error_hint(err, "the port is open, but nothing came from it: is it SSH?");
	return -1;
}

/* The socket is there when it has logged in. 1 connected, 0 not yet, -1. */
static int try_socket(struct open_session *s, const char *path, struct error *err)
{
	int rc = mux_connect(&s->control, path);

	if (rc == 0)
		return 1;
	if (rc == -ENOENT || rc == -ECONNREFUSED || rc == -EAGAIN)
		return 0;
	return error_sys(err, ERR_SSH, -rc, "cannot talk to the ssh client for '%s'", s->base.host);
}

static int wait_login(struct open_session *s, const struct ssh_options *o,
		      const struct ssh_config *c, struct error *err)
{
	auto_free char *socket = open_dir_path(&s->dir, "s");
	/* ssh's own time-out, in whole seconds, says more: it comes first */
	uint64_t deadline = now_ms() + c->connect_timeout_ms + 1000;
	bool logging_in = false;

	for (;;) {
		bool ended = has_ended(s);
		int rc;

		(void)open_listen(s);
		rc = ended ? 0 : try_socket(s, socket, err);
		if (rc)
			return rc < 0 ? -1 : 0;
		if (ended) {
			hear_out(s);
			return open_explain(s, o, c, err);
		}
		if (ssh_check_interrupt(&s->base, err) < 0)
			return -1;
		if (!logging_in && s->words.phase == PHASE_LOGIN) {
			logging_in = true;
			deadline = now_ms() + login_ms(s, o);
		}
		if (now_ms() > deadline)
			return too_late(s, err);
		poll(NULL, 0, LOOK_MS);
	}
}

int open_master_start(struct open_session *s, const struct ssh_options *o,
		      const struct ssh_config *c, struct error *err)
{
	auto_free char *program = child_find("ssh");
	auto_buf struct buf text = BUF_INIT(64 * KiB), host = BUF_INIT(64 * KiB);
	auto_free char **envp = environment(o);
	char **argv;
	int rc;

	if (!program) {
		error_set(err, ERR_SSH, "there is no 'ssh' in PATH");
		return error_hint(err, "install the OpenSSH client, or use --ssh libssh2");
	}
	s->may_ask = can_ask(o);
	s->own_group = !s->may_ask;
	if (open_dir_make(&s->dir, err) < 0 ||
	    open_config_text(&text, &host, &s->dir, o, c, s->may_ask, err) < 0 ||
	    open_dir_write(&s->dir, "config", &text, err) < 0)
		return -1;
	argv = open_arguments(program, &s->dir, o, c, buf_str(&host), s->may_ask);
	rc = spawn(s, argv, envp, err);
	free_list(argv);
	return rc < 0 ? -1 : wait_login(s, o, c, err);
}
