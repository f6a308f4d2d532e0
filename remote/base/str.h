/* Strings: strict parsing of numbers, and the one escaper for bytes that come from outside. */
#ifndef REMOTE_BASE_STR_H
#define REMOTE_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "remote/base/compiler.h"

/*
 * Copy len bytes of src into dst (at most size bytes with the terminator, cut at a whole escape)
 * so that the result is safe on a terminal and in a log: printable ASCII and well-formed UTF-8 pass
 * (but not C1 controls and not the bidirectional overrides U+202A-202E, U+2066-2069), everything
 * else becomes \xHH; the characters in keep (control characters only, for example "\n"; NULL: none)
 * pass. A backslash is not doubled: the result is for people, not for parsing back. Returns the
 * length of the result.
 */
size_t str_escape(char *dst, size_t size, const char *src, size_t len, const char *keep);

/* The same into new memory; free with free(). */
char *str_escape_dup(const char *src, size_t len, const char *keep) must_check;

/* Length of the well-formed UTF-8 sequence of 2 to 4 bytes at s, or 0. */
size_t str_utf8_sequence(const char *s, size_t len);

/* A decimal number and nothing else: no sign, no blank, no overflow, at most max. False when not.
 */
bool str_to_u64(const char *s, uint64_t max, uint64_t *ret) must_check;

/* "90", "30s", "5m", "2h", "1h30m": milliseconds. A bare number means seconds. False when not. */
bool str_to_duration_ms(const char *s, uint64_t *ret_ms) must_check;

/* "4096", "64KiB", "512M", "2GiB" (K, M, G, T, with or without iB; all binary). False when not. */
bool str_to_size(const char *s, uint64_t *ret_bytes) must_check;

/* Whether s is non-empty and each byte is in the given set of characters. */
bool str_only(const char *s, const char *set);

/* Copy src into dst; false (dst untouched) when it does not fit with its terminator. */
bool str_copy(char *dst, size_t size, const char *src) must_check;

bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);

/* "1.2 GiB", "512 B": for people. dst needs 16 bytes; returns dst. */
char *str_format_size(char dst[16], uint64_t bytes);

/* "45s", "90m", "30h", "12d": how old something is, for a column. dst needs 24 bytes; returns dst.
 */
char *str_format_age(char dst[24], uint64_t seconds);

/* "1.4s", "2m05s", "350ms": for people. dst needs 16 bytes; returns dst. */
char *str_format_ms(char dst[16], uint64_t ms);

/* text as one word of a shell: as it is where nothing in it means anything there, else in single
 * quotes. For lines that a person pastes. Free with free(). */
char *str_shell_word(const char *text) must_check;

/* len bytes as lower-case hexadecimal; dst needs 2*len+1 bytes. Returns dst. */
char *str_hex(char *dst, const unsigned char *src, size_t len);

#endif
