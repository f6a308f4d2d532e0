/* jdiag targets: what Prometheus can scrape of the pods that are annotated, once, kept up to date
 * in a file, or served. */
#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/command.h"
#include "jdiag/httpd/httpd.h"
#include "jdiag/interrupt.h"
#include "jdiag/json.h"
#include "jdiag/kube/kube.h"
#include "jdiag/output.h"
#include "jdiag/session.h"
#include "jdiag/targets.h"
#include "jdiag/targets_file.h"
#include "jdiag/targets_read.h"
#include "jdiag/targets_serve.h"
#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/log.h"
#include "remote/base/str.h"

#define DEFAULT_REFRESH_MS 30000
#define MIN_REFRESH_MS 1000 /* each is a list of the pods: the API is everybody's */
#define STALE_FACTOR 3	    /* so many refreshes may fail until health is bad */
#define TURN_MS 200

struct job {
	const struct options *o;
	char *const *words;
	struct session session;
	struct targets found;	     /* of the last refresh that succeeded */
	json_t *told;		     /* owned: the problems that were told in it */
	char trouble[512];	     /* why the last refresh failed; "": it did not */
	struct buf text;	     /* of found */
	struct targets_serve *serve; /* owned; NULL: nothing is served */
	struct httpd *httpd;	     /* owned */
	bool again;		     /* there is another refresh after this one */
};

static void job_release(struct job *j)
{
	httpd_close(j->httpd);
	targets_serve_free(j->serve);
	targets_release(&j->found);
	json_decref(j->told);
	buf_release(&j->text);
	session_close(&j->session);
}

/* ---- one refresh ---- */

static bool is_told(const json_t *told, const char *text)
{
	const json_t *one;
	size_t i;

	json_array_foreach (told, i, one)
		if (strcmp(json_string_value(one), text) == 0)
			return true;
	return false;
}

static void tell_each(const json_t *notes, const json_t *told, int level)
{
	const json_t *note;
	size_t i;

	json_array_foreach (notes, i, note) {
		auto_free char *text = output_escape(json_string_value(note));

		if (!is_told(told, json_string_value(note)))
			log_at(level, "%s", text);
	}
}

/* What is left out, when it is left out for the first time. */
static void tell_left_out(struct job *j)
{
	const struct targets *t = &j->found;
	size_t shown = json_array_size(t->problems) + json_array_size(t->resting);
	json_t *now = json_copy(t->problems);

	json_array_extend(now, t->resting);
	tell_each(t->problems, j->told, LOG_WARN);
	tell_each(t->resting, j->told, LOG_NOTICE);
	if (t->left_out > shown)
		log_at(LOG_NOTICE, "%zu more are left out", t->left_out - shown);
	json_decref(j->told);
	j->told = now;
}

static int refresh(struct job *j, struct error *err)
{
	auto_json json_t *pods = NULL;
	struct targets found;

	if (targets_read(j->session.kube, j->o, j->words, j->again, &pods, err) < 0)
		return -1;
	targets_from_pods(&found, pods);
	targets_release(&j->found);
	j->found = found;
	tell_left_out(j);
	buf_reset(&j->text);
	targets_to_text(&j->found, &j->text);
	return j->text.overflow ? error_set(err, ERR_FAILED, "the targets are more than %lu MiB",
					    MAX_TARGETS_TEXT / MiB)
				: 0;
}

/* ---- what becomes of it ---- */

static void print_lines(const struct buf *text)
{
	auto_free char *copy = xstrndup(buf_str(text), text->len);
	char *rest = copy, *line;

	while ((line = strsep(&rest, "\n")))
		if (*line)
			output_line(line);
}

static const char *address_of(const json_t *group)
{
	return json_string_value(json_array_get(json_at(group, "targets"), 0));
}

/* As kubectl has it: the namespace where there are several. */
static struct table *new_table(const struct options *o)
{
	static const char *const titles[] = {"NAMESPACE", "NAME", "CONTAINER",
					     "TARGET",	  "APP",  NULL};
	static const char *const wide[] = {"NAME", "NAMESPACE", "CONTAINER", "TARGET",
					   "PATH", "NODE",	"APP",	     NULL};

	return table_new(o->output == OUTPUT_WIDE ? wide : titles + !o->all_namespaces);
}

static void add_row(struct table *table, const json_t *group, const struct options *o)
{
	const json_t *l = json_at(group, "labels");
	const char *name = json_str_at(l, "pod", ""), *ns = json_str_at(l, "namespace", ""),
		   *container = json_str_at(l, "container", ""), *app = json_str_at(l, "app", ""),
		   *target = address_of(group);
	const char *cells[] = {ns, name, container, target, app};
	const char *wide[] = {name,
			      ns,
			      container,
			      target,
			      json_str_at(l, "__metrics_path__", "/metrics"),
			      json_str_at(l, "node", ""),
			      app};

	table_row(table, o->output == OUTPUT_WIDE ? wide : cells + !o->all_namespaces);
}

static void print_groups(const struct job *j)
{
	enum output_format format = j->o->output;
	struct table *table = new_table(j->o);
	const json_t *group;
	size_t i;

	json_array_foreach (j->found.groups, i, group) {
		if (format == OUTPUT_JSON)
			output_json("TargetGroup", group);
		else if (format == OUTPUT_NAME)
			output_line(address_of(group));
		else
			add_row(table, group, j->o);
	}
	table_print(table);
	table_free(table);
}

static int write_file(struct job *j, struct error *err)
{
	size_t n = json_array_size(j->found.groups);
	bool changed;

	if (targets_file_write(j->o->out, buf_str(&j->text), j->text.len, &changed, err) < 0)
		return -1;
	log_at(LOG_NOTICE, "%zu target%s: '%s' %s", n, n == 1 ? "" : "s", j->o->out,
	       changed ? "written" : "is as it was");
	return 0;
}

static int deliver(struct job *j, struct error *err)
{
	if (j->serve)
		targets_serve_publish(j->serve, &j->found, buf_str(&j->text), j->text.len);
	if (j->o->out)
		return write_file(j, err);
	if (j->serve)
		return 0;
	if (j->o->output >= OUTPUT_FILE_SD)
		print_lines(&j->text);
	else
		print_groups(j);
	return 0;
}

static int once(struct job *j, struct error *err)
{
	if (refresh(j, err) < 0 || deliver(j, err) < 0)
		return -1;
	if (!json_array_size(j->found.groups))
		log_at(LOG_WARN, "no target");
	return 0;
}

/* ---- again and again ---- */

static int wait_for_turn(const struct httpd *httpd, uint64_t until, struct error *err)
{
	for (;;) {
		uint64_t now = now_ms();

		if (interrupt_check(err) < 0 || (httpd && httpd_check(httpd, err) < 0))
			return -1;
		if (now >= until)
			return 0;
		poll(NULL, 0, until - now < TURN_MS ? (int)(until - now) : TURN_MS);
	}
}

/* What cannot be read or written now may be the next time: told once, the last answer stays. */
static int try_again(struct job *j, struct error *err)
{
	struct error why = {0};

	if (refresh(j, &why) == 0 && deliver(j, &why) == 0) {
		if (j->trouble[0])
			log_at(LOG_WARN, "the targets are up to date again");
		j->trouble[0] = '\0';
		return 0;
	}
	if (why.code == ERR_INTERRUPTED) {
		*err = why;
		return -1;
	}
	if (j->serve)
		targets_serve_fail(j->serve);
	if (strcmp(j->trouble, why.msg) != 0)
		log_at(LOG_WARN, "the last targets stay: %s", why.msg);
	if (!str_copy(j->trouble, sizeof(j->trouble), why.msg))
		j->trouble[0] = '\0';
	return 0;
}

static int keep(struct job *j, uint64_t every_ms, struct error *err)
{
	for (;;)
		if (wait_for_turn(j->httpd, now_ms() + every_ms, err) < 0 || try_again(j, err) < 0)
			return -1;
}

/* ---- the command ---- */

static int check_options(const struct options *o, struct error *err)
{
	const char *what = o->listen ? "--listen" : "--out";
	bool refreshes = option_given(o, option_find("refresh"));

	if (o->listen && o->out)
		return error_set(err, ERR_USAGE,
				 "--listen and --out at once: one of them has to go");
	if ((o->listen || o->out) && option_given(o, option_find("output")) &&
	    o->output != OUTPUT_HTTP_SD && (o->listen || o->output != OUTPUT_FILE_SD)) {
		error_set(err, ERR_USAGE, "what '%s' says is in the format %s", what,
			  o->listen ? "http_sd" : "file_sd");
		return error_hint(err, "leave -o away");
	}
	if (refreshes && o->refresh_ms < MIN_REFRESH_MS)
		return error_set(err, ERR_USAGE, "--refresh: at most once a second");
	if (refreshes && !o->listen && !o->out) {
		error_set(err, ERR_USAGE, "--refresh is for a file or a server");
		return error_hint(err, "give --out FILE or --listen ADDR:PORT, too");
	}
	return 0;
}

static int start_serving(struct job *j, struct error *err)
{
	size_t n = json_array_size(j->found.groups);

	if (httpd_start(j->httpd, targets_serve_answer, j->serve, err) < 0)
		return -1;
	log_at(LOG_WARN, "serving %zu target%s on http://%s/targets", n, n == 1 ? "" : "s",
	       httpd_address(j->httpd));
	return 0;
}

static int work(struct job *j, struct error *err)
{
	const struct options *o = j->o;
	uint64_t every = o->refresh_ms ? o->refresh_ms : DEFAULT_REFRESH_MS;

	/* what is wrong with the address shows before the cluster is asked */
	if (o->listen) {
		j->serve = targets_serve_new(STALE_FACTOR * every);
		if (httpd_open(&j->httpd, o->listen, err) < 0)
			return -1;
	}
	j->again = o->listen || o->refresh_ms;
	if (session_open_cluster(&j->session, err) < 0 || once(j, err) < 0)
		return -1;
	if (o->listen && start_serving(j, err) < 0)
		return -1;
	return j->again ? keep(j, every, err) : 0;
}

static int run(const struct options *o, char *const *argv, struct error *err)
{
	struct job j = {.o = o, .words = argv, .text = BUF_INIT(MAX_TARGETS_TEXT)};
	int rc;

	if (check_options(o, err) < 0 || targets_check(argv, err) < 0)
		return -1;
	session_init(&j.session, o);
	rc = work(&j, err);
	job_release(&j);
	return rc;
}

const struct command cmd_targets = {
	.name = "targets",
	.arguments = "[TARGET...]",
	.summary = "tell Prometheus what to scrape: a list, a file, a server",
	.options = "listen out refresh",
	.examples = "$ jdiag targets -A\n"
		    "$ jdiag targets -A -o file_sd >targets.json\n"
		    "$ jdiag targets -A --out /etc/prometheus/jdiag.json --refresh 30s\n"
		    "$ jdiag targets -l team=shop -n shop --listen 127.0.0.1:9405",
	.flags = CMD_MANY_TARGETS | CMD_ALL_PODS | CMD_DISCOVERY | CMD_API_ONLY,
	.run = run,
};
