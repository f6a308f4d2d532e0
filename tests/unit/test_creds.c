/* remote */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "remote/creds.h"
#include "tests/unit/deny.h"

#define UID 101000
#define GID 102000

/* Run in a child, which cannot come back: 0 or the number of what failed. */
static void in_child(int (*body)(void))
{
	pid_t pid = fork();
	int how;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(body());
	assert_int_equal(waitpid(pid, &how, 0), pid);
	assert_true(WIFEXITED(how));
	assert_int_equal(WEXITSTATUS(how), 0);
}

static int drop_to_user(void)
{
	gid_t groups[] = {1, 2, 3};
	struct error err = {0};

	if (setgroups(3, groups) < 0 || creds_drop(UID, GID, &err) < 0)
		return 1;
	if (creds_verify(UID, GID, &err) < 0)
		return 2;
	if (setuid(0) == 0 || setresuid(-1, 0, -1) == 0 || setgid(0) == 0)
		return 3;
	if (open("/etc/shadow", O_RDONLY | O_CLOEXEC) >= 0 || errno != EACCES)
		return 4;
	return 0;
}

static void test_drop_to_a_user(void **state)
{
	(void)state;
	in_child(drop_to_user);
}

/* The JVM runs as root: same uid, and still no capability. */
static int drop_as_root(void)
{
	struct error err = {0};

	if (creds_drop(0, 0, &err) < 0)
		return 1;
	if (chroot("/") == 0 || errno != EPERM)
		return 2;
	if (setgroups(0, NULL) == 0)
		return 3;
	return 0;
}

static void test_drop_as_root(void **state)
{
	(void)state;
	in_child(drop_as_root);
}

static int drop_inherited(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[2];
	struct error err = {0};

	if (syscall(SYS_capget, &head, caps) < 0)
		return 1;
	caps[0].inheritable = caps[0].permitted;
	caps[1].inheritable = caps[1].permitted;
	if (syscall(SYS_capset, &head, caps) < 0 ||
	    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0) < 0 ||
	    prctl(PR_SET_KEEPCAPS, 1) < 0)
		return 2;
	return creds_drop(UID, GID, &err) < 0 ? 3 : 0;
}

static void test_inheritable_ambient_and_kept_capabilities(void **state)
{
	(void)state;
	in_child(drop_inherited);
}

/* Each thing that was not done is noticed. */
static int verify_notices(void)
{
	struct error err = {0};

	if (creds_verify(UID, GID, &err) == 0 || !strstr(err.msg, "user or group"))
		return 1;
	if (setgroups(1, &(gid_t){7}) < 0)
		return 2;
	if (creds_verify(0, 0, &err) == 0 || !strstr(err.msg, "supplementary groups"))
		return 3;
	if (setgroups(0, NULL) < 0 || creds_verify(0, 0, &err) == 0 ||
	    !strstr(err.msg, "capabilities"))
		return 4;
	if (setresgid(GID, GID, GID) < 0 || setresuid(UID, UID, 0) < 0)
		return 5;
	if (creds_verify(UID, GID, &err) == 0 || !strstr(err.msg, "user or group"))
		return 6; /* the saved uid is still root's */
	return 0;
}

static void test_verify_notices(void **state)
{
	(void)state;
	in_child(verify_notices);
}

/* A kernel (or a seccomp filter) that says yes and does nothing. */
static int setresuid_that_lies(void)
{
	struct error err = {0};

	deny_syscall(SYS_setresuid, 0);
	return creds_drop(UID, GID, &err) == 0 || err.code != ERR_NODE;
}

static int setgroups_that_lies(void)
{
	struct error err = {0};

	if (setgroups(1, &(gid_t){7}) < 0)
		return 2;
	deny_syscall(SYS_setgroups, 0);
	return creds_drop(UID, GID, &err) == 0 || !strstr(err.msg, "supplementary groups");
}

static int capset_that_lies(void)
{
	struct error err = {0};

	deny_syscall(SYS_capset, 0);
	return creds_drop(0, 0, &err) == 0 || !strstr(err.msg, "capabilities");
}

static void test_system_calls_that_lie(void **state)
{
	(void)state;
	in_child(setresuid_that_lies);
	in_child(setgroups_that_lies);
	in_child(capset_that_lies);
}

static int no_id(void)
{
	struct error err = {0};

	return creds_drop((uid_t)-1, GID, &err) == 0 || creds_drop(UID, (gid_t)-1, &err) == 0;
}

static void test_no_id(void **state)
{
	(void)state;
	in_child(no_id);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_drop_to_a_user),
		cmocka_unit_test(test_drop_as_root),
		cmocka_unit_test(test_inheritable_ambient_and_kept_capabilities),
		cmocka_unit_test(test_verify_notices),
		cmocka_unit_test(test_system_calls_that_lie),
		cmocka_unit_test(test_no_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
