#include "remote/upload/curl.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"
#include "remote/enter.h"

/* Nobody else's (systemd's list of uids leaves this range unused). What runs as 65534 may be a
 * container that sees the node's processes, and could read the address in curl's memory. */
#define UPLOADER 1885628769
#define BODY_FD 3
#define MAX_SAID (64 * KiB)
#define MAX_CONFIG (32 * KiB) /* less than a pipe holds: written before curl reads */
#define STATUS_MARK "\njdiag-status "

static const char *const places[] = {"/usr/bin/curl", "/bin/curl", "/usr/local/bin/curl",
				     "/opt/bin/curl"};

bool curl_text_is_safe(const char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~' || *text == '"' || *text == '\\')
			return false;
	return true;
}

bool curl_header_is_safe(const char *line)
{
	size_t n = strspn(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-");

	return n && line[n] == ':' && line[n + 1] == ' ' && curl_text_is_safe(line);
}

const char *curl_find(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (access(places[i], X_OK) == 0)
			return places[i];
	return NULL;
}

/* What is sent has a known length: without Content-Length curl would send a pipe in chunks, which a
 * resumable session does not take. */
static void write_config(struct buf *b, const char *uri, const char *const *headers,
			 size_t n_headers, uint64_t length)
{
	buf_addf(b, "url = \"%s\"\n", uri);
	for (size_t i = 0; i < n_headers; i++)
		buf_addf(b, "header = \"%s\"\n", headers[i]);
	buf_addf(b, "header = \"Content-Length: %llu\"\n", (unsigned long long)length);
	buf_adds(b, "header = \"Transfer-Encoding:\"\n"
		    "header = \"Expect:\"\n"
		    "upload-file = \"/dev/fd/3\"\n"
		    "globoff\nhttp1.1\nsilent\nshow-error\n"
		    "connect-timeout = 20\nspeed-limit = 1\nspeed-time = 60\n"
		    "write-out = \"\\njdiag-status %{http_code}\"\n");
}

static void become_uploader(void)
{
	if (setgroups(0, NULL) < 0 || setresgid(UPLOADER, UPLOADER, UPLOADER) < 0 ||
	    setresuid(UPLOADER, UPLOADER, UPLOADER) < 0)
		_exit(126);
}

/* In the child. Its ends of the pipes are numbered above 2. */
_Noreturn static void run_curl(const char *path, pid_t parent, int config, int body, int out)
{
	char *const argv[] = {(char[]){"curl"}, (char[]){"-q"}, (char[]){"--config"}, (char[]){"-"},
			      NULL};
	int keep[] = {BODY_FD};
	struct error ignored = {0};
	sigset_t none;

	sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL) < 0 || signal(SIGPIPE, SIG_DFL) == SIG_ERR)
		_exit(126);
	/* out of the way of 0 to 3, which are given away below */
	config = fcntl(config, F_DUPFD, 16);
	body = fcntl(body, F_DUPFD, 16);
	out = fcntl(out, F_DUPFD, 16);
	if (config < 0 || body < 0 || out < 0 || dup2(config, 0) < 0 || dup2(out, 1) < 0 ||
	    dup2(out, 2) < 0 || dup2(body, BODY_FD) < 0 || enter_keep_only(keep, 1, &ignored) < 0)
		_exit(126);
	become_uploader();
	/* changing the user clears it, so only now */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(126);
	execv(path, argv);
	_exit(127);
}

struct pipes {
	int config[2], body[2], out[2];
};

static void close_pipes(struct pipes *p)
{
	for (int i = 0; i < 2; i++) {
		fd_close(&p->config[i]);
		fd_close(&p->body[i]);
		fd_close(&p->out[i]);
	}
}

static int open_pipes(struct pipes *p, struct error *err)
{
	*p = (struct pipes){{-1, -1}, {-1, -1}, {-1, -1}};
	if (pipe2(p->config, O_CLOEXEC) < 0 || pipe2(p->body, O_CLOEXEC) < 0 ||
	    pipe2(p->out, O_CLOEXEC) < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot open a pipe");
	(void)fcntl(p->body[1], F_SETPIPE_SZ, (int)MiB); /* fewer turns; smaller works too */
	if (io_set_nonblock(p->body[1]) < 0 || io_set_nonblock(p->out[0]) < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot set up a pipe");
	/* /dev/fd/3 is opened by name, as that user */
	if (fchown(p->body[0], UPLOADER, UPLOADER) < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot set up a pipe");
	return 0;
}

static int start(struct curl *c, const char *path, struct pipes *p, const struct buf *config,
		 struct error *err)
{
	pid_t self = getpid();
	int rc = io_write_full(p->config[1], config->data, config->len);

	if (rc < 0)
		return error_sys(err, ERR_FAILED, -rc, "cannot write curl's configuration");
	c->pid = fork();
	if (c->pid < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot fork");
	if (c->pid == 0)
		run_curl(path, self, p->config[0], p->body[0], p->out[1]);
	c->in = p->body[1];
	c->out = p->out[0];
	p->body[1] = p->out[0] = -1;
	return 0;
}

int curl_start(struct curl *c, const char *uri, const char *const *headers, size_t n_headers,
	       uint64_t length, struct error *err)
{
	auto_buf struct buf config = BUF_INIT(MAX_CONFIG);
	const char *path = curl_find();
	struct pipes p;
	int rc;

	if (!path) {
		error_set(err, ERR_NODE, "the node has no curl");
		return error_hint(err, "upload from here: --upload-from bastion");
	}
	write_config(&config, uri, headers, n_headers, length);
	if (config.overflow)
		return error_set(err, ERR_USAGE, "the upload's address and headers are too long");
	*c = CURL_INIT;
	c->said = BUF_INIT(MAX_SAID);
	rc = open_pipes(&p, err);
	if (rc == 0)
		rc = start(c, path, &p, &config, err);
	close_pipes(&p);
	explicit_bzero(config.data, config.cap);
	return rc;
}

ssize_t curl_write(struct curl *c, const void *data, size_t len)
{
	ssize_t n = c->in < 0 ? -1 : write(c->in, data, len);

	if (n >= 0)
		return n;
	if (c->in >= 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	fd_close(&c->in);
	return -1;
}

void curl_finish(struct curl *c)
{
	fd_close(&c->in);
}

/* The status is behind the last mark: what stands before it is the server's. */
static unsigned int take_status(struct buf *said)
{
	const char *text = buf_str(said), *mark = NULL;
	uint64_t status = 0;

	for (const char *at = text; (at = strstr(at, STATUS_MARK)); at++)
		mark = at;
	if (!mark || !str_to_u64(mark + strlen(STATUS_MARK), 999, &status))
		return 0;
	said->len = (size_t)(mark - text);
	said->data[said->len] = '\0';
	return (unsigned int)status;
}

bool curl_read(struct curl *c, unsigned int *status)
{
	char chunk[4096];
	ssize_t n;

	while (c->out >= 0) {
		n = read(c->out, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return false;
		if (n <= 0)
			fd_close(&c->out);
		else
			buf_add(&c->said, chunk, (size_t)n);
	}
	*status = c->said.overflow ? 0 : take_status(&c->said);
	return true;
}

void curl_stop(struct curl *c)
{
	if (c->pid > 0) {
		kill(c->pid, SIGKILL);
		while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	c->pid = -1;
	fd_close(&c->in);
	fd_close(&c->out);
	buf_release(&c->said);
}
