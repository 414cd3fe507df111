/* SPDX-License-Identifier: Apache-2.0 */
/* Seeded random operations on a segment set and on an array, compared after each. The seed is printed on failure. */
#include "segset_model.h"
#include "tests/support/asserts.h"

#include <errno.h>
#include <stdlib.h>

enum { SPACE = 1 << 16, SEEDS = 12, STEPS = 1500 };

struct run {
	struct segset set;
	struct model *model;
	uint64_t random, seed;
	bool failing; /* allocations fail now and then: -ENOMEM must leave the set as it was */
};

static uint64_t below(struct run *u, uint64_t n)
{
	return model_random(&u->random) % n;
}

/* True when the operation failed for lack of memory, which is only allowed when failures are injected. */
static bool failed(struct run *u, int err)
{
	cr_assert(!err || (err == -ENOMEM && u->failing), "seed %llu: error %d", (unsigned long long)u->seed, err);
	return err;
}

static void step_insert(struct run *u, bool merging)
{
	size_t i = (size_t)below(u, u->model->count + 1);
	struct range gap = model_gap(u->model, i);
	struct model_value v = { below(u, 3), 0 };
	struct range r;
	struct seg out;
	struct gap p;
	bool ok;
	int err;

	if (gap.end == UINT64_MAX)
		gap.end = MAX((uint64_t)SPACE, gap.start + 64);
	if (range_empty(gap))
		return;
	r.start = gap.start + (below(u, 2) ? 0 : below(u, range_len(gap)));
	r.end = below(u, 3) ? r.start + 1 + below(u, MIN(gap.end - r.start, 64ULL)) : gap.end;
	if (r.end > gap.end)
		r.end = gap.end;
	if (i > 0 && below(u, 2)) { /* so that it may merge */
		v = u->model->segs[i - 1].v;
		v.off += r.start - u->model->segs[i - 1].r.start;
	}
	p = segset_find_gap(&u->set, r.start, &ok);
	cr_assert(ok);
	err = merging ? segset_insert(&u->set, p, r, &v, &out) : segset_insert_without_merging(&u->set, p, r, &v, &out);
	if (failed(u, err))
		return;
	cr_assert(range_superset(seg_range(out), r));
	model_insert(u->model, r, v);
	if (!merging)
		return;
	if (model_merges(u->model, i))
		model_merge(u->model, i);
	if (i > 0 && model_merges(u->model, i - 1))
		model_merge(u->model, i - 1);
}

static void step_remove(struct run *u)
{
	size_t i = (size_t)below(u, u->model->count);
	struct range gap;

	gap = gap_range(&u->set, segset_remove(&u->set, segset_find(&u->set, u->model->segs[i].r.start)));
	model_remove(u->model, i);
	cr_assert(gap.start == model_gap(u->model, i).start && gap.end == model_gap(u->model, i).end);
}

static void step_split(struct run *u)
{
	size_t i = (size_t)below(u, u->model->count);
	struct range r = u->model->segs[i].r;
	struct seg a, b;
	uint64_t at;

	if (range_len(r) < 2)
		return;
	at = r.start + 1 + below(u, range_len(r) - 1);
	if (failed(u, segset_split(&u->set, segset_find(&u->set, r.start), at, &a, &b)))
		return;
	cr_assert(seg_start(a) == r.start && seg_end(a) == at && seg_start(b) == at && seg_end(b) == r.end);
	model_split(u->model, i, at);
}

static void step_isolate(struct run *u)
{
	size_t i = (size_t)below(u, u->model->count);
	struct range r = u->model->segs[i].r, want, both;
	struct seg g;

	want.start = r.start + below(u, range_len(r));
	want.end = want.start + 1 + below(u, range_len(r));
	if (below(u, 2))
		want.start -= MIN(want.start, 5ULL);
	both = range_intersect(want, r);
	if (failed(u, segset_isolate(&u->set, segset_find(&u->set, r.start), want, &g)))
		return;
	cr_assert(seg_start(g) == both.start && seg_end(g) == both.end);
	if (both.end < r.end)
		model_split(u->model, i, both.end);
	if (both.start > r.start)
		model_split(u->model, i, both.start);
}

static void step_split_at_ends(struct run *u)
{
	struct range r = { below(u, SPACE), 0 };
	size_t i;

	r.end = r.start + below(u, SPACE / 8);
	if (failed(u, segset_split_at_ends(&u->set, r)))
		return;
	for (int end = 0; end < 2; end++) {
		uint64_t at = end ? r.end : r.start;

		i = model_lower(u->model, at);
		if (i < u->model->count && u->model->segs[i].r.start < at)
			model_split(u->model, i, at);
	}
}

static void step_merge_range(struct run *u)
{
	struct range r = { below(u, SPACE), 0 };

	r.end = r.start + below(u, SPACE / 8);
	segset_merge_range(&u->set, r);
	for (size_t i = 0; i + 1 < u->model->count;) {
		uint64_t at = u->model->segs[i].r.end;

		if (r.start <= at && at <= r.end && model_merges(u->model, i))
			model_merge(u->model, i);
		else
			i++;
	}
}

static void step_merge_one(struct run *u)
{
	size_t i = (size_t)below(u, u->model->count);
	struct seg g = segset_find(&u->set, u->model->segs[i].r.start);

	if (below(u, 2)) {
		g = segset_merge_next(&u->set, g);
		if (model_merges(u->model, i))
			model_merge(u->model, i);
	} else {
		g = segset_merge_prev(&u->set, g);
		if (i > 0 && model_merges(u->model, i - 1))
			model_merge(u->model, --i);
	}
	cr_assert(seg_start(g) == u->model->segs[i].r.start && seg_end(g) == u->model->segs[i].r.end);
}

static void step_move_ends(struct run *u)
{
	size_t i = (size_t)below(u, u->model->count);
	struct model_seg *m = &u->model->segs[i];
	struct range before = model_gap(u->model, i), after = model_gap(u->model, i + 1);
	struct seg g = segset_find(&u->set, m->r.start);

	if (after.end == UINT64_MAX)
		after.end = after.start + 32;
	m->r.start = before.start + below(u, m->r.end - before.start);
	seg_set_start(g, m->r.start);
	m->r.end = m->r.start + 1 + below(u, after.end - m->r.start);
	seg_set_end(g, m->r.end);
}

static void check_lookups(struct run *u)
{
	uint64_t x = below(u, SPACE + 10), size = 1 + below(u, SPACE / 4);
	size_t i = model_lower(u->model, x), j;
	bool in = i < u->model->count && u->model->segs[i].r.start <= x, ok, want;
	struct seg g = segset_lower_bound(&u->set, x), h = segset_upper_bound(&u->set, x);
	struct gap p;

	cr_assert(seg_ok(g) == (i < u->model->count) && (!seg_ok(g) || seg_start(g) == u->model->segs[i].r.start));
	cr_assert(seg_ok(segset_find(&u->set, x)) == in);
	cr_assert(seg_ok(h) == (in || i > 0));
	cr_assert(!seg_ok(h) || seg_start(h) == u->model->segs[in ? i : i - 1].r.start);
	for (struct seg hint = h; seg_ok(hint); hint = seg_prev(hint)) {
		struct seg f = segset_find_or_seek_back(&u->set, hint, x);

		cr_assert(f.node == g.node && (!g.node || f.slot == g.slot));
		if (below(u, 3))
			break;
	}
	p = segset_find_gap(&u->set, x, &ok);
	cr_assert(ok == !in);
	if (!ok)
		return;
	cr_assert(gap_range(&u->set, p).start == model_gap(u->model, i).start);
	for (j = i, want = false; j <= u->model->count && !want; j++)
		want = range_len(model_gap(u->model, j)) >= size;
	g.node = NULL;
	struct gap up = segset_gap_at_least_up(&u->set, p, size, &ok);
	cr_assert(ok == want && (!ok || gap_range(&u->set, up).start == model_gap(u->model, j - 1).start));
	for (j = i + 1, want = false; j > 0 && !want; j--)
		want = range_len(model_gap(u->model, j - 1)) >= size;
	struct gap down = segset_gap_at_least_down(&u->set, p, size, &ok);
	cr_assert(ok == want && (!ok || gap_range(&u->set, down).start == model_gap(u->model, j).start));
}

static void step(struct run *u, unsigned bias)
{
	unsigned what = (unsigned)below(u, 16);

	if (!u->model->count || what < bias)
		step_insert(u, what & 1);
	else if (what < 9)
		step_remove(u);
	else if (what == 9)
		step_split(u);
	else if (what == 10)
		step_isolate(u);
	else if (what == 11)
		step_split_at_ends(u);
	else if (what == 12)
		step_merge_range(u);
	else if (what == 13)
		step_merge_one(u);
	else
		step_move_ends(u);
}

static void run_seed(uint64_t seed, bool failing)
{
	struct run u = { .random = seed, .seed = seed, .failing = failing, .model = calloc(1, sizeof(struct model)) };

	segset_init(&u.set, &model_ops);
	segset_fail_every(failing ? 3 : 0);
	for (int i = 0; i < STEPS; i++) {
		/* Grows, shrinks, grows again. */
		step(&u, i / 300 % 2 ? 3 : 8);
		check_lookups(&u);
		cr_assert(model_equal(u.model, &u.set), "seed %llu, step %d", (unsigned long long)seed, i);
	}
	segset_fail_every(0);
	while (u.model->count) {
		step_remove(&u);
		cr_assert(model_equal(u.model, &u.set), "seed %llu, emptying", (unsigned long long)seed);
	}
	cr_assert(segset_empty(&u.set));
	segset_clear(&u.set);
	free(u.model);
}

Test(segset_random, agrees_with_the_array)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		run_seed(seed, false);
}

Test(segset_random, is_unchanged_when_memory_runs_out)
{
	for (uint64_t seed = 100; seed < 100 + SEEDS; seed++)
		run_seed(seed, true);
}
