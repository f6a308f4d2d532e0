#include "remote/ops.h"

#include <string.h>

static const struct op *const table[] = {
	&op_ps,	  &op_inspect, &op_begin,   &op_watch,	&op_fetch,
	&op_stop, &op_remove,  &op_spools,  &op_upload, &op_tidy,
	&op_ask,  &op_survey,  &op_connect, &op_place,	&op_unplace,
};

const struct op *ops_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (strcmp(table[i]->name, name) == 0)
			return table[i];
	return NULL;
}

void ops_names(struct jsonw *w, const char *name)
{
	jsonw_open(w, name, '[');
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		jsonw_string(w, NULL, table[i]->name);
	jsonw_close(w, ']');
}
