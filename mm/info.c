/* SPDX-License-Identifier: Apache-2.0 */
/* Figures for /proc and rlimits, the walk over the vmas, and the checks of all invariants. */
#include "base/log.h"
#include "mm/mm_internal.h"

#include <stdio.h>
#include <string.h>

_Atomic bool mm_check_always;

void mm_get_stats(struct mm *mm, struct mm_stats *out)
{
	uint64_t anon, file;

	mm_lock(mm);
	mm_resident_locked(mm, range_make(0, UINT64_MAX), &anon, &file);
	mm->rss_peak = MAX(mm->rss_peak, anon + file);
	*out = (struct mm_stats){
		.vm_bytes = mm->vm_bytes,
		.vm_peak = mm->vm_peak,
		.data_bytes = mm->data_bytes,
		.stack_bytes = mm->stack_bytes,
		.exec_bytes = mm->exec_bytes,
		.locked_bytes = mm->locked_bytes,
		.rss_file = file,
		.rss_bytes = anon + file,
		.rss_peak = mm->rss_peak,
		.vmas = mm->vmas.count,
		.pmas = mm->pmas.count,
	};
	for (struct seg p = segset_first(&mm->pmas); seg_ok(p); p = seg_next(p))
		if (!pma_of(p)->private && pma_of(p)->file == memfile_file(mm->memfile))
			out->rss_shmem += range_len(seg_range(p));
	out->rss_file -= out->rss_shmem;
	mm_unlock(mm);
}

/* Fills what is said under the locks; returns the mappable, with a reference, that still has to describe itself. */
static struct mappable *fill_info(struct mm *mm, struct seg g, bool want_usage, struct vma_info *out)
{
	struct vma *v = vma_of(g);

	*out = (struct vma_info){ .range = seg_range(g),
				  .prot = v->prot,
				  .max_prot = v->max_prot,
				  .shared = v->shared,
				  .grows_down = v->grows_down,
				  .dont_fork = v->dont_fork,
				  .wipe_on_fork = v->wipe_on_fork,
				  .sealed = v->sealed,
				  .off = v->off };
	if (v->lock != VMA_UNLOCKED)
		out->locked = range_len(out->range);
	if (want_usage) {
		mm_resident_locked(mm, out->range, &out->anon, &out->rss);
		out->rss += out->anon;
	}
	if (v->name)
		snprintf(out->name, sizeof(out->name), "%s", v->name->text);
	if (!v->mappable || !v->mappable->ops->describe)
		return NULL;
	v->mappable->ops->get(v->mappable);
	return v->mappable;
}

void mm_walk(struct mm *mm, uint64_t from, bool want_usage, bool (*fn)(const struct vma_info *v, void *arg), void *arg)
{
	struct vma_info info;
	bool more = true;

	while (more) {
		struct mappable *m = NULL;
		struct seg g;

		mm_lock(mm);
		g = segset_lower_bound(&mm->vmas, from);
		more = seg_ok(g);
		if (more)
			m = fill_info(mm, g, want_usage, &info);
		mm_unlock(mm);
		if (!more)
			break;
		if (m) {
			m->ops->describe(m, info.name, sizeof(info.name), &info.dev, &info.ino);
			m->ops->put(m);
		}
		from = info.range.end;
		more = fn(&info, arg);
	}
}

#define FAIL_IF(cond, ...)                                                                                             \
	do {                                                                                                           \
		if (cond) {                                                                                            \
			log_user("mm: " __VA_ARGS__);                                                                  \
			return false;                                                                                  \
		}                                                                                                      \
	} while (0)

static bool check_pma(struct mm *mm, struct range r, const struct pma *p)
{
	struct seg g = segset_find(&mm->vmas, r.start);
	uint64_t at = r.start;

	FAIL_IF(p->private && p->file != memfile_file(mm->memfile), "private pma %#lx outside the memory file", r.start);
	for (; at < r.end; g = seg_next(g)) {
		struct vma *v;

		FAIL_IF(!seg_ok(g) || seg_start(g) > at, "pma at %#lx without a vma", at);
		v = vma_of(g);
		FAIL_IF(v->shared && (p->need_cow || p->private), "pma %#lx is private in a shared vma", at);
		FAIL_IF(!v->shared && !p->private && !p->need_cow, "pma %#lx lets a private vma write a file", at);
		FAIL_IF(!v->mappable && !p->private, "anonymous pma %#lx is not private", at);
		FAIL_IF(p->max_prot & ~prot_normal(v->max_prot), "pma %#lx allows more than its vma may", at);
		FAIL_IF(p->prot != (prot_normal(v->prot) & p->max_prot), "pma %#lx has prot %d, its vma %d", at, p->prot,
			v->prot);
		at = seg_end(g);
	}
	return true;
}

static bool check_counters(struct mm *mm)
{
	uint64_t vm = 0, data = 0, stack = 0, locked = 0, anon = 0, file = 0;
	struct seg g;

	for (g = segset_first(&mm->vmas); seg_ok(g); g = seg_next(g)) {
		uint64_t len = range_len(seg_range(g));

		vm += len;
		data += vma_is_data(vma_of(g)) ? len : 0;
		stack += vma_of(g)->grows_down ? len : 0;
		locked += vma_of(g)->lock != VMA_UNLOCKED ? len : 0;
	}
	for (g = segset_first(&mm->pmas); seg_ok(g); g = seg_next(g)) {
		uint64_t *sum = pma_of(g)->private ? &anon : &file;

		*sum += range_len(seg_range(g));
	}
	FAIL_IF(vm != mm->vm_bytes || data != mm->data_bytes || stack != mm->stack_bytes || locked != mm->locked_bytes,
		"vma counters: vm %#lx/%#lx data %#lx/%#lx stack %#lx/%#lx locked %#lx/%#lx", vm, mm->vm_bytes, data,
		mm->data_bytes, stack, mm->stack_bytes, locked, mm->locked_bytes);
	FAIL_IF(anon != mm->rss_anon || file != mm->rss_file, "pma counters: private %#lx/%#lx file %#lx/%#lx", anon,
		mm->rss_anon, file, mm->rss_file);
	return true;
}

static bool check_locked(struct mm *mm)
{
	struct seg p;

	if (!segset_check(&mm->vmas) || !segset_check(&mm->pmas))
		return false;
	for (p = segset_first(&mm->pmas); seg_ok(p); p = seg_next(p))
		if (!check_pma(mm, seg_range(p), pma_of(p)))
			return false;
	return check_counters(mm);
}

static void dump_locked(struct mm *mm)
{
	fprintf(stderr, "vmas:\n");
	segset_dump(&mm->vmas);
	fprintf(stderr, "pmas:\n");
	segset_dump(&mm->pmas);
}

bool mm_check(struct mm *mm)
{
	bool ok;

	mm_lock(mm);
	ok = check_locked(mm);
	mm_unlock(mm);
	return ok;
}

void mm_dump(struct mm *mm)
{
	mm_lock(mm);
	dump_locked(mm);
	mm_unlock(mm);
}

void mm_debug_check_locked(struct mm *mm)
{
#ifndef NDEBUG
	enum { CHEAP = 64, SAMPLE = 64 };
	static _Atomic unsigned calls;

	/* Large sets are sampled, or debug builds would take quadratic time. */
	if (!mm_check_always && mm->vmas.count + mm->pmas.count > CHEAP && ++calls % SAMPLE)
		return;
	if (!check_locked(mm)) {
		dump_locked(mm);
		panic("mm: the sets are broken");
	}
#else
	(void)mm;
#endif
}
