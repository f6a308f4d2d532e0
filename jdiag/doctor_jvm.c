/* From the helper to the JVM and what a dump of it would take. The JVM itself is asked nothing. */
#include <jansson.h>
#include <string.h>

#include "jdiag/doctor.h"
#include "jdiag/helper/helper.h"
#include "jdiag/json.h"
#include "jdiag/jvmpick.h"
#include "remote/base/str.h"

#define INSPECT_TIMEOUT_MS 60000

static int ask_once(struct doctor *d, struct error *err)
{
	return d->ps ? 0 : jvm_list(&d->session, &d->ps, err);
}

int doctor_container(struct doctor *d, struct doctor_line *l, struct error *err)
{
	const struct pod_container *c = d->session.container;
	uint64_t n;

	if (ask_once(d, err) < 0 || jvm_check_container(&d->session, d->ps, &n, err) < 0)
		return -1;
	doctor_say(l, "'%s' (%s %.12s) has %llu process%s on the node", c->name, c->runtime, c->id,
		   (unsigned long long)n, n == 1 ? "" : "es");
	return 0;
}

static unsigned long long number(const json_t *o, const char *name)
{
	return (unsigned long long)json_u64_at(o, name, 0);
}

int doctor_jvm(struct doctor *d, struct doctor_line *l, struct error *err)
{
	size_t n;

	if (ask_once(d, err) < 0)
		return -1;
	if (!doctor_one_jvm(d)) {
		n = json_array_size(json_at(d->ps, "jvms"));
		doctor_say(l, "%zu JVM%s on the node", n, n == 1 ? "" : "s");
		return 0;
	}
	if (jvm_choose(&d->session, d->ps, &d->jvm, err) < 0)
		return -1;
	doctor_say(l, "pid %llu (%llu on the node), %.16s %.32s, uid %llu, %.200s",
		   number(d->jvm, "ns_pid"), number(d->jvm, "pid"), json_str_at(d->jvm, "vm", "?"),
		   json_str_at(d->jvm, "version", "?"), number(d->jvm, "uid"),
		   json_str_at(d->jvm, "main", "?"));
	return 0;
}

/* Of a node as a whole: those that cannot are told, which is no failure of the way. */
static int attach_any(const struct doctor *d, struct doctor_line *l)
{
	struct error first = {0};
	size_t i, cannot = 0;
	const json_t *jvm;

	json_array_foreach (json_at(d->ps, "jvms"), i, jvm) {
		struct error e = {0};

		if (jvm_check_attachable(jvm, &e) == 0)
			continue;
		if (cannot++ == 0)
			first = e;
	}
	if (cannot)
		doctor_warn(l, first.hint, "%zu of %zu cannot be attached to; %s", cannot, i,
			    first.msg);
	else
		doctor_say(l, "%s", i ? "nothing stands against it" : "there is no JVM now");
	return 0;
}

int doctor_attach(struct doctor *d, struct doctor_line *l, struct error *err)
{
	if (!doctor_one_jvm(d))
		return attach_any(d, l);
	if (jvm_check_attachable(d->jvm, err) < 0)
		return -1;
	doctor_say(l, "nothing stands against it%s",
		   json_bool_at(d->jvm, "listening", false) ? ", the JVM listens already" : "");
	return 0;
}

/* ---- what a dump would take ---- */

static void say_strategy(struct doctor *d, struct doctor_line *l)
{
	const struct preflight *p = &d->preflight;
	const char *first, *reason;
	auto_free char *fallback = NULL;
	char size[16];

	if (!d->o->strategy && preflight_is_fallback(p, d->inspect, &first, &reason))
		fallback = xasprintf(" (%s does not work here: %.200s)", first, reason);
	if (d->estimated)
		doctor_say(l, "%s%s, for a dump of up to %s", p->strategy, fallback ? fallback : "",
			   str_format_size(size, p->size));
	else
		doctor_say(l, "%s%s", p->strategy, fallback ? fallback : "");
}

int doctor_strategy(struct doctor *d, struct doctor_line *l, struct error *err)
{
	auto_json json_t *params = capture_inspect_params(&d->options, d->o, d->jvm, false);
	struct error e = {0};

	if (helper_call(d->session.helper, "inspect", params, INSPECT_TIMEOUT_MS, &d->inspect,
			err) < 0)
		return -1;
	capture_preflight(&d->preflight, &d->options, d->o, &d->session);
	d->estimated = preflight_estimate(&d->preflight, d->inspect, &e) == 0;
	/* a node without a place for a spool: the next step's matter */
	if (!d->estimated && e.code != ERR_NODE) {
		*err = e;
		return -1;
	}
	d->no_place = e;
	say_strategy(d, l);
	return 0;
}

int doctor_spool(struct doctor *d, struct doctor_line *l, struct error *err)
{
	const struct preflight *p = &d->preflight;
	char need[16], have[16];

	if (!d->estimated) {
		*err = d->no_place;
		return -1;
	}
	if (preflight_check_topic(p, PREFLIGHT_NODE, err) < 0)
		return -1;
	doctor_say(l, "up to %s in '%s' of the node, %s are free",
		   str_format_size(need, p->node_peak), p->node_base,
		   str_format_size(have, p->node_free));
	return 0;
}

static void not_estimated(struct doctor_line *l)
{
	l->state = DOCTOR_SKIPPED;
	doctor_say(l, "not tried: 'spool' has failed");
}

int doctor_pod_disk(struct doctor *d, struct doctor_line *l, struct error *err)
{
	const struct preflight *p = &d->preflight;
	char need[16];

	if (!d->estimated)
		not_estimated(l);
	else if (preflight_check_topic(p, PREFLIGHT_POD, err) < 0)
		return -1;
	else if (p->pod_peak)
		doctor_say(l, "up to %s in '%s'", str_format_size(need, p->pod_peak), p->where);
	else
		doctor_say(l, "nothing is taken of it");
	return 0;
}

int doctor_pause(struct doctor *d, struct doctor_line *l, struct error *err)
{
	const struct preflight *p = &d->preflight;
	char pause[16], budget[16];

	if (!d->estimated) {
		not_estimated(l);
		return 0;
	}
	if (preflight_check_limit(p, err) < 0 || preflight_check_topic(p, PREFLIGHT_PAUSE, err) < 0)
		return -1;
	str_format_ms(pause, p->pause_ms);
	if (p->liveness_budget_ms)
		doctor_say(l, "about %s, the %s probe allows %s", pause,
			   p->starting ? "startup" : "liveness",
			   str_format_ms(budget, p->liveness_budget_ms));
	else
		doctor_say(l, "about %s, no probe limits it", pause);
	return 0;
}
