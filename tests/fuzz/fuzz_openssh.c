/* jdiag: what an ssh client says on stderr, a server's banner in it; messages of a master. */
#include <stdint.h>
#include <string.h>

#include "jdiag/ssh/openssh_mux.h"
#include "jdiag/ssh/openssh_words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' && *text != '\n')
			__builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mux_message m;
	char last[WORDS_LAST];
	struct words w;

	words_init(&w);
	words_take(&w, (const char *)data, size / 2);
	words_take(&w, (const char *)data + size / 2, size - size / 2);
	check_text(words_last(&w, last));
	check_text(w.detail);
	check_text(w.methods);
	check_text(w.key_type);
	check_text(w.fingerprint);
	for (size_t i = 0; i < w.n_offers; i++)
		check_text(w.offers[i].name);
	words_release(&w);
	if (mux_parse(data, size, &m))
		check_text(m.reason);
	return 0;
}
