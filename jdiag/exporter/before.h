/*
 * What is looked at before an exporter is loaded. The exporter ends the JVM when it does not like
 * what it meets (System.exit in its catch-all): so each of its exits has a check here, and all
 * reasons are told together. Nothing is done to the JVM but asking.
 */
#ifndef JDIAG_EXPORTER_BEFORE_H
#define JDIAG_EXPORTER_BEFORE_H

#include <stdbool.h>
#include <stdint.h>

#include "jdiag/exporter/work.h"

struct exporter_before {
	uint16_t port;		     /* that it will get */
	bool warns;		     /* the JVM will print the four lines of JEP 451 */
	struct json_t *against;	     /* owned: an array of {"code","reason","hint"} */
	struct exporter_found found; /* by its classes: somebody was there first */
};

/* 0: may be loaded, or somebody was there first (ret->found). -1: it may not, ret->against and err
 * say why; with ret->against NULL it could not be found out. ERR_USAGE or ERR_ATTACH where each
 * reason has that code, else ERR_REFUSED. ret starts zeroed. */
int exporter_before(struct exporter_work *w, struct exporter_jvm *j, struct exporter_before *ret,
		    struct error *err) must_check;

/* Somebody else has got b->port meanwhile: the next one of --port that is free; all else that was
 * found counts as it did, the JVM is not asked again. ERR_REFUSED: there is none. */
int exporter_before_next_port(struct exporter_work *w, const struct exporter_jvm *j,
			      struct exporter_before *b, struct error *err) must_check;
void exporter_before_release(struct exporter_before *b);

/* The agent's options, "PORT:FILE": as the exporter's own expression takes them. ERR_REFUSED. */
int exporter_check_options(const char *options, struct error *err) must_check;

#endif
