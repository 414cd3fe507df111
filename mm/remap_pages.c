/* SPDX-License-Identifier: Apache-2.0 */
/* remap_file_pages(2): other pages of what is mapped already. Linux emulates it by an mmap of the same object, and so is it here:
 * the range lies in shared vmas of one object that differ in nothing but the offset. */
#include "mm/mm_internal.h"

#include <errno.h>

/* Do the vmas from g on cover r and map the same object in the same way? */
static bool same_mapping(struct seg g, struct range r)
{
	const struct vma *first = vma_of(g);
	uint64_t at = r.start;

	for (; at < r.end; g = seg_next(g)) {
		const struct vma *v;

		if (!seg_ok(g) || seg_start(g) > at)
			return false;
		v = vma_of(g);
		if (v->mappable != first->mappable || !v->shared || v->prot != first->prot || v->lock != first->lock)
			return false;
		at = seg_end(g);
	}
	return true;
}

/* The arguments of the mmap that does it, with a reference on the object. */
static int describe_locked(struct mm *mm, struct range r, struct mmap_args *m)
{
	struct seg g = segset_find(&mm->vmas, r.start);
	const struct vma *v;

	if (!seg_ok(g) || !vma_of(g)->shared || !same_mapping(g, r))
		return -EINVAL;
	v = vma_of(g);
	m->prot = v->prot;
	m->max_prot = v->max_prot;
	m->mappable = v->mappable;
	m->flags |= v->lock != VMA_UNLOCKED ? MAP_LOCKED : 0;
	m->mappable->ops->get(m->mappable);
	return 0;
}

int mm_remap_pages(struct mm *mm, uint64_t addr, uint64_t len, uint64_t pgoff, int flags)
{
	struct mmap_args m = { .addr = page_down(addr), .len = len & PAGE_MASK, .off = pgoff << PAGE_SHIFT };
	uint64_t pages = m.len >> PAGE_SHIFT, at;
	struct range r;
	int err;

	if (!m.len || m.addr + m.len <= m.addr || pgoff + pages < pgoff || !range_from(m.addr, m.len, &r))
		return -EINVAL;
	if (pgoff > (UINT64_MAX >> PAGE_SHIFT) - pages)
		return -EOVERFLOW;
	m.flags = MAP_SHARED | MAP_FIXED | MAP_POPULATE | (flags & MAP_NONBLOCK);
	mutex_lock(&mm->mapping);
	err = describe_locked(mm, r, &m);
	mutex_unlock(&mm->mapping);
	if (err)
		return err;
	err = mm_mmap(mm, &m, &at);
	m.mappable->ops->put(m.mappable);
	return err;
}
