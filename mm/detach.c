/* SPDX-License-Identifier: Apache-2.0 */
/* shmdt(2): unmaps what is left of an attachment, known by the address it began at. */
#include "mm/mm_internal.h"

#include <errno.h>

/* Does g map something of the kind `ops`, as the attachment that began at addr would there? */
static bool belongs(struct seg g, uint64_t addr, const struct mappable_ops *ops)
{
	const struct vma *v = vma_of(g);

	return v->mappable && v->mappable->ops == ops && seg_start(g) - addr == v->off;
}

int mm_detach(struct mm *mm, uint64_t addr, const struct mappable_ops *ops)
{
	const struct mappable *found = NULL;
	struct seg g;
	int err = 0;

	if (addr & ~PAGE_MASK)
		return -EINVAL;
	mm_lock(mm);
	g = segset_lower_bound(&mm->vmas, addr);
	while (!err && seg_ok(g)) {
		struct range r = seg_range(g);

		if (belongs(g, addr, ops) && (!found || vma_of(g)->mappable == found)) {
			found = vma_of(g)->mappable;
			err = mm_unmap_locked(mm, r);
			/* What is sealed stays attached, and as on Linux nobody is told. */
			if (err == -EPERM)
				err = 0;
			g = segset_lower_bound(&mm->vmas, r.end);
		} else {
			g = seg_next(g);
		}
	}
	mm_unlock(mm);
	return err || found ? err : -EINVAL;
}

struct mappable *mm_attached(struct mm *mm, uint64_t addr, const struct mappable_ops *ops)
{
	struct mappable *m = NULL;
	struct seg g;

	/* Not `active`: whoever submits input and output need not wait for another thread's copy. */
	mutex_lock(&mm->mapping);
	g = segset_find(&mm->vmas, addr);
	if (seg_ok(g) && seg_start(g) == addr && belongs(g, addr, ops)) {
		m = vma_of(g)->mappable;
		m->ops->get(m);
	}
	mutex_unlock(&mm->mapping);
	return m;
}
