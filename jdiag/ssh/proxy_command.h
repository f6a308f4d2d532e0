/*
 * ProxyCommand: a command of the user's ssh_config whose stdin and stdout are the connection. It is
 * run by /bin/sh, as ssh does it. What it says on stderr is kept (its end) and told when it fails.
 */
#ifndef JDIAG_SSH_PROXY_COMMAND_H
#define JDIAG_SSH_PROXY_COMMAND_H

#include <stddef.h>
#include <stdint.h>

#include "remote/base/error.h"

struct proxy_command;

/* Start it. *ret_fd is ours to close: a stream socket, non-blocking. ERR_SSH. */
int proxy_start(struct proxy_command **ret, const char *command, int *ret_fd,
		struct error *err) must_check;

/* Take what it has said on stderr: to be called now and then, or it may block on that. */
void proxy_listen(struct proxy_command *p);

/* No SSH has come from it: it has ended, or what it prints is something else (data, its first
 * bytes). Fills err, returns -1. */
int proxy_explain(struct proxy_command *p, const char *host, const void *data, size_t len,
		  struct error *err);

/* It has ended in the middle: "WHAT 'HOST' port N: the ProxyCommand has ended (status 1)". Returns
 * -1, err->sys is ECONNRESET. */
int proxy_ended(struct proxy_command *p, const char *what, const char *host, uint16_t port,
		struct error *err);

/* End it, with all that it has started; reaped. NULL is fine. */
void proxy_end(struct proxy_command *p);

#endif
