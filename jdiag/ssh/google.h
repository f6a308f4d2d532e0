/*
 * Host keys that gcloud knows. `gcloud compute ssh` keeps them in ~/.ssh/google_compute_known_hosts
 * under "compute.NUMBER", the instance's id, because addresses are used again. It gets them from
 * the instance's guest attributes or from its first connection.
 */
#ifndef JDIAG_SSH_GOOGLE_H
#define JDIAG_SSH_GOOGLE_H

#include "jdiag/ssh/config.h"

/* Where neither an option nor the ssh_config says as what the host is known, and no known_hosts
 * file has a line about it, but gcloud's has one about o->instance: take that file and that name.
 */
int google_host_key(struct ssh_config *c, const struct ssh_options *o,
		    struct error *err) must_check;

#endif
