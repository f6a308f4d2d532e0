#include "jdiag/options.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "jdiag/command.h"

#define AT(member) offsetof(struct options, member)

/* name, letter, argument, values, group, kind, member, once, help */
const struct option_spec option_table[] = {
	{"to", 0, "DEST", NULL, OPTION_OWN, OPTION_STRING, AT(to), true,
	 "where it goes: gs://bucket/prefix/, a file, a directory or - (default ./; resume: as "
	 "begun)"},
	{"live", 0, NULL, NULL, OPTION_OWN, OPTION_UNFLAG, AT(all_objects), true,
	 "only objects that are reachable; runs a full GC first (the default)"},
	{"all-objects", 0, NULL, NULL, OPTION_OWN, OPTION_FLAG, AT(all_objects), true,
	 "garbage too; no GC before the dump"},
	{"strategy", 0, "NAME", NULL, OPTION_OWN, OPTION_STRING, AT(strategy), true,
	 "fifo, segments, growing-file or container-file (default: the first that works)"},
	{"format", 0, "FORMAT", "hprof hprof.gz hprof.zst", OPTION_OWN, OPTION_WORD, AT(format),
	 true,
	 "of the artifact: hprof, hprof.gz or hprof.zst (default: by the name, else hprof.gz)"},
	{"redact", 0, "WHAT", "none strings primitives", OPTION_OWN, OPTION_WORD, AT(redact), false,
	 "make zero: none (default), strings (each char[] and byte[]), primitives (fields too)"},
	{"max-pause", 0, "DURATION", NULL, OPTION_OWN, OPTION_DURATION, AT(max_pause_ms), false,
	 "refuse when the JVM would stand still for longer; nothing overrides it"},
	{"parallel", 0, "N", NULL, OPTION_OWN, OPTION_COUNT, AT(parallel), true,
	 "threads of the JVM that write, since Java 22 (default: its CPUs, at most 4)"},
	{"buffer", 0, "SIZE|PERCENT", NULL, OPTION_OWN, OPTION_STRING, AT(buffer), false,
	 "memory of the node for the dump, as 2GiB or 40% (default: 25% at most; 1 GiB stays "
	 "free)"},
	{"no-spool", 0, NULL, NULL, OPTION_OWN, OPTION_FLAG, AT(no_spool), true,
	 "nothing on the node's disk; the network then makes the pause longer"},
	{"detach", 0, NULL, NULL, OPTION_OWN, OPTION_FLAG, AT(detach), true,
	 "leave the dump on the node when it is safe there, for 'jdiag resume'"},
	{"upload-from", 0, "WHERE", "bastion node", OPTION_OWN, OPTION_ENUM, AT(upload_from), false,
	 "who sends to a bucket: bastion (here, the default) or node (its curl, for this upload)"},
	{"token-command", 0, "COMMAND", NULL, OPTION_OWN, OPTION_STRING, AT(token_command), false,
	 "a command that prints an access token for Google's APIs"},
	{"container", 'c', "NAME", NULL, OPTION_OWN, OPTION_STRING, AT(container), true,
	 "the container, by name; behind ssh:// also by id or its beginning"},
	{"jvm", 0, "PID|CLASS", NULL, OPTION_OWN, OPTION_STRING, AT(jvm), true,
	 "the JVM in the container, by pid or main class as 'ps' prints them"},
	{"pid", 0, "PID", NULL, OPTION_OWN, OPTION_PID, AT(host_pid), true,
	 "the JVM behind ssh://, by its pid on that host"},
	{"limit", 0, "N", NULL, OPTION_OWN, OPTION_LIMIT, AT(limit), false,
	 "how many classes, the largest first; 0: all (default 20)"},
	{"jar", 0, "FILE", NULL, OPTION_OWN, OPTION_STRING, AT(jar), true,
	 "the agent's jar (exporter: the newest in the usual places, see the manual)"},
	{"native", 0, "FILE", NULL, OPTION_OWN, OPTION_STRING, AT(native), true,
	 "a native agent: a shared library for the node's machine"},
	{"module", 0, "NAME", NULL, OPTION_OWN, OPTION_STRING, AT(module), true,
	 "an agent that the JVM brings along, as jdk.management.agent"},
	{"options", 0, "TEXT", NULL, OPTION_OWN, OPTION_STRING, AT(agent_options), true,
	 "what the agent is told when it starts"},
	{"config", 0, "FILE|configmap/NAME[:KEY]", NULL, OPTION_OWN, OPTION_STRING, AT(config),
	 true, "the exporter's configuration (default: every MBean, names in lower case)"},
	{"port", 0, "N|N-M", NULL, OPTION_OWN, OPTION_STRING, AT(ports), true,
	 "where the exporter listens in the pod; of a range the first that is free (default 9404)"},
	{"no-annotate", 0, NULL, NULL, OPTION_OWN, OPTION_FLAG, AT(no_annotate), true,
	 "leave the pod's annotations as they are"},
	{"no-scrape", 0, NULL, NULL, OPTION_OWN, OPTION_FLAG, AT(no_scrape), true,
	 "what the cluster knows is enough: no node is connected to, nothing is scraped"},
	{"listen", 0, "ADDR:PORT", NULL, OPTION_OWN, OPTION_STRING, AT(listen), true,
	 "serve the targets over HTTP there"},
	{"out", 0, "FILE", NULL, OPTION_OWN, OPTION_STRING, AT(out), true,
	 "write the targets there, when they have changed"},
	{"refresh", 0, "DURATION", NULL, OPTION_OWN, OPTION_DURATION, AT(refresh_ms), true,
	 "how often the cluster is asked again (default 30s with --listen, else once)"},
	{"dry-run", 0, NULL, NULL, OPTION_OWN, OPTION_FLAG, AT(dry_run), true,
	 "do everything up to the first action on the target and print what would be done"},
	{"force", 0, NULL, NULL, OPTION_OWN, OPTION_FLAG, AT(force), true,
	 "go on where jdiag refuses because it could hurt (tidy: remove finished captures, too)"},
	{"yes", 'y', NULL, NULL, OPTION_OWN, OPTION_FLAG, AT(yes), true,
	 "do not ask before an action that pauses the JVM"},

	{"filter", 0, "EXPR", NULL, OPTION_OWN, OPTION_STRING, AT(filter), true,
	 "only those that fit, as 'status:Ready AND labels.pool:java'"},
	{"gce", 0, NULL, NULL, OPTION_OWN, OPTION_FLAG, AT(gce), true,
	 "instances of the Compute Engine, instead of nodes of the cluster"},
	{"project", 0, "ID", NULL, OPTION_OWN, OPTION_STRING, AT(project), false,
	 "project of the instances; implies --gce (default: $GOOGLE_CLOUD_PROJECT)"},
	{"zone", 0, "NAME", NULL, OPTION_OWN, OPTION_STRING, AT(zone), false,
	 "zone of the instances (default: all)"},

	{"selector", 'l', "SELECTOR", NULL, OPTION_SELECT, OPTION_STRING, AT(selector), true,
	 "the pods with these labels, instead of a TARGET"},
	{"field-selector", 0, "SELECTOR", NULL, OPTION_SELECT, OPTION_STRING, AT(field_selector),
	 true, "the pods with these fields, instead of a TARGET"},
	{"all-namespaces", 'A', NULL, NULL, OPTION_SELECT, OPTION_FLAG, AT(all_namespaces), true,
	 "select pods in all namespaces"},
	{"all", 0, NULL, NULL, OPTION_SELECT, OPTION_FLAG, AT(all), true,
	 "work on each pod of a selector, a deployment and the like; exporter: on each JVM"},
	{"any", 0, NULL, NULL, OPTION_SELECT, OPTION_FLAG, AT(any), true,
	 "work on one of its pods: one that is ready, for the longest time"},
	{"connections", 0, "N", NULL, OPTION_SELECT, OPTION_WINDOW, AT(connections), false,
	 "nodes that are connected to at the same time (default 32)"},
	{"jobs", 0, "N", NULL, OPTION_SELECT, OPTION_WINDOW, AT(jobs), false,
	 "of these, nodes that are worked on at the same time (default 8)"},

	{"namespace", 'n', "NAME", NULL, OPTION_CLUSTER, OPTION_STRING, AT(namespace_), false,
	 "namespace of the pod (default: the context's)"},
	{"context", 0, "NAME", NULL, OPTION_CLUSTER, OPTION_STRING, AT(context), false,
	 "context of the kubeconfig (default: its current one)"},
	{"cluster", 0, "NAME", NULL, OPTION_CLUSTER, OPTION_STRING, AT(cluster), false,
	 "cluster of the kubeconfig, instead of the context's"},
	{"user", 0, "NAME", NULL, OPTION_CLUSTER, OPTION_STRING, AT(user), false,
	 "user of the kubeconfig, instead of the context's"},
	{"kubeconfig", 0, "FILE", NULL, OPTION_CLUSTER, OPTION_STRING, AT(kubeconfig), false,
	 "this file only (default: $KUBECONFIG, else ~/.kube/config)"},
	{"as", 0, "USER", NULL, OPTION_CLUSTER, OPTION_STRING, AT(as), false,
	 "user to impersonate at the cluster API"},
	{"request-timeout", 0, "DURATION", NULL, OPTION_CLUSTER, OPTION_DURATION,
	 AT(request_timeout_ms), false, "of one request to the cluster API (default 30s)"},

	{"ssh-user", 0, "USER", NULL, OPTION_SSH, OPTION_STRING, AT(ssh_user), false,
	 "user on the node (default: your own name)"},
	{"identity", 'i', "FILE", NULL, OPTION_SSH, OPTION_LIST, AT(identities), false,
	 "private key; can be repeated (default: the agent's and ~/.ssh/id_*)"},
	{"ssh-port", 'p', "PORT", NULL, OPTION_SSH, OPTION_PORT, AT(ssh_port), false,
	 "port of sshd on the node (default 22)"},
	{"jump", 'J', "HOSTS", NULL, OPTION_SSH, OPTION_STRING, AT(jumps), false,
	 "go through [USER@]HOST[:PORT],... in this order, as ssh -J; none: directly"},
	{"host-key", 0, "MODE", "strict accept-new ignore", OPTION_SSH, OPTION_WORD, AT(host_key),
	 false, "what to do about host keys: strict (default), accept-new, ignore"},
	{"known-hosts", 0, "FILE", NULL, OPTION_SSH, OPTION_STRING, AT(known_hosts), false,
	 "known host keys (default: ~/.ssh/known_hosts)"},
	{"ssh", 0, "WAY", "auto libssh2 openssh", OPTION_SSH, OPTION_ENUM, AT(ssh), false,
	 "who speaks SSH: libssh2, openssh (the ssh of this machine), auto (default: who can)"},
	{"ssh-config", 0, "FILE", NULL, OPTION_SSH, OPTION_STRING, AT(ssh_config), false,
	 "this ssh_config only, as ssh -F (default: ~/.ssh/config and the system's)"},
	{"ssh-option", 0, "KEY=VALUE", NULL, OPTION_SSH, OPTION_LIST, AT(ssh_extra), false,
	 "a line of an ssh_config, as ssh -o; can be repeated"},
	{"node-address", 0, "KIND", NULL, OPTION_SSH, OPTION_ADDRESS, AT(node_address), false,
	 "of the node: internal, external, hostname, gce-internal, gce-external, or a template"},
	{"sudo", 0, "MODE", "auto always never", OPTION_SSH, OPTION_ENUM, AT(sudo), false,
	 "become root with sudo -n: auto (default: unless already root), always, never"},

	{"output", 'o', "FORMAT", "text wide name json file_sd http_sd", OPTION_GENERAL,
	 OPTION_ENUM, AT(output), false,
	 "of the result: text (default), wide, name, json; of 'targets' also file_sd, http_sd"},
	{"progress", 0, "MODE", "auto plain json none", OPTION_GENERAL, OPTION_ENUM, AT(progress),
	 false, "on stderr: auto (default), plain, json, none"},
	{"quiet", 'q', NULL, NULL, OPTION_GENERAL, OPTION_FLAG, AT(quiet), false,
	 "only errors on stderr"},
	{"verbose", 'v', NULL, NULL, OPTION_GENERAL, OPTION_LEVEL, AT(verbose), false,
	 "say more; -v=2 steps and timings, -v=4 requests and frames"},
	{"timeout", 0, "DURATION", NULL, OPTION_GENERAL, OPTION_DURATION, AT(timeout_ms), false,
	 "give up after so long and clean up (default: never)"},
	{"no-input", 0, NULL, NULL, OPTION_GENERAL, OPTION_FLAG, AT(no_input), false,
	 "never ask for anything, also not on a terminal"},
	{"help", 'h', NULL, NULL, OPTION_GENERAL, OPTION_FLAG, AT(help), true, "show help"},
	{"version", 0, NULL, NULL, OPTION_GENERAL, OPTION_FLAG, AT(version), true,
	 "show the version"},
	{.name = NULL},
};

_Static_assert(ARRAY_SIZE(option_table) <= MAX_OPTIONS, "struct options.given is too short");

const struct option_spec *option_find(const char *name)
{
	for (const struct option_spec *s = option_table; s->name; s++)
		if (strcmp(s->name, name) == 0)
			return s;
	return NULL;
}

bool option_given(const struct options *o, const struct option_spec *s)
{
	return o->given[s - option_table];
}

const char *option_next_word(const char **at, size_t *len)
{
	const char *word = *at + strspn(*at, " ");

	*len = strcspn(word, " ");
	*at = word + *len;
	return *len ? word : NULL;
}

static bool names(const char *list, const char *name)
{
	const char *word;
	size_t len;

	while (list && (word = option_next_word(&list, &len)))
		if (len == strlen(name) && strncmp(word, name, len) == 0)
			return true;
	return false;
}

/* How pods are worked on where they run. */
static bool is_about_nodes(const struct option_spec *s)
{
	return s->group == OPTION_SSH || names("any connections jobs", s->name);
}

bool option_taken(const struct option_spec *s, const struct command *c)
{
	if (!c)
		return s->group != OPTION_OWN;
	if (c->flags & CMD_API_ONLY && is_about_nodes(s))
		return false;
	switch (s->group) {
	case OPTION_OWN:
		return names(c->options, s->name);
	case OPTION_SELECT:
		return c->flags & CMD_MANY_TARGETS;
	case OPTION_CLUSTER:
	case OPTION_SSH:
		return c->flags & (CMD_ONE_TARGET | CMD_MANY_TARGETS | CMD_CLUSTER);
	case OPTION_GENERAL:
		return true;
	}
	return false;
}

char *option_env_name(const struct option_spec *s, char dst[64])
{
	dst[0] = '\0';
	if (s->once)
		return dst;
	snprintf(dst, 64, "JDIAG_%s", s->name);
	for (char *p = dst; *p; p++)
		*p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
	return dst;
}
