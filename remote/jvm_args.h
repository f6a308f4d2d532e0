/* What the command line and the environment of a JVM tell. Both belong to the container. */
#ifndef REMOTE_JVM_ARGS_H
#define REMOTE_JVM_ARGS_H

#include <stdbool.h>
#include <stddef.h>

#define JVM_MAIN_SIZE 256
#define JVM_MODULES_SIZE 8192

/* -XX:[+-]DisableAttachMechanism */
enum attach_flag { ATTACH_UNSAID, ATTACH_ENABLED, ATTACH_DISABLED };

struct jvm_args {
	char main[JVM_MAIN_SIZE]; /* class, module/class or jar; "" unknown */
	enum attach_flag attach;
	bool reduced_signals; /* -Xrs */
};

/* cmdline as the kernel gives it: each argument with its NUL. Argument files (@file) are not read,
 * so what they hold is not known. */
void jvm_args_cmdline(const char *data, size_t len, struct jvm_args *ret);

/* Call fn with each argument that is for the JVM: those before the main class or jar, without the
 * values of separate arguments; of a launcher that is not java, all but its name. */
void jvm_args_each(const char *data, size_t len, void (*fn)(void *ctx, const char *arg), void *ctx);

/* The same for the words of a text of options (JAVA_TOOL_OPTIONS), quotes taken off as the JVM does
 * it (arguments.cpp, parse_options_buffer). Words of 4 KiB and more are cut there. */
void jvm_args_each_word(const char *options, void (*fn)(void *ctx, const char *arg), void *ctx);

/* Of a text of JVM arguments (java.rt.vmArgs) those that begin with -X, joined by blanks: never a
 * system property, which may be a secret. What -Xrun and -XX:On... shall run is left out as well.
 */
void jvm_args_flags(const char *args, char *dst, size_t size);

/* The same flag in a text of options (JAVA_TOOL_OPTIONS): the last one counts. */
enum attach_flag jvm_args_attach_flag(const char *options);

/* The value of a variable in environ (NUL-terminated inside it), or NULL. data[len] is NUL. */
const char *jvm_args_env(const char *data, size_t len, const char *name);

#endif
