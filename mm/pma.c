/* SPDX-License-Identifier: Apache-2.0 */
/* The pma set: what backs an address now.
 *
 * Theory of operation. A pma says that [start, end) of the guest is [off, off + length) of a host file: the memory file for private
 * memory and files that live in memory, or a file of the host. It is made when somebody touches the range
 * (pma_get.c), never before, and holds one reference on exactly its file range. Its permissions are copies: `prot` is what the vma allows
 * now, `max_prot` what mprotect could still grant, both cut to what the file allows. `need_cow` says that the bytes are
 * shared with somebody (a file, a fork) and that a write must first make a copy of its own (pma_cow.c).
 *
 * Neighbours merge if file, offset, both permission sets, need_cow, private and the state of the stub agree. The cached
 * internal address is divided by a split and kept by a merge as far as it is contiguous.
 *
 * Invariants, checked by mm_check(): every pma lies inside vmas; prot is what the vma's prot and max_prot make it; private pmas refer to
 * the memory file and lie in private vmas; a shared vma has no pma that needs a copy; the resident counters are the
 * sums over the set.
 */
#include "mm/mm_internal.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static bool pma_merge(struct range r1, void *v1, struct range r2, const void *v2)
{
	struct pma *a = v1;
	const struct pma *b = v2;

	if (a->file != b->file || a->off + range_len(r1) != b->off || a->prot != b->prot || a->max_prot != b->max_prot ||
	    a->need_cow != b->need_cow || a->private != b->private || a->stub != b->stub)
		return false;
	(void)r2;
	if (a->internal && a->internal_len == range_len(r1) && a->internal + a->internal_len == b->internal)
		a->internal_len += b->internal_len;
	return true;
}

static void pma_split(struct range r, void *v, uint64_t at, void *v2)
{
	struct pma *a = v, *b = v2;
	uint64_t first = at - r.start;

	b->off = a->off + first;
	if (!a->internal)
		return;
	if (a->internal_len > first) {
		b->internal = a->internal + first;
		b->internal_len = a->internal_len - first;
		a->internal_len = first;
	} else {
		b->internal = NULL;
		b->internal_len = 0;
	}
}

static void pma_print(const void *value, char *buf, size_t size)
{
	const struct pma *p = value;

	snprintf(buf, size, "file %p off %#lx prot %d max %d%s%s stub %d", (void *)p->file, p->off, p->prot, p->max_prot,
		 p->need_cow ? " cow" : "", p->private ? " private" : "", p->stub);
}

static bool pma_valid(struct range r, const void *value)
{
	const struct pma *p = value;

	return !((r.start | r.end | p->off) & ~PAGE_MASK) && p->file && !(p->prot & ~p->max_prot) &&
	       (p->stub != STUB_READONLY || (pma_stub_prot(p) & PROT_WRITE)) &&
	       p->stub <= STUB_UNSURE && (!p->internal || p->internal_len);
}

const struct segset_ops pma_set_ops = {
	.value_size = sizeof(struct pma),
	.merge = pma_merge,
	.split = pma_split,
	.print = pma_print,
	.valid = pma_valid,
};

void pma_changed_locked(struct mm *mm)
{
	mutex_assert_held(&mm->active);
	mm->pma_gen++;
}

void pma_account_locked(struct mm *mm, const struct pma *p, int64_t bytes)
{
	mutex_assert_held(&mm->active);
	if (p->private)
		mm->rss_anon += (uint64_t)bytes;
	else
		mm->rss_file += (uint64_t)bytes;
}

int pma_insert_locked(struct mm *mm, struct range r, const struct pma *p, struct seg *out)
{
	struct gap gap;
	bool free_here;
	int err;

	mutex_assert_held(&mm->active);
	gap = segset_find_gap(&mm->pmas, r.start, &free_here);
	assert(free_here);
	err = segset_insert(&mm->pmas, gap, r, p, out);
	if (err)
		return err;
	pma_account_locked(mm, p, (int64_t)range_len(r));
	pma_changed_locked(mm);
	return 0;
}

int pmas_drop_locked(struct mm *mm, struct range r, enum pma_drop which)
{
	struct seg p;
	int err;

	mutex_assert_held(&mm->active);
	p = segset_lower_bound(&mm->pmas, r.start);
	if (!seg_ok(p) || seg_start(p) >= r.end)
		return 0;
	mm_rss_falls_locked(mm, r, which);
	err = segset_split_at_ends(&mm->pmas, r);
	pma_changed_locked(mm);
	if (!err)
		err = stub_unmap_locked(mm, r);
	if (err)
		return err;
	p = segset_lower_bound(&mm->pmas, r.start);
	while (seg_ok(p) && seg_start(p) < r.end) {
		struct pma v = *pma_of(p);
		struct range at = seg_range(p);

		if (which == DROP_SHARED && v.private) {
			p = seg_next(p);
			continue;
		}
		pma_account_locked(mm, &v, -(int64_t)range_len(at));
		p = gap_next_seg(&mm->pmas, segset_remove(&mm->pmas, p));
		v.file->ops->unref(v.file, range_make(v.off, v.off + range_len(at)));
	}
	return 0;
}

/* What a pma allows at once, without making anything. */
static int allowed(const struct pma *v, bool ignore_perms)
{
	int prot = ignore_perms ? v->max_prot : v->prot;

	return v->need_cow ? prot & ~PROT_WRITE : prot;
}

bool pmas_existing_locked(struct mm *mm, struct range r, int access, bool ignore_perms)
{
	uint64_t at = r.start;
	struct seg p;

	mutex_assert_held(&mm->active);
	for (p = segset_find(&mm->pmas, at); at < r.end; p = seg_next(p)) {
		if (!seg_ok(p) || seg_start(p) > at || (access & ~allowed(pma_of(p), ignore_perms)))
			return false;
		at = seg_end(p);
	}
	return true;
}

/* The sentry's address of addr in p, asking the file when the cached part does not reach it. */
static char *internal_at(struct seg p, uint64_t addr, struct range *covers)
{
	struct pma *v = pma_of(p);
	struct range r = seg_range(p);
	bool write = (v->max_prot & PROT_WRITE) && !v->need_cow;
	uint64_t len = 0;
	char *at;

	if (!v->internal) {
		v->internal = v->file->ops->map_internal(v->file, v->off, write, &len);
		v->internal_len = MIN(len, range_len(r));
	}
	if (v->internal && addr - r.start < v->internal_len) {
		*covers = range_make(r.start, r.start + v->internal_len);
		return v->internal;
	}
	at = v->file->ops->map_internal(v->file, pma_offset(p, page_down(addr)), write, &len);
	if (!at)
		return NULL;
	*covers = range_make(page_down(addr), MIN(r.end, page_down(addr) + len));
	return at;
}

char *pma_internal_locked(struct mm *mm, uint64_t addr, int access, bool ignore_perms, uint64_t *len)
{
	struct pma_hint *h = &mm->hints[(addr >> 21 ^ addr >> 12) % PMA_HINTS];
	struct seg p;

	mutex_assert_held(&mm->active);
	if (h->gen != mm->pma_gen || !range_contains(h->range, addr)) {
		struct range covers;
		char *at;

		p = segset_find(&mm->pmas, addr);
		if (!seg_ok(p) || (access & ~allowed(pma_of(p), ignore_perms)))
			return NULL;
		at = internal_at(p, addr, &covers);
		if (!at)
			return NULL;
		*h = (struct pma_hint){ .gen = mm->pma_gen,
					.range = covers,
					.internal = at,
					.access = allowed(pma_of(p), false),
					.max_access = allowed(pma_of(p), true) };
	}
	if (access & ~(ignore_perms ? h->max_access : h->access))
		return NULL;
	*len = h->range.end - addr;
	return h->internal + (addr - h->range.start);
}

/* Appends a change of permissions, growing the last one where it touches and agrees. What is in doubt is unmapped. */
static int add_protect(struct stub_batch *b, struct range r, struct pma *v)
{
	struct platform_op *last = b->count ? &b->ops[b->count - 1] : NULL;
	struct platform_op op = {
		.kind = PLATFORM_PROTECT, .addr = r.start, .len = range_len(r), .prot = pma_stub_prot(v)
	};

	if (v->stub == STUB_UNSURE) {
		op.kind = PLATFORM_UNMAP;
		op.prot = 0;
		v->stub = STUB_NONE;
	}
	if (last && last->kind == op.kind && last->addr + last->len == r.start && last->prot == op.prot) {
		last->len += range_len(r);
		return 0;
	}
	return stub_batch_add(b, &op);
}

/* Gives v its new permissions, and the stub what it must not wait for. Less is taken away at once. PROT_WRITE alone may be left to the
 * first write: programs that protect and unprotect what they then do not touch pay one stop less for each, and a write costs one
 * more. Only PROT_WRITE: the host tells a write to what is mapped from everything else, but not a read from an execution. */
static int protect_one(struct stub_batch *b, struct seg p, int prot, bool lazy)
{
	struct pma *v = pma_of(p);
	int old = pma_mapped_prot(v), want;

	v->prot = (uint8_t)(prot_normal(prot) & v->max_prot);
	want = pma_stub_prot(v);
	if (pma_is_mapped(v)) {
		v->stub = STUB_MAPPED;
		if (want == old)
			return 0;
		if (lazy && old && want == (old | PROT_WRITE)) {
			v->stub = STUB_READONLY;
			return 0;
		}
	} else if (v->stub == STUB_NONE) {
		return 0;
	}
	return add_protect(b, seg_range(p), v);
}

int pmas_protect_locked(struct mm *mm, struct range r, int prot)
{
	bool lazy = !mm->eager_raises;
	struct stub_batch b;
	struct seg p;
	int err = 0;

	mutex_assert_held(&mm->active);
	stub_batch_init(&b, mm);
	if (!lazy)
		mm->eager_raises--;
	for (p = segset_lower_bound(&mm->pmas, r.start); seg_ok(p) && seg_start(p) < r.end; p = seg_next(p)) {
		int e = protect_one(&b, p, prot, lazy);

		err = err ? err : e;
	}
	if (!err)
		err = stub_batch_flush(&b);
	if (err)
		for (p = segset_lower_bound(&mm->pmas, r.start); seg_ok(p) && seg_start(p) < r.end; p = seg_next(p))
			pma_of(p)->stub = STUB_UNSURE;
	segset_merge_range(&mm->pmas, r);
	pma_changed_locked(mm);
	return err == -EOWNERDEAD ? 0 : err;
}

bool pma_dense(struct mm *mm, struct seg p, struct range r)
{
	unsigned char there[PMA_DENSE_LOOK / PAGE_SIZE];
	struct pma *v = pma_of(p);

	assert(range_len(r) <= PMA_DENSE_LOOK);
	if (v->file != memfile_file(mm->memfile))
		return false;
	file_residency(v->file, pma_file_range(p, r), there);
	for (uint64_t i = 0; i < range_len(r) / PAGE_SIZE; i++)
		if (!(there[i] & 1))
			return false;
	return true;
}
