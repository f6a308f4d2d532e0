/* Lines of /proc/PID/mountinfo (proc(5)); the container chooses most of what is in them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "remote/base/io.h"
#include "remote/base/str.h"
#include "remote/mount.h"
#include "remote/nodedir.h"
#include "remote/place/place.h"
#include "remote/sweep.h"

/* The next field into dst, with \040 and its like turned back. */
static bool take_field(const char **p, char *dst, size_t size)
{
	size_t n = 0;

	while (**p == ' ')
		++*p;
	if (!**p)
		return false;
	while (**p && **p != ' ') {
		char c = *(*p)++;

		if (c == '\\' && strspn(*p, "01234567") >= 3) {
			c = (char)(((*p)[0] - '0') * 64 + ((*p)[1] - '0') * 8 + ((*p)[2] - '0'));
			*p += 3;
		}
		if (n + 1 >= size || c == '\0')
			return false;
		dst[n++] = c;
	}
	dst[n] = '\0';
	return true;
}

static bool take_number(const char **p, unsigned long *ret)
{
	char digits[16];
	uint64_t v;

	if (!take_field(p, digits, sizeof(digits)) || !str_to_u64(digits, UINT32_MAX, &v))
		return false;
	*ret = (unsigned long)v;
	return true;
}

/* id, parent, major:minor */
static bool take_head(const char **line, unsigned long *ret_id, dev_t *ret_dev)
{
	char device[32], *minor;
	unsigned long parent;
	uint64_t high, low;

	if (!take_number(line, ret_id) || !take_number(line, &parent) ||
	    !take_field(line, device, sizeof(device)))
		return false;
	minor = strchr(device, ':');
	if (!minor)
		return false;
	*minor++ = '\0';
	if (!str_to_u64(device, UINT32_MAX, &high) || !str_to_u64(minor, UINT32_MAX, &low))
		return false;
	*ret_dev = makedev((unsigned int)high, (unsigned int)low);
	return true;
}

bool mount_line_dev(const char *line, dev_t *ret)
{
	unsigned long id;

	return take_head(&line, &id, ret);
}

bool mount_line_parse(const char *line, struct mount_line *ret)
{
	char skipped[512];

	if (!take_head(&line, &ret->id, &ret->dev) ||
	    !take_field(&line, ret->root, sizeof(ret->root)) ||
	    !take_field(&line, ret->point, sizeof(ret->point)))
		return false;
	do { /* options, then optional fields up to a dash */
		if (!take_field(&line, skipped, sizeof(skipped)))
			return false;
	} while (strcmp(skipped, "-") != 0);
	return take_field(&line, ret->type, sizeof(ret->type)) &&
	       take_field(&line, ret->source, sizeof(ret->source));
}

#define DELETED "//deleted"

/* ".../.jdiag-ID/dump" on ".../.jdiag-ID", or our tmpfs. */
bool mount_line_is_ours(const struct mount_line *m)
{
	const char *point = strrchr(m->point, '/');
	char root[sizeof(m->root)];
	char *name;

	if (!point)
		return false;
	if (strcmp(m->type, "tmpfs") == 0 && strcmp(m->source, MOUNT_SOURCE) == 0)
		return true;
	snprintf(root, sizeof(root), "%s", m->root);
	if (str_ends(root, DELETED)) /* on the node, already */
		root[strlen(root) - strlen(DELETED)] = '\0';
	if (!jdiag_name_is(point + 1) || !str_ends(root, "/dump"))
		return false;
	*strrchr(root, '/') = '\0';
	name = strrchr(root, '/');
	return name && strcmp(name + 1, point + 1) == 0;
}

bool mount_line_is_agents(const struct mount_line *m)
{
	return strcmp(m->type, "tmpfs") == 0 && strcmp(m->source, PLACE_SOURCE) == 0;
}

unsigned long mount_id(const struct procfs *p, int fd)
{
	auto_buf struct buf b = BUF_INIT(4096);
	const char *line;
	char path[40];

	snprintf(path, sizeof(path), "self/fdinfo/%d", fd);
	if (io_read_file(p->fd, path, &b) < 0)
		return 0;
	line = strstr(buf_str(&b), "mnt_id:");
	return line ? strtoul(line + strlen("mnt_id:"), NULL, 10) : 0;
}
