/* SPDX-License-Identifier: Apache-2.0 */
/* mmap(2), munmap(2), mprotect(2). Only vmas change here: what nobody has touched costs no call in the stub. */
#include "mm/mm_internal.h"
#include "mm/shmem.h"

#include <errno.h>

#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08
#endif
/* What MAP_SHARED_VALIDATE accepts: flags that are older than itself, with the bits that tell sizes of huge pages. */
#define HUGE_SIZES (0x1f << 26)
#define KNOWN_FLAGS                                                                                                    \
	(MAP_TYPE | MAP_FIXED | MAP_ANONYMOUS | MAP_32BIT | MAP_GROWSDOWN | MAP_DENYWRITE | MAP_EXECUTABLE | MAP_LOCKED |   \
	 MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK | MAP_HUGETLB | HUGE_SIZES)

int vma_populate_access(const struct vma *v)
{
	int prot = prot_normal(v->prot);

	/* A private page is made the guest's own at once, as Linux does; a shared one is not dirtied. */
	return v->shared ? prot & ~PROT_WRITE : prot & ~PROT_EXEC;
}

int mm_populate_locked(struct mm *mm, struct range r, int access)
{
	uint64_t end;
	struct seg p;
	int err = pmas_get_locked(mm, r, access, 0, &end), e;

	r.end = page_down(end);
	for (p = segset_lower_bound(&mm->pmas, r.start); seg_ok(p) && seg_start(p) < r.end; p = seg_next(p)) {
		struct range part = range_intersect(seg_range(p), r);

		if (pma_of(p)->private && (pma_is_mapped(pma_of(p)) || range_len(part) < range_len(seg_range(p))))
			memfile_commit(mm->memfile, pma_file_range(p, part));
	}
	/* Pages of a pma that reaches beyond r must not be entered: the commit above did for the part asked for. */
	e = segset_split_at_ends(&mm->pmas, r);
	pma_changed_locked(mm);
	if (!e && !range_empty(r))
		e = stub_map_range_locked(mm, r, true);
	return err ? err : e;
}

/* What Linux refuses before it looks at the file. */
static int check_type(const struct mmap_args *a)
{
	int type = a->flags & MAP_TYPE;

	if (type != MAP_PRIVATE && type != MAP_SHARED && type != MAP_SHARED_VALIDATE)
		return -EINVAL;
	if (type == MAP_SHARED_VALIDATE && (a->flags & MAP_ANONYMOUS))
		return -EINVAL;
	if (type == MAP_SHARED_VALIDATE && (a->flags & ~KNOWN_FLAGS))
		return -EOPNOTSUPP;
	return 0;
}

static int check_flags(const struct mmap_args *a)
{
	if (((a->flags & MAP_TYPE) != MAP_PRIVATE || !(a->flags & MAP_ANONYMOUS)) && (a->flags & MAP_GROWSDOWN))
		return -EINVAL;
	if ((a->flags & MAP_HUGETLB) && (a->flags & MAP_ANONYMOUS))
		return -ENOMEM; /* as a host without reserved huge pages answers */
	return 0;
}

/* The value that the arguments describe, without references. */
static void describe_vma(struct mm *mm, const struct mmap_args *a, struct vma *v)
{
	int lock = a->flags & MAP_LOCKED ? MCL_FUTURE : mm->lock_future;

	*v = (struct vma){
		.mappable = a->mappable,
		.off = a->mappable ? a->off : 0,
		.prot = (uint8_t)(a->prot & PROT_ALL),
		.max_prot = (uint8_t)(a->max_prot & PROT_ALL),
		.shared = (a->flags & MAP_TYPE) != MAP_PRIVATE,
		.image = a->mappable && (a->flags & MAP_DENYWRITE) && (a->flags & MAP_TYPE) == MAP_PRIVATE,
		.grows_down = !a->mappable && (a->grows_down || (a->flags & MAP_GROWSDOWN)),
	};
	if (lock)
		v->lock = lock & MCL_ONFAULT ? VMA_LOCKED_ON_FAULT : VMA_LOCKED;
}

static bool is_fixed(const struct mmap_args *a)
{
	return a->flags & (MAP_FIXED | MAP_FIXED_NOREPLACE);
}

static int fixed_range(struct mm *mm, const struct mmap_args *a, uint64_t len, struct range *r)
{
	if (a->addr & ~PAGE_MASK)
		return -EINVAL;
	if (!range_from(a->addr, len, r))
		return -ENOMEM;
	if (r->start < platform_min_addr())
		return -EPERM;
	if ((a->flags & MAP_FIXED_NOREPLACE) && vma_span_locked(mm, *r))
		return -EEXIST;
	return 0;
}

static int choose_range(struct mm *mm, const struct mmap_args *a, uint64_t len, struct range *r)
{
	uint64_t at;

	if (is_fixed(a))
		return fixed_range(mm, a, len, r);
	at = vma_place_locked(mm, page_down(a->addr), len, a->flags);
	*r = range_make(at, at + len);
	return at ? 0 : -ENOMEM;
}

static int check_limits(struct mm *mm, const struct vma *v, struct range r)
{
	uint64_t replaced = vma_span_locked(mm, r), len = range_len(r);
	int err;

	if (mm->vmas.count >= MM_MAX_VMAS)
		return -ENOMEM;
	err = vma_limits_locked(mm, v, len - replaced);
	if (err)
		return err;
	if (v->lock != VMA_UNLOCKED && mm->locked_bytes + len > mm->limits.memlock)
		return -EAGAIN;
	return 0;
}

static int map_locked(struct mm *mm, const struct mmap_args *a, uint64_t len, uint64_t *addr)
{
	struct range r;
	struct vma v;
	int err = choose_range(mm, a, len, &r);

	if (err)
		return err;
	describe_vma(mm, a, &v);
	if ((a->flags & MAP_LOCKED) && !mm->limits.memlock)
		err = -EPERM;
	else
		err = check_limits(mm, &v, r);
	if (!err && (a->flags & MAP_FIXED))
		err = mm_unmap_locked(mm, r);
	if (err)
		return err;
	if (a->name && !(v.name = vma_name_new(a->name)))
		return -ENOMEM;
	if (v.mappable)
		v.mappable->ops->get(v.mappable);
	err = vma_insert_locked(mm, r, &v);
	if (err) {
		/* The caller holds a reference on the mappable, so this one is not the last. */
		vma_release(&v);
		return err;
	}
	*addr = r.start;
	if ((((a->flags & MAP_POPULATE) && !(a->flags & MAP_NONBLOCK)) || v.lock == VMA_LOCKED) && v.prot)
		err = mm_populate_locked(mm, r, vma_populate_access(&v));
	return 0; /* a failure to populate is none: mmap(2) */
}

int mm_mmap_check(struct mm *mm, const struct mmap_args *a)
{
	struct range r;
	uint64_t len;
	int err = 0;

	if (!a->len || (a->off & ~PAGE_MASK))
		return -EINVAL;
	if (!page_up(a->len, &len) || !len || len > platform_max_addr())
		return -ENOMEM;
	if (a->off + len < a->off)
		return -EOVERFLOW;
	if (is_fixed(a)) {
		mutex_lock(&mm->mapping);
		err = fixed_range(mm, a, len, &r);
		mutex_unlock(&mm->mapping);
	}
	return err ? err : check_type(a);
}

int mm_mmap(struct mm *mm, const struct mmap_args *a, uint64_t *addr)
{
	struct mmap_args args = *a;
	uint64_t len = align_up(a->len, PAGE_SIZE);
	int err = mm_mmap_check(mm, a);

	if (!err)
		err = check_flags(a);
	if (err)
		return err;
	if (a->prot & PROT_ALL & ~a->max_prot)
		return -EACCES;
	if (!a->mappable && (a->flags & MAP_TYPE) != MAP_PRIVATE) {
		err = shmem_new(mm->memfile, len, "/dev/zero (deleted)", &args.mappable);
		/* An offset into /dev/zero counts, as in Linux: what lies that far behind the new object's end is not there. */
		if (a->flags & MAP_ANONYMOUS)
			args.off = 0;
		if (err)
			return err;
	}
	mm_lock(mm);
	err = map_locked(mm, &args, len, addr);
	mm_unlock(mm);
	if (args.mappable != a->mappable)
		args.mappable->ops->put(args.mappable);
	return err;
}

int mm_munmap(struct mm *mm, uint64_t addr, uint64_t len)
{
	struct range r;
	int err;

	if (!len || !range_from(addr, len, &r))
		return -EINVAL;
	mm_lock(mm);
	err = mm_unmap_locked(mm, r);
	mm_unlock(mm);
	return err;
}

/* How far from r.start on the guest may change to prot, and the error that stops it there. */
static int protectable(struct mm *mm, struct range r, int prot, uint64_t *stop)
{
	struct seg g = segset_find(&mm->vmas, r.start);
	uint64_t data = 0;

	*stop = r.start;
	for (; *stop < r.end; g = seg_next(g)) {
		struct vma *v;

		if (!seg_ok(g) || seg_start(g) > *stop)
			return -ENOMEM;
		v = vma_of(g);
		if (prot & ~v->max_prot)
			return -EACCES;
		if (v->sealed)
			return -EPERM;
		if (!v->shared && !v->grows_down && (prot & ~v->prot & PROT_WRITE))
			data += MIN(seg_end(g), r.end) - *stop;
		if (data && data + mm->data_bytes > mm->limits.data)
			return -ENOMEM;
		*stop = MIN(seg_end(g), r.end);
	}
	return 0;
}

static void set_prot(struct vma *v, int prot)
{
	v->prot = (uint8_t)prot;
}

/* Is prot what r has, in the stub too? After a change that failed half-way the stub may allow what was taken away. */
static bool all_have_prot(struct mm *mm, struct range r, int prot)
{
	struct seg g;

	for (g = segset_lower_bound(&mm->vmas, r.start); seg_ok(g) && seg_start(g) < r.end; g = seg_next(g))
		if (vma_of(g)->prot != prot)
			return false;
	for (g = segset_lower_bound(&mm->pmas, r.start); seg_ok(g) && seg_start(g) < r.end; g = seg_next(g))
		if (pma_of(g)->stub == STUB_UNSURE)
			return false;
	return true;
}

static int protect_locked(struct mm *mm, struct range r, int prot, bool grows_down)
{
	uint64_t stop;
	int err, stopped;

	if (grows_down) {
		struct seg g = segset_lower_bound(&mm->vmas, r.start);

		if (!seg_ok(g) || seg_start(g) >= r.end)
			return -ENOMEM;
		if (!vma_of(g)->grows_down)
			return -EINVAL;
		r.start = seg_start(g);
	}
	stopped = protectable(mm, r, prot, &stop);
	r.end = stop;
	if (range_empty(r) || all_have_prot(mm, r, prot))
		return stopped;
	/* Cut the pmas first: nothing has changed yet if there is no memory. */
	err = segset_split_at_ends(&mm->pmas, r);
	pma_changed_locked(mm);
	if (!err)
		err = vma_modify_locked(mm, r, set_prot, prot);
	if (!err)
		err = pmas_protect_locked(mm, r, prot);
	return err ? err : stopped;
}

int mm_mprotect(struct mm *mm, uint64_t addr, uint64_t len, int prot, bool grows_down)
{
	struct range r;
	bool whole;
	int err;

	if ((addr & ~PAGE_MASK) || (prot & ~PROT_ALL))
		return -EINVAL;
	if (!len)
		return 0;
	whole = range_cut(addr, len, &r);
	if (range_empty(r))
		return -ENOMEM;
	mm_lock(mm);
	err = protect_locked(mm, r, prot, grows_down);
	mm_unlock(mm);
	return err || whole ? err : -ENOMEM;
}
