/* jdiag: what a node says from the first byte on: noise, the greeting, frames. */
#include <stdint.h>

#include "jdiag/helper/connection.h"
#include "remote/base/log.h"
#include "tests/unit/fake_ssh.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char hello[] = "{\"min\":1,\"max\":1}";

static void talk(struct helper *h)
{
	struct helper_message m;
	struct error err = {0};
	uint32_t id;

	if (helper_request(h, "capture", NULL, &id, &err) < 0 ||
	    helper_request(h, "read", NULL, &id, &err) < 0)
		return;
	for (int i = 0; i < 200 && helper_next(h, 0, &m, &err) == 0; i++)
		if (m.kind == HELPER_DATA && (m.len == 0 || m.data[m.len - 1] == m.data[0]))
			(void)!helper_pump(h, &err);
		else if (m.kind == HELPER_PROGRESS &&
			 helper_send_data(h, id, (uint64_t)i * sizeof(hello), hello, sizeof(hello),
					  &err) < 0)
			return;
}

/* The first byte chooses: all of it from the node, or a good start and the frames by the fuzzer. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct helper_options o = {.start_timeout_ms = 50};
	auto_buf struct buf out = BUF_INIT(1024 * 1024);
	struct helper *h;
	struct error err;
	struct fake f;

	if (size < 1)
		return 0;
	log_level = -1;
	if (data[0] & 1) {
		buf_add(&out, wire_magic, WIRE_MAGIC_SIZE);
		frame_add(&out, FRAME_HELLO, 0, hello, sizeof(hello) - 1);
	}
	buf_add(&out, data + 1, size - 1);
	fake_init(&f, buf_str(&out), out.len);
	f.piece = data[0] >> 3;
	f.hold_out = true;
	f.expect_in = 3;
	if (helper_push(&h, &f.base, &o, "x86_64", "bin", 3, &err) == 0) {
		talk(h);
		helper_stop(h);
	}
	fake_release(&f);
	return 0;
}
