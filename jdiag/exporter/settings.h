/* What an injection brings along: the jar and the configuration, read and checked once. */
#ifndef JDIAG_EXPORTER_SETTINGS_H
#define JDIAG_EXPORTER_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jdiag/agent/jar.h"
#include "jdiag/exporter/config.h"
#include "jdiag/exporter/port.h"

struct json_t;
struct kube;
struct options;

struct exporter_settings {
	const struct options *o; /* borrowed */
	struct agent_jar jar;
	char *jar_path;	      /* owned */
	char place_name[101]; /* of the jar in a container */
	enum exporter_generation generation;
	struct port_range ports;

	/* the configuration */
	char *map, *key; /* owned: of --config configmap/NAME[:KEY]; NULL: a file, or the default */
	char *config;	 /* owned; NULL: not read yet */
	size_t config_len;
	char config_sha256[65];
	char *config_name; /* owned: how errors call it */
	char ns[64];	   /* where the ConfigMap was read; "": not */

	/* a bit for each port of the node's own network that a JVM was told to take, of which it is
	 * not known whether it will: pods with hostNetwork are worked on one after the other, and a
	 * lost helper knows of it no more */
	unsigned char unsure[(UINT16_MAX + 1) / 8];

	struct json_t *holders; /* owned: by port of the node's own network, who of this run has it;
				   or NULL */
};

/*
 * --jar, else the newest jmx_prometheus_javaagent-*.jar in $XDG_DATA_HOME/jdiag (~/.local/share),
 * then in jdiag/ of each of $XDG_DATA_DIRS (/usr/local/share, /usr/share). --config FILE, or what
 * is used without. A ConfigMap is not read yet. ERR_USAGE. s starts zeroed; release it on failure,
 * too.
 */
int exporter_settings_open(struct exporter_settings *s, const struct options *o,
			   struct error *err) must_check;
void exporter_settings_release(struct exporter_settings *s);

/* The ConfigMap of that namespace, if there is one to be read and it is not that already. ERR_API,
 * ERR_TARGET, ERR_USAGE. */
int exporter_settings_config(struct exporter_settings *s, struct kube *k, const char *ns,
			     struct error *err) must_check;

/* A port of the node's own network is had by that one, as errors call it; and by whom, or NULL. */
void exporter_settings_hold(struct exporter_settings *s, uint16_t port, const char *who);
const char *exporter_settings_holder(const struct exporter_settings *s, uint16_t port) must_check;

/* a < b, as versions go: "0.9.1" < "0.20.0" < "1.0.0". */
bool exporter_version_less(const char *a, const char *b) must_check;

#endif
