/*
 * ssh-probe: jdiag/ssh from the command line, for tests. Opens a session, runs COMMAND, copies its
 * streams, ends with its status (or 5 and the like with the error on stderr, as jdiag does).
 *
 *	ssh-probe [OPTION...] HOST COMMAND
 *
 * -p PORT, -l USER, -i KEY (repeated), -k KNOWN_HOSTS, -m strict|accept-new|ignore, -a ALIAS,
 * -t CONNECT_MS, -T AUTH_MS, -v LEVEL as jdiag has them or ssh.h names them;
 * -F SSH_CONFIG, -J JUMPS, -o KEYWORD=VALUE (repeated) as ssh has them;
 * -n: never ask; -A: no agent; -I: feed stdin to the command;
 * -H IMAGE: push IMAGE ("-": the embedded helper) and print its answer to the operation COMMAND;
 * -S auto|always|never: sudo; -b auto|libssh2|openssh: the back end (default libssh2);
 * -g compute.ID: the host is that instance
 */
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jdiag/helper/connection.h"
#include "jdiag/interrupt.h"
#include "jdiag/json.h"
#include "jdiag/ssh/ssh.h"
#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/log.h"
#include "remote/base/str.h"

/*
 * libssh2 1.10 loses two numbers for each ECDSA key in OpenSSH's format: the leak checker of `make
 * SANITIZE=1` is told, and has to unwind through code without frame pointers to see whose they are.
 */
#ifdef __SANITIZE_ADDRESS__
const char *__asan_default_options(void);
const char *__lsan_default_suppressions(void);

const char *__asan_default_options(void)
{
	return "fast_unwind_on_malloc=0";
}

const char *__lsan_default_suppressions(void)
{
	return "leak:libssh2.so\n";
}
#endif

struct probe {
	struct ssh_options o;
	const char *identities[8], *extra[8];
	bool feed;
	const char *helper;
	struct helper_options helper_options;
	const char *command;
};

static int fail(const struct error *err)
{
	fprintf(stderr, "ssh-probe: %s\n%s%s", err->msg, err->hint, *err->hint ? "\n" : "");
	return err->code;
}

static uint64_t number(const char *s)
{
	uint64_t n;

	if (!str_to_u64(s, 1000000, &n))
		exit(2);
	return n;
}

static enum host_key_mode mode(const char *s)
{
	return strcmp(s, "ignore") == 0	      ? HOST_KEY_IGNORE
	       : strcmp(s, "accept-new") == 0 ? HOST_KEY_ACCEPT_NEW
					      : HOST_KEY_STRICT;
}

static enum ssh_way way(const char *s)
{
	return strcmp(s, "auto") == 0	   ? SSH_AUTO
	       : strcmp(s, "openssh") == 0 ? SSH_OPENSSH
					   : SSH_LIBSSH2;
}

static enum sudo_mode sudo(const char *s)
{
	return strcmp(s, "never") == 0	  ? SUDO_NEVER
	       : strcmp(s, "always") == 0 ? SUDO_ALWAYS
					  : SUDO_AUTO;
}

static void parse(int argc, char **argv, struct probe *p)
{
	size_t n = 0, extra = 0;
	int c;

	while ((c = getopt(argc, argv, "p:l:i:k:m:a:t:T:v:nAIH:S:F:J:o:b:g:")) != -1) {
		switch (c) {
		case 'p':
			p->o.port = (uint16_t)number(optarg);
			break;
		case 'l':
			p->o.user = optarg;
			break;
		case 'i':
			p->identities[n < 7 ? n++ : 6] = optarg;
			break;
		case 'k':
			p->o.known_hosts = optarg;
			break;
		case 'm':
			p->o.host_keys = mode(optarg);
			p->o.host_keys_given = true;
			break;
		case 'a':
			p->o.host_key_alias = optarg;
			break;
		case 't':
			p->o.connect_timeout_ms = number(optarg);
			break;
		case 'T':
			p->o.auth_timeout_ms = number(optarg);
			break;
		case 'v':
			log_level = (int)number(optarg);
			break;
		case 'b':
			p->o.way = way(optarg);
			break;
		case 'g':
			p->o.instance = optarg;
			break;
		case 'F':
			p->o.config_file = optarg;
			break;
		case 'J':
			p->o.jumps = optarg;
			break;
		case 'o':
			p->extra[extra < 7 ? extra++ : 6] = optarg;
			break;
		case 'n':
			p->o.no_input = true;
			break;
		case 'A':
			p->o.no_agent = true;
			break;
		case 'H':
			p->helper = optarg;
			break;
		case 'S':
			p->helper_options.sudo = sudo(optarg);
			break;
		case 'I':
			p->feed = true;
			break;
		default:
			exit(2);
		}
	}
	if (argc - optind != 2)
		exit(2);
	if (n)
		p->o.identities = p->identities;
	if (extra)
		p->o.extra = p->extra;
	p->o.host = argv[optind];
	p->command = argv[optind + 1];
}

/* Copy what is there of one stream; bytes, or -1. */
static ssize_t drain(struct ssh_channel *c, enum ssh_stream which, int fd, struct error *err)
{
	static char chunk[256 * 1024];
	ssize_t n, total = 0;

	while ((n = ssh_read(c, which, chunk, sizeof(chunk), err)) > 0) {
		if (io_write_full(fd, chunk, (size_t)n) < 0)
			return error_set(err, ERR_FAILED, "cannot write");
		total += n;
	}
	return n < 0 ? -1 : total;
}

static int feed_all(struct ssh_session *s, struct ssh_channel *c, struct error *err)
{
	char chunk[65536];
	ssize_t n;

	while ((n = read(STDIN_FILENO, chunk, sizeof(chunk))) > 0) {
		for (ssize_t done = 0; done < n;) {
			ssize_t put = ssh_write(c, chunk + done, (size_t)(n - done), err);

			if (put < 0)
				return -1;
			done += put;
			if (put == 0 && (drain(c, SSH_STDOUT, STDOUT_FILENO, err) < 0 ||
					 drain(c, SSH_STDERR, STDERR_FILENO, err) < 0 ||
					 ssh_wait(s, 1000, err) < 0))
				return -1;
		}
	}
	return ssh_write_eof(c, err);
}

static int run(struct ssh_session *s, const struct probe *p, struct error *err)
{
	struct ssh_channel *c;
	char name[32];
	int status;

	if (ssh_exec(s, p->command, &c, err) < 0 || (p->feed && feed_all(s, c, err) < 0))
		return -1;
	for (;;) {
		if (drain(c, SSH_STDOUT, STDOUT_FILENO, err) < 0 ||
		    drain(c, SSH_STDERR, STDERR_FILENO, err) < 0)
			return -1;
		if (ssh_eof(c))
			break;
		if (ssh_wait(s, 5000, err) < 0)
			return -1;
	}
	status = ssh_exit_status(c, name);
	ssh_channel_close(c);
	if (status < 0)
		return error_set(err, ERR_FAILED, "killed by signal '%s'", name);
	return status;
}

static int start_helper(struct ssh_session *s, const struct probe *p, struct helper **ret,
			struct error *err)
{
	auto_buf struct buf image = BUF_INIT(64 * MiB);

	if (strcmp(p->helper, "-") == 0)
		return helper_start(ret, s, &p->helper_options, err);
	if (io_read_file(AT_FDCWD, p->helper, &image) < 0)
		return error_set(err, ERR_FAILED, "cannot read '%s'", p->helper);
	return helper_push(ret, s, &p->helper_options, "x86_64", image.data, image.len, err);
}

/* Print what comes until the request has ended; of DATA the number of bytes. */
static int print_answer(struct helper *h, struct error *err)
{
	struct helper_message m;
	uint64_t bytes = 0;

	do {
		if (helper_next(h, 60000, &m, err) < 0)
			return -1;
		if (m.kind == HELPER_DATA)
			bytes += m.len;
		if (m.json) {
			auto_free char *line = json_to_line(m.json);

			puts(line);
		}
	} while (m.kind == HELPER_PROGRESS || m.kind == HELPER_DATA);
	if (bytes)
		printf("data: %llu bytes\n", (unsigned long long)bytes);
	if (m.kind == HELPER_ERROR) {
		*err = m.error;
		return -1;
	}
	return 0;
}

static int run_helper(struct ssh_session *s, const struct probe *p, struct error *err)
{
	struct helper *h;
	uint32_t id;
	int rc;

	if (start_helper(s, p, &h, err) < 0)
		return -1;
	rc = helper_request(h, p->command, NULL, &id, err);
	if (rc == 0)
		rc = print_answer(h, err);
	helper_stop(h);
	return rc;
}

int main(int argc, char **argv)
{
	struct probe p = {.o.way = SSH_LIBSSH2};
	struct ssh_session *s = NULL;
	struct error err = {0};
	int status;

	if (io_secure_stdio() < 0)
		return 1;
	interrupt_install();
	parse(argc, argv, &p);
	if (ssh_open(&s, &p.o, &err) < 0)
		return fail(&err);
	status = p.helper ? run_helper(s, &p, &err) : run(s, &p, &err);
	ssh_close(s);
	return status < 0 ? fail(&err) : status;
}
