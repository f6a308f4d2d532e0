#include "remote/hsperf.h"

#include <string.h>

#include "remote/base/str.h"

/* PerfDataPrologue, JDK 8 to 26: magic (always written as these bytes), byte order, version,
 * accessible, then i4 used, i4 overflow, i8 time stamp, i4 entry offset, i4 number of entries. */
static const unsigned char magic[4] = {0xca, 0xfe, 0xc0, 0xc0};

enum {
	PROLOGUE_SIZE = 32,
	AT_BYTE_ORDER = 4,
	AT_MAJOR = 5,
	AT_ACCESSIBLE = 7,
	AT_USED = 8,
	AT_FIRST = 24,
	AT_ENTRIES = 28,
	LITTLE_ENDIAN_ORDER = 1,
	MAJOR = 2,
};

/* PerfDataEntry: i4 length, i4 name offset, i4 vector length, i1 type, flags, units, variability,
 * i4 data offset; offsets count from the entry's start. */
enum {
	ENTRY_SIZE = 20,
	AT_NAME = 4,
	AT_VECTOR = 8,
	AT_TYPE = 12,
	AT_DATA = 16,
};

static uint32_t get_u32(const unsigned char *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t get_u64(const unsigned char *p)
{
	return get_u32(p) | (uint64_t)get_u32(p + 4) << 32;
}

bool hsperf_parse(struct hsperf *h, const void *data, size_t len)
{
	const unsigned char *p = data;
	uint32_t used, first, entries;

	if (len < PROLOGUE_SIZE || memcmp(p, magic, sizeof(magic)) != 0)
		return false;
	if (p[AT_BYTE_ORDER] != LITTLE_ENDIAN_ORDER || p[AT_MAJOR] != MAJOR ||
	    p[AT_ACCESSIBLE] != 1)
		return false;
	used = get_u32(p + AT_USED);
	first = get_u32(p + AT_FIRST);
	entries = get_u32(p + AT_ENTRIES);
	if (used > len || first < PROLOGUE_SIZE || first > used ||
	    entries > (used - first) / ENTRY_SIZE)
		return false;
	*h = (struct hsperf){.data = p, .len = used, .first = first, .entries = entries};
	return true;
}

struct entry {
	const unsigned char *data;
	size_t len; /* of data */
	char type;
};

/* Is the entry of that length at e the one? Then *ret is inside it. */
static bool entry_is(const unsigned char *e, uint32_t len, const char *name, struct entry *ret)
{
	uint32_t at_name = get_u32(e + AT_NAME);
	uint32_t vector = get_u32(e + AT_VECTOR);
	uint32_t at_data = get_u32(e + AT_DATA);
	uint32_t data_len = vector ? vector : sizeof(uint64_t);
	size_t size = strlen(name) + 1;

	if (at_name < ENTRY_SIZE || at_name > len || size > len - at_name ||
	    memcmp(e + at_name, name, size) != 0)
		return false;
	if (at_data < ENTRY_SIZE || at_data > len || data_len > len - at_data)
		return false;
	if ((e[AT_TYPE] == 'B') != (vector > 0))
		return false;
	*ret = (struct entry){.data = e + at_data, .len = data_len, .type = (char)e[AT_TYPE]};
	return true;
}

static bool find(const struct hsperf *h, const char *name, struct entry *ret)
{
	size_t at = h->first;

	for (unsigned int i = 0; i < h->entries; i++) {
		uint32_t len;

		if (h->len - at < ENTRY_SIZE)
			return false;
		len = get_u32(h->data + at);
		if (len < ENTRY_SIZE || len > h->len - at)
			return false;
		if (entry_is(h->data + at, len, name, ret))
			return true;
		at += len;
	}
	return false;
}

bool hsperf_string(const struct hsperf *h, const char *name, char *dst, size_t size)
{
	struct entry e;
	size_t len;

	if (size == 0 || !find(h, name, &e) || e.type != 'B')
		return false;
	len = strnlen((const char *)e.data, e.len);
	if (len >= size)
		len = size - 1;
	memcpy(dst, e.data, len);
	dst[len] = '\0';
	return true;
}

bool hsperf_u64(const struct hsperf *h, const char *name, uint64_t *ret)
{
	struct entry e;

	if (!find(h, name, &e) || e.type != 'J')
		return false;
	*ret = get_u64(e.data);
	return true;
}
