#include "jdiag/exporter/program.h"

#include <stdio.h>
#include <string.h>

#include "jdiag/exporter/properties.h"
#include "remote/base/buf.h"
#include "remote/base/str.h"

/* ---- a security manager ---- */

int program_check_manager(const char *properties, struct error *err)
{
	auto_free char *value = java_property(properties, "java.security.manager");

	if (!value || strcmp(value, "disallow") == 0)
		return 0;
	if (strcmp(value, "allow") == 0)
		error_set(err, ERR_REFUSED,
			  "the program may have set a security manager (-Djava.security.manager="
			  "allow): where that does not let the exporter listen, the exporter ends "
			  "the JVM");
	else
		error_set(err, ERR_REFUSED,
			  "the JVM has a security manager: where that does not let the exporter "
			  "listen, the exporter ends the JVM");
	return error_hint(err, "grant it its permissions, and start the JVM with the agent");
}

/* ---- the library's settings ---- */

int program_check_settings(const char *properties, enum exporter_generation g, struct error *err)
{
	auto_free char *file = java_property(properties, "prometheus.config");
	char name[256] = "prometheus.config";

	if (g < EXPORTER_1_0 || (!file && !java_property_begins(properties, "io.prometheus", name)))
		return 0;
	error_set(err, ERR_REFUSED,
		  "the JVM has the system property '%s', which exporter 1.0 takes for itself: it "
		  "ends the JVM where it does not know it or cannot read its file",
		  name);
	return error_hint(err, "take an exporter that does not look there: --jar FILE with 0.20.0");
}

/* ---- classes of its own where the exporter takes the JDK's ---- */

static const struct provider {
	const char *property, *jdk, *what;
} providers[] = {
	{"com.sun.net.httpserver.HttpServerProvider",
	 "sun.net.httpserver.DefaultHttpServerProvider", "HTTP server"},
	{"javax.management.builder.initial", "javax.management.MBeanServerBuilder", "MBean server"},
};

static int check_provider(const struct provider *p, const char *properties, struct error *err)
{
	auto_free char *class = java_property(properties, p->property);

	if (!class || !*class || strcmp(class, p->jdk) == 0)
		return 0;
	error_set(err, ERR_REFUSED,
		  "the JVM has the system property '%s', by which the program brings its own %s: "
		  "where the exporter cannot make one with it, it ends the JVM",
		  p->property, p->what);
	return error_hint(err,
			  "start it without that property, or let the program serve its metrics "
			  "itself");
}

int program_check_http(const char *properties, struct error *err)
{
	return check_provider(&providers[0], properties, err);
}

int program_check_mbeans(const char *properties, struct error *err)
{
	return check_provider(&providers[1], properties, err);
}

/* ---- the class path ---- */

bool program_shares_jar(const char *name, enum exporter_generation g)
{
	static const char *const of_exporter[] = {"jmx_prometheus_", "collector-0.",
						  "collector-1."};

	if (!str_ends(name, ".jar"))
		return false;
	if (g >= EXPORTER_1_0 && str_starts(name, "prometheus-metrics-"))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(of_exporter); i++)
		if (g >= EXPORTER_0_20 && str_starts(name, of_exporter[i]))
			return true;
	return false;
}

/* What it is called, of the entry of a class path from s to end. */
static const char *file_name(const char *s, const char *end)
{
	for (const char *p = s; p < end; p++)
		if (*p == '/')
			s = p + 1;
	return s;
}

int program_check_class_path(const char *properties, enum exporter_generation g, struct error *err)
{
	auto_free char *path = java_property(properties, "java.class.path");
	const char *end;

	for (const char *s = path ? path : ""; *s; s = end + (*end == ':')) {
		auto_free char *name = NULL;

		end = s + strcspn(s, ":");
		s = file_name(s, end);
		name = xstrndup(s, (size_t)(end - s));
		if (!program_shares_jar(name, g))
			continue;
		error_set(err, ERR_REFUSED,
			  "the program has a library of the exporter on its class path ('%.100s'): "
			  "of the same classes the JVM takes the program's, and the exporter may "
			  "end on them",
			  name);
		return error_hint(
			err,
			"take an exporter that shares nothing with it: --jar FILE with %s; "
			"or let the program serve its metrics itself",
			program_shares_jar(name, EXPORTER_0_20) ? "0.16.1" : "0.20.0");
	}
	return 0;
}

/* ---- modules ---- */

/* Its YAML parser does not start without java.beans; before 0.17 it does not without java.sql, and
 * the library of metrics not without sun.misc.Unsafe. */
static const char *const needed[] = {"jdk.httpserver", "java.management", "java.logging",
				     "java.desktop",   "java.sql",	  "jdk.unsupported"};

static size_t count_needed(enum exporter_generation g)
{
	return g >= EXPORTER_0_20 ? 4 : ARRAY_SIZE(needed);
}

/* A word of a list. */
static bool has_word(const char *list, size_t len, const char *separators, const char *word)
{
	const char *end = list + len;

	while (list < end) {
		size_t n = strcspn(list, separators);

		n = n < (size_t)(end - list) ? n : (size_t)(end - list);
		if (n == strlen(word) && memcmp(list, word, n) == 0)
			return true;
		list += n + 1;
	}
	return false;
}

static bool is_in(const char *list, size_t len, const char *module)
{
	static const char separators[] = ", \n\r";

	return has_word(list, len, separators, module) ||
	       has_word(list, len, separators, "ALL-SYSTEM") ||
	       has_word(list, len, separators, "ALL-DEFAULT") ||
	       (str_starts(module, "java.") && has_word(list, len, separators, "java.se"));
}

/* In the value of any option of that name ("--add-modules="), as the JVM has it. */
static bool option_has(const char *command_line, const char *option, const char *module)
{
	for (const char *s = command_line; (s = strstr(s, option)) != NULL;) {
		size_t len;

		s += strlen(option);
		len = strcspn(s, " \n\r");
		if (is_in(s, len, module))
			return true;
		s += len;
	}
	return false;
}

static int not_there(const char *module, const char *why, struct error *err)
{
	return error_set(err, ERR_REFUSED,
			 "%s '%s', without which the exporter does not start, and may end it", why,
			 module);
}

static int check_resolved(const char *module, bool has_main, const char *command_line,
			  struct error *err)
{
	static const char added[] = "--add-modules=", limited[] = "--limit-modules=";

	if (option_has(command_line, added, module))
		return 0;
	if (has_main)
		return not_there(module,
				 "the program is started as a module (-m): the JVM may have no "
				 "module",
				 err);
	if (strstr(command_line, limited) && !option_has(command_line, limited, module))
		return not_there(module, "the JVM was started with --limit-modules, without module",
				 err);
	return 0;
}

static int hint_all(const char *how, enum exporter_generation g, struct error *err)
{
	auto_buf struct buf list = BUF_INIT(256);

	for (size_t i = 0; i < count_needed(g); i++)
		buf_addf(&list, "%s%s", i ? "," : "", needed[i]);
	return error_hint(err, "%s %s", how, buf_str(&list));
}

int program_check_modules(const char *modules, const char *properties, const char *command_line,
			  enum exporter_generation g, struct error *err)
{
	auto_free char *main = java_property(properties, "jdk.module.main");

	if (!*modules) {
		error_set(err, ERR_REFUSED,
			  "it is not known which modules the JVM has: its file 'release' cannot be "
			  "read or does not say, and without '%s' and others the exporter ends it",
			  needed[0]);
		return error_hint(err, "give it the agent at its start: -javaagent:JAR=PORT:FILE");
	}
	for (size_t i = 0; i < count_needed(g); i++) {
		if (!has_word(modules, strlen(modules), " ", needed[i])) {
			not_there(needed[i], "the JVM's runtime image has no module", err);
			return hint_all("have all of these in the list of jlink:", g, err);
		}
		if (check_resolved(needed[i], main && *main, command_line, err) < 0)
			return hint_all("start it with --add-modules", g, err);
	}
	return 0;
}
