#include "remote/spool/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "remote/base/str.h"
#include "remote/spool/spool.h"

static const char *const phases[] = {
	[SPOOL_STARTING] = "starting", [SPOOL_ATTACH] = "attach",     [SPOOL_DUMP] = "dump",
	[SPOOL_SPOOL] = "spool",       [SPOOL_COMPLETE] = "complete", [SPOOL_FAILED] = "failed",
};

const char *spool_phase_name(enum spool_phase phase)
{
	return (size_t)phase < ARRAY_SIZE(phases) ? phases[phase] : "";
}

void spool_state_release(struct spool_state *s)
{
	free(STEAL(s->label));
}

uint64_t spool_state_readable(const struct spool_state *s)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < s->n_parts; i++) {
		n += s->parts[i].bytes;
		if (!s->parts[i].final)
			break;
	}
	return n;
}

/* ---- writing ---- */

/* A byte that is not UTF-8 would become three on its way, and the field too long for its reader. */
static void write_text(struct jsonw *w, const char *name, const char *value)
{
	auto_free char *copy = xstrdup(value);
	size_t len = strlen(copy), step;

	for (size_t i = 0; i < len; i += step) {
		step = (unsigned char)copy[i] < 0x80 ? 1 : str_utf8_sequence(copy + i, len - i);
		if (!step) {
			copy[i] = '?';
			step = 1;
		}
	}
	jsonw_string(w, name, copy);
}

static void write_parts(struct jsonw *w, const struct spool_state *s)
{
	jsonw_open(w, "parts", '[');
	for (unsigned int i = 0; i < s->n_parts && i < SPOOL_MAX_PARTS; i++) {
		jsonw_open(w, NULL, '{');
		jsonw_u64(w, "bytes", s->parts[i].bytes);
		jsonw_bool(w, "final", s->parts[i].final);
		jsonw_close(w, '}');
	}
	jsonw_close(w, ']');
}

static void write_whose(struct jsonw *w, const struct spool_state *s)
{
	write_text(w, "owner", s->owner);
	write_text(w, "container", s->container);
	jsonw_u64(w, "pid", (uint64_t)s->pid);
	jsonw_u64(w, "start_time", s->start_time);
	jsonw_u64(w, "created", (uint64_t)s->created);
	jsonw_u64(w, "expires", (uint64_t)s->expires);
}

static void write_how(struct jsonw *w, const struct spool_state *s)
{
	write_text(w, "strategy", s->strategy);
	write_text(w, "format", s->format);
	write_text(w, "redact", s->redact);
	jsonw_u64(w, "buffer", s->buffer);
	jsonw_u64(w, "expected", s->expected);
}

static void write_numbers(struct jsonw *w, const struct spool_state *s)
{
	jsonw_u64(w, "raw", s->raw);
	jsonw_u64(w, "stored", s->stored);
	jsonw_u64(w, "overflow", s->overflow);
	jsonw_u64(w, "stalled_ms", s->stalled_ms);
	jsonw_u64(w, "pause_ms", s->pause_ms);
	jsonw_u64(w, "elapsed_ms", s->elapsed_ms);
	jsonw_u64(w, "written_ms", s->written_ms);
	jsonw_u64(w, "records", s->records);
}

static void write_error(struct jsonw *w, const struct error *e)
{
	jsonw_open(w, "error", '{');
	jsonw_string(w, "code", err_code_name(e->code));
	jsonw_u64(w, "errno", e->sys > 0 ? (uint64_t)e->sys : 0);
	write_text(w, "message", e->msg);
	write_text(w, "hint", e->hint);
	jsonw_close(w, '}');
}

void spool_state_write(struct jsonw *w, const char *name, const struct spool_state *s)
{
	jsonw_open(w, name, '{');
	jsonw_u64(w, "version", s->version);
	write_text(w, "program", s->program);
	jsonw_string(w, "id", s->id);
	jsonw_string(w, "phase", spool_phase_name(s->phase));
	jsonw_bool(w, "ring", s->ring);
	write_whose(w, s);
	write_how(w, s);
	write_numbers(w, s);
	write_parts(w, s);
	write_text(w, "sha256", s->sha256);
	jsonw_u64(w, "crc32c", s->crc32c);
	write_text(w, "text", s->text);
	write_text(w, "notice", s->notice);
	if (s->error.code)
		write_error(w, &s->error);
	if (s->label)
		write_text(w, "label", s->label);
	jsonw_close(w, '}');
}

/* ---- reading ---- */

static int needed(const struct jsonr *doc, const char *name, struct error *err)
{
	if (!jsonr_has(doc, name))
		return error_set(err, ERR_NODE, "'%s' is missing", name);
	return 0;
}

static int get_string(const struct jsonr *doc, const char *name, char *dst, size_t size,
		      struct error *err)
{
	return needed(doc, name, err) < 0 ? -1 : jsonr_string(doc, name, dst, size, err);
}

static int get_u64(const struct jsonr *doc, const char *name, uint64_t max, uint64_t *ret,
		   struct error *err)
{
	if (needed(doc, name, err) < 0 || jsonr_u64(doc, name, ret, err) < 0)
		return -1;
	return *ret > max ? error_set(err, ERR_NODE, "'%s' is out of range", name) : 0;
}

static int get_time(const struct jsonr *doc, const char *name, int64_t *ret, struct error *err)
{
	uint64_t n = 0;

	if (get_u64(doc, name, INT64_MAX, &n, err) < 0)
		return -1;
	*ret = (int64_t)n;
	return 0;
}

static int read_phase(const struct jsonr *doc, struct spool_state *s, struct error *err)
{
	char name[16] = "";

	if (get_string(doc, "phase", name, sizeof(name), err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(phases); i++) {
		if (strcmp(name, phases[i]) == 0) {
			s->phase = (enum spool_phase)i;
			return 0;
		}
	}
	return error_set(err, ERR_NODE, "unknown phase '%s'", name);
}

static int read_part(void *ctx, const struct jsonr *object, struct error *err)
{
	struct spool_state *s = ctx;
	struct spool_part *p = &s->parts[s->n_parts];

	if (s->n_parts == SPOOL_MAX_PARTS)
		return error_set(err, ERR_NODE, "too many parts");
	if (get_u64(object, "bytes", INT64_MAX, &p->bytes, err) < 0 ||
	    needed(object, "final", err) < 0 || jsonr_bool(object, "final", &p->final, err) < 0)
		return -1;
	s->n_parts++;
	return 0;
}

static int read_error(const struct jsonr *doc, struct error *ret, struct error *err)
{
	struct jsonr e;
	uint64_t number = 0;
	char code[32] = "";

	if (!jsonr_has(doc, "error"))
		return 0;
	if (jsonr_object(doc, "error", &e, err) < 0 ||
	    get_string(&e, "code", code, sizeof(code), err) < 0 ||
	    get_u64(&e, "errno", INT32_MAX, &number, err) < 0 ||
	    get_string(&e, "message", ret->msg, sizeof(ret->msg), err) < 0 ||
	    get_string(&e, "hint", ret->hint, sizeof(ret->hint), err) < 0)
		return -1;
	ret->code = err_code_from_name(code);
	if (!ret->code)
		return error_set(err, ERR_NODE, "an error without a code");
	ret->sys = (int)number;
	return 0;
}

static int read_whose(const struct jsonr *doc, struct spool_state *s, struct error *err)
{
	uint64_t pid = 0;

	if (get_string(doc, "owner", s->owner, sizeof(s->owner), err) < 0 ||
	    get_string(doc, "container", s->container, sizeof(s->container), err) < 0 ||
	    get_u64(doc, "pid", INT32_MAX, &pid, err) < 0 ||
	    get_u64(doc, "start_time", UINT64_MAX, &s->start_time, err) < 0 ||
	    get_time(doc, "created", &s->created, err) < 0 ||
	    get_time(doc, "expires", &s->expires, err) < 0)
		return -1;
	s->pid = (pid_t)pid;
	return 0;
}

static int read_how(const struct jsonr *doc, struct spool_state *s, struct error *err)
{
	if (get_string(doc, "strategy", s->strategy, sizeof(s->strategy), err) < 0 ||
	    get_string(doc, "format", s->format, sizeof(s->format), err) < 0 ||
	    get_string(doc, "redact", s->redact, sizeof(s->redact), err) < 0 ||
	    get_u64(doc, "buffer", UINT64_MAX, &s->buffer, err) < 0)
		return -1;
	return get_u64(doc, "expected", UINT64_MAX, &s->expected, err);
}

static int read_numbers(const struct jsonr *doc, struct spool_state *s, struct error *err)
{
	const struct {
		const char *name;
		uint64_t *to;
	} fields[] = {
		{"raw", &s->raw},
		{"stored", &s->stored},
		{"overflow", &s->overflow},
		{"stalled_ms", &s->stalled_ms},
		{"pause_ms", &s->pause_ms},
		{"elapsed_ms", &s->elapsed_ms},
		{"written_ms", &s->written_ms},
		{"records", &s->records},
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (get_u64(doc, fields[i].name, UINT64_MAX, fields[i].to, err) < 0)
			return -1;
	return 0;
}

static int read_texts(const struct jsonr *doc, struct spool_state *s, struct error *err)
{
	auto_free char *label = xcalloc(1, MAX_SPOOL_LABEL + 1);

	if (get_string(doc, "text", s->text, sizeof(s->text), err) < 0 ||
	    get_string(doc, "notice", s->notice, sizeof(s->notice), err) < 0 ||
	    read_error(doc, &s->error, err) < 0 ||
	    jsonr_string(doc, "label", label, MAX_SPOOL_LABEL + 1, err) < 0)
		return -1;
	s->label = xstrdup(label);
	return 0;
}

static int read_digests(const struct jsonr *doc, struct spool_state *s, struct error *err)
{
	uint64_t crc = 0;

	if (get_string(doc, "sha256", s->sha256, sizeof(s->sha256), err) < 0 ||
	    get_u64(doc, "crc32c", UINT32_MAX, &crc, err) < 0)
		return -1;
	s->crc32c = (uint32_t)crc;
	return 0;
}

/* Do the fields agree with each other? */
static int check(const struct spool_state *s, struct error *err)
{
	bool complete = s->phase == SPOOL_COMPLETE, whole = true;
	uint64_t sum = 0;

	if (!spool_id_is(s->id))
		return error_set(err, ERR_NODE, "'%s' is not the id of a capture", s->id);
	for (unsigned int i = 0; i < s->n_parts; i++) {
		if (s->parts[i].bytes > INT64_MAX - sum)
			return error_set(err, ERR_NODE, "the parts are too large");
		sum += s->parts[i].bytes;
		whole = whole && s->parts[i].final;
	}
	if (complete && (!whole || sum != s->stored || strlen(s->sha256) != SHA256_HEX_SIZE - 1 ||
			 !str_only(s->sha256, "0123456789abcdef")))
		return error_set(err, ERR_NODE, "it is complete, but not whole");
	if (s->phase == SPOOL_FAILED && !s->error.code)
		return error_set(err, ERR_NODE, "it failed, but does not say why");
	return 0;
}

static int parse(const struct jsonr *doc, struct spool_state *s, struct error *err)
{
	if (get_string(doc, "id", s->id, sizeof(s->id), err) < 0 || read_phase(doc, s, err) < 0 ||
	    needed(doc, "ring", err) < 0 || jsonr_bool(doc, "ring", &s->ring, err) < 0 ||
	    read_whose(doc, s, err) < 0 || read_how(doc, s, err) < 0 ||
	    read_numbers(doc, s, err) < 0 || needed(doc, "parts", err) < 0 ||
	    jsonr_each_object(doc, "parts", read_part, s, err) != 0 ||
	    read_digests(doc, s, err) < 0 || read_texts(doc, s, err) < 0)
		return -1;
	return check(s, err);
}

static int other_version(const struct spool_state *s, struct error *err)
{
	error_set(err, ERR_NODE,
		  "the spool was written by '%s' in version %u, this helper reads version %u",
		  s->program[0] ? s->program : "an unknown program", s->version, SPOOL_VERSION);
	return error_hint(err, "use the jdiag of that version, or remove it with 'jdiag spool rm'");
}

int spool_state_parse(const struct jsonr *doc, struct spool_state *ret, struct error *err)
{
	auto_free struct spool_state *s = xcalloc(1, sizeof(*s));
	uint64_t version = 0;

	if (get_u64(doc, "version", UINT32_MAX, &version, err) == 0 &&
	    get_string(doc, "program", s->program, sizeof(s->program), err) == 0) {
		s->version = (unsigned int)version;
		if (version != SPOOL_VERSION) {
			if (get_time(doc, "expires", &s->expires, NULL) < 0)
				s->expires = 0;
			*ret = *s;
			return other_version(s, err);
		}
		if (parse(doc, s, err) == 0) {
			*ret = *s;
			return 0;
		}
	}
	spool_state_release(s);
	if (err)
		err->code = ERR_NODE; /* as the reader of JSON does not say */
	return error_prefix(err, "cannot read the state of the capture");
}
