/* SPDX-License-Identifier: Apache-2.0 */
/* Where a new mapping goes: the rules of mmap(2) and Linux's arch_get_unmapped_area_topdown().
 *
 * A hint is taken if the range there is free and keeps the guard gap to a stack above it. Otherwise the highest free range
 * below mmap_base that is large enough; if there is none, the lowest one above it. MAP_32BIT: the lowest range in the
 * second gigabyte. mmap_base is random, so that a layout cannot be predicted from outside, unless
 * personality(2) asked for that.
 */
#include "mm/mm_internal.h"

#include <sys/random.h>

#define MAP32_START 0x40000000ULL
#define MAP32_END 0x80000000ULL
/* Room for the stack above mmap_base: what Linux keeps for an 8 MiB limit and its own randomisation, and more. */
#define STACK_ROOM (256ULL << 20)

bool range_from(uint64_t addr, uint64_t len, struct range *out)
{
	uint64_t size;

	if ((addr & ~PAGE_MASK) || !page_up(len, &size) || (len && !size))
		return false;
	if (addr > platform_max_addr() || size > platform_max_addr() - addr)
		return false;
	*out = range_make(addr, addr + size);
	return true;
}

bool range_cut(uint64_t addr, uint64_t len, struct range *out)
{
	uint64_t max = platform_max_addr(), size, end;

	*out = range_make(addr, addr);
	if (!page_up(len, &size) || addr + size < addr)
		return false;
	end = addr + size;
	*out = range_make(MIN(addr, max), MIN(end, max));
	return end <= max;
}

static uint64_t base_below(uint64_t pages)
{
	return align_down(platform_max_addr() - STACK_ROOM - pages * PAGE_SIZE, MM_UNIT);
}

void mm_fix_layout(struct mm *mm)
{
	mm->layout_fixed = true;
	mm->mmap_base = base_below(0);
}

bool mm_layout_fixed(const struct mm *mm)
{
	return mm->layout_fixed;
}

uint64_t mm_random_base(void)
{
	uint64_t pages = 0;

	/* Without randomness the layout is merely predictable. */
	if (getrandom(&pages, sizeof(pages), GRND_NONBLOCK) != sizeof(pages))
		pages = 0;
	return base_below(pages & ((1ULL << 28) - 1));
}

/* The part of gap p in which a mapping may lie: stacks above keep their guard gap. */
static struct range usable(struct mm *mm, struct gap p, struct range window)
{
	struct range r = gap_range(&mm->vmas, p);
	struct seg next = gap_next_seg(&mm->vmas, p);

	if (seg_ok(next) && vma_of(next)->grows_down)
		r.end = r.end - r.start > MM_GUARD_GAP ? r.end - MM_GUARD_GAP : r.start;
	return range_intersect(r, window);
}

/* The gap that x lies in, or the one before or after the segment that x lies in. */
static struct gap gap_near(struct mm *mm, uint64_t x, bool before)
{
	struct seg g = segset_find(&mm->vmas, x);
	bool ok;

	if (!seg_ok(g))
		return segset_find_gap(&mm->vmas, x, &ok);
	return before ? seg_prev_gap(g) : seg_next_gap(g);
}

static uint64_t place_down(struct mm *mm, struct range window, uint64_t len)
{
	struct gap p = gap_near(mm, window.end - 1, true);

	for (;;) {
		struct range r = usable(mm, p, window);
		struct seg prev;
		bool ok = true;

		if (range_len(r) >= len)
			return r.end - len;
		prev = gap_prev_seg(&mm->vmas, p);
		if (!seg_ok(prev) || seg_start(prev) <= window.start)
			return 0;
		p = seg_prev_gap(prev);
		if (range_len(gap_range(&mm->vmas, p)) < len)
			p = segset_gap_at_least_down(&mm->vmas, p, len, &ok);
		if (!ok)
			return 0;
	}
}

static uint64_t place_up(struct mm *mm, struct range window, uint64_t len)
{
	struct gap p = gap_near(mm, window.start, false);

	for (;;) {
		struct range r = usable(mm, p, window);
		struct seg next;
		bool ok = true;

		if (range_len(r) >= len)
			return r.start;
		next = gap_next_seg(&mm->vmas, p);
		if (!seg_ok(next) || seg_end(next) >= window.end)
			return 0;
		p = seg_next_gap(next);
		if (range_len(gap_range(&mm->vmas, p)) < len)
			p = segset_gap_at_least_up(&mm->vmas, p, len, &ok);
		if (!ok)
			return 0;
	}
}

static bool hint_free(struct mm *mm, struct range r)
{
	bool ok;
	struct gap p;

	if (r.start < platform_min_addr())
		return false;
	p = segset_find_gap(&mm->vmas, r.start, &ok);
	return ok && range_superset(usable(mm, p, range_make(platform_min_addr(), platform_max_addr())), r);
}

uint64_t vma_place_locked(struct mm *mm, uint64_t hint, uint64_t len, int flags)
{
	uint64_t min = platform_min_addr(), max = platform_max_addr(), at;
	struct range r;

	mutex_assert_held(&mm->mapping);
	if (!len || len > max - min)
		return 0;
	if (hint) {
		uint64_t up;

		hint = page_up(hint, &up) && up > min ? up : min;
		if (range_from(hint, len, &r) && hint_free(mm, r) && (!(flags & MAP_32BIT) || r.end <= MAP32_END))
			return hint;
	}
	if (flags & MAP_32BIT)
		return place_up(mm, range_make(MAP32_START, MAP32_END), len);
	at = place_down(mm, range_make(min, mm->mmap_base), len);
	return at ? at : place_up(mm, range_make(mm->mmap_base, max), len);
}
