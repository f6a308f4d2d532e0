#include "jdiag/targets_serve.h"

#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "jdiag/targets.h"
#include "remote/base/io.h"
#include "remote/base/limits.h"

struct targets_serve {
	pthread_mutex_t lock; /* of all that follows */
	uint64_t stale_ms;
	struct buf text; /* owned */
	uint64_t targets, left_out, refreshes, failures, requests;
	uint64_t read_ms; /* by now_ms(): when it was read; 0: never yet */
	time_t read_at;
};

struct targets_serve *targets_serve_new(uint64_t stale_ms)
{
	struct targets_serve *s = xcalloc(1, sizeof(*s));

	pthread_mutex_init(&s->lock, NULL);
	s->stale_ms = stale_ms;
	s->text = BUF_INIT(MAX_TARGETS_TEXT);
	return s;
}

void targets_serve_free(struct targets_serve *s)
{
	if (!s)
		return;
	pthread_mutex_destroy(&s->lock);
	buf_release(&s->text);
	free(s);
}

void targets_serve_publish(struct targets_serve *s, const struct targets *t, const char *text,
			   size_t len)
{
	pthread_mutex_lock(&s->lock);
	buf_reset(&s->text);
	buf_add(&s->text, text, len);
	s->targets = json_array_size(t->groups);
	s->left_out = t->left_out;
	s->refreshes++;
	s->read_ms = now_ms();
	s->read_at = time(NULL);
	pthread_mutex_unlock(&s->lock);
}

void targets_serve_fail(struct targets_serve *s)
{
	pthread_mutex_lock(&s->lock);
	s->refreshes++;
	s->failures++;
	pthread_mutex_unlock(&s->lock);
}

/* ---- answers, under the lock ---- */

static void answer_targets(const struct targets_serve *s, struct httpd_answer *ret)
{
	ret->type = "application/json";
	ret->status = s->read_ms ? 200 : 503;
	ret->body.max = MAX_TARGETS_TEXT;
	buf_reset(&ret->body);
	buf_add(&ret->body, s->text.data, s->text.len);
}

static void answer_health(const struct targets_serve *s, struct httpd_answer *ret)
{
	uint64_t age = now_ms() - s->read_ms;
	bool ok = s->read_ms && age < s->stale_ms;

	ret->type = "text/plain; charset=utf-8";
	ret->status = ok ? 200 : 503;
	buf_reset(&ret->body);
	if (ok)
		buf_adds(&ret->body, "ok\n");
	else if (s->read_ms)
		buf_addf(&ret->body, "the cluster was last read %llu seconds ago\n",
			 (unsigned long long)age / 1000);
	else
		buf_adds(&ret->body, "the cluster was not read yet\n");
}

static void add_metric(struct buf *b, const char *name, const char *type, const char *help,
		       double value)
{
	buf_addf(b, "# HELP %s %s\n# TYPE %s %s\n%s %.15g\n", name, help, name, type, name, value);
}

static void answer_metrics(const struct targets_serve *s, struct httpd_answer *ret)
{
	struct buf *b = &ret->body;

	ret->type = "text/plain; version=0.0.4; charset=utf-8";
	ret->status = 200;
	b->max = 4096;
	buf_reset(b);
	buf_adds(b, "# HELP jdiag_build_info What serves this.\n# TYPE jdiag_build_info gauge\n"
		    "jdiag_build_info{version=\"" JDIAG_VERSION "\"} 1\n");
	add_metric(b, "jdiag_targets", "gauge", "Targets that are served.", (double)s->targets);
	add_metric(b, "jdiag_targets_left_out", "gauge",
		   "Annotated pods and containers that are no target.", (double)s->left_out);
	add_metric(b, "jdiag_targets_refreshes_total", "counter",
		   "Times that the cluster was asked.", (double)s->refreshes);
	add_metric(b, "jdiag_targets_refresh_failures_total", "counter",
		   "Times that it could not be read.", (double)s->failures);
	add_metric(b, "jdiag_targets_requests_total", "counter", "Requests that were answered.",
		   (double)s->requests);
	if (!s->read_ms)
		return;
	add_metric(b, "jdiag_targets_age_seconds", "gauge",
		   "Since the cluster was read successfully.",
		   (double)(now_ms() - s->read_ms) / 1000);
	add_metric(b, "jdiag_targets_last_success_timestamp_seconds", "gauge",
		   "When the cluster was read successfully.", (double)s->read_at);
}

void targets_serve_answer(void *ctx, const char *path, struct httpd_answer *ret)
{
	struct targets_serve *s = ctx;

	pthread_mutex_lock(&s->lock);
	s->requests++;
	if (strcmp(path, "/") == 0 || strcmp(path, "/targets") == 0)
		answer_targets(s, ret);
	else if (strcmp(path, "/healthz") == 0)
		answer_health(s, ret);
	else if (strcmp(path, "/metrics") == 0)
		answer_metrics(s, ret);
	pthread_mutex_unlock(&s->lock);
}
