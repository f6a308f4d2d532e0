/* Makes hsperfdata as HotSpot writes it (PerfDataPrologue and PerfDataEntry of JDK 8 to 26). */
#ifndef TESTS_UNIT_HSPERF_FILE_H
#define TESTS_UNIT_HSPERF_FILE_H

#include <stdint.h>
#include <string.h>

struct hsperf_file {
	unsigned char data[8192];
	uint32_t len;
};

static inline void hsperf_put(struct hsperf_file *f, uint32_t at, uint32_t n)
{
	for (int i = 0; i < 4; i++)
		f->data[at + (uint32_t)i] = (unsigned char)(n >> 8 * i);
}

static inline void hsperf_begin(struct hsperf_file *f)
{
	static const unsigned char head[8] = {0xca, 0xfe, 0xc0, 0xc0, 1, 2, 0, 1};

	memset(f, 0, sizeof(*f));
	memcpy(f->data, head, sizeof(head));
	f->len = 32;
	hsperf_put(f, 8, f->len);
	hsperf_put(f, 24, 32);
}

static inline void hsperf_add(struct hsperf_file *f, const char *name, char type, const void *data,
			      uint32_t len)
{
	uint32_t at_data = (20 + (uint32_t)strlen(name) + 1 + 7) & ~7u;
	uint32_t size = (at_data + len + 7) & ~7u;

	hsperf_put(f, f->len, size);
	hsperf_put(f, f->len + 4, 20);
	hsperf_put(f, f->len + 8, type == 'B' ? len : 0);
	f->data[f->len + 12] = (unsigned char)type;
	hsperf_put(f, f->len + 16, at_data);
	memcpy(f->data + f->len + 20, name, strlen(name) + 1);
	memcpy(f->data + f->len + at_data, data, len);
	f->len += size;
	hsperf_put(f, 8, f->len);
	f->data[28]++;
}

static inline void hsperf_add_string(struct hsperf_file *f, const char *name, const char *value)
{
	hsperf_add(f, name, 'B', value, (uint32_t)strlen(value) + 1);
}

static inline void hsperf_add_u64(struct hsperf_file *f, const char *name, uint64_t value)
{
	hsperf_add(f, name, 'J', &value, sizeof(value));
}

#endif
