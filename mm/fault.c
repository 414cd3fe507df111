/* SPDX-License-Identifier: Apache-2.0 */
/* Guest faults.
 *
 * Theory of operation. A fault comes in with an address and a guess at the access: the host's tracing interface does not tell a read
 * from a write. Stages:
 *
 *   1 find the vma, or grow a stack down to the address; none: SIGSEGV, SEGV_MAPERR
 *   2 settle the access. A known one that the vma forbids is SEGV_ACCERR. An unknown one counts as a write where that costs
 *     nothing (memory that needs no copy), so that the guest does not fault twice; else as a read
 *   3 make the pmas (pma_get.c); past the end of a file: SIGBUS, BUS_ADRERR
 *   4 map: the whole pma and its unmapped neighbours in one batch. A unit next to a fully touched one is mapped with its
 *     pages entered (the guest walks); otherwise pages are entered by the host as they are touched
 *
 * Another thread may have resolved the same fault meanwhile. What looks resolved, or what could be a signal only if nothing
 * changed between the guest's instruction and now, is answered with "try again" once: the second time the same thread
 * comes with the same address and no change of the stub in between, the answer is final.
 */
#include "mm/mm_internal.h"

#include <errno.h>
#include <signal.h>

enum {
	SMALL_PRIVATE_FILE = 256 << 10, /* data segments: mostly written (relocations), so copied at the first touch */
	RAISES_EAGER = 15, /* how many changes of protection later it is tried again to leave writes to faults */
	NEIGHBOURS = 2 << 20, /* how far around the fault unmapped pmas are mapped along */
};

/* The thread's last fault that was answered with "try again". */
static _Thread_local struct {
	uint64_t mm, addr, gen; /* by its id: the thread outlives address spaces, and their programs repeat themselves */
} last_retry;

/* True when this fault was tried again already and nothing has changed since. */
static bool tried_before(struct mm *mm, uint64_t addr)
{
	uint64_t gen = mm->stub_gen;

	if (last_retry.mm == mm->id && last_retry.addr == addr && last_retry.gen == gen) {
		last_retry.mm = 0;
		return true;
	}
	last_retry.mm = mm->id;
	last_retry.addr = addr;
	last_retry.gen = gen;
	return false;
}

static int signal_of(int err, int *code)
{
	switch (err) {
	case 0:
	case -EOWNERDEAD: /* the stub is gone: its next run says so */
		return 0;
	case -EFAULT:
		*code = SEGV_ACCERR;
		return SIGSEGV;
	default:
		*code = BUS_ADRERR;
		return SIGBUS;
	}
}

/* May an unknown access to v at p count as a write without a copy that a read would not need? */
static bool write_is_free(const struct vma *v, struct seg vseg, struct seg p)
{
	if (!(v->prot & PROT_WRITE))
		return false;
	if (v->shared)
		return true;
	if (seg_ok(p))
		return !pma_of(p)->need_cow;
	return !v->mappable || (v->image && range_len(seg_range(vseg)) <= SMALL_PRIVATE_FILE);
}

/* The access to provide: PROT_* bits; 0: try again; -EFAULT: the guest's fault. */
static int settle_access(struct mm *mm, struct seg vseg, struct seg p, const struct mm_fault *f)
{
	struct vma *v = vma_of(vseg);
	int prot = prot_normal(v->prot), access = f->access ? f->access : PROT_READ;
	int mapped = seg_ok(p) ? pma_mapped_prot(pma_of(p)) : 0;

	if (access & ~prot) {
		if (f->access_known)
			return -EFAULT;
		/* Perhaps it was a read after all, of something not mapped when it happened. */
		if ((prot & PROT_READ) && !(mapped & PROT_READ))
			return PROT_READ;
		return tried_before(mm, f->addr) ? -EFAULT : 0;
	}
	if (mapped && !(access & ~mapped)) {
		/* Mapped as it should be: resolved meanwhile, or it was a write. */
		if (!tried_before(mm, f->addr))
			return 0;
		if (!f->mapped) {
			pma_of(p)->stub = STUB_UNSURE; /* the host refused a queued change: platform/ptrace/remote.c */
			return access;
		}
		if (f->access_known || !(prot & PROT_WRITE) || (mapped & PROT_WRITE))
			return -EFAULT;
		return PROT_READ | PROT_WRITE;
	}
	if (!f->access_known && access == PROT_READ && write_is_free(v, vseg, p))
		return PROT_READ | PROT_WRITE;
	return access;
}

static bool dense_next_to(struct mm *mm, struct seg n, bool below, uint64_t edge)
{
	struct range r;

	if (!seg_ok(n) || !pma_of(n)->private || pma_of(n)->stub != STUB_MAPPED || range_len(seg_range(n)) < PMA_DENSE_LOOK)
		return false;
	r = seg_range(n);
	if ((below ? r.end : r.start) != edge)
		return false;
	if (below)
		r.start = r.end - PMA_DENSE_LOOK;
	else
		r.end = r.start + PMA_DENSE_LOOK;
	return pma_dense(mm, n, r);
}

/* Does the new unit p continue a walk? */
static bool walks_into(struct mm *mm, struct seg p)
{
	struct range r = seg_range(p);

	if (!pma_of(p)->private || pma_of(p)->need_cow || range_len(r) > MM_UNIT)
		return false;
	return dense_next_to(mm, seg_prev(p), true, r.start) || dense_next_to(mm, seg_next(p), false, r.end);
}

static int map_around(struct mm *mm, struct seg vseg, uint64_t addr, bool fresh)
{
	struct seg p = segset_find(&mm->pmas, addr);
	struct range r = seg_range(p), window;
	int err;

	if (pma_of(p)->stub == STUB_MAPPED)
		return 0;
	if (pma_of(p)->stub == STUB_READONLY)
		mm->eager_raises = RAISES_EAGER; /* this program writes where it unprotects */
	if (fresh && walks_into(mm, p)) {
		err = stub_map_locked(mm, p, true);
		segset_merge_range(&mm->pmas, r);
		pma_changed_locked(mm);
		return err;
	}
	window = range_make(r.start > NEIGHBOURS ? r.start - NEIGHBOURS : 0, r.end + NEIGHBOURS);
	err = stub_map_range_locked(mm, range_intersect(window, seg_range(vseg)), false);
	if (LIKELY(err || pma_is_mapped(pma_of(p = segset_find(&mm->pmas, addr)))))
		return err;
	/* The host refused, and everything was unmapped. Now there is room for one, or it was not for want of room. */
	err = stub_map_locked(mm, p, false);
	return err || pma_is_mapped(pma_of(p)) ? err : -ENOMEM;
}

static int resolve_locked(struct mm *mm, const struct mm_fault *f, int *code)
{
	struct seg vseg = vma_find_or_grow_locked(mm, f->addr), p;
	uint64_t page = page_down(f->addr), end;
	int access, err;

	if (!seg_ok(vseg)) {
		*code = SEGV_MAPERR;
		return SIGSEGV;
	}
	p = segset_find(&mm->pmas, f->addr);
	if (f->bus && seg_ok(p) && pma_is_mapped(pma_of(p)))
		return tried_before(mm, f->addr) ? signal_of(-ENXIO, code) : 0;
	access = settle_access(mm, vseg, p, f);
	if (access <= 0)
		return signal_of(access, code);
	err = pmas_get_vma_locked(mm, vseg, range_make(page, page + PAGE_SIZE), access, &end);
	if (err == -EFAULT && !f->access_known && (access & ~f->access & PROT_WRITE))
		/* The guess was ours, and the file allows less than the vma. */
		err = pmas_get_vma_locked(mm, vseg, range_make(page, page + PAGE_SIZE), PROT_READ, &end);
	if (!err)
		err = map_around(mm, vseg, f->addr, !seg_ok(p));
	return signal_of(err, code);
}

int mm_handle_fault(struct mm *mm, const struct mm_fault *f, int *code)
{
	int sig;

	*code = 0;
	if (f->addr < platform_min_addr() || f->addr >= platform_max_addr()) {
		*code = SEGV_MAPERR;
		return SIGSEGV;
	}
	mm_lock(mm);
	sig = resolve_locked(mm, f, code);
	mm_unlock(mm);
	return sig;
}
