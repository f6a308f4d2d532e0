#include "jdiag/agent/ended.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "jdiag/interrupt.h"
#include "jdiag/json.h"
#include "jdiag/kube/kube.h"
#include "jdiag/session.h"
#include "remote/base/io.h"

#define PATIENCE_MS 12000 /* the kubelet tells it within a few seconds */
#define PAUSE_MS 500

static bool is_of(const json_t *terminated, const char *id)
{
	const char *scheme = strstr(json_str_at(terminated, "containerID", ""), "://");

	return scheme && strcmp(scheme + 3, id) == 0;
}

int agent_ended_status(const json_t *pod, const char *id, char ret[128])
{
	static const char *const lists[] = {"status.containerStatuses",
					    "status.initContainerStatuses",
					    "status.ephemeralContainerStatuses"};
	static const char *const places[] = {"state.terminated", "lastState.terminated"};

	for (size_t k = 0; k < ARRAY_SIZE(lists); k++) {
		const json_t *status;
		size_t i;

		json_array_foreach (json_at(pod, lists[k]), i, status)
			for (size_t p = 0; p < ARRAY_SIZE(places); p++) {
				const json_t *t = json_at(status, places[p]);
				uint64_t sig = json_u64_at(t, "signal", 0);

				if (!is_of(t, id))
					continue;
				snprintf(ret, 128, "%s %llu (%.64s)",
					 sig ? "signal" : "exit status",
					 (unsigned long long)(sig ? sig
								  : json_u64_at(t, "exitCode", 0)),
					 json_str_at(t, "reason", "no reason given"));
				return 1;
			}
	}
	return 0;
}

static int look(struct session *s, const char *id, char ret[128])
{
	auto_json json_t *pod = NULL;
	struct error unimportant;

	if (kube_get_pod(s->kube, s->pod.ns, s->pod.name, &pod, &unimportant) < 0 ||
	    strcmp(json_str_at(pod, "metadata.uid", ""), s->pod.uid) != 0)
		return -1;
	return agent_ended_status(pod, id, ret);
}

static bool read_status(struct session *s, const char *id, char ret[128])
{
	uint64_t deadline = now_ms() + PATIENCE_MS;
	int rc;

	while ((rc = look(s, id, ret)) == 0 && now_ms() < deadline) {
		struct error unimportant;

		nanosleep(&(struct timespec){.tv_nsec = PAUSE_MS * 1000000L}, NULL);
		if (interrupt_check(&unimportant) < 0)
			return false;
	}
	return rc > 0;
}

int agent_tell_end(struct session *s, const struct pod_container *c, struct error *err)
{
	const struct error e = *err;
	const char *unknown = strstr(e.msg, AGENT_END_UNKNOWN);
	char how[128];

	if (!unknown || !s->has_pod || !s->kube || !c || !read_status(s, c->id, how))
		return -1;
	error_set(err, e.code, "%.*s%s", (int)(unknown - e.msg), e.msg, how);
	err->sys = e.sys;
	return *e.hint ? error_hint(err, "%s", e.hint) : -1;
}
