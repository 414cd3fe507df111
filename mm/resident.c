/* SPDX-License-Identifier: Apache-2.0 */
/* What is resident, locked and in step with its file: mincore(2), mlock(2) and its siblings, msync(2), and the peak of RSS.
 *
 * A pma says what may be touched, the host says what was: the memory file is sparse and a unit of 2 MiB may hold one
 * page. So figures are asked of the host: sums by lseek(2) over the memory file's data and holes, single pages by mincore(2) on
 * the sentry's own mapping. Neither touches anything. The peak is taken when memory is about to go, see mm_rss_falls_locked().
 */
#include "mm/mm_internal.h"

#include <errno.h>
#include <string.h>

void file_residency(struct mm_file *f, struct range r, unsigned char *vec)
{
	while (!range_empty(r)) {
		uint64_t len = 0;
		char *p = f->ops->map_internal(f, r.start, false, &len);

		len = p ? MIN(len, range_len(r)) : range_len(r);
		/* What cannot be asked counts as there. */
		if (!p || mincore(p, len, vec))
			memset(vec, 1, len / PAGE_SIZE);
		vec += len / PAGE_SIZE;
		r.start += len;
	}
}

void mm_resident_locked(struct mm *mm, struct range r, uint64_t *anon, uint64_t *file)
{
	struct seg p;

	mutex_assert_held(&mm->active);
	*anon = *file = 0;
	for (p = segset_lower_bound(&mm->pmas, r.start); seg_ok(p) && seg_start(p) < r.end; p = seg_next(p)) {
		struct range part = range_intersect(seg_range(p), r);

		if (pma_of(p)->private)
			*anon += memfile_resident_in(mm->memfile, pma_file_range(p, part));
		else
			*file += range_len(part);
	}
}

static void measure_rss_locked(struct mm *mm)
{
	uint64_t anon, file;

	mm->rss_dropped = 0;
	if (mm->rss_anon + mm->rss_file <= mm->rss_peak)
		return;
	mm_resident_locked(mm, range_make(0, UINT64_MAX), &anon, &file);
	mm->rss_peak = MAX(mm->rss_peak, anon + file);
}

uint64_t mm_rss_peak(struct mm *mm)
{
	uint64_t peak;

	mutex_lock(&mm->active);
	measure_rss_locked(mm);
	peak = mm->rss_peak;
	mutex_unlock(&mm->active);
	return peak;
}

void mm_rss_falls_locked(struct mm *mm, struct range r, enum pma_drop which)
{
	enum { ACCURACY = 8 };
	uint64_t anon, file;

	mutex_assert_held(&mm->active);
	if (mm->rss_anon + mm->rss_file <= mm->rss_peak)
		return; /* there was never more than the peak since it was taken */
	mm_resident_locked(mm, r, &anon, &file);
	mm->rss_dropped += which == DROP_ALL ? anon + file : file;
	if (mm->rss_dropped > mm->rss_peak / ACCURACY)
		measure_rss_locked(mm);
}

/* Bit 0 of each page's byte: is it in a pma of r and there? Other bytes stay. */
static void pma_pages(struct mm *mm, struct range r, bool private_only, unsigned char *vec)
{
	struct seg p;

	for (p = segset_lower_bound(&mm->pmas, r.start); seg_ok(p) && seg_start(p) < r.end; p = seg_next(p)) {
		struct range part = range_intersect(seg_range(p), r);

		if (pma_of(p)->private || !private_only)
			file_residency(pma_of(p)->file, pma_file_range(p, part), vec + (part.start - r.start) / PAGE_SIZE);
	}
}

int mm_mincore(struct mm *mm, uint64_t addr, uint64_t len, unsigned char *vec)
{
	struct range r;
	struct seg g;
	int err = 0;

	if (addr & ~PAGE_MASK)
		return -EINVAL;
	if (!range_from(addr, len, &r))
		return -ENOMEM;
	memset(vec, 0, range_len(r) / PAGE_SIZE);
	mm_lock(mm);
	if (!vma_covers_locked(mm, r))
		err = -ENOMEM;
	/* Of a file its pages, mapped or not; then the guest's own in their place. */
	for (g = segset_lower_bound(&mm->vmas, r.start); !err && seg_ok(g) && seg_start(g) < r.end; g = seg_next(g)) {
		struct range part = range_intersect(seg_range(g), r);
		struct mappable *m = vma_of(g)->mappable;
		unsigned char *at = vec + (part.start - r.start) / PAGE_SIZE;

		if (m && m->ops->residency)
			m->ops->residency(m, range_make(vma_offset(g, part.start), vma_offset(g, part.end)), at);
		pma_pages(mm, part, m && m->ops->residency, at);
	}
	mm_unlock(mm);
	for (uint64_t i = 0; !err && i < range_len(r) / PAGE_SIZE; i++)
		vec[i] &= 1;
	return err;
}

void mm_page_states(struct mm *mm, uint64_t addr, unsigned char *states, size_t count)
{
	struct range r = range_make(addr, addr + count * PAGE_SIZE);
	struct seg p;

	memset(states, 0, count);
	mm_lock(mm);
	pma_pages(mm, r, false, states);
	for (size_t i = 0; i < count; i++)
		states[i] = states[i] & 1 ? MM_PAGE_PRESENT : 0;
	for (p = segset_lower_bound(&mm->pmas, r.start); seg_ok(p) && seg_start(p) < r.end; p = seg_next(p)) {
		struct range part = range_intersect(seg_range(p), r);

		for (uint64_t at = part.start; !pma_of(p)->private && at < part.end; at += PAGE_SIZE)
			if (states[(at - addr) / PAGE_SIZE])
				states[(at - addr) / PAGE_SIZE] |= MM_PAGE_SHARED;
	}
	mm_unlock(mm);
}

static void set_lock(struct vma *v, int how)
{
	v->lock = (uint8_t)how;
}

/* Bytes of r that are not locked yet. */
static uint64_t unlocked_span(struct mm *mm, struct range r)
{
	uint64_t bytes = 0;
	struct seg g;

	for (g = segset_lower_bound(&mm->vmas, r.start); seg_ok(g) && seg_start(g) < r.end; g = seg_next(g))
		if (vma_of(g)->lock == VMA_UNLOCKED)
			bytes += range_len(range_intersect(seg_range(g), r));
	return bytes;
}

/* Fills the locked vmas of r as far as can be; the first error. */
static int fill_locked(struct mm *mm, struct range r)
{
	uint64_t at = r.start;
	int err = 0;

	while (at < r.end) {
		struct seg g = segset_lower_bound(&mm->vmas, at);
		struct range part;
		int access, e;

		if (!seg_ok(g) || seg_start(g) >= r.end)
			break;
		part = range_intersect(seg_range(g), range_make(at, r.end));
		access = vma_populate_access(vma_of(g));
		e = access ? mm_populate_locked(mm, part, access) : -EFAULT;
		err = err ? err : e;
		at = part.end;
	}
	return err;
}

static int lock_locked(struct mm *mm, struct range r, enum vma_lock how)
{
	struct range covered = { r.start, vma_covered_to_locked(mm, r) };
	int hole = covered.end < r.end ? -ENOMEM : 0, err;

	if (how != VMA_UNLOCKED && mm->locked_bytes + unlocked_span(mm, r) > mm->limits.memlock)
		return -ENOMEM;
	/* As Linux, which goes as far as there are vmas, and fills nothing if that is not all. */
	if (range_empty(covered))
		return hole;
	err = vma_modify_locked(mm, covered, set_lock, how);
	if (!err && !hole && how == VMA_LOCKED && fill_locked(mm, r))
		err = -ENOMEM;
	return err ? err : hole;
}

int mm_mlock(struct mm *mm, uint64_t addr, uint64_t len, bool lock, bool on_fault)
{
	uint64_t start = page_down(addr), size = (len + (addr - start) + PAGE_SIZE - 1) & PAGE_MASK;
	enum vma_lock how = !lock ? VMA_UNLOCKED : on_fault ? VMA_LOCKED_ON_FAULT : VMA_LOCKED;
	struct range r;
	bool whole;
	int err;

	if (lock && !mm->limits.memlock)
		return -EPERM;
	if (!size) /* also where the length wraps around, as in Linux */
		return 0;
	if (start + size < start)
		return lock && size > mm->limits.memlock ? -ENOMEM : -EINVAL;
	whole = range_cut(start, size, &r);
	if (range_empty(r))
		return -ENOMEM;
	mm_lock(mm);
	err = lock_locked(mm, r, how);
	mm_unlock(mm);
	return err || whole ? err : -ENOMEM;
}

int mm_mlockall(struct mm *mm, int flags)
{
	struct range all = { platform_min_addr(), platform_max_addr() };
	enum vma_lock how = flags & MCL_ONFAULT ? VMA_LOCKED_ON_FAULT : VMA_LOCKED;
	int err = 0;

	mm_lock(mm);
	if (flags && !mm->limits.memlock)
		err = -EPERM;
	else if ((flags & MCL_CURRENT) && mm->vm_bytes > mm->limits.memlock)
		err = -ENOMEM;
	if (!err) {
		mm->lock_future = flags & MCL_FUTURE ? flags & (MCL_FUTURE | MCL_ONFAULT) : 0;
		if (!flags)
			err = vma_modify_locked(mm, all, set_lock, VMA_UNLOCKED);
		else if (flags & MCL_CURRENT)
			err = vma_modify_locked(mm, all, set_lock, how);
		if (!err && (flags & MCL_CURRENT) && how == VMA_LOCKED && fill_locked(mm, all))
			err = 0; /* as Linux: what cannot be filled is not an error of mlockall */
	}
	mm_unlock(mm);
	return err;
}

/* Finds the next vma at or after *at with something to sync; its value with references. */
static bool next_to_sync(struct mm *mm, uint64_t *at, struct range r, int flags, struct vma *out, struct range *src,
			 int *err)
{
	struct range part;
	struct seg g;
	bool found = false;

	mutex_lock(&mm->mapping);
	g = segset_lower_bound(&mm->vmas, *at);
	if ((!seg_ok(g) || seg_start(g) > *at) && !*err)
		*err = -ENOMEM;
	*out = (struct vma){ 0 };
	if (seg_ok(g) && seg_start(g) < r.end) {
		part = range_intersect(seg_range(g), range_make(*at, r.end));
		if ((flags & MS_INVALIDATE) && vma_of(g)->lock != VMA_UNLOCKED) {
			*err = -EBUSY;
		} else {
			found = true;
			*at = part.end;
			if (vma_of(g)->shared && vma_of(g)->mappable->ops->sync) {
				*out = *vma_of(g);
				vma_hold(out);
				*src = range_make(vma_offset(g, part.start), vma_offset(g, part.end));
			}
		}
	}
	mutex_unlock(&mm->mapping);
	return found;
}

int mm_msync(struct mm *mm, uint64_t addr, uint64_t len, int flags)
{
	struct range r, src;
	uint64_t at = addr;
	struct vma v;
	bool whole;
	int err = 0;

	if ((addr & ~PAGE_MASK) || (flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) ||
	    ((flags & MS_ASYNC) && (flags & MS_SYNC)))
		return -EINVAL;
	if (!((len + PAGE_SIZE - 1) & PAGE_MASK)) /* also where the length wraps around, as in Linux */
		return 0;
	whole = range_cut(addr, len, &r);
	if (range_empty(r))
		return -ENOMEM;
	while (at < r.end && next_to_sync(mm, &at, r, flags, &v, &src, &err)) {
		if (v.mappable && (flags & MS_SYNC)) {
			int e = v.mappable->ops->sync(v.mappable, src);

			err = e ? e : err;
		}
		vma_release(&v);
	}
	return err || whole ? err : -ENOMEM;
}
