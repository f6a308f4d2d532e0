/*
 * Every option of jdiag, described once: the parser, --help, the manual pages and the completions
 * come from the table in options.c. A command names the options it takes (command.h); the global
 * ones are taken by all.
 */
#ifndef JDIAG_OPTIONS_H
#define JDIAG_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "jdiag/helper/helper.h"
#include "jdiag/ssh/ssh.h"
#include "remote/base/error.h"

enum output_format { OUTPUT_TEXT, OUTPUT_WIDE, OUTPUT_NAME, OUTPUT_JSON };
enum progress_mode { PROGRESS_AUTO, PROGRESS_PLAIN, PROGRESS_JSON, PROGRESS_NONE };

#define MAX_IDENTITIES 16

/* What the command line, JDIAG_* and the defaults say. Strings are borrowed from argv or environ.
 */
struct options {
	/* cluster */
	const char *namespace_, *context, *cluster, *user, *kubeconfig, *as;
	uint64_t request_timeout_ms;
	/* target */
	const char *selector, *field_selector, *container, *jvm;
	bool all_namespaces;
	uint64_t host_pid; /* --pid; 0: not given */
	/* ssh */
	const char *ssh_user;
	const char *identities[MAX_IDENTITIES + 1]; /* NULL-terminated */
	uint16_t ssh_port;
	enum host_key_mode host_keys;
	const char *known_hosts;
	const char *node_address; /* internal, external, hostname */
	enum sudo_mode sudo;
	/* how it talks */
	enum output_format output;
	enum progress_mode progress;
	bool quiet, dry_run, force, yes, no_input, help;
	uint64_t timeout_ms; /* of the whole command; 0: none */
	/* of single commands */
	const char *to;	      /* --to; NULL: "./" */
	bool all_objects;     /* --all-objects; the default is --live */
	const char *strategy; /* NULL: the first that works */
	const char *token_command;
};

#endif
