#include "jdiag/classes.h"

#include <stdlib.h>
#include <string.h>

#include "jdiag/idmap.h"
#include "remote/base/buf.h"
#include "remote/base/limits.h"

/* A name of few bytes takes more room in the map than in the texts. */
#define MAX_NAMES (4 * MAX_HPROF_CLASSES)

struct klass {
	uint64_t id, super_id;
	struct shallow_fields fields;
	struct shallow_arrays *arrays; /* owned; NULL: no array was seen */
	uint64_t instances;
	struct shallow_distance distance;
	uint64_t end; /* of the fields; 0: not computed yet */
	char *name;   /* owned; Java's form */
};

enum object_kind { OBJECT_NONE, OBJECT_INSTANCE, OBJECT_REFERENCES, OBJECT_PRIMITIVES };

struct class_table {
	struct hprof_visitor visitor;
	struct idmap names, ids; /* offset in texts; index of all */
	struct buf texts;	 /* u16 length, text */
	struct klass *all;	 /* owned; [0] is for those of no known class */
	uint32_t n, cap, dumped;
	bool too_many;
	struct shallow_arrays primitives[HPROF_LONG + 1];
	uint64_t n_primitives[HPROF_LONG + 1];
	struct klass *fields_of; /* the class that was dumped last */

	/* The object before, whose size its distance to the next one may tell. */
	enum object_kind kind;
	uint64_t last_id;
	uint32_t last_class, last_length;
	unsigned int last_type;

	struct shallow_evidence evidence;
	struct shallow_rule rule;
	struct class_row *rows; /* owned */
	uint64_t *sorted;	/* owned; identifiers of the classes, at the end */
};

/* ---- names and classes ---- */

static struct klass *add_class(struct class_table *t, uint64_t id)
{
	if (t->n == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 1024;
		t->all = xrealloc(t->all, t->cap * sizeof(*t->all));
	}
	t->all[t->n] = (struct klass){.id = id};
	return &t->all[t->n++];
}

static struct klass *get_class(struct class_table *t, uint64_t id)
{
	uint32_t i;

	if (idmap_get(&t->ids, id, &i))
		return &t->all[i];
	if (t->n > MAX_HPROF_CLASSES) {
		t->too_many = true;
		return &t->all[0];
	}
	idmap_put(&t->ids, id, t->n);
	return add_class(t, id);
}

/* Descriptors of methods are a third of all symbols. */
static void see_utf8(void *ctx, uint64_t id, const char *text, size_t len)
{
	struct class_table *t = ctx;
	uint16_t size = (uint16_t)len;
	uint32_t at = (uint32_t)t->texts.len;

	if (!len || text[0] == '(' || t->names.used >= MAX_NAMES ||
	    t->texts.len + sizeof(size) + len > t->texts.max)
		return;
	if (!idmap_put(&t->names, id, at))
		return;
	buf_add(&t->texts, &size, sizeof(size));
	buf_add(&t->texts, text, len);
}

static void see_load_class(void *ctx, uint64_t class_id, uint64_t name_id)
{
	struct class_table *t = ctx;
	struct klass *k = get_class(t, class_id);
	uint32_t at;
	uint16_t len;

	if (k == t->all || k->name || !idmap_get(&t->names, name_id, &at))
		return;
	memcpy(&len, t->texts.data + at, sizeof(len));
	k->name = class_java_name(t->texts.data + at + sizeof(len), len);
}

static void see_class_dump(void *ctx, uint64_t class_id, uint64_t super_id, uint32_t size)
{
	struct class_table *t = ctx;

	(void)size; /* as the dump counts */
	t->fields_of = get_class(t, class_id);
	t->fields_of->super_id = super_id;
	t->fields_of->fields = (struct shallow_fields){0};
	t->dumped++;
}

static void see_field(void *ctx, uint64_t name_id, unsigned int type)
{
	struct class_table *t = ctx;
	struct shallow_fields *f = &t->fields_of->fields;

	(void)name_id;
	if (type == HPROF_OBJECT) {
		f->references++;
		return;
	}
	switch (hprof_type_size(type, 0)) {
	case 1:
		f->n1++;
		break;
	case 2:
		f->n2++;
		break;
	case 4:
		f->n4++;
		break;
	default:
		f->n8++;
		break;
	}
}

/* ---- objects ---- */

/* The object before ends at the next one's address at the latest. */
static void end_last(struct class_table *t, uint64_t next_id)
{
	uint64_t distance = next_id - t->last_id;
	struct klass *k = &t->all[t->last_class];

	if (next_id <= t->last_id)
		return;
	if (t->kind == OBJECT_INSTANCE)
		shallow_see_instance(&k->distance, t->last_id, distance);
	else if (t->kind == OBJECT_REFERENCES)
		shallow_see_references(&t->evidence, t->last_length, distance);
	else if (t->kind == OBJECT_PRIMITIVES)
		shallow_see_primitives(&t->evidence, t->last_length,
				       hprof_type_size(t->last_type, 0), distance);
}

static void begin_object(struct class_table *t, enum object_kind kind, uint64_t id)
{
	end_last(t, id);
	shallow_see_object(&t->evidence, id, t->last_id);
	t->kind = kind;
	t->last_id = id;
}

/* Its place in all; 0: not known. Nearly always the same class comes again. */
static uint32_t class_of(struct class_table *t, uint64_t class_id)
{
	uint32_t i;

	if (t->last_class && t->all[t->last_class].id == class_id)
		return t->last_class;
	return idmap_get(&t->ids, class_id, &i) ? i : 0;
}

static void see_instance(void *ctx, uint64_t id, uint64_t class_id, uint32_t size)
{
	struct class_table *t = ctx;

	(void)size;
	begin_object(t, OBJECT_INSTANCE, id);
	t->last_class = class_of(t, class_id);
	t->all[t->last_class].instances++;
}

static void see_object_array(void *ctx, uint64_t id, uint64_t class_id, uint32_t length)
{
	struct class_table *t = ctx;
	struct klass *k;

	begin_object(t, OBJECT_REFERENCES, id);
	t->last_length = length;
	t->last_class = class_of(t, class_id);
	k = &t->all[t->last_class];
	if (!k->arrays)
		k->arrays = xcalloc(1, sizeof(*k->arrays));
	k->arrays->lengths += length;
	k->arrays->residues[length % SHALLOW_RESIDUES]++;
	k->instances++;
}

static void see_primitive_array(void *ctx, uint64_t id, unsigned int type, uint32_t length)
{
	struct class_table *t = ctx;

	begin_object(t, OBJECT_PRIMITIVES, id);
	t->last_type = type;
	t->last_length = length;
	t->n_primitives[type]++;
	t->primitives[type].lengths += length;
	t->primitives[type].residues[length % SHALLOW_RESIDUES]++;
}

struct class_table *class_table_new(void)
{
	struct class_table *t = xcalloc(1, sizeof(*t));

	t->texts = BUF_INIT(MAX_HPROF_NAMES);
	add_class(t, 0);
	t->all[0].name = xstrdup("unknown");
	t->fields_of = t->all;
	t->visitor = (struct hprof_visitor){
		.ctx = t,
		.utf8 = see_utf8,
		.load_class = see_load_class,
		.class_dump = see_class_dump,
		.field = see_field,
		.instance = see_instance,
		.object_array = see_object_array,
		.primitive_array = see_primitive_array,
	};
	return t;
}

void class_table_free(struct class_table *t)
{
	if (!t)
		return;
	for (uint32_t i = 0; i < t->n; i++) {
		free(t->all[i].arrays);
		free(t->all[i].name);
	}
	free(t->all);
	free(t->rows);
	free(t->sorted);
	buf_release(&t->texts);
	idmap_release(&t->names);
	idmap_release(&t->ids);
	free(t);
}

const struct hprof_visitor *class_table_visitor(struct class_table *t)
{
	return &t->visitor;
}

/* ---- the result ---- */

static const char *const primitive_names[HPROF_LONG + 1] = {
	[HPROF_BOOLEAN] = "boolean[]", [HPROF_CHAR] = "char[]", [HPROF_FLOAT] = "float[]",
	[HPROF_DOUBLE] = "double[]",   [HPROF_BYTE] = "byte[]", [HPROF_SHORT] = "short[]",
	[HPROF_INT] = "int[]",	       [HPROF_LONG] = "long[]",
};

static int by_id(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Objects of java.lang.Class are not dumped in their place: a distance may have one in it. */
static void sort_ids(struct class_table *t)
{
	t->sorted = xcalloc(t->n, sizeof(*t->sorted));
	for (uint32_t i = 0; i < t->n; i++)
		t->sorted[i] = t->all[i].id;
	qsort(t->sorted, t->n, sizeof(*t->sorted), by_id);
}

static bool class_within(const struct class_table *t, uint64_t from, uint64_t len)
{
	uint32_t low = 0, high = t->n;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (t->sorted[middle] <= from)
			low = middle + 1;
		else
			high = middle;
	}
	return low < t->n && t->sorted[low] - from < len;
}

/* Where the fields of a class end. Depth is bounded, against classes that are their own super
 * class. */
static uint64_t end_of(struct class_table *t, struct klass *k, unsigned int depth)
{
	uint64_t super_end = 0;
	uint32_t i;

	if (k->end)
		return k->end;
	if (k->super_id && depth && idmap_get(&t->ids, k->super_id, &i))
		super_end = end_of(t, &t->all[i], depth - 1);
	k->end = shallow_layout(&t->rule, super_end, &k->fields, &k->distance,
				shallow_in_order(&t->evidence) &&
					!class_within(t, k->distance.id, k->distance.least));
	return k->end;
}

static void fill_row(struct class_table *t, struct klass *k, struct class_row *row)
{
	if (!k->name)
		k->name = xasprintf("class@0x%llx", (unsigned long long)k->id);
	row->name = k->name;
	row->instances = k->instances;
	if (k->arrays) {
		row->bytes = shallow_array_bytes(&t->rule, k->arrays, t->rule.reference);
	} else {
		row->size = shallow_instance(&t->rule, end_of(t, k, 256));
		row->bytes = row->size * k->instances;
	}
}

static int by_bytes(const void *a, const void *b)
{
	const struct class_row *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return strcmp(x->name, y->name);
}

/* The objects of java.lang.Class are dumped as CLASS_DUMPs. */
static void count_classes(struct class_table *t)
{
	for (uint32_t i = 1; i < t->n; i++)
		if (t->all[i].name && !strcmp(t->all[i].name, "java.lang.Class"))
			t->all[i].instances += t->dumped;
}

int class_table_finish(struct class_table *t, unsigned int id_size, const struct class_row **ret,
		       size_t *ret_n, struct error *err)
{
	size_t n = 0;

	if (t->too_many)
		return error_set(err, ERR_CAPTURE, "heap dump: more than %lu classes",
				 MAX_HPROF_CLASSES);
	t->rule = shallow_rule(&t->evidence, id_size);
	count_classes(t);
	sort_ids(t);
	t->rows = xcalloc(t->n + HPROF_LONG + 1, sizeof(*t->rows));
	for (uint32_t i = 0; i < t->n; i++)
		if (t->all[i].instances)
			fill_row(t, &t->all[i], &t->rows[n++]);
	for (unsigned int type = HPROF_BOOLEAN; type <= HPROF_LONG; type++) {
		if (!t->n_primitives[type])
			continue;
		t->rows[n++] =
			(struct class_row){primitive_names[type], t->n_primitives[type],
					   shallow_array_bytes(&t->rule, &t->primitives[type],
							       hprof_type_size(type, id_size)),
					   0};
	}
	qsort(t->rows, n, sizeof(*t->rows), by_bytes);
	*ret = t->rows;
	*ret_n = n;
	return 0;
}

const struct shallow_rule *class_table_rule(const struct class_table *t)
{
	return &t->rule;
}

/* ---- names as Java writes them ---- */

static const char *primitive_name(char letter)
{
	static const char letters[] = "ZCFDBSIJ";
	const char *at = letter ? strchr(letters, letter) : NULL;

	return at ? primitive_names[HPROF_BOOLEAN + (at - letters)] : NULL;
}

/* Hidden classes are "Name+0x1234" in the symbol (before 15 "Name/1234") and "Name/0x1234"
 * everywhere else. */
static void use_dots(char *name)
{
	char *plus = strrchr(name, '+'), *slash = strrchr(name, '/');

	for (char *p = name; *p; p++)
		if (*p == '/' && (p != slash || p[1] < '0' || p[1] > '9'))
			*p = '.';
	if (plus && !strncmp(plus, "+0x", 3) && plus[3] &&
	    strspn(plus + 3, "0123456789abcdefABCDEF") == strlen(plus + 3))
		*plus = '/';
}

char *class_java_name(const char *name, size_t len)
{
	auto_buf struct buf b = BUF_INIT(MAX_HPROF_TEXT * 4);
	size_t depth = 0;
	char *java;

	while (depth < len && depth < 255 && name[depth] == '[')
		depth++;
	name += depth;
	len -= depth;
	if (depth && len == 1 && primitive_name(name[0])) {
		const char *array = primitive_name(name[0]);

		buf_add(&b, array, strlen(array) - 2);
	} else {
		if (depth && len > 2 && name[0] == 'L' && name[len - 1] == ';') {
			name++;
			len -= 2;
		}
		buf_add(&b, name, len);
	}
	while (depth--)
		buf_adds(&b, "[]");
	java = xstrdup(buf_str(&b)); /* ends at a NUL, if there is one */
	use_dots(java);
	return java;
}
