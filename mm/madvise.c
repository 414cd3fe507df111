/* SPDX-License-Identifier: Apache-2.0 */
/* madvise(2).
 *
 * MADV_DONTNEED and MADV_FREE of private anonymous memory punch the memory file where nobody else refers to the pages: the
 * host takes them out of the stub's page table by itself, so no call is injected. Elsewhere the pmas are dropped. MADV_FREE
 * frees at once, which the manual page allows. Advice about speed is accepted and does nothing.
 */
#include "mm/mm_internal.h"

#include <errno.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE 101
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

static void set_dont_fork(struct vma *v, int on)
{
	v->dont_fork = on;
}

static void set_wipe_on_fork(struct vma *v, int on)
{
	v->wipe_on_fork = on;
}

/* Can the pages of a private pma be punched out of the memory file under everybody's feet? Only if that is us alone. */
static bool punch(struct mm *mm, struct seg vseg, struct seg p, struct range r)
{
	struct range file = pma_file_range(p, r);

	if (vma_of(vseg)->mappable || pma_of(p)->need_cow || !memfile_sole_ref(mm->memfile, file))
		return false;
	mm_rss_falls_locked(mm, r, DROP_ALL);
	return !memfile_decommit(mm->memfile, file);
}

static int discard(struct mm *mm, struct seg vseg, struct range r)
{
	uint64_t at = r.start;

	while (at < r.end) {
		struct seg p = segset_lower_bound(&mm->pmas, at);
		struct range part;

		if (!seg_ok(p) || seg_start(p) >= r.end)
			break;
		part = range_intersect(seg_range(p), range_make(at, r.end));
		/* What is not private is the file's: it will be found there again. */
		if (pma_of(p)->private && !punch(mm, vseg, p, part)) {
			int err = pmas_drop_locked(mm, part, DROP_ALL);

			if (err)
				return err;
		}
		at = part.end;
	}
	return 0;
}

/* Advice after which bytes are gone, here or in a child: what sealed memory that cannot be written is safe from. */
static bool loses_bytes(int advice)
{
	switch (advice) {
	case MADV_DONTNEED:
	case MADV_DONTNEED_LOCKED:
	case MADV_FREE:
	case MADV_REMOVE:
	case MADV_DONTFORK:
	case MADV_WIPEONFORK:
		return true;
	default:
		return false;
	}
}

/* 0, or why the vma refuses the advice. */
static int refused(const struct vma *v, int advice)
{
	bool anon = !v->mappable;

	if (v->sealed && anon && !(v->prot & PROT_WRITE) && loses_bytes(advice))
		return -EPERM;
	switch (advice) {
	case MADV_DONTNEED:
	case MADV_COLD:
	case MADV_PAGEOUT:
		return v->lock != VMA_UNLOCKED ? -EINVAL : 0;
	case MADV_FREE:
		return v->lock != VMA_UNLOCKED || !anon ? -EINVAL : 0;
	case MADV_WIPEONFORK:
		return vma_of_file(v) ? -EINVAL : 0;
	case MADV_REMOVE:
		if (v->lock != VMA_UNLOCKED || !vma_of_file(v))
			return -EINVAL;
		return v->shared && (v->max_prot & PROT_WRITE) ? 0 : -EACCES;
	default:
		return 0;
	}
}

static int advise_vma(struct mm *mm, struct seg vseg, struct range r, int advice)
{
	int err = refused(vma_of(vseg), advice);

	if (err)
		return err;
	switch (advice) {
	case MADV_DONTNEED:
	case MADV_DONTNEED_LOCKED:
	case MADV_FREE:
		return discard(mm, vseg, r);
	case MADV_DONTFORK:
	case MADV_DOFORK:
		err = vma_modify_locked(mm, r, set_dont_fork, advice == MADV_DONTFORK);
		break;
	case MADV_WIPEONFORK:
	case MADV_KEEPONFORK:
		err = vma_modify_locked(mm, r, set_wipe_on_fork, advice == MADV_WIPEONFORK);
		break;
	default:
		return 0;
	}
	/* ENOMEM is for holes. */
	return err == -ENOMEM ? -EAGAIN : err;
}

static int advise(struct mm *mm, struct range r, int advice)
{
	uint64_t at = r.start;
	int hole = 0, err = 0;

	mm_lock(mm);
	while (at < r.end && !err) {
		struct seg g = segset_lower_bound(&mm->vmas, at);
		struct range part;

		if (!seg_ok(g) || seg_start(g) > at)
			hole = -ENOMEM;
		if (!seg_ok(g) || seg_start(g) >= r.end)
			break;
		part = range_intersect(seg_range(g), range_make(at, r.end));
		err = advise_vma(mm, g, part, advice);
		at = part.end;
	}
	mm_unlock(mm);
	return err ? err : hole;
}

/* MADV_REMOVE: the mappable is called without locks, because it may invalidate. */
static int advise_remove(struct mm *mm, struct range r)
{
	uint64_t at = r.start;
	int hole = 0, err = 0;

	while (at < r.end && !err) {
		struct vma v = { 0 };
		struct range part, src;
		struct seg g;

		mutex_lock(&mm->mapping);
		g = segset_lower_bound(&mm->vmas, at);
		if (!seg_ok(g) || seg_start(g) > at)
			hole = -ENOMEM;
		if (!seg_ok(g) || seg_start(g) >= r.end) {
			mutex_unlock(&mm->mapping);
			break;
		}
		part = range_intersect(seg_range(g), range_make(at, r.end));
		err = refused(vma_of(g), MADV_REMOVE);
		if (!err) {
			v = *vma_of(g);
			vma_hold(&v);
			src = range_make(vma_offset(g, part.start), vma_offset(g, part.end));
		}
		mutex_unlock(&mm->mapping);
		if (!err) {
			err = v.mappable->ops->punch ? v.mappable->ops->punch(v.mappable, src) : -EOPNOTSUPP;
			vma_release(&v);
		}
		at = part.end;
	}
	return err ? err : hole;
}

/* vma by vma, so what lies before a hole or a refusal is made. */
static int advise_populate(struct mm *mm, struct range r, int access)
{
	uint64_t at = r.start;
	int err = 0;

	mm_lock(mm);
	while (at < r.end && !err) {
		struct seg g = segset_find(&mm->vmas, at);

		if (!seg_ok(g))
			err = -ENOMEM;
		else if (!(vma_of(g)->prot & access))
			err = -EINVAL;
		if (err)
			break;
		r.start = at;
		at = MIN(seg_end(g), r.end);
		err = mm_populate_locked(mm, range_make(r.start, at), access);
	}
	mm_unlock(mm);
	return err == -ENXIO ? -EFAULT : err;
}

static bool known(int advice)
{
	switch (advice) {
	case MADV_NORMAL ... MADV_DONTNEED:
	case MADV_FREE ... MADV_DODUMP:
	case MADV_WIPEONFORK ... MADV_DONTNEED_LOCKED:
		return true;
	default:
		return false;
	}
}

static int advise_range(struct mm *mm, struct range r, int advice)
{
	switch (advice) {
	case MADV_REMOVE:
		return advise_remove(mm, r);
	case MADV_POPULATE_READ:
		return advise_populate(mm, r, PROT_READ);
	case MADV_POPULATE_WRITE:
		return advise_populate(mm, r, PROT_WRITE);
	default:
		return advise(mm, r, advice);
	}
}

int mm_madvise(struct mm *mm, uint64_t addr, uint64_t len, int advice)
{
	struct range r;
	bool whole;
	int err;

	if (advice == MADV_HWPOISON || advice == MADV_SOFT_OFFLINE)
		return -EPERM;
	if (!known(advice) || (addr & ~PAGE_MASK))
		return -EINVAL;
	if (!len)
		return 0;
	whole = range_cut(addr, len, &r);
	if (!whole && range_empty(r))
		return addr < platform_max_addr() || addr + len < addr ? -EINVAL : -ENOMEM;
	err = advise_range(mm, r, advice);
	return err || whole ? err : -ENOMEM;
}
