/* SPDX-License-Identifier: Apache-2.0 */
/* Segment sets: the shape of the tree. Insertion splits full nodes from the leaf upwards, removal borrows from or joins
 * with a sibling. Every node that an insertion may need is taken into the set's pool beforehand, so a change that has begun
 * cannot fail.
 */
#include "mm/segset_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

static _Atomic unsigned fail_every, alloc_count;

void segset_fail_every(unsigned n)
{
	fail_every = n;
	alloc_count = 0;
}

struct segset_node *node_alloc(const struct segset_ops *ops)
{
	struct segset_node *n;

	if (UNLIKELY(fail_every) && ++alloc_count % fail_every == 0)
		return NULL;
	n = malloc(sizeof(*n) + NODE_MAX * ops->value_size);
	if (!n)
		return NULL;
	n->parent = NULL;
	n->ops = ops;
	n->max_gap = 0;
	n->parent_slot = 0;
	n->nr = 0;
	n->leaf = true;
	return n;
}

void node_free(struct segset_node *n)
{
	free(n);
}

static void pool_put(struct segset *s, struct segset_node *n)
{
	n->parent = s->pool;
	s->pool = n;
	s->pool_count++;
}

int pool_fill(struct segset *s, size_t count)
{
	while (s->pool_count < count) {
		struct segset_node *n = node_alloc(s->ops);

		if (!n)
			return -ENOMEM;
		pool_put(s, n);
	}
	return 0;
}

/* A node for the tree. */
static struct segset_node *pool_take(struct segset *s, bool leaf)
{
	struct segset_node *n = s->pool;

	assert(n);
	s->pool = n->parent;
	s->pool_count--;
	s->nodes++;
	n->parent = NULL;
	n->leaf = leaf;
	return n;
}

/* n has left the tree. */
static void drop_node(struct segset *s, struct segset_node *n)
{
	s->nodes--;
	if (s->pool_all)
		pool_put(s, n);
	else
		node_free(n);
}

/* What `inserts` insertions take at most, each at its worst. */
static size_t worst_need(const struct segset *s, size_t inserts)
{
	size_t depth = 2; /* a new root, and a level that the insertions before may have added */

	for (struct segset_node *n = s->root; n && !n->leaf; n = n->children[0])
		depth++;
	return inserts * (depth + 1);
}

int segset_reserve(struct segset *s, size_t inserts)
{
	return pool_fill(s, worst_need(s, inserts));
}

int segset_reserve_many(struct segset *s, size_t inserts)
{
	/* Every node but the root holds NODE_MIN segments. So if tree and pool have this many nodes together, and what leaves the
	 * tree goes to the pool, no insertion up to that count finds the pool empty. */
	size_t enough = (s->count + inserts) / NODE_MIN + 2;
	int err = pool_fill(s, MIN(enough > s->nodes ? enough - s->nodes : 0, worst_need(s, inserts)));

	s->pool_all = !err;
	return err;
}

void segset_trim(struct segset *s)
{
	s->pool_all = false;
	while (s->pool_count) {
		struct segset_node *n = s->pool;

		s->pool = n->parent;
		s->pool_count--;
		node_free(n);
	}
}

/* --- cached gaps --- */

static uint64_t end_before(const struct segset_node *n)
{
	while (n->parent && n->parent_slot == 0)
		n = n->parent;
	return n->parent ? n->parent->keys[n->parent_slot - 1].end : 0;
}

static uint64_t start_after(const struct segset_node *n)
{
	while (n->parent && n->parent_slot == n->parent->nr)
		n = n->parent;
	return n->parent ? n->parent->keys[n->parent_slot].start : UINT64_MAX;
}

struct range node_gap(const struct segset_node *leaf, int slot)
{
	return range_make(slot > 0 ? leaf->keys[slot - 1].end : end_before(leaf),
			  slot < leaf->nr ? leaf->keys[slot].start : start_after(leaf));
}

uint64_t node_compute_gap(const struct segset_node *n)
{
	uint64_t max = 0, end;

	if (!n->leaf) {
		for (int i = 0; i <= n->nr; i++)
			max = MAX(max, n->children[i]->max_gap);
		return max;
	}
	end = end_before(n);
	for (int i = 0; i < n->nr; i++) {
		max = MAX(max, n->keys[i].start - end);
		end = n->keys[i].end;
	}
	return MAX(max, start_after(n) - end);
}

void node_update_gaps(struct segset_node *n)
{
	for (; n; n = n->parent) {
		uint64_t max = node_compute_gap(n);

		if (max == n->max_gap)
			break;
		n->max_gap = max;
	}
}

/* --- moving segments --- */

static void copy_segs(struct segset_node *dst, int to, struct segset_node *src, int from, int count)
{
	size_t size = dst->ops->value_size;

	memmove(&dst->keys[to], &src->keys[from], (size_t)count * sizeof(dst->keys[0]));
	memmove(node_value(dst, to), node_value(src, from), (size_t)count * size);
}

static void copy_children(struct segset_node *dst, int to, struct segset_node *src, int from, int count)
{
	if (dst->leaf)
		return;
	memmove(&dst->children[to], &src->children[from], (size_t)count * sizeof(dst->children[0]));
	for (int i = 0; i < count; i++)
		node_set_child(dst, to + i, dst->children[to + i]);
}

/* Opens slot in n, and the child position after it. */
static void open_slot(struct segset_node *n, int slot)
{
	copy_segs(n, slot + 1, n, slot, n->nr - slot);
	copy_children(n, slot + 2, n, slot + 1, n->nr - slot);
	n->nr++;
}

/* Closes slot, and the child position after it. */
static void close_slot(struct segset_node *n, int slot)
{
	copy_segs(n, slot, n, slot + 1, n->nr - slot - 1);
	copy_children(n, slot + 1, n, slot + 2, n->nr - slot - 1);
	n->nr--;
}

/* --- insertion --- */

size_t insert_need(const struct segset *s, struct gap p)
{
	size_t need = 0;

	if (!s->root)
		return 1;
	for (struct segset_node *n = p.node; n; n = n->parent) {
		if (n->nr < NODE_MAX)
			return need;
		need++;
	}
	return need + 1;
}

/* Splits the full node n: it keeps the first NODE_MIN segments, the middle one goes up, a new right sibling takes the rest. */
static void split_node(struct segset *s, struct segset_node *n)
{
	struct segset_node *up = n->parent, *right;

	if (!up) {
		up = pool_take(s, false);
		up->max_gap = n->max_gap;
		node_set_child(up, 0, n);
		s->root = up;
	} else if (up->nr == NODE_MAX) {
		split_node(s, up);
		up = n->parent;
	}
	right = pool_take(s, n->leaf);
	open_slot(up, n->parent_slot);
	copy_segs(up, n->parent_slot, n, NODE_MIN, 1);
	copy_segs(right, 0, n, NODE_MIN + 1, NODE_MIN);
	copy_children(right, 0, n, NODE_MIN + 1, NODE_MIN + 1);
	n->nr = right->nr = NODE_MIN;
	node_set_child(up, n->parent_slot + 1, right);
	n->max_gap = node_compute_gap(n);
	right->max_gap = node_compute_gap(right);
}

struct seg tree_insert(struct segset *s, struct gap p, struct range r, const void *value)
{
	struct segset_node *n = p.node;
	int slot = p.slot;

	assert(s->pool_count >= insert_need(s, p));
	if (!n) {
		assert(!s->root);
		n = s->root = pool_take(s, true);
		slot = 0;
	} else if (n->nr == NODE_MAX) {
		split_node(s, n);
		if (slot > NODE_MIN) {
			slot -= NODE_MIN + 1;
			n = n->parent->children[n->parent_slot + 1];
		}
	}
	open_slot(n, slot);
	n->keys[slot] = r;
	memcpy(node_value(n, slot), value, n->ops->value_size);
	s->count++;
	node_update_gaps(n);
	return (struct seg){ n, slot };
}

/* --- removal --- */

/* The left sibling's last segment goes up, the one between comes down to n. */
static void borrow_left(struct segset_node *n, struct segset_node *left)
{
	struct segset_node *up = n->parent;
	int slot = n->parent_slot - 1;

	copy_segs(n, 1, n, 0, n->nr);
	copy_children(n, 1, n, 0, n->nr + 1);
	n->nr++;
	copy_segs(n, 0, up, slot, 1);
	copy_segs(up, slot, left, left->nr - 1, 1);
	copy_children(n, 0, left, left->nr, 1);
	left->nr--;
}

static void borrow_right(struct segset_node *n, struct segset_node *right)
{
	struct segset_node *up = n->parent;
	int slot = n->parent_slot;

	copy_segs(n, n->nr, up, slot, 1);
	copy_children(n, n->nr + 1, right, 0, 1);
	n->nr++;
	copy_segs(up, slot, right, 0, 1);
	copy_segs(right, 0, right, 1, right->nr - 1);
	copy_children(right, 0, right, 1, right->nr);
	right->nr--;
}

/* Puts the segment between and all of the right sibling into left; right goes. */
static void join(struct segset *s, struct segset_node *left, struct segset_node *right)
{
	struct segset_node *up = left->parent;

	copy_segs(left, left->nr, up, left->parent_slot, 1);
	copy_segs(left, left->nr + 1, right, 0, right->nr);
	copy_children(left, left->nr + 1, right, 0, right->nr + 1);
	left->nr = (uint8_t)(left->nr + 1 + right->nr);
	close_slot(up, left->parent_slot);
	drop_node(s, right);
	left->max_gap = node_compute_gap(left);
}

/* n may have one segment too few: mends that, and what it makes wrong above. Gaps stay within the parent's subtree, so the
 * maxima above are not touched. */
static void rebalance(struct segset *s, struct segset_node *n)
{
	while (n->nr < NODE_MIN && n->parent) {
		struct segset_node *up = n->parent;
		struct segset_node *left = n->parent_slot > 0 ? up->children[n->parent_slot - 1] : NULL;
		struct segset_node *right = n->parent_slot < up->nr ? up->children[n->parent_slot + 1] : NULL;

		if (left && left->nr > NODE_MIN) {
			borrow_left(n, left);
			left->max_gap = node_compute_gap(left);
			n->max_gap = node_compute_gap(n);
			return;
		}
		if (right && right->nr > NODE_MIN) {
			borrow_right(n, right);
			right->max_gap = node_compute_gap(right);
			n->max_gap = node_compute_gap(n);
			return;
		}
		join(s, left ? left : n, left ? n : right);
		n = up;
	}
	if (n->parent || n->nr)
		return;
	s->root = n->leaf ? NULL : n->children[0];
	if (s->root) {
		s->root->parent = NULL;
		s->root->parent_slot = 0;
	}
	drop_node(s, n);
}

struct gap segset_remove(struct segset *s, struct seg g)
{
	uint64_t start = seg_start(g);
	struct segset_node *leaf = g.node;
	int slot = g.slot;
	struct gap p;
	bool ok;

	if (!g.node->leaf) {
		/* The predecessor takes its place; it lies in a leaf. */
		struct seg prev = seg_prev(g);

		leaf = prev.node;
		slot = prev.slot;
		copy_segs(g.node, g.slot, leaf, slot, 1);
		close_slot(leaf, slot);
		node_update_gaps(seg_next_gap(g).node);
	} else {
		close_slot(leaf, slot);
	}
	node_update_gaps(leaf);
	s->count--;
	rebalance(s, leaf);
	p = segset_find_gap(s, start, &ok);
	assert(ok);
	return p;
}

static void free_tree(struct segset_node *n)
{
	if (!n->leaf)
		for (int i = 0; i <= n->nr; i++)
			free_tree(n->children[i]);
	node_free(n);
}

void segset_clear(struct segset *s)
{
	if (s->root)
		free_tree(s->root);
	segset_trim(s);
	segset_init(s, s->ops);
}
