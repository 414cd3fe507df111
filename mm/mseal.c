/* SPDX-License-Identifier: Apache-2.0 */
/* mseal(2): mappings that stay what they are until exec or exit.
 *
 * A sealed vma is not unmapped, moved, resized, replaced or protected anew: mm_unmap_locked(), mprotect and mremap ask, and with the
 * first every call that unmaps on its way (mmap and mremap to a fixed address, brk, shmdt, remap_file_pages). Advice that loses
 * bytes is refused where the guest could not have written them: madvise.c. Seals go with a fork and cannot be taken off. What
 * Linux's Documentation/userspace-api/mseal.rst says of the order of checks holds: unmapping does all or nothing, mprotect and
 * madvise stop at the first sealed vma.
 */
#include "mm/mm_internal.h"

#include <errno.h>

static void set_sealed(struct vma *v, int on)
{
	v->sealed = on;
}

int mm_mseal(struct mm *mm, uint64_t addr, uint64_t len)
{
	struct range r;
	int err = -ENOMEM;

	if ((addr & ~PAGE_MASK) || !page_up(len, &len) || addr + len < addr)
		return -EINVAL;
	if (!len)
		return 0;
	if (!range_from(addr, len, &r))
		return -ENOMEM;
	mutex_lock(&mm->mapping);
	if (vma_covers_locked(mm, r))
		err = vma_modify_locked(mm, r, set_sealed, true);
	mutex_unlock(&mm->mapping);
	return err;
}
