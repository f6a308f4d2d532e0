#include "jdiag/jvmref.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "jdiag/json.h"
#include "remote/base/str.h"

static void take_text(char *dst, size_t size, const json_t *jvm, const char *name)
{
	snprintf(dst, size, "%s", json_str_at(jvm, name, ""));
}

void jvmref_from_json(const json_t *jvm, struct jvmref *ret)
{
	*ret = (struct jvmref){
		.pid = json_u64_at(jvm, "pid", 0),
		.start_time = json_u64_at(jvm, "start_time", 0),
		.ns_pid = json_u64_at(jvm, "ns_pid", 0),
		.uid = json_u64_at(jvm, "uid", 0),
	};
	take_text(ret->container, sizeof(ret->container), jvm, "container");
	take_text(ret->version, sizeof(ret->version), jvm, "version");
	take_text(ret->main, sizeof(ret->main), jvm, "main");
}

json_t *jvmref_params(const struct jvmref *j)
{
	json_t *params = json_pack("{s:I, s:I, s:s}", "pid", (json_int_t)j->pid, "start_time",
				   (json_int_t)j->start_time, "container", j->container);

	if (!params)
		die_oom();
	return params;
}

/* "1.8.0_504" is 8, "17.0.15" is 17, "25-ea" is 25. */
unsigned int jvmref_release(const struct jvmref *j)
{
	const char *p = str_starts(j->version, "1.") ? j->version + 2 : j->version;
	unsigned long n;

	if (*p < '0' || *p > '9')
		return 0;
	n = strtoul(p, NULL, 10);
	return n < 1000 ? (unsigned int)n : 0;
}
