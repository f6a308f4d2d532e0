/* The runtimes' parts, between themselves. */
#ifndef REMOTE_RUNTIME_INSIDE_H
#define REMOTE_RUNTIME_INSIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "remote/base/buf.h"
#include "remote/keeper.h"
#include "remote/runtime/runtime.h"
#include "remote/wire/json.h"

#define MAX_PLACES 8
#define PLACE_SIZE 512

/* Directories of the node where a runtime may keep what it knows: absolute paths, each once. */
struct places {
	char path[MAX_PLACES][PLACE_SIZE];
	unsigned int n;
};

void places_add(struct places *p, const char *path, size_t len);

/* From the text of a container's mountinfo: what stands before "/overlay2/", "/containers/ID/" ...
 * in the paths of its root's mount and of /etc/hostname's, up to MAX_PLACES. */
void places_from_mounts(struct places *p, const char *mountinfo, size_t len, const char *id);

/* By the node's own mountinfo: is the mount that an absolute path is on local, and are all above
 * it? *ret: how much of the path is its mount point, 0 for "/". */
bool places_local_mount(const char *mountinfo, size_t len, const char *path, size_t *ret);

#define MAX_LISTS 4

/* A list of containers that was read: each JVM asks for the same ones. */
struct runtime_list {
	char path[PLACE_SIZE + 256];
	struct buf text; /* good JSON */
	uid_t uid;
};

struct runtime_search {
	int root; /* borrowed */
	const struct procfs *p;
	struct buf mounts; /* the node's mountinfo */
	bool has_mounts, spent;
	size_t bytes;		    /* left */
	uint64_t ms_left, deadline; /* of now_ms */
	struct runtime_list lists[MAX_LISTS];
	unsigned int n_lists;
};

/* One container that is looked for. */
struct runtime_look {
	struct runtime_search *s;
	const char *id;	      /* of the runtime: without "user:UID/", "containerd:NS/" */
	bool users;	      /* a user's: nothing that root's runtimes keep is its */
	const char *ns;	      /* containerd's namespace, or NULL: any */
	uid_t owner;	      /* besides ourselves (root), who may own the files; -1 nobody */
	struct keeper keeper; /* kind NONE: none */
	bool elsewhere;	      /* not where runtimes are by default: only on a local mount */
};

/* The file DIR/REST below root, when it is a plain file of a permitted owner; the JSON text in b
 * and in doc. An array is read as the member "list" of an object. */
bool runtime_read(const struct runtime_look *l, const char *dir, const char *rest, struct buf *b,
		  struct jsonr *doc);
bool runtime_read_list(const struct runtime_look *l, const char *dir, const char *rest,
		       struct buf *b, struct jsonr *doc);

/* A string of an object; "" when it is not there or not one. */
void runtime_text(const struct jsonr *doc, const char *name, char *dst, size_t size);

/* Each: false when the container is none of theirs. */
bool runtime_shim(const struct runtime_look *l, struct runtime_names *ret);
bool runtime_conmon(const struct runtime_look *l, struct runtime_names *ret);
bool runtime_containerd(const struct runtime_look *l, struct runtime_names *ret);
/* docker's data root; the storage of CRI-O or podman */
bool runtime_docker(const struct runtime_look *l, const char *root, struct runtime_names *ret);
bool runtime_storage(const struct runtime_look *l, const char *root, struct runtime_names *ret);

/* The documents alone. */
bool runtime_parse_bundle(const struct jsonr *doc, struct runtime_names *ret);
bool runtime_parse_docker(const struct jsonr *doc, const char *id, struct runtime_names *ret);
bool runtime_parse_crio(const struct jsonr *doc, struct runtime_names *ret);
bool runtime_parse_storage(const struct jsonr *list, const char *id, struct runtime_names *ret);

#endif
