#include "remote/local_ports.h"

#include <stdbool.h>
#include <string.h>

#include "remote/base/buf.h"
#include "remote/base/io.h"
#include "remote/base/limits.h"

#define PORTS (UINT16_MAX + 1)
#define DEFAULT_FIRST 32768
#define DEFAULT_LAST 60999

/* A port, from *s on, which moves behind it. */
static bool take_port(const char **s, unsigned int *ret)
{
	unsigned int n = 0;
	const char *p = *s;

	for (; *p >= '0' && *p <= '9' && n < PORTS; p++)
		n = n * 10 + (unsigned int)(*p - '0');
	if (p == *s || n >= PORTS)
		return false;
	*s = p;
	*ret = n;
	return true;
}

/* "32768	60999" */
static bool take_range(const char *s, unsigned int *first, unsigned int *last)
{
	if (!take_port(&s, first))
		return false;
	s += strspn(s, " \t");
	return take_port(&s, last) && *first <= *last && !s[strspn(s, " \n")];
}

/* "8080,9148-9150": up to what is not understood. */
static void take_reserved(const char *s, bool given[PORTS])
{
	unsigned int first, last;

	while (take_port(&s, &first)) {
		last = first;
		if (*s == '-') {
			s++;
			if (!take_port(&s, &last))
				return;
		}
		for (unsigned int p = first; p <= last; p++)
			given[p] = false;
		if (*s == ',')
			s++;
	}
}

uint16_t local_ports_next(const char *range, const char *reserved, uint16_t port)
{
	bool given[PORTS] = {false};
	unsigned int first, last, p = port;

	if (!take_range(range, &first, &last)) {
		first = DEFAULT_FIRST;
		last = DEFAULT_LAST;
	}
	memset(given + first, true, last - first + 1);
	take_reserved(reserved, given);
	while (p < PORTS && given[p])
		p++;
	return p < PORTS ? (uint16_t)p : 0;
}

/* Nothing of one that cannot be read whole. */
static const char *read_setting(int proc, const char *path, struct buf *b)
{
	return io_read_file(proc, path, b) < 0 ? "" : buf_str(b);
}

uint16_t local_ports_next_here(int proc, uint16_t port)
{
	auto_buf struct buf range = BUF_INIT(KiB), reserved = BUF_INIT(MAX_PROC_FILE);

	return local_ports_next(
		read_setting(proc, "sys/net/ipv4/ip_local_port_range", &range),
		read_setting(proc, "sys/net/ipv4/ip_local_reserved_ports", &reserved), port);
}
