/* jdiag */
#include "jdiag/agent/jar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jdiag/agent/manifest.h"
#include "jdiag/process.h"
#include "remote/base/limits.h"

#define CLASS_8 "\xca\xfe\xba\xbe\0\0\0\x34 and more"
#define CLASS_11 "\xca\xfe\xba\xbe\0\0\0\x37 and more"
#define MANIFEST                                                            \
	"Manifest-Version: 1.0\r\nImplementation-Title: demo\r\n"           \
	"Implementation-Version: 1.0.1\r\nAgent-Class: a.very.l\r\n ong.Ag" \
	"ent\r\nCan-Redefine-Classes: TRUE\r\n\r\nName: x\r\nAgent-Class: y\r\n"

struct entry {
	const char *name, *data;
	size_t len;
};

static char directory[] = "/tmp/test_agent_jar.XXXXXX", path[64];

static void write_file(const void *data, size_t len)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

/* options: of libarchive's zip writer. Returns the length of the zip, which is in the file, too. */
static size_t zip(const struct entry *entries, size_t n, const char *options, char **ret)
{
	static char data[1 << 20];
	struct archive *a = archive_write_new();
	size_t used = 0;

	assert_int_equal(archive_write_set_format_zip(a), ARCHIVE_OK);
	if (options)
		assert_int_equal(archive_write_set_options(a, options), ARCHIVE_OK);
	assert_int_equal(archive_write_open_memory(a, data, sizeof(data), &used), ARCHIVE_OK);
	for (size_t i = 0; i < n; i++) {
		struct archive_entry *e = archive_entry_new();

		archive_entry_set_pathname(e, entries[i].name);
		archive_entry_set_filetype(e, AE_IFREG);
		archive_entry_set_perm(e, 0644);
		archive_entry_set_size(e, (la_int64_t)entries[i].len);
		assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
		assert_int_equal(archive_write_data(a, entries[i].data, entries[i].len),
				 entries[i].len);
		archive_entry_free(e);
	}
	assert_int_equal(archive_write_free(a), ARCHIVE_OK);
	write_file(data, used);
	if (ret)
		*ret = data;
	return used;
}

static size_t jar(const char *manifest, const char *class, size_t class_len, char **ret)
{
	const struct entry entries[] = {
		{"META-INF/MANIFEST.MF", manifest, strlen(manifest)},
		{"other.txt", "some text some text some text", 29},
		{"a/very/long/Agent.class", class, class_len},
	};

	return zip(entries, class ? 3 : 2, NULL, ret);
}

static void refused(const char *why)
{
	struct agent_jar j = {0};
	struct error err = {0};

	if (agent_jar_open(&j, path, &err) == 0)
		fail_msg("taken, expected: %s", why);
	assert_int_equal(err.code, ERR_USAGE);
	if (!strstr(err.msg, why))
		fail_msg("'%s' lacks '%s'", err.msg, why);
}

static void good_jar(void **state)
{
	struct agent_jar j = {0};
	struct error err = {0};

	(void)state;
	jar(MANIFEST, CLASS_8, 15, NULL);
	if (agent_jar_open(&j, path, &err) != 0)
		fail_msg("%s", err.msg);
	assert_string_equal(j.agent_class, "a.very.long.Agent");
	assert_string_equal(j.title, "demo");
	assert_string_equal(j.version, "1.0.1");
	assert_string_equal(j.name, "agent.jar");
	assert_int_equal(j.java, 8);
	assert_true(j.can_redefine);
	assert_false(j.can_retransform);
	assert_int_equal(strlen(j.sha256), 64);
	agent_jar_release(&j);
	jar(MANIFEST, CLASS_11, 15, NULL);
	assert_int_equal(agent_jar_open(&j, path, &err), 0);
	assert_int_equal(j.java, 11);
	agent_jar_release(&j);
}

static void jars_that_are_none(void **state)
{
	const struct entry twice[] = {
		{"META-INF/MANIFEST.MF", MANIFEST, strlen(MANIFEST)},
		{"META-INF/MANIFEST.MF", MANIFEST, strlen(MANIFEST)},
	};

	(void)state;
	unlink(path);
	refused("No such file");
	write_file("", 0);
	refused("not a zip");
	write_file("this is not a jar at all, but quite long", 40);
	refused("not a zip");
	zip(&(struct entry){"x", "y", 1}, 1, NULL, NULL);
	refused("not a jar: there is no META-INF/MANIFEST.MF");
	jar("Manifest-Version: 1.0\n", CLASS_8, 15, NULL);
	refused("names no Agent-Class");
	jar("Manifest-Version: 1.0\n\nAgent-Class: a.very.long.Agent\n", CLASS_8, 15, NULL);
	refused("names no Agent-Class");
	jar("nonsense\n", CLASS_8, 15, NULL);
	refused("not NAME: VALUE");
	jar("Agent-Class: a\nagent-class: b\n", CLASS_8, 15, NULL);
	refused("there twice");
	jar("Agent-Class: ../../x y\n", CLASS_8, 15, NULL);
	refused("no class name");
	jar(MANIFEST, NULL, 0, NULL);
	refused("its Agent-Class is not in it: 'a/very/long/Agent.class'");
	jar(MANIFEST, "no class here", 13, NULL);
	refused("is no class");
	jar(MANIFEST, CLASS_8, 7, NULL);
	refused("is no class");
	zip(twice, 2, NULL, NULL);
	refused("twice");
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	refused("not a regular file");
	unlink(path);
}

/* A jar that ends at any byte is none. */
static void cut_jars(void **state)
{
	char *data;
	size_t len = jar(MANIFEST, CLASS_8, 15, &data);

	(void)state;
	for (size_t cut = 0; cut < len; cut += cut < 64 || len - cut < 64 ? 1 : 7) {
		write_file(data, cut);
		refused("cannot be an agent");
	}
}

/* One bit of the contents of an entry that nobody asks for. */
static void wrong_checksum(void **state)
{
	const struct entry entries[] = {
		{"META-INF/MANIFEST.MF", MANIFEST, strlen(MANIFEST)},
		{"other.txt", "contents that are stored", 24},
		{"a/very/long/Agent.class", CLASS_8, 15},
	};
	char *data, *contents;
	size_t len = zip(entries, 3, "compression=store", &data);

	(void)state;
	contents = memmem(data, len, "contents that", 13);
	assert_non_null(contents);
	contents[3] ^= 1;
	write_file(data, len);
	refused("CRC");
}

static void too_large(void **state)
{
	(void)state;
	write_file("", 0);
	assert_int_equal(truncate(path, (off_t)(MAX_AGENT_FILE + 1)), 0);
	refused("larger than 64 MiB");
}

/* 300 MiB of zeros are 300 KiB of zip. */
static void zip_bomb(void **state)
{
	static char room[1 << 20], zeros[1 << 20];
	struct archive *a = archive_write_new();
	struct archive_entry *e = archive_entry_new();
	size_t used = 0;

	(void)state;
	assert_int_equal(archive_write_set_format_zip(a), ARCHIVE_OK);
	assert_int_equal(archive_write_open_memory(a, room, sizeof(room), &used), ARCHIVE_OK);
	archive_entry_set_pathname(e, "zeros");
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_size(e, 300ll << 20);
	assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
	for (int i = 0; i < 300; i++)
		assert_int_equal(archive_write_data(a, zeros, sizeof(zeros)), sizeof(zeros));
	archive_entry_free(e);
	assert_int_equal(archive_write_free(a), ARCHIVE_OK);
	write_file(room, used);
	refused("inflates to more than 256 MiB");
}

static void attribute(const char *manifest, const char *name, const char *expected)
{
	auto_buf struct buf b = BUF_INIT(64);
	struct error err = {0};
	int rc = jar_manifest_get(manifest, strlen(manifest), name, &b, &err);

	assert_int_equal(rc, expected != NULL);
	assert_string_equal(buf_str(&b), expected ? expected : "");
}

static void manifests(void **state)
{
	auto_buf struct buf b = BUF_INIT(4);
	struct error err = {0};

	(void)state;
	attribute("A: 1\nB: 2", "B", "2");
	attribute("A: 1\rB: 2\r 3\r 4\r", "B", "234");
	attribute("A: 1\r\nB: 2\r\n", "a", "1");
	attribute("A: 1\n B: 3\n\nB: 2\n", "B", NULL);
	attribute("AB: 1\n", "A", NULL);
	attribute("A: \n", "A", NULL);
	assert_int_equal(jar_manifest_get("A: 12345\n", 9, "A", &b, &err), -1);
	assert_non_null(strstr(err.msg, "too long"));
	assert_int_equal(jar_manifest_get("A: 1\0\n", 6, "B", &b, &err), -1);
}

/* --- libraries ----------------------------------------------------------------------------- */

static void library(const char *source, const char *machine, const char *why)
{
	auto_free char *command =
		xasprintf("echo '%s' | cc -shared -fPIC -x c -o %s -", source, path);
	char *const argv[] = {(char[]){"sh"}, (char[]){"-c"}, command, NULL};
	const struct process_run compiler = {.what = "cc",
					     .program = "/bin/sh",
					     .argv = argv,
					     .envp = environ,
					     .timeout_ms = 60000};
	auto_buf struct buf none = BUF_INIT(1);
	struct buf b = BUF_INIT(0);
	struct error err = {0};
	char sha256[65];
	int rc;

	assert_int_equal(process_run(&compiler, &none, &err), 0);
	rc = agent_library_open(&b, sha256, path, machine, &err);
	if (why ? rc == 0 || !strstr(err.msg, why) : rc != 0)
		fail_msg("%d '%s'", rc, err.msg);
	if (rc == 0)
		buf_release(&b);
}

static const char *this_machine(void)
{
#ifdef __aarch64__
	return "aarch64";
#else
	return "x86_64";
#endif
}

static const char *other_machine(void)
{
	return strcmp(this_machine(), "x86_64") == 0 ? "aarch64" : "x86_64";
}

static void libraries(void **state)
{
	const char *agent =
		"int Agent_OnAttach(void *v, char *o, void *r) { return !v + !o + !r; }";

	(void)state;
	library(agent, this_machine(), NULL);
	library(agent, other_machine(), "for another machine");
	library(agent, "riscv64", "not known");
	library("int Agent_OnLoad(void) { return 0; }", this_machine(),
		"no function Agent_OnAttach");
	library("static int Agent_OnAttach(void) { return 0; } int (*x)(void) = Agent_OnAttach;",
		this_machine(), "no function Agent_OnAttach");
	library("int Agent_OnAttach(void); int x(void) { return Agent_OnAttach(); }",
		this_machine(), "no function Agent_OnAttach");
	library("int Agent_OnAttach;", this_machine(), "no function Agent_OnAttach");
}

static void cut_libraries(void **state)
{
	auto_buf struct buf b = BUF_INIT(0);
	struct error err = {0};
	char sha256[65];

	(void)state;
	library("int Agent_OnAttach(void) { return 0; }", this_machine(), NULL);
	assert_int_equal(agent_library_open(&b, sha256, path, this_machine(), &err), 0);
	for (size_t cut = 0; cut < b.len; cut += b.len / 50) {
		struct buf cut_one = BUF_INIT(0);

		write_file(b.data, cut);
		assert_int_equal(agent_library_open(&cut_one, sha256, path, this_machine(), &err),
				 -1);
		assert_int_equal(err.code, ERR_USAGE);
	}
	write_file("#!/bin/sh\necho hello, I am not a library but a script of some length\n", 70);
	assert_int_equal(agent_library_open(&b, sha256, path, this_machine(), &err), -1);
	assert_non_null(strstr(err.msg, "not an ELF file"));
}

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/agent.jar", directory);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_jar),	 cmocka_unit_test(jars_that_are_none),
		cmocka_unit_test(cut_jars),	 cmocka_unit_test(wrong_checksum),
		cmocka_unit_test(too_large),	 cmocka_unit_test(zip_bomb),
		cmocka_unit_test(manifests),	 cmocka_unit_test(libraries),
		cmocka_unit_test(cut_libraries),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
