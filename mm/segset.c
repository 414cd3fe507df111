/* SPDX-License-Identifier: Apache-2.0 */
/* Segment sets: lookup and iteration.
 *
 * Theory of operation. A set is a B-tree that keeps segments in inner nodes as well as in leaves. Between any two neighbouring
 * segments at least one lies in a leaf, or the gap between them does: every gap has exactly one home, a (leaf, slot) pair, which is also the
 * insertion point for a segment in it. So an inner segment's gaps are at the edges of the subtrees beside it.
 *
 *          [ 40-50 ]                 gap before 40-50: (left leaf, slot 2)
 *         /         \                gap after it:     (right leaf, slot 0)
 *   [ 0-10 20-30 ]  [ 60-70 ]
 *
 * Each node caches the largest gap below it, hence the search for room of a given size skips whole subtrees. Nodes know
 * their parents, hence an iterator is a (node, slot) pair and needs no stack.
 *
 * segset_node.c changes the tree's shape, segset_change.c gives the operations in terms of values, segset_check.c verifies.
 *
 * Invariants, which segset_check() walks: keys increase and do not overlap; all leaves have one depth; every node but the root
 * has at least NODE_MIN segments; parent, parent_slot and max_gap are true of every node; an empty set has no root.
 */
#include "mm/segset_internal.h"

#include <assert.h>

void segset_init(struct segset *s, const struct segset_ops *ops)
{
	assert(ops->value_size <= VALUE_MAX);
	*s = (struct segset){ .ops = ops };
}

bool segset_empty(const struct segset *s)
{
	return !s->root;
}

uint64_t segset_span(const struct segset *s)
{
	uint64_t sum = 0;

	for (struct seg g = segset_first(s); seg_ok(g); g = seg_next(g))
		sum += range_len(seg_range(g));
	return sum;
}

uint64_t segset_span_range(const struct segset *s, struct range r)
{
	uint64_t sum = 0;

	for (struct seg g = segset_lower_bound(s, r.start); seg_ok(g) && seg_start(g) < r.end; g = seg_next(g))
		sum += range_len(range_intersect(seg_range(g), r));
	return sum;
}

struct seg segset_first(const struct segset *s)
{
	return (struct seg){ s->root ? node_first_leaf(s->root) : NULL, 0 };
}

struct seg segset_last(const struct segset *s)
{
	struct segset_node *n = s->root ? node_last_leaf(s->root) : NULL;

	return (struct seg){ n, n ? n->nr - 1 : 0 };
}

struct seg segset_lower_bound(const struct segset *s, uint64_t x)
{
	struct seg best = { NULL, 0 };

	for (struct segset_node *n = s->root; n;) {
		int i = 0;

		while (i < n->nr && n->keys[i].end <= x)
			i++;
		if (i < n->nr) {
			best = (struct seg){ n, i };
			if (n->keys[i].start <= x)
				break;
		}
		n = n->leaf ? NULL : n->children[i];
	}
	return best;
}

struct seg segset_upper_bound(const struct segset *s, uint64_t x)
{
	struct seg best = { NULL, 0 };

	for (struct segset_node *n = s->root; n;) {
		int i = n->nr;

		while (i > 0 && n->keys[i - 1].start > x)
			i--;
		if (i > 0) {
			best = (struct seg){ n, i - 1 };
			if (n->keys[i - 1].end > x)
				break;
		}
		n = n->leaf ? NULL : n->children[i];
	}
	return best;
}

struct seg segset_find(const struct segset *s, uint64_t x)
{
	struct seg g = segset_lower_bound(s, x);

	return seg_ok(g) && seg_start(g) <= x ? g : (struct seg){ NULL, 0 };
}

struct seg segset_find_or_seek_back(const struct segset *s, struct seg hint, uint64_t x)
{
	struct seg g;

	if (!seg_ok(hint))
		return segset_lower_bound(s, x);
	if (seg_end(hint) <= x) {
		g = seg_next(hint);
		return !seg_ok(g) || seg_end(g) > x ? g : segset_lower_bound(s, x);
	}
	if (seg_start(hint) <= x)
		return hint;
	g = seg_prev(hint);
	if (!seg_ok(g) || seg_end(g) <= x)
		return hint;
	return seg_start(g) <= x ? g : segset_lower_bound(s, x);
}

struct seg seg_next(struct seg g)
{
	struct segset_node *n = g.node;

	if (!n->leaf)
		return (struct seg){ node_first_leaf(n->children[g.slot + 1]), 0 };
	if (g.slot + 1 < n->nr)
		return (struct seg){ n, g.slot + 1 };
	while (n->parent && n->parent_slot == n->parent->nr)
		n = n->parent;
	return (struct seg){ n->parent, n->parent ? n->parent_slot : 0 };
}

struct seg seg_prev(struct seg g)
{
	struct segset_node *n = g.node;

	if (!n->leaf) {
		n = node_last_leaf(n->children[g.slot]);
		return (struct seg){ n, n->nr - 1 };
	}
	if (g.slot > 0)
		return (struct seg){ n, g.slot - 1 };
	while (n->parent && n->parent_slot == 0)
		n = n->parent;
	return (struct seg){ n->parent, n->parent ? n->parent_slot - 1 : 0 };
}

struct range seg_range(struct seg g)
{
	return g.node->keys[g.slot];
}

void *seg_value(struct seg g)
{
	return node_value(g.node, g.slot);
}

void seg_set_start(struct seg g, uint64_t start)
{
	assert(start < seg_end(g));
	assert(!seg_ok(seg_prev(g)) || seg_end(seg_prev(g)) <= start);
	g.node->keys[g.slot].start = start;
	node_update_gaps(seg_prev_gap(g).node);
}

void seg_set_end(struct seg g, uint64_t end)
{
	assert(end > seg_start(g));
	assert(!seg_ok(seg_next(g)) || seg_start(seg_next(g)) >= end);
	g.node->keys[g.slot].end = end;
	node_update_gaps(seg_next_gap(g).node);
}

/* --- gaps --- */

struct gap seg_prev_gap(struct seg g)
{
	struct segset_node *n = g.node;

	if (n->leaf)
		return (struct gap){ n, g.slot };
	n = node_last_leaf(n->children[g.slot]);
	return (struct gap){ n, n->nr };
}

struct gap seg_next_gap(struct seg g)
{
	if (g.node->leaf)
		return (struct gap){ g.node, g.slot + 1 };
	return (struct gap){ node_first_leaf(g.node->children[g.slot + 1]), 0 };
}

struct gap segset_first_gap(const struct segset *s)
{
	return (struct gap){ s->root ? node_first_leaf(s->root) : NULL, 0 };
}

struct gap segset_last_gap(const struct segset *s)
{
	struct segset_node *n = s->root ? node_last_leaf(s->root) : NULL;

	return (struct gap){ n, n ? n->nr : 0 };
}

struct gap segset_find_gap(const struct segset *s, uint64_t x, bool *ok)
{
	struct segset_node *n = s->root;

	*ok = true;
	while (n) {
		int i = 0;

		while (i < n->nr && n->keys[i].end <= x)
			i++;
		if (i < n->nr && n->keys[i].start <= x) {
			*ok = false;
			break;
		}
		if (n->leaf)
			return (struct gap){ n, i };
		n = n->children[i];
	}
	return (struct gap){ NULL, 0 };
}

struct seg gap_prev_seg(const struct segset *s, struct gap p)
{
	(void)s;
	if (!p.node)
		return (struct seg){ NULL, 0 };
	return p.slot > 0 ? (struct seg){ p.node, p.slot - 1 } : seg_prev((struct seg){ p.node, 0 });
}

struct seg gap_next_seg(const struct segset *s, struct gap p)
{
	(void)s;
	if (!p.node)
		return (struct seg){ NULL, 0 };
	return p.slot < p.node->nr ? (struct seg){ p.node, p.slot } : seg_next((struct seg){ p.node, p.slot - 1 });
}

struct range gap_range(const struct segset *s, struct gap p)
{
	(void)s;
	return p.node ? node_gap(p.node, p.slot) : range_make(0, UINT64_MAX);
}

/* The first or last gap of at least size bytes below n, which has one. */
static struct gap descend(struct segset_node *n, uint64_t size, bool up)
{
	while (!n->leaf) {
		int i = up ? 0 : n->nr;

		while (n->children[i]->max_gap < size)
			i += up ? 1 : -1;
		n = n->children[i];
	}
	for (int i = up ? 0 : n->nr;; i += up ? 1 : -1)
		if (range_len(node_gap(n, i)) >= size)
			return (struct gap){ n, i };
}

static struct gap gap_at_least(struct gap p, uint64_t size, bool up, bool *ok)
{
	int step = up ? 1 : -1;
	struct segset_node *n = p.node;

	*ok = true;
	if (!n)
		return p; /* an empty set is one gap, and no size is larger */
	if (n->max_gap >= size)
		for (int i = p.slot; i >= 0 && i <= n->nr; i += step)
			if (range_len(node_gap(n, i)) >= size)
				return (struct gap){ n, i };
	for (; n->parent; n = n->parent)
		for (int i = n->parent_slot + step; i >= 0 && i <= n->parent->nr; i += step)
			if (n->parent->children[i]->max_gap >= size)
				return descend(n->parent->children[i], size, up);
	*ok = false;
	return (struct gap){ NULL, 0 };
}

struct gap segset_gap_at_least_up(const struct segset *s, struct gap p, uint64_t size, bool *ok)
{
	(void)s;
	return gap_at_least(p, size, true, ok);
}

struct gap segset_gap_at_least_down(const struct segset *s, struct gap p, uint64_t size, bool *ok)
{
	(void)s;
	return gap_at_least(p, size, false, ok);
}
