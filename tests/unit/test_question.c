/* jdiag */
/* A question at a terminal: what keeps alive meanwhile, and which answers count. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <pty.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jdiag/question.h"

struct person {
	int master, slave, kept; /* the real standard input, to put back */
	unsigned int ticks, patience;
	const char *answer;
};

static void person_sits_down(struct person *p, const char *answer, unsigned int patience)
{
	*p = (struct person){.answer = answer, .patience = patience};
	assert_int_equal(openpty(&p->master, &p->slave, NULL, NULL, NULL), 0);
	p->kept = dup(STDIN_FILENO);
	assert_int_equal(dup2(p->slave, STDIN_FILENO), STDIN_FILENO);
}

static void person_leaves(struct person *p)
{
	dup2(p->kept, STDIN_FILENO);
	close(p->kept);
	close(p->master);
	close(p->slave);
}

/* Thinks for some ticks, then types. Without an answer: the line is cut. */
static int think(void *ctx, struct error *err)
{
	struct person *p = ctx;

	if (++p->ticks < p->patience)
		return 0;
	if (!p->answer)
		return error_set(err, ERR_SSH, "the connection is lost");
	if (write(p->master, p->answer, strlen(p->answer)) < 0)
		abort();
	return 0;
}

static int ask(const char *answer, unsigned int patience, unsigned int *ret_ticks,
	       struct error *err)
{
	struct person p;
	int rc;

	person_sits_down(&p, answer, patience);
	rc = question_ask("", think, &p, err);
	*ret_ticks = p.ticks;
	person_leaves(&p);
	return rc;
}

static void the_line_is_held_while_a_person_thinks(void **state)
{
	struct error e = {0};
	unsigned int ticks;

	(void)state;
	assert_int_equal(ask("y\n", 4, &ticks, &e), 1);
	assert_int_equal(ticks, 4);
}

static void only_yes_is_yes(void **state)
{
	static const struct {
		const char *typed;
		int want;
	} cases[] = {{"Y\n", 1},  {"yes\n", 1},	 {"\n", 0},   {"n\n", 0},
		     {"\x04", 0}, {"no y\n", 0}, {" y\n", 0}, {"j\n", 0}};
	struct error e = {0};
	unsigned int ticks;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(ask(cases[i].typed, 1, &ticks, &e), cases[i].want);
}

static void a_lost_connection_ends_it(void **state)
{
	struct error e = {0};
	unsigned int ticks;

	(void)state;
	assert_int_equal(ask(NULL, 2, &ticks, &e), -1);
	assert_int_equal(e.code, ERR_SSH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_line_is_held_while_a_person_thinks),
		cmocka_unit_test(only_yes_is_yes),
		cmocka_unit_test(a_lost_connection_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
