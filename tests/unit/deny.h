/* Make a system call fail in this process and its children, as on an older kernel, by seccomp. Only
 * in a forked child: it cannot be undone. */
#ifndef TESTS_UNIT_DENY_H
#define TESTS_UNIT_DENY_H

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>

/* SECCOMP_RET_... */
static inline void answer_syscall(unsigned int nr, unsigned int answer)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, answer),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {.len = 4, .filter = code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) < 0)
		abort();
}

static inline void deny_syscall(unsigned int nr, unsigned int errnum)
{
	answer_syscall(nr, SECCOMP_RET_ERRNO | errnum);
}

#endif
