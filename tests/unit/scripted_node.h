/*
 * A node that answers by a script, with a helper's client connected to it: for the unit tests of
 * what asks a helper one thing.
 *
 *	struct buf b = script();
 *	say_data(&b, 0, "text");
 *	say_end(&b, 0, "text");
 *	node_start(&node, b);
 *	... node.helper ...
 *	node_stop(&node);
 */
#ifndef TESTS_UNIT_SCRIPTED_NODE_H
#define TESTS_UNIT_SCRIPTED_NODE_H

#include <stdio.h>
#include <string.h>

#include "jdiag/helper/connection.h"
#include "remote/base/sha256.h"
#include "tests/unit/fake_ssh.h"

#define SCRIPT_HELLO "{\"min\":1,\"max\":1}"

static const char script_image[8] = "\x7f"
				    "ELF";
static inline void say_to(struct buf *b, uint32_t request, enum frame_type type, const char *body)
{
	frame_add(b, type, request, body, strlen(body));
}

static inline void say_data(struct buf *b, uint32_t request, uint64_t offset, const char *text)
{
	unsigned char body[1000];

	wire_put_u64(body, offset);
	memcpy(body + 8, text, strlen(text));
	frame_add(b, FRAME_DATA, request, body, 8 + strlen(text));
}

static inline void say_end(struct buf *b, uint32_t request, int code, const char *text)
{
	char body[200], hex[SHA256_HEX_SIZE];
	struct sha256 *sha = sha256_new();

	sha256_add(sha, text, strlen(text));
	snprintf(body, sizeof(body), "{\"code\":%d,\"length\":%zu,\"sha256\":\"%s\"}", code,
		 strlen(text), sha256_hex(sha, hex));
	sha256_free(sha);
	say_to(b, request, FRAME_END, body);
}

struct node {
	struct fake fake;
	struct buf out;
	struct helper *helper;
};

static inline struct buf script(void)
{
	struct buf b = BUF_INIT(MiB);

	buf_add(&b, wire_magic, WIRE_MAGIC_SIZE);
	frame_add(&b, FRAME_HELLO, 0, SCRIPT_HELLO, strlen(SCRIPT_HELLO));
	return b;
}

static inline void node_start(struct node *n, struct buf b)
{
	const struct helper_options o = {.start_timeout_ms = 60000};
	struct error err = {0};

	n->out = b;
	fake_init(&n->fake, b.data, b.len);
	n->fake.hold_out = true;
	n->fake.expect_in = sizeof(script_image);
	if (helper_push(&n->helper, &n->fake.base, &o, "x86_64", script_image, sizeof(script_image),
			&err) < 0)
		fail_msg("%s", err.msg);
}

static inline void node_stop(struct node *n)
{
	helper_stop(n->helper);
	fake_release(&n->fake);
	buf_release(&n->out);
}

#endif
