#include "jdiag/exporter/settings.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jdiag/command.h"
#include "jdiag/exporter/find.h"
#include "jdiag/json.h"
#include "jdiag/kube/kube.h"
#include "jdiag/kube/patch.h"
#include "jdiag/kube/read_file.h"
#include "jdiag/options.h"
#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/sha256.h"
#include "remote/base/str.h"

#define PREFIX "jmx_prometheus_javaagent-"
#define MAP "configmap/"

void exporter_settings_release(struct exporter_settings *s)
{
	agent_jar_release(&s->jar);
	free(s->jar_path);
	free(s->map);
	free(s->key);
	free(s->config);
	free(s->config_name);
	json_decref(s->holders);
	*s = (struct exporter_settings){0};
}

/* ---- the jar ---- */

bool exporter_version_less(const char *a, const char *b)
{
	while (*a || *b) {
		char *end_a, *end_b;
		unsigned long x = strtoul(a, &end_a, 10), y = strtoul(b, &end_b, 10);

		if (x != y)
			return x < y;
		if (end_a == a && end_b == b && *a != *b)
			return *a < *b;
		a = end_a + (*end_a != '\0');
		b = end_b + (*end_b != '\0');
	}
	return false;
}

/* As Maven calls it; the sources have such a name, too. */
static bool is_exporter(const char *name)
{
	size_t len = strlen(PREFIX);

	return str_starts(name, PREFIX) &&
	       strcmp(name + len + strspn(name + len, "0123456789."), "jar") == 0;
}

/* The newest jar of a directory, if it is newer than *best (owned, or NULL). */
static void look_into(const char *dir, char **best)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;
	char *found = NULL; /* a name */

	while (d && (e = readdir(d)))
		if (is_exporter(e->d_name) &&
		    (!found ||
		     exporter_version_less(found + strlen(PREFIX), e->d_name + strlen(PREFIX)))) {
			free(found);
			found = xstrdup(e->d_name);
		}
	if (d)
		closedir(d);
	else if (fd >= 0)
		close(fd);
	if (found && !*best)
		*best = xasprintf("%s/%s", dir, found);
	free(found);
}

static void look_into_home(char **best)
{
	const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
	auto_free char *dir = data && *data == '/'   ? xasprintf("%s/jdiag", data)
			      : home && *home == '/' ? xasprintf("%s/.local/share/jdiag", home)
						     : NULL;

	if (dir)
		look_into(dir, best);
}

static void look_into_system(char **best)
{
	const char *dirs = getenv("XDG_DATA_DIRS");

	if (!dirs || !*dirs)
		dirs = "/usr/local/share:/usr/share";
	while (*dirs && !*best) {
		size_t len = strcspn(dirs, ":");
		auto_free char *dir = xasprintf("%.*s/jdiag", (int)len, dirs);

		if (*dir == '/')
			look_into(dir, best);
		dirs += len + (dirs[len] == ':');
	}
}

static int find_jar(struct exporter_settings *s, struct error *err)
{
	if (s->o->jar) {
		s->jar_path = xstrdup(s->o->jar);
		return 0;
	}
	look_into_home(&s->jar_path);
	look_into_system(&s->jar_path);
	if (s->jar_path)
		return 0;
	error_set(err, ERR_USAGE,
		  "no exporter is here: no '" PREFIX "VERSION.jar' in the usual "
		  "places");
	return error_hint(err, "put one into ~/.local/share/jdiag or /usr/share/jdiag "
			       "(scripts/fetch-exporter in jdiag's source does), or name one with "
			       "--jar FILE");
}

static int open_jar(struct exporter_settings *s, struct error *err)
{
	if (find_jar(s, err) < 0 || agent_jar_open(&s->jar, s->jar_path, err) < 0)
		return -1;
	if (!str_ends(s->jar.agent_class, "io.prometheus.jmx.JavaAgent")) {
		error_set(err, ERR_USAGE,
			  "'%s' is an agent, but not the JMX exporter: its class is '%s'",
			  s->jar_path, s->jar.agent_class);
		return error_hint(err, "any other agent: jdiag agent load TARGET --jar FILE");
	}
	if (exporter_generation(s->jar.version, &s->generation, err) < 0)
		return error_prefix(err, "'%s'", s->jar_path);
	if (!exporter_jar_name(s->place_name, s->jar.version, s->jar.sha256))
		return error_set(err, ERR_USAGE, "'%s' has the version '%s', which is none",
				 s->jar_path, s->jar.version);
	return 0;
}

/* ---- the configuration ---- */

static void take_config(struct exporter_settings *s, char *text, size_t len)
{
	struct sha256 *d = sha256_new();

	free(s->config);
	s->config = text;
	s->config_len = len;
	sha256_add(d, text, len);
	sha256_hex(d, s->config_sha256);
	sha256_free(d);
}

/* What a file should be is not in the list of the options. */
static int see_manual(struct error *err)
{
	if (err->code == ERR_USAGE && !err->hint[0])
		error_hint(err, "see '%s man exporter'", command_program());
	return -1;
}

static int check_config(struct exporter_settings *s, struct error *err)
{
	if (exporter_config_check(s->config, s->config_len, s->config_name, s->generation, err) < 0)
		return see_manual(err);
	return 0;
}

static int split_map(struct exporter_settings *s, const char *text, struct error *err)
{
	const char *name = text + strlen(MAP), *colon = strchr(name, ':');
	size_t len = colon ? (size_t)(colon - name) : strlen(name);

	if (!len || (colon && !colon[1])) {
		error_set(err, ERR_USAGE, "bad value '%s' for '--config'", text);
		return error_hint(err, "a file, or configmap/NAME or configmap/NAME:KEY");
	}
	s->map = xstrndup(name, len);
	s->key = colon ? xstrdup(colon + 1) : NULL;
	s->config_name = s->key ? xasprintf("ConfigMap '%s', key '%s'", s->map, s->key)
				: xasprintf("ConfigMap '%s'", s->map);
	return 0;
}

/* Also when there are zeros in it: they are to be complained about, not to be the end. */
static char *copy(const struct buf *b)
{
	char *text = xmalloc(b->len + 1);

	memcpy(text, buf_str(b), b->len);
	text[b->len] = '\0';
	return text;
}

static int read_file(struct exporter_settings *s, const char *path, struct error *err)
{
	auto_buf struct buf b = BUF_INIT(MAX_EXPORTER_CONFIG);
	int rc = read_config_file(path, &b);

	if (rc == -EFBIG)
		return error_set(err, ERR_USAGE,
				 "'%s' is larger than a configuration can be: %zu "
				 "KiB at most",
				 path, (size_t)(MAX_EXPORTER_CONFIG / KiB));
	if (rc == -EINVAL)
		return error_set(err, ERR_USAGE, "cannot read '%s': not a regular file", path);
	if (rc < 0)
		return error_sys(err, ERR_USAGE, -rc, "cannot read '%s'", path);
	s->config_name = xstrdup(path);
	take_config(s, copy(&b), b.len);
	return check_config(s, err);
}

static int open_config(struct exporter_settings *s, struct error *err)
{
	const char *config = s->o->config;

	if (config && str_starts(config, MAP))
		return split_map(s, config, err);
	if (config)
		return read_file(s, config, err);
	s->config_name = xstrdup("the default configuration");
	take_config(s, xstrdup(exporter_default_config), strlen(exporter_default_config));
	return check_config(s, err);
}

int exporter_settings_config(struct exporter_settings *s, struct kube *k, const char *ns,
			     struct error *err)
{
	char *text = NULL;
	size_t len = 0;

	if (!s->map || (s->config && strcmp(s->ns, ns) == 0))
		return 0;
	if (!k)
		return error_set(err, ERR_USAGE, "'--config %s%s' takes a pod: here is no cluster",
				 MAP, s->map);
	if (kube_read_configmap(k, ns, s->map, s->key, &text, &len, err) < 0)
		return -1;
	take_config(s, text, len);
	if (check_config(s, err) < 0 || !str_copy(s->ns, sizeof(s->ns), ns)) {
		free(STEAL(s->config));
		return -1;
	}
	return 0;
}

/* ---- ports that pods of the node share ---- */

void exporter_settings_hold(struct exporter_settings *s, uint16_t port, const char *who)
{
	char key[8];

	snprintf(key, sizeof(key), "%u", port);
	if (!s->holders)
		s->holders = json_object();
	json_set_text(s->holders, key, who);
}

const char *exporter_settings_holder(const struct exporter_settings *s, uint16_t port)
{
	char key[8];

	snprintf(key, sizeof(key), "%u", port);
	return json_string_value(json_object_get(s->holders, key));
}

int exporter_settings_open(struct exporter_settings *s, const struct options *o, struct error *err)
{
	s->o = o;
	if (port_range_parse(o->ports, &s->ports, err) < 0)
		return -1;
	return open_jar(s, err) < 0 || open_config(s, err) < 0 ? see_manual(err) : 0;
}
