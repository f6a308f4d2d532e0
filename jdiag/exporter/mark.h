/*
 * What a pod's annotations say about exporters: for Prometheus
 *	prometheus.io/scrape: "true", prometheus.io/port, prometheus.io/path
 * and for us, one for each container, and one for each further JVM in it,
 *	exporter.jdiag.dev/CONTAINER, exporter.jdiag.dev/CONTAINER.PID:
 *	{"v":1, "id":ID, "restarts":N, "port":P, "path":"/metrics", "config":SHA256,
 *	 "version":"1.0.1", "jar":PATH, "file":PATH, "jvm":START_TIME, "pid":NS_PID,
 *	 "scraped":RFC3339, "set":["prometheus.io/scrape",...]}
 * What stands behind the slash is the name of a mark. "set": which of Prometheus's keys are ours
 * to remove. Annotations are the user's text: hostile.
 */
#ifndef JDIAG_EXPORTER_MARK_H
#define JDIAG_EXPORTER_MARK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "remote/base/error.h"

struct json_t;

#define MARK_PREFIX "exporter.jdiag.dev/"
#define MARK_TOLD 400
#define MARK_NAME 64 /* with its end: what the API takes */
#define MAX_MARKS 16 /* of a container; others are not looked at */

struct mark {
	char container[64];
	bool further; /* its name has the pid, too */
	char id[65];
	uint64_t restarts, port, ns_pid, start_time;
	char path[256]; /* of the metrics: "/metrics" */
	char config[65], version[64], jar[1024], file[1024], scraped[40]; /* each may be "" */
};

/* The names of the marks that the pod has of a container, readable or not: its own first, then by
 * pid. Returns how many. */
size_t mark_names(const struct json_t *pod, const char *container,
		  char ret[MAX_MARKS][MARK_NAME]) must_check;

/* The name of one. False: it is too long to be one. */
bool mark_name(const struct mark *m, char ret[MARK_NAME]) must_check;

/* 1 with *ret, 0: there is none, or one that cannot be read (then *ret_why says so; else ""). */
int mark_read(const struct json_t *pod, const char *name, struct mark *ret,
	      char ret_why[128]) must_check;

/*
 * The annotations to patch: only what differs from the pod's; NULL values remove. A new reference,
 * or NULL when nothing changes.
 *
 * Prometheus's keys are set where the pod has none of them that is not ours: a key is ours when a
 * mark has it in "set" and its value is what that mark gives it. The others, and those of another
 * mark that is current, are left alone; where Prometheus would then not scrape what m says,
 * ret_told is a sentence about it (else ""). m has to have a name.
 */
struct json_t *mark_set(const struct json_t *pod, const struct mark *m, char ret_told[MARK_TOLD]);

/* The same, to remove the mark and those keys that are its own. ret_told: which of them stay since
 * they were changed. */
struct json_t *mark_clear(const struct json_t *pod, const char *name, char ret_told[MARK_TOLD]);

/* The same; the keys that go are set for the first other mark that is current (not one of container
 * not_to, "": any), which ret_told says. */
struct json_t *mark_hand_on(const struct json_t *pod, const char *name, const char *not_to,
			    char ret_told[MARK_TOLD]);

/* Is the mark of this container instance (id and restarts as the pod's status has them, running)?
 */
bool mark_is_current(const struct mark *m, const struct json_t *pod);

#endif
