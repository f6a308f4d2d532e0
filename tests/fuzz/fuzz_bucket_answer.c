/* jdiag: what a bucket service answers. The first byte chooses the status, a NUL parts headers and
 * body. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/gcs/internal.h"
#include "remote/base/limits.h"

#define CANARY "canary-4711"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const long statuses[] = {200, 308, 400, 401, 403, 404, 412, 503};
	auto_cleanup(http_response_release) struct http_response r = {0};
	struct credentials user = {.kind = CRED_USER, .source = (char[]){"file"}};
	struct gcs g = {.token = {.cred = user,
				  .code = ERR_UPLOAD,
				  .value = {(char[]){CANARY}, sizeof(CANARY) - 1}}};
	struct error err = {0};
	uint64_t stored;
	const uint8_t *nul;

	if (!size)
		return 0;
	r.status = statuses[*data++ % ARRAY_SIZE(statuses)];
	size--;
	nul = memchr(data, 0, size);
	r.headers = BUF_INIT(64 * KiB);
	r.body = BUF_INIT(MAX_HTTP_BODY);
	buf_add(&r.headers, data, nul ? (size_t)(nul - data) : size);
	if (nul)
		buf_add(&r.body, nul + 1, size - (size_t)(nul - data) - 1);
	if (gcs_stored_bytes(&r, &stored) && stored > INT64_MAX)
		abort();
	if (gcs_check_object(&r, "o", 5, 7, &err) == 0 && !strstr(buf_str(&r.body), "size"))
		abort();
	if (gcs_answer_error(&g, &r, "cannot upload", "bucket", &err) != -1 || !*err.msg ||
	    strstr(err.msg, CANARY) || strstr(err.hint, CANARY))
		abort();
	return 0;
}
