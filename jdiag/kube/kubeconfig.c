#include "jdiag/kube/kubeconfig.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jdiag/json.h"
#include "jdiag/kube/read_file.h"
#include "jdiag/kube/yaml.h"
#include "jdiag/secret.h"
#include "remote/base/limits.h"

static const struct {
	const char *list, *member; /* clusters: [{name: x, cluster: {...}}] */
} kinds[] = {
	{"clusters", "cluster"},
	{"users", "user"},
	{"contexts", "context"},
};

json_t *kubeconfig_new(void)
{
	json_t *merged = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		json_object_set_new(merged, kinds[i].list, json_object());
	return merged;
}

/* The directory of a file, absolute as far as that can be found out. */
static char *directory_of(const char *file)
{
	char cwd[PATH_MAX];
	const char *slash = strrchr(file, '/');
	auto_free char *dir = slash ? xstrndup(file, (size_t)(slash - file)) : xstrdup("");

	if (file[0] == '/')
		return *dir ? STEAL(dir) : xstrdup("/");
	if (!getcwd(cwd, sizeof(cwd)))
		return *dir ? STEAL(dir) : xstrdup(".");
	return *dir ? xasprintf("%s/%s", cwd, dir) : xstrdup(cwd);
}

struct source {
	const char *file;
	char *dir;
	json_t *seen; /* names of this file and list: a name twice in one file is an error */
};

static int add_entry(json_t *into, const json_t *item, const char *member, const char *list,
		     const struct source *src, struct error *err)
{
	const char *name = json_str_at(item, "name", NULL);
	json_t *entry = json_object_get(item, member);

	if (!name)
		return error_set(err, ERR_USAGE, "kubeconfig '%s': an entry of '%s' has no name",
				 src->file, list);
	if (json_object_get(src->seen, name)) {
		error_set(err, ERR_USAGE, "kubeconfig '%s': '%s' is twice in '%s'", src->file, name,
			  list);
		return error_hint(err, "which one is meant cannot be told: rename or remove one");
	}
	json_object_set_new(src->seen, name, json_true());
	if (entry && !json_is_object(entry) && !json_is_null(entry))
		return error_set(err, ERR_USAGE, "kubeconfig '%s': '%s' of '%s' is not a mapping",
				 src->file, member, name);
	if (json_object_get(into, name))
		return 0;
	entry = json_pack("{s:o, s:s, s:s}", "entry",
			  json_is_object(entry) ? json_incref(entry) : json_object(), "file",
			  src->file, "dir", src->dir);
	if (!entry)
		return error_set(err, ERR_USAGE, "kubeconfig '%s': its path is not UTF-8",
				 src->file);
	json_object_set_new(into, name, entry);
	return 0;
}

static int add_list(json_t *merged, const json_t *root, size_t kind, const struct source *src,
		    struct error *err)
{
	const char *list = kinds[kind].list;
	const json_t *items = json_object_get(root, list);
	size_t i;
	json_t *item;

	if (!items || json_is_null(items))
		return 0;
	if (!json_is_array(items))
		return error_set(err, ERR_USAGE, "kubeconfig '%s': '%s' is not a list", src->file,
				 list);
	json_object_clear(src->seen);
	json_array_foreach (items, i, item) {
		if (add_entry(json_object_get(merged, list), item, kinds[kind].member, list, src,
			      err) != 0)
			return -1;
	}
	return 0;
}

static int add_root(json_t *merged, const json_t *root, const char *file, struct error *err)
{
	const char *current = json_str_at(root, "current-context", "");
	auto_free char *dir = directory_of(file);
	auto_json json_t *seen = json_object();
	const struct source src = {file, dir, seen};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (add_list(merged, root, i, &src, err) != 0)
			return -1;
	if (*current && !json_object_get(merged, "current-context"))
		json_object_set_new(merged, "current-context", json_string(current));
	return 0;
}

int kubeconfig_add(json_t *merged, const char *text, size_t len, const char *file,
		   struct error *err)
{
	auto_free char *what = xasprintf("kubeconfig '%s'", file);
	auto_json json_t *root = yaml_from_text(text, len, what, err);

	if (!root)
		return -1;
	if (json_is_null(root))
		return 0; /* an empty file is an empty configuration */
	if (!json_is_object(root))
		return error_set(err, ERR_USAGE, "%s is not a mapping", what);
	return add_root(merged, root, file, err);
}

/* 0 read, 1 skipped because it is missing. */
static int add_file(json_t *merged, const char *file, bool must_exist, struct error *err)
{
	struct buf text = BUF_INIT(MAX_KUBECONFIG);
	int rc = read_config_file(file, &text);

	if (rc == -ENOENT && !must_exist)
		rc = 1;
	else if (rc == -EFBIG)
		rc = error_set(err, ERR_USAGE, "kubeconfig '%s' is larger than %lu bytes", file,
			       (unsigned long)MAX_KUBECONFIG);
	else if (rc < 0)
		rc = error_sys(err, ERR_USAGE, -rc, "cannot read kubeconfig '%s'", file);
	else
		rc = kubeconfig_add(merged, buf_str(&text), text.len, file, err);
	secret_wipe(text.data, text.cap);
	buf_release(&text);
	return rc;
}

/* Each file of the list once, the first mention counts. */
static int add_files(json_t *merged, const char *list, bool *found, struct error *err)
{
	auto_json json_t *done = json_object();

	while (*list) {
		size_t n = strcspn(list, ":");
		auto_free char *file = xstrndup(list, n);
		int rc;

		list += n + (list[n] == ':');
		if (!*file || json_object_get(done, file))
			continue;
		json_object_set_new(done, file, json_true());
		rc = add_file(merged, file, false, err);
		if (rc < 0)
			return -1;
		*found = *found || rc == 0;
	}
	return 0;
}

int kubeconfig_load(const char *only, const char *list, const char *home, json_t **ret,
		    struct error *err)
{
	auto_json json_t *merged = kubeconfig_new();
	auto_free char *file = NULL;
	bool found = false;
	int rc = 1;

	if (only && *only) {
		rc = add_file(merged, only, true, err);
		found = true;
	} else if (list && *list) {
		rc = add_files(merged, list, &found, err);
	} else if (home && *home) {
		file = xasprintf("%s/.kube/config", home);
		rc = add_file(merged, file, false, err);
		found = rc == 0;
	}
	if (rc < 0)
		return -1;
	*ret = found ? STEAL(merged) : json_null();
	return 0;
}
