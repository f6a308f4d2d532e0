/* Light work on the pods of one node, by several workers. */
#include <jansson.h>
#include <stdlib.h>

#include "jdiag/json.h"
#include "jdiag/select.h"

/* Pods that share the node's network share its ports: what one of them finds free another one may
 * take in the same moment. */
static bool is_movable(const struct selected *t, size_t node)
{
	return t->node == node && t->pod && !json_bool_at(t->pod, "spec.hostNetwork", false);
}

static size_t count_movable(const struct selection *s, size_t node)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += is_movable(&s->targets[i], node);
	return n;
}

static size_t add_again(struct selection *s, size_t node)
{
	s->nodes = xrealloc(s->nodes, (s->n_nodes + 1) * sizeof(*s->nodes));
	s->nodes[s->n_nodes] = s->nodes[node];
	json_incref(s->nodes[node].object);
	return s->n_nodes++;
}

/* One more connection for each SPREAD_MIN pods. */
static void spread_node(struct selection *s, size_t node, size_t most)
{
	size_t movable = count_movable(s, node), shares = 1 + movable / SPREAD_MIN, first, turn = 0;

	if (shares > most)
		shares = most;
	if (shares < 2 || s->nodes[node].error.code)
		return;
	first = s->n_nodes;
	for (size_t k = 1; k < shares; k++)
		add_again(s, node);
	for (size_t i = 0; i < s->n; i++)
		if (is_movable(&s->targets[i], node)) {
			size_t share = turn++ % shares;

			if (share)
				s->targets[i].node = first + share - 1;
		}
}

void selection_spread(struct selection *s, size_t most)
{
	size_t n = s->n_nodes;

	for (size_t i = 0; i < n; i++)
		spread_node(s, i, most);
}
