#include "jdiag/crypto/crypto.h"

static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void base64_encode(struct buf *out, const void *data, size_t len, bool url_safe_unpadded)
{
	const char *digits = url_safe_unpadded ? url_safe : standard;
	const unsigned char *p = data;

	for (size_t i = 0; i < len; i += 3) {
		size_t n = len - i < 3 ? len - i : 3;
		uint32_t v = (uint32_t)p[i] << 16 | (n > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
			     (n > 2 ? (uint32_t)p[i + 2] : 0);
		char group[4] = {digits[v >> 18], digits[v >> 12 & 63],
				 n > 1 ? digits[v >> 6 & 63] : '=', n > 2 ? digits[v & 63] : '='};

		buf_add(out, group, url_safe_unpadded ? n + 1 : 4);
	}
}

static int digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* One group of 4 digits of which the last `pads` are '='. The bits that no byte uses must be zero:
 * one value has one spelling. */
static bool add_group(struct buf *out, uint32_t v, int pads)
{
	const unsigned char bytes[3] = {(unsigned char)(v >> 16), (unsigned char)(v >> 8),
					(unsigned char)v};

	if ((pads == 1 && bytes[2]) || (pads == 2 && (bytes[1] || bytes[2])))
		return false;
	buf_add(out, bytes, (size_t)(3 - pads));
	return !out->overflow;
}

bool base64_decode(struct buf *out, const char *text, size_t len)
{
	uint32_t v = 0;
	int digits = 0, pads = 0;

	for (size_t i = 0; i < len; i++) {
		int d;

		if (is_blank(text[i]))
			continue;
		if (text[i] == '=') {
			if (digits < 2 || ++pads > 2)
				return false;
			d = 0;
		} else if (pads || (d = digit(text[i])) < 0) {
			return false;
		}
		v = v << 6 | (uint32_t)d;
		if (++digits < 4)
			continue;
		if (!add_group(out, v, pads))
			return false;
		v = 0;
		digits = 0;
	}
	return digits == 0;
}
