/* remote: what container runtimes keep on disk, and the command lines and mounts that lead to it.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "remote/runtime/inside.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ID "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"

static void check_text(const char *text, size_t size)
{
	if (!memchr(text, '\0', size))
		abort();
}

static void check(const struct runtime_names *n)
{
	check_text(n->runtime, sizeof(n->runtime));
	check_text(n->name, sizeof(n->name));
	check_text(n->pod, sizeof(n->pod));
	check_text(n->ns, sizeof(n->ns));
}

static void documents(const char *text, size_t size)
{
	struct runtime_names names[4] = {0};
	struct error ignored;
	struct jsonr doc;

	if (jsonr_parse(&doc, text, size, &ignored) < 0)
		return;
	(void)runtime_parse_bundle(&doc, &names[0]);
	(void)runtime_parse_docker(&doc, ID, &names[1]);
	(void)runtime_parse_crio(&doc, &names[2]);
	(void)runtime_parse_storage(&doc, ID, &names[3]);
	for (int i = 0; i < 4; i++)
		check(&names[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct places places = {.n = 0};
	struct keeper k;

	places_from_mounts(&places, text, size, ID);
	for (unsigned int i = 0; i < places.n; i++) {
		check_text(places.path[i], PLACE_SIZE);
		if (places.path[i][0] != '/')
			abort();
	}
	for (enum keeper_kind kind = KEEPER_SHIM; kind <= KEEPER_CONMON; kind++)
		if (keeper_parse(kind, text, size, &k) && (!*k.id || strchr(k.id, '/')))
			abort();
	documents(text, size);
	return 0;
}
