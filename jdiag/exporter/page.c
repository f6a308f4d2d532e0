#include "jdiag/exporter/page.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <time.h>

#include "jdiag/helper/helper.h"
#include "jdiag/interrupt.h"
#include "jdiag/json.h"
#include "jdiag/progress.h"
#include "jdiag/session.h"
#include "remote/base/io.h"

#define RELOAD_MS 15000
#define PAUSE_MS 300

int exporter_page_check(const struct prom_summary *s, struct error *err)
{
	if (!s->samples)
		return error_set(err, ERR_FAILED, "the page has no samples");
	if (!s->has_scrape_error)
		return error_set(err, ERR_FAILED,
				 "the page is not a JMX exporter's: no jmx_scrape_error in it");
	if (s->scrape_error != 0)
		return error_set(err, ERR_FAILED,
				 "the exporter could not read the MBeans (jmx_scrape_error is %g)",
				 s->scrape_error);
	return 0;
}

int exporter_page_hint(struct error *err)
{
	if (err->sys != EFBIG && err->sys != ETIMEDOUT)
		return -1;
	return error_hint(err, "too many MBeans? choose some of them in the configuration: "
			       "includeObjectNames (whitelistObjectNames before 0.17)");
}

/* 1.0 collects its own metrics before those of the MBeans (PrometheusRegistry.scrape): its very
 * first page says nothing about itself. */
static int scrape(struct exporter_work *w, const struct exporter_jvm *j, uint16_t port,
		  const char *path, uint64_t wait_ms, struct scrape *ret, struct error *err)
{
	struct helper *h = w->session->helper;

	if (scrape_pod(h, &j->ref, port, path, wait_ms, ret, err) < 0)
		return -1;
	if (ret->summary.has_scrape_error || !ret->summary.jvm)
		return 0;
	return scrape_pod(h, &j->ref, port, path, 0, ret, err);
}

int exporter_page(struct exporter_work *w, const struct exporter_jvm *j, uint16_t port,
		  const char *path, uint64_t wait_ms, struct scrape *ret, struct error *err)
{
	struct scrape s = {0};
	struct error why = {0};

	progress_phase(w->progress, "scrape");
	if (scrape(w, j, port, path, wait_ms, &s, &why) < 0) {
		*err = why;
		return exporter_page_hint(err);
	}
	if (exporter_page_check(&s.summary, err) < 0)
		return -1;
	*ret = s;
	return 0;
}

/* A counter that is not there counts as zero: some appear with the first event. */
static double count(double n)
{
	return isnan(n) ? 0 : n;
}

void exporter_reload_begin(struct exporter_reload *r, const struct prom_summary *before)
{
	*r = (struct exporter_reload){.reloads = count(before->reloads)};
}

enum exporter_reload_state exporter_reload_see(struct exporter_reload *r,
					       const struct prom_summary *s)
{
	double failures = count(s->reload_failures);

	if (count(s->reloads) > r->reloads)
		return RELOAD_DONE;
	if (r->has_page && failures > r->failures)
		return RELOAD_REFUSED;
	if (!r->has_page)
		r->failures = failures;
	r->has_page = true;
	return RELOAD_WAIT;
}

static int refused(struct error *err)
{
	error_set(err, ERR_FAILED,
		  "the exporter did not take the new configuration "
		  "(jmx_config_reload_failure_total grew)");
	return error_hint(err,
			  "it goes on with the one before; the JVM's log says why. The file has "
			  "the new one: run the command again with one that it takes");
}

int exporter_page_reloaded(struct exporter_work *w, const struct exporter_jvm *j, uint16_t port,
			   const char *path, const struct scrape *before, struct scrape *ret,
			   struct error *err)
{
	uint64_t deadline = now_ms() + RELOAD_MS;
	struct exporter_reload reload;

	exporter_reload_begin(&reload, &before->summary);
	do {
		enum exporter_reload_state state;
		struct scrape s;

		if (exporter_page(w, j, port, path, 0, &s, err) < 0 || interrupt_check(err) < 0)
			return -1;
		state = exporter_reload_see(&reload, &s.summary);
		if (state == RELOAD_REFUSED)
			return refused(err);
		if (state == RELOAD_DONE) {
			*ret = s;
			return 0;
		}
		nanosleep(&(struct timespec){.tv_nsec = PAUSE_MS * 1000000L}, NULL);
	} while (now_ms() < deadline);
	return error_set(err, ERR_FAILED,
			 "nothing shows that the exporter has read the new configuration "
			 "(jmx_config_reload_success_total does not grow)");
}

void exporter_result_page(json_t *r, const struct scrape *s)
{
	json_object_set_new(r, "samples", json_integer((json_int_t)s->summary.samples));
	json_object_set_new(r, "families", json_integer((json_int_t)s->summary.families));
	json_object_set_new(r, "bytes", json_integer((json_int_t)s->bytes));
	json_object_set_new(r, "ms", json_integer((json_int_t)s->ms));
	json_set_text(r, "address", s->address);
}
