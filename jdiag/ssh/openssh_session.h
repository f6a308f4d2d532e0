/*
 * The OpenSSH back end, inside. One ssh client of this machine, the master, holds the connection;
 * it listens on a socket in a directory of ours, and each command is a conversation there
 * (openssh_mux.h). The streams of a command are pipes between the master and us.
 *
 * openssh_dir.c: the directory. openssh_options.c: how the master is told what we were told.
 * openssh_master.c: start, login, end. openssh_tree.c: the end of what it started.
 * openssh_errors.c: what it says, in our words. openssh_channel.c: commands. openssh.c: the rest
 * and the table.
 */
#ifndef JDIAG_SSH_OPENSSH_SESSION_H
#define JDIAG_SSH_OPENSSH_SESSION_H

#include <sys/types.h>

#include "jdiag/ssh/backend.h"
#include "jdiag/ssh/config.h"
#include "jdiag/ssh/openssh_mux.h"
#include "jdiag/ssh/openssh_words.h"
#include "remote/base/buf.h"

/* A directory that only we can look into, with what the master needs. */
struct open_dir {
	char *path; /* owned; NULL: none */
	int lock;   /* the directory, locked as long as we live: without that it is a leftover */
};

#define OPEN_DIR_INIT ((struct open_dir){.lock = -1})

/* Make one below $XDG_RUNTIME_DIR or /tmp; leftovers of processes that were killed go on the way.
 * ERR_SSH. */
int open_dir_make(struct open_dir *d, struct error *err) must_check;
void open_dir_remove(struct open_dir *d); /* with all that is in it */

/* "DIR/name"; free with free(). */
char *open_dir_path(const struct open_dir *d, const char *name) must_check;
int open_dir_write(const struct open_dir *d, const char *name, const struct buf *text,
		   struct error *err) must_check;

struct open_channel;

struct open_session {
	struct ssh_session base;
	struct open_dir dir;
	pid_t pid;	/* of the master; 0: none, or reaped */
	bool own_group; /* it leads a session of its own: whatever it started can be ended too */
	bool may_ask;	/* it may ask a person for a passphrase, a PIN, a touch */
	int stderr_fd;	/* what it says */
	struct words words;
	struct mux control; /* lives as long as the master */
	bool lost;
	unsigned int exec_ms;	       /* for a login shell's start, not the command's run */
	struct open_channel *channels; /* all that are open */
};

/* The ssh_config that the master and its jump hosts read: our options, then the user's, then our
 * defaults; and into `host` the lines of one that are for the host at the end only. What it needs
 * beside it is written into d. ERR_USAGE for names of files that an ssh_config cannot have.
 */
int open_config_text(struct buf *ret, struct buf *host, const struct open_dir *d,
		     const struct ssh_options *o, const struct ssh_config *c, bool may_ask,
		     struct error *err) must_check;

/* Its command line with those lines, NULL-terminated; the list and its strings are the caller's to
 * free. */
char **open_arguments(const char *program, const struct open_dir *d, const struct ssh_options *o,
		      const struct ssh_config *c, const char *host, bool may_ask) must_check;

/* Start the master and wait until it has logged in. ERR_SSH, ERR_INTERRUPTED. */
int open_master_start(struct open_session *s, const struct ssh_options *o,
		      const struct ssh_config *c, struct error *err) must_check;

/* End it, and what it started; at most a second. */
void open_master_end(struct open_session *s);

/* Take in what it says. False at the end of that. Never waits. */
bool open_listen(struct open_session *s);

/* The connection is lost: why. Returns -1. */
int open_lost(struct open_session *s, struct error *err);

/* The master ended before it had logged in. Returns -1. */
int open_explain(const struct open_session *s, const struct ssh_options *o,
		 const struct ssh_config *c, struct error *err);

/* What it said about the host's key of a connection that is up; ERR_SSH when known_hosts cannot be
 * read. */
int open_tell_host_key(const struct open_session *s, const struct ssh_config *c,
		       struct error *err) must_check;

int open_exec(struct ssh_session *s, const char *command, struct ssh_channel **ret,
	      struct error *err) must_check;
ssize_t open_read(struct ssh_channel *c, enum ssh_stream which, void *data, size_t n,
		  struct error *err) must_check;
ssize_t open_write(struct ssh_channel *c, const void *data, size_t n, struct error *err) must_check;
int open_write_eof(struct ssh_channel *c, struct error *err) must_check;
bool open_eof(const struct ssh_channel *c);
int open_wait(struct ssh_session *s, uint64_t timeout_ms, struct error *err) must_check;
int open_poll(struct ssh_session *s, struct pollfd *fds, unsigned int max);
int open_exit_status(struct ssh_channel *c, char signal_name[32]);
void open_channel_close(struct ssh_channel *c);

#endif
