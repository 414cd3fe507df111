/* SPDX-License-Identifier: Apache-2.0 */
/* A guest address space as the sentry keeps it: what was asked for (vmas), what backs it (pmas), and the platform address
 * space that follows them. See vma.c, pma.c and fault.c for the theory of operation.
 *
 * Every function takes the locks it needs. All return 0 or negative errno as the manual page of the call says, except
 * where noted. Addresses are the guest's raw arguments: nothing is assumed of them.
 */
#ifndef MM_MM_H
#define MM_MM_H

#include "base/ref.h"
#include "mm/mappable.h"
#include "mm/memfile.h"

struct mm;

/* What a new or copied mm is limited by. Read at each operation; the owner (a thread group) updates it. */
struct mm_limits {
	_Atomic uint64_t as, data, stack, memlock; /* RLIMIT_*, bytes; UINT64_MAX for none */
};

int mm_new(struct memfile *mf, struct mm **out) MUST_CHECK;
/* Nothing is placed at random in it (ADDR_NO_RANDOMIZE). Before anything is mapped. */
void mm_fix_layout(struct mm *mm);
bool mm_layout_fixed(const struct mm *mm);
/* A copy for fork(2): every vma, private pmas copy-on-write on both sides. The parent's stub is write-protected. */
int mm_fork(struct mm *parent, struct mm **out) MUST_CHECK;
void mm_get(struct mm *mm);
/* Drops a reference. */
void mm_put(struct mm *mm);
/* Users are the tasks that run in the mm; the last one to leave tears the mappings down. References outlive users (/proc, waits). */
void mm_user_get(struct mm *mm);
bool mm_user_get_unless_zero(struct mm *mm);
void mm_user_put(struct mm *mm);

struct platform_as *mm_as(struct mm *mm);
struct memfile *mm_memfile(struct mm *mm);
struct mm_limits *mm_limits(struct mm *mm);
/* What the process has registered with membarrier(2): inherited by fork, not by exec. */
_Atomic unsigned *mm_barriers(struct mm *mm);

/* --- the calls --- */

struct mmap_args {
	uint64_t addr, len;
	int prot; /* PROT_* */
	int max_prot; /* what mprotect may grant later: from how the file was opened and the mount; -1 for all */
	int flags; /* MAP_* as mmap(2) takes them */
	struct mappable *mappable; /* NULL for anonymous; the mm takes its own reference */
	uint64_t off; /* page-aligned */
	const char *name; /* "[stack]", "[heap]", a path of a file that gives anonymous memory, or NULL; copied */
	bool grows_down; /* the stack */
};
/* What Linux refuses before it looks at the file: sizes, fixed addresses, the type. mm_mmap() checks again. */
int mm_mmap_check(struct mm *mm, const struct mmap_args *a) MUST_CHECK;
/* *addr receives where the mapping lies. */
int mm_mmap(struct mm *mm, const struct mmap_args *a, uint64_t *addr) MUST_CHECK;
/* shmdt(2): unmaps what maps an object of `ops` and began at addr. -EINVAL if there is nothing. */
int mm_detach(struct mm *mm, uint64_t addr, const struct mappable_ops *ops) MUST_CHECK;
/* What is mapped from addr on, its first byte first, if it is an object of `ops`: with a reference, or NULL. */
struct mappable *mm_attached(struct mm *mm, uint64_t addr, const struct mappable_ops *ops);
int mm_munmap(struct mm *mm, uint64_t addr, uint64_t len) MUST_CHECK;
int mm_mprotect(struct mm *mm, uint64_t addr, uint64_t len, int prot, bool grows_down) MUST_CHECK;
/* mseal(2): what r holds is neither unmapped, moved nor protected anew any more. -ENOMEM if r has a hole; nothing is sealed then. */
int mm_mseal(struct mm *mm, uint64_t addr, uint64_t len) MUST_CHECK;
int mm_mremap(struct mm *mm, uint64_t old, uint64_t old_len, uint64_t new_len, int flags, uint64_t new_addr,
	      uint64_t *out) MUST_CHECK;
/* remap_file_pages(2), by mapping anew as Linux does. */
int mm_remap_pages(struct mm *mm, uint64_t addr, uint64_t len, uint64_t pgoff, int flags) MUST_CHECK;
int mm_madvise(struct mm *mm, uint64_t addr, uint64_t len, int advice) MUST_CHECK;
int mm_msync(struct mm *mm, uint64_t addr, uint64_t len, int flags) MUST_CHECK;
int mm_mincore(struct mm *mm, uint64_t addr, uint64_t len, unsigned char *vec) MUST_CHECK; /* vec: sentry memory, a byte a page */
int mm_mlock(struct mm *mm, uint64_t addr, uint64_t len, bool lock, bool on_fault) MUST_CHECK;
int mm_mlockall(struct mm *mm, int flags) MUST_CHECK; /* 0 unlocks */
/* The new break, or the old one where it cannot be moved, as brk(2) does. */
uint64_t mm_brk(struct mm *mm, uint64_t addr);
/* exec: where the heap starts. */
void mm_set_brk_start(struct mm *mm, uint64_t addr);

/* --- faults --- */

struct mm_fault {
	uint64_t addr;
	int access; /* PROT_READ, PROT_WRITE, PROT_EXEC */
	bool access_known; /* see platform_event */
	bool mapped; /* the host had something mapped there */
	bool bus; /* the host said SIGBUS: a mapped page lost its backing */
};
/* Resolves a guest fault: 0 when the guest may go on; otherwise the signal's si_code in *code and the signal number as the return value
 * (SIGSEGV or SIGBUS, positive). */
int mm_handle_fault(struct mm *mm, const struct mm_fault *f, int *code) MUST_CHECK;

/* --- figures --- */

struct mm_stats {
	uint64_t vm_bytes, rss_bytes, rss_peak, data_bytes, stack_bytes, exec_bytes, locked_bytes;
	uint64_t rss_file, rss_shmem, vm_peak;
	size_t vmas, pmas;
};
/* Asks the host about all memory of the mm. */
void mm_get_stats(struct mm *mm, struct mm_stats *out);
/* The most that was resident, bytes: asks as mm_get_stats() does if it may be more than was known. */
uint64_t mm_rss_peak(struct mm *mm);

struct vma_info {
	struct range range;
	int prot, max_prot;
	bool shared, grows_down, dont_fork, wipe_on_fork, sealed;
	uint64_t off, dev, ino;
	uint64_t rss, anon, locked; /* bytes; filled only if want_usage */
	char name[4096]; /* PATH_MAX */
};
/* Calls fn for each vma in order from `from` on, without locks held (a snapshot taken in pieces); stops when fn returns false. */
void mm_walk(struct mm *mm, uint64_t from, bool want_usage, bool (*fn)(const struct vma_info *v, void *arg), void *arg);

enum { MM_PAGE_PRESENT = 1, MM_PAGE_SHARED = 2 /* with others, by a file or as shared memory */ };
/* What is at each of `count` pages from addr (page-aligned) on: MM_PAGE_*, 0 for nothing. */
void mm_page_states(struct mm *mm, uint64_t addr, unsigned char *states, size_t count);

/* What exec records for /proc and auxv. Written once by the loader before the mm is used. */
struct mm_exec_info {
	uint64_t arg_start, arg_end, env_start, env_end;
	uint64_t start_code, end_code, start_data, end_data, start_stack, start_brk;
	uint64_t auxv[64]; /* key, value, ..., 0, 0 */
	size_t auxv_count;
	void *exe; /* the open file of the executable; owned by fs, released by exe_put */
	void (*exe_put)(void *exe);
	void (*exe_get)(void *exe);
};
struct mm_exec_info *mm_exec_info(struct mm *mm);

/* Checks every invariant of both sets; prints the fault and returns false. On after each operation in debug builds. */
bool mm_check(struct mm *mm);
void mm_dump(struct mm *mm);

#endif
