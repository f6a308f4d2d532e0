#include "jdiag/agent/known.h"

#include <string.h>

#include "jdiag/ask.h"
#include "remote/base/str.h"

#define BRANCH "|--"

bool agent_class_in(const char *text, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = text; len && (at = strstr(at, BRANCH));) {
		at += strlen(BRANCH);
		if (strncmp(at, name, len) == 0 && at[len] == '/')
			return true;
	}
	return false;
}

bool agent_class_can_be_asked(const struct jvmref *j)
{
	return jvmref_release(j) >= 9;
}

int agent_class_known(struct helper *h, const struct jvmref *j, const char *name, bool *ret_known,
		      struct error *err)
{
	auto_cleanup(ask_reply_release) struct ask_reply r = {0};
	auto_free char *command = xasprintf("VM.class_hierarchy %s", name);
	const char *const args[] = {command};

	*ret_known = false;
	/* blanks and quotes would be more than one argument of it */
	if (!agent_class_can_be_asked(j) || strpbrk(name, " \t\r\n\"'=,\\"))
		return 0;
	if (jvm_ask(h, j, "jcmd", args, ARRAY_SIZE(args), 0, &r, err) < 0)
		return -1;
	*ret_known = agent_class_in(buf_str(&r.text), name);
	return 0;
}
