/* Has a JVM the class of an agent already? What it has once it takes again, whatever jar is on its
 * class path since. */
#ifndef JDIAG_AGENT_KNOWN_H
#define JDIAG_AGENT_KNOWN_H

#include <stdbool.h>
#include <stddef.h>

#include "jdiag/jvmref.h"
#include "remote/base/error.h"

struct helper;

/* Asks the JVM, from Java 9 on; an older one does not tell (ret_known false). ERR_ATTACH. */
int agent_class_known(struct helper *h, const struct jvmref *j, const char *name, bool *ret_known,
		      struct error *err) must_check;

bool agent_class_can_be_asked(const struct jvmref *j);

/* The class in the text of VM.class_hierarchy, under exactly that name. */
bool agent_class_in(const char *text, const char *name);

#endif
