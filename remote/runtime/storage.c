/* CRI-O and podman: both keep their containers by containers/storage (container.go: containers.json
 * in DRIVER-containers, volatile-containers.json for those that need not survive a crash) and a
 * bundle below it. */
#include <stdio.h>
#include <string.h>

#include "remote/base/limits.h"
#include "remote/base/str.h"
#include "remote/runtime/inside.h"

/* ---- CRI-O: annotations of the bundle ---- */

bool runtime_parse_crio(const struct jsonr *doc, struct runtime_names *ret)
{
	struct error ignored;
	struct jsonr a;

	if (jsonr_object(doc, "annotations", &a, &ignored) < 0)
		return false;
	runtime_text(&a, "io.kubernetes.container.name", ret->name, sizeof(ret->name));
	runtime_text(&a, "io.kubernetes.pod.name", ret->pod, sizeof(ret->pod));
	runtime_text(&a, "io.kubernetes.pod.namespace", ret->ns, sizeof(ret->ns));
	if (!*ret->name)
		return false;
	snprintf(ret->runtime, sizeof(ret->runtime), "cri-o");
	return true;
}

/* ---- podman: the names in the list of containers ---- */

struct entry {
	const char *id;
	struct runtime_names *ret;
};

static int take_first(void *ctx, const char *name, struct error *err)
{
	struct runtime_names *ret = ctx;

	(void)err;
	/* Above its size it is no name of podman's. */
	return str_copy(ret->name, sizeof(ret->name), name) ? 1 : -1;
}

static int look_at_entry(void *ctx, const struct jsonr *object, struct error *err)
{
	const struct entry *e = ctx;
	char id[CONTAINER_ID_SIZE];

	runtime_text(object, "id", id, sizeof(id));
	if (strcmp(id, e->id) != 0)
		return 0;
	return jsonr_each_string(object, "names", take_first, e->ret, err) == 1 ? 1 : -1;
}

bool runtime_parse_storage(const struct jsonr *list, const char *id, struct runtime_names *ret)
{
	struct entry e = {id, ret};
	struct error ignored;

	if (jsonr_each_object(list, "list", look_at_entry, &e, &ignored) != 1)
		return false;
	snprintf(ret->runtime, sizeof(ret->runtime), "podman");
	return true;
}

/* ---- places ---- */

/* DIR is ".../overlay-containers" or another driver's. */
static bool look_in(const struct runtime_look *l, const char *dir, struct runtime_names *ret)
{
	static const char *const lists[] = {"containers.json", "volatile-containers.json"};
	auto_buf struct buf b = BUF_INIT(MAX_RUNTIME_FILE);
	char rest[CONTAINER_ID_SIZE + 32];
	struct jsonr doc;

	snprintf(rest, sizeof(rest), "%s/userdata/config.json", l->id);
	if (runtime_read(l, dir, rest, &b, &doc) && runtime_parse_crio(&doc, ret))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		buf_release(&b);
		b = BUF_INIT(MAX_RUNTIME_FILE);
		if (runtime_read_list(l, dir, lists[i], &b, &doc) &&
		    runtime_parse_storage(&doc, l->id, ret))
			return true;
	}
	return false;
}

bool runtime_storage(const struct runtime_look *l, const char *root, struct runtime_names *ret)
{
	static const char *const drivers[] = {"overlay", "vfs"};
	char dir[PLACE_SIZE + 32];

	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++) {
		snprintf(dir, sizeof(dir), "%s/%s-containers", root, drivers[i]);
		if (look_in(l, dir, ret))
			return true;
	}
	return false;
}

/* conmon's bundle is .../overlay-containers/ID/userdata. */
bool runtime_conmon(const struct runtime_look *l, struct runtime_names *ret)
{
	static const char end[] = "/userdata";
	char dir[sizeof(l->keeper.dir)];
	size_t len;

	if (l->keeper.kind != KEEPER_CONMON || strcmp(l->keeper.id, l->id) != 0 ||
	    !str_copy(dir, sizeof(dir), l->keeper.dir) || !str_ends(dir, end))
		return false;
	len = strlen(dir) - strlen(end);
	dir[len] = '\0';
	if (!str_ends(dir, l->id) || len <= strlen(l->id) + 1)
		return false;
	dir[len - strlen(l->id) - 1] = '\0';
	return look_in(l, dir, ret);
}
