/* SPDX-License-Identifier: Apache-2.0 */
/* fork(2): a copy of an address space.
 *
 * Theory of operation. With the parent's two locks held, and the child's (which its mappables' registries may find as soon as
 * the first vma is registered; an invalidation then waits until the copy is complete and sees it whole):
 *
 *   1 copy the vmas, without those marked MADV_DONTFORK
 *   2 copy the pmas, one more reference on each range; private ones need a copy on both sides from now on. Ranges marked
 *     MADV_WIPEONFORK get none
 *   3 write-protect what the parent's stub may write of them, one batch over the runs
 *   4 map the pmas in the child's stub where the parent's maps them, one batch, if they are few: a child touches most of
 *     them, and a fault costs more than an entry of a batch. A failure here is none: the faults will do it
 *
 * Until 3 is done no byte of the parent may be read through the child, which is why the child is returned last.
 */
#include "mm/mm_internal.h"

#include <errno.h>

enum { MAP_EAGERLY_MAX = 40 };

static int copy_vmas(struct mm *child, struct mm *parent)
{
	struct seg g, out;
	int err = segset_reserve_many(&child->vmas, parent->vmas.count);

	for (g = segset_first(&parent->vmas); seg_ok(g) && !err; g = seg_next(g)) {
		struct vma v = *vma_of(g);
		struct range r = seg_range(g);

		if (v.dont_fork)
			continue;
		v.lock = VMA_UNLOCKED; /* locks are not inherited: mlock(2) */
		err = vma_register_locked(child, &v, r);
		if (err)
			break;
		vma_hold(&v);
		err = segset_insert_without_merging(&child->vmas, segset_last_gap(&child->vmas), r, &v, &out);
		if (err) {
			vma_unregister_locked(child, &v, r);
			vma_release(&v);
			break;
		}
		vma_account_locked(child, &v, (int64_t)range_len(r));
	}
	segset_trim(&child->vmas);
	return err;
}

/* Which part of r the child inherits from here on: the run inside one vma that is copied; empty at the end. */
static struct range inherited(struct mm *child, struct range r)
{
	struct seg g = segset_lower_bound(&child->vmas, r.start);

	while (seg_ok(g) && seg_start(g) < r.end && vma_of(g)->wipe_on_fork)
		g = seg_next(g);
	if (!seg_ok(g) || seg_start(g) >= r.end)
		return range_make(r.end, r.end);
	return range_intersect(seg_range(g), r);
}

static int copy_pma(struct mm *child, struct seg p)
{
	struct range r = seg_range(p), part;
	struct seg out;

	for (; !range_empty(part = inherited(child, r)); r.start = part.end) {
		struct pma v = *pma_of(p);
		int err;

		v.off = pma_offset(p, part.start);
		v.internal = NULL;
		v.internal_len = 0;
		v.stub = STUB_NONE;
		err = segset_insert(&child->pmas, segset_last_gap(&child->pmas), part, &v, &out);
		if (err)
			return err;
		v.file->ops->ref(v.file, range_make(v.off, v.off + range_len(part)));
		pma_account_locked(child, &v, (int64_t)range_len(part));
	}
	return 0;
}

/* Marks a private pma for copying; what the parent's stub may write of it is write-protected, or unmapped if in doubt. */
static int protect_parent(struct stub_batch *b, struct seg p)
{
	struct pma *v = pma_of(p);
	struct range r = seg_range(p);
	struct platform_op op = { .kind = PLATFORM_PROTECT, .addr = r.start, .len = range_len(r) };
	struct platform_op *last;

	if (v->need_cow && v->stub != STUB_UNSURE)
		return 0;
	v->need_cow = true;
	op.prot = pma_stub_prot(v);
	if (v->stub == STUB_NONE || (v->stub == STUB_MAPPED && !(v->prot & PROT_WRITE)))
		return 0;
	if (v->stub == STUB_READONLY) {
		v->stub = STUB_MAPPED;
		return 0;
	}
	if (v->stub == STUB_UNSURE) {
		op.kind = PLATFORM_UNMAP;
		v->stub = STUB_NONE;
	}
	last = b->count ? &b->ops[b->count - 1] : NULL;
	if (last && last->kind == op.kind && last->prot == op.prot && last->addr + last->len == op.addr) {
		last->len += op.len;
		return 0;
	}
	return stub_batch_add(b, &op);
}

static int copy_pmas(struct mm *child, struct mm *parent)
{
	struct stub_batch b;
	struct seg p;
	int err = segset_reserve_many(&child->pmas, parent->pmas.count);

	stub_batch_init(&b, parent);
	for (p = segset_first(&parent->pmas); seg_ok(p) && !err; p = seg_next(p)) {
		if (pma_of(p)->private)
			err = protect_parent(&b, p);
		if (!err)
			err = copy_pma(child, p);
	}
	if (!err)
		err = stub_batch_flush(&b);
	if (err)
		for (p = segset_first(&parent->pmas); seg_ok(p); p = seg_next(p))
			if (pma_of(p)->need_cow && pma_of(p)->private)
				pma_of(p)->stub = STUB_UNSURE;
	segset_trim(&child->pmas);
	pma_changed_locked(parent);
	pma_changed_locked(child);
	return err;
}

/* What the parent has mapped the child will mostly touch. */
static void map_child(struct mm *child, struct mm *parent)
{
	struct stub_batch b;
	struct seg p, q;
	size_t n = 0;

	for (p = segset_first(&parent->pmas); seg_ok(p); p = seg_next(p))
		n += pma_is_mapped(pma_of(p));
	if (n > MAP_EAGERLY_MAX)
		return;
	stub_batch_init(&b, child);
	for (q = segset_first(&child->pmas); seg_ok(q); q = seg_next(q)) {
		struct pma *v = pma_of(q);
		struct platform_op op = { .kind = PLATFORM_MAP,
					  .addr = seg_start(q),
					  .len = range_len(seg_range(q)),
					  .file = &v->file->host,
					  .off = v->off,
					  .prot = pma_stub_prot(v) };

		p = segset_find(&parent->pmas, seg_start(q));
		if (b.count == ARRAY_SIZE(b.ops) || !op.prot || !seg_ok(p) || !pma_is_mapped(pma_of(p)))
			continue;
		v->stub = STUB_MAPPED;
		b.ops[b.count++] = op;
	}
	if (stub_batch_flush(&b))
		for (q = segset_first(&child->pmas); seg_ok(q); q = seg_next(q))
			pma_of(q)->stub = STUB_UNSURE;
}

static void copy_rest(struct mm *child, struct mm *parent)
{
	child->mmap_base = parent->mmap_base;
	child->brk_start = parent->brk_start;
	child->brk_end = parent->brk_end;
	child->limits.as = parent->limits.as;
	child->limits.data = parent->limits.data;
	child->limits.stack = parent->limits.stack;
	child->limits.memlock = parent->limits.memlock;
	child->barriers = (unsigned)parent->barriers;
	child->exec = parent->exec;
	if (child->exec.exe && child->exec.exe_get)
		child->exec.exe_get(child->exec.exe);
}

int mm_fork(struct mm *parent, struct mm **out) NO_THREAD_SAFETY_ANALYSIS
{
	struct mm *child = mm_alloc(parent->memfile);
	int err;

	if (!child)
		return -ENOMEM;
	err = platform_as_new(&child->as);
	if (err) {
		mm_user_put(child);
		return err;
	}
	mm_lock(parent);
	mm_lock(child);
	copy_rest(child, parent);
	err = copy_vmas(child, parent);
	if (!err)
		err = copy_pmas(child, parent);
	if (!err)
		map_child(child, parent);
	mm_unlock(child);
	mm_unlock(parent);
	if (err) {
		mm_user_put(child);
		return err;
	}
	*out = child;
	return 0;
}
