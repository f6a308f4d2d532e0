/* What jdiag takes out of a pod object: where it runs and what must not change before the action.
 */
#ifndef JDIAG_KUBE_POD_H
#define JDIAG_KUBE_POD_H

#include <stdbool.h>
#include <stdint.h>

#include "remote/base/error.h"

struct json_t;

struct pod_container {
	char name[64];
	char id[65];	  /* 64 hex digits */
	char runtime[32]; /* "containerd", "docker", "cri-o" */
	char image[256];
	uint64_t restarts;
	bool init; /* an init container, sidecars among them */
	bool running;
	char state[64];	   /* "running", "waiting: CrashLoopBackOff", "terminated: OOMKilled" */
	bool has_liveness; /* a probe may restart it: the liveness probe, or ... */
	bool starting;	   /* ... its startup probe, which has not succeeded yet */
	uint64_t liveness_budget_ms; /* failureThreshold x periodSeconds; defaults 3 x 10 s */
	uint64_t memory_limit;	     /* bytes; 0: none */
	uint64_t storage_limit;	     /* ephemeral-storage: above it the pod is evicted; 0: none */
};

#define POD_MAX_CONTAINERS 64

struct pod {
	char ns[64], name[254], uid[64], node[254], host_ip[64], phase[32];
	char runtime_class[254], os[16]; /* "" when not said */
	char reason[64];		 /* status.reason: "Evicted"; "" mostly */
	bool deleting;
	unsigned int n_containers; /* app containers, then sidecars and the init container that
				      runs, then ephemeral ones */
	struct pod_container containers[POD_MAX_CONTAINERS];
};

/* Take a pod apart. Every field is checked as hostile input: names by the DNS rules, addresses as
 * addresses, ids as 64 hex digits. ERR_API when the object is not what an API server sends. */
int pod_from_json(const struct json_t *object, struct pod *ret, struct error *err) must_check;

/* Can its JVM be reached at all? ERR_TARGET with the reason: Pending, Succeeded, Failed, no node,
 * being deleted, Windows, gVisor or Kata by runtimeClassName. */
int pod_check_reachable(const struct pod *p, struct error *err) must_check;

/* The container: by name, or the only one that runs (several: ERR_TARGET with their names and -c;
 * the annotation kubectl.kubernetes.io/default-container is not consulted: never guessed). Not
 * running or waiting: ERR_TARGET with its state. Borrowed from p. */
const struct pod_container *pod_pick_container(const struct pod *p, const char *name,
					       struct error *err) must_check;

/* Is `now` still what was looked at before (uid, node and its address, container id, restarts,
 * still running)? ERR_TARGET with what changed. */
int pod_check_unchanged(const struct pod *before, const struct pod *now, const char *container,
			struct error *err) must_check;

#endif
