/* A helper, inside: what push.c starts and client.c talks to. */
#ifndef JDIAG_HELPER_CONNECTION_H
#define JDIAG_HELPER_CONNECTION_H

#include "jdiag/helper/helper.h"
#include "jdiag/ssh/ssh.h"
#include "remote/base/buf.h"
#include "remote/wire/frame.h"

#define STDERR_KEPT 4096 /* of what the node says on stderr, the last bytes */

struct helper {
	struct ssh_session *ssh; /* borrowed */
	struct ssh_channel *channel;
	struct frame_reader reader;
	char *in; /* owned, IN_SIZE bytes; the unread ones are in_pos to in_len */
	size_t in_pos, in_len;
	struct buf out; /* frames on their way; the unsent ones begin at out_pos */
	size_t out_pos;
	struct buf said;		  /* stderr, its end */
	struct buf said_line;		  /* the line that is not whole yet */
	uint64_t last_in, last_out;	  /* now_ms */
	uint64_t last_taken;		  /* ... the link took bytes, or had none to take */
	struct json_t *hello;		  /* owned */
	struct json_t *current;		  /* owned; of the message delivered last */
	uint32_t open[WIRE_MAX_REQUESTS]; /* 0: free */
	uint32_t last_id;
	bool lost; /* of no further use */
};

#define IN_SIZE (256 * 1024)

struct helper *helper_new(struct ssh_session *ssh, struct ssh_channel *channel);
void helper_free(struct helper *h);

/* Read what there is of stderr: keep its end, log its lines at -v. */
int helper_read_stderr(struct helper *h, struct error *err) must_check;

/* The last line (that is not one of the start script's own) of stderr, unescaped; free with free().
 * NULL when there is none. */
char *helper_last_words(const struct helper *h);

/* Put the end of stderr into the hint when it is more than the last words. Returns -1. */
int helper_hint_stderr(const struct helper *h, struct error *err);

/* Queue a frame and send what the link takes. */
int helper_send_frame(struct helper *h, enum frame_type type, uint32_t request, const char *body,
		      size_t len, struct error *err) must_check;

/* Wait until at most that many bytes of frames are still to be sent; what arrives is kept. When the
 * other end has closed they are forgotten: what it has said last is to be read. */
int helper_wait_sent(struct helper *h, size_t most, struct error *err) must_check;

/* The next frame: 1, 0 when there is none at the deadline (now_ms), -1. Pings are sent meanwhile.
 */
int helper_next_frame(struct helper *h, uint64_t deadline, struct frame *f,
		      struct error *err) must_check;

/* Give the connection up; err, which is filled already, gets a prefix. Returns -1. */
int helper_broken(struct helper *h, struct error *err);
int helper_check_usable(const struct helper *h, struct error *err) must_check;

/* After the magic: the helper's hello is awaited and answered. */
int helper_greet(struct helper *h, uint64_t deadline, struct error *err) must_check;

/* As helper_start, with any program instead of the embedded helper; `machine` as `uname -m` says.
 */
int helper_push(struct helper **ret, struct ssh_session *ssh, const struct helper_options *o,
		const char *machine, const void *image, size_t size, struct error *err) must_check;

#endif
