#include "jdiag/exporter/metaspace.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/ask.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"

#define NEED (20 * MiB)
#define NEED_OF_CLASSES (3 * MiB)

#define FLAG "-XX:MaxMetaspaceSize="
#define NO_LIMIT (1ull << 62) /* what it is set to without one is near the end of 64 bits */

/* ---- its words ---- */

bool metaspace_parse_limit(const char *text, struct metaspace *m)
{
	char number[24];
	size_t len;

	if (!str_starts(text, FLAG))
		return false;
	text += strlen(FLAG);
	len = strspn(text, "0123456789");
	if (!len || len >= sizeof(number))
		return false;
	snprintf(number, sizeof(number), "%.*s", (int)len, text);
	if (!str_to_u64(number, UINT64_MAX, &m->limit))
		return false;
	if (m->limit >= NO_LIMIT)
		m->limit = UINT64_MAX;
	return true;
}

/* "NAME 123K" in a line of that length, in bytes. */
static bool take_size(const char *line, size_t len, const char *name, uint64_t *ret)
{
	const char *found = memmem(line, len, name, strlen(name));
	char number[16];
	size_t digits;

	if (!found)
		return false;
	found += strlen(name);
	digits = strspn(found, "0123456789");
	if (!digits || digits >= sizeof(number) || found[digits] != 'K')
		return false;
	snprintf(number, sizeof(number), "%.*s", (int)digits, found);
	if (!str_to_u64(number, UINT64_MAX / KiB, ret))
		return false;
	*ret *= KiB;
	return true;
}

/* A line "Metaspace       used 4391K, capacity 4664K, committed 4864K, reserved 1056768K", and with
 * as much of it "class space"; from 16 on without the capacity. */
void metaspace_parse_usage(const char *text, struct metaspace *m)
{
	for (size_t len; *text; text += len + (text[len] == '\n')) {
		const char *line = text;
		uint64_t committed, reserved;

		len = strcspn(text, "\n");
		line += strspn(line, " ");
		if ((!str_starts(line, "Metaspace") && !str_starts(line, "class space")) ||
		    !take_size(text, len, " committed ", &committed) ||
		    !take_size(text, len, " reserved ", &reserved))
			continue;
		if (*line == 'M') {
			m->known = true;
			m->committed = committed;
		} else {
			m->class_committed = committed;
			m->class_reserved = reserved;
		}
	}
}

/* ---- is there enough? ---- */

static uint64_t left(uint64_t limit, uint64_t committed)
{
	return limit > committed ? limit - committed : 0;
}

static int too_little(uint64_t rest, uint64_t need, const char *what, uint64_t limit,
		      struct error *err)
{
	char has[16], wants[16], of[16];

	error_set(err, ERR_REFUSED,
		  "%s are left of %s (%s), the exporter may take %s: where it gets none, it "
		  "ends the JVM",
		  str_format_size(has, rest), what, str_format_size(of, limit),
		  str_format_size(wants, need));
	return error_hint(err, "raise that limit, or go on with --force");
}

int metaspace_check(const struct metaspace *m, struct error *err)
{
	if (!m->known && m->limit != UINT64_MAX) {
		error_set(
			err, ERR_REFUSED,
			"the metaspace has a limit (MaxMetaspaceSize), and the JVM does not tell "
			"how much of it is in use: where the exporter gets none, it ends the JVM");
		return error_hint(err, "take a later Java 8, or go on with --force");
	}
	if (m->limit != UINT64_MAX && left(m->limit, m->committed) < NEED)
		return too_little(left(m->limit, m->committed), NEED, "the metaspace", m->limit,
				  err);
	if (m->class_reserved && left(m->class_reserved, m->class_committed) < NEED_OF_CLASSES)
		return too_little(left(m->class_reserved, m->class_committed), NEED_OF_CLASSES,
				  "the class space", m->class_reserved, err);
	return 0;
}

static int ask(struct helper *h, const struct jvmref *j, const char *command, struct metaspace *m,
	       struct error *err)
{
	const char *const args[] = {command};
	auto_cleanup(ask_reply_release) struct ask_reply r = {0};

	if (jvm_ask(h, j, "jcmd", args, 1, 0, &r, err) < 0)
		return -1;
	metaspace_parse_usage(buf_str(&r.text), m);
	return 0;
}

int metaspace_ask(struct helper *h, const struct jvmref *j, struct metaspace *ret,
		  struct error *err)
{
	const char *const args[] = {"MaxMetaspaceSize"};
	auto_cleanup(ask_reply_release) struct ask_reply r = {0};

	*ret = (struct metaspace){0};
	if (jvm_ask(h, j, "printflag", args, 1, 0, &r, err) < 0)
		return -1;
	if (!metaspace_parse_limit(buf_str(&r.text), ret))
		return error_set(err, ERR_ATTACH,
				 "the JVM does not tell its flag 'MaxMetaspaceSize': '%.60s'",
				 buf_str(&r.text));
	if (ask(h, j, "GC.heap_info", ret, err) < 0)
		return -1;
	return ret->known ? 0 : ask(h, j, "VM.metaspace basic", ret, err);
}
