/* SPDX-License-Identifier: Apache-2.0 */
/* Segment sets: ordered maps from disjoint ranges to values, as B-trees, with segment and gap iterators.
 *
 * A set holds segments [start, end) in increasing order that never overlap; between two neighbours, and before the
 * first and after the last, lies a gap (maybe empty). A value is a fixed-size block stored in the node. What happens to values when segments are
 * merged, split or removed is said by the set's operations. All lookups are O(log n); iterators move in amortised O(1).
 *
 * An iterator stays valid until the set is changed by anything but an operation that returns a new iterator.
 * Operations that may need memory return -ENOMEM and leave the set unchanged.
 *
 * Not locked: the owner locks.
 */
#ifndef MM_SEGSET_H
#define MM_SEGSET_H

#include "mm/range.h"

struct segset_ops {
	size_t value_size;
	/* May [r1) with v1 and the adjacent [r2) with v2 be one segment? If so v1 becomes the merged value. NULL: never. */
	bool (*merge)(struct range r1, void *v1, struct range r2, const void *v2);
	/* v describes r, which is cut at `at`: v keeps [r.start, at), *v2 (a copy of v) becomes [at, r.end). NULL: both copies serve as they are. */
	void (*split)(struct range r, void *v, uint64_t at, void *v2);
	/* Prints v for segset_dump(). May be NULL. */
	void (*print)(const void *v, char *buf, size_t size);
	/* Checks what a value alone must satisfy; for segset_check(). May be NULL. */
	bool (*valid)(struct range r, const void *v);
};

struct segset_node;

struct segset {
	const struct segset_ops *ops;
	struct segset_node *root;
	size_t count, nodes; /* of segments; of nodes that hold them */
	struct segset_node *pool; /* nodes kept for insertions that must not fail */
	size_t pool_count;
	bool pool_all; /* nodes that removals empty go to the pool, see segset_reserve_many() */
};

/* A segment, or the end: `node` NULL. */
struct seg {
	struct segset_node *node;
	int slot;
};

/* A gap, named by the segment slot it lies before: node and slot as an insertion point. `node` NULL only for an empty set. */
struct gap {
	struct segset_node *node;
	int slot;
};

void segset_init(struct segset *s, const struct segset_ops *ops);
/* Frees all segments. Values are not told: remove them first if they own something. */
void segset_clear(struct segset *s);
bool segset_empty(const struct segset *s);
/* Sum of the lengths of all segments; of those inside r. */
uint64_t segset_span(const struct segset *s);
uint64_t segset_span_range(const struct segset *s, struct range r);

static inline bool seg_ok(struct seg g)
{
	return g.node;
}

struct seg segset_first(const struct segset *s);
struct seg segset_last(const struct segset *s);
/* The segment that contains x, or the end. */
struct seg segset_find(const struct segset *s, uint64_t x);
/* The segment that contains x, or the first after it, or the end. */
struct seg segset_lower_bound(const struct segset *s, uint64_t x);
/* The segment that contains x, or the last before it, or the end. */
struct seg segset_upper_bound(const struct segset *s, uint64_t x);
/* lower_bound for a caller that walks backwards and forwards: starts at `hint` when it is near. */
struct seg segset_find_or_seek_back(const struct segset *s, struct seg hint, uint64_t x);

struct seg seg_next(struct seg g);
struct seg seg_prev(struct seg g);
struct range seg_range(struct seg g);
static inline uint64_t seg_start(struct seg g)
{
	return seg_range(g).start;
}
static inline uint64_t seg_end(struct seg g)
{
	return seg_range(g).end;
}
void *seg_value(struct seg g);
/* Moves an end of the segment inside the gaps around it (grow) or inwards (shrink); the value is the caller's to adjust. */
void seg_set_start(struct seg g, uint64_t start);
void seg_set_end(struct seg g, uint64_t end);

/* The gap that contains x, or that lies where x would be inserted; `ok` false if a segment contains x. */
struct gap segset_find_gap(const struct segset *s, uint64_t x, bool *ok);
struct gap segset_first_gap(const struct segset *s);
struct gap segset_last_gap(const struct segset *s);
struct gap seg_prev_gap(struct seg g);
struct gap seg_next_gap(struct seg g);
/* May be empty. The first starts at 0, the last ends at UINT64_MAX. */
struct range gap_range(const struct segset *s, struct gap p);
struct seg gap_prev_seg(const struct segset *s, struct gap p);
struct seg gap_next_seg(const struct segset *s, struct gap p);
/* The next gap of at least `size` bytes at or after p (going up), or before it (going down); *ok false if none.
 * Logarithmic: nodes keep the largest gap below them. */
struct gap segset_gap_at_least_up(const struct segset *s, struct gap p, uint64_t size, bool *ok);
struct gap segset_gap_at_least_down(const struct segset *s, struct gap p, uint64_t size, bool *ok);

/* Inserts r, which must lie in gap p, and merges it with its neighbours where ops->merge allows. *out is the segment
 * that now holds r. The value is copied. */
int segset_insert(struct segset *s, struct gap p, struct range r, const void *value, struct seg *out) MUST_CHECK;
int segset_insert_without_merging(struct segset *s, struct gap p, struct range r, const void *value,
				  struct seg *out) MUST_CHECK;
/* Removes a segment; returns the gap it leaves. Never fails. */
struct gap segset_remove(struct segset *s, struct seg g);

/* Cuts g at `at`, strictly inside it. Returns the first part in *first, the second in *second (either may be NULL). */
int segset_split(struct segset *s, struct seg g, uint64_t at, struct seg *first, struct seg *second) MUST_CHECK;
/* Cuts g so that the part inside r is a segment of its own, and returns that. g must overlap r. */
int segset_isolate(struct segset *s, struct seg g, struct range r, struct seg *out) MUST_CHECK;
/* Splits any segment that straddles r.start or r.end. */
int segset_split_at_ends(struct segset *s, struct range r) MUST_CHECK;

/* Merges g with its predecessor (its successor, both) where they touch and ops->merge allows; returns what holds g's range.
 * Never fails. */
struct seg segset_merge_prev(struct segset *s, struct seg g);
struct seg segset_merge_next(struct segset *s, struct seg g);
/* Merges all neighbours that touch [r.start, r.end]. */
void segset_merge_range(struct segset *s, struct range r);

/* Reserves memory so that the next `inserts` insertions or splits cannot fail. What is not used stays in reserve. */
int segset_reserve(struct segset *s, size_t inserts) MUST_CHECK;
/* The same for many: until segset_trim() there may be removals between them. Takes little more memory than the tree will grow by. */
int segset_reserve_many(struct segset *s, size_t inserts) MUST_CHECK;
/* Gives back what is in reserve. */
void segset_trim(struct segset *s);

/* Walks the whole tree: order, disjointness, node fill, depth, cached gaps, parent links. Prints the fault to stderr
 * and returns false if something is wrong. */
bool segset_check(const struct segset *s);
void segset_dump(const struct segset *s);

/* For tests: makes every n-th allocation fail (0: none). */
void segset_fail_every(unsigned n);

#endif
