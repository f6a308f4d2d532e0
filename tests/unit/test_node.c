/* jdiag */
#include "jdiag/kube/node.h"

#include <setjmp.h>
#include <stddef.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "jdiag/filter.h"
#include "jdiag/gce/gce.h"
#include "jdiag/json.h"
#include "jdiag/node_record.h"
#include "remote/base/compiler.h"
#include "tests/unit/fixture.h"

static json_t *parse(const char *text)
{
	json_t *v = json_loads(text, 0, NULL);

	assert_non_null(v);
	return v;
}

static json_t *real_node(void)
{
	auto_free char *text = fixture("kube/node.json");

	return parse(text);
}

static json_t *with_provider(const char *id)
{
	json_t *node = real_node();

	json_object_set_new(json_object_get(node, "spec"), "providerID", json_string(id));
	return node;
}

static void ways(void **state)
{
	static const struct {
		const char *text;
		enum node_way way;
	} good[] = {
		{NULL, NODE_DEFAULT},
		{"", NODE_DEFAULT},
		{"internal", NODE_INTERNAL},
		{"external", NODE_EXTERNAL},
		{"hostname", NODE_HOSTNAME},
		{"gce-internal", NODE_GCE_INTERNAL},
		{"gce-external", NODE_GCE_EXTERNAL},
		{"{name}", NODE_TEMPLATE},
		{"a.{name}.{hostname}-{zone}_{region}.{project}", NODE_TEMPLATE},
	};
	static const char *const bad[] = {
		"psychic", "Internal", "name",	   "{",	      "{}",	  "{name",
		"{nam}",   "{name}}",  "{Name}",   "-{name}", "{name} ",  "{name}/x",
		"{name};", "{name}:1", "{name}\n", "{name}$", "x@{name}", "{name}{cluster}",
	};
	struct error err = {0};
	enum node_way way;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(node_way_parse(good[i].text, &way, &err), 0);
		assert_int_equal(way, good[i].way);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(node_way_parse(bad[i], &way, &err), -1);
		assert_int_equal(err.code, ERR_USAGE);
		assert_non_null(strstr(err.hint, "valid: "));
	}
}

static void instances(void **state)
{
	static const char *const bad[] = {
		"",
		"gce://",
		"gce://p",
		"gce://p/z",
		"gce://p/z/",
		"gce://p//n",
		"gce:///z/n",
		"gce://p/z/n/",
		"gce://p/z/n/x",
		"gce://p/z/n?x",
		"gce://P/z/n",
		"gce://p/z/../n",
		"gce://../z/n",
		"gce://p/../n",
		"gce://p/z/..",
		"gce://-p/z/n",
		"gce://p/z/n\n",
		"aws:///eu-1a/i-0",
		"GCE://p/z/n",
	};
	struct node_instance i;
	json_t *node;

	(void)state;
	node = with_provider("gce://example.com:shop/europe-west1-b/pool-1");
	assert_true(node_instance(node, &i));
	assert_string_equal(i.project, "example.com:shop");
	assert_string_equal(i.zone, "europe-west1-b");
	assert_string_equal(i.name, "pool-1");
	json_decref(node);
	for (size_t k = 0; k < ARRAY_SIZE(bad); k++) {
		node = with_provider(bad[k]);
		if (node_instance(node, &i))
			fail_msg("'%s' is taken", bad[k]);
		json_decref(node);
	}
}

static void values_that_are_no_names_fill_no_template(void **state)
{
	static const char *const values[] = {"$(id)", "a;b", "-x",   "a b", "A",
					     "../x",  "",    "a\nb", "a..b"};
	char address[NODE_ADDRESS_SIZE];
	struct error err = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		auto_json json_t *node = with_provider("none");

		json_object_set_new(json_at(node, "metadata.labels"), "topology.kubernetes.io/zone",
				    json_string(values[i]));
		assert_int_equal(node_address(node, "{name}.{zone}.example", NULL, address,
					      sizeof(address), &err),
				 -1);
		assert_int_equal(err.code, ERR_TARGET);
	}
}

static void templates(void **state)
{
	auto_json json_t *node = with_provider("gce://shop/europe-west1-b/gke-rig-pool-1");
	char address[NODE_ADDRESS_SIZE], template[400];
	struct error err = {0};

	(void)state;
	assert_int_equal(node_address(node, "{name}.{zone}.c.{project}.internal", NULL, address,
				      sizeof(address), &err),
			 0);
	assert_string_equal(address, "gke-rig-pool-1.europe-west1-b.c.shop.internal");
	assert_int_equal(
		node_address(node, "{hostname}.{region}", NULL, address, sizeof(address), &err), 0);
	assert_string_equal(address, "gke-rig-pool-1.europe-west1");
	/* longer than a host name can be */
	memset(template, 'x', sizeof(template) - 1);
	memcpy(template, "{name}", 6);
	template[sizeof(template) - 1] = '\0';
	assert_int_equal(node_address(node, template, NULL, address, sizeof(address), &err), -1);
	assert_int_equal(node_address(node, "gce-external", NULL, address, sizeof(address), &err),
			 -1);
}

static void candidates(void **state)
{
	auto_json json_t *node =
		parse("{\"metadata\": {\"name\": \"n\"}, \"status\": {\"addresses\": ["
		      "{\"type\": \"ExternalIP\", \"address\": \"34.0.0.1\"},"
		      "{\"type\": \"Hostname\", \"address\": \"n\"},"
		      "{\"type\": \"InternalIP\", \"address\": \"-oProxyCommand=x\"},"
		      "{\"type\": \"InternalIP\", \"address\": \"10.0.0.1\"}, 7, null,"
		      "{\"type\": \"InternalIP\", \"address\": \"fd00::1\"},"
		      "{\"type\": \"InternalIP\", \"address\": \"FD00:0::1\"}]}}");
	char list[NODE_MAX_CANDIDATES][NODE_ADDRESS_SIZE];

	(void)state;
	assert_int_equal(node_candidates(node, NULL, list), 3);
	assert_string_equal(list[0], "10.0.0.1");
	assert_string_equal(list[1], "fd00::1");
	assert_string_equal(list[2], "34.0.0.1");
	assert_int_equal(node_candidates(node, "fd00::1", list), 3);
	assert_string_equal(list[0], "fd00::1");
	assert_true(node_lists(node, "InternalIP", "fd00:0:0::1"));
	assert_false(node_lists(node, "ExternalIP", "10.0.0.1"));
	assert_false(node_lists(node, NULL, "n"));
}

static void too_many_addresses(void **state)
{
	auto_json json_t *node = parse("{\"status\": {\"addresses\": []}}");
	char list[NODE_MAX_CANDIDATES][NODE_ADDRESS_SIZE], text[32];

	(void)state;
	for (int i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "10.0.0.%d", i);
		json_array_append_new(
			json_at(node, "status.addresses"),
			json_pack("{s:s,s:s}", "type", "InternalIP", "address", text));
	}
	assert_int_equal(node_candidates(node, NULL, list), NODE_MAX_CANDIDATES);
}

static bool fits(const json_t *record, const char *text)
{
	auto_json json_t *view = node_record_for_filter(record);
	struct error err = {0};
	struct filter *f = NULL;
	bool result;

	assert_int_equal(filter_parse(text, &f, &err), 0);
	assert_null(filter_unknown_field(f, node_record_fields));
	result = filter_matches(f, view);
	filter_free(f);
	return result;
}

static void records(void **state)
{
	auto_json json_t *node = real_node(), *record = NULL, *nothing = json_object();
	struct error err = {0};

	(void)state;
	json_object_set_new(json_object_get(node, "spec"), "unschedulable", json_true());
	assert_int_equal(node_record(node, &record, &err), 0);
	assert_string_equal(json_str_at(record, "status", ""), "Ready");
	assert_true(json_bool_at(record, "cordoned", false));
	assert_true(fits(record, "status:RUNNING status:Ready status:Cordoned"));
	assert_true(fits(record, "cordoned=true arch:amd64 labels.kubernetes.io/os=linux"));
	assert_true(fits(record, "addresses=127.0.0.1 name:gke-*"));
	assert_false(fits(record, "status:NotReady OR machineType:* OR address:*"));
	assert_int_equal(node_record(nothing, &record, &err), -1);
	assert_int_equal(err.code, ERR_API);
}

static void addresses_of_instances(void **state)
{
	static const struct {
		const char *interfaces, *external, *internal; /* NULL: none */
	} cases[] = {
		{"[]", NULL, NULL},
		{"null", NULL, NULL},
		{"[{\"networkIP\": \"10.0.0.1\"}]", NULL, "10.0.0.1"},
		{"[{\"networkIP\": \"10.0.0.1\", \"accessConfigs\": [{\"natIP\": \"34.0.0.1\"}]}]",
		 "34.0.0.1", "10.0.0.1"},
		/* only the first entry counts, as with gcloud; then the next interface */
		{"[{\"networkIP\": \"10.0.0.1\", \"accessConfigs\": [{}, {\"natIP\": "
		 "\"34.0.0.1\"}]},"
		 " {\"networkIP\": \"10.0.1.1\", \"accessConfigs\": [{\"natIP\": \"34.0.0.2\"}]}]",
		 "34.0.0.2", "10.0.0.1"},
		{"[{\"ipv6Address\": \"fd00::1\", \"ipv6AccessConfigs\":"
		 " [{\"externalIpv6\": \"2600::1\"}]}]",
		 "2600::1", "fd00::1"},
		{"[{\"networkIP\": \"-o\", \"accessConfigs\": [{\"natIP\": \"a;b\"}]}, 7]", NULL,
		 NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_free char *text = xasprintf("{\"name\": \"n\", \"status\": \"RUNNING\","
						 " \"networkInterfaces\": %s}",
						 cases[i].interfaces);
		auto_json json_t *instance = parse(text);
		char address[64];
		struct error err = {0};
		bool internal;

		assert_int_equal(gce_external(instance, address, sizeof(address)),
				 cases[i].external != NULL);
		if (cases[i].external)
			assert_string_equal(address, cases[i].external);
		assert_int_equal(gce_internal(instance, address, sizeof(address)),
				 cases[i].internal != NULL);
		if (gce_address(instance, true, address, sizeof(address), &internal, &err) < 0) {
			assert_null(cases[i].internal);
			continue;
		}
		assert_int_equal(internal, cases[i].external == NULL);
		assert_string_equal(address, internal ? cases[i].internal : cases[i].external);
		assert_true(gce_has_internal(instance, cases[i].internal));
		assert_false(gce_has_internal(instance, "10.7.7.7"));
	}
}

static void instances_that_do_not_run(void **state)
{
	static const char *const texts[] = {"TERMINATED", "STOPPING", "SUSPENDED", "STAGING", ""};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		auto_json json_t *instance =
			json_pack("{s:s,s:s,s:s,s:[{s:s}]}", "name", "n", "zone", "x/zones/;id",
				  "status", texts[i], "networkInterfaces", "networkIP", "10.0.0.1");
		struct error err = {0};
		char address[64];
		bool internal;

		assert_int_equal(
			gce_address(instance, false, address, sizeof(address), &internal, &err),
			-1);
		assert_int_equal(err.code, ERR_TARGET);
		assert_non_null(strstr(err.msg, "does not run"));
		assert_null(strstr(err.hint, ";id"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ways),
		cmocka_unit_test(instances),
		cmocka_unit_test(values_that_are_no_names_fill_no_template),
		cmocka_unit_test(templates),
		cmocka_unit_test(candidates),
		cmocka_unit_test(too_many_addresses),
		cmocka_unit_test(records),
		cmocka_unit_test(addresses_of_instances),
		cmocka_unit_test(instances_that_do_not_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
