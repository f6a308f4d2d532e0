#include "jdiag/check.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/crypto/crypto.h"
#include "jdiag/interrupt.h"
#include "jdiag/json.h"
#include "jdiag/progress.h"
#include "remote/base/str.h"

#define LOOK_AHEAD (4 * MiB) /* behind bytes that are no dump, for what is wrong with them */

/* Between the source and the decoder: digests of what passes. */
struct tap {
	const struct artifact_source *source;
	struct sha256 *sha256; /* owned */
	struct check_result *result;
};

/* 8 hexadecimal digits. */
static bool parse_crc32c(const char *text, uint32_t *ret)
{
	if (strlen(text) != 8 || !str_only(text, "0123456789abcdef"))
		return false;
	*ret = (uint32_t)strtoul(text, NULL, 16);
	return true;
}

int check_claim_manifest(const json_t *manifest, struct check_claim *ret, struct error *err)
{
	struct check_claim claim = CHECK_CLAIM("the manifest");
	const char *kind = json_str_at(manifest, "kind", "");

	if (strcmp(kind, "HeapDump") != 0)
		return error_set(err, ERR_CAPTURE, "the manifest is not that of a heap dump");
	claim.format = json_str_at(manifest, "format", NULL);
	claim.sha256 = json_str_at(manifest, "sha256", NULL);
	claim.size = json_u64_at(manifest, "size", CHECK_UNSAID);
	claim.raw_size = json_u64_at(manifest, "rawSize", CHECK_UNSAID);
	claim.records = json_u64_at(manifest, "capture.records", CHECK_UNSAID);
	if (!claim.sha256 || claim.size == CHECK_UNSAID)
		return error_set(err, ERR_CAPTURE, "the manifest lacks the size or the digest");
	claim.has_crc32c = parse_crc32c(json_str_at(manifest, "crc32c", ""), &claim.crc32c);
	*ret = claim;
	return 0;
}

struct check_claim check_claim_name(const char *name)
{
	struct check_claim claim = CHECK_CLAIM("the name");
	enum codec c;

	if (codec_from_name(name, &c))
		claim.format = codec_format(c);
	return claim;
}

/* ---- comparing ---- */

static void compared(struct check_result *r, const char *what)
{
	size_t len = strlen(r->compared);

	if (strstr(r->compared, what))
		return;
	snprintf(r->compared + len, sizeof(r->compared) - len, "%s%s", len ? ", " : "", what);
}

/* One more difference, behind those that are known already. */
static void differs(struct check_result *r, const struct check_claim *claim, const char *what,
		    const char *is, const char *said)
{
	auto_free char *before =
		r->mark == CHECK_DIFFERS ? xasprintf("%s; ", r->error.msg) : xstrdup("");

	r->mark = CHECK_DIFFERS;
	(void)error_set(&r->error, ERR_CAPTURE, "%s%s is %s, %s says %s", before, what, is,
			claim->by, said);
}

static void compare_text(struct check_result *r, const struct check_claim *claim, const char *what,
			 const char *is, const char *said)
{
	if (!said)
		return;
	compared(r, what);
	if (strcmp(is, said) != 0)
		differs(r, claim, what, is, said);
}

static void compare_number(struct check_result *r, const struct check_claim *claim,
			   const char *what, uint64_t is, uint64_t said)
{
	char a[24], b[24];

	if (said == CHECK_UNSAID)
		return;
	snprintf(a, sizeof(a), "%llu", (unsigned long long)is);
	snprintf(b, sizeof(b), "%llu", (unsigned long long)said);
	compare_text(r, claim, what, a, b);
}

static void compare(struct check_result *r, const struct check_claim *claim)
{
	char is[12], said[12];

	compare_text(r, claim, "format", codec_format(r->codec), claim->format);
	compare_number(r, claim, "size", r->stored, claim->size);
	compare_text(r, claim, "sha256", r->sha256, claim->sha256);
	compare_number(r, claim, "rawSize", r->dump.bytes, claim->raw_size);
	compare_number(r, claim, "records", r->dump.records, claim->records);
	if (!claim->has_crc32c)
		return;
	snprintf(is, sizeof(is), "%08x", r->crc32c);
	snprintf(said, sizeof(said), "%08x", claim->crc32c);
	compare_text(r, claim, "crc32c", is, said);
}

/* ---- reading ---- */

static int tap_read(void *ctx, void *buf, size_t len, size_t *ret_len, struct error *err)
{
	struct tap *t = ctx;
	size_t n;

	if (t->source->read(t->source->ctx, buf, len, &n, err) < 0)
		return -1;
	sha256_add(t->sha256, buf, n);
	t->result->crc32c = crc32c(t->result->crc32c, buf, n);
	t->result->stored += n;
	*ret_len = n;
	return 0;
}

/* What makes no sense as a dump may be a broken block, which is known at its end only: then that is
 * the cause. */
static void find_cause(struct artifact_input *in, char *buf, struct error *err)
{
	struct error broken = {0};
	size_t n = 1, total = 0;

	while (n && total < LOOK_AHEAD) {
		if (artifact_read(in, buf, CODEC_BLOCK, &n, &broken) < 0) {
			*err = broken;
			return;
		}
		total += n;
	}
}

static int parse_all(struct artifact_input *in, struct hprof_parser *parser,
		     const struct check_artifact *a, struct progress *p, struct error *err)
{
	auto_free char *buf = xmalloc(CODEC_BLOCK);
	uint64_t total = a->size == CHECK_UNSAID ? 0 : a->size;
	size_t n;

	do {
		progress_bytes(p, artifact_stored_offset(in), total);
		if (interrupt_check(err) < 0 || artifact_read(in, buf, CODEC_BLOCK, &n, err) < 0)
			return -1;
		if (n && hprof_parser_add(parser, buf, n, err) < 0) {
			(void)error_prefix(err, "'%s'", a->source.name);
			find_cause(in, buf, err);
			return -1;
		}
	} while (n);
	return 0;
}

static int validate(struct tap *t, const struct check_artifact *a, struct progress *p,
		    struct error *err)
{
	const struct artifact_source tapped = {a->source.name, tap_read, t};
	const struct hprof_parser_options options = {.redact = HPROF_REDACT_NONE};
	auto_artifact struct artifact_input *in = NULL;
	struct hprof_parser *parser;
	int rc;

	if (artifact_open_source(&in, &tapped, err) < 0)
		return -1;
	t->result->codec = artifact_codec(in);
	parser = hprof_parser_new(&options);
	rc = parse_all(in, parser, a, p, err);
	if (rc == 0 && hprof_parser_finish(parser, false, &t->result->dump, err) < 0)
		rc = error_prefix(err, "'%s'", a->source.name);
	hprof_parser_free(parser);
	return rc;
}

void check_run(const struct check_artifact *a, struct progress *p, struct check_result *ret)
{
	struct tap tap = {.source = &a->source, .sha256 = sha256_new(), .result = ret};

	*ret = (struct check_result){.mark = CHECK_ERROR};
	if (validate(&tap, a, p, &ret->error) == 0) {
		ret->mark = CHECK_SAME;
		sha256_hex(tap.sha256, ret->sha256);
		for (size_t i = 0; i < a->n_claims; i++)
			compare(ret, &a->claims[i]);
		if (ret->mark == CHECK_DIFFERS)
			(void)error_prefix(&ret->error, "'%s'", a->source.name);
	}
	sha256_free(tap.sha256);
}
