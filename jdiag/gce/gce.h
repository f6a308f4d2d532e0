/*
 * The Compute Engine API, as far as jdiag needs it: one instance, lists of instances, the address
 * of an instance. Read only (scope compute.readonly). Sources: Compute Engine API reference,
 * instances.get, instances.list, instances.aggregatedList; the choice of the address is gcloud's
 * (ssh_utils.py, GetExternalInterface).
 *
 * Credentials are those of the bucket (jdiag/gcs/credentials.h). The variable
 * CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE is gcloud's own; only addresses of Google and of loopback
 * are taken, as they get the token. Errors have ERR_API (credentials, 401, 403 with the missing
 * permission, 5xx), ERR_TARGET (404; an instance that does not run), ERR_USAGE (credential files,
 * names, a filter that the API refuses).
 */
#ifndef JDIAG_GCE_GCE_H
#define JDIAG_GCE_GCE_H

#include <stdbool.h>

#include "remote/base/error.h"

struct json_t;
struct gce;

/* token_command: --token-command, or NULL. No request yet. */
int gce_open(struct gce **ret, const char *token_command, struct error *err) must_check;
void gce_close(struct gce *g); /* NULL is fine */

/* Names as the API has them: "my-project", "example.com:my-project"; "europe-west1-b". ERR_USAGE.
 */
int gce_check_project(const char *project, struct error *err) must_check;
int gce_check_zone(const char *zone, struct error *err) must_check;

/* One instance, with the fields that the functions below read. A new reference. */
int gce_get_instance(struct gce *g, const char *project, const char *zone, const char *name,
		     struct json_t **ret, struct error *err) must_check;

/* All instances of a project (zone NULL: of all its zones), over all pages. The filter (NULL: none)
 * is the API's to understand: it is sent as it is. *ret is a new array of instances. What the API
 * could not reach is warned about. At most MAX_API_ITEMS. */
int gce_list_instances(struct gce *g, const char *project, const char *zone, const char *filter,
		       struct json_t **ret, struct error *err) must_check;

/*
 * The address of an instance: internal is that of its first interface; external the first that an
 * interface has, IPv4 before IPv6, and where no interface has one the internal one, with
 * *ret_internal set. ERR_TARGET: it does not run, or has no address at all.
 */
int gce_address(const struct json_t *instance, bool external, char *ret, unsigned long size,
		bool *ret_internal, struct error *err) must_check;

/* Those addresses by themselves, whether it runs or not; false: there is none. */
bool gce_internal(const struct json_t *instance, char *ret, unsigned long size) must_check;
bool gce_external(const struct json_t *instance, char *ret, unsigned long size) must_check;

/* Has an interface of the instance this address inside its network? */
bool gce_has_internal(const struct json_t *instance, const char *address) must_check;

/* The last part of a URL: of "https://.../zones/europe-west1-b". Borrowed. */
const char *gce_last_part(const char *url) must_check;

#endif
