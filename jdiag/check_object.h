/* jdiag check, of an object in a bucket: read whole and compared with its name, its manifest beside
 * it and what the bucket says about it. */
#ifndef JDIAG_CHECK_OBJECT_H
#define JDIAG_CHECK_OBJECT_H

#include <stdbool.h>

#include "jdiag/check.h"

/* url: "gs://BUCKET/OBJECT". *ret as check_run; *ret_manifest: there is one. */
void check_object(const char *url, const char *token_command, struct progress *p,
		  struct check_result *ret, bool *ret_manifest);

#endif
