#include "jdiag/exporter/ended.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "jdiag/command.h"
#include "jdiag/interrupt.h"
#include "jdiag/json.h"
#include "jdiag/session.h"
#include "remote/base/io.h"

#define PATIENCE_MS 12000 /* the kubelet tells it within a few seconds */
#define PAUSE_MS 500

static bool is_of(const json_t *terminated, const char *id)
{
	const char *scheme = strstr(json_str_at(terminated, "containerID", ""), "://");

	return scheme && strcmp(scheme + 3, id) == 0;
}

int exporter_ended_status(const json_t *pod, const char *id, char ret[128])
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

static bool read_status(struct exporter_work *w, const char *id, char ret[128])
{
	uint64_t deadline = now_ms() + PATIENCE_MS;

	do {
		struct error unimportant;

		if (exporter_work_reread(w, &unimportant) < 0 || interrupt_check(&unimportant) < 0)
			return false;
		if (exporter_ended_status(w->pod, id, ret))
			return true;
		nanosleep(&(struct timespec){.tv_nsec = PAUSE_MS * 1000000L}, NULL);
	} while (now_ms() < deadline);
	return false;
}

int exporter_tell_end(struct exporter_work *w, const struct exporter_jvm *j, struct error *err)
{
	struct error why = *err;
	char how[128];

	if (strstr(why.msg, "not known") && w->pod && j->container &&
	    read_status(w, j->container->id, how))
		error_set(&why, ERR_ATTACH, "the JVM has ended when the exporter was loaded: %s",
			  how);
	*err = why;
	err->sys = ESRCH;
	if (!w->pod)
		return error_hint(err, "its log says why");
	return error_hint(err,
			  "nothing was annotated; the exporter said why on its standard error: "
			  "kubectl logs --previous %s -n %s -c %s",
			  w->session->pod.name, w->session->pod.ns, j->container->name);
}
