/* From the options and the lines of `ssh -G` to the settings of a connection. */
#ifndef JDIAG_SSH_CONFIG_FILL_H
#define JDIAG_SSH_CONFIG_FILL_H

#include "jdiag/ssh/config.h"
#include "jdiag/ssh/config_dump.h"

/* *c is empty, and the caller's to release, also after a failure. What the ssh_config has is
 * checked like an option: ERR_SSH where it cannot become one. */
int config_fill(struct ssh_config *c, const struct ssh_options *o, const struct ssh_dump *d,
		struct error *err) must_check;

#endif
