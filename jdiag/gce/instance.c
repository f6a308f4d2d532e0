/* What is in an instance. */
#include <arpa/inet.h>
#include <jansson.h>
#include <string.h>

#include "jdiag/gce/gce.h"
#include "jdiag/json.h"
#include "remote/base/str.h"

const char *gce_last_part(const char *url)
{
	const char *slash = strrchr(url, '/');

	return slash ? slash + 1 : url;
}

/* For lines that a person pastes. */
static const char *zone_of(const json_t *instance)
{
	const char *zone = gce_last_part(json_str_at(instance, "zone", "ZONE"));

	return str_only(zone, "abcdefghijklmnopqrstuvwxyz0123456789-") ? zone : "ZONE";
}

static int not_running(const json_t *instance, struct error *err)
{
	const char *name = json_str_at(instance, "name", "?");
	const char *status = json_str_at(instance, "status", "UNKNOWN");

	error_set(err, ERR_TARGET, "instance '%s' does not run: it is %s", name, status);
	if (strcmp(status, "TERMINATED") == 0)
		return error_hint(err, "start it: gcloud compute instances start %s --zone %s",
				  name, zone_of(instance));
	if (strcmp(status, "SUSPENDED") == 0)
		return error_hint(err, "resume it: gcloud compute instances resume %s --zone %s",
				  name, zone_of(instance));
	return error_hint(err, "try again when it is RUNNING");
}

static bool is_ip(const char *s)
{
	unsigned char bin[16];

	return inet_pton(AF_INET, s, bin) == 1 || inet_pton(AF_INET6, s, bin) == 1;
}

/* A member of an interface, or of the first entry of a list in it; NULL when it is no address. */
static const char *address_at(const json_t *interface, const char *list, const char *key)
{
	const json_t *from = list ? json_array_get(json_object_get(interface, list), 0) : interface;
	const char *address = json_str_at(from, key, "");

	return is_ip(address) ? address : NULL;
}

/* The first interface that has one. */
static const char *first(const json_t *instance, const char *list, const char *key)
{
	const json_t *all = json_object_get(instance, "networkInterfaces"), *one;
	size_t i;

	json_array_foreach (all, i, one) {
		const char *address = address_at(one, list, key);

		if (address)
			return address;
	}
	return NULL;
}

bool gce_internal(const json_t *instance, char *ret, unsigned long size)
{
	const char *address = first(instance, NULL, "networkIP");

	if (!address)
		address = first(instance, NULL, "ipv6Address");
	return address && str_copy(ret, size, address);
}

bool gce_external(const json_t *instance, char *ret, unsigned long size)
{
	const char *address = first(instance, "accessConfigs", "natIP");

	if (!address)
		address = first(instance, "ipv6AccessConfigs", "externalIpv6");
	return address && str_copy(ret, size, address);
}

int gce_address(const json_t *instance, bool external, char *ret, unsigned long size,
		bool *ret_internal, struct error *err)
{
	if (strcmp(json_str_at(instance, "status", ""), "RUNNING") != 0)
		return not_running(instance, err);
	*ret_internal = !external || !gce_external(instance, ret, size);
	if (!*ret_internal || gce_internal(instance, ret, size))
		return 0;
	return error_set(err, ERR_TARGET, "instance '%s' has no address",
			 json_str_at(instance, "name", "?"));
}

static bool same(const char *a, const char *b)
{
	unsigned char x[16], y[16];

	if (inet_pton(AF_INET, a, x) == 1)
		return inet_pton(AF_INET, b, y) == 1 && memcmp(x, y, 4) == 0;
	return inet_pton(AF_INET6, a, x) == 1 && inet_pton(AF_INET6, b, y) == 1 &&
	       memcmp(x, y, 16) == 0;
}

bool gce_has_internal(const json_t *instance, const char *address)
{
	const json_t *all = json_object_get(instance, "networkInterfaces"), *one;
	size_t i;

	json_array_foreach (all, i, one)
		if (same(json_str_at(one, "networkIP", ""), address) ||
		    same(json_str_at(one, "ipv6Address", ""), address))
			return true;
	return false;
}
