/* SPDX-License-Identifier: Apache-2.0 */
/* Making pmas: the one way from "the guest may touch this" to "this backs it".
 *
 * Private anonymous memory comes from the memory file in units of 2 MiB, clipped to the vma and to the gap between pmas, so that
 * one fault serves many pages; the file is sparse, so an untouched page of a unit costs nothing. Mappables translate: what is
 * required, and as much around it as they can tell without work. A private mapping of a mappable never asks for write permission,
 * and its pmas need a copy before a write.
 */
#include "mm/mm_internal.h"

#include <errno.h>

/* The hole between pmas around `at`, inside the vma. */
static struct range free_around(struct mm *mm, struct seg vseg, uint64_t at)
{
	bool ok;
	struct gap gap = segset_find_gap(&mm->pmas, at, &ok);

	assert(ok);
	return range_intersect(gap_range(&mm->pmas, gap), seg_range(vseg));
}

static int insert_anon(struct mm *mm, struct seg vseg, struct range want)
{
	struct vma *v = vma_of(vseg);
	struct range room = free_around(mm, vseg, want.start);
	struct range r = range_intersect(
		range_make(align_down(want.start, MM_UNIT), align_up(want.end, MM_UNIT)), room);
	uint64_t align = PAGE_SIZE, off;
	enum memfile_dir dir = v->grows_down ? MEMFILE_TOP_DOWN : MEMFILE_BOTTOM_UP;
	struct pma p;
	struct seg out;
	int err;

	if (range_len(r) >= MM_UNIT)
		align = MM_UNIT;
	err = memfile_alloc(mm->memfile, range_len(r), align, r.start & (align - 1), dir, &off);
	if (err == -ENOMEM) {
		r = range_intersect(want, room);
		err = memfile_alloc(mm->memfile, range_len(r), PAGE_SIZE, 0, dir, &off);
	}
	if (err)
		return err;
	p = (struct pma){ .file = memfile_file(mm->memfile),
			  .off = off,
			  .prot = (uint8_t)prot_normal(v->prot),
			  .max_prot = (uint8_t)prot_normal(v->max_prot),
			  .private = true };
	err = pma_insert_locked(mm, r, &p, &out);
	if (err)
		memfile_unref(mm->memfile, range_make(off, off + range_len(r)));
	return err;
}

/* The guest's addresses of a translated piece; false when the mappable answered outside of what it was asked. */
static bool piece_range(struct seg vseg, const struct translation *t, struct range room, struct range *out)
{
	uint64_t base = vma_of(vseg)->off, start = seg_start(vseg);

	if (t->src.start < base || t->src.end <= t->src.start)
		return false;
	*out = range_make(t->src.start - base + start, t->src.end - base + start);
	return range_superset(room, *out);
}

static int insert_piece(struct mm *mm, struct seg vseg, const struct translation *t, struct range r)
{
	struct vma *v = vma_of(vseg);
	int max = prot_normal(v->max_prot) & (v->shared ? t->prot : t->prot | PROT_WRITE);
	struct seg out;
	struct pma p = { .file = t->file,
			 .off = t->off,
			 .prot = (uint8_t)(prot_normal(v->prot) & max),
			 .max_prot = (uint8_t)max,
			 .need_cow = !v->shared };

	return pma_insert_locked(mm, r, &p, &out);
}

static int insert_mappable(struct mm *mm, struct seg vseg, struct range want, int access)
{
	struct vma *v = vma_of(vseg);
	struct range room = free_around(mm, vseg, want.start);
	struct range src = range_make(vma_offset(vseg, want.start), vma_offset(vseg, MIN(want.end, room.end)));
	struct range more = range_make(vma_offset(vseg, room.start), vma_offset(vseg, room.end));
	struct translation tr[TRANSLATIONS_MAX];
	bool covered = false;
	int err = 0, n, failed = 0;

	if (!v->shared)
		access &= ~PROT_WRITE;
	n = v->mappable->ops->translate(v->mappable, src, more, access, tr, &err);
	for (int i = 0; i < n; i++) {
		struct range r;

		if (!failed && !piece_range(vseg, &tr[i], room, &r))
			failed = -EIO;
		if (!failed)
			failed = insert_piece(mm, vseg, &tr[i], r);
		if (failed)
			tr[i].file->ops->unref(tr[i].file, range_make(tr[i].off, tr[i].off + range_len(tr[i].src)));
		else if (range_contains(r, want.start))
			covered = true;
	}
	if (covered)
		return 0; /* an error beyond what was needed is no error */
	if (failed)
		return failed;
	return err && err != -EFAULT ? err : -ENXIO;
}

int pmas_get_vma_locked(struct mm *mm, struct seg vseg, struct range r, int access, uint64_t *end)
{
	uint64_t at = r.start, retried = UINT64_MAX;
	int err = 0;

	mutex_assert_held(&mm->mapping);
	mutex_assert_held(&mm->active);
	while (at < r.end && !err) {
		struct seg p = segset_find(&mm->pmas, at);
		struct range part;

		if (!seg_ok(p)) {
			part = range_make(at, r.end);
			err = vma_of(vseg)->mappable ? insert_mappable(mm, vseg, part, access) :
						       insert_anon(mm, vseg, part);
			continue;
		}
		part = range_make(at, MIN(r.end, seg_end(p)));
		if (access & ~pma_of(p)->max_prot) {
			/* The vma allows it, so it was the translation that gave less: ask for this access. */
			err = retried == at || pma_of(p)->private ? -EFAULT : pmas_drop_locked(mm, part, DROP_ALL);
			retried = at;
			continue;
		}
		if ((access & PROT_WRITE) && pma_of(p)->need_cow) {
			err = pma_break_cow_locked(mm, vseg, p, part);
			continue;
		}
		at = part.end;
	}
	*end = at;
	return err;
}

int pmas_get_locked(struct mm *mm, struct range r, int access, unsigned flags, uint64_t *end)
{
	uint64_t last, at = page_down(r.start);
	bool overflow = !page_up(r.end, &last);
	int err = 0;

	mutex_assert_held(&mm->mapping);
	mutex_assert_held(&mm->active);
	if (overflow)
		last = page_down(UINT64_MAX);
	while (at < last && !err) {
		struct seg vseg = vma_find_or_grow_locked(mm, at);
		int prot;

		if (!seg_ok(vseg)) {
			err = -EFAULT;
			break;
		}
		prot = prot_normal(flags & GET_IGNORE_PERMS ? vma_of(vseg)->max_prot : vma_of(vseg)->prot);
		if (access & ~prot)
			err = -EFAULT;
		else
			err = pmas_get_vma_locked(mm, vseg, range_make(at, MIN(last, seg_end(vseg))), access, &at);
	}
	if (!err && overflow)
		err = -EFAULT;
	*end = MAX(at, r.start);
	return err;
}
