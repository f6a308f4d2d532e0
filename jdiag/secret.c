#include "jdiag/secret.h"

#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "remote/base/error.h"

void secret_wipe(void *p, size_t len)
{
	if (p)
		explicit_bzero(p, len);
}

void secret_release(struct secret *s)
{
	secret_wipe(s->data, s->len);
	free(s->data);
	*s = (struct secret){0};
}

void secret_set(struct secret *s, const char *data, size_t len)
{
	char *copy = xmalloc(len + 1);

	memcpy(copy, data, len);
	copy[len] = '\0';
	secret_release(s);
	*s = (struct secret){copy, len};
}

const char *secret_str(const struct secret *s)
{
	return s->data ? s->data : "";
}

void secret_protect_process(void)
{
	const struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
}
