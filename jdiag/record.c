#include "jdiag/record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "jdiag/json.h"
#include "jdiag/session.h"
#include "remote/base/buf.h"
#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"

#define SUFFIX ".json"
#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

/* ---- labels ---- */

json_t *label_new(const char *name, const char *destination, const char *format,
		  const json_t *manifest)
{
	/* JSON holds no path that is not UTF-8: then --to has to name it again */
	json_t *to = json_string(destination);
	json_t *label =
		json_pack("{s:s, s:s, s:O}", "name", name, "format", format, "manifest", manifest);

	if (!label)
		die_oom();
	json_object_set_new(label, "destination", to ? to : json_string("-"));
	return label;
}

json_t *label_from_text(const char *text, struct error *err)
{
	json_t *label =
		json_from_text(text, strlen(text), "the label of the capture", ERR_FAILED, err);
	const char *name = json_str_at(label, "name", "");

	if (!label)
		return NULL;
	if (!str_only(name, NAME_CHARACTERS) || *name == '.' || *name == '-' ||
	    strlen(name) > NAME_MAX || !json_is_object(json_at(label, "manifest"))) {
		json_decref(label);
		error_set(err, ERR_FAILED, "the capture's label is not one of jdiag's");
		return NULL;
	}
	if (!str_starts(json_str_at(label, "destination", ""), "gs://"))
		json_object_set_new(label, "destination", json_string("-"));
	return label;
}

/* ---- the directory ---- */

static char *state_dir(struct error *err)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

	if (state && *state == '/')
		return xasprintf("%s/jdiag/captures", state);
	if (home && *home == '/')
		return xasprintf("%s/.local/state/jdiag/captures", home);
	error_set(err, ERR_FAILED, "there is no place for records: HOME is not set");
	return NULL;
}

/* mkdir -p; a directory that exists is left as it is. */
static int make_dirs(char *path, struct error *err)
{
	for (char *p = strchr(path + 1, '/');; p = strchr(p + 1, '/')) {
		int rc;

		if (p)
			*p = '\0';
		rc = mkdir(path, 0700) < 0 && errno != EEXIST ? errno : 0;
		if (rc)
			error_sys(err, ERR_FAILED, rc, "cannot make the directory '%s'", path);
		if (p)
			*p = '/';
		if (rc)
			return -1;
		if (!p)
			return 0;
	}
}

/* The directory of records, open; -1 when it cannot be. */
static int open_dir(bool make, struct error *err)
{
	auto_free char *path = state_dir(err);
	int fd;

	if (!path || (make && make_dirs(path, err) < 0))
		return -1;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 ? fd : error_sys(err, ERR_FAILED, errno, "cannot open '%s'", path);
}

static void file_name(char dst[CAPTURE_ID_SIZE + sizeof(SUFFIX)], const char *id)
{
	snprintf(dst, CAPTURE_ID_SIZE + sizeof(SUFFIX), "%s" SUFFIX, id);
}

/* ---- records ---- */

static void set_text(json_t *object, const char *name, const char *value)
{
	if (value && *value)
		json_object_set_new(object, name, json_string(value));
}

/* A path as it is found from any directory. */
static void set_path(json_t *object, const char *name, const char *path)
{
	char real[PATH_MAX];

	set_text(object, name, path && realpath(path, real) ? real : path);
}

static json_t *identities(const struct options *o)
{
	json_t *list = json_array();

	for (size_t i = 0; o->identities[i]; i++) {
		char real[PATH_MAX];

		json_array_append_new(
			list,
			json_string(realpath(o->identities[i], real) ? real : o->identities[i]));
	}
	return list;
}

static json_t *texts(const char *const *from)
{
	json_t *list = json_array();

	for (; *from; from++)
		json_array_append_new(list, json_string(*from));
	return list;
}

json_t *record_new(const char *id, const char *target, const struct session *s, const json_t *label)
{
	const struct options *o = s->o;
	json_t *r = json_pack("{s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:i, s:i, s:i, s:O}",
			      "apiVersion", "jdiag/v1", "kind", "CaptureRecord", "id", id,
			      "created", (json_int_t)time(NULL), "target", target, "node", s->node,
			      "address", s->address, "port", (int)s->port, "ssh", (int)o->ssh,
			      "sudo", (int)o->sudo, "label", label);

	if (!r)
		die_oom();
	set_text(r, "sshUser", o->ssh_user ? o->ssh_user : s->user);
	json_object_set_new(r, "identities", identities(o));
	set_path(r, "knownHosts", o->known_hosts);
	set_text(r, "hostKey", o->host_key);
	set_path(r, "sshConfig", o->ssh_config);
	json_object_set_new(r, "sshOptions", texts(o->ssh_extra));
	set_text(r, "jumps", o->jumps);
	set_text(r, "namespace", s->has_pod ? s->pod.ns : o->namespace_);
	set_text(r, "context", o->context);
	set_text(r, "cluster", o->cluster);
	set_text(r, "user", o->user);
	set_text(r, "as", o->as);
	set_path(r, "kubeconfig", o->kubeconfig);
	return r;
}

/* Bytes, then the name, then the directory. */
static int write_record(int dir, const char *name, const char *text, struct error *err)
{
	auto_free char *temp = xasprintf("%s.%ld.new", name, (long)getpid());
	auto_fd int fd =
		openat(dir, temp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : io_write_full(fd, text, strlen(text));

	if (r == 0 && (fsync(fd) < 0 || renameat(dir, temp, dir, name) < 0))
		r = -errno;
	if (r == 0) {
		(void)!fsync(dir);
		return 0;
	}
	unlinkat(dir, temp, 0);
	return error_sys(err, ERR_FAILED, -r, "cannot write the record '%s'", name);
}

int record_save(const json_t *record, struct error *err)
{
	char name[CAPTURE_ID_SIZE + sizeof(SUFFIX)];
	auto_fd int dir = open_dir(true, err);
	auto_free char *text = json_dumps(record, JSON_INDENT(2) | JSON_ENSURE_ASCII);

	if (dir < 0)
		return -1;
	if (!text)
		die_oom();
	file_name(name, json_str_at(record, "id", ""));
	return write_record(dir, name, text, err);
}

/* What a record names is run (a kubeconfig) and believed (known hosts): nobody else's will do. */
static bool is_ours(const struct stat *st)
{
	return (st->st_uid == geteuid() || st->st_uid == 0) && !(st->st_mode & (S_IWGRP | S_IWOTH));
}

static int read_file(int dir, const char *name, struct buf *b)
{
	auto_fd int fd =
		openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	return is_ours(&st) ? io_read_all(fd, b) : -EPERM;
}

static int read_record(int dir, const char *id, json_t **ret, struct error *err)
{
	char name[CAPTURE_ID_SIZE + sizeof(SUFFIX)];
	auto_buf struct buf b = BUF_INIT(MAX_SPOOL_STATE);
	json_t *record;
	int r;

	file_name(name, id);
	r = read_file(dir, name, &b);
	if (r == -EPERM)
		return error_set(err, ERR_FAILED,
				 "the record of capture '%s' is not used: it belongs to somebody "
				 "else, or others can write it",
				 id);
	if (r < 0)
		return error_sys(err, r == -ENOENT ? ERR_TARGET : ERR_FAILED, -r,
				 "cannot read the record of capture '%s'", id);
	record = json_from_text(buf_str(&b), b.len, "the record of a capture", ERR_FAILED, err);
	if (!record)
		return -1;
	if (strcmp(json_str_at(record, "id", ""), id) == 0 &&
	    json_is_object(json_at(record, "label"))) {
		*ret = record;
		return 0;
	}
	json_decref(record);
	return error_set(err, ERR_FAILED, "'%s' is not a record of capture '%s'", name, id);
}

int record_load(const char *id, json_t **ret, struct error *err)
{
	struct error none = {0};
	auto_fd int dir = open_dir(false, &none);

	if (dir < 0)
		return error_set(err, ERR_TARGET, "there is no record of capture '%s' here", id);
	return read_record(dir, id, ret, err);
}

void record_delete(const char *id)
{
	char name[CAPTURE_ID_SIZE + sizeof(SUFFIX)];
	struct error none = {0};
	auto_fd int dir = open_dir(false, &none);

	file_name(name, id);
	if (dir >= 0)
		unlinkat(dir, name, 0);
}

static void insert_by_age(json_t *list, json_t *record)
{
	size_t at = json_array_size(list);

	while (at > 0 && json_u64_at(json_array_get(list, at - 1), "created", 0) >
				 json_u64_at(record, "created", 0))
		at--;
	json_array_insert_new(list, at, record);
}

static void read_all(DIR *d, json_t *list)
{
	const struct dirent *entry;

	while ((entry = readdir(d)) && json_array_size(list) < MAX_SPOOLS) {
		char id[CAPTURE_ID_SIZE] = "";
		struct error ignored = {0};
		json_t *record;

		if (strlen(entry->d_name) != CAPTURE_ID_SIZE - 1 + strlen(SUFFIX) ||
		    !str_ends(entry->d_name, SUFFIX))
			continue;
		memcpy(id, entry->d_name, CAPTURE_ID_SIZE - 1);
		if (capture_id_is(id) && read_record(dirfd(d), id, &record, &ignored) == 0)
			insert_by_age(list, record);
	}
}

json_t *record_list(void)
{
	struct error none = {0};
	json_t *list = json_array();
	int fd = open_dir(false, &none);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

	if (d) {
		read_all(d, list);
		closedir(d);
	} else if (fd >= 0) {
		close(fd);
	}
	return list;
}

/* ---- going back to the node ---- */

static const char *text_or_null(const json_t *record, const char *name)
{
	const char *text = json_str_at(record, name, "");

	return *text ? text : NULL;
}

static bool is_given(const struct options *o, const char *name)
{
	return option_given(o, option_find(name));
}

static void take_list(const json_t *record, const char *name, const char **list)
{
	const json_t *from = json_at(record, name), *text;
	size_t i;

	if (!json_array_size(from))
		return;
	memset(list, 0, (MAX_IDENTITIES + 1) * sizeof(*list));
	json_array_foreach (from, i, text)
		if (i < MAX_IDENTITIES)
			list[i] = json_string_value(text);
}

void record_options(const json_t *record, struct options *o)
{
	const struct {
		const char *name, *option;
		const char **member;
	} texts[] = {
		{"sshUser", "ssh-user", &o->ssh_user},
		{"knownHosts", "known-hosts", &o->known_hosts},
		{"hostKey", "host-key", &o->host_key},
		{"sshConfig", "ssh-config", &o->ssh_config},
		{"jumps", "jump", &o->jumps},
		{"namespace", "namespace", &o->namespace_},
		{"context", "context", &o->context},
		{"cluster", "cluster", &o->cluster},
		{"user", "user", &o->user},
		{"as", "as", &o->as},
		{"kubeconfig", "kubeconfig", &o->kubeconfig},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(texts); i++)
		if (!is_given(o, texts[i].option) && text_or_null(record, texts[i].name))
			*texts[i].member = text_or_null(record, texts[i].name);
	if (!is_given(o, "ssh") && json_u64_at(record, "ssh", 0) <= SSH_OPENSSH)
		o->ssh = (enum ssh_way)json_u64_at(record, "ssh", 0);
	if (!is_given(o, "sudo") && json_u64_at(record, "sudo", 0) <= SUDO_NEVER)
		o->sudo = (enum sudo_mode)json_u64_at(record, "sudo", 0);
	if (!is_given(o, "identity"))
		take_list(record, "identities", o->identities);
	if (!is_given(o, "ssh-option"))
		take_list(record, "sshOptions", o->ssh_extra);
}

int record_resolve(const json_t *record, struct session *s, struct error *err)
{
	const char *id = json_str_at(record, "id", "?");

	if (!str_copy(s->node, sizeof(s->node), json_str_at(record, "node", "")) ||
	    !str_copy(s->address, sizeof(s->address), json_str_at(record, "address", "")) ||
	    !s->address[0])
		return error_set(err, ERR_FAILED, "the record of capture '%s' names no node", id);
	if (!is_given(s->o, "ssh-port"))
		s->port = (uint16_t)json_u64_at(record, "port", s->port);
	return 0;
}
