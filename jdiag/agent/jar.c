#include "jdiag/agent/jar.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "jdiag/agent/file.h"
#include "jdiag/agent/manifest.h"
#include "jdiag/archive/zip.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"

#define MANIFEST_NAME "META-INF/MANIFEST.MF"
#define MAX_JAR_MANIFEST (1 * MiB)
#define CLASS_HEADER 8
#define CLASS_JAVA_8 52 /* JVMS table 4.1-A: 44 + release */

/* One entry, looked for by name. */
struct wanted {
	const char *name;
	size_t most;
	unsigned int found; /* how often */
	struct buf data;
};

static size_t is_wanted(void *ctx, const char *name)
{
	const struct wanted *w = ctx;

	return strcmp(name, w->name) == 0 ? w->most : 0;
}

static int keep(void *ctx, const char *name, const void *data, size_t len, struct error *err)
{
	struct wanted *w = ctx;

	(void)err;
	(void)name;
	w->found++;
	buf_add(&w->data, data, len);
	return 0;
}

static int find(const struct buf *jar, struct wanted *w, bool again, struct error *err)
{
	const struct zip_visitor v = {
		.wanted = is_wanted,
		.member = keep,
		.ctx = w,
		.again = again,
	};

	w->data = BUF_INIT(w->most);
	if (zip_walk(buf_str(jar), jar->len, &v, err) != 0)
		return -1;
	if (w->found > 1)
		return error_set(err, ERR_USAGE, "has '%s' twice", w->name);
	return 0;
}

/* --- the manifest -------------------------------------------------------------------------- */

static int attribute(const struct buf *manifest, const char *name, char *ret, size_t size,
		     struct error *err)
{
	auto_buf struct buf b = BUF_INIT(MAX_MANIFEST_VALUE);
	int rc = jar_manifest_get(buf_str(manifest), manifest->len, name, &b, err);

	if (rc >= 0)
		str_escape(ret, size, buf_str(&b), b.len, NULL);
	return rc < 0 ? -1 : 0;
}

static int flag(const struct buf *manifest, const char *name, bool *ret, struct error *err)
{
	char text[8];

	if (attribute(manifest, name, text, sizeof(text), err) != 0)
		return -1;
	*ret = strcasecmp(text, "true") == 0;
	return 0;
}

static int read_manifest(struct agent_jar *j, const struct buf *manifest, struct error *err)
{
	return attribute(manifest, "Agent-Class", j->agent_class, sizeof(j->agent_class), err) !=
				       0 ||
			       attribute(manifest, "Implementation-Title", j->title,
					 sizeof(j->title), err) != 0 ||
			       attribute(manifest, "Implementation-Version", j->version,
					 sizeof(j->version), err) != 0 ||
			       flag(manifest, "Can-Redefine-Classes", &j->can_redefine, err) != 0 ||
			       flag(manifest, "Can-Retransform-Classes", &j->can_retransform,
				    err) != 0
		       ? -1
		       : 0;
}

static int check_manifest(struct agent_jar *j, struct error *err)
{
	struct wanted w = {.name = MANIFEST_NAME, .most = MAX_JAR_MANIFEST};
	int rc = find(&j->data, &w, false, err);

	if (rc == 0 && !w.found)
		rc = error_set(err, ERR_USAGE, "not a jar: there is no %s in it", MANIFEST_NAME);
	if (rc == 0)
		rc = read_manifest(j, &w.data, err);
	buf_release(&w.data);
	if (rc == 0 && !j->agent_class[0]) {
		error_set(err, ERR_USAGE, "its manifest names no Agent-Class");
		return error_hint(err, "it cannot be loaded into a JVM that runs, at most by "
				       "-javaagent at its start");
	}
	return rc;
}

/* --- the class ----------------------------------------------------------------------------- */

static int class_release(const struct wanted *w, unsigned int *ret, struct error *err)
{
	const unsigned char *c = (const unsigned char *)buf_str(&w->data);
	unsigned int major;

	if (!w->found)
		return error_set(err, ERR_USAGE, "its Agent-Class is not in it: '%s'", w->name);
	if (w->data.len < CLASS_HEADER || memcmp(c, "\xca\xfe\xba\xbe", 4) != 0)
		return error_set(err, ERR_USAGE, "'%s' in it is no class", w->name);
	major = (unsigned int)c[6] << 8 | c[7];
	if (major < 45)
		return error_set(err, ERR_USAGE, "'%s' in it is no class", w->name);
	*ret = major < CLASS_JAVA_8 ? 8 : major - 44;
	return 0;
}

static int check_class(struct agent_jar *j, struct error *err)
{
	char path[sizeof(j->agent_class) + 8];
	struct wanted w = {.name = path, .most = CLASS_HEADER};
	int rc;

	if (!str_only(j->agent_class, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_$."))
		return error_set(err, ERR_USAGE, "its Agent-Class is no class name: '%s'",
				 j->agent_class);
	snprintf(path, sizeof(path), "%s.class", j->agent_class);
	for (char *p = path; p < path + strlen(j->agent_class); p++)
		if (*p == '.')
			*p = '/';
	rc = find(&j->data, &w, true, err);
	if (rc == 0)
		rc = class_release(&w, &j->java, err);
	buf_release(&w.data);
	return rc;
}

int agent_jar_open(struct agent_jar *ret, const char *path, struct error *err)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	struct agent_jar j = {0};

	if (agent_file_read(&j.data, j.sha256, path, err) != 0)
		return -1;
	str_escape(j.name, sizeof(j.name), base, strlen(base), NULL);
	if (check_manifest(&j, err) != 0 || check_class(&j, err) != 0) {
		agent_jar_release(&j);
		return error_prefix(err, "'%s' cannot be an agent", path);
	}
	*ret = j;
	return 0;
}

void agent_jar_release(struct agent_jar *j)
{
	buf_release(&j->data);
}
