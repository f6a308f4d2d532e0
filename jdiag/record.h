/*
 * What is kept of a capture that is not delivered yet, in two places. The *label* travels with the
 * capture to its node: what `jdiag resume` needs from anywhere (name, destination, manifest so
 * far). The *record* is a file of this user, $XDG_STATE_HOME/jdiag/captures/ID.json: how the node
 *is reached, and the label. Neither holds a secret (no token, no command that gives one, no session
 * of a bucket).
 *
 * label	{"name", "destination", "format", "manifest"}
 * record	{"apiVersion", "kind": "CaptureRecord", "id", "created", "target", "node",
 *"address", "port", "sshUser", "identities", "knownHosts", "hostKey", "sudo", "namespace",
 *		 "context", "cluster", "user", "kubeconfig", "as", "label"}
 *
 * A record is a file of the user's own and believed; a label that comes from a node is not: its
 * name is checked, and a destination in a file system of ours is not taken from it.
 */
#ifndef JDIAG_RECORD_H
#define JDIAG_RECORD_H

#include "jdiag/captures.h"
#include "jdiag/options.h"
#include "remote/base/error.h"

struct json_t;
struct session;

/* A new label; manifest is borrowed. destination: the artifact's URL ("gs://b/o", "/abs/file",
 * "-"). */
struct json_t *label_new(const char *name, const char *destination, const char *format,
			 const struct json_t *manifest) must_check;

/* A label from a node, taken apart and checked. A new reference; NULL with ERR_FAILED. */
struct json_t *label_from_text(const char *text, struct error *err) must_check;

/* A new record. target: as the user wrote it. label is borrowed. */
struct json_t *record_new(const char *id, const char *target, const struct session *s,
			  const struct json_t *label) must_check;

/* Written beside and renamed; directory 0700, file 0600. */
int record_save(const struct json_t *record, struct error *err) must_check;

/* ERR_TARGET when there is none. */
int record_load(const char *id, struct json_t **ret, struct error *err) must_check;

/* All of this user, oldest first. A new array, empty when there is no directory. Files that are no
 * records are left out. */
struct json_t *record_list(void) must_check;

/* It is delivered or gone; nothing happens when there is none. */
void record_delete(const char *id);

/* How the node was reached: options that the user does not give now get the record's values
 * (strings borrowed from record), and the session the node's address; no API is needed. */
void record_options(const struct json_t *record, struct options *o);
int record_resolve(const struct json_t *record, struct session *s, struct error *err) must_check;

#endif
