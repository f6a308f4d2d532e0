#include "remote/creds.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CAP_SCAN 64 /* the kernel's sets have 64 bits; EINVAL behind its last one */

static int drop_bounding(struct error *err)
{
	for (unsigned long cap = 0; cap < CAP_SCAN; cap++) {
		int has = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);

		if (has < 0)
			break;
		if (has && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return error_sys(err, ERR_NODE, errno,
					 "cannot drop capability '%lu' from the bounding set", cap);
	}
	return 0;
}

static int drop_capabilities(struct error *err)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

	/* setresuid from 0 empties the effective and permitted sets, but not the inheritable one,
	 * and nothing at all when the target is root itself. */
	if (syscall(SYS_capset, &head, none) < 0)
		return error_sys(err, ERR_NODE, errno, "cannot drop capabilities");
	return 0;
}

int creds_drop(uid_t uid, gid_t gid, struct error *err)
{
	if (uid == (uid_t)-1 || gid == (gid_t)-1)
		return error_set(err, ERR_NODE, "cannot take the identity '%u:%u': not an id",
				 (unsigned int)uid, (unsigned int)gid);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_sys(err, ERR_NODE, errno, "cannot set no_new_privs");
	if (drop_bounding(err) < 0)
		return -1;
	/* EINVAL: a kernel without an ambient set (before 4.3) has nothing to clear. */
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
		return error_sys(err, ERR_NODE, errno, "cannot clear the ambient capabilities");
	if (setgroups(0, NULL) < 0)
		return error_sys(err, ERR_NODE, errno, "cannot drop supplementary groups");
	if (setresgid(gid, gid, gid) < 0)
		return error_sys(err, ERR_NODE, errno, "cannot become group '%u'",
				 (unsigned int)gid);
	if (setresuid(uid, uid, uid) < 0)
		return error_sys(err, ERR_NODE, errno, "cannot become user '%u'",
				 (unsigned int)uid);
	if (drop_capabilities(err) < 0)
		return -1;
	/* A change of identity gives back what fs.suid_dumpable says. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return error_sys(err, ERR_NODE, errno, "cannot become undumpable");
	return creds_verify(uid, gid, err);
}

static bool ids_are(uid_t uid, gid_t gid)
{
	uid_t r, e, s;
	gid_t rg, eg, sg;

	if (getresuid(&r, &e, &s) < 0 || getresgid(&rg, &eg, &sg) < 0)
		return false;
	/* setfsuid with an id that does not exist changes nothing and tells the present one. */
	return r == uid && e == uid && s == uid && rg == gid && eg == gid && sg == gid &&
	       (uid_t)setfsuid((uid_t)-1) == uid && (gid_t)setfsgid((gid_t)-1) == gid;
}

static bool capability_left(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct has[_LINUX_CAPABILITY_U32S_3] = {{0}};

	if (syscall(SYS_capget, &head, has) < 0)
		return true;
	for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		if (has[i].effective || has[i].permitted || has[i].inheritable)
			return true;
	for (unsigned long cap = 0; cap < CAP_SCAN; cap++)
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) > 0 ||
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) > 0)
			return true;
	return false;
}

int creds_verify(uid_t uid, gid_t gid, struct error *err)
{
	const char *wrong = NULL;

	if (!ids_are(uid, gid))
		wrong = "user or group";
	else if (getgroups(0, NULL) != 0)
		wrong = "supplementary groups";
	else if (capability_left())
		wrong = "capabilities";
	else if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		wrong = "no_new_privs";
	else if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
		wrong = "dumpable";
	if (wrong)
		return error_set(err, ERR_NODE,
				 "cannot take the identity '%u:%u': the kernel still shows other "
				 "%s",
				 (unsigned int)uid, (unsigned int)gid, wrong);
	return 0;
}
