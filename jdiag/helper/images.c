#include "jdiag/helper/images.h"

#include <string.h>

#include "remote/base/compiler.h"

/* embed.S; one that this build could not make is empty. */
extern const char helper_x86_64[], helper_x86_64_end[];
extern const char helper_aarch64[], helper_aarch64_end[];

struct embedded {
	const char *machine, *data, *end;
};

static const struct embedded embedded[] = {
	{"x86_64", helper_x86_64, helper_x86_64_end},
	{"aarch64", helper_aarch64, helper_aarch64_end},
};

static size_t size_of(const struct embedded *e)
{
	return (size_t)(e->end - e->data);
}

bool helper_image(size_t n, struct helper_image *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(embedded); i++) {
		const struct embedded *e = &embedded[i];

		if (size_of(e) == 0 || n-- > 0)
			continue;
		*ret = (struct helper_image){e->machine, e->data, size_of(e)};
		return true;
	}
	return false;
}

bool helper_image_for(const char *machine, struct helper_image *ret)
{
	struct helper_image image;

	for (size_t n = 0; helper_image(n, &image); n++)
		if (strcmp(image.machine, machine) == 0) {
			*ret = image;
			return true;
		}
	return false;
}

void helper_images_list(struct buf *out)
{
	struct helper_image image;

	for (size_t n = 0; helper_image(n, &image); n++)
		buf_addf(out, "%s%s", n ? " and " : "", image.machine);
}
