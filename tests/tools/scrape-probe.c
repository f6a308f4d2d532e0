/*
 * scrape-probe: jdiag/scrape.h and jdiag/survey.h from the command line, for tests.
 *
 *	scrape-probe [OPTION...] HOST PID PORT PATH WAIT_MS [TIMES]
 *
 * Prints a line for each scrape, and for the survey of the process before the first one; or the
 * error and its errno on stderr, and goes on. The status is that of the last scrape.
 *
 * -p PORT, -l USER, -i KEY, -k KNOWN_HOSTS, -J JUMPS, -b libssh2|openssh, -v LEVEL
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jdiag/helper/helper.h"
#include "jdiag/interrupt.h"
#include "jdiag/json.h"
#include "jdiag/scrape.h"
#include "jdiag/ssh/ssh.h"
#include "jdiag/survey.h"
#include "remote/base/io.h"
#include "remote/base/log.h"
#include "remote/base/str.h"

/* As in ssh-probe: libssh2 1.10 loses two numbers for each ECDSA key. */
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

static uint64_t number(const char *s)
{
	uint64_t n;

	if (!str_to_u64(s, UINT32_MAX, &n))
		exit(2);
	return n;
}

static void parse(int argc, char **argv, struct ssh_options *o, const char *identities[2])
{
	int c;

	while ((c = getopt(argc, argv, "p:l:i:k:J:b:v:")) != -1) {
		switch (c) {
		case 'p':
			o->port = (uint16_t)number(optarg);
			break;
		case 'l':
			o->user = optarg;
			break;
		case 'i':
			identities[0] = optarg;
			break;
		case 'k':
			o->known_hosts = optarg;
			break;
		case 'J':
			o->jumps = optarg;
			break;
		case 'b':
			o->way = strcmp(optarg, "openssh") == 0 ? SSH_OPENSSH : SSH_LIBSSH2;
			break;
		case 'v':
			log_level = (int)number(optarg);
			break;
		default:
			exit(2);
		}
	}
	if (argc - optind < 5)
		exit(2);
	o->identities = identities;
	o->host = argv[optind];
}

static int fail(const struct error *err)
{
	fprintf(stderr, "scrape-probe: %s (errno %d)\n%s%s", err->msg, err->sys, err->hint,
		*err->hint ? "\n" : "");
	return err->code;
}

static int look(struct helper *h, const struct jvmref *j, uint16_t port, struct error *err)
{
	auto_json json_t *answer = NULL;

	if (survey(h, j, &answer, err) < 0)
		return -1;
	printf("survey: listens %d, self %d\n", survey_listens(answer, port),
	       survey_listens_self(answer, port));
	return 0;
}

static int scrape(struct helper *h, const struct jvmref *j, char **args)
{
	struct scrape s = {0};
	struct error err = {0};
	uint64_t started = now_ms();
	uint16_t port = (uint16_t)number(args[1]);

	if (scrape_pod(h, j, port, args[2], number(args[3]), &s, &err) < 0)
		return fail(&err);
	printf("scrape: %llu families, %llu samples, %llu bytes from %s; %llu of %llu ms\n",
	       (unsigned long long)s.summary.families, (unsigned long long)s.summary.samples,
	       (unsigned long long)s.bytes, s.address, (unsigned long long)s.ms,
	       (unsigned long long)(now_ms() - started));
	return 0;
}

int main(int argc, char **argv)
{
	struct ssh_options o = {.config_file = "/dev/null", .no_agent = true, .no_input = true};
	struct helper_options ho = {.sudo = SUDO_NEVER};
	const char *identities[2] = {0};
	struct ssh_session *ssh = NULL;
	struct helper *h = NULL;
	struct error err = {0};
	struct jvmref j = {0};
	uint64_t times;
	int status = 0;
	char **args;

	if (io_secure_stdio() < 0)
		return 1;
	parse(argc, argv, &o, identities);
	interrupt_install();
	args = argv + optind + 1;
	times = args[4] ? number(args[4]) : 1;
	j.pid = number(args[0]);
	if (ssh_open(&ssh, &o, &err) < 0)
		return fail(&err);
	if (helper_start(&h, ssh, &ho, &err) < 0 ||
	    look(h, &j, (uint16_t)number(args[1]), &err) < 0)
		status = fail(&err);
	for (; h && status == 0 && times; times--)
		status = scrape(h, &j, args);
	if (!helper_stop(h) && status == 0)
		status = 1;
	ssh_close(ssh);
	return status;
}
