/*
 * What comes behind a delivery, of a new capture or of one that is resumed: after a success the
 * manifest, the spool and the record; after a failure the decision what is kept, and the lines that
 * go on with it.
 */
#ifndef JDIAG_DELIVER_END_H
#define JDIAG_DELIVER_END_H

#include <stdbool.h>

#include "jdiag/deliver.h"
#include "remote/base/error.h"

struct json_t;
struct options;
struct progress;
struct session;
struct sink;

struct delivery_job {
	const struct options *o;
	struct session *session;
	struct progress *progress;
	struct sink *sink;	 /* NULL: none, the capture stays on its node */
	struct json_t *manifest; /* as it was before the capture */
	const char *id;
	const char *target; /* "node/N", "ssh://HOST:PORT": for those who have no record */
	bool recorded;	    /* there is a record of it here */
	bool resumed;	    /* another run began it: nothing is stopped with this one */
	bool elsewhere;	    /* the sink is not where record or label say: --to was given */
	struct delivery_result result;
};

/* --upload-from node is for buckets: ERR_USAGE when `to` (NULL: "./") is none. */
int delivery_check_upload(const struct options *o, const char *to, struct error *err) must_check;

/* The tick of a sink, with the session: while a destination makes us wait, the node must not think
 * that we are gone. If the node has gone, the destination may have all bytes already: whoever needs
 * more from there will notice. */
int delivery_tick(void *session, struct error *err) must_check;

/* The artifact is at its place. What fails from here on is told, but is no failure of the capture:
 * restarts of the container, the manifest beside the artifact, the spool, the record. */
void delivery_settle(struct delivery_job *j);

/* The result, and the line that opens it. */
void delivery_print(const struct delivery_job *j);

/* The capture is complete and stays on its node: its id, and the line that fetches it. */
void delivery_print_detached(const struct delivery_job *j);

/*
 * It failed: a capture that this run began is stopped when the user ended it while the JVM stood
 * still, what failed on the node is removed; all else is kept, and the hint says how to go on. True
 * when nothing is left on the node.
 */
bool delivery_give_up(struct delivery_job *j, struct error *err);

/* One more line of the hint. */
void delivery_add_hint(struct error *err, const char *hint);

/* "jdiag resume ID [TARGET] [OPTIONS]", as the words of a shell; free with free(). */
char *delivery_resume_line(const struct delivery_job *j) must_check;

#endif
