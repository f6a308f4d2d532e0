/*
 * From a target to a helper that runs on its node: resolve (cluster API), connect (SSH), start.
 * What was looked at is kept, so that it can be compared right before an action.
 */
#ifndef JDIAG_SESSION_H
#define JDIAG_SESSION_H

#include "jdiag/kube/node.h"
#include "jdiag/kube/pod.h"
#include "jdiag/options.h"
#include "jdiag/ssh/ssh.h"
#include "jdiag/target.h"
#include "remote/base/error.h"

struct gce;
struct helper;
struct json_t;
struct kube;

struct session {
	const struct options *o; /* borrowed */
	struct kube *kube;	 /* owned; NULL for ssh:// */
	struct ssh_session *ssh; /* owned */
	struct gce *gce;	 /* borrowed: asked for many nodes; NULL: a new one each time */
	struct helper *helper;	 /* owned */
	char node[254];		 /* node name; the host for ssh:// */
	char address[NODE_ADDRESS_SIZE]; /* what SSH connects to */
	struct json_t *node_object;	 /* owned; while another address of it may be tried */
	unsigned int tried;		 /* of node_candidates */
	char user[64];			 /* of ssh://USER@, else "" */
	char instance[32];		 /* "compute.ID" of an instance, else "" */
	uint16_t port;
	const char *machine; /* of the node, by the API: "aarch64"; NULL unknown */
	char ns[64];	     /* of the pod; "": the effective one */
	struct pod pod;	     /* when has_pod */
	const struct pod_container *container; /* in pod; NULL until session_resolve_pod */
	bool has_pod;
};

void session_init(struct session *s, const struct options *o);

/* Whether the node was left clean: the helper, if there was one, has ended by itself. */
bool session_close(struct session *s);

/* Read the kubeconfig. Nothing is sent. */
int session_open_cluster(struct session *s, struct error *err) must_check;

/* The pod (in s->ns), whether it can be reached, its container by -c. */
int session_read_pod(struct session *s, const char *name, struct error *err) must_check;

/* session_read_pod, and its node's address. The API only. */
int session_resolve_pod(struct session *s, const char *name, struct error *err) must_check;

/* The address of a node, by --node-address; with a pod its hostIP has to be one of the node's. */
int session_resolve_node(struct session *s, const char *node, struct error *err) must_check;

/* The same of a node object that was read already. */
int session_take_node(struct session *s, const struct json_t *object, struct error *err) must_check;

/* ssh://: no API at all. */
int session_resolve_ssh(struct session *s, const struct target *t, struct error *err) must_check;

/* The node's address for any target, whatever runs there: of a pod only its node counts. */
int session_resolve_target(struct session *s, const struct target *t, struct error *err) must_check;

/* The node as a TARGET: "node/NAME", or "ssh://[USER@]HOST[:PORT]" where no API was asked; free
 * with free(). */
char *session_node_target(const struct session *s) must_check;

/* Give up the connection and its helper, as they are; the rest stays, session_connect connects
 * again. Whether the node was left clean, as session_close. */
bool session_disconnect(struct session *s);

/* session_address.c: the address of a node object that was read, by --node-address. By default the
 * object is kept, for session_next_address. */
int session_find_address(struct session *s, const struct json_t *node,
			 struct error *err) must_check;

/* SSH to s->address failed with `first`: if nobody answers there, another address of the node into
 * s->address, with a notice: one that the cluster lists, then, where there are credentials, the one
 * that the Compute Engine API says. False: there is none, *first may have got more of a hint. */
bool session_next_address(struct session *s, struct error *first) must_check;

/* From now on s->address is the one. */
void session_forget_node(struct session *s);

/* SSH to the resolved address (where nobody answers, to the next one), and the helper on it: in two
 * steps, and both. */
struct ssh_options session_ssh_options(const struct session *s);
int session_open_ssh(struct session *s, struct error *err) must_check;
int session_start_helper(struct session *s, struct error *err) must_check;
int session_connect(struct session *s, struct error *err) must_check;

/* While set, a signal that has come does not end what is said to the node: for cleaning up. */
void session_set_uninterruptible(struct session *s, bool on);

/* Read the pod again: uid, node, container id and restarts have to be what they were. Nothing to do
 * without a pod. */
int session_recheck(struct session *s, struct error *err) must_check;

/* How often the container of a pod has been started again by now; the API is asked. */
int session_read_restarts(struct session *s, const char *ns, const char *pod, const char *uid,
			  const char *container, uint64_t *ret, struct error *err) must_check;

#endif
