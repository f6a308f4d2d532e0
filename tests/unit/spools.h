/* Spools of a test, in bases of its own: needs root. */
#ifndef TESTS_UNIT_SPOOLS_H
#define TESTS_UNIT_SPOOLS_H

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/nodedir.h"
#include "remote/spool/spool.h"

#define ID "0123456789abcdef"
#define BASE "/var/lib"

/* As setup of a group: other helpers on this machine look into the bases as well. */
static inline int spools_own_bases(void **state)
{
	static const char *const bases[] = {"/var/lib", "/var/tmp", "/run"};

	(void)state;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(bases); i++)
		if (mount("none", bases[i], "tmpfs", 0, NULL) < 0)
			return -1;
	return 0;
}

/* One whose lock is held by this process. */
static inline struct nodedir spools_make(const char *id)
{
	struct nodedir_base base = {.path = BASE};
	struct nodedir n = NODEDIR_INIT;
	char name[JDIAG_NAME_SIZE];
	struct error e;

	spool_name(id, name);
	if (nodedir_create(&n, &base, name, 0, 0, &e) < 0)
		fail_msg("%s", e.msg);
	return n;
}

static inline void spools_remove(struct nodedir *n)
{
	struct error e;

	if (nodedir_remove(n, &e) < 0)
		fail_msg("%s", e.msg);
}

static inline struct spool_state spools_state(enum spool_phase phase)
{
	struct spool_state s = {.version = SPOOL_VERSION, .phase = phase, .id = ID};

	snprintf(s.program, sizeof(s.program), "jdiag-helper test");
	s.expires = time(NULL) + 1000;
	if (phase == SPOOL_COMPLETE)
		memset(s.sha256, 'a', SHA256_HEX_SIZE - 1);
	if (phase == SPOOL_FAILED)
		error_set(&s.error, ERR_CAPTURE, "the JVM has ended");
	return s;
}

static inline void spools_save(const struct nodedir *n, const struct spool_state *s)
{
	struct error e;

	if (spool_save(n->dir, s, &e) < 0)
		fail_msg("%s", e.msg);
}

static inline void spools_save_phase(const struct nodedir *n, enum spool_phase phase)
{
	struct spool_state s = spools_state(phase);

	spools_save(n, &s);
}

static inline void spools_write(const struct nodedir *n, const char *name, const void *data,
				size_t len)
{
	int fd = openat(n->dir, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

#endif
