/* SPDX-License-Identifier: Apache-2.0 */
/* The nodes of segment sets: what the files segset*.c share. See segset.c for the theory of operation. */
#ifndef MM_SEGSET_INTERNAL_H
#define MM_SEGSET_INTERNAL_H

#include "mm/segset.h"

#include <string.h>

enum {
	NODE_MIN = 7, /* segments in every node but the root, at least */
	NODE_MAX = 2 * NODE_MIN + 1,
	VALUE_MAX = 512, /* bytes: values pass through buffers on the stack */
};

struct segset_node {
	struct segset_node *parent; /* NULL for the root; the next free node in the pool */
	const struct segset_ops *ops;
	uint64_t max_gap; /* of the gaps in this subtree; gaps lie in leaves */
	uint8_t parent_slot; /* parent->children[parent_slot] is this node */
	uint8_t nr;
	bool leaf;
	struct range keys[NODE_MAX];
	struct segset_node *children[NODE_MAX + 1]; /* unused in leaves */
	_Alignas(16) unsigned char values[];
};

static inline void *node_value(struct segset_node *n, int slot)
{
	return n->values + (size_t)slot * n->ops->value_size;
}

static inline void node_set_child(struct segset_node *n, int slot, struct segset_node *child)
{
	n->children[slot] = child;
	child->parent = n;
	child->parent_slot = (uint8_t)slot;
}

static inline struct segset_node *node_first_leaf(struct segset_node *n)
{
	while (!n->leaf)
		n = n->children[0];
	return n;
}

static inline struct segset_node *node_last_leaf(struct segset_node *n)
{
	while (!n->leaf)
		n = n->children[n->nr];
	return n;
}

/* The gap before slot (0..nr) of a leaf. */
struct range node_gap(const struct segset_node *leaf, int slot);
uint64_t node_compute_gap(const struct segset_node *n);
/* n's gaps changed: brings the cached maxima up to date from n to the root. */
void node_update_gaps(struct segset_node *n);

/* --- segset_node.c --- */
struct segset_node *node_alloc(const struct segset_ops *ops);
void node_free(struct segset_node *n);
/* Makes the pool hold at least `count` nodes. */
int pool_fill(struct segset *s, size_t count) MUST_CHECK;
/* How many nodes an insertion into gap p takes at most. */
size_t insert_need(const struct segset *s, struct gap p);
/* Inserts without looking at the neighbours' values; the pool holds insert_need() nodes. */
struct seg tree_insert(struct segset *s, struct gap p, struct range r, const void *value);

#endif
