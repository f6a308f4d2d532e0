#include "jdiag/agent/load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/agent/module.h"
#include "jdiag/ask.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"

#define FLAG "EnableDynamicAgentLoading"
#define FIRST_WITH_WARNING 21 /* JEP 451 */
#define FIRST_LONG_REQUESTS 24
#define MAX_SHORT_ARGUMENT 1024
#define MAX_LONG_ARGUMENT (128 * KiB)
#define WORDS 200 /* of the JVM's own text in a message */

/* HotSpotVirtualMachine.java, JPLISAgent.h */
#define AGENT_BAD_JAR 100
#define AGENT_NOT_ON_CLASS_PATH 101
#define AGENT_START_FAILED 102

/* ---- may it? ---- */

static int not_allowed(struct error *err)
{
	error_set(err, ERR_ATTACH, "the JVM lets no agents in: it was started with -XX:-" FLAG);
	err->sys = ENOEXEC;
	return error_hint(err, "start it without that option; or give it the agent at its start, "
			       "by -javaagent or -agentpath");
}

/* "     bool EnableDynamicAgentLoading    = true    {product} {command line}": only there, and
 * not in the environment or by default, it keeps the warning away. */
static bool is_on_command_line(const char *flags)
{
	const char *line = strstr(flags, " " FLAG " "), *end;

	if (!line)
		return false;
	end = line + strcspn(line, "\n");
	return memmem(line, (size_t)(end - line), "{command line}", strlen("{command line}"));
}

static int will_warn(struct helper *h, const struct jvmref *j, bool *ret, struct error *err)
{
	auto_cleanup(ask_reply_release) struct ask_reply r = {0};
	const char *args[] = {"VM.flags -all"};
	unsigned int release = jvmref_release(j);

	if (release && release < FIRST_WITH_WARNING) {
		*ret = false;
		return 0;
	}
	if (jvm_ask(h, j, "jcmd", args, ARRAY_SIZE(args), 0, &r, err) < 0)
		return -1;
	*ret = !is_on_command_line(buf_str(&r.text));
	return 0;
}

int agent_check_allowed(struct helper *h, const struct jvmref *j, bool *ret_warns,
			struct error *err)
{
	int allowed = jvm_flag(h, j, FLAG, err);

	if (allowed == -2)
		return -1;
	if (allowed == 0)
		return not_allowed(err);
	if (allowed == 1)
		return will_warn(h, j, ret_warns, err);
	*ret_warns = false; /* 8 does not know the flag */
	return 0;
}

/* ---- what came of it ---- */

/* "return code: 0" (9 and later) or the number alone (8), on a line of its own. */
static bool find_return_code(const char *text, int *ret)
{
	static const char label[] = "return code: ";

	while (*text) {
		const char *p = str_starts(text, label) ? text + strlen(label) : text;
		char *end;
		long n = strtol(p, &end, 10);

		if (end > p && (*p == '-' || (*p >= '0' && *p <= '9')) && strchr("\r\n", *end) &&
		    n >= INT32_MIN && n <= INT32_MAX) {
			*ret = (int)n;
			return true;
		}
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return false;
}

/* Not a byte of the file has been run. */
static int not_taken(struct error *err)
{
	err->sys = ENOEXEC;
	return -1;
}

/* Some of it has. */
static int start_failed(struct error *err)
{
	err->sys = ECANCELED;
	return -1;
}

bool agent_is_out(const struct error *err)
{
	switch (err->code) {
	case ERR_USAGE:
	case ERR_REFUSED:
		return true;
	case ERR_ATTACH:
		return err->sys == ENOEXEC || err->sys == ENOTCONN;
	case ERR_FAILED:
	case ERR_TARGET:
	case ERR_NODE:
	case ERR_CAPTURE:
		return err->sys == ENOTCONN; /* the helper's; of the way there it says nothing */
	default:
		return false;
	}
}

static int jar_failed(const struct agent_request *r, int n, struct error *err)
{
	switch (n) {
	case AGENT_BAD_JAR:
		error_set(err, ERR_ATTACH,
			  "the JVM finds no agent in '%s': the file is not there, cannot be read, "
			  "is no jar or names no Agent-Class",
			  r->path);
		return not_taken(err);
	case AGENT_NOT_ON_CLASS_PATH:
		error_set(err, ERR_ATTACH,
			  "the JVM cannot put '%s' on its class path: the program has a system "
			  "class loader of its own that does not take it",
			  r->path);
		(void)error_hint(err, "give the JVM the agent at its start, by -javaagent; or see "
				      "-Djava.system.class.loader");
		return not_taken(err);
	case AGENT_START_FAILED:
		error_set(err, ERR_ATTACH,
			  "the agent's own start failed: its class cannot be loaded, has no "
			  "agentmain, or agentmain threw an exception");
		(void)error_hint(err, "what it threw is in the log of the JVM (kubectl logs); its "
				      "classes stay in the JVM until that ends");
		return start_failed(err);
	default:
		error_set(err, ERR_ATTACH, "the JVM could not start the agent: code %d", n);
		return start_failed(err);
	}
}

static int failed_by_code(const struct agent_request *r, int n, struct error *err)
{
	if (n == 0)
		return 0;
	if (r->kind == AGENT_JAR)
		return jar_failed(r, n, err);
	error_set(err, ERR_ATTACH, "the agent's own start failed: its Agent_OnAttach returned %d",
		  n);
	(void)error_hint(err, "what it says is in the log of the JVM (kubectl logs)");
	return start_failed(err);
}

/* 8 says nothing but -1; 9 to 20 -1 and why; from 21 on 0 and why. */
static int failed_by_text(const struct agent_request *r, unsigned int release, int code,
			  const char *text, struct error *err)
{
	const char *what = r->kind == AGENT_JAR ? "the JVM could not load its instrument library"
						: "the JVM could not load the library";

	if (strstr(text, "Dynamic agent loading is not enabled"))
		return not_allowed(err);
	if (strstr(text, "java.instrument not found")) {
		error_set(err, ERR_ATTACH,
			  "the JVM has no module java.instrument, without which "
			  "it loads no Java agent");
		(void)error_hint(err, "its runtime image was made without it: add the module to "
				      "the list of jlink");
		return not_taken(err);
	}
	if (*text) {
		error_set(err, ERR_ATTACH, "%s: %.*s", what, WORDS, text);
	} else if (code != 0) {
		error_set(err, ERR_ATTACH, "%s%s", what,
			  release == 8 ? ": Java 8 does not say why" : "");
	} else {
		error_set(err, ERR_ATTACH, "the JVM does not say whether it has loaded the agent");
		return -1;
	}
	if (r->kind == AGENT_LIBRARY)
		(void)error_hint(err, "does it exist there, is it made for the image's C library "
				      "(glibc, musl), and has it Agent_OnAttach?");
	return not_taken(err);
}

int agent_reply(const struct agent_request *r, unsigned int release, int code, const char *text,
		struct error *err)
{
	int n;

	if (r->kind == AGENT_MODULE)
		return module_reply(r, code, text, err);
	if (find_return_code(text, &n))
		return failed_by_code(r, n, err);
	return failed_by_text(r, release, code, text, err);
}

/* ---- load ---- */

static bool has_options(const struct agent_request *r)
{
	return r->options && *r->options;
}

int agent_check_request(const struct agent_request *r, unsigned int release, struct error *err)
{
	size_t len = has_options(r) ? strlen(r->options) : 0;

	if (r->kind == AGENT_MODULE)
		return module_check(r, err);
	if (r->kind == AGENT_JAR && strchr(r->path, '='))
		return error_set(err, ERR_USAGE,
				 "the JVM would take what follows '=' in '%s' for options",
				 r->path);
	if (r->kind == AGENT_JAR)
		len += strlen(r->path) + (len > 0);
	if (len <= MAX_SHORT_ARGUMENT ||
	    ((!release || release >= FIRST_LONG_REQUESTS) && len <= MAX_LONG_ARGUMENT))
		return 0;
	error_set(err, ERR_USAGE, "the agent's options are too long: %s takes %lu bytes, %s %zu",
		  release >= FIRST_LONG_REQUESTS ? "a JVM" : "a JVM before Java 24",
		  release >= FIRST_LONG_REQUESTS ? MAX_LONG_ARGUMENT : MAX_SHORT_ARGUMENT + 0ul,
		  r->kind == AGENT_JAR ? "and with the jar's path these are" : "and these are",
		  len);
	return error_hint(err, "put them into a file of the agent's own, if it can read one");
}

/* The words of the helper end in how it was: "...: exit status 1". */
static int has_ended(struct error *err)
{
	const char *how = strrchr(err->msg, ':');
	auto_free char *text = xstrdup(how ? how : "");

	error_set(err, ERR_ATTACH, "the JVM has ended while it loaded the agent%s", text);
	err->sys = ESRCH;
	return error_hint(err, "the agent, or something that it did, may have ended it; its last "
			       "words are in its log (kubectl logs --previous); where it is "
			       "started again, it is without the agent");
}

static int no_answer(struct error *err)
{
	error_set(err, ERR_ATTACH,
		  "the JVM did not answer within %d s: it may still be loading the agent",
		  AGENT_LOAD_MS / 1000);
	err->sys = ETIMEDOUT;
	return error_hint(err, "as long as the agent's start has not come back, the JVM answers "
			       "nobody who attaches; see its log (kubectl logs)");
}

static int ask(struct helper *h, const struct jvmref *j, const struct ask_request *q,
	       struct ask_reply *ret, struct error *err)
{
	struct error e = {0};

	if (jvm_ask_if(h, j, q, ret, &e) == 0)
		return 0;
	*err = e;
	if (e.code != ERR_ATTACH)
		return -1;
	if (e.sys == E2BIG) /* of a JVM whose version only the node knows; nothing was asked */
		return not_taken(err);
	return e.sys == ESRCH ? has_ended(err) : e.sys == ETIMEDOUT ? no_answer(err) : -1;
}

static int load(struct helper *h, const struct jvmref *j, const struct agent_request *r,
		struct ask_reply *ret, struct error *err)
{
	bool jar = r->kind == AGENT_JAR;
	auto_free char *both =
		jar && has_options(r) ? xasprintf("%s=%s", r->path, r->options) : NULL;
	const char *args[] = {
		jar ? "instrument" : r->path,
		jar ? "false" : "true", /* is it a path? else a library of the JVM's own */
		both		 ? both
		: jar		 ? r->path
		: has_options(r) ? r->options
				 : "",
	};
	const struct ask_request q = {
		.command = "load",
		.args = args,
		.n_args = ARRAY_SIZE(args),
		.timeout_ms = AGENT_LOAD_MS,
		.unless_port = r->unless_port,
		.unless_jar = r->unless_jar,
		.needs = r->needs,
	};
	int rc = ask(h, j, &q, ret, err);

	if (both)
		explicit_bzero(both, strlen(both));
	return rc;
}

static int start_module(struct helper *h, const struct jvmref *j, const struct agent_request *r,
			struct ask_reply *ret, struct error *err)
{
	auto_free char *command = module_command(r);
	const char *args[] = {command};
	const struct ask_request q = {
		.command = "jcmd",
		.args = args,
		.n_args = ARRAY_SIZE(args),
		.timeout_ms = AGENT_LOAD_MS,
	};

	return ask(h, j, &q, ret, err);
}

int agent_load(struct helper *h, const struct jvmref *j, const struct agent_request *r,
	       struct error *err)
{
	auto_cleanup(ask_reply_release) struct ask_reply reply = {0};
	unsigned int release = jvmref_release(j);
	int rc;

	if (agent_check_request(r, release, err) < 0)
		return -1;
	rc = r->kind == AGENT_MODULE ? start_module(h, j, r, &reply, err)
				     : load(h, j, r, &reply, err);
	return rc < 0 ? -1 : agent_reply(r, release, reply.code, buf_str(&reply.text), err);
}
