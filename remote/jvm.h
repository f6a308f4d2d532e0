/* JVMs: what can be known of one from the outside, without signalling it. */
#ifndef REMOTE_JVM_H
#define REMOTE_JVM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "remote/base/error.h"
#include "remote/cgroup.h"
#include "remote/jvm_args.h"
#include "remote/procfs.h"
#include "remote/wire/json.h"

enum jvm_kind { JVM_NONE, JVM_HOTSPOT, JVM_OPENJ9 };

struct jvm {
	enum jvm_kind kind;
	pid_t pid, ns_pid;
	uint64_t start_time, started; /* ticks; seconds since the epoch */
	char container[CONTAINER_ID_SIZE];
	uid_t uid; /* effective, host view */
	gid_t gid;
	char version[64]; /* "17.0.15"; "" unknown */
	char vm_name[64]; /* "OpenJDK 64-Bit Server VM"; "" unknown */
	/* of its runtime image, with blanks between; "" unknown */
	char modules[JVM_MODULES_SIZE];
	char main[256];	    /* main class or jar, without arguments; "" unknown */
	char libjvm[512];   /* as mapped */
	char flags[1024];   /* -X and -XX: of its command line, by hsperfdata; "" unknown */
	char collector[32]; /* "G1", "Parallel", "Serial", "ZGC", "Shenandoah"; "" unknown */
	/* By hsperfdata; 0 unknown. heap_used is as of the last collection for most collectors, so
	 * it may be far less than what is in use now; heap_capacity is what is committed. */
	uint64_t heap_used, heap_capacity, heap_max;
	uint64_t rss;
	bool listening;	      /* its attach socket exists */
	bool reduced_signals; /* SIGQUIT is not caught (-Xrs, or it is only starting) */
	bool attachable;
	char reason[256]; /* why not */
};

/* Look at one process, within about 6 s. ERR_TARGET when it is no JVM or is gone. What only the
 * container knows and does not tell stays empty. Texts are as the container gives them: to be
 * escaped. Everything is of one process: the start time is compared at the end. */
int jvm_inspect(const struct procfs *p, pid_t pid, struct jvm *ret, struct error *err) must_check;

/* Quick question for a scan: is libjvm or libj9vm mapped executable? */
enum jvm_kind jvm_kind_of(const struct procfs *p, pid_t pid);

/* The JVM object of PROTOCOL.md section 4; name NULL in an array. */
void jvm_write(struct jsonw *w, const char *name, const struct jvm *j);

/* Its members alone, into an object that is open. */
void jvm_write_members(struct jsonw *w, const struct jvm *j);

#endif
