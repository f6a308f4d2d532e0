/* CRC-32C (Castagnoli), as Google's storage wants it; by the processor's own instruction where
 * there is one. */
#ifndef REMOTE_BASE_CRC32C_H
#define REMOTE_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Continued from crc (0 at the start). */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);

/* The same by a table: what crc32c falls back to, and what tests compare it with. */
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t len);

#endif
