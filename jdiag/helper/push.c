#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/helper/connection.h"
#include "jdiag/helper/images.h"
#include "jdiag/helper/script.h"
#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/log.h"
#include "remote/base/str.h"

#define START_MS 30000
#define WRITE_CHUNK (128 * 1024)
#define MACHINE_SIZE 32

struct push {
	struct helper *h;
	const struct helper_options *o;
	const char *image;
	size_t left;	   /* of image */
	struct buf noise;  /* what came before the magic */
	bool write_failed; /* the command has ended; its streams tell why */
	uint64_t deadline;
	char machine[MACHINE_SIZE]; /* of the node, when the image is not for it; else "" */
};

/* What the remote shell printed, its first line for people; "" when nothing. */
static void first_line(const struct buf *noise, char *dst, size_t size)
{
	const char *p = buf_str(noise), *end = p + noise->len;
	size_t n = 0;

	while (p < end && (*p == '\n' || *p == '\r' || *p == ' '))
		p++;
	while (p + n < end && p[n] != '\n' && p[n] != '\r')
		n++;
	str_escape(dst, size, p, n, NULL);
}

/* The words behind a mark of the script on a line of stderr. */
static bool script_said(const struct helper *h, const char *mark, char *dst, size_t size)
{
	const char *at = strstr(buf_str(&h->said), mark);

	if (!at || (at != h->said.data && at[-1] != '\n'))
		return false;
	at += strlen(mark);
	str_escape(dst, size, at, strcspn(at, "\r\n"), NULL);
	return true;
}

void helper_how(const struct helper *h, struct helper_how *ret)
{
	char text[64];

	ret->sudo = script_said(h, SCRIPT_MARK_SUDO, text, sizeof(text));
	ret->in_memory = script_said(h, SCRIPT_MARK_PROGRAM, text, sizeof(text)) &&
			 str_ends(text, "/unshare");
}

static bool said_any(const struct helper *h, const char *const *texts)
{
	for (; *texts; texts++)
		if (strstr(buf_str(&h->said), *texts))
			return true;
	return false;
}

static int explain_sudo(const struct push *p, const char *program, struct error *err)
{
	static const char *const no_sudo[] = {"sudo: not found", "sudo: command not found",
					      "sudo: No such file", NULL};
	static const char *const no_tty[] = {"must have a tty", "no tty present", NULL};
	const char *user = ssh_user(p->h->ssh);
	auto_free char *words = helper_last_words(p->h);

	if (said_any(p->h, no_sudo)) {
		error_set(err, ERR_NODE,
			  "cannot become root: there is no sudo on the node, and "
			  "'%s' is not root",
			  user);
		return error_hint(err, "log in as root: --ssh-user root");
	}
	error_set(err, ERR_NODE, "cannot become root: sudo refused '%s': %s", user,
		  !words			? "it said nothing"
		  : str_starts(words, "sudo: ") ? words + strlen("sudo: ")
						: words);
	return error_hint(err,
			  "let this user do it without a password (visudo -f /etc/sudoers.d/jdiag "
			  "on the node):\n%s%s%s  %s ALL=(root) NOPASSWD: %s\nor log in as another "
			  "user: --ssh-user",
			  said_any(p->h, no_tty) ? "  Defaults:" : "",
			  said_any(p->h, no_tty) ? user : "",
			  said_any(p->h, no_tty) ? " !requiretty\n" : "", user, program);
}

static bool sudo_refused(const struct helper *h)
{
	static const char *const words[] = {"sudo: ", "sudoers", "is not allowed to",
					    "may not run sudo", NULL};

	return said_any(h, words);
}

static int not_root(struct error *err)
{
	if (err)
		err->sys = EPERM;
	return -1;
}

static int explain_machine(const char *machine, struct error *err)
{
	auto_buf struct buf list = BUF_INIT(100);

	helper_images_list(&list);
	error_set(err, ERR_NODE,
		  "the node's machine is '%s', and this build of jdiag has a helper for %s only",
		  machine, buf_str(&list));
	if (strcmp(machine, "aarch64") != 0)
		return -1;
	return error_hint(err, "build jdiag where gcc-aarch64-linux-gnu and "
			       "libc6-dev-arm64-cross are installed (make deps)");
}

static int explain_noise(const struct push *p, const char *what, struct error *err)
{
	char line[200];

	first_line(&p->noise, line, sizeof(line));
	error_set(err, ERR_NODE, "%s; the login shell printed%s%s%s", what,
		  *line ? ": '" : " nothing", line, *line ? "'" : "");
	return error_hint(err,
			  "jdiag runs a command through the login shell of '%s' on the node; it "
			  "must not be replaced by another (ForceCommand, a menu, nologin)",
			  ssh_user(p->h->ssh));
}

/* The command has ended without a magic: find out what was wrong. */
static int explain_end(struct push *p, struct error *err)
{
	static const char *const forbidden[] = {"Operation not permitted", "must be superuser",
						NULL};
	char signal_name[32], text[200], line[200];
	int status = ssh_exit_status(p->h->channel, signal_name);
	auto_free char *words = helper_last_words(p->h);

	if (status == SCRIPT_STATUS_MACHINE &&
	    script_said(p->h, SCRIPT_MARK_MACHINE, p->machine, sizeof(p->machine)))
		return explain_machine(p->machine, err);
	if (script_said(p->h, SCRIPT_MARK_SUDO, text, sizeof(text)) && sudo_refused(p->h)) {
		explain_sudo(p, text, err);
		return not_root(err);
	}
	if (p->o->sudo == SUDO_NEVER && strcmp(ssh_user(p->h->ssh), "root") != 0 &&
	    said_any(p->h, forbidden)) {
		error_set(err, ERR_NODE,
			  "the helper has to be root on the node, and '%s' is not: %s",
			  ssh_user(p->h->ssh), words ? words : "");
		error_hint(err, "use sudo (--sudo auto), or log in as root: --ssh-user root");
		return not_root(err);
	}
	/* none of ours ends so: another command was run in its place */
	if (status == 0)
		return explain_noise(p, "the helper did not start", err);
	first_line(&p->noise, line, sizeof(line));
	if (status < 0)
		error_set(err, ERR_NODE, "the helper did not start: killed by signal %s",
			  *signal_name ? signal_name : "(unknown)");
	else
		error_set(err, ERR_NODE, "the helper did not start: exit status %d%s%s", status,
			  words || *line ? ": " : "", words ? words : line);
	return helper_hint_stderr(p->h, err);
}

/* Put what came before the magic into noise and what came behind it into the reader's buffer. 1
 * found, 0 not yet, -1 given up. */
static int take_stdout(struct push *p, struct error *err)
{
	struct helper *h = p->h;
	size_t from = p->noise.len > WIRE_MAGIC_SIZE ? p->noise.len - WIRE_MAGIC_SIZE : 0;
	const char *magic;
	ssize_t n = ssh_read(h->channel, SSH_STDOUT, h->in, IN_SIZE / 4, err);
	size_t behind;

	if (n <= 0)
		return (int)n;
	h->last_in = now_ms();
	buf_add(&p->noise, h->in, (size_t)n);
	magic = memmem(buf_str(&p->noise) + from, p->noise.len - from, wire_magic, WIRE_MAGIC_SIZE);
	if (!magic)
		return p->noise.len <= MAX_SHELL_NOISE
			       ? 0
			       : explain_noise(p, "the helper's greeting did not come", err);
	behind = p->noise.len - (size_t)(magic + WIRE_MAGIC_SIZE - p->noise.data);
	memcpy(h->in, magic + WIRE_MAGIC_SIZE, behind);
	h->in_len = behind;
	return 1;
}

static int send_image(struct push *p)
{
	while (p->left && !p->write_failed) {
		struct error ignored;
		size_t n = p->left < WRITE_CHUNK ? p->left : WRITE_CHUNK;
		ssize_t put = ssh_write(p->h->channel, p->image, n, &ignored);

		if (put == 0)
			break;
		if (put < 0) {
			p->write_failed = true; /* the streams will tell why, or be lost too */
		} else {
			p->image += put;
			p->left -= (size_t)put;
		}
	}
	return 0;
}

/* Send the image and wait for the magic. */
static int transfer(struct push *p, struct error *err)
{
	struct helper *h = p->h;

	for (;;) {
		int found = take_stdout(p, err);

		if (found < 0 || helper_read_stderr(h, err) < 0)
			return -1;
		if (found > 0)
			return p->left == 0 ? 0
					    : explain_noise(p, "the greeting came too early", err);
		if (ssh_eof(h->channel))
			return explain_end(p, err);
		send_image(p);
		if (now_ms() >= p->deadline)
			return explain_noise(p, "the helper did not start in time", err);
		if (ssh_wait(h->ssh, 200, err) < 0)
			return -1;
	}
}

/* node_machine: see struct push. */
static int push_image(struct helper **ret, struct ssh_session *ssh, const struct helper_options *o,
		      const struct helper_image *image, char node_machine[MACHINE_SIZE],
		      struct error *err)
{
	auto_buf struct buf command = BUF_INIT(16 * KiB);
	struct push p = {.o = o, .image = image->data, .left = image->size};
	struct ssh_channel *channel;
	int rc;

	p.deadline = now_ms() + (o->start_timeout_ms ? o->start_timeout_ms : START_MS);
	p.noise = BUF_INIT(MAX_SHELL_NOISE + IN_SIZE);
	script_build(&command, o->sudo, image->machine, image->size);
	log_at(LOG_DEBUG, "helper: %s, %zu bytes, started by: %s", image->machine, image->size,
	       buf_str(&command));
	if (ssh_exec(ssh, buf_str(&command), &channel, err) < 0)
		return -1;
	p.h = helper_new(ssh, channel);
	rc = transfer(&p, err);
	if (rc == 0)
		rc = helper_greet(p.h, p.deadline, err);
	buf_release(&p.noise);
	memcpy(node_machine, p.machine, sizeof(p.machine));
	if (rc < 0) {
		helper_free(p.h);
		return -1;
	}
	*ret = p.h;
	return 0;
}

int helper_push(struct helper **ret, struct ssh_session *ssh, const struct helper_options *o,
		const char *machine, const void *image, size_t size, struct error *err)
{
	const struct helper_image one = {machine, image, size};
	char other[MACHINE_SIZE];

	return push_image(ret, ssh, o, &one, other, err);
}

int helper_start(struct helper **ret, struct ssh_session *ssh, const struct helper_options *o,
		 struct error *err)
{
	char machine[MACHINE_SIZE] = "";
	struct helper_image image;
	struct error first = {0};

	if (!(o->machine && helper_image_for(o->machine, &image)) && !helper_image(0, &image))
		return error_set(err, ERR_FAILED, "this build of jdiag has no helper inside");
	if (push_image(ret, ssh, o, &image, machine, &first) == 0)
		return 0;
	if (*machine && helper_image_for(machine, &image))
		return push_image(ret, ssh, o, &image, machine, err);
	if (err)
		*err = first;
	return -1;
}
