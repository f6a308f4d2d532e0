/* The requests. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/gce/gce.h"
#include "jdiag/gcs/gcs.h"
#include "jdiag/gcs/service.h"
#include "jdiag/http/http.h"
#include "jdiag/json.h"
#include "remote/base/limits.h"
#include "remote/base/log.h"
#include "remote/base/str.h"

#define PAGE_SIZE 500
#define LOWER "abcdefghijklmnopqrstuvwxyz0123456789-"
#define INTERFACES                                                     \
	"networkInterfaces(networkIP,ipv6Address,accessConfigs/natIP," \
	"ipv6AccessConfigs/externalIpv6)"
/* Not all of an instance: its metadata can be long, and is nobody's business. */
#define FIELDS "id,name,status,zone,creationTimestamp,machineType,labels," INTERFACES

static const struct gcs_service service = {
	.base = "https://compute.googleapis.com",
	.suffix = "/compute/v1",
	.variable = "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE",
	.scope = "https://www.googleapis.com/auth/compute.readonly",
	.code = ERR_API,
};

struct gce {
	struct gcs *gcs;
};

/* What is asked, for messages. */
struct question {
	const char *project, *zone, *name; /* zone: NULL: all; name: NULL: a list */
	bool has_filter;
};

int gce_open(struct gce **ret, const char *token_command, struct error *err)
{
	const struct gcs_options o = {.token_command = token_command};
	struct gce *g = xcalloc(1, sizeof(*g));

	if (gcs_service_open(&g->gcs, &service, &o, err) < 0) {
		free(g);
		return -1;
	}
	*ret = g;
	return 0;
}

void gce_close(struct gce *g)
{
	if (!g)
		return;
	gcs_close(g->gcs);
	free(g);
}

static bool is_name(const char *s, const char *set)
{
	return str_only(s, set) && strlen(s) < 128 && !strchr("-.:", *s);
}

int gce_check_project(const char *project, struct error *err)
{
	if (is_name(project, LOWER ".:"))
		return 0;
	error_set(err, ERR_USAGE, "'%s' cannot be the id of a project", project);
	return error_hint(err, "see what there is: gcloud projects list");
}

int gce_check_zone(const char *zone, struct error *err)
{
	if (is_name(zone, LOWER))
		return 0;
	error_set(err, ERR_USAGE, "'%s' cannot be the name of a zone", zone);
	return error_hint(err, "a zone looks like europe-west1-b");
}

/* ---- errors ---- */

static int denied(const struct gce *g, const struct question *q, struct error *err)
{
	return error_hint(err,
			  "'%s' needs the permission compute.instances.%s on project '%s',\n"
			  "for example by the role roles/compute.viewer; on a machine of Google's "
			  "also\nthe access scope compute.readonly",
			  gcs_identity(g->gcs), q->name ? "get" : "list", q->project);
}

static int not_found(const struct question *q, struct error *err)
{
	if (q->name) {
		error_set(err, ERR_TARGET, "no instance '%s' in zone '%s' of project '%s'", q->name,
			  q->zone, q->project);
		return error_hint(err, "is it gone, or Google's own (Autopilot)? Those machines "
				       "are in no project of yours");
	}
	if (q->zone)
		error_set(err, ERR_TARGET, "no project '%s', or no zone '%s'", q->project, q->zone);
	else
		error_set(err, ERR_TARGET, "no project '%s'", q->project);
	return error_hint(err, "see what there is: gcloud projects list, gcloud compute zones "
			       "list");
}

static int answer_error(const struct gce *g, const struct question *q,
			const struct http_response *r, struct error *err)
{
	char said[256];

	gcs_service_words(g->gcs, r, said, sizeof(said));
	switch (r->status) {
	case 400:
		error_set(err, ERR_USAGE, "Compute Engine API: the request was refused: %s",
			  *said ? said : "status 400");
		return q->has_filter ? error_hint(err, "is it the --filter? the API takes either "
						       "= != : < > or eq ne, not both")
				     : -1;
	case 401:
		error_set(err, ERR_API, "Compute Engine API: the credentials were not accepted: %s",
			  *said ? said : "status 401");
		return error_hint(err, "they came from '%s'", gcs_identity(g->gcs));
	case 403:
		error_set(err, ERR_API, "Compute Engine API: not permitted: %s",
			  *said ? said : "status 403");
		return denied(g, q, err);
	case 404:
		return not_found(q, err);
	default:
		return error_set(err, ERR_API,
				 "Compute Engine API: the service answered with status %ld%s%s",
				 r->status, *said ? ": " : "", said);
	}
}

static int fetch(struct gce *g, const struct question *q, const char *path, json_t **ret,
		 struct error *err)
{
	auto_cleanup(http_response_release) struct http_response r = {0};
	auto_json json_t *root = NULL;

	if (gcs_service_get(g->gcs, path, q->name ? MAX_HTTP_BODY : MAX_API_BODY, &r, err) < 0)
		return error_prefix(err, "Compute Engine API");
	if (r.status != 200)
		return answer_error(g, q, &r, err);
	root = json_from_text(buf_str(&r.body), r.body.len, "answer of the Compute Engine API",
			      ERR_API, err);
	if (!root)
		return -1;
	if (!json_is_object(root))
		return error_set(err, ERR_API, "answer of the Compute Engine API is not an object");
	*ret = STEAL(root);
	return 0;
}

/* ---- one instance ---- */

int gce_get_instance(struct gce *g, const char *project, const char *zone, const char *name,
		     json_t **ret, struct error *err)
{
	const struct question q = {.project = project, .zone = zone, .name = name};
	auto_free char *path = NULL;
	auto_json json_t *instance = NULL;

	if (gce_check_project(project, err) < 0 || gce_check_zone(zone, err) < 0)
		return -1;
	if (!is_name(name, LOWER))
		return error_set(err, ERR_USAGE, "'%s' cannot be the name of an instance", name);
	path = xasprintf("/compute/v1/projects/%s/zones/%s/instances/%s?fields=" FIELDS, project,
			 zone, name);
	if (fetch(g, &q, path, &instance, err) < 0)
		return -1;
	if (strcmp(json_str_at(instance, "name", ""), name) != 0)
		return error_set(err, ERR_API,
				 "the Compute Engine API sent another instance than '%s'", name);
	*ret = STEAL(instance);
	return 0;
}

/* ---- lists ---- */

struct listing {
	struct question q;
	const char *filter;
	json_t *items; /* owned */
	char *next;    /* owned; NULL at the end */
};

static void listing_release(struct listing *l)
{
	json_decref(l->items);
	free_cleanup(&l->next);
}

static void add_query(struct buf *b, const char *name, const char *value)
{
	if (!value || !*value)
		return;
	buf_addf(b, "&%s=", name);
	http_escape(b, value);
}

static int fetch_page(struct gce *g, const struct listing *l, json_t **ret, struct error *err)
{
	auto_buf struct buf path = BUF_INIT(MAX_API_QUERY);
	const struct question *q = &l->q;

	if (q->zone)
		buf_addf(&path,
			 "/compute/v1/projects/%s/zones/%s/instances?maxResults=%d"
			 "&fields=nextPageToken,items(" FIELDS ")",
			 q->project, q->zone, PAGE_SIZE);
	else
		buf_addf(&path,
			 "/compute/v1/projects/%s/aggregated/instances?maxResults=%d"
			 "&returnPartialSuccess=true"
			 "&fields=nextPageToken,unreachables,items/*/instances(" FIELDS ")",
			 q->project, PAGE_SIZE);
	add_query(&path, "filter", l->filter);
	add_query(&path, "pageToken", l->next);
	if (path.overflow)
		return error_set(err, ERR_USAGE, "the filter is too long");
	return fetch(g, q, buf_str(&path), ret, err);
}

static void take_items(struct listing *l, const json_t *items)
{
	json_t *one;
	size_t i;

	json_array_foreach (items, i, one)
		if (json_is_object(one))
			json_array_append(l->items, one);
}

static void warn_unreachable(const json_t *page)
{
	const json_t *list = json_object_get(page, "unreachables"), *one;
	size_t i;

	json_array_foreach (list, i, one)
		log_at(LOG_WARN,
		       "the Compute Engine API could not reach '%s': its instances are "
		       "missing",
		       json_is_string(one) ? json_string_value(one) : "?");
}

static int take_page(struct listing *l, const json_t *page, struct error *err)
{
	json_t *items = json_object_get(page, "items"), *scope;
	const char *next = json_str_at(page, "nextPageToken", ""), *name;
	size_t before = json_array_size(l->items);

	take_items(l, items);
	/* the aggregated list: {"zones/europe-west1-b": {"instances": [...]}} */
	json_object_foreach (items, name, scope)
		take_items(l, json_object_get(scope, "instances"));
	warn_unreachable(page);
	/* a page may be empty: of a filter, or of a zone without instances */
	if (json_array_size(l->items) > MAX_API_ITEMS ||
	    (*next && l->next && strcmp(next, l->next) == 0))
		return error_set(err, ERR_API, "the Compute Engine API's list does not end");
	log_at(LOG_DEBUG, "Compute Engine API: a page with %zu instances",
	       json_array_size(l->items) - before);
	free_cleanup(&l->next);
	l->next = *next ? xstrdup(next) : NULL;
	return 0;
}

int gce_list_instances(struct gce *g, const char *project, const char *zone, const char *filter,
		       json_t **ret, struct error *err)
{
	auto_cleanup(listing_release) struct listing l = {
		.q = {.project = project, .zone = zone, .has_filter = filter},
		.filter = filter,
		.items = json_array(),
	};

	if (gce_check_project(project, err) < 0 || (zone && gce_check_zone(zone, err) < 0))
		return -1;
	for (unsigned int pages = 0;; pages++) {
		auto_json json_t *page = NULL;

		if (pages == MAX_GCE_PAGES)
			return error_set(err, ERR_API,
					 "the Compute Engine API's list does not end");
		if (fetch_page(g, &l, &page, err) < 0 || take_page(&l, page, err) < 0)
			return -1;
		if (!l.next)
			break;
	}
	*ret = STEAL(l.items);
	return 0;
}
