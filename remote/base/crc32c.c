#include "remote/base/crc32c.h"

#include <stdbool.h>
#include <string.h>

#if defined(__aarch64__)
#include <arm_acle.h>
#include <sys/auxv.h>
#include <asm/hwcap.h>
#endif

/* The table is linear over xor: eight entries (polynomial 0x82f63b78, reflected) make all 256. */
#define BIT(i, n, value) (((i) & (1u << (n))) ? (value) : 0u)
#define ENTRY(i)                                                                    \
	(BIT(i, 0, 0xf26b8303u) ^ BIT(i, 1, 0xe13b70f7u) ^ BIT(i, 2, 0xc79a971fu) ^ \
	 BIT(i, 3, 0x8ad958cfu) ^ BIT(i, 4, 0x105ec76fu) ^ BIT(i, 5, 0x20bd8edeu) ^ \
	 BIT(i, 6, 0x417b1dbcu) ^ BIT(i, 7, 0x82f63b78u))
#define ENTRIES_4(i) ENTRY(i), ENTRY((i) + 1), ENTRY((i) + 2), ENTRY((i) + 3)
#define ENTRIES_16(i) ENTRIES_4(i), ENTRIES_4((i) + 4), ENTRIES_4((i) + 8), ENTRIES_4((i) + 12)
#define ENTRIES_64(i) \
	ENTRIES_16(i), ENTRIES_16((i) + 16), ENTRIES_16((i) + 32), ENTRIES_16((i) + 48)

static const uint32_t table[256] = {ENTRIES_64(0), ENTRIES_64(64), ENTRIES_64(128),
				    ENTRIES_64(192)};

uint32_t crc32c_portable(uint32_t crc, const void *data, size_t len)
{
	const unsigned char *p = data;

	crc = ~crc;
	while (len--)
		crc = table[(crc ^ *p++) & 0xff] ^ (crc >> 8);
	return ~crc;
}

#if defined(__x86_64__)

static bool has_instruction(void)
{
	return __builtin_cpu_supports("sse4.2");
}

__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc,
								 const unsigned char *p, size_t len)
{
	uint64_t wide = ~crc;

	for (; len >= 8; p += 8, len -= 8) {
		uint64_t word;

		memcpy(&word, p, sizeof(word));
		wide = __builtin_ia32_crc32di(wide, word);
	}
	crc = (uint32_t)wide;
	while (len--)
		crc = __builtin_ia32_crc32qi(crc, *p++);
	return ~crc;
}

#elif defined(__aarch64__)

static bool has_instruction(void)
{
	return getauxval(AT_HWCAP) & HWCAP_CRC32;
}

__attribute__((target("+crc"))) static uint32_t by_instruction(uint32_t crc, const unsigned char *p,
							       size_t len)
{
	crc = ~crc;
	for (; len >= 8; p += 8, len -= 8) {
		uint64_t word;

		memcpy(&word, p, sizeof(word));
		crc = __crc32cd(crc, word);
	}
	while (len--)
		crc = __crc32cb(crc, *p++);
	return ~crc;
}

#else

static bool has_instruction(void)
{
	return false;
}

static uint32_t by_instruction(uint32_t crc, const unsigned char *p, size_t len)
{
	return crc32c_portable(crc, p, len);
}

#endif

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
	return has_instruction() ? by_instruction(crc, data, len) : crc32c_portable(crc, data, len);
}
