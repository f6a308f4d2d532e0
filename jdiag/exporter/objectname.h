/* The text of a javax.management.ObjectName, as its constructor takes it (ObjectName.construct). */
#ifndef JDIAG_EXPORTER_OBJECTNAME_H
#define JDIAG_EXPORTER_OBJECTNAME_H

#include <stddef.h>

#include "remote/base/error.h"

#define MAX_OBJECT_NAME 4096
#define MAX_OBJECT_NAME_KEYS 64

/* ERR_USAGE: why it is none. An empty name, which Java takes for "*:*", is refused. */
int object_name_check(const char *text, size_t len, struct error *err) must_check;

#endif
