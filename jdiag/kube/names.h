/* Names by the rules of Kubernetes (RFC 1123). Everything that goes into a path of the API, or
 * comes out of an object, is checked by these. */
#ifndef JDIAG_KUBE_NAMES_H
#define JDIAG_KUBE_NAMES_H

#include <stdbool.h>

/* At most 63 of a-z 0-9 '-', alphanumeric at both ends: namespaces, containers. */
bool name_is_label(const char *s);

/* Labels joined by dots, at most 253: pods, nodes. */
bool name_is_subdomain(const char *s);

#endif
