#include "jdiag/ssh/google.h"

#include <stdlib.h>
#include <string.h>

#include "jdiag/ssh/host_key.h"
#include "jdiag/ssh/keys.h"
#include "remote/base/log.h"

/* Whether the files of c have a line about the host; -1: one cannot be read. */
static int is_known(const struct ssh_config *c, struct error *err)
{
	auto_cleanup(known_hosts_release) struct known_hosts kh = {0};

	return host_key_known(&kh, c, err) < 0 ? -1 : kh.n > 0;
}

int google_host_key(struct ssh_config *c, const struct ssh_options *o, struct error *err)
{
	auto_free char *file = home_path(".ssh/google_compute_known_hosts");
	struct ssh_config theirs = {.host_name = c->host_name, .port = c->port};
	int rc;

	if (!o->instance || o->known_hosts || c->host_key_alias || strpbrk(file, "\"\\%$\n"))
		return 0;
	if (ssh_check_name(o->instance, "instance", err) < 0)
		return -1;
	rc = is_known(c, err);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	theirs.known_hosts = ssh_list_add(NULL, file);
	theirs.host_key_alias = xstrdup(o->instance);
	rc = is_known(&theirs, err);
	if (rc > 0) {
		log_at(LOG_STEP, "ssh: '%s' is known to gcloud as '%s'", c->host_name, o->instance);
		ssh_list_free(c->known_hosts);
		c->known_hosts = STEAL(theirs.known_hosts);
		c->host_key_alias = STEAL(theirs.host_key_alias);
		c->known_by_google = true;
	}
	ssh_list_free(theirs.known_hosts);
	free(theirs.host_key_alias);
	return rc < 0 ? -1 : 0;
}
