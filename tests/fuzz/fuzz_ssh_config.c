/* jdiag: what a program named ssh prints when it is asked for a configuration; and -J. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/ssh/config_fill.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What gets this far becomes an argument, a word of a shell's command or a message. */
static void check(const struct ssh_config *c)
{
	struct error err;

	if (ssh_check_name(c->host_name, "host", &err) < 0 ||
	    ssh_check_name(c->user, "user", &err) < 0 || c->port == 0 || c->n_jumps > SSH_MAX_JUMPS)
		__builtin_trap();
	for (size_t i = 0; i < c->n_jumps; i++)
		if (ssh_check_name(c->jumps[i].host, "host", &err) < 0)
			__builtin_trap();
	if (c->proxy_command && strpbrk(c->proxy_command, "\n\r\x1b"))
		__builtin_trap();
	if (!c->known_hosts[0])
		__builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ssh_options o = {.host = "web"};
	struct ssh_config c = {0}, jumps = {0};
	struct ssh_dump d = {0};
	struct error err;
	char *text = xstrndup((const char *)data, size);
	bool known;

	if (dump_parse(&d, (const char *)data, size, &err) == 0 &&
	    config_fill(&c, &o, &d, &err) == 0)
		check(&c);
	(void)!dump_option(&d, text, &known, &err);
	(void)!ssh_config_parse_jumps(text, &jumps.jumps, &jumps.n_jumps, &err);
	dump_release(&d);
	ssh_config_release(&c);
	ssh_config_release(&jumps);
	free(text);
	return 0;
}
