/* Inside of before.c: its checks, and the part that asks the JVM. */
#ifndef JDIAG_EXPORTER_BEFORE_ASKED_H
#define JDIAG_EXPORTER_BEFORE_ASKED_H

#include "jdiag/ask.h"
#include "jdiag/exporter/before.h"

struct looking {
	struct exporter_work *w;
	struct exporter_jvm *j;
	struct exporter_before *b;
	struct ask_reply properties, options; /* owned: what the JVM has answered */
};

/* 0, or a reason against it. */
typedef int before_check(struct looking *l, struct error *err);

/* Put the reasons of these into l->b->against. -1: it could not be found out. */
int before_run(struct looking *l, before_check *const *checks, size_t n,
	       struct error *err) must_check;

before_check before_check_java;

/* Everything that takes an attach. As before_run. */
int before_ask(struct looking *l, struct error *err) must_check;
void before_forget(struct looking *l);

#endif
