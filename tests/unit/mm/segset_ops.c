/* SPDX-License-Identifier: Apache-2.0 */
/* What the operations of a segment set promise, one behaviour a test. */
#include "segset_model.h"
#include "tests/support/asserts.h"

#include <errno.h>

static struct seg put(struct segset *s, uint64_t start, uint64_t end, uint64_t tag, uint64_t off)
{
	struct model_value v = { tag, off };
	struct seg g;
	bool ok;

	cr_assert_eq(segset_insert(s, segset_find_gap(s, start, &ok), range_make(start, end), &v, &g), 0);
	return g;
}

static void put_many(struct segset *s, uint64_t count)
{
	struct model_value v = { 0, 0 };

	for (uint64_t i = 0; i < count; i++) {
		cr_assert_eq(segset_insert_without_merging(s, segset_last_gap(s), range_make(20 * i, 20 * i + 10), &v,
							   NULL), 0);
	}
}

Test(segset_ops, empty_set_is_one_gap)
{
	struct segset s;
	struct gap p;
	bool ok;

	segset_init(&s, &model_ops);
	p = segset_find_gap(&s, 12345, &ok);
	cr_assert(ok && gap_range(&s, p).start == 0 && gap_range(&s, p).end == UINT64_MAX);
	cr_assert(!seg_ok(segset_first(&s)) && !seg_ok(segset_lower_bound(&s, 0)) && !seg_ok(gap_next_seg(&s, p)));
	segset_gap_at_least_down(&s, p, UINT64_MAX, &ok);
	cr_assert(ok && segset_empty(&s) && segset_check(&s));
}

Test(segset_ops, insert_joins_both_neighbours)
{
	struct segset s;
	struct seg g;

	segset_init(&s, &model_ops);
	put(&s, 0, 10, 1, 100);
	put(&s, 20, 30, 1, 120);
	g = put(&s, 10, 20, 1, 110);
	cr_assert(s.count == 1 && seg_start(g) == 0 && seg_end(g) == 30);
	cr_assert_eq(((struct model_value *)seg_value(g))->off, 100);
	/* Next to it, but of another kind. */
	put(&s, 30, 40, 2, 130);
	/* Merges with what follows only: the value of the new part is the merged one's. */
	g = put(&s, 25 + 20, 50, 3, 45);
	g = put(&s, 41, 45, 3, 41);
	cr_assert(s.count == 3 && seg_start(g) == 41 && ((struct model_value *)seg_value(g))->off == 41);
	cr_assert(segset_check(&s) && segset_span(&s) == 30 + 10 + 9);
	cr_assert_eq(segset_span_range(&s, range_make(29, 43)), 1 + 10 + 2);
	segset_clear(&s);
}

Test(segset_ops, split_divides_and_merge_restores)
{
	struct segset s;
	struct seg a, b;

	segset_init(&s, &model_ops);
	a = put(&s, 100, 200, 7, 1000);
	cr_assert_eq(segset_split(&s, a, 150, &a, &b), 0);
	cr_assert_eq(((struct model_value *)seg_value(b))->off, 1050);
	a = segset_merge_next(&s, a);
	cr_assert(s.count == 1 && seg_end(a) == 200);
	cr_assert_eq(segset_isolate(&s, a, range_make(120, 130), &a), 0);
	cr_assert(s.count == 3 && seg_start(a) == 120 && seg_end(a) == 130);
	segset_merge_range(&s, range_make(121, 129)); /* touches no boundary */
	cr_assert_eq(s.count, 3);
	segset_merge_range(&s, range_make(120, 120));
	cr_assert_eq(s.count, 2);
	segset_merge_range(&s, range_make(0, 1000));
	cr_assert(s.count == 1 && segset_check(&s));
	segset_clear(&s);
}

Test(segset_ops, never_merges_without_an_operation)
{
	struct segset s;

	segset_init(&s, &model_ops_plain);
	put(&s, 0, 10, 1, 0);
	put(&s, 10, 20, 1, 10);
	segset_merge_range(&s, range_make(0, 20));
	cr_assert_eq(s.count, 2);
	segset_clear(&s);
}

Test(segset_ops, reserve_makes_insertions_certain)
{
	struct model_value v = { 0, 0 };
	struct segset s;

	segset_init(&s, &model_ops);
	put_many(&s, 4000);
	cr_assert_eq(segset_reserve(&s, 40), 0);
	segset_fail_every(1);
	for (uint64_t i = 0; i < 40; i++) {
		struct range r = { 2000 * i + 11, 2000 * i + 12 };
		bool ok;

		cr_assert_eq(segset_insert(&s, segset_find_gap(&s, r.start, &ok), r, &v, NULL), 0);
	}
	segset_fail_every(0);
	cr_assert(segset_check(&s) && s.count == 4040);
	segset_clear(&s);
}

/* Moves `count` segments from the front of the set behind all others, one by one, and back. */
static void move_around(struct segset *s, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct seg g = segset_first(s);
		struct range r = seg_range(g);
		struct model_value v;
		bool ok;

		memcpy(&v, seg_value(g), sizeof(v));
		segset_remove(s, g);
		r = range_make(r.start + (1ULL << 40), r.end + (1ULL << 40));
		cr_assert_eq(segset_insert(s, segset_find_gap(s, r.start, &ok), r, &v, NULL), 0);
	}
}

Test(segset_ops, many_may_be_reserved_and_moved)
{
	struct model_value v = { 0, 0 };
	struct segset s;

	segset_init(&s, &model_ops);
	cr_assert_eq(segset_reserve_many(&s, 3000), 0);
	cr_assert_leq(s.pool_count, 3000 / 7 + 2, "it is what the tree may need");
	segset_fail_every(1);
	for (uint64_t i = 0; i < 3000; i++) {
		struct range r = { 20 * i, 20 * i + 10 };

		cr_assert_eq(segset_insert(&s, segset_last_gap(&s), r, &v, NULL), 0);
	}
	segset_fail_every(0);
	cr_assert(segset_check(&s));
	for (size_t part = 1; part <= 3000; part *= 3) {
		segset_trim(&s);
		cr_assert_eq(s.pool_count, 0);
		cr_assert_eq(segset_reserve_many(&s, part), 0);
		segset_fail_every(1);
		move_around(&s, part);
		segset_fail_every(0);
		cr_assert(segset_check(&s) && s.count == 3000);
	}
	segset_trim(&s);
	cr_assert(segset_check(&s) && !s.pool_count);
	segset_clear(&s);
}

Test(segset_ops, last_address_can_be_covered)
{
	struct segset s;
	struct seg g;
	bool ok;

	segset_init(&s, &model_ops);
	g = put(&s, UINT64_MAX - 4096, UINT64_MAX, 1, 0);
	cr_assert(range_empty(gap_range(&s, seg_next_gap(g))));
	segset_gap_at_least_up(&s, seg_next_gap(g), 1, &ok);
	cr_assert(!ok && segset_check(&s));
	segset_clear(&s);
}
