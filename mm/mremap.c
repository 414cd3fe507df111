/* SPDX-License-Identifier: Apache-2.0 */
/* mremap(2).
 *
 * Theory of operation. A move takes the vma's description to a new range and the pmas with it: same file ranges, same references,
 * same resident bytes, no byte copied.
 *
 *        old [....vma....]                     new [....vma....:::]
 *             |pma| |pma|         ==>               |pma| |pma|
 *
 * One batch unmaps the old range in the stub and maps at the new one what was mapped before; the sets change after it has
 * succeeded. If it fails, both ranges are in doubt: the stub is cleared, and the call fails with the sets as they were.
 */
#include "base/log.h"
#include "mm/mm_internal.h"

#include <errno.h>
#include <sys/mman.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

struct remap {
	uint64_t old, old_len, new_len, new_addr; /* page-aligned lengths */
	int flags;
};

/* The stub's side of a move of the pmas in `from` by `delta`. */
static int move_in_stub(struct mm *mm, struct range from, uint64_t delta)
{
	struct stub_batch b;
	struct seg p;
	uint64_t start = 0, end = 0;
	struct platform_op op;
	int err;

	for (p = segset_lower_bound(&mm->pmas, from.start); seg_ok(p) && seg_start(p) < from.end; p = seg_next(p))
		if (pma_of(p)->stub != STUB_NONE) {
			start = end ? start : seg_start(p);
			end = seg_end(p);
		}
	if (!end)
		return 0;
	stub_batch_init(&b, mm);
	op = (struct platform_op){ .kind = PLATFORM_UNMAP, .addr = start, .len = end - start };
	err = stub_batch_add(&b, &op);
	for (p = segset_lower_bound(&mm->pmas, from.start); !err && seg_ok(p) && seg_start(p) < from.end; p = seg_next(p)) {
		struct pma *v = pma_of(p);

		op = (struct platform_op){ .kind = PLATFORM_MAP,
					   .addr = seg_start(p) + delta,
					   .len = range_len(seg_range(p)),
					   .file = &v->file->host,
					   .off = v->off,
					   .prot = pma_stub_prot(v) };
		if (pma_is_mapped(v) && op.prot)
			err = stub_batch_add(&b, &op);
	}
	if (!err)
		err = stub_batch_flush(&b);
	return err && stub_clear_locked(mm) ? -EOWNERDEAD : err;
}

/* Moves the pmas of `from` up by delta (modulo 2^64); the target has none. */
static int move_pmas(struct mm *mm, struct range from, uint64_t delta)
{
	struct seg p, out;
	size_t n = 0;
	int err;

	if (range_empty(from))
		return 0;
	err = segset_split_at_ends(&mm->pmas, from);
	pma_changed_locked(mm);
	for (p = segset_lower_bound(&mm->pmas, from.start); seg_ok(p) && seg_start(p) < from.end; p = seg_next(p))
		n++;
	if (!err)
		err = segset_reserve_many(&mm->pmas, n);
	if (!err)
		err = move_in_stub(mm, from, delta);
	if (err) {
		segset_trim(&mm->pmas);
		return err;
	}
	while (seg_ok(p = segset_lower_bound(&mm->pmas, from.start)) && seg_start(p) < from.end) {
		struct range r = seg_range(p);
		struct pma v = *pma_of(p);
		struct gap gap;
		bool free_here;

		v.stub = pma_is_mapped(&v) && pma_stub_prot(&v) ? STUB_MAPPED : STUB_NONE;
		segset_remove(&mm->pmas, p);
		gap = segset_find_gap(&mm->pmas, r.start + delta, &free_here);
		/* Not merged before all are there: the last one that has not moved yet may lie next to the first that has, and would move with it,
		 * away from where the stub has it. As many were reserved as are moved. */
		if (!free_here || segset_insert_without_merging(&mm->pmas, gap, range_make(r.start + delta, r.end + delta), &v, &out))
			panic("mremap: a reserved insertion failed");
	}
	segset_merge_range(&mm->pmas, range_make(from.start + delta, from.end + delta));
	segset_trim(&mm->pmas);
	pma_changed_locked(mm);
	return 0;
}

/* The vma's description for a mapping at offset `from` of it, with references. */
static struct vma describe(struct seg g, uint64_t from)
{
	struct vma v = *vma_of(g);

	if (v.mappable)
		v.off = vma_offset(g, from);
	vma_hold(&v);
	return v;
}

/* A new vma of new_len bytes like g's from a->old on. Leaves the pmas alone. */
static int place_copy(struct mm *mm, struct seg g, const struct remap *a, struct range *to)
{
	uint64_t at = a->new_addr;
	struct vma v;
	int err;

	if (!(a->flags & MREMAP_FIXED)) {
		at = vma_place_locked(mm, a->flags & MREMAP_DONTUNMAP ? page_down(a->new_addr) : 0, a->new_len, 0);
		if (!at)
			return -ENOMEM;
	}
	*to = range_make(at, at + a->new_len);
	v = describe(g, a->old);
	err = vma_grave_reserve_locked(mm, 1);
	if (!err)
		err = vma_insert_locked(mm, *to, &v);
	if (err)
		vma_release(&v); /* g holds the same references */
	return err;
}

/* MREMAP_DONTUNMAP: the lock goes with the pages; as in Linux the whole vma that they leave loses it. */
static void unlock_source(struct mm *mm, uint64_t addr)
{
	struct seg g = segset_find(&mm->vmas, addr);
	int64_t len = (int64_t)range_len(seg_range(g));
	struct vma *v = vma_of(g);

	vma_account_locked(mm, v, -len);
	v->lock = VMA_UNLOCKED;
	vma_account_locked(mm, v, len);
	segset_merge_range(&mm->vmas, seg_range(g));
}

static int move_vma(struct mm *mm, struct seg g, const struct remap *a, uint64_t *out)
{
	struct range from = { a->old, a->old + a->old_len }, to;
	bool locked = vma_of(g)->lock == VMA_LOCKED, goes = a->old_len && !(a->flags & MREMAP_DONTUNMAP);
	int access = vma_populate_access(vma_of(g)), err;

	if (mm->vmas.count + 3 > MM_MAX_VMAS)
		return -ENOMEM;
	err = place_copy(mm, g, a, &to);
	if (err)
		return err;
	/* What can fail of the removal is done before the move, which has no way back that is certain. */
	if (goes)
		err = vma_removal_prepare_locked(mm, from);
	if (!err) {
		err = move_pmas(mm, range_make(from.start, from.start + MIN(a->old_len, a->new_len)), to.start - from.start);
		if (err && goes)
			segset_merge_range(&mm->vmas, from);
	}
	if (err) {
		if (mm_unmap_locked(mm, to))
			log_debug("mremap: a copy of a vma stays at %#lx", to.start);
		return err;
	}
	if (goes)
		vma_remove_locked(mm, from);
	*out = to.start;
	if (a->flags & MREMAP_DONTUNMAP)
		unlock_source(mm, from.start);
	if (locked && access && mm_populate_locked(mm, to, access))
		log_debug("mremap: locked pages are left to faults");
	return 0;
}

/* Checks of Linux's vma_to_resize(): may `more` bytes be added? */
static int check_growth(struct mm *mm, struct seg g, const struct remap *a, uint64_t more)
{
	struct vma *v = vma_of(g);

	if (v->mappable && vma_offset(g, a->old) + a->new_len < a->new_len)
		return -EINVAL;
	if (v->lock != VMA_UNLOCKED && mm->locked_bytes + more > mm->limits.memlock)
		return -EAGAIN;
	return vma_limits_locked(mm, v, more);
}

/* Growing where it is: the vma ends where the request does, and the gap behind is free. */
static int grow_in_place(struct mm *mm, struct seg g, const struct remap *a)
{
	uint64_t end = a->old + a->old_len;
	struct range more = { end, a->old + a->new_len };
	struct seg next = seg_next(g);
	bool locked = vma_of(g)->lock == VMA_LOCKED;
	int access = vma_populate_access(vma_of(g)), err;
	struct vma v;

	if (seg_end(g) != end || more.end > platform_max_addr() || more.end < more.start)
		return -ENOMEM;
	/* As in Linux, without a guard gap to a stack. */
	if (seg_ok(next) && seg_start(next) < more.end)
		return -ENOMEM;
	v = describe(g, end);
	err = vma_insert_locked(mm, more, &v);
	if (err)
		vma_release(&v);
	else if (locked && access && mm_populate_locked(mm, more, access))
		log_debug("mremap: locked pages are left to faults");
	return err;
}

/* MREMAP_FIXED and MREMAP_DONTUNMAP of one vma's piece: the target is cleared, then moved to. */
static int remap_piece(struct mm *mm, struct remap *a, uint64_t *out)
{
	struct seg g;
	int err;

	if (a->flags & MREMAP_FIXED) {
		err = mm_unmap_locked(mm, range_make(a->new_addr, a->new_addr + a->new_len));
		if (err)
			return err;
	}
	if (a->old_len > a->new_len) {
		err = mm_unmap_locked(mm, range_make(a->old + a->new_len, a->old + a->old_len));
		if (err)
			return err;
		a->old_len = a->new_len;
	}
	g = segset_find(&mm->vmas, a->old);
	if (!seg_ok(g) || a->old_len > seg_end(g) - a->old)
		return -EFAULT;
	if (vma_of(g)->sealed)
		return -EPERM;
	err = check_growth(mm, g, a, a->flags & MREMAP_DONTUNMAP ? a->new_len : a->new_len - a->old_len);
	return err ? err : move_vma(mm, g, a, out);
}

/* As Linux since 6.17: what moves to a given place without another size may be several vmas and the holes between them, which stay
 * holes. They move one by one, and those before one that cannot stay moved. */
static int remap_pieces(struct mm *mm, const struct remap *a)
{
	struct range from = { a->old, a->old + a->old_len };
	uint64_t at = from.start, out;
	struct seg g;
	int err = 0;

	while (!err && at < from.end && seg_ok(g = segset_lower_bound(&mm->vmas, at)) && seg_start(g) < from.end) {
		struct range part = range_intersect(seg_range(g), range_make(at, from.end));
		struct remap piece = { .old = part.start, .old_len = range_len(part), .new_len = range_len(part),
				       .new_addr = a->new_addr + (part.start - from.start), .flags = a->flags };

		at = part.end;
		err = remap_piece(mm, &piece, &out);
	}
	return err;
}

static int remap_to(struct mm *mm, struct remap *a, uint64_t *out)
{
	struct range to;

	if ((a->new_addr & ~PAGE_MASK) || !range_from(a->new_addr, a->new_len, &to))
		return -EINVAL;
	if (range_overlaps(to, range_make(a->old, a->old + a->old_len)))
		return -EINVAL;
	if ((a->flags & MREMAP_FIXED) && to.start < platform_min_addr())
		return -EPERM;
	if (!(a->flags & MREMAP_FIXED) || a->old_len != a->new_len)
		return remap_piece(mm, a, out);
	*out = a->new_addr;
	return remap_pieces(mm, a);
}

static int remap_locked(struct mm *mm, struct remap *a, uint64_t *out)
{
	struct seg g = segset_find(&mm->vmas, a->old);
	int err;

	if (!seg_ok(g))
		return -EFAULT;
	if (vma_of(g)->sealed)
		return -EPERM;
	if (!a->old_len && !vma_of(g)->shared)
		return -EINVAL; /* a second view exists of shared memory only */
	if (a->flags & (MREMAP_FIXED | MREMAP_DONTUNMAP))
		return remap_to(mm, a, out);
	*out = a->old;
	if (a->old_len >= a->new_len) {
		struct range tail = { a->old + a->new_len, a->old + a->old_len };

		return range_empty(tail) ? 0 : mm_unmap_locked(mm, tail);
	}
	if (a->old_len > seg_end(g) - a->old)
		return -EFAULT;
	err = check_growth(mm, g, a, a->new_len - a->old_len);
	if (err)
		return err;
	err = a->old_len ? grow_in_place(mm, g, a) : -ENOMEM;
	if (err != -ENOMEM || !(a->flags & MREMAP_MAYMOVE))
		return err;
	return move_vma(mm, g, a, out);
}

int mm_mremap(struct mm *mm, uint64_t old, uint64_t old_len, uint64_t new_len, int flags, uint64_t new_addr, uint64_t *out)
{
	struct remap a = { .old = old, .new_addr = new_addr, .flags = flags };
	int err;

	if (flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP))
		return -EINVAL;
	if ((flags & MREMAP_FIXED) && !(flags & MREMAP_MAYMOVE))
		return -EINVAL;
	if ((flags & MREMAP_DONTUNMAP) && (!(flags & MREMAP_MAYMOVE) || old_len != new_len))
		return -EINVAL;
	if ((old & ~PAGE_MASK) || !page_up(old_len, &a.old_len) || !page_up(new_len, &a.new_len) || !a.new_len)
		return -EINVAL;
	if (a.old_len > platform_max_addr() || old > platform_max_addr() - a.old_len)
		return -EFAULT;
	if (a.new_len > platform_max_addr())
		return flags & (MREMAP_FIXED | MREMAP_DONTUNMAP) ? -EINVAL : -ENOMEM;
	mm_lock(mm);
	err = remap_locked(mm, &a, out);
	mm_unlock(mm);
	return err;
}
