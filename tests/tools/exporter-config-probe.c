/*
 * exporter-config-probe: what jdiag thinks of configurations of the exporter and of what is in
 *them. config VERSION FILE...	for each file, in one line: its base name, a tab, "ok" or why not
 *	regex | object-name	for each line of standard input: "ok N" (groups) or why not
 *	replacement REGEX	for each line of standard input
 * For comparing with the judge (tests/rig/java/ExporterJudge.java).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/exporter/config.h"
#include "jdiag/exporter/objectname.h"
#include "jdiag/exporter/regex.h"
#include "remote/base/buf.h"
#include "remote/base/limits.h"

static int check_file(const char *path, enum exporter_generation g, struct error *err)
{
	auto_buf struct buf b = BUF_INIT(4 * MiB);
	const char *slash = strrchr(path, '/');
	FILE *f = fopen(path, "r");
	char *room;
	int rc;

	if (!f)
		return error_set(err, ERR_FAILED, "no such file");
	room = buf_reserve(&b, 4 * MiB);
	b.len = room ? fread(room, 1, 4 * MiB, f) : 0;
	fclose(f);
	rc = exporter_config_check(buf_str(&b), b.len, slash ? slash + 1 : path, g, err);
	return rc;
}

static int configs(const char *version, char **files)
{
	enum exporter_generation g;
	struct error err = {0};

	if (exporter_generation(version, &g, &err) != 0) {
		fprintf(stderr, "%s\n", err.msg);
		return 2;
	}
	for (; *files; files++) {
		const char *slash = strrchr(*files, '/');

		err = (struct error){0};
		check_file(*files, g, &err);
		printf("%s\t%s%s%s\n", slash ? slash + 1 : *files, err.code ? err.msg : "ok",
		       err.hint[0] ? " / " : "", err.hint);
	}
	return 0;
}

static int lines(const char *mode, const char *regex)
{
	struct java_regex of = {0}, r = {0};
	struct error err = {0};
	size_t room = 0;
	char *line = NULL;
	ssize_t n;

	if (regex && java_regex_check(regex, strlen(regex), &of, &err) != 0)
		return 2;
	while ((n = getline(&line, &room, stdin)) > 0) {
		size_t len = (size_t)n - (line[n - 1] == '\n');
		int rc;

		if (regex)
			rc = java_replacement_check(line, len, &of, &err);
		else if (strcmp(mode, "regex") == 0)
			rc = java_regex_check(line, len, &r, &err);
		else
			rc = object_name_check(line, len, &err);
		if (rc == 0)
			printf("ok %u\n", r.groups);
		else
			printf("%s\n", err.msg);
	}
	free(line);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 3 && strcmp(argv[1], "config") == 0)
		return configs(argv[2], argv + 3);
	if (argc == 3 && strcmp(argv[1], "replacement") == 0)
		return lines(argv[1], argv[2]);
	if (argc == 2)
		return lines(argv[1], NULL);
	return 2;
}
