/* TARGET as the command line gives it (cli.md): parsed and checked, nothing is looked up here. */
#ifndef JDIAG_TARGET_H
#define JDIAG_TARGET_H

#include <stdint.h>

#include "remote/base/error.h"

enum target_kind { TARGET_POD, TARGET_NODE, TARGET_SSH };

struct target {
	enum target_kind kind;
	char name[254]; /* pod or node */
	char user[64];	/* ssh: "" when not given */
	char host[254]; /* ssh: name, address, or IPv6 without its brackets */
	uint16_t port;	/* ssh: 0 when not given */
};

/* "POD", "pod/POD", "pods/POD", "node/NODE", "ssh://[USER@]HOST[:PORT]". Names by the DNS rules.
 * ERR_USAGE; a form that is not built yet (deploy/, sts/ ...) says that it is not supported. */
int target_parse(const char *text, struct target *ret, struct error *err) must_check;

#endif
