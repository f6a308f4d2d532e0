/*
 * Is there an exporter in a JVM already, and whose? First by what can be seen from outside (the
 * jars that it holds open, its -javaagent options), then by its classes, which takes an attach.
 * All of it is the container's word.
 */
#ifndef JDIAG_EXPORTER_FIND_H
#define JDIAG_EXPORTER_FIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jdiag/jvmref.h"
#include "remote/base/error.h"

struct helper;
struct json_t;

#define EXPORTER_CONFIG_NAME 40 /* room for the name of a configuration */
#define EXPORTER_CONFIG_BEGIN "jmx-"
#define EXPORTER_JAR "jmx_prometheus_javaagent" /* how its jars are called, and ours */

enum exporter_owner {
	EXPORTER_NONE,
	EXPORTER_OURS,	   /* a jar that jdiag has placed is open */
	EXPORTER_AT_START, /* -javaagent */
	EXPORTER_SOMEBODY, /* loaded later, by somebody else, or built into the program */
};

struct exporter_found {
	enum exporter_owner owner;
	char what[1024];  /* the jar's path as the JVM sees it, or the class; "" */
	char version[64]; /* of ours, by the name of the jar; "" */
	/* of the program, each "" when there is none */
	char library[256];   /* a class of io.prometheus.metrics, under that name */
	char collector[256]; /* a class of io.prometheus.jmx, the same */
	char manager[256];   /* a class by which a security manager is known */
	bool mbeans;	     /* there is an MBean server already */
};

/* "jmx_prometheus_javaagent-1.0.1-0123456789ab.jar": how jdiag calls a jar of that version and
 * digest in a container. False: the version cannot be in a file's name. */
bool exporter_jar_name(char dst[101], const char *version, const char *sha256) must_check;

/* The version in such a name (of a path its last part); false when it is none of these. */
bool exporter_jar_version(const char *path, char version[64]) must_check;

/* "jmx-9404-4711.yaml", by the port and the JVM's pid on the node. JVMs of a container share the
 * directory (and those of a pod may share /dev/shm, each with pid 1 of its own): a file that has
 * the JVM in its name is no other run's to remove, unless that has this JVM to itself. */
void exporter_config_name(char dst[EXPORTER_CONFIG_NAME], uint16_t port, uint64_t pid);

/* Where the configuration of such a jar lies: beside it. jar: absolute. */
char *exporter_config_path(const char *jar, uint16_t port, uint64_t pid) must_check;

/* How such a path ends, whatever the port: without EXPORTER_CONFIG_BEGIN and what follows. */
char *exporter_config_like(const char *jar, uint64_t pid) must_check;

/* The port in such a name; 0: it is none. */
uint16_t exporter_config_port(const char *name) must_check;

/* By the survey alone. */
void exporter_find_seen(const struct json_t *survey, struct exporter_found *ret);

/* By the classes of the JVM: `GC.class_histogram -all` of Java 8, for which it stands still while
 * it walks through its heap (walk.h); `VM.class_hierarchy` since. Asks the JVM. ERR_ATTACH: also
 * when what it answers is no list of classes; ERR_REFUSED when that is larger than MAX_ASK_REPLY,
 * as of some 150,000 classes. */
int exporter_find_classes(struct helper *h, const struct jvmref *j, struct exporter_found *ret,
			  struct error *err) must_check;

/* Is that text a list of classes at all? Each JVM has java.lang.String. */
bool exporter_is_class_list(const char *text, size_t len) must_check;

/* The class in the text of one of both that only an exporter as an agent has; false: none. */
bool exporter_class_in(const char *text, size_t len, char name[256]) must_check;

/* The same of the library that 1.0 brings with it under the library's own name: where the program
 * has it, too, the exporter finds the program's, of another version or with the same metrics
 * registered, and ends the JVM. */
bool exporter_library_in(const char *text, size_t len, char name[256]) must_check;

/* The same of the collector, whose classes are under names of their own up to 0.16. */
bool exporter_collector_in(const char *text, size_t len, char name[256]) must_check;

/* A class of the program that says that it has, or had, a security manager: of the hierarchy a
 * subclass of java.lang.SecurityManager, of a histogram one that is called so; the policy that one
 * asks. Subclasses that libraries only have to see who calls them do not count. */
bool exporter_manager_in(const char *text, size_t len, char name[256]) must_check;

#endif
