/* SPDX-License-Identifier: Apache-2.0 */
/* Segment sets: inserting, splitting and merging as the set's operations say for values. */
#include "mm/segset_internal.h"

#include <assert.h>

/* Room for one value, aligned as values in nodes are. */
struct value_buffer {
	_Alignas(16) unsigned char bytes[VALUE_MAX];
};

int segset_insert_without_merging(struct segset *s, struct gap p, struct range r, const void *value, struct seg *out)
{
	struct seg g;
	int err;

	assert(!range_empty(r) && range_superset(gap_range(s, p), r));
	err = pool_fill(s, insert_need(s, p));
	if (err)
		return err;
	g = tree_insert(s, p, r, value);
	if (out)
		*out = g;
	return 0;
}

/* Merges r, whose value is `value`, into the segment after it if allowed. */
static bool merge_into_next(struct segset *s, struct seg next, struct range r, const void *value)
{
	struct value_buffer v;

	if (!seg_ok(next) || seg_start(next) != r.end)
		return false;
	memcpy(v.bytes, value, s->ops->value_size);
	if (!s->ops->merge(r, v.bytes, seg_range(next), seg_value(next)))
		return false;
	memcpy(seg_value(next), v.bytes, s->ops->value_size);
	seg_set_start(next, r.start);
	return true;
}

int segset_insert(struct segset *s, struct gap p, struct range r, const void *value, struct seg *out)
{
	struct seg prev, next;

	assert(!range_empty(r) && range_superset(gap_range(s, p), r));
	if (!s->ops->merge)
		return segset_insert_without_merging(s, p, r, value, out);
	prev = gap_prev_seg(s, p);
	if (seg_ok(prev) && seg_end(prev) == r.start && s->ops->merge(seg_range(prev), seg_value(prev), r, value)) {
		seg_set_end(prev, r.end);
		prev = segset_merge_next(s, prev);
		if (out)
			*out = prev;
		return 0;
	}
	next = gap_next_seg(s, p);
	if (merge_into_next(s, next, r, value)) {
		if (out)
			*out = next;
		return 0;
	}
	return segset_insert_without_merging(s, p, r, value, out);
}

/* The split itself; the pool holds what it needs. */
static struct seg split_reserved(struct segset *s, struct seg g, uint64_t at)
{
	struct range r = seg_range(g);
	struct value_buffer v2;

	assert(r.start < at && at < r.end);
	memcpy(v2.bytes, seg_value(g), s->ops->value_size);
	if (s->ops->split)
		s->ops->split(r, seg_value(g), at, v2.bytes);
	seg_set_end(g, at);
	return tree_insert(s, seg_next_gap(g), range_make(at, r.end), v2.bytes);
}

int segset_split(struct segset *s, struct seg g, uint64_t at, struct seg *first, struct seg *second)
{
	struct seg right;
	int err = pool_fill(s, insert_need(s, seg_next_gap(g)));

	if (err)
		return err;
	right = split_reserved(s, g, at);
	if (first)
		*first = seg_prev(right);
	if (second)
		*second = right;
	return 0;
}

int segset_isolate(struct segset *s, struct seg g, struct range r, struct seg *out)
{
	struct range have = seg_range(g);
	bool front = have.start < r.start, back = have.end > r.end;
	int err = 0;

	assert(range_overlaps(have, r));
	if (front && back)
		err = segset_reserve(s, 2);
	else if (front || back)
		err = pool_fill(s, insert_need(s, seg_next_gap(g)));
	if (err)
		return err;
	if (front)
		g = split_reserved(s, g, r.start);
	if (back)
		g = seg_prev(split_reserved(s, g, r.end));
	if (out)
		*out = g;
	return 0;
}

int segset_split_at_ends(struct segset *s, struct range r)
{
	struct seg a = segset_find(s, r.start), b = segset_find(s, r.end);
	bool cut_a = seg_ok(a) && seg_start(a) < r.start;
	bool cut_b = seg_ok(b) && seg_start(b) < r.end && r.end != r.start;
	int err = 0;

	if (cut_a && cut_b)
		err = segset_reserve(s, 2);
	else if (cut_a || cut_b)
		err = pool_fill(s, insert_need(s, seg_next_gap(cut_a ? a : b)));
	if (err)
		return err;
	if (cut_b)
		split_reserved(s, b, r.end);
	if (cut_a)
		split_reserved(s, segset_find(s, r.start), r.start);
	return 0;
}

struct seg segset_merge_prev(struct segset *s, struct seg g)
{
	struct seg prev = seg_prev(g);
	struct range r = seg_range(g);

	if (!s->ops->merge || !seg_ok(prev) || seg_end(prev) != r.start)
		return g;
	if (!s->ops->merge(seg_range(prev), seg_value(prev), r, seg_value(g)))
		return g;
	g = gap_prev_seg(s, segset_remove(s, g));
	seg_set_end(g, r.end);
	return g;
}

struct seg segset_merge_next(struct segset *s, struct seg g)
{
	uint64_t start = seg_start(g);
	struct seg next = seg_next(g);

	if (!seg_ok(next) || seg_start(next) != seg_end(g))
		return g;
	next = segset_merge_prev(s, next);
	return seg_start(next) <= start ? next : seg_prev(next);
}

void segset_merge_range(struct segset *s, struct range r)
{
	struct seg g = segset_lower_bound(s, r.start);

	if (!s->ops->merge)
		return;
	if (seg_ok(g) && seg_start(g) < r.start)
		g = seg_next(g);
	for (; seg_ok(g) && seg_start(g) <= r.end; g = seg_next(g))
		g = segset_merge_prev(s, g);
}
