/* jdiag: whatever pods say of themselves, Prometheus is told addresses, and labels of the plain
 * kind. */
#include <arpa/inet.h>
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/json.h"
#include "jdiag/targets.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"

static void check(bool good)
{
	if (!good)
		abort();
}

/* "10.0.0.1:80", "[fd00::1]:80" */
static void check_target(const char *text)
{
	char host[64];
	unsigned char bytes[16];
	const char *colon = strrchr(text, ':');
	bool v6 = text[0] == '[';
	uint64_t port;

	check(colon && (size_t)(colon - text) < sizeof(host));
	check(str_to_u64(colon + 1, UINT16_MAX, &port) && port > 0);
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	if (v6) {
		check(host[strlen(host) - 1] == ']');
		host[strlen(host) - 1] = '\0';
	}
	check(inet_pton(v6 ? AF_INET6 : AF_INET, host + v6, bytes) == 1);
}

static void check_label(const char *name, const char *value)
{
	static const char *const names[] = {"__metrics_path__", "__scheme__", "namespace", "pod",
					    "container",	"node",	      "app"};
	bool known = false;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		known |= strcmp(name, names[i]) == 0;
	check(known && *value && strlen(value) <= 255);
	for (const char *p = value; *p; p++)
		check(*p > ' ' && *p <= '~' && *p != '#' && *p != '?');
}

static void check_group(const json_t *group)
{
	const json_t *list = json_object_get(group, "targets");
	const char *name;
	json_t *value;

	check(json_array_size(list) == 1 && json_object_size(group) == 2);
	check_target(json_string_value(json_array_get(list, 0)));
	json_object_foreach (json_object_get(group, "labels"), name, value)
		check_label(name, json_string_value(value));
}

static void check_notes(const json_t *notes)
{
	const json_t *note;
	size_t i;

	check(json_array_size(notes) <= MAX_TARGET_NOTES);
	json_array_foreach (notes, i, note)
		for (const char *p = json_string_value(note); *p; p++)
			check((unsigned char)*p >= ' ' && *p != 0x7f);
}

static void look(const json_t *pods)
{
	auto_buf struct buf b = BUF_INIT(MAX_TARGETS_TEXT);
	auto_json json_t *again = NULL;
	const json_t *group;
	struct targets t;
	size_t i;

	targets_from_pods(&t, pods);
	targets_to_text(&t, &b);
	again = json_loadb(buf_str(&b), b.len, JSON_REJECT_DUPLICATES, NULL);
	check(again && json_equal(again, t.groups));
	json_array_foreach (again, i, group)
		check_group(group);
	check_notes(t.problems);
	check_notes(t.resting);
	targets_release(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_json json_t *root = json_from_text((const char *)data, size, "input", ERR_API, NULL);
	auto_json json_t *one = json_is_object(root) ? json_pack("[O, O]", root, root) : NULL;

	if (root)
		look(one ? one : root);
	return 0;
}
