/* TARGET as the command line gives it (cli.md): parsed and checked, nothing is looked up here. */
#ifndef JDIAG_TARGET_H
#define JDIAG_TARGET_H

#include <stdint.h>

#include "remote/base/error.h"

enum target_kind { TARGET_POD, TARGET_WORKLOAD, TARGET_NODE, TARGET_SSH };

/* What makes pods. */
enum workload {
	WORKLOAD_DEPLOYMENT,
	WORKLOAD_STATEFULSET,
	WORKLOAD_DAEMONSET,
	WORKLOAD_REPLICASET,
	WORKLOAD_JOB,
};

struct target {
	enum target_kind kind;
	enum workload workload;
	char ns[64];	/* pod, when it is not the effective one */
	char name[254]; /* pod, workload or node */
	char user[64];	/* ssh: "" when not given */
	char host[254]; /* ssh: name, address, or IPv6 without its brackets */
	uint16_t port;	/* ssh: 0 when not given */
};

/* "POD", "pod/POD", "pods/POD", "deploy/NAME" (and what else kubectl calls it; sts, ds, rs, job),
 * "node/NODE", "ssh://[USER@]HOST[:PORT]". Names by the DNS rules. ERR_USAGE. */
int target_parse(const char *text, struct target *ret, struct error *err) must_check;

#endif
