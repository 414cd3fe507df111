/* SPDX-License-Identifier: Apache-2.0 */
/* Segment sets: verification and printing, for tests and debug builds. */
#include "mm/segset_internal.h"

#include <inttypes.h>
#include <stdio.h>

struct check {
	const struct segset *set;
	uint64_t end; /* of the segment before */
	size_t count, nodes;
	int leaf_depth; /* -1: not known yet */
	bool good;
};

static void fault(struct check *c, const struct segset_node *n, int slot, const char *what)
{
	fprintf(stderr, "segset: %s at node %p slot %d\n", what, (const void *)n, slot);
	c->good = false;
}

static void check_seg(struct check *c, struct segset_node *n, int slot)
{
	struct range r = n->keys[slot];

	if (range_empty(r))
		fault(c, n, slot, "empty segment");
	if (r.start < c->end)
		fault(c, n, slot, "segments overlap or are out of order");
	if (c->set->ops->valid && !c->set->ops->valid(r, node_value(n, slot)))
		fault(c, n, slot, "invalid value");
	c->end = r.end;
	c->count++;
}

static void check_node(struct check *c, struct segset_node *n, int depth)
{
	c->nodes++;
	if (n->nr > NODE_MAX || n->nr < (n->parent ? NODE_MIN : 1)) {
		fault(c, n, n->nr, "bad fill");
		return;
	}
	if (n->ops != c->set->ops)
		fault(c, n, 0, "foreign node");
	if (n->leaf && c->leaf_depth < 0)
		c->leaf_depth = depth;
	if (n->leaf && c->leaf_depth != depth)
		fault(c, n, 0, "leaves at different depths");
	for (int i = 0; i <= n->nr; i++) {
		if (!n->leaf) {
			if (n->children[i]->parent != n || n->children[i]->parent_slot != i)
				fault(c, n, i, "bad parent link");
			check_node(c, n->children[i], depth + 1);
		}
		if (i < n->nr)
			check_seg(c, n, i);
	}
	if (n->max_gap != node_compute_gap(n))
		fault(c, n, 0, "wrong cached gap");
}

bool segset_check(const struct segset *s)
{
	struct check c = { .set = s, .leaf_depth = -1, .good = true };
	size_t pooled = 0;

	if (s->root && s->root->parent)
		fault(&c, s->root, 0, "root has a parent");
	if (s->root)
		check_node(&c, s->root, 0);
	if (c.count != s->count)
		fault(&c, s->root, 0, "wrong count");
	if (c.nodes != s->nodes)
		fault(&c, s->root, 0, "wrong count of nodes");
	for (struct segset_node *n = s->pool; n; n = n->parent)
		pooled++;
	if (pooled != s->pool_count)
		fault(&c, s->pool, 0, "wrong pool count");
	return c.good;
}

static void dump_node(const struct segset *s, struct segset_node *n, int depth)
{
	for (int i = 0; i <= n->nr; i++) {
		char text[256] = "";

		if (!n->leaf)
			dump_node(s, n->children[i], depth + 1);
		if (i == n->nr)
			break;
		if (s->ops->print)
			s->ops->print(node_value(n, i), text, sizeof(text));
		fprintf(stderr, "%*s[%#" PRIx64 ", %#" PRIx64 ") %s\n", 2 * depth, "", n->keys[i].start,
			n->keys[i].end, text);
	}
}

void segset_dump(const struct segset *s)
{
	fprintf(stderr, "segset %p: %zu segments\n", (const void *)s, s->count);
	if (s->root)
		dump_node(s, s->root, 0);
}
