#include "jdiag/capture_options.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jdiag/captures.h"
#include "jdiag/command.h"
#include "jdiag/deliver_end.h"
#include "jdiag/jvmpick.h"
#include "jdiag/options.h"
#include "jdiag/preflight.h"
#include "jdiag/session.h"
#include "jdiag/target.h"
#include "remote/base/str.h"

#define MAX_BUFFER_PERCENT 90

/* "2GiB" or "40%". */
static int take_buffer(const struct options *o, struct capture_options *ret, struct error *err)
{
	const char *text = o->buffer;
	size_t len = text ? strlen(text) : 0;

	if (!len)
		return 0;
	if (text[len - 1] == '%') {
		auto_free char *number = xstrndup(text, len - 1);

		if (str_to_u64(number, MAX_BUFFER_PERCENT, &ret->percent) && ret->percent)
			return 0;
	} else if (str_to_size(text, &ret->buffer) && ret->buffer) {
		return 0;
	}
	error_set(err, ERR_USAGE, "bad size '%s' for '--buffer'", text);
	return error_hint(err,
			  "a size looks like 512MiB or 2GiB, a share of the node's free "
			  "memory like 40%% (at most %d%%)",
			  MAX_BUFFER_PERCENT);
}

/* --format, else what the name of a file or an object says, else .gz, which Eclipse MAT opens. */
static enum codec choose_codec(const struct options *o)
{
	enum codec codec = CODEC_GZIP;
	struct stat st;

	if (o->format) {
		(void)codec_from_format(o->format, &codec);
		return codec;
	}
	if (!o->to || strcmp(o->to, "-") == 0 || str_ends(o->to, "/") ||
	    (!str_starts(o->to, "gs://") && stat(o->to, &st) == 0 && S_ISDIR(st.st_mode)) ||
	    !codec_from_name(o->to, &codec))
		return CODEC_GZIP;
	return codec;
}

static int check(const struct options *o, const struct target *t, struct error *err)
{
	if (t->kind == TARGET_NODE)
		return error_set(err, ERR_USAGE, "a node is no target of heapdump: name a pod");
	if (t->kind == TARGET_SSH && !o->container && !o->host_pid) {
		error_set(err, ERR_USAGE, "which JVM on '%s'?", t->host);
		return error_hint(err,
				  "add --container ID or --pid HOSTPID; %s ps ssh://%s lists them",
				  command_program(), t->host);
	}
	if (t->kind == TARGET_POD && o->host_pid)
		return error_set(err, ERR_USAGE, "--pid goes with ssh://HOST, use --jvm for a pod");
	if (o->to && strcmp(o->to, "-") == 0 && o->output != OUTPUT_TEXT)
		return error_set(err, ERR_USAGE,
				 "--to - writes the dump to stdout, there is no room for -o there");
	if (o->detach && o->to && strcmp(o->to, "-") == 0)
		return error_set(err, ERR_USAGE,
				 "--detach leaves the dump on the node, nothing can go to stdout");
	if (o->detach && o->no_spool)
		return error_set(err, ERR_USAGE, "--detach needs the spool: leave out --no-spool");
	if (o->upload_from == UPLOAD_FROM_NODE && o->no_spool)
		return error_set(err, ERR_USAGE,
				 "--upload-from node needs the spool: leave out --no-spool");
	return delivery_check_upload(o, o->to, err);
}

int capture_options_take(struct capture_options *ret, const struct options *o,
			 const struct target *t, struct error *err)
{
	struct capture_options c = {.codec = choose_codec(o)};

	if (check(o, t, err) < 0 || take_buffer(o, &c, err) < 0)
		return -1;
	*ret = c;
	return 0;
}

void capture_preflight(struct preflight *p, const struct capture_options *c,
		       const struct options *o, const struct session *s)
{
	p->live = !o->all_objects;
	p->format = codec_format(c->codec);
	p->redact = o->redact;
	p->ring = o->no_spool;
	p->parallel = (unsigned int)o->parallel;
	p->sink_free = UINT64_MAX;
	p->max_pause_ms = o->max_pause_ms;
	p->kubelet = s->has_pod;
	p->storage_limit = s->container ? s->container->storage_limit : 0;
	if (s->container && s->container->has_liveness) {
		p->liveness_budget_ms = s->container->liveness_budget_ms;
		p->starting = s->container->starting;
	}
}

/* ---- what the node is asked for ---- */

json_t *capture_inspect_params(const struct capture_options *c, const struct options *o,
			       const json_t *jvm, bool attach)
{
	json_t *params = jvm_reference(jvm);
	json_t *more = json_pack("{s:b, s:s, s:I, s:I, s:b}", "attach", attach, "strategy",
				 o->strategy ? o->strategy : "", "buffer", (json_int_t)c->buffer,
				 "buffer_percent", (json_int_t)c->percent, "spool", !o->no_spool);

	if (!more)
		die_oom();
	json_object_update_new(params, more);
	return params;
}

static char *owner(void)
{
	const char *user = getenv("USER");
	char host[65] = "";

	if (gethostname(host, sizeof(host) - 1) < 0)
		host[0] = '\0';
	return xasprintf("%.60s@%s", user && *user ? user : "?", *host ? host : "?");
}

json_t *capture_begin_params(const struct capture_begin *c, const struct options *o,
			     const json_t *label)
{
	const struct preflight *p = c->preflight;
	auto_free char *text = json_dumps(label, JSON_COMPACT | JSON_ENSURE_ASCII);
	auto_free char *who = owner();
	json_t *params = jvm_reference(c->jvm);
	json_t *more = json_pack(
		"{s:s, s:s, s:s, s:b, s:s, s:s, s:I, s:I, s:I, s:b, s:I, s:I, s:I, s:b, s:s, s:s}",
		"id", c->id, "strategy", p->strategy, "dir", "", "live", p->live, "format",
		codec_format(c->options.codec), "redact", o->redact ? o->redact : "none",
		"parallel", (json_int_t)o->parallel, "buffer", (json_int_t)c->options.buffer,
		"buffer_percent", (json_int_t)c->options.percent, "spool", !o->no_spool, "expected",
		(json_int_t)p->size, "deadline", (json_int_t)o->timeout_ms, "ttl",
		(json_int_t)CAPTURE_TTL_S, "sync", o->detach, "owner", who, "label", text);

	if (!more)
		die_oom();
	json_object_update_new(params, more);
	return params;
}
