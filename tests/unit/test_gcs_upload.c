/* jdiag: the resumable session against a model of the service inside this program. The model stands
 * in for jdiag/http/{client,request,put}.c and for the waiting; failures come by a seed. */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "jdiag/crypto/crypto.h"
#include "jdiag/gcs/internal.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"

#define LARGEST (24 * MiB)

/* --- the model ------------------------------------------------------------------------------- */

static struct model {
	unsigned char *data; /* what the session has */
	uint64_t stored;
	bool done, gone, deleted;
	char hash[32]; /* of the final PUT */
	unsigned int sessions, waits, puts;
	uint64_t smallest_open_put; /* smallest PUT with an unknown total, but the last one */
	/* failures */
	uint32_t seed;
	unsigned int percent; /* chance of each kind of failure */
	unsigned int may_lose_sessions;
	bool dead;     /* from now on nothing is answered */
	bool takes_no; /* every PUT is answered with 308 and nothing is stored */
} m;

struct http_client {
	int unused;
};

struct http_put {
	uint64_t first, last, total;
	bool has_range, has_total, broken;
	uint64_t received;
};

static uint32_t next_random(void)
{
	m.seed = m.seed * 1664525u + 1013904223u;
	return m.seed >> 8;
}

static bool chance(void)
{
	return next_random() % 100 < m.percent;
}

static int broken(struct error *err)
{
	error_set(err, ERR_UPLOAD, "connection broke");
	err->sys = ECONNRESET;
	return -1;
}

static void answer(struct http_response *r, long status, const char *headers, const char *body)
{
	r->status = status;
	r->body = BUF_INIT(64 * KiB);
	r->headers = BUF_INIT(64 * KiB);
	buf_addf(&r->headers, "HTTP/1.1 %ld X\n%s", status, headers);
	buf_adds(&r->body, body);
}

static void answer_object(struct http_response *r)
{
	char body[256];

	snprintf(body, sizeof(body), "{\"name\":\"o\",\"size\":\"%" PRIu64 "\",\"crc32c\":\"%s\"}",
		 m.stored, m.hash);
	answer(r, 200, "", body);
}

static void answer_stored(struct http_response *r)
{
	char range[64] = "";

	if (m.done) {
		answer_object(r);
		return;
	}
	if (m.stored)
		snprintf(range, sizeof(range), "Range: bytes=0-%" PRIu64 "\n", m.stored - 1);
	answer(r, 308, range, "");
}

struct http_client *http_client_new(const struct http_options *o)
{
	(void)o;
	return xcalloc(1, sizeof(struct http_client));
}

void http_client_free(struct http_client *c)
{
	free(c);
}

void http_client_set_tick(struct http_client *c, int (*tick)(void *ctx, struct error *err),
			  void *ctx)
{
	(void)c, (void)tick, (void)ctx;
}

int http_do(struct http_client *c, const struct http_request *req, struct http_response *ret,
	    struct error *err)
{
	(void)c;
	if (m.dead)
		return broken(err);
	if (strcmp(req->method, "DELETE") == 0) {
		m.deleted = true;
		answer(ret, 499, "", "");
	} else if (strcmp(req->method, "POST") == 0) {
		m.sessions++;
		m.stored = 0;
		m.gone = false;
		answer(ret, 200, "Location: http://127.0.0.1:1/s\n", "");
	} else if (strcmp(req->method, "GET") == 0) {
		answer(ret, 404, "", "");
	} else if (chance()) {
		return broken(err);
	} else if (chance()) {
		answer(ret, 503, "", "");
	} else if (m.gone) {
		answer(ret, 410, "", "");
	} else {
		answer_stored(ret);
	}
	return 0;
}

int http_put_begin(struct http_client *c, const char *url, const char *const *headers,
		   uint64_t length, struct http_put **ret, struct error *err)
{
	struct http_put *p;
	char total[32];

	(void)c;
	assert_string_equal(url, "http://127.0.0.1:1/s");
	if (chance())
		return broken(err);
	p = xcalloc(1, sizeof(*p));
	p->has_range = sscanf(headers[0], "Content-Range: bytes %" SCNu64 "-%" SCNu64 "/%31s",
			      &p->first, &p->last, total) == 3;
	if (!p->has_range)
		assert_int_equal(sscanf(headers[0], "Content-Range: bytes */%31s", total), 1);
	p->has_total = str_to_u64(total, UINT64_MAX, &p->total);
	assert_int_equal(length, p->has_range ? p->last - p->first + 1 : 0);
	assert_true(p->has_range || p->has_total);
	if (p->has_total) {
		assert_true(length <= GCS_QUANTUM);
		assert_true(headers[1] && str_starts(headers[1], "x-goog-hash: crc32c="));
		snprintf(m.hash, sizeof(m.hash), "%s", headers[1] + strlen("x-goog-hash: crc32c="));
	} else {
		assert_int_equal(length % GCS_QUANTUM, 0);
		assert_null(headers[1]);
	}
	assert_true(!p->has_range || p->first <= m.stored); /* no gaps, ever */
	m.puts++;
	*ret = p;
	return 0;
}

/* Store what is new of the bytes at offset `at`. */
static void store(uint64_t at, const unsigned char *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (at + i == m.stored)
			m.data[m.stored++] = data[i];
}

int http_put_write(struct http_put *p, const void *data, size_t len, bool *ret_answered,
		   struct error *err)
{
	uint64_t before = m.stored;

	*ret_answered = false;
	if (m.dead)
		return broken(err);
	if (!m.takes_no && !m.gone)
		store(p->first + p->received, data, len);
	p->received += len;
	if (len && next_random() % 400 < m.percent) {
		/* some of it arrived, and of that the service keeps whole quanta */
		m.stored = before > m.stored / GCS_QUANTUM * GCS_QUANTUM
				   ? before
				   : m.stored / GCS_QUANTUM * GCS_QUANTUM;
		return broken(err);
	}
	if (len && next_random() % 400 < m.percent) {
		p->broken = true; /* answers early */
		*ret_answered = true;
	}
	return 0;
}

static bool is_final(const struct http_put *p)
{
	return p->has_total && m.stored == p->total;
}

int http_put_finish(struct http_put *p, struct http_response *ret, struct error *err)
{
	if (m.dead)
		return broken(err);
	if (m.may_lose_sessions && chance()) {
		m.may_lose_sessions--;
		m.gone = true;
	}
	if (m.gone) {
		answer(ret, 404, "", "");
		return 0;
	}
	if (p->broken) {
		answer(ret, 503, "", "");
		return 0;
	}
	if (m.stored > GCS_QUANTUM && !p->has_total && chance())
		m.stored -= GCS_QUANTUM < m.stored - p->first ? GCS_QUANTUM : 0; /* keeps less */
	if (is_final(p) && !chance())
		m.done = true;
	if (chance())
		return broken(err);
	if (is_final(p) && !m.done)
		answer(ret, 503, "", "");
	else
		answer_stored(ret);
	return 0;
}

void http_put_abort(struct http_put *p)
{
	free(p);
}

int gcs_backoff(const struct google_token *t, unsigned int failures, uint64_t retry_after_ms,
		struct error *err)
{
	(void)t, (void)retry_after_ms, (void)err;
	assert_in_range(failures, 1, GCS_TRIES - 1);
	m.waits++;
	return 0;
}

/* --- the source ------------------------------------------------------------------------------ */

static unsigned char pattern(uint64_t offset)
{
	return (unsigned char)(offset ^ offset >> 8 ^ offset >> 17);
}

static struct gcs *open_gcs(void)
{
	const struct gcs_options o = {0};
	struct gcs *g = NULL;
	struct error err = {0};

	setenv("STORAGE_EMULATOR_HOST", "127.0.0.1:1", 1);
	assert_int_equal(gcs_open(&g, &o, &err), 0);
	return g;
}

static struct gcs_upload *begin(struct gcs *g)
{
	struct gcs_upload *u = NULL;
	struct error err = {0};

	if (gcs_upload_begin(g, "bucket", "o", NULL, NULL, &u, &err) < 0)
		fail_msg("%s", err.msg);
	return u;
}

/* Push size bytes with an extent that is `step` ahead (0: all at once), in writes of any length. */
static int push(struct gcs_upload *u, uint64_t size, uint64_t step, struct error *err)
{
	static unsigned char block[512 * KiB];
	uint64_t at = 0, known = 0;
	int r;

	for (;;) {
		while (at < size) {
			size_t n = 1 + next_random() % sizeof(block);

			/* the news of bytes may come after them */
			if ((at == known && next_random() % 4) || !step) {
				known = step && size - at > step ? at + step : size;
				if (gcs_upload_extent(u, known, !step, err) < 0)
					return -1;
			}
			if (at == known)
				known = size - at > n ? at + n : size;
			n = n < known - at ? n : (size_t)(known - at);
			/* and be old by then */
			if (step && gcs_upload_extent(u, at / 2, false, err) < 0)
				return -1;
			for (size_t i = 0; i < n; i++)
				block[i] = pattern(at + i);
			at += n;
			r = gcs_upload_write(u, block, n, &at, err);
			if (r < 0)
				return -1;
			assert_true(at <= known);
		}
		if (gcs_upload_extent(u, size, true, err) < 0)
			return -1;
		known = size;
		step = 0;
		r = gcs_upload_finish(u, &at, err);
		if (r != GCS_REWIND)
			return r;
	}
}

static void assert_stored(uint64_t size)
{
	char crc[16];

	assert_true(m.done);
	assert_int_equal(m.stored, size);
	for (uint64_t i = 0; i < size; i++)
		if (m.data[i] != pattern(i))
			fail_msg("byte %" PRIu64 " differs", i);
	assert_string_equal(m.hash, gcs_crc_text(crc, crc32c(0, m.data, size)));
}

static int set_up(void **state)
{
	(void)state;
	m = (struct model){.data = xmalloc(LARGEST)};
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(m.data);
	return 0;
}

/* --- tests ----------------------------------------------------------------------------------- */

static void test_sizes(void **state)
{
	static const uint64_t sizes[] = {0,	      1,	   262143,	 262144,
					 262145,      524288,	   524289,	 8 * MiB,
					 8 * MiB + 1, 8 * MiB - 1, 17 * MiB + 5, 24 * MiB};
	static const uint64_t steps[] = {0, 1000, 300000, 9 * MiB};
	struct gcs *g = open_gcs();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(steps); j++) {
			struct gcs_upload *u;
			struct error err = {0};

			if (steps[j] == 1000 && sizes[i] > MiB)
				continue;
			m.done = m.deleted = false;
			m.puts = 0;
			u = begin(g);
			if (push(u, sizes[i], steps[j], &err) < 0)
				fail_msg("%s", err.msg);
			assert_stored(sizes[i]);
			assert_true(m.puts <= sizes[i] / (8 * MiB) + 2);
			gcs_upload_free(u);
			assert_false(m.deleted);
		}
	}
	gcs_close(g);
}

/* Whatever fails, in whatever order: the object is right, or there is an error and no object. */
static void test_any_failures(void **state)
{
	unsigned int good = 0, bad = 0;
	struct gcs *g = open_gcs();

	(void)state;
	for (uint32_t seed = 1; seed <= 150; seed++) {
		uint64_t size = 1 + seed * 7919 * 97 % LARGEST;
		uint64_t step = seed % 3 ? 200000 + seed * 50021 : 0;
		struct error err = {0};
		struct gcs_upload *u;
		unsigned char *data = m.data;

		m = (struct model){.data = data};
		u = begin(g);
		m.seed = seed;
		m.percent = seed % 5 * 6;
		m.may_lose_sessions = seed % 7 == 0;
		if (push(u, size, step, &err) == 0) {
			assert_stored(size);
			good++;
			gcs_upload_free(u);
			assert_false(m.deleted);
		} else {
			assert_int_equal(err.code, ERR_UPLOAD);
			bad++;
			gcs_upload_free(u);
			assert_true(m.deleted);
		}
	}
	assert_true(good > 100);
	gcs_close(g);
	print_message("%u uploaded, %u given up\n", good, bad);
}

static void test_gives_up(void **state)
{
	struct gcs *g = open_gcs();
	struct gcs_upload *u = begin(g);
	struct error err = {0};

	(void)state;
	m.dead = true;
	assert_int_equal(push(u, 5 * MiB, 0, &err), -1);
	assert_int_equal(err.code, ERR_UPLOAD);
	assert_int_equal(err.sys, ECONNRESET);
	assert_non_null(strstr(err.msg, "given up after 8 tries: connection broke"));
	assert_int_equal(m.waits, GCS_TRIES - 1);
	gcs_upload_free(u);
	gcs_close(g);
}

static void test_gives_up_without_progress(void **state)
{
	struct gcs *g = open_gcs();
	struct gcs_upload *u = begin(g);
	struct error err = {0};

	(void)state;
	m.takes_no = true;
	assert_int_equal(push(u, 5 * MiB, 0, &err), -1);
	assert_non_null(strstr(err.msg, "given up after 8 tries"));
	assert_int_equal(m.puts, GCS_TRIES);
	gcs_upload_free(u);
	assert_true(m.deleted);
	gcs_close(g);
}

static void test_misuse(void **state)
{
	struct gcs *g = open_gcs();
	struct gcs_upload *u = begin(g);
	struct error err = {0};
	uint64_t at;

	(void)state;
	assert_int_equal(gcs_upload_extent(u, 10, false, &err), 0);
	assert_int_equal(gcs_upload_finish(u, &at, &err), -1);
	assert_int_equal(gcs_upload_extent(u, 9, false, &err), 0);
	assert_int_equal(gcs_upload_extent(u, 9, true, &err), -1);
	assert_int_equal(gcs_upload_extent(u, 10, true, &err), 0);
	assert_int_equal(gcs_upload_write(u, "0123456789a", 11, &at, &err), -1);
	assert_int_equal(gcs_upload_extent(u, 11, true, &err), -1);
	assert_int_equal(gcs_upload_finish(u, &at, &err), -1);
	gcs_upload_free(u);
	assert_true(m.deleted);
	gcs_close(g);
}

static void test_retryable(void **state)
{
	static const int yes[] = {ECONNRESET, ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH, EIO};
	static const int no[] = {0, EKEYREJECTED, EPROTO, EFBIG, EINVAL};
	struct error err = {.code = ERR_UPLOAD};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		err.sys = yes[i];
		assert_true(gcs_retryable_error(&err));
	}
	for (size_t i = 0; i < ARRAY_SIZE(no); i++) {
		err.sys = no[i];
		assert_false(gcs_retryable_error(&err));
	}
	err = (struct error){.code = ERR_INTERRUPTED, .sys = ECONNRESET};
	assert_false(gcs_retryable_error(&err));
	assert_true(gcs_retryable_status(408) && gcs_retryable_status(429) &&
		    gcs_retryable_status(500) && gcs_retryable_status(599));
	assert_false(gcs_retryable_status(400) || gcs_retryable_status(401) ||
		     gcs_retryable_status(403) || gcs_retryable_status(404) ||
		     gcs_retryable_status(200) || gcs_retryable_status(600));
}

#define WITH_MODEL(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_MODEL(test_sizes),	   WITH_MODEL(test_any_failures),
		WITH_MODEL(test_gives_up), WITH_MODEL(test_gives_up_without_progress),
		WITH_MODEL(test_misuse),   cmocka_unit_test(test_retryable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
