/*
 * A program that pretends to be a JVM and means no good, for the tests of hostile containers.
 * Static: it runs in any image. It maps a file named libjvm.so, catches SIGQUIT and then does what
 * it is told:
 *
 *	plain          nothing of that: only a process that counts
 *	deaf           catches SIGQUIT and never opens a socket
 *	silent         an attach socket that accepts and never answers
 *	flood          one that answers without end
 *	rubbish        one that answers with control characters and no status
 *	close          one that closes at once
 *	liar           "Heap dump file created", and no file
 *	says TEXT      it answers TEXT to the request for a dump, and writes none
 *	unread TEXT    it writes an HPROF without end until nobody reads it, then answers TEXT
 *	broken         a file that is no HPROF
 *	short          an HPROF that ends in the middle
 *	lengths        an HPROF with a record that is longer than the file
 *	endless        an HPROF whose records never end
 *	stall          it begins an HPROF and never goes on
 *	dies           it ends when it is asked for a dump
 *	link TARGET    the dump is a symbolic link to TARGET
 *	hardlink       the dump is another name of one of its files
 *	fifo           the dump is a FIFO without a writer
 *	plant TARGET   .java_pid1 and .attach_pid1 are links to TARGET
 *	hsperf         a hsperfdata file that lies about every length
 *	names          a good one, with escape sequences in the main class and the version
 *
 * It says "ready", then counts like Checkout.java, and says "quit" for each SIGQUIT.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET "/tmp/.java_pid1"

static const char *mode, *target;

static void on_quit(int sig)
{
	(void)sig;
	if (write(STDOUT_FILENO, "quit\n", 5) < 0)
		_exit(1);
}

static void must(int ok, const char *what)
{
	if (!ok) {
		perror(what);
		exit(1);
	}
}

/* A JVM is known by its executable mapping of libjvm.so. */
static void map_libjvm(void)
{
	static const char page[4096] = "not code";
	int fd = open("/tmp/libjvm.so", O_RDWR | O_CREAT | O_TRUNC, 0755);

	must(fd >= 0 && write(fd, page, sizeof(page)) == (ssize_t)sizeof(page), "libjvm.so");
	must(mmap(NULL, sizeof(page), PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) != MAP_FAILED,
	     "mmap");
	close(fd);
}

/* The path of the dump in a request: the first argument that starts with or has " /". */
static const char *dump_path(char *request, size_t len)
{
	for (size_t i = 0; i + 1 < len; i++) {
		if (request[i] == '/' &&
		    (i == 0 || request[i - 1] == '\0' || request[i - 1] == ' ')) {
			request[i + strcspn(request + i, " ")] = '\0';
			return request + i;
		}
	}
	return NULL;
}

static void write_file(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);

	must(fd >= 0 && write(fd, data, len) == (ssize_t)len, path);
	close(fd);
}

/* 50 MiB a second at most: it must not fill a disk before anybody looks. */
static void write_without_end(const char *path, int flags)
{
	static const char head[31] = "JAVA PROFILE 1.0.2\0\0\0\0\x08";
	static char record[1 << 20] = "\x1c\0\0\0\0\0\x0f\xff\xf7";
	int fd = open(path, O_WRONLY | flags, 0600);

	must(fd >= 0 && write(fd, head, sizeof(head)) == (ssize_t)sizeof(head), path);
	while (write(fd, record, sizeof(record)) == (ssize_t)sizeof(record))
		usleep(20000);
	close(fd);
}

/* Where "container-file" writes: /var/tmp is no memory and so the first choice. */
static void give_second_name(const char *path)
{
	static const char first[] = "/var/tmp/first-name";

	write_file(first, "JAVA", 4);
	must(link(first, path) == 0, path);
}

static void make_dump(const char *path)
{
	static const char garbage[100000] = "this is not a heap dump";
	static const char cut[31 + 9 + 100] = "JAVA PROFILE 1.0.2\0\0\0\0\x08\0\0\0\0\0\0\0\0"
					      "\x01\0\0\0\0\0\x10\0\0";
	static const char lies[31 + 9 + 100] = "JAVA PROFILE 1.0.2\0\0\0\0\x08\0\0\0\0\0\0\0\0"
					       "\x1c\0\0\0\0\xff\xff\xff\xff";

	if (strcmp(mode, "broken") == 0)
		write_file(path, garbage, sizeof(garbage));
	else if (strcmp(mode, "short") == 0 || strcmp(mode, "stall") == 0)
		write_file(path, cut, sizeof(cut));
	else if (strcmp(mode, "lengths") == 0)
		write_file(path, lies, sizeof(lies));
	else if (strcmp(mode, "endless") == 0)
		write_without_end(path, O_CREAT | O_EXCL);
	else if (strcmp(mode, "unread") == 0)
		write_without_end(path, 0);
	else if (strcmp(mode, "dies") == 0)
		_exit(0);
	else if (strcmp(mode, "link") == 0)
		must(symlink(target, path) == 0, path);
	else if (strcmp(mode, "hardlink") == 0)
		give_second_name(path);
	else if (strcmp(mode, "fifo") == 0)
		must(mkfifo(path, 0600) == 0, path);
}

/* Its own, for the answer to a request for a dump. */
static bool has_words(void)
{
	return strcmp(mode, "says") == 0 || strcmp(mode, "unread") == 0;
}

static void answer_dump(int fd, char *request, size_t len)
{
	static const char done[] = "0\nHeap dump file created [140 bytes in 0.001 secs]\n";
	static const char fine[] = "0\n";
	bool help = memmem(request, len, "help", 4);
	const char *path = help ? NULL : dump_path(request, len), *reply = path ? done : fine;
	char said[1024];

	if (path)
		make_dump(path);
	if (path && strcmp(mode, "stall") == 0)
		pause();
	if (help) {
		reply = "0\nGC.heap_dump\n-overwrite : [optional] If specified, overwrite\n";
	} else if (path && has_words()) {
		snprintf(said, sizeof(said), "0\nDumping heap to %s ...\n%s\n", path, target);
		reply = said;
	}
	if (write(fd, reply, strlen(reply)) < 0)
		perror("answer");
}

static void answer(int fd)
{
	static const char rubbish[] = "\x1b]0;owned\a\x1b[2J\r\n\xff\xfe"
				      "99999999999999999999\n";
	char block[65536] = "0\n";
	char request[8192] = "";
	ssize_t n = read(fd, request, sizeof(request) - 1);

	if (n <= 0 || strcmp(mode, "close") == 0)
		return;
	if (strcmp(mode, "silent") == 0) {
		while (read(fd, request, sizeof(request)) > 0)
			;
	} else if (strcmp(mode, "flood") == 0) {
		memset(block + 2, 'x', sizeof(block) - 2);
		while (write(fd, block, sizeof(block)) > 0)
			;
	} else if (strcmp(mode, "rubbish") == 0) {
		if (write(fd, rubbish, sizeof(rubbish) - 1) < 0)
			perror("answer");
	} else {
		answer_dump(fd, request, (size_t)n);
	}
}

static void *serve(void *arg)
{
	int listener = *(int *)arg;

	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd >= 0) {
			answer(fd);
			close(fd);
		}
	}
	return NULL;
}

static void open_socket(void)
{
	static int fd;
	struct sockaddr_un addr = {.sun_family = AF_UNIX, .sun_path = SOCKET};
	pthread_t thread;

	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	must(fd >= 0 && bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0, SOCKET);
	must(chmod(SOCKET, 0600) == 0 && listen(fd, 5) == 0, SOCKET);
	must(pthread_create(&thread, NULL, serve, &fd) == 0, "thread");
}

/* A header as in perfMemory.hpp, and entries whose lengths point out of the file. */
static void lie_in_hsperfdata(void)
{
	uint32_t words[2048] = {0};
	unsigned char *bytes = (unsigned char *)words;

	memcpy(bytes, "\xca\xfe\xc0\xc0\x01\x02\x00\x01", 8);
	words[2] = 0xfffffff0; /* used */
	words[6] = 32;	       /* entry_offset */
	words[7] = 0x7fffffff; /* num_entries */
	for (size_t i = 8; i + 5 < 2048; i += 5) {
		words[i] = 20;		   /* entry length */
		words[i + 1] = 0xffffff00; /* name_offset */
		words[i + 2] = 0x7fffffff; /* vector_length */
		words[i + 3] = 0x00000142; /* type 'B' */
		words[i + 4] = 0x7ffffff0; /* data_offset */
	}
	must(mkdir("/tmp/hsperfdata_app", 0755) == 0, "hsperfdata_app");
	write_file("/tmp/hsperfdata_app/1", words, sizeof(words));
}

static size_t add_name(unsigned char *file, size_t at, const char *name, const char *value)
{
	uint32_t data = (20 + (uint32_t)strlen(name) + 8) & ~7u;
	uint32_t size = (data + (uint32_t)strlen(value) + 8) & ~7u;
	uint32_t head[5] = {size, 20, (uint32_t)strlen(value) + 1, 'B', data};

	memcpy(file + at, head, sizeof(head));
	memcpy(file + at + 20, name, strlen(name) + 1);
	memcpy(file + at + data, value, strlen(value) + 1);
	return at + size;
}

static void name_itself(const char *command, const char *version)
{
	unsigned char file[4096] = {0xca, 0xfe, 0xc0, 0xc0, 1, 2, 0, 1};
	uint32_t words[6] = {0, 0, 0, 0, 32, 2};
	size_t end = 32;

	end = add_name(file, end, "sun.rt.javaCommand", command);
	end = add_name(file, end, "java.property.java.version", version);
	words[0] = (uint32_t)end;
	memcpy(file + 8, words, sizeof(words));
	must(mkdir("/tmp/hsperfdata_app", 0755) == 0, "hsperfdata_app");
	write_file("/tmp/hsperfdata_app/1", file, sizeof(file));
}

static void be_a_jvm(void)
{
	struct sigaction quit = {.sa_handler = on_quit, .sa_flags = SA_RESTART};

	map_libjvm();
	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGQUIT, &quit, NULL);
	/* Its name and its arguments are shown to people. */
	prctl(PR_SET_NAME, "\x1b[31mjava\r");
	if (strcmp(mode, "deaf") == 0)
		return;
	if (strcmp(mode, "hsperf") == 0) {
		lie_in_hsperfdata();
	} else if (strcmp(mode, "names") == 0) {
		name_itself("\x1b]0;owned\x07\x1b[2J\x9b"
			    "31mMain\r\n::set-env name=X::y --secret=1",
			    "\x1b[31m17\r.0");
	} else if (strcmp(mode, "plant") == 0) {
		must(symlink(target, SOCKET) == 0, SOCKET);
		must(symlink(target, "/tmp/.attach_pid1") == 0, ".attach_pid1");
	} else {
		if (has_words())
			name_itself("Main", "17.0.9");
		open_socket();
	}
}

int main(int argc, char **argv)
{
	mode = argc > 1 ? argv[1] : "plain";
	target = argc > 2 ? argv[2] : "/nonexistent";
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (strcmp(mode, "plain") != 0)
		be_a_jvm();
	puts("ready");
	for (unsigned long n = 1;; n++) {
		printf("tick %lu\n", n);
		usleep(100000);
	}
}
