#include "remote/procfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"

int procfs_open(struct procfs *ret, const char *root)
{
	auto_fd int fd =
		open(root ? root : "/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct statfs fs;

	if (fd < 0 || fstatfs(fd, &fs) < 0)
		return -errno;
	if (!root && fs.f_type != PROC_SUPER_MAGIC)
		return -EPROTO;
	ret->fd = STEAL_FD(fd);
	return 0;
}

void procfs_close(struct procfs *p)
{
	fd_close(&p->fd);
}

static void close_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

static DIR *open_dir(int parent, const char *path)
{
	int fd = openat(parent, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *d;

	if (fd < 0)
		return NULL;
	d = fdopendir(fd);
	if (!d)
		fd_close(&fd);
	return d;
}

/* Each entry of the directory that is a number; at most MAX_PROCESSES. */
static int each_number(int parent, const char *path, int (*fn)(void *ctx, pid_t pid), void *ctx)
{
	auto_cleanup(close_dir) DIR *d = open_dir(parent, path);
	unsigned int n = 0;

	if (!d)
		return -errno;
	while (n < MAX_PROCESSES) {
		struct dirent *e;
		uint64_t pid;
		int ret;

		errno = 0;
		e = readdir(d);
		if (!e)
			return -errno;
		if (!str_to_u64(e->d_name, INT_MAX, &pid) || pid == 0)
			continue;
		n++;
		ret = fn(ctx, (pid_t)pid);
		if (ret)
			return ret;
	}
	return 0;
}

int procfs_each(const struct procfs *p, int (*fn)(void *ctx, pid_t pid), void *ctx)
{
	return each_number(p->fd, ".", fn, ctx);
}

static int read_file(const struct procfs *p, pid_t pid, const char *file, struct buf *b)
{
	char path[64];

	snprintf(path, sizeof(path), "%d/%s", (int)pid, file);
	return io_read_file(p->fd, path, b);
}

/* A number in the given base at *s, which moves behind it. Nothing that strtoull allows beyond
 * digits: no sign, no blank, no prefix, no overflow. */
static bool take_number(const char **s, const char *end, unsigned int base, uint64_t *ret)
{
	const char *p = *s;
	uint64_t n = 0;

	for (; p < end; p++) {
		unsigned int digit;

		if (*p >= '0' && *p <= '9')
			digit = (unsigned int)(*p - '0');
		else if (base == 16 && *p >= 'a' && *p <= 'f')
			digit = (unsigned int)(*p - 'a') + 10;
		else
			break;
		if (n > (UINT64_MAX - digit) / base)
			return false;
		n = n * base + digit;
	}
	if (p == *s)
		return false;
	*s = p;
	*ret = n;
	return true;
}

static void skip_blanks(const char **s, const char *end)
{
	while (*s < end && (**s == '\t' || **s == ' '))
		(*s)++;
}

/* Four ids: real, effective, saved, file system. (uid_t)-1 is no id (setresuid's "unchanged"). */
static bool take_ids(const char *s, const char *end, uint64_t ids[4])
{
	for (int i = 0; i < 4; i++) {
		skip_blanks(&s, end);
		if (!take_number(&s, end, 10, &ids[i]) || ids[i] >= UINT32_MAX)
			return false;
	}
	return s == end;
}

static bool status_uid(const char *s, const char *end, struct proc_status *st)
{
	uint64_t ids[4];

	if (!take_ids(s, end, ids))
		return false;
	st->uid = (uid_t)ids[0];
	st->euid = (uid_t)ids[1];
	st->fsuid = (uid_t)ids[3];
	return true;
}

static bool status_gid(const char *s, const char *end, struct proc_status *st)
{
	uint64_t ids[4];

	if (!take_ids(s, end, ids))
		return false;
	st->gid = (gid_t)ids[0];
	st->egid = (gid_t)ids[1];
	return true;
}

static bool take_pid(const char **s, const char *end, pid_t *ret)
{
	uint64_t n;

	skip_blanks(s, end);
	if (!take_number(s, end, 10, &n) || n > INT_MAX)
		return false;
	*ret = (pid_t)n;
	return true;
}

static bool status_pid(const char *s, const char *end, struct proc_status *st)
{
	return (st->ns_pid || take_pid(&s, end, &st->ns_pid));
}

static bool status_ppid(const char *s, const char *end, struct proc_status *st)
{
	return take_pid(&s, end, &st->ppid) && s == end;
}

/* One number for each pid namespace, ours first. */
static bool status_nspid(const char *s, const char *end, struct proc_status *st)
{
	st->ns_levels = 0;
	while (s < end) {
		if (!take_pid(&s, end, &st->ns_pid))
			return false;
		st->ns_levels++;
	}
	return st->ns_levels > 0;
}

static bool status_state(const char *s, const char *end, struct proc_status *st)
{
	skip_blanks(&s, end);
	if (s == end || *s < 'A' || *s > 'z')
		return false;
	st->state = *s;
	return true;
}

static bool take_mask(const char *s, const char *end, uint64_t *ret)
{
	skip_blanks(&s, end);
	return take_number(&s, end, 16, ret) && s == end;
}

static bool status_blk(const char *s, const char *end, struct proc_status *st)
{
	return take_mask(s, end, &st->sig_blk);
}

static bool status_ign(const char *s, const char *end, struct proc_status *st)
{
	return take_mask(s, end, &st->sig_ign);
}

static bool status_cgt(const char *s, const char *end, struct proc_status *st)
{
	return take_mask(s, end, &st->sig_cgt);
}

static bool status_rss(const char *s, const char *end, struct proc_status *st)
{
	uint64_t kb;

	skip_blanks(&s, end);
	if (!take_number(&s, end, 10, &kb) || kb > UINT64_MAX / 1024)
		return false;
	st->rss = kb * 1024;
	return end - s == 3 && memcmp(s, " kB", 3) == 0;
}

/* "0-3,8": how many are in the list. */
static bool status_cpus(const char *s, const char *end, struct proc_status *st)
{
	uint64_t first, last, n = 0;

	skip_blanks(&s, end);
	for (;; s++) {
		if (!take_number(&s, end, 10, &first))
			return false;
		last = first;
		if (s < end && *s == '-' && (s++, !take_number(&s, end, 10, &last)))
			return false;
		if (last < first || last > UINT16_MAX)
			return false;
		n += last - first + 1;
		if (s == end || *s != ',')
			break;
	}
	st->cpus = n < UINT16_MAX ? (unsigned int)n : UINT16_MAX;
	return s == end;
}

/* The order is the kernel's, and matters in one place: NSpid comes behind Pid and wins. */
static const struct status_field {
	const char *name;
	bool (*parse)(const char *s, const char *end, struct proc_status *st);
	bool required;
} status_fields[] = {
	{"State:", status_state, true},	 {"Pid:", status_pid, true},
	{"Uid:", status_uid, true},	 {"Gid:", status_gid, true},
	{"NSpid:", status_nspid, false}, /* since 4.1 */
	{"VmRSS:", status_rss, false},	 /* not for zombies and kernel threads */
	{"SigBlk:", status_blk, true},	 {"SigIgn:", status_ign, true},
	{"SigCgt:", status_cgt, true},	 {"Cpus_allowed_list:", status_cpus, false},
	{"PPid:", status_ppid, false},
};

static int parse_status_line(const char *line, const char *end, struct proc_status *st,
			     unsigned int *seen)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(status_fields); i++) {
		size_t len = strlen(status_fields[i].name);

		if ((size_t)(end - line) < len || memcmp(line, status_fields[i].name, len) != 0)
			continue;
		if (*seen & 1u << i || !status_fields[i].parse(line + len, end, st))
			return -EPROTO;
		*seen |= 1u << i;
		return 0;
	}
	return 0;
}

int proc_parse_status(const char *text, size_t len, struct proc_status *ret)
{
	const char *line = text, *end = text + len;
	struct proc_status st = {.ns_levels = 1};
	unsigned int seen = 0;

	while (line < end) {
		const char *nl = memchr(line, '\n', (size_t)(end - line));

		if (!nl || parse_status_line(line, nl, &st, &seen) < 0)
			return -EPROTO;
		line = nl + 1;
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(status_fields); i++)
		if (status_fields[i].required && !(seen & 1u << i))
			return -EPROTO;
	*ret = st;
	return 0;
}

int proc_read_status(const struct procfs *p, pid_t pid, struct proc_status *ret)
{
	auto_buf struct buf b = BUF_INIT(MAX_PROC_FILE);
	int r = read_file(p, pid, "status", &b);

	return r < 0 ? r : proc_parse_status(buf_str(&b), b.len, ret);
}

struct mask_scan {
	const struct procfs *p;
	pid_t pid;
	uint64_t bit;
};

/* 1 when the thread would take the signal. One that ends meanwhile would not. */
static int thread_takes(void *ctx, pid_t tid)
{
	const struct mask_scan *m = ctx;
	struct proc_status st;
	auto_buf struct buf b = BUF_INIT(MAX_PROC_FILE);
	char path[64];
	int r;

	snprintf(path, sizeof(path), "task/%d/status", (int)tid);
	r = read_file(m->p, m->pid, path, &b);
	if (r == -ENOENT || r == -ESRCH)
		return 0;
	if (r == 0)
		r = proc_parse_status(buf_str(&b), b.len, &st);
	return r < 0 ? r : !(st.sig_blk & m->bit);
}

int proc_signal_blocked(const struct procfs *p, pid_t pid, int sig)
{
	struct mask_scan m = {.p = p, .pid = pid, .bit = SIGNAL_BIT(sig)};
	char path[64];
	int r;

	snprintf(path, sizeof(path), "%d/task", (int)pid);
	r = each_number(p->fd, path, thread_takes, &m);
	return r < 0 ? r : !r;
}

int proc_parse_start_time(const char *text, size_t len, uint64_t *ret)
{
	const char *end = text + len;
	const char *s = memrchr(text, ')', len); /* no later field holds one */
	uint64_t n;

	if (!s || end - s < 4 || s[1] != ' ' || s[3] != ' ')
		return -EPROTO;
	s += 4; /* field 4 */
	for (int field = 4;; field++) {
		if (s < end && *s == '-' && field != 22)
			s++;
		if (!take_number(&s, end, 10, &n))
			return -EPROTO;
		if (field == 22)
			break;
		if (s == end || *s++ != ' ')
			return -EPROTO;
	}
	if (s == end || (*s != ' ' && *s != '\n'))
		return -EPROTO;
	*ret = n;
	return 0;
}

int proc_read_start_time(const struct procfs *p, pid_t pid, uint64_t *ret)
{
	auto_buf struct buf b = BUF_INIT(MAX_PROC_FILE);
	int r = read_file(p, pid, "stat", &b);

	return r < 0 ? r : proc_parse_start_time(buf_str(&b), b.len, ret);
}

int proc_start_to_epoch(const struct procfs *p, uint64_t start_time, uint64_t *ret)
{
	auto_buf struct buf b = BUF_INIT(MAX_PROC_FILE);
	long hz = sysconf(_SC_CLK_TCK);
	int r = io_read_file(p->fd, "stat", &b);
	const char *s = r < 0 ? NULL : strstr(buf_str(&b), "\nbtime ");
	uint64_t btime;

	if (r < 0)
		return r;
	if (!s || hz <= 0)
		return -EPROTO;
	s += strlen("\nbtime ");
	if (!take_number(&s, b.data + b.len, 10, &btime) || *s != '\n' || btime > INT64_MAX)
		return -EPROTO;
	*ret = btime + start_time / (uint64_t)hz;
	return 0;
}

int proc_read_available(const struct procfs *p, uint64_t *ret)
{
	static const char field[] = "\nMemAvailable:";
	auto_buf struct buf b = BUF_INIT(MAX_PROC_FILE);
	int r = io_read_file(p->fd, "meminfo", &b);
	const char *s = r < 0 ? NULL : strstr(buf_str(&b), field), *end = b.data + b.len;
	uint64_t kb;

	if (r < 0)
		return r;
	if (!s)
		return -EPROTO;
	s += strlen(field);
	skip_blanks(&s, end);
	if (!take_number(&s, end, 10, &kb) || kb > UINT64_MAX / 1024 || !str_starts(s, " kB\n"))
		return -EPROTO;
	*ret = kb * 1024;
	return 0;
}

int proc_read_strings(const struct procfs *p, pid_t pid, const char *file, struct buf *b)
{
	return read_file(p, pid, file, b);
}
