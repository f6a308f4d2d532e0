/* remote */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "remote/attach/hotspot.h"
#include "remote/base/io.h"
#include "remote/base/limits.h"

static struct error err;

static void assert_request(const char *version, const char *command, const char *const *args,
			   size_t n, const char *bytes, size_t len)
{
	auto_buf struct buf b = BUF_INIT(HOTSPOT_MAX_REQUEST);

	assert_int_equal(hotspot_encode(&b, version, command, args, n, &err), 0);
	assert_int_equal(b.len, len);
	assert_memory_equal(b.data, bytes, len);
}

static void test_version_1(void **state)
{
	const char *two[] = {"/tmp/h", "-live"}, *three[] = {"a", "b", "c"};
	static const char dump[] = "1\0dumpheap\0/tmp/h\0-live\0";
	static const char all[] = "1\0jcmd\0a\0b\0c";
	static const char none[] = "1\0properties\0\0\0";

	(void)state;
	assert_request("17.0.1", "dumpheap", two, 2, dump, sizeof(dump));
	assert_request("26", "jcmd", three, 3, all, sizeof(all));
	assert_request("", "properties", NULL, 0, none, sizeof(none));
}

static void test_version_2(void **state)
{
	char big[HOTSPOT_V1_MAX_ARG + 2], want[HOTSPOT_V1_MAX_ARG + 32];
	const char *args[] = {"x", big};
	auto_buf struct buf b = BUF_INIT(HOTSPOT_MAX_REQUEST), small = BUF_INIT(100);
	size_t body = strlen("load") + 1 + 2 + sizeof(big);
	int head = snprintf(want, sizeof(want), "2%c%zu%cload%cx%c", 0, body, 0, 0, 0);

	(void)state;
	memset(big, 'a', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	memcpy(want + head, big, sizeof(big));
	assert_request("24.0.1", "load", args, 2, want, (size_t)head + sizeof(big));
	assert_int_equal(hotspot_encode(&b, "23.0.2", "load", args, 2, &err), -1);
	assert_int_equal(err.sys, E2BIG);
	assert_int_equal(err.code, ERR_ATTACH);
	assert_int_equal(hotspot_encode(&b, "", "load", args, 2, &err), -1);
	assert_int_equal(hotspot_encode(&small, "25", "load", args, 2, &err), -1);
	/* The longest that version 1 takes. */
	big[HOTSPOT_V1_MAX_ARG] = '\0';
	assert_int_equal(hotspot_encode(&b, "8", "load", args, 2, &err), 0);
	assert_int_equal(b.data[0], '1');
}

static int parse(const char *bytes, size_t len, struct hotspot_reply *ret)
{
	static struct buf b = {.max = 4096};

	buf_reset(&b);
	buf_add(&b, bytes, len);
	return hotspot_parse_reply(&b, ret, &err);
}

static void test_reply(void **state)
{
	static const char *const bad[] = {"",	  "\n",	  "-\n",       "x\n",	"0",   " 0\n",
					  "+1\n", "0x\n", "1234567\n", "--1\n", "0 \n"};
	struct hotspot_reply r;

	(void)state;
	assert_int_equal(parse("0\nHeap", 6, &r), 0);
	assert_int_equal(r.code, 0);
	assert_string_equal(r.text, "Heap");
	assert_int_equal(parse("-1\nOperation x not recognized!", 30, &r), 0);
	assert_int_equal(r.code, -1);
	assert_int_equal(parse("101\n", 4, &r), 0);
	assert_int_equal(r.code, 101);
	assert_string_equal(r.text, "");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(parse(bad[i], strlen(bad[i]), &r), -1);
		assert_int_equal(err.code, ERR_ATTACH);
	}
	/* What a hostile one says gets to nobody's terminal. */
	assert_int_equal(parse("\x1b]0;x\a\r", 8, &r), -1);
	for (const char *p = err.msg; *p; p++)
		assert_true((unsigned char)*p >= ' ');
}

static int check(int code, const char *text, uint64_t *pause)
{
	struct hotspot_reply r = {code, text};

	err = (struct error){0};
	return hotspot_check_dump(&r, pause, &err);
}

static void test_dump_reply(void **state)
{
	uint64_t pause = 7;

	(void)state;
	assert_int_equal(check(0, "Heap dump file created\n", &pause), 0); /* 8 */
	assert_int_equal(pause, 0);
	assert_int_equal(check(0,
			       "Dumping heap to /tmp/h ...\n"
			       "Heap dump file created [834095 bytes in 1.494 secs]\n",
			       &pause),
			 0);
	assert_int_equal(pause, 1494);
	assert_int_equal(check(0, "Heap dump file created [1 bytes in -1e300 secs]\n", &pause), 0);
	assert_int_equal(pause, 0);
	/* The code is 0 in all of these. */
	assert_int_equal(
		check(0, "Dumping heap to /x ...\nUnable to create /x: File exists\n", &pause), -1);
	assert_int_equal(err.code, ERR_CAPTURE);
	assert_non_null(strstr(err.msg, "File exists"));
	assert_int_equal(check(0, "Dump file is incomplete: No space left on device\n", &pause),
			 -1);
	assert_non_null(strstr(err.msg, "No space left"));
	assert_string_not_equal(err.hint, "");
	assert_int_equal(check(0, "", &pause), -1);
	assert_int_equal(check(0, "\n\n \n", &pause), -1);
	assert_int_equal(check(1, "Heap dump file created\n", &pause), -1);
}

static const struct {
	const char *file;
	uint64_t used, capacity;
} infos[] = {
	{"11-ConcMarkSweep", 19878 * KiB, 126720 * KiB},
	{"11-G1", 33792 * KiB, 131072 * KiB},
	{"11-Parallel", 19712 * KiB, 125952 * KiB},
	{"11-Shenandoah", 18176 * KiB, 131072 * KiB},
	{"11-Z", 36864 * KiB, 131072 * KiB},
	{"17-G1", 34330 * KiB, 131072 * KiB},
	{"17-Parallel", 19046 * KiB, 125952 * KiB},
	{"17-Serial", 19879 * KiB, 126720 * KiB},
	{"17-Shenandoah", 18176 * KiB, 131072 * KiB},
	{"17-Z", 36864 * KiB, 131072 * KiB},
	{"21-G1", 34825 * KiB, 131072 * KiB},
	{"21-GenZ", 38912 * KiB, 131072 * KiB},
	{"21-Parallel", 20786 * KiB, 125952 * KiB},
	{"21-Serial", 20952 * KiB, 126720 * KiB},
	{"21-Shenandoah", 18688 * KiB, 131072 * KiB},
	{"21-Z", 34816 * KiB, 131072 * KiB},
	{"25-G1", 35235 * KiB, 131072 * KiB},
	{"25-Parallel", 20202 * KiB, 125952 * KiB},
	{"25-Serial", 20335 * KiB, 126720 * KiB},
	{"25-Shenandoah", 18944 * KiB, 131072 * KiB},
	{"25-Z", 38912 * KiB, 131072 * KiB},
	{"26-G1", 34960 * KiB, 131072 * KiB},
	{"26-Parallel", 19549 * KiB, 125952 * KiB},
	{"26-Serial", 19648 * KiB, 126720 * KiB},
	{"26-Shenandoah", 22112 * KiB, 131072 * KiB},
	{"26-Z", 38912 * KiB, 131072 * KiB},
	{"8-ConcMarkSweep", 19180 * KiB, 126720 * KiB},
	{"8-G1", 16384 * KiB, 131072 * KiB},
	{"8-Parallel", 19047 * KiB, 125952 * KiB},
	{"8-Serial", 19180 * KiB, 126720 * KiB},
};

static void test_heap_info(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(infos); i++) {
		auto_buf struct buf b = BUF_INIT(64 * KiB);
		uint64_t used = 0, capacity = 0;
		char path[128];

		snprintf(path, sizeof(path), "tests/fixtures/heap_info/%s.txt", infos[i].file);
		assert_int_equal(io_read_file(-100 /* AT_FDCWD */, path, &b), 0);
		if (!hotspot_parse_heap_info(buf_str(&b), &used, &capacity) ||
		    used != infos[i].used || capacity != infos[i].capacity)
			fail_msg("%s: used %llu, capacity %llu", infos[i].file,
				 (unsigned long long)used, (unsigned long long)capacity);
	}
}

static void test_strange_heap_info(void **state)
{
	static const char *const bad[] = {
		"",
		"No such command\n",
		" Metaspace       used 1K, committed 1K, reserved 1K\n",
		"heap total 99999999999999999999999999K, used 1K\n",
		"heap total -1K, used 1K\n",
		"used\ntotal\n",
		"used total capacity committed\n",
	};
	uint64_t used = 1, capacity = 2;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(hotspot_parse_heap_info(bad[i], &used, &capacity));
	assert_int_equal(used, 1);
	assert_int_equal(capacity, 2);
}

static void test_patches(void **state)
{
	static const char *const yes[] = {"",	     "1.8.0_504", "8",	    "9.0.4", "10",     "11",
					  "11.0.13", "11.0.0",	  "13.0.2", "x",     "11.1.20"};
	static const char *const no[] = {"11.0.14", "11.0.33-ea", "14",	   "17.0.15",
					 "21",	    "25-ea",	  "26.0.2"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(yes); i++)
		assert_true(hotspot_patches_dump(yes[i]));
	for (size_t i = 0; i < ARRAY_SIZE(no); i++)
		assert_false(hotspot_patches_dump(no[i]));
}

static void test_release(void **state)
{
	(void)state;
	assert_int_equal(hotspot_release("1.8.0_504"), 8);
	assert_int_equal(hotspot_release("17.0.21.0.3"), 17);
	assert_int_equal(hotspot_release("25-ea"), 25);
	assert_int_equal(hotspot_release(""), 0);
	assert_int_equal(hotspot_release("x"), 0);
	assert_int_equal(hotspot_release("99999999999999999999"), 0);
}

/* As Debian's builds answer `VM.version`. */
static void test_parse_version(void **state)
{
	static const struct {
		const char *text, *version;
	} good[] = {
		{"OpenJDK 64-Bit Server VM version 25.504-b01\nJDK 8.0_504\n", "1.8.0_504"},
		{"OpenJDK 64-Bit Server VM version 11.0.33-ea+8-post-1-Debian\nJDK 11.0.33\n",
		 "11.0.33"},
		{"OpenJDK 64-Bit Server VM version 26.0.2.1+1-1-Debian\nJDK 26.0.2.1\n",
		 "26.0.2.1"},
	};
	static const char *const bad[] = {"", "JDK ", "JDK x", "\nJDK\n17", "a JDK 17", "JDK .1"};
	char version[64] = "untouched", small[6] = "";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(hotspot_parse_version(bad[i], version, sizeof(version)));
	assert_string_equal(version, "untouched");
	assert_false(hotspot_parse_version(good[1].text, small, sizeof(small)));
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_true(hotspot_parse_version(good[i].text, version, sizeof(version)));
		assert_string_equal(version, good[i].version);
	}
}

static void test_help(void **state)
{
	static const struct {
		const char *file;
		bool overwrite, parallel;
	} helps[] = {{"8", false, false},
		     {"11", true, false},
		     {"17", true, false},
		     {"21", true, false},
		     {"25", true, true}};
	char path[80];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(helps); i++) {
		auto_buf struct buf b = BUF_INIT(4096);

		snprintf(path, sizeof(path), "tests/fixtures/heap_dump_help/%s.txt", helps[i].file);
		assert_int_equal(io_read_file(AT_FDCWD, path, &b), 0);
		assert_true(hotspot_help_lists(buf_str(&b), "-all"));
		assert_int_equal(hotspot_help_lists(buf_str(&b), "-overwrite"), helps[i].overwrite);
		assert_int_equal(hotspot_help_lists(buf_str(&b), "-parallel"), helps[i].parallel);
	}
	assert_false(hotspot_help_lists("", "-all"));
	assert_false(hotspot_help_lists("\t-allow : x", "-all"));
	assert_false(hotspot_help_lists("not-all : x", "-all"));
}

static void test_cover_or_not(void **state)
{
	static const struct jvm quiet, listening = {.listening = true};

	(void)state;
	assert_true(hotspot_tmp_unwritable(&quiet, EROFS));
	assert_true(hotspot_tmp_unwritable(&quiet, EACCES));
	/* Full is not unwritable: the application's own files are there. */
	assert_false(hotspot_tmp_unwritable(&quiet, ENOSPC));
	assert_false(hotspot_tmp_unwritable(&quiet, EDQUOT));
	assert_false(hotspot_tmp_unwritable(&quiet, 0));
	assert_false(hotspot_tmp_unwritable(&listening, EACCES));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_version_1), cmocka_unit_test(test_version_2),
		cmocka_unit_test(test_reply),	  cmocka_unit_test(test_dump_reply),
		cmocka_unit_test(test_heap_info), cmocka_unit_test(test_strange_heap_info),
		cmocka_unit_test(test_patches),	  cmocka_unit_test(test_cover_or_not),
		cmocka_unit_test(test_release),	  cmocka_unit_test(test_parse_version),
		cmocka_unit_test(test_help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
