/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of mm/ share. See vma.c, pma.c, stub.c and fault.c for the theory of operation.
 *
 * Locks. `mapping` protects the vmas, the break and the counters that follow from vmas. `active` protects the pmas, the
 * copies of internal addresses, the resident counters and the stub's mappings: whoever changes the stub holds it. mapping before
 * active. A function whose name ends in _locked asserts what it needs in its first lines.
 */
#ifndef MM_MM_INTERNAL_H
#define MM_MM_INTERNAL_H

#include "base/lock.h"
#include "mm/guest.h"
#include "mm/mm.h"
#include "mm/segset.h"

enum {
	MM_MAX_VMAS = 65530, /* Linux's default vm.max_map_count */
	MM_UNIT = 2 << 20, /* anonymous memory is allocated in these */
	MM_COW_UNIT = 64 << 10, /* the first copy of a series; doubles up to MM_UNIT while writes walk upwards */
	MM_GUARD_GAP = 256 * 4096, /* Linux's stack_guard_gap */
	MM_STACK_STEP = 64 << 10, /* how far a stack grows at once where it may */
};
#define PROT_ALL (PROT_READ | PROT_WRITE | PROT_EXEC)

enum vma_lock { VMA_UNLOCKED, VMA_LOCKED, VMA_LOCKED_ON_FAULT };

struct vma_name {
	struct ref ref;
	char text[];
};

/* A value of mm.vmas. References (mappable, name) belong to the segment. */
struct vma {
	struct mappable *mappable; /* NULL: private anonymous memory */
	uint64_t off; /* of the segment's start in the mappable; 0 without one */
	struct vma_name *name; /* or NULL */
	uint8_t prot, max_prot;
	uint8_t lock; /* enum vma_lock */
	bool shared, grows_down, dont_fork, wipe_on_fork;
	bool sealed; /* mseal(2): neither unmapped, moved nor protected anew, see mseal.c */
	bool image; /* of a program or library (MAP_DENYWRITE): nobody writes to the file, so it may be copied early */
};

/* What the stub maps where a pma is. */
enum stub_state {
	STUB_NONE, /* nothing */
	STUB_MAPPED, /* the whole pma, with pma_stub_prot() */
	STUB_READONLY, /* the whole pma, with pma_stub_prot() but for the PROT_WRITE that it has: the first write will fault */
	STUB_UNSURE, /* the host failed half-way: unmap before the reference goes, map again before use */
};

/* A value of mm.pmas: one reference on [off, off + length) of file belongs to the segment. */
struct pma {
	struct mm_file *file;
	uint64_t off;
	char *internal; /* the sentry's address of the segment's start, or NULL when not asked for yet */
	uint64_t internal_len; /* how much of the segment lies contiguously there */
	uint8_t prot, max_prot; /* effective and maximum, PROT_READ added where the processor implies it */
	uint8_t stub; /* enum stub_state */
	bool need_cow; /* a write must copy first */
	bool private; /* memory-file bytes that belong to this mm's private memory (and to forks of it) */
};

/* A direct-mapped cache of looked-up pmas for guest copies; valid while `gen` is mm.pma_gen. Protected by active. */
struct pma_hint {
	uint64_t gen;
	struct range range; /* what `internal` covers */
	char *internal;
	int access, max_access; /* PROT_* allowed without further work */
};
enum { PMA_HINTS = 8 };

struct mm {
	struct ref ref; /* users together hold one */
	_Atomic int users;
	struct memfile *memfile;
	struct platform_as *as; /* NULL after the last user left; changes under both locks */
	struct mm_limits limits;
	struct mm_exec_info exec;
	_Atomic unsigned barriers; /* what membarrier(2) has registered */

	struct mutex mapping;
	struct segset vmas;
	uint64_t mmap_base; /* immutable: placement goes down from here */
	bool layout_fixed; /* immutable: by nothing random */
	uint64_t brk_start, brk_end;
	uint64_t vm_bytes, vm_peak, data_bytes, stack_bytes, exec_bytes, locked_bytes;
	int lock_future; /* MCL_FUTURE | MCL_ONFAULT, or 0 */
	struct vma *grave; /* removed values whose references mm_unlock() gives back */
	size_t grave_count, grave_room;

	struct mutex active;
	struct segset pmas;
	uint64_t pma_gen; /* grows with every change of pmas */
	struct pma_hint hints[PMA_HINTS];
	uint64_t rss_anon, rss_file; /* bytes of pmas: an upper bound of what is touched */
	uint64_t rss_peak, rss_dropped; /* the most that was ever measured; bytes of pmas dropped since. See mm_rss_falls_locked() */
	int eager_raises; /* how many more times PROT_WRITE is given to the stub at once: pmas_protect_locked() */
	uint64_t cow_next, cow_unit; /* where a walking writer would copy next, and how much then */
	uint64_t id; /* immutable, and never another mm's, as the address of this may be */
	_Atomic uint64_t stub_gen; /* grows with every change of the stub's mappings */
};

static inline int prot_normal(int prot)
{
	return prot & (PROT_WRITE | PROT_EXEC) ? prot | PROT_READ : prot;
}

static inline uint64_t align_down(uint64_t x, uint64_t unit)
{
	return x & ~(unit - 1);
}

/* Saturates: never below x unless x is near the top, where it gives the last multiple. */
static inline uint64_t align_up(uint64_t x, uint64_t unit)
{
	uint64_t up = (x + unit - 1) & ~(unit - 1);

	return up < x ? ~(unit - 1) : up;
}

static inline void mm_lock(struct mm *mm) ACQUIRE(mm->mapping, mm->active)
{
	mutex_lock(&mm->mapping);
	mutex_lock(&mm->active);
}

/* Also gives back the references of removed vmas, after the locks: the last one may release an inode. */
void mm_unlock(struct mm *mm) RELEASE(mm->active, mm->mapping);

/* --- vma.c: the set; mapping lock held in all --- */
extern const struct segset_ops vma_set_ops;
static inline struct vma *vma_of(struct seg g)
{
	return seg_value(g);
}
struct vma_name *vma_name_new(const char *text);
void vma_release(struct vma *v); /* drops the value's references */
void vma_hold(struct vma *v);
static inline uint64_t vma_offset(struct seg g, uint64_t addr)
{
	return vma_of(g)->off + (addr - seg_start(g));
}
/* Registers r with v's mappable, which v maps from v->off on. */
int vma_register_locked(struct mm *mm, const struct vma *v, struct range r) MUST_CHECK;
void vma_unregister_locked(struct mm *mm, const struct vma *v, struct range r);
/* Keeps v's references for mm_unlock(); room was made by vma_grave_reserve_locked(). */
int vma_grave_reserve_locked(struct mm *mm, size_t more) MUST_CHECK;
void vma_bury_locked(struct mm *mm, const struct vma *v);
/* Adds a vma in a free range: takes over v's references on success; registers with the mappable. */
int vma_insert_locked(struct mm *mm, struct range r, const struct vma *v) MUST_CHECK;
/* Counters follow what v says of `bytes`, added or (negative) removed. */
void vma_account_locked(struct mm *mm, const struct vma *v, int64_t bytes);
/* Splits vmas at the ends of r and reserves what removing those in it needs; segset_merge_range() undoes it. -EPERM if one is sealed. */
int vma_removal_prepare_locked(struct mm *mm, struct range r) MUST_CHECK;
/* Removes the vmas in a prepared range, which has no pmas any more. */
void vma_remove_locked(struct mm *mm, struct range r);
/* Removes every vma and pma in r, stub first. On failure vmas are unchanged; -EPERM if one of them is sealed. */
int mm_unmap_locked(struct mm *mm, struct range r) MUST_CHECK;
/* May `more` segments be added? -ENOMEM at the map count limit or without memory; reserves them. */
int vma_reserve_locked(struct mm *mm, size_t more) MUST_CHECK;
/* The end of what the set covers of r without a hole, from r.start on. */
uint64_t vma_covered_to_locked(struct mm *mm, struct range r);
/* Does the set cover all of r? */
bool vma_covers_locked(struct mm *mm, struct range r);
/* The vma at addr; grows a stack down to it where that is allowed. The end if there is none. */
struct seg vma_find_or_grow_locked(struct mm *mm, uint64_t addr);
bool vma_is_data(const struct vma *v);
/* Does v map a file in the guest's eyes? A private mapping of /dev/zero does, though its memory is anonymous: it is named so. */
bool vma_of_file(const struct vma *v);

/* Changes every vma of r, which the set covers, through fn; cuts and merges. -ENOMEM leaves all as it was. */
int vma_modify_locked(struct mm *mm, struct range r, void (*fn)(struct vma *v, int arg), int arg) MUST_CHECK;
/* Bytes of vmas in r. */
uint64_t vma_span_locked(struct mm *mm, struct range r);
/* May the mm grow by v over `len` bytes? -ENOMEM by RLIMIT_AS or RLIMIT_DATA. */
int vma_limits_locked(struct mm *mm, const struct vma *v, uint64_t len) MUST_CHECK;

/* --- mmap.c --- */
/* Makes and maps the pages of r now. Stops at the first failure. */
int mm_populate_locked(struct mm *mm, struct range r, int access) MUST_CHECK;
/* The access that populating v asks for: 0 if it allows none. */
int vma_populate_access(const struct vma *v);

/* --- vma_place.c --- */
bool range_from(uint64_t addr, uint64_t len, struct range *out); /* page aligned addr, len rounded up; false: overflow or outside */
/* The part of [addr, addr+len), len rounded up, that guests may use; empty where that wraps around. Was it all of it? What lies
 * beyond is unmapped: calls that stop at a hole do their work up to there. addr is page-aligned. */
bool range_cut(uint64_t addr, uint64_t len, struct range *out);
/* A free range of len bytes: at the hint if it is free, else by the rules of mmap(2). 0 if there is none. */
uint64_t vma_place_locked(struct mm *mm, uint64_t hint, uint64_t len, int flags);
uint64_t mm_random_base(void);

/* --- pma.c: the set; active lock held in all --- */
extern const struct segset_ops pma_set_ops;
static inline struct pma *pma_of(struct seg g)
{
	return seg_value(g);
}
static inline uint64_t pma_offset(struct seg g, uint64_t addr)
{
	return pma_of(g)->off + (addr - seg_start(g));
}
static inline struct range pma_file_range(struct seg g, struct range r)
{
	return range_make(pma_offset(g, r.start), pma_offset(g, r.end));
}
static inline int pma_stub_prot(const struct pma *p)
{
	return p->need_cow ? p->prot & ~PROT_WRITE : p->prot;
}
static inline bool pma_is_mapped(const struct pma *p)
{
	return p->stub == STUB_MAPPED || p->stub == STUB_READONLY;
}
/* What the stub allows where it maps p for certain. */
static inline int pma_mapped_prot(const struct pma *p)
{
	return p->stub == STUB_MAPPED ? pma_stub_prot(p) : p->stub == STUB_READONLY ? pma_stub_prot(p) & ~PROT_WRITE : 0;
}
void pma_changed_locked(struct mm *mm); /* forgets the hints */
void pma_account_locked(struct mm *mm, const struct pma *p, int64_t bytes);
int pma_insert_locked(struct mm *mm, struct range r, const struct pma *p, struct seg *out) MUST_CHECK;
/* Drops the pmas of r: cuts at the ends, unmaps, then gives the references back. keep_private leaves private ones. */
enum pma_drop { DROP_ALL, DROP_SHARED };
int pmas_drop_locked(struct mm *mm, struct range r, enum pma_drop which) MUST_CHECK;
/* The sentry's address of addr, contiguous for *len bytes, if a pma allows `access` as it is; NULL otherwise. */
char *pma_internal_locked(struct mm *mm, uint64_t addr, int access, bool ignore_perms, uint64_t *len);
/* Does every page of r have a pma that allows access? (the lookup that changes nothing) */
bool pmas_existing_locked(struct mm *mm, struct range r, int access, bool ignore_perms);
/* New permissions for the pmas of r, in the sets and in the stub. pmas are cut at r's ends already. */
int pmas_protect_locked(struct mm *mm, struct range r, int prot) MUST_CHECK;

/* --- guest.c --- */
/* Makes pmas for the first bytes of [addr, addr+size) so that the sentry can access at least addr. -EFAULT. */
int guest_fault_in(struct mm *mm, uint64_t addr, uint64_t size, int access, unsigned flags) MUST_CHECK;

/* --- pma_get.c, pma_cow.c: both locks held --- */
enum { GET_IGNORE_PERMS = 1 };
/* Makes pmas that allow `access` for the pages of r. *end is how far it got (at least r.start); the error says what stopped it:
 * -EFAULT for what the vmas do not allow or the sentry cannot reach, -ENXIO past the end of a file, -ENOMEM. */
int pmas_get_locked(struct mm *mm, struct range r, int access, unsigned flags, uint64_t *end) MUST_CHECK;
/* The same inside one vma whose permissions are checked. */
int pmas_get_vma_locked(struct mm *mm, struct seg vseg, struct range r, int access, uint64_t *end) MUST_CHECK;
/* Makes [need) of pma p writable: takes it over or copies it. */
int pma_break_cow_locked(struct mm *mm, struct seg vseg, struct seg p, struct range need) MUST_CHECK;
/* Are all pages of r of a memory-file pma present? At most PMA_DENSE_LOOK bytes. */
enum { PMA_DENSE_LOOK = 256 << 10 };
bool pma_dense(struct mm *mm, struct seg p, struct range r);

/* --- stub.c: the stub follows; active lock held --- */
struct stub_batch {
	struct mm *mm;
	size_t count;
	struct platform_op ops[48];
};
void stub_batch_init(struct stub_batch *b, struct mm *mm);
/* Set in the pma what it will be in the stub, then add; where the host refuses, all become STUB_NONE, which is no error. */
int stub_batch_add(struct stub_batch *b, const struct platform_op *op) MUST_CHECK; /* flushes when full */
int stub_batch_flush(struct stub_batch *b) MUST_CHECK;
/* Unmaps everything: 0, or -EOWNERDEAD. */
int stub_clear_locked(struct mm *mm) MUST_CHECK;
/* Unmaps what the stub may have in r; pmas are cut at r's ends. */
int stub_unmap_locked(struct mm *mm, struct range r) MUST_CHECK;
int stub_map_locked(struct mm *mm, struct seg p, bool populate) MUST_CHECK;
/* Maps every pma of r that is not mapped yet, in few stops. */
int stub_map_range_locked(struct mm *mm, struct range r, bool populate) MUST_CHECK;

/* --- mm.c --- */
/* Everything but an address space; one reference, one user. */
struct mm *mm_alloc(struct memfile *mf) MUST_CHECK;
/* --- resident.c; active lock held --- */
/* To be called before the pmas of r go, or what is in them. Takes the peak of what is resident, which only the host knows, once more than
 * an eighth of it has gone since it was last taken: it is never short of more than that, and asking costs little beside dropping. */
void mm_rss_falls_locked(struct mm *mm, struct range r, enum pma_drop which);
/* Bytes of r that are there: of private pmas the pages that the host holds, of others all. */
void mm_resident_locked(struct mm *mm, struct range r, uint64_t *anon, uint64_t *file);

/* Debug builds check the sets when an operation is done. */
void mm_debug_check_locked(struct mm *mm);
/* For tests: check after every operation, whatever the size. */
extern _Atomic bool mm_check_always;

#endif
