/*
 * Scrape targets for Prometheus out of pods: one for each of jdiag's marks of a container
 * (jdiag/exporter/mark.h), and one for a pod that prometheus.io/scrape, port, path and scheme say
 * has a page that no mark is about. Only what is alive: the pod runs, has an address and is not
 * being deleted; the container runs, and is the instance that was marked. prometheus.io/scrape
 * "false" leaves the whole pod out. Annotations and labels are the user's text: hostile.
 *
 * A target is {"targets":["10.0.0.1:9404"],"labels":{...}}: the form of file_sd and http_sd.
 * Labels: __metrics_path__ where it is not /metrics, __scheme__ where it is not http, namespace,
 * pod, container (of a mark), node, app (the pod's label app.kubernetes.io/name, else app). There
 * is no `job`: that is the scrape configuration's. Values are what the API allows, or are not
 * there.
 */
#ifndef JDIAG_TARGETS_H
#define JDIAG_TARGETS_H

#include <stddef.h>

#include "remote/base/buf.h"
#include "remote/base/error.h"

struct json_t;

#define MAX_TARGET_NOTES 200 /* of a kind; the others are only counted */

struct targets {
	struct json_t
		*groups; /* owned: an array, by namespace, pod, container as the pod has them */
	/* owned: arrays of texts, "pod 'web-0': why it is no target" */
	struct json_t *problems; /* something is to be done about it */
	struct json_t *resting;	 /* it has ended, or is not meant to be scraped */
	size_t left_out;	 /* of both kinds */
};

/* pods: an array of pod objects as the API sends them; one that is there twice counts once. */
void targets_from_pods(struct targets *ret, const struct json_t *pods);

void targets_release(struct targets *t);

/* The groups as a JSON text, one on a line: the same for the same targets. ret's maximum has to be
 * enough for it (ret->overflow). */
void targets_to_text(const struct targets *t, struct buf *ret);

#endif
