#include "remote/jvm_args.h"

#include <stdio.h>
#include <string.h>

#include "remote/base/compiler.h"
#include "remote/base/str.h"

/* Options of the launcher whose value is the next argument (java(1), JDK 8 to 26). */
static const char *const with_value[] = {
	"-cp",
	"-classpath",
	"--class-path",
	"-p",
	"--module-path",
	"--upgrade-module-path",
	"--add-modules",
	"--add-reads",
	"--add-exports",
	"--add-opens",
	"--limit-modules",
	"--patch-module",
	"--enable-native-access",
	"--illegal-native-access",
	"--enable-final-field-mutation",
	"--illegal-final-field-mutation",
	"--describe-module",
	"-d",
	"--source",
};

static bool takes_value(const char *arg)
{
	for (size_t i = 0; i < ARRAY_SIZE(with_value); i++)
		if (strcmp(arg, with_value[i]) == 0)
			return true;
	return false;
}

struct argv {
	const char *next, *end;
};

/* The next argument; NULL at the end, also for one that was cut (no NUL). */
static const char *take(struct argv *a)
{
	const char *arg = a->next;
	const char *nul = arg < a->end ? memchr(arg, '\0', (size_t)(a->end - arg)) : NULL;

	if (!nul)
		return NULL;
	a->next = nul + 1;
	return arg;
}

static void set_main(struct jvm_args *r, const char *arg)
{
	if (arg)
		snprintf(r->main, sizeof(r->main), "%s", arg);
}

static bool names_main(const char *arg)
{
	return strcmp(arg, "-jar") == 0 || strcmp(arg, "-m") == 0 || strcmp(arg, "--module") == 0 ||
	       str_starts(arg, "--module=");
}

/* One option of the JVM. True when it was the last one: the main class or jar is known. */
static bool option(struct argv *a, const char *arg, struct jvm_args *r)
{
	if (names_main(arg)) {
		const char *value = strchr(arg, '=');

		set_main(r, value ? value + 1 : take(a));
		return true;
	}
	if (strcmp(arg, "-Xrs") == 0)
		r->reduced_signals = true;
	else if (str_starts(arg, "-XX:") && jvm_args_attach_flag(arg) != ATTACH_UNSAID)
		r->attach = jvm_args_attach_flag(arg);
	else if (takes_value(arg))
		(void)take(a);
	return false;
}

/* Other launchers (jsvc, jpackage's) have options of their own. */
static bool is_java(const char *argv0)
{
	const char *slash = strrchr(argv0, '/');

	return strcmp(slash ? slash + 1 : argv0, "java") == 0;
}

void jvm_args_cmdline(const char *data, size_t len, struct jvm_args *ret)
{
	struct argv a = {data, data + len};
	const char *arg = take(&a);

	*ret = (struct jvm_args){.attach = ATTACH_UNSAID};
	if (!arg || !is_java(arg))
		return;
	while ((arg = take(&a)) != NULL) {
		if (*arg == '@')
			continue;
		if (*arg != '-') {
			set_main(ret, arg);
			return;
		}
		if (option(&a, arg, ret))
			return;
	}
}

void jvm_args_each(const char *data, size_t len, void (*fn)(void *ctx, const char *arg), void *ctx)
{
	struct argv a = {data, data + len};
	const char *arg = take(&a);
	bool java = arg && is_java(arg);

	while (arg && (arg = take(&a)) != NULL) {
		if (java && *arg == '@')
			continue;
		if (java && (*arg != '-' || names_main(arg)))
			return;
		fn(ctx, arg);
		if (java && takes_value(arg))
			(void)take(&a);
	}
}

void jvm_args_each_word(const char *options, void (*fn)(void *ctx, const char *arg), void *ctx)
{
	char word[4096];

	while (*(options += strspn(options, " \t\n\v\f\r"))) {
		size_t used = 0;
		char quote = '\0';

		for (; *options && (quote || !strchr(" \t\n\v\f\r", *options)); options++) {
			if (*options == quote)
				quote = '\0';
			else if (!quote && (*options == '"' || *options == '\''))
				quote = *options;
			else if (used < sizeof(word) - 1)
				word[used++] = *options;
		}
		word[used] = '\0';
		fn(ctx, word);
	}
}

enum attach_flag jvm_args_attach_flag(const char *options)
{
	static const char flag[] = "DisableAttachMechanism";
	enum attach_flag last = ATTACH_UNSAID;

	for (const char *s = options; (s = strstr(s, flag)) != NULL; s += strlen(flag)) {
		if (s - options < 5 || memcmp(s - 5, "-XX:", 4) != 0)
			continue;
		if (s[-1] == '+')
			last = ATTACH_DISABLED;
		else if (s[-1] == '-')
			last = ATTACH_ENABLED;
	}
	return last;
}

const char *jvm_args_env(const char *data, size_t len, const char *name)
{
	size_t n = strlen(name);

	for (const char *s = data; s < data + len; s += strlen(s) + 1)
		if (strncmp(s, name, n) == 0 && s[n] == '=')
			return s + n + 1;
	return NULL;
}

/* How much of a flag may be told. */
static size_t shown_length(const char *flag, size_t len)
{
	static const char run[] = "-Xrun", on[] = "-XX:On";
	const char *stop = NULL;

	if (strncmp(flag, run, strlen(run)) == 0)
		stop = memchr(flag, ':', len);
	else if (strncmp(flag, on, strlen(on)) == 0)
		stop = memchr(flag, '=', len);
	return stop ? (size_t)(stop - flag) : len;
}

void jvm_args_flags(const char *args, char *dst, size_t size)
{
	size_t used = 0;

	dst[0] = '\0';
	while (*(args += strspn(args, " "))) {
		size_t len = strcspn(args, " "), shown = shown_length(args, len);

		if (strncmp(args, "-X", 2) == 0 && used + shown + 2 <= size)
			used += (size_t)snprintf(dst + used, size - used, "%s%.*s", used ? " " : "",
						 (int)shown, args);
		args += len;
	}
}
