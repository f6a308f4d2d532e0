/*
 * What of the program in a JVM the exporter would trip over at its start: by the system properties
 * (`properties`), the JVM's options (`jcmd VM.command_line`) and the modules of its runtime image.
 * Each: 0, or ERR_REFUSED with the reason. Values of properties and options may be secrets: none is
 * in a message.
 */
#ifndef JDIAG_EXPORTER_PROGRAM_H
#define JDIAG_EXPORTER_PROGRAM_H

#include <stdbool.h>

#include "jdiag/exporter/config.h"
#include "remote/base/error.h"

/* A security manager: one is set, or was allowed to be. */
int program_check_manager(const char *properties, struct error *err) must_check;

/* The settings of the library in 1.0: it takes them, and does not start with one that it does not
 * know, or a file that it cannot read. */
int program_check_settings(const char *properties, enum exporter_generation g,
			   struct error *err) must_check;

/* An HTTP server, an MBean server of its own, by a system property with a class that may not be
 * found. The latter does no harm where the JVM has its MBean server already. */
int program_check_http(const char *properties, struct error *err) must_check;
int program_check_mbeans(const char *properties, struct error *err) must_check;

/* A jar by its name: is it one with classes that this exporter has under the same names? */
bool program_shares_jar(const char *name, enum exporter_generation g) must_check;

/* Such a jar on the class path, of which nothing has to be loaded yet. */
int program_check_class_path(const char *properties, enum exporter_generation g,
			     struct error *err) must_check;

/* jdk.httpserver, java.management, java.logging and java.desktop, before 0.17 java.sql and
 * jdk.unsupported, too: in the image (modules: its list, with blanks between; "" unknown), and
 * among those that this program has. Not for Java 8, which has none. */
int program_check_modules(const char *modules, const char *properties, const char *command_line,
			  enum exporter_generation g, struct error *err) must_check;

#endif
