/* remote: what a JVM, or what says it is one, answers on its attach socket. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "remote/attach/hotspot.h"
#include "remote/base/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_buf struct buf raw = BUF_INIT(MAX_ATTACH_REPLY);
	uint64_t pause = 0, used = 0, capacity = 0;
	struct hotspot_reply reply;
	struct error err = {0};

	buf_add(&raw, data, size);
	if (hotspot_parse_reply(&raw, &reply, &err) == 0) {
		if (hotspot_check_dump(&reply, &pause, &err) == 0 && pause > 1000000000)
			abort();
		(void)hotspot_parse_heap_info(reply.text, &used, &capacity);
	}
	for (const char *p = err.msg; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			abort();
	(void)hotspot_parse_heap_info(buf_str(&raw), &used, &capacity);
	(void)hotspot_patches_dump(buf_str(&raw));
	return 0;
}
