/*
 * Every option of jdiag, described once: the parser, --help, the manual pages and the completions
 * come from option_table. A command names the options that are its own (command.h); the rest come
 * by group.
 */
#ifndef JDIAG_OPTIONS_H
#define JDIAG_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jdiag/helper/helper.h"
#include "jdiag/ssh/ssh.h"
#include "remote/base/error.h"

/* The last two are of commands with CMD_DISCOVERY only. */
enum output_format {
	OUTPUT_TEXT,
	OUTPUT_WIDE,
	OUTPUT_NAME,
	OUTPUT_JSON,
	OUTPUT_FILE_SD,
	OUTPUT_HTTP_SD,
};
enum upload_from { UPLOAD_FROM_BASTION, UPLOAD_FROM_NODE };
enum progress_mode { PROGRESS_AUTO, PROGRESS_PLAIN, PROGRESS_JSON, PROGRESS_NONE };

#define MAX_IDENTITIES 16
#define MAX_OPTIONS 96

/* What the command line, JDIAG_* and the defaults say. Strings are borrowed from argv or environ.
 */
struct options {
	/* cluster */
	const char *namespace_, *context, *cluster, *user, *kubeconfig, *as;
	uint64_t request_timeout_ms;
	/* target */
	const char *selector, *field_selector, *container, *jvm;
	bool all_namespaces, all, any;
	uint64_t connections, jobs; /* 0: the defaults of fleet.h */
	uint64_t host_pid;	    /* --pid; 0: not given */
	/* ssh */
	const char *ssh_user;
	const char *identities[MAX_IDENTITIES + 1]; /* NULL-terminated */
	uint16_t ssh_port;
	const char *host_key; /* --host-key: a word; NULL: not given */
	const char *known_hosts;
	enum ssh_way ssh;
	const char *ssh_config, *jumps;
	const char *ssh_extra[MAX_IDENTITIES + 1]; /* --ssh-option; NULL-terminated */
	const char *node_address; /* a kind or a template (kube/node.h); NULL: not given */
	enum sudo_mode sudo;
	/* how it talks */
	enum output_format output;
	enum progress_mode progress;
	int verbose; /* as log_level */
	bool quiet, dry_run, force, yes, no_input, help, version;
	uint64_t timeout_ms; /* of the whole command; 0: none */
	/* of single commands */
	const char *to;	       /* --to; NULL: "./" */
	bool all_objects;      /* --all-objects; the default is --live */
	const char *strategy;  /* NULL: the first that works */
	const char *format;    /* --format; NULL: by the name, else hprof.gz */
	const char *redact;    /* --redact; NULL: none */
	uint64_t max_pause_ms; /* --max-pause; 0: none */
	uint64_t parallel;     /* 0: by the CPUs */
	const char *buffer;    /* "2GiB", "40%"; NULL: the default share */
	bool no_spool, detach;
	enum upload_from upload_from;
	const char *token_command;
	uint64_t limit; /* --limit; 0: not given, UINT64_MAX: all */

	const char *filter, *project, *zone;
	bool gce;

	/* agents and exporters */
	const char *jar, *native, *module;
	const char *agent_options; /* --options; may be a secret */
	const char *config;	   /* --config: a file, or "configmap/NAME[:KEY]" */
	const char *ports;	   /* --port: "N" or "N-M" */
	bool no_annotate, no_scrape;
	const char *listen, *out;
	uint64_t refresh_ms; /* 0: not given */

	bool given[MAX_OPTIONS]; /* i: option_table[i] stood on the command line */
};

/* Who takes an option, and under which title help shows it. */
enum option_group {
	OPTION_OWN,	/* the commands that name it in their record */
	OPTION_SELECT,	/* commands with CMD_MANY_TARGETS */
	OPTION_CLUSTER, /* commands with a target or CMD_CLUSTER */
	OPTION_SSH,	/* commands with a target or CMD_CLUSTER */
	OPTION_GENERAL, /* all commands */
};

enum option_kind {
	OPTION_FLAG,	 /* bool: true */
	OPTION_UNFLAG,	 /* bool: false */
	OPTION_STRING,	 /* const char *, not empty */
	OPTION_LIST,	 /* const char *[MAX_IDENTITIES + 1] */
	OPTION_DURATION, /* uint64_t, milliseconds */
	OPTION_PORT,	 /* uint16_t, from 1 */
	OPTION_PID,	 /* uint64_t, from 1 */
	OPTION_COUNT,	 /* uint64_t, from 1 to 32 */
	OPTION_WINDOW,	 /* uint64_t, from 1 to MAX_CONNECTIONS */
	OPTION_LIMIT,	 /* uint64_t; 0 on the command line is UINT64_MAX here: no bound */
	OPTION_ENUM,	 /* an enum: the position of the word in values */
	OPTION_WORD,	 /* const char *, one of values */
	OPTION_ADDRESS,	 /* const char *, as node_way_parse takes it */
	OPTION_LEVEL,	 /* int: counts, or "=N" */
};

struct option_spec {
	const char *name;     /* long name, without "--" */
	char letter;	      /* 0: none */
	const char *argument; /* "NAME" as help shows it; NULL: takes none */
	const char *values; /* "auto always never": all that is valid; NULL: anything of the kind */
	enum option_group group;
	enum option_kind kind;
	size_t at;	  /* offset of the member of struct options */
	bool once;	  /* a decision for one run: no JDIAG_* variable sets it */
	const char *help; /* one sentence, no full stop */
};

/* Ended by a row whose name is NULL. */
extern const struct option_spec option_table[];

struct command;

const struct option_spec *option_find(const char *name); /* by long name; NULL */

/* Whether it stood on the command line. */
bool option_given(const struct options *o, const struct option_spec *s);

/* Whether a command takes it; c NULL: whether jdiag itself shows it (every option that is not
 * OPTION_OWN). */
bool option_taken(const struct option_spec *s, const struct command *c);

/* The variable that sets its default, "JDIAG_SSH_USER"; "" when there is none. Returns dst. */
char *option_env_name(const struct option_spec *s, char dst[64]);

/* Walk over a list of words separated by blanks: the next one and its length, NULL at the end.
 * Start with *at = list. */
const char *option_next_word(const char **at, size_t *len);

/*
 * Parse a command line (argv[0] is skipped). Options may stand anywhere before "--"; long names are
 * matched exactly. o must be zeroed; what was parsed before an error stays in it. *ret_words: the
 * other words in a new NULL-terminated array (free with free(); also set on failure).
 * ERR_USAGE with a hint that says what is valid.
 */
int options_parse(char *const *argv, struct options *o, char ***ret_words,
		  struct error *err) must_check;

/* The options of the cluster and of SSH that stood on the command line, each with a blank before
 * it: " --context prod --identity 'my key'". For lines that a person pastes. Free with free(). */
char *options_way(const struct options *o) must_check;

/* The defaults of JDIAG_* for the options that c takes and that the command line did not give. An
 * empty variable counts as not set. */
int options_from_environment(struct options *o, const struct command *c,
			     struct error *err) must_check;

#endif
