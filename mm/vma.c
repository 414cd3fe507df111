/* SPDX-License-Identifier: Apache-2.0 */
/* The vma set: what the guest asked for.
 *
 * Theory of operation. A vma says what an address means; nothing backs it until a pma does (pma.c). Adjacent vmas that mean the
 * same are one segment, as in Linux, so /proc/PID/maps and the map count limit come out alike. Each segment owns a
 * reference on its mappable and on its name; splitting takes one more of each, merging gives one back. The mappable's
 * registry is told of address ranges, not of segments, so splits and merges do not concern it.
 *
 * Invariants, checked by mm_check(): segments are page-aligned and lie in the platform's range; prot is a subset of max_prot;
 * without a mappable the vma is private and `off` is 0; the counters are the sums over the set.
 *
 * Stacks grow as in Linux's expand_downwards(): any access between the stack and its limit, but never nearer than the guard
 * gap to an accessible neighbour that is no stack itself. See mmap(2), MAP_GROWSDOWN.
 */
#include "mm/mm_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct vma_name *vma_name_new(const char *text)
{
	size_t n = strlen(text) + 1;
	struct vma_name *name = malloc(sizeof(*name) + n);

	if (!name)
		return NULL;
	ref_init(&name->ref);
	memcpy(name->text, text, n);
	return name;
}

void vma_hold(struct vma *v)
{
	if (v->mappable)
		v->mappable->ops->get(v->mappable);
	if (v->name)
		ref_get(&v->name->ref);
}

void vma_release(struct vma *v)
{
	if (v->mappable)
		v->mappable->ops->put(v->mappable);
	if (v->name && ref_put(&v->name->ref))
		free(v->name);
	v->mappable = NULL;
	v->name = NULL;
}

static bool same_name(const struct vma *a, const struct vma *b)
{
	return a->name == b->name || (a->name && b->name && !strcmp(a->name->text, b->name->text));
}

static bool vma_merge(struct range r1, void *v1, struct range r2, const void *v2)
{
	struct vma *a = v1;
	struct vma b = *(const struct vma *)v2;

	(void)r2;
	if (a->mappable != b.mappable || a->prot != b.prot || a->max_prot != b.max_prot || a->lock != b.lock ||
	    a->shared != b.shared || a->grows_down != b.grows_down || a->dont_fork != b.dont_fork ||
	    a->wipe_on_fork != b.wipe_on_fork || a->sealed != b.sealed || a->image != b.image || !same_name(a, &b))
		return false;
	if (a->mappable && a->off + range_len(r1) != b.off)
		return false;
	vma_release(&b);
	return true;
}

static void vma_split(struct range r, void *v, uint64_t at, void *v2)
{
	struct vma *b = v2;

	(void)v;
	vma_hold(b);
	if (b->mappable)
		b->off += at - r.start;
}

static void vma_print(const void *value, char *buf, size_t size)
{
	const struct vma *v = value;

	snprintf(buf, size, "%c%c%c%c max %d off %#lx %s%s", v->prot & PROT_READ ? 'r' : '-',
		 v->prot & PROT_WRITE ? 'w' : '-', v->prot & PROT_EXEC ? 'x' : '-', v->shared ? 's' : 'p', v->max_prot,
		 v->off, v->mappable ? "mappable " : "", v->name ? v->name->text : "");
}

static bool vma_valid(struct range r, const void *value)
{
	const struct vma *v = value;

	return !((r.start | r.end | v->off) & ~PAGE_MASK) && !(v->prot & ~v->max_prot) &&
	       (v->mappable || (!v->shared && !v->off)) && r.start >= platform_min_addr() && r.end <= platform_max_addr();
}

const struct segset_ops vma_set_ops = {
	.value_size = sizeof(struct vma),
	.merge = vma_merge,
	.split = vma_split,
	.print = vma_print,
	.valid = vma_valid,
};

static bool maps_writable(const struct vma *v)
{
	return v->shared && (v->max_prot & PROT_WRITE);
}

int vma_register_locked(struct mm *mm, const struct vma *v, struct range r)
{
	mutex_assert_held(&mm->mapping);
	if (!v->mappable)
		return 0;
	return v->mappable->ops->add_mapping(v->mappable, mm, r, v->off, maps_writable(v));
}

void vma_unregister_locked(struct mm *mm, const struct vma *v, struct range r)
{
	mutex_assert_held(&mm->mapping);
	if (v->mappable)
		v->mappable->ops->remove_mapping(v->mappable, mm, r, v->off, maps_writable(v));
}

/* What RLIMIT_DATA counts: private, writable, no stack. See getrlimit(2) and Linux's is_data_mapping(). */
bool vma_is_data(const struct vma *v)
{
	return !v->shared && (v->prot & PROT_WRITE) && !v->grows_down;
}

bool vma_of_file(const struct vma *v)
{
	return v->mappable || (v->name && v->name->text[0] == '/');
}

void vma_account_locked(struct mm *mm, const struct vma *v, int64_t bytes)
{
	mutex_assert_held(&mm->mapping);
	mm->vm_bytes += (uint64_t)bytes;
	if (mm->vm_bytes > mm->vm_peak)
		mm->vm_peak = mm->vm_bytes;
	if (vma_is_data(v))
		mm->data_bytes += (uint64_t)bytes;
	if (v->grows_down)
		mm->stack_bytes += (uint64_t)bytes;
	if ((v->prot & (PROT_EXEC | PROT_WRITE)) == PROT_EXEC)
		mm->exec_bytes += (uint64_t)bytes;
	if (v->lock != VMA_UNLOCKED)
		mm->locked_bytes += (uint64_t)bytes;
}

int vma_reserve_locked(struct mm *mm, size_t more)
{
	mutex_assert_held(&mm->mapping);
	if (mm->vmas.count + more > MM_MAX_VMAS + 2)
		return -ENOMEM;
	return segset_reserve(&mm->vmas, more);
}

int vma_grave_reserve_locked(struct mm *mm, size_t more)
{
	size_t need = mm->grave_count + more;
	struct vma *grave;

	mutex_assert_held(&mm->mapping);
	if (need <= mm->grave_room)
		return 0;
	need += need / 2 + 8;
	grave = realloc(mm->grave, need * sizeof(*grave));
	if (!grave)
		return -ENOMEM;
	mm->grave = grave;
	mm->grave_room = need;
	return 0;
}

void vma_bury_locked(struct mm *mm, const struct vma *v)
{
	mutex_assert_held(&mm->mapping);
	if (v->mappable || v->name)
		mm->grave[mm->grave_count++] = *v;
}

int vma_insert_locked(struct mm *mm, struct range r, const struct vma *v)
{
	struct seg out;
	struct gap gap;
	bool free_here;
	int err;

	mutex_assert_held(&mm->mapping);
	err = vma_reserve_locked(mm, 1);
	if (err)
		return err;
	err = vma_register_locked(mm, v, r);
	if (err)
		return err;
	gap = segset_find_gap(&mm->vmas, r.start, &free_here);
	assert(free_here);
	err = segset_insert(&mm->vmas, gap, r, v, &out);
	if (err) {
		vma_unregister_locked(mm, v, r);
		return err;
	}
	vma_account_locked(mm, v, (int64_t)range_len(r));
	return 0;
}

/* How many vmas lie in r, or -EPERM if one of them must stay. */
static int count_removable(struct mm *mm, struct range r)
{
	struct seg g = segset_lower_bound(&mm->vmas, r.start);
	int n = 0;

	for (; seg_ok(g) && seg_start(g) < r.end; g = seg_next(g), n++)
		if (vma_of(g)->sealed)
			return -EPERM;
	return n;
}

/* Splits vmas at the ends of r; segset_merge_range() undoes it. */
static int vma_split_locked(struct mm *mm, struct range r)
{
	int err = vma_reserve_locked(mm, 2);

	if (!err)
		err = segset_split_at_ends(&mm->vmas, r);
	if (!err && mm->vmas.count > MM_MAX_VMAS)
		err = -ENOMEM;
	if (err)
		segset_merge_range(&mm->vmas, r);
	return err;
}

int vma_removal_prepare_locked(struct mm *mm, struct range r)
{
	int n = count_removable(mm, r), err;

	mutex_assert_held(&mm->mapping);
	if (n <= 0)
		return n;
	err = vma_grave_reserve_locked(mm, (size_t)n);
	return err ? err : vma_split_locked(mm, r);
}

void vma_remove_locked(struct mm *mm, struct range r)
{
	struct seg g = segset_lower_bound(&mm->vmas, r.start);

	mutex_assert_held(&mm->mapping);
	while (seg_ok(g) && seg_start(g) < r.end) {
		struct vma v = *vma_of(g);
		struct range at = seg_range(g);

		vma_unregister_locked(mm, &v, at);
		vma_account_locked(mm, &v, -(int64_t)range_len(at));
		vma_bury_locked(mm, &v);
		g = gap_next_seg(&mm->vmas, segset_remove(&mm->vmas, g));
	}
}

int mm_unmap_locked(struct mm *mm, struct range r)
{
	int err = vma_removal_prepare_locked(mm, r);

	mutex_assert_held(&mm->active);
	if (err)
		return err;
	err = pmas_drop_locked(mm, r, DROP_ALL);
	if (err)
		segset_merge_range(&mm->vmas, r);
	else
		vma_remove_locked(mm, r);
	return err;
}

uint64_t vma_covered_to_locked(struct mm *mm, struct range r)
{
	uint64_t at = r.start;
	struct seg g;

	mutex_assert_held(&mm->mapping);
	for (g = segset_find(&mm->vmas, at); at < r.end && seg_ok(g) && seg_start(g) <= at; g = seg_next(g))
		at = seg_end(g);
	return MIN(at, r.end);
}

bool vma_covers_locked(struct mm *mm, struct range r)
{
	return vma_covered_to_locked(mm, r) == r.end;
}

static bool may_grow_to(struct mm *mm, struct seg g, uint64_t start)
{
	struct seg prev = seg_prev(g);
	uint64_t grown = seg_end(g) - start, more = seg_start(g) - start;

	if (start < platform_min_addr() || grown > mm->limits.stack)
		return false;
	if (mm->vm_bytes + more > mm->limits.as)
		return false;
	if (vma_of(g)->lock != VMA_UNLOCKED && mm->locked_bytes + more > mm->limits.memlock)
		return false;
	if (!seg_ok(prev))
		return true;
	if (seg_end(prev) > start)
		return false;
	return vma_of(prev)->grows_down || !vma_of(prev)->prot || start - seg_end(prev) >= MM_GUARD_GAP;
}

struct seg vma_find_or_grow_locked(struct mm *mm, uint64_t addr)
{
	struct seg g, none = { 0 };
	uint64_t start;

	mutex_assert_held(&mm->mapping);
	g = segset_lower_bound(&mm->vmas, addr);
	if (!seg_ok(g) || seg_start(g) <= addr)
		return g;
	if (!vma_of(g)->grows_down)
		return none;
	/* The stack that exec made grows in steps: fewer faults, and only /proc tells. Others grow as Linux's, by what is touched. */
	start = align_down(addr, MM_STACK_STEP);
	if (!vma_of(g)->name || !may_grow_to(mm, g, start)) {
		start = page_down(addr);
		if (!may_grow_to(mm, g, start))
			return none;
	}
	vma_account_locked(mm, vma_of(g), (int64_t)(seg_start(g) - start));
	seg_set_start(g, start);
	return g;
}

int vma_modify_locked(struct mm *mm, struct range r, void (*fn)(struct vma *v, int arg), int arg)
{
	struct seg g;
	int err;

	mutex_assert_held(&mm->mapping);
	err = vma_split_locked(mm, r);
	if (err)
		return err;
	for (g = segset_lower_bound(&mm->vmas, r.start); seg_ok(g) && seg_start(g) < r.end; g = seg_next(g)) {
		struct vma *v = vma_of(g);
		int64_t len = (int64_t)range_len(seg_range(g));

		vma_account_locked(mm, v, -len);
		fn(v, arg);
		vma_account_locked(mm, v, len);
	}
	segset_merge_range(&mm->vmas, r);
	return 0;
}

uint64_t vma_span_locked(struct mm *mm, struct range r)
{
	mutex_assert_held(&mm->mapping);
	return segset_span_range(&mm->vmas, r);
}

int vma_limits_locked(struct mm *mm, const struct vma *v, uint64_t len)
{
	uint64_t as = mm->limits.as, data = mm->limits.data;

	mutex_assert_held(&mm->mapping);
	if (mm->vm_bytes > as || len > as - mm->vm_bytes)
		return -ENOMEM;
	if (vma_is_data(v) && (mm->data_bytes > data || len > data - mm->data_bytes))
		return -ENOMEM;
	return 0;
}
