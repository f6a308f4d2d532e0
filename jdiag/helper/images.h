/* The helper binaries inside this build (embed.S), one for each kind of node. */
#ifndef JDIAG_HELPER_IMAGES_H
#define JDIAG_HELPER_IMAGES_H

#include <stdbool.h>
#include <stddef.h>

#include "remote/base/buf.h"

struct helper_image {
	const char *machine; /* as `uname -m` says */
	const void *data;
	size_t size;
};

/* The n-th that this build has, from 0; false behind the last. */
bool helper_image(size_t n, struct helper_image *ret);

/* False when this build has none for that machine. */
bool helper_image_for(const char *machine, struct helper_image *ret);

/* Append "x86_64 and aarch64". */
void helper_images_list(struct buf *out);

#endif
