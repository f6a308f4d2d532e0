/* unplace: remove what `place` put into the container. */
#include "remote/base/limits.h"
#include "remote/ops.h"
#include "remote/place/place.h"
#include "remote/target.h"

static int start(struct helper_state *h, struct op_request *r, struct error *err)
{
	auto_target struct target target = TARGET_INIT;
	auto_buf struct buf b = BUF_INIT(MAX_FRAME_JSON);
	char path[PLACE_PATH_SIZE] = "", begin[PLACE_NAME_SIZE] = "", name[PLACE_NAME_SIZE];
	struct jsonw w = {.b = &b};

	if (jsonr_string(&r->params, "path", path, sizeof(path), err) < 0 ||
	    jsonr_string(&r->params, "begin", begin, sizeof(begin), err) < 0 ||
	    target_open(&target, &h->proc, &r->params, err) < 0 ||
	    place_remove(&target, path, begin, name, err) < 0)
		return -1;
	jsonw_open(&w, NULL, '{');
	jsonw_bool(&w, "removed", *name != '\0');
	if (*begin)
		jsonw_string(&w, "name", name);
	jsonw_close(&w, '}');
	conn_send_json(h->conn, FRAME_RESULT, r->id, &b);
	return 1;
}

const struct op op_unplace = {.name = "unplace", .start = start};
