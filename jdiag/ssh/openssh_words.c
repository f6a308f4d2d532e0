#include "jdiag/ssh/openssh_words.h"

#include <stdio.h>
#include <string.h>

#include "remote/base/error.h"
#include "remote/base/log.h"
#include "remote/base/str.h"

#define MAX_LINE 2048
#define MAX_LAST 600

void words_init(struct words *w)
{
	*w = (struct words){.line = BUF_INIT(MAX_LINE), .last = BUF_INIT(MAX_LAST)};
}

void words_release(struct words *w)
{
	buf_release(&w->line);
	buf_release(&w->last);
}

static void set(char *dst, size_t size, const char *text, size_t len)
{
	str_escape(dst, size, text, len, NULL);
}

static const char *behind(const char *text, const char *prefix)
{
	return str_starts(text, prefix) ? text + strlen(prefix) : NULL;
}

/* The keys of the last host are exchanged: from now on it can say anything by its banner. */
static bool is_last_login(const struct words *w)
{
	return w->phase == PHASE_LOGIN && w->keys > w->jumps;
}

/* What is said about the key that was shown last. */
static bool is_about_key(const struct words *w)
{
	return w->phase != PHASE_LOGIN && w->keys <= w->jumps + 1;
}

/* "ssh-ed25519 SHA256:..." */
static void take_host_key(struct words *w, const char *text)
{
	size_t n = strcspn(text, " ");

	if (is_last_login(w)) {
		/* made up by this banner, or by that of a jump host before: nothing is sure */
		w->keys = w->jumps + 2;
		w->matched = false;
		return;
	}
	w->keys++;
	w->phase = PHASE_KEY_EXCHANGE;
	set(w->key_type, sizeof(w->key_type), text, n);
	text += n + (text[n] == ' ');
	set(w->fingerprint, sizeof(w->fingerprint), text, strcspn(text, " "));
	/* behind a jump host this is the next one */
	w->matched = w->added = false;
}

/* "NAME TYPE SHA256:... explicit", and the name may have blanks in it */
static void take_offer(struct words *w, const char *text)
{
	const char *print = strstr(text, " SHA256:"), *type = print;
	struct words_offer *o = &w->offers[w->n_offers];

	if (!print || w->n_offers == WORDS_MAX_OFFERS)
		return;
	while (type > text && type[-1] != ' ')
		type--;
	if (type == text)
		return;
	*o = (struct words_offer){.agent = str_ends(text, " agent")};
	set(o->name, sizeof(o->name), text, (size_t)(type - 1 - text));
	set(o->type, sizeof(o->type), type, (size_t)(print - type));
	w->n_offers++;
}

static void take_debug(struct words *w, const char *text)
{
	const char *rest;

	if ((rest = behind(text, "Server host key: "))) {
		take_host_key(w, rest);
	} else if ((rest = behind(text, "Server host certificate: "))) {
		take_host_key(w, rest);
	} else if (str_starts(text, "Host '") && strstr(text, "' is known and matches the ")) {
		w->matched |= is_about_key(w);
	} else if (str_starts(text, "Connection established") ||
		   str_starts(text, "Executing proxy command")) {
		if (!is_last_login(w))
			w->phase = PHASE_KEY_EXCHANGE;
	} else if (str_starts(text, "Setting implicit ProxyCommand")) {
		if (!w->keys) /* nobody but the clients themselves can have said it */
			w->jumps++;
	} else if (str_starts(text, "SSH2_MSG_NEWKEYS received")) {
		w->phase = PHASE_LOGIN;
	} else if ((rest = behind(text, "Authentications that can continue: "))) {
		set(w->methods, sizeof(w->methods), rest, strlen(rest));
	} else if ((rest = behind(text, "Offering public key: "))) {
		take_offer(w, rest);
	} else if (str_starts(text, "Server accepts key: ") && w->n_offers) {
		w->offers[w->n_offers - 1].accepted = true;
	}
}

static void set_cause(struct words *w, enum words_cause cause, const char *detail, size_t len)
{
	if (w->cause != CAUSE_OTHER || (is_last_login(w) && cause < CAUSE_DENIED))
		return;
	w->cause = cause;
	set(w->detail, sizeof(w->detail), detail, len);
}

/* "Offending ED25519 key in FILE:LINE" */
static bool take_offending(struct words *w, const char *text)
{
	const char *at = str_starts(text, "Offending ") ? strstr(text, " key in ") : NULL;

	if (at && w->cause == CAUSE_HOST_CHANGED && !*w->detail)
		set(w->detail, sizeof(w->detail), at + 8, strlen(at + 8));
	return at;
}

/* "root@10.0.0.1: Permission denied (publickey,password)." */
static bool take_denied(struct words *w, const char *text)
{
	const char *at = strstr(text, ": Permission denied (");

	if (!at)
		return false;
	at += strlen(": Permission denied (");
	set_cause(w, CAUSE_DENIED, at, strcspn(at, ")"));
	return true;
}

/* A text anywhere in the line, and what the detail is: the line, what stands behind the text, or
 * what stands behind the next ": ". */
static const struct {
	const char *text;
	enum words_cause cause;
	enum { WHOLE, REST, COLON } detail;
} known[] = {
	{"Could not resolve hostname ", CAUSE_NO_ADDRESS, COLON},
	{"ssh: connect to host ", CAUSE_NO_CONNECTION, COLON},
	{"Connection timed out during banner exchange", CAUSE_NO_SSH, WHOLE},
	{"kex_exchange_identification: ", CAUSE_NO_SSH, REST},
	{"ssh_exchange_identification: ", CAUSE_NO_SSH, REST},
	{"banner exchange: ", CAUSE_NO_SSH, REST},
	{"Bad packet length", CAUSE_NO_SSH, WHOLE},
	{"Unable to negotiate with ", CAUSE_NO_ALGORITHM, COLON},
	{"REVOKED HOST KEY", CAUSE_HOST_REVOKED, WHOLE},
	{" revoked by file ", CAUSE_HOST_REVOKED, WHOLE},
	{"is marked as revoked", CAUSE_HOST_REVOKED, WHOLE},
	{"Certificate invalid: ", CAUSE_HOST_CERTIFICATE, REST},
	{"host key is known for ", CAUSE_HOST_UNKNOWN, WHOLE},
	{"Too many authentication failures", CAUSE_TOO_MANY, WHOLE},
	{"Bad configuration option", CAUSE_CONFIG, WHOLE},
	{"Bad owner or permissions on ", CAUSE_CONFIG, WHOLE},
	{"bad configuration options", CAUSE_CONFIG, WHOLE},
};

static bool take_known(struct words *w, const char *text)
{
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		const char *detail = strstr(text, known[i].text), *colon;

		if (!detail)
			continue;
		detail = known[i].detail == WHOLE ? text : detail + strlen(known[i].text);
		colon = known[i].detail == COLON ? strstr(detail, ": ") : NULL;
		if (colon)
			detail = colon + 2;
		set_cause(w, known[i].cause, detail, strlen(detail));
		return true;
	}
	return false;
}

/* Lines that are there for the eye, or that say nothing that was not said. */
static bool is_of_no_use(const char *text)
{
	static const char *const starts[] = {"@@@",
					     "OpenSSH_",
					     "Transferred: ",
					     "Bytes per second: ",
					     "Host key verification failed",
					     "Warning: Identity file "};

	for (size_t i = 0; i < ARRAY_SIZE(starts); i++)
		if (str_starts(text, starts[i]))
			return true;
	return !*text;
}

static void keep(struct words *w, const char *text, size_t len)
{
	auto_free char *safe = str_escape_dup(text, len, NULL);
	size_t n = strlen(safe);

	if (n > MAX_LAST / 2)
		n = MAX_LAST / 2;
	while (w->last.len + n + 1 > MAX_LAST) {
		const char *end = memchr(w->last.data, '\n', w->last.len);

		buf_consume(&w->last, end ? (size_t)(end + 1 - w->last.data) : w->last.len);
	}
	buf_add(&w->last, safe, n);
	buf_adds(&w->last, "\n");
}

/* A command of the ssh_config (ProxyCommand, Match exec) may have secrets in it. */
static void log_line(const char *text)
{
	const char *command = strstr(text, "Executing ");
	int n = (int)(command ? strcspn(command, ":") + (size_t)(command - text) : strlen(text));

	log_at(LOG_DEBUG, "ssh: %.*s", n, text);
}

static void take_line(struct words *w, const char *text, size_t len)
{
	const char *debug = behind(text, "debug1: ");

	log_line(text);
	if (debug) {
		take_debug(w, debug);
	} else if (str_starts(text, "debug") || is_of_no_use(text)) {
		return;
	} else if (str_starts(text, "Authenticated to ")) {
		w->authenticated = true;
	} else if (str_starts(text, "Warning: Permanently added ")) {
		w->added |= is_about_key(w);
	} else if (strstr(text, "REMOTE HOST IDENTIFICATION HAS CHANGED")) {
		set_cause(w, CAUSE_HOST_CHANGED, "", 0);
	} else if (!take_offending(w, text) && !take_denied(w, text) && !take_known(w, text)) {
		keep(w, text, len);
	} else if (w->authenticated || is_last_login(w)) {
		keep(w, text, len);
	}
}

void words_take(struct words *w, const char *data, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (data[i] != '\n') {
			/* of a line that is too long the rest is dropped */
			if (w->line.len < MAX_LINE && data[i])
				buf_add(&w->line, &data[i], 1);
			continue;
		}
		while (w->line.len && w->line.data[w->line.len - 1] == '\r')
			w->line.data[--w->line.len] = '\0';
		take_line(w, buf_str(&w->line), w->line.len);
		buf_reset(&w->line);
	}
}

char *words_last(const struct words *w, char dst[WORDS_LAST])
{
	const char *end = buf_str(&w->last) + w->last.len, *at;

	if (!w->last.len) {
		snprintf(dst, WORDS_LAST, "%s", *w->detail ? w->detail : "ssh said nothing");
		return dst;
	}
	for (at = end - 1; at > w->last.data && at[-1] != '\n'; at--)
		;
	snprintf(dst, WORDS_LAST, "%.*s", (int)(end - 1 - at), at);
	return dst;
}
