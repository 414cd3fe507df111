/* SPDX-License-Identifier: Apache-2.0 */
/* brk(2). The heap is a private anonymous vma named "[heap]" that starts at brk_start. The break itself need not be
 * page-aligned; the vma ends at the page above it. */
#include "mm/mm_internal.h"

void mm_set_brk_start(struct mm *mm, uint64_t addr)
{
	mutex_lock(&mm->mapping);
	mm->brk_start = mm->brk_end = addr;
	mutex_unlock(&mm->mapping);
}

/* Is the new part free, with a page to spare to what follows and the guard gap to a stack? */
static bool room_to_grow(struct mm *mm, struct range r)
{
	struct seg next = segset_lower_bound(&mm->vmas, r.start);
	uint64_t gap;

	if (r.end > platform_max_addr())
		return false;
	if (!seg_ok(next))
		return true;
	gap = vma_of(next)->grows_down ? MM_GUARD_GAP : PAGE_SIZE;
	return seg_start(next) >= r.end && seg_start(next) - r.end >= gap;
}

static bool grow(struct mm *mm, struct range r)
{
	struct vma v = { .prot = PROT_READ | PROT_WRITE, .max_prot = PROT_ALL };

	if (mm->lock_future)
		v.lock = mm->lock_future & MCL_ONFAULT ? VMA_LOCKED_ON_FAULT : VMA_LOCKED;
	if (!room_to_grow(mm, r) || mm->vmas.count >= MM_MAX_VMAS || vma_limits_locked(mm, &v, range_len(r)))
		return false;
	if (v.lock != VMA_UNLOCKED && mm->locked_bytes + range_len(r) > mm->limits.memlock)
		return false;
	v.name = vma_name_new("[heap]");
	if (!v.name)
		return false;
	if (vma_insert_locked(mm, r, &v)) {
		vma_release(&v);
		return false;
	}
	/* A locked heap that could not be filled is filled by faults. */
	if (v.lock == VMA_LOCKED && mm_populate_locked(mm, r, PROT_READ | PROT_WRITE))
		return true;
	return true;
}

static bool move_break(struct mm *mm, uint64_t addr)
{
	uint64_t old_end, new_end, data = mm->exec.end_data - mm->exec.start_data;

	if (addr < mm->brk_start || !page_up(mm->brk_end, &old_end) || !page_up(addr, &new_end))
		return false;
	if (addr - mm->brk_start > mm->limits.data || data > mm->limits.data - (addr - mm->brk_start))
		return false;
	if (new_end > old_end)
		return grow(mm, range_make(old_end, new_end));
	if (new_end < old_end)
		return !mm_unmap_locked(mm, range_make(new_end, old_end));
	return true;
}

uint64_t mm_brk(struct mm *mm, uint64_t addr)
{
	uint64_t end;

	mm_lock(mm);
	if (move_break(mm, addr))
		mm->brk_end = addr;
	end = mm->brk_end;
	mm_unlock(mm);
	return end;
}
