/* What `begin` asks for (PROTOCOL.md section 4). */
#ifndef REMOTE_CAPTURE_REQUEST_H
#define REMOTE_CAPTURE_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "remote/base/error.h"
#include "remote/codec/codec.h"
#include "remote/hprof/parser.h"
#include "remote/spool/state.h"
#include "remote/wire/json.h"

struct capture_request {
	char id[SPOOL_ID_SIZE];
	char strategy[32], dir[256], owner[128];
	char *label; /* owned */
	bool live, spool, sync;
	enum codec codec;
	enum hprof_redact redact;
	unsigned int parallel; /* 0: by the CPUs */
	unsigned int percent;
	uint64_t buffer, expected;
	uint64_t deadline; /* ms; 0: none */
	uint64_t ttl;	   /* seconds */
};

/* All of it but the target. ERR_USAGE for what a user can write wrong. */
int capture_request_parse(const struct jsonr *params, struct capture_request *ret,
			  struct error *err) must_check;
void capture_request_release(struct capture_request *r);

#endif
