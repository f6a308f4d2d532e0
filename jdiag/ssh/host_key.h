/* The policy on host keys: what the user's mode makes of the verdict of known_hosts. */
#ifndef JDIAG_SSH_HOST_KEY_H
#define JDIAG_SSH_HOST_KEY_H

#include "jdiag/ssh/config.h"
#include "jdiag/ssh/known_hosts.h"

/* The lines about this host from the files of the configuration. ERR_SSH. */
int host_key_known(struct known_hosts *kh, const struct ssh_config *c,
		   struct error *err) must_check;

/* Whether to go on with a host that shows this key. ERR_SSH with the fingerprints and what to do;
 * accept-new adds the key and says so, ignore warns. A revoked key is refused in each mode. */
int host_key_decide(const struct known_hosts *kh, const struct ssh_config *c, const void *blob,
		    size_t len, struct error *err) must_check;

#endif
