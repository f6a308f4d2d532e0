/* Quantities of Kubernetes (apimachinery, pkg/api/resource/quantity.go): "512Mi", "1G", "1.5Gi",
 * "128974848000m", "1e9". */
#ifndef JDIAG_KUBE_QUANTITY_H
#define JDIAG_KUBE_QUANTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "remote/base/compiler.h"

/* As whole bytes, rounded up; larger than UINT64_MAX becomes that. False when it is no quantity, or
 * negative. */
bool quantity_to_bytes(const char *text, uint64_t *ret) must_check;

#endif
