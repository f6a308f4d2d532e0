#include "jdiag/agent/source.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "jdiag/agent/module.h"
#include "jdiag/json.h"
#include "jdiag/options.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"

#define DIGITS 12 /* of the digest in a name */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* "my agent.jar" is "my_agent-0123456789ab.jar": two files of one name do not meet, and who finds
 * the file knows what it is. */
static void make_name(struct agent_source *a, const char *suffix)
{
	const char *base = base_name(a->given);
	size_t len = strlen(base), room = AGENT_NAME_SIZE - DIGITS - strlen(suffix) - 2;

	if (str_ends(base, suffix))
		len -= strlen(suffix);
	while (len && *base == '.') {
		base++;
		len--;
	}
	if (len > room)
		len = room;
	snprintf(a->name, sizeof(a->name), "%.*s-%.*s%s", (int)len, len ? base : "", DIGITS,
		 a->sha256, suffix);
	for (char *p = a->name; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("._-", *p))
			*p = '_';
	if (!len)
		memmove(a->name, a->name + 1, strlen(a->name));
}

static int check_one(const struct options *o, struct error *err)
{
	int n = !!o->jar + !!o->native + !!o->module;

	if (n == 1)
		return 0;
	error_set(err, ERR_USAGE,
		  n ? "--jar, --native and --module exclude each other" : "no agent is named");
	return error_hint(err, "one of --jar FILE, --native FILE, --module NAME");
}

static int open_jar(struct agent_source *a, struct error *err)
{
	if (agent_jar_open(&a->jar, a->given, err) < 0)
		return -1;
	snprintf(a->sha256, sizeof(a->sha256), "%s", a->jar.sha256);
	make_name(a, ".jar");
	return 0;
}

int agent_source_open(struct agent_source *ret, const struct options *o, struct error *err)
{
	const struct agent_request module = {
		.kind = AGENT_MODULE, .path = o->module, .options = o->agent_options};

	if (check_one(o, err) < 0)
		return -1;
	ret->kind = o->jar ? AGENT_JAR : o->native ? AGENT_LIBRARY : AGENT_MODULE;
	ret->given = o->jar ? o->jar : o->native ? o->native : o->module;
	ret->options = o->agent_options ? o->agent_options : "";
	ret->library = BUF_INIT(MAX_AGENT_FILE);
	if (ret->kind == AGENT_JAR)
		return open_jar(ret, err);
	return ret->kind == AGENT_MODULE ? module_check(&module, err) : 0;
}

static int open_library(struct agent_source *a, const char *machine, struct error *err)
{
	buf_reset(&a->library);
	if (agent_library_open(&a->library, a->sha256, a->given, machine, err) < 0)
		return -1;
	make_name(a, ".so");
	return 0;
}

int agent_source_for(struct agent_source *a, const char *machine, unsigned int release,
		     struct error *err)
{
	if (a->kind == AGENT_LIBRARY)
		return open_library(a, machine, err);
	if (a->kind == AGENT_MODULE || !release || a->jar.java <= release)
		return 0;
	error_set(err, ERR_REFUSED, "the agent's classes need Java %u, and the JVM is Java %u",
		  a->jar.java, release);
	return error_hint(err, "use a jar that was made for Java %u or earlier", release);
}

const struct buf *agent_source_data(const struct agent_source *a)
{
	return a->kind == AGENT_JAR ? &a->jar.data : &a->library;
}

char *agent_source_text(const struct agent_source *a)
{
	if (a->kind != AGENT_JAR)
		return xstrdup(a->kind == AGENT_MODULE ? a->given : base_name(a->given));
	return xasprintf("%s (%s%s%s)", base_name(a->given), a->jar.agent_class,
			 a->jar.version[0] ? " " : "", a->jar.version);
}

json_t *agent_source_json(const struct agent_source *a)
{
	static const char *const kinds[] = {"jar", "native", "module"};
	json_t *object = json_pack("{s:s}", "kind", kinds[a->kind]);

	json_set_text(object, "name", base_name(a->given));
	if (a->kind != AGENT_MODULE)
		json_set_text(object, "sha256", a->sha256);
	if (a->kind == AGENT_JAR) {
		json_set_text(object, "class", a->jar.agent_class);
		json_set_text(object, "title", a->jar.title);
		json_set_text(object, "version", a->jar.version);
	}
	return object;
}

void agent_source_release(struct agent_source *a)
{
	agent_jar_release(&a->jar);
	buf_release(&a->library);
}
