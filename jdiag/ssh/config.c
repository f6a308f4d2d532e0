#include "jdiag/ssh/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/ssh/child.h"
#include "jdiag/ssh/config_fill.h"
#include "remote/base/log.h"
#include "remote/base/str.h"

#define CLIENT_MS 15000 /* a "Match exec" or CanonicalizeHostname may take its time */
#define MAX_CLIENT_OUTPUT (256 * 1024)
#define MAX_CLIENT_ERRORS 2048
#define MAX_ARGUMENTS 96

char **ssh_list_add(char **list, const char *text)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	list = xrealloc(list, (n + 2) * sizeof(*list));
	list[n] = xstrdup(text);
	list[n + 1] = NULL;
	return list;
}

void ssh_list_free(char **list)
{
	for (size_t i = 0; list && list[i]; i++)
		free(list[i]);
	free(list);
}

void ssh_config_release(struct ssh_config *c)
{
	free(c->host_name);
	free(c->user);
	free(c->agent);
	free(c->host_key_alias);
	free(c->proxy_command);
	ssh_list_free(c->identities);
	ssh_list_free(c->certificates);
	ssh_list_free(c->known_hosts);
	for (size_t i = 0; i < c->n_jumps; i++) {
		free(c->jumps[i].user);
		free(c->jumps[i].host);
	}
	free(c->jumps);
	*c = (struct ssh_config){0};
}

/* Asking the client */

/* "ssh -T -G ... -- HOST". The strings are borrowed; port is where that number stands. */
static int client_arguments(const char **argv, const struct ssh_options *o, const char *port,
			    struct error *err)
{
	size_t n = 0;

	argv[n++] = "ssh";
	argv[n++] = "-T";
	argv[n++] = "-G";
	if (o->config_file) {
		argv[n++] = "-F";
		argv[n++] = o->config_file;
	}
	for (size_t i = 0; o->extra && o->extra[i]; i++) {
		if (n + 12 > MAX_ARGUMENTS)
			return error_set(err, ERR_USAGE, "too many options for ssh");
		argv[n++] = "-o";
		argv[n++] = o->extra[i];
	}
	if (o->port) {
		argv[n++] = "-p";
		argv[n++] = port;
	}
	if (o->user) {
		argv[n++] = "-l";
		argv[n++] = o->user;
	}
	if (o->jumps) {
		argv[n++] = "-J";
		argv[n++] = o->jumps;
	}
	argv[n++] = "--";
	argv[n++] = o->host;
	argv[n] = NULL;
	return 0;
}

static int client_refused(const struct ssh_options *o, const struct child *child, struct buf *said,
			  struct error *err)
{
	const char *text = buf_str(said);
	enum err_code code = str_starts(text, "command-line") ? ERR_USAGE : ERR_SSH;
	char status[24];

	while (said->len && strchr(" \r\n", said->data[said->len - 1]))
		said->data[--said->len] = '\0';
	/* a line that carries nothing else: "terminating, 1 bad configuration options" */
	if (said->len && strstr(text, "\n"))
		*strchr(said->data, '\n') = '\0';
	error_set(err, code, "the ssh_config for '%s' cannot be read: ssh says: %s", o->host,
		  said->len ? text : child_status_text(child, status));
	return error_hint(err, "'ssh -G %s' shows the same", o->host);
}

/* 1: *d has what ssh says, 0: there is no ssh client to ask, -1. */
static int ask_client(struct ssh_dump *d, const struct ssh_options *o, struct error *err)
{
	auto_buf struct buf out = BUF_INIT(MAX_CLIENT_OUTPUT), said = BUF_INIT(MAX_CLIENT_ERRORS);
	auto_free char *port = xasprintf("%u", o->port);
	const char *argv[MAX_ARGUMENTS + 1];
	struct error why = {0};
	struct child child;

	if (client_arguments(argv, o, port, err) < 0)
		return -1;
	if (child_run(&child, argv, CLIENT_MS, &out, &said, &why) < 0) {
		if (why.sys == ENOENT)
			return 0;
		if (err)
			*err = why;
		return error_prefix(err, "cannot read the ssh_config for '%s'", o->host);
	}
	if (child.status != 0)
		return client_refused(o, &child, &said, err);
	if (dump_parse(d, buf_str(&out), out.len, err) < 0)
		return -1;
	return d->value[DUMP_HOSTNAME] != NULL; /* some other program of that name */
}

/* Without a client: what --ssh-option says, as far as it is known here. */
static int read_options(struct ssh_dump *d, const struct ssh_options *o, struct error *err)
{
	bool known;

	log_at(o->config_file ? LOG_WARN : LOG_NOTICE,
	       "there is no ssh client in PATH: no ssh_config is read");
	for (size_t i = 0; o->extra && o->extra[i]; i++) {
		if (dump_option(d, o->extra[i], &known, err) < 0)
			return -1;
		if (!known)
			log_at(LOG_WARN, "warning: '%s' needs an ssh client: left out",
			       o->extra[i]);
	}
	return 0;
}

static int check_options(const struct ssh_options *o, struct error *err)
{
	struct ssh_config scratch = {0};
	int rc = 0;

	if (ssh_check_name(o->host, "host", err) < 0 ||
	    (o->user && ssh_check_name(o->user, "user", err) < 0) ||
	    (o->host_key_alias && ssh_check_name(o->host_key_alias, "host key alias", err) < 0))
		return -1;
	if (o->jumps)
		rc = ssh_config_parse_jumps(o->jumps, &scratch.jumps, &scratch.n_jumps, err);
	ssh_config_release(&scratch);
	return rc;
}

int ssh_config_load(struct ssh_config *ret, const struct ssh_options *o, struct error *err)
{
	auto_cleanup(dump_release) struct ssh_dump d = {0};
	struct ssh_config c = {0};
	int rc;

	if (check_options(o, err) < 0)
		return -1;
	rc = ask_client(&d, o, err);
	if (rc < 0)
		return -1;
	c.from_ssh = rc > 0;
	if (!c.from_ssh && read_options(&d, o, err) < 0)
		return -1;
	if (config_fill(&c, o, &d, err) < 0) {
		ssh_config_release(&c);
		return -1;
	}
	*ret = c;
	return 0;
}
