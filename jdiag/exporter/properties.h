/*
 * The system properties of a JVM, as its `properties` command writes them (java.util.Properties
 * .store). They may be secrets: only names that are asked for are told, and values never.
 */
#ifndef JDIAG_EXPORTER_PROPERTIES_H
#define JDIAG_EXPORTER_PROPERTIES_H

#include <stdbool.h>

#include "remote/base/compiler.h"

/* The value; NULL: there is none of that name. The caller frees it. What is not plain ASCII in it
 * stays as it was escaped. */
char *java_property(const char *text, const char *name) must_check;

/* The first whose name begins so, into name; false: none. */
bool java_property_begins(const char *text, const char *prefix, char name[256]) must_check;

#endif
