/* SPDX-License-Identifier: Apache-2.0 */
/* The life of an mm: made with a stub, torn down when its last user leaves, freed when nobody refers to it. */
#include "mm/mm_internal.h"

#include <errno.h>
#include <stdlib.h>

static _Atomic uint64_t last_id;

struct mm *mm_alloc(struct memfile *mf)
{
	struct mm *mm = calloc(1, sizeof(*mm));

	if (!mm)
		return NULL;
	ref_init(&mm->ref);
	mm->users = 1;
	mm->id = atomic_fetch_add(&last_id, 1) + 1;
	mm->memfile = mf;
	mm->limits.as = mm->limits.data = mm->limits.memlock = UINT64_MAX;
	mm->limits.stack = 8 << 20;
	mutex_init(&mm->mapping);
	mutex_init(&mm->active);
	segset_init(&mm->vmas, &vma_set_ops);
	segset_init(&mm->pmas, &pma_set_ops);
	mm->pma_gen = 1; /* no hint is valid yet */
	return mm;
}

int mm_new(struct memfile *mf, struct mm **out)
{
	struct mm *mm = mm_alloc(mf);
	int err;

	if (!mm)
		return -ENOMEM;
	mm->mmap_base = mm_random_base();
	err = platform_as_new(&mm->as);
	if (err) {
		mm_user_put(mm);
		return err;
	}
	*out = mm;
	return 0;
}

void mm_get(struct mm *mm)
{
	ref_get(&mm->ref);
}

void mm_put(struct mm *mm)
{
	if (!mm || !ref_put(&mm->ref))
		return;
	if (mm->exec.exe && mm->exec.exe_put)
		mm->exec.exe_put(mm->exec.exe);
	free(mm->grave);
	mutex_destroy(&mm->active);
	mutex_destroy(&mm->mapping);
	free(mm);
}

void mm_user_get(struct mm *mm)
{
	int old = atomic_fetch_add(&mm->users, 1);

	assert(old > 0);
	(void)old;
}

bool mm_user_get_unless_zero(struct mm *mm)
{
	int old = mm->users;

	while (old > 0)
		if (atomic_compare_exchange_weak(&mm->users, &old, old + 1))
			return true;
	return false;
}

/* The stub goes first: while it maps a page, the page's reference must not be given back. */
static void teardown(struct mm *mm)
{
	struct platform_as *as;
	struct segset vmas, pmas;
	struct seg g;

	mm_lock(mm);
	as = mm->as;
	mm->as = NULL;
	for (g = segset_first(&mm->vmas); seg_ok(g); g = seg_next(g))
		vma_unregister_locked(mm, vma_of(g), seg_range(g));
	vmas = mm->vmas;
	pmas = mm->pmas;
	segset_init(&mm->vmas, &vma_set_ops);
	segset_init(&mm->pmas, &pma_set_ops);
	pma_changed_locked(mm);
	mm->vm_bytes = mm->data_bytes = mm->stack_bytes = mm->exec_bytes = mm->locked_bytes = 0;
	mm->rss_anon = mm->rss_file = 0;
	mm_unlock(mm);

	if (as)
		platform_as_release(as);
	for (g = segset_first(&pmas); seg_ok(g); g = seg_next(g))
		pma_of(g)->file->ops->unref(pma_of(g)->file, pma_file_range(g, seg_range(g)));
	for (g = segset_first(&vmas); seg_ok(g); g = seg_next(g))
		vma_release(vma_of(g));
	segset_clear(&pmas);
	segset_clear(&vmas);
}

void mm_user_put(struct mm *mm)
{
	if (!mm)
		return;
	assert(mm->users > 0);
	if (atomic_fetch_sub(&mm->users, 1) != 1)
		return;
	teardown(mm);
	mm_put(mm);
}

void mm_unlock(struct mm *mm) NO_THREAD_SAFETY_ANALYSIS
{
	struct vma *grave = mm->grave;
	size_t count = mm->grave_count;

	mm_debug_check_locked(mm);
	if (count) {
		mm->grave = NULL;
		mm->grave_count = mm->grave_room = 0;
	}
	mutex_unlock(&mm->active);
	mutex_unlock(&mm->mapping);
	if (!count)
		return;
	for (size_t i = 0; i < count; i++)
		vma_release(&grave[i]);
	free(grave);
}

struct platform_as *mm_as(struct mm *mm)
{
	return mm->as;
}

struct memfile *mm_memfile(struct mm *mm)
{
	return mm->memfile;
}

_Atomic unsigned *mm_barriers(struct mm *mm)
{
	return &mm->barriers;
}

struct mm_limits *mm_limits(struct mm *mm)
{
	return &mm->limits;
}

struct mm_exec_info *mm_exec_info(struct mm *mm)
{
	return &mm->exec;
}
