/* Attributes that make ownership and obligations visible to the compiler. */
#ifndef REMOTE_BASE_COMPILER_H
#define REMOTE_BASE_COMPILER_H

/* The caller has to look at what comes back. */
#define must_check __attribute__((warn_unused_result))

/* Run func(&variable) when the variable leaves its scope; see the *_cleanup functions beside each
 * type. A cleanup function accepts the type's empty value (NULL, -1, zeroed). */
#define auto_cleanup(func) __attribute__((cleanup(func)))

#define printf_like(fmt, first) __attribute__((format(printf, fmt, first)))

/* Hand a pointer on: its value, and the variable no longer owns it. */
#define STEAL(p)                             \
	__extension__({                      \
		__typeof__(p) stolen_ = (p); \
		(p) = NULL;                  \
		stolen_;                     \
	})

/* Hand a descriptor on: its value, and the variable becomes -1. */
#define STEAL_FD(fd)                \
	__extension__({             \
		int stolen_ = (fd); \
		(fd) = -1;          \
		stolen_;            \
	})

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
