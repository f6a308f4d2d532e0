/* The section httpServer (HTTPServerFactory.java of 0.20 and 1.0). */
#include <stdlib.h>
#include <string.h>

#include "jdiag/exporter/config_check.h"
#include "remote/base/str.h"

/* Integer.parseInt(value.toString()): with quotes, too. */
static bool count(const struct doc_node *v, unsigned int *ret)
{
	if (!v || v->kind != DOC_SCALAR || (v->type != DOC_INT && v->type != DOC_STRING) ||
	    v->len > 9 || !str_only(v->text, "0123456789"))
		return false;
	*ret = (unsigned int)strtoul(v->text, NULL, 10);
	return true;
}

static int check_count(const struct check *c, const struct doc_node *v, const char *key)
{
	unsigned int n;

	if (!count(v, &n))
		return check_fail(c, v, "'%s' is no whole number", key);
	if (n == 0 && strcmp(key, "minimum") != 0)
		return check_fail(c, v, "'%s' is 0", key);
	return 0;
}

/* All three, or none. */
static int threads(const struct check *c, const struct doc_node *v, const char *key)
{
	static const struct key keys[] = {
		{"keepAliveTime", EVERY, check_count},
		{"maximum", EVERY, check_count},
		{"minimum", EVERY, check_count},
	};
	unsigned int low, high;

	(void)key;
	if (check_map(c, v, "httpServer.threads", keys, ARRAY_SIZE(keys)) != 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (!doc_get(v, keys[i].name))
			return check_fail(c, v, "httpServer.threads has no '%s'", keys[i].name);
	return count(doc_get(v, "minimum"), &low) && count(doc_get(v, "maximum"), &high) &&
			       low <= high
		       ? 0
		       : check_fail(c, v, "httpServer.threads: 'minimum' is more than 'maximum'");
}

static int authentication(const struct check *c, const struct doc_node *v, const char *key)
{
	(void)key;
	check_fail(c, v,
		   "httpServer.authentication: nobody could read the page without its "
		   "password, and jdiag proves what it did by reading it");
	return error_hint(c->err, "remove it, and let a network policy say who may read the port");
}

static int ssl(const struct check *c, const struct doc_node *v, const char *key)
{
	(void)key;
	return check_fail(c, v,
			  "httpServer.ssl: whether its key store can be read and has the "
			  "certificate is not known before, and if not the exporter ends "
			  "the JVM");
}

int check_http_server(const struct check *c, const struct doc_node *v, const char *key)
{
	static const struct key keys[] = {
		{"authentication", EVERY, authentication},
		{"ssl", EVERY, ssl},
		{"threads", EVERY, threads},
	};

	(void)key;
	return check_map(c, v, "httpServer", keys, ARRAY_SIZE(keys));
}
