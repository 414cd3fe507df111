/* SPDX-License-Identifier: Apache-2.0 */
/* The stub follows the pma set.
 *
 * Theory of operation. Each pma says what the stub maps in its range: nothing, exactly the whole pma with pma_stub_prot(), that without
 * PROT_WRITE, or "unsure" after a host call failed half-way. The invariant, which the tests check against a model of the stub's page
 * table: where no pma is, the stub maps nothing. So a pma whose stub state is not STUB_NONE must be unmapped from the stub
 * before its reference is given back, and a range without such pmas needs no injected call at all.
 *
 * Changes are collected in batches, which the platform does in as few stops as it can.
 *
 * A host has its own limit of mappings (vm.max_map_count), and a stub can need more of them than its guest has vmas. A change that
 * the host refuses is answered by unmapping everything: that needs no mapping more, makes what was asked for true or
 * leaves it to faults, and those bring back what is still used. So callers say in the set what a batch will do before they
 * flush it, and after a flush without error a pma is what its state says, which may be STUB_NONE.
 */
#include "mm/mm_internal.h"

#include <errno.h>

void stub_batch_init(struct stub_batch *b, struct mm *mm)
{
	b->mm = mm;
	b->count = 0;
}

int stub_clear_locked(struct mm *mm)
{
	int err = mm->as ? platform_as_clear(mm->as) : -EOWNERDEAD;
	struct seg p;

	mutex_assert_held(&mm->active);
	for (p = segset_first(&mm->pmas); seg_ok(p); p = seg_next(p))
		pma_of(p)->stub = STUB_NONE; /* a dead stub maps nothing */
	return err;
}

int stub_batch_flush(struct stub_batch *b)
{
	size_t n = b->count;
	int err;

	mutex_assert_held(&b->mm->active);
	b->count = 0;
	if (!n)
		return 0;
	if (!b->mm->as)
		return -EOWNERDEAD;
	atomic_fetch_add_explicit(&b->mm->stub_gen, 1, memory_order_relaxed);
	if (n > 1)
		err = platform_as_batch(b->mm->as, b->ops, n, NULL);
	else if (b->ops[0].kind == PLATFORM_MAP)
		err = platform_as_map(b->mm->as, b->ops[0].addr, b->ops[0].len, b->ops[0].file, b->ops[0].off,
				      b->ops[0].prot, b->ops[0].populate);
	else if (b->ops[0].kind == PLATFORM_UNMAP)
		err = platform_as_unmap(b->mm->as, b->ops[0].addr, b->ops[0].len);
	else
		err = platform_as_protect(b->mm->as, b->ops[0].addr, b->ops[0].len, b->ops[0].prot);
	return err == -ENOMEM ? stub_clear_locked(b->mm) : err;
}

int stub_batch_add(struct stub_batch *b, const struct platform_op *op)
{
	assert(b->count < ARRAY_SIZE(b->ops));
	b->ops[b->count++] = *op;
	return b->count < ARRAY_SIZE(b->ops) ? 0 : stub_batch_flush(b);
}

static void set_state(struct mm *mm, struct range r, enum stub_state state)
{
	struct seg p = segset_lower_bound(&mm->pmas, r.start);

	for (; seg_ok(p) && seg_start(p) < r.end; p = seg_next(p))
		if (state == STUB_NONE || pma_of(p)->stub != STUB_NONE)
			pma_of(p)->stub = state;
}

int stub_unmap_locked(struct mm *mm, struct range r)
{
	uint64_t start = 0, end = 0;
	struct seg p;
	int err;

	mutex_assert_held(&mm->active);
	/* One call for all: whatever lies between two pmas of r is not mapped anyway. */
	for (p = segset_lower_bound(&mm->pmas, r.start); seg_ok(p) && seg_start(p) < r.end; p = seg_next(p)) {
		assert(range_superset(r, seg_range(p)));
		if (pma_of(p)->stub == STUB_NONE)
			continue;
		if (!end)
			start = seg_start(p);
		end = seg_end(p);
	}
	if (!end || !mm->as)
		return 0;
	atomic_fetch_add_explicit(&mm->stub_gen, 1, memory_order_relaxed);
	err = platform_as_unmap(mm->as, start, end - start);
	if (err == -ENOMEM)
		err = stub_clear_locked(mm);
	if (err == -EOWNERDEAD)
		err = 0; /* a dead stub maps nothing */
	set_state(mm, range_make(start, end), err ? STUB_UNSURE : STUB_NONE);
	return err;
}

static struct platform_op map_op(struct seg p, bool populate)
{
	struct pma *v = pma_of(p);
	struct range r = seg_range(p);

	return (struct platform_op){ .kind = PLATFORM_MAP,
				     .addr = r.start,
				     .len = range_len(r),
				     .file = &v->file->host,
				     .off = v->off,
				     .prot = pma_stub_prot(v),
				     .populate = populate };
}

int stub_map_locked(struct mm *mm, struct seg p, bool populate)
{
	struct platform_op op = map_op(p, populate);
	struct stub_batch b;
	int err;

	mutex_assert_held(&mm->active);
	stub_batch_init(&b, mm);
	pma_of(p)->stub = STUB_MAPPED;
	err = stub_batch_add(&b, &op);
	if (!err)
		err = stub_batch_flush(&b);
	if (err)
		pma_of(p)->stub = STUB_UNSURE;
	return err;
}

int stub_map_range_locked(struct mm *mm, struct range r, bool populate)
{
	struct stub_batch b;
	struct seg p;
	int err = 0;

	mutex_assert_held(&mm->active);
	stub_batch_init(&b, mm);
	for (p = segset_lower_bound(&mm->pmas, r.start); seg_ok(p) && seg_start(p) < r.end && !err; p = seg_next(p)) {
		struct platform_op op = map_op(p, populate);

		if (pma_of(p)->stub == STUB_MAPPED || !op.prot)
			continue;
		if (pma_of(p)->stub == STUB_READONLY && !populate)
			op.kind = PLATFORM_PROTECT;
		pma_of(p)->stub = STUB_MAPPED;
		err = stub_batch_add(&b, &op);
	}
	if (!err)
		err = stub_batch_flush(&b);
	if (err)
		set_state(mm, r, STUB_UNSURE);
	segset_merge_range(&mm->pmas, r);
	pma_changed_locked(mm);
	return err;
}
