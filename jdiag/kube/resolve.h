/*
 * The settings of one cluster and one user, out of a merged kubeconfig or from inside a pod.
 * Everything is read and checked here, so that no request is sent with half a configuration; only
 * token files are read again for each request (they rotate), and plugins run when needed.
 */
#ifndef JDIAG_KUBE_RESOLVE_H
#define JDIAG_KUBE_RESOLVE_H

#include <stdbool.h>

#include "jdiag/kube/kube.h"
#include "jdiag/secret.h"
#include "remote/base/error.h"

struct json_t;

struct kube_config {
	char *context, *namespace_; /* "" when there is none */
	char *file;		    /* the kubeconfig that names the cluster, "" in-cluster */
	/* cluster */
	char *cluster, *server;		    /* URL with scheme, no '/' at its end */
	char *server_name, *ca_pem, *proxy; /* NULL: none */
	bool insecure;
	struct json_t *exec_extension; /* spec.cluster.config of exec plugins; NULL: none */
	/* user */
	char *user;
	char *cert_pem; /* NULL: none */
	struct secret key_pem, token, password;
	char *token_file, *username; /* NULL: none */
	struct json_t *exec;	     /* the exec entry; NULL: none */
	char *exec_dir;		     /* what its command is relative to */
	/* impersonation; NULL: none */
	char *as, *as_uid;
	struct json_t *as_groups, *as_extra; /* array of strings; object of arrays of strings */
};

void kube_config_release(struct kube_config *c);

/* Choose context, cluster and user (o's flags first) and read the files that they name.
 * ERR_USAGE; an unknown name lists those that there are. ret starts zeroed; on failure too it is
 * the caller's to release. */
int kube_config_resolve(struct kube_config *ret, const struct json_t *merged,
			const struct kube_options *o, struct error *err) must_check;

/* Inside a pod: the service account mounted at dir, and the environment's API address. 0 done,
 * 1 when this is not a pod, -1. */
int kube_config_in_cluster(struct kube_config *ret, const char *dir, const char *host,
			   const char *port, struct error *err) must_check;

#define SERVICE_ACCOUNT_DIR "/var/run/secrets/kubernetes.io/serviceaccount"

#endif
