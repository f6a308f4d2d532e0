/*
 * A configuration of the Prometheus JMX exporter, read as the exporter will: what it would answer
 * with System.exit, an exception in agentmain or a failing scrape is refused here. Where this is
 * not sure that the exporter takes something, it refuses, too, and says which key and line.
 * Sources: JmxCollector.java, ObjectNameAttributeFilter.java, HTTPServerFactory.java of the
 * versions below; SnakeYAML 1.x and 2.x (YAML 1.1 with Java's types); java.util.regex.Pattern; the
 * ObjectName class.
 */
#ifndef JDIAG_EXPORTER_CONFIG_H
#define JDIAG_EXPORTER_CONFIG_H

#include <stddef.h>

#include "remote/base/error.h"

#define MAX_EXPORTER_CONFIG (1 * MiB)

/* Which keys an exporter knows. */
enum exporter_generation {
	EXPORTER_0_3,  /* 0.3.1: whitelistObjectNames, no cache, no httpServer */
	EXPORTER_0_12, /* 0.4 to 0.16 */
	EXPORTER_0_20, /* 0.17 to 0.20: includeObjectNames, httpServer */
	EXPORTER_1_0,  /* 1.0 and later */
};

/* By Implementation-Version; ERR_USAGE for one that is older than 0.3 or no version. Newer than
 * what is known counts as the newest, with a warning. */
int exporter_generation(const char *version, enum exporter_generation *ret,
			struct error *err) must_check;

/* name: "jmx.yaml", "configmap/jmx key config.yaml". ERR_USAGE: "NAME, line 7: why". */
int exporter_config_check(const char *text, size_t len, const char *name,
			  enum exporter_generation g, struct error *err) must_check;

/* What is used without --config: all MBeans by the default format, names in lower case. */
extern const char exporter_default_config[];

#endif
