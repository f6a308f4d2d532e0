#include "jdiag/exporter/ended.h"

#include <errno.h>
#include <string.h>

#include "jdiag/agent/ended.h"
#include "jdiag/agent/place.h"
#include "jdiag/session.h"

#define ITS_STATUS "exit status 1" /* System.exit(1), behind what it prints */

static bool said_why(const char *msg)
{
	const char *at = strstr(msg, ITS_STATUS);

	return at && (at[strlen(ITS_STATUS)] < '0' || at[strlen(ITS_STATUS)] > '9');
}

/* What was placed cannot be removed by way of a JVM that is gone; mostly it went with it. */
int exporter_tell_end(struct exporter_work *w, const struct exporter_jvm *j, struct error *err)
{
	(void)agent_tell_end(w->session, w->pod ? j->container : NULL, err);
	err->sys = ESRCH;
	if (!w->pod)
		return error_hint(err, "its log says why; what was placed stays where a volume, or "
				       "the container, goes on, in " AGENT_DIR);
	return error_hint(
		err,
		"nothing was annotated; %s: kubectl logs --previous %s -n %s -c %s\n"
		"what was placed stays where a volume, or the container, goes on, in " AGENT_DIR,
		said_why(err->msg) ? "the exporter said why on its standard error"
				   : "its last words are in its log",
		w->session->pod.name, w->session->pod.ns, j->container->name);
}
