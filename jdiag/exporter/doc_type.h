/* Which of Java's types SnakeYAML makes of a scalar without quotes (Resolver.java). Private to this
 * folder. */
#ifndef JDIAG_EXPORTER_DOC_TYPE_H
#define JDIAG_EXPORTER_DOC_TYPE_H

#include "jdiag/exporter/doc.h"

enum doc_type doc_plain_type(const char *text, size_t len);

#endif
