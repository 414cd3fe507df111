/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of platform/ptrace share. See ptrace.c for the theory of operation.
 *
 * Fields say who may touch them: (O) only the sentry thread that owns the context; (L) under as->lock; (I) immutable after
 * creation; (A) atomic, any thread; (P) under the pool's lock; (T) the tick thread of placement.c, under its lock.
 */
#ifndef PLATFORM_PTRACE_INTERNAL_H
#define PLATFORM_PTRACE_INTERNAL_H

#include "base/lock.h"
#include "platform/platform.h"

#include <linux/filter.h>
#include <sys/queue.h>
#include <sys/types.h>

/* --- the top of every stub's address space ---
 *
 *   platform_max_addr()                                              STUB_TOP
 *   | vvar, vDSO (where the host lets them be moved) | batch | code |
 *
 * Code is private, read and execute. Batch is this stub's piece of the batch file, shared with the sentry, read-only in the stub. */
#define STUB_TOP UINT64_C(0x7ffffffff000)
#define STUB_CODE (STUB_TOP - PAGE_SIZE)
#define BATCH_BYTES (4 * PAGE_SIZE)
#define STUB_BATCH (STUB_CODE - BATCH_BYTES)

/* One call to inject, as the stub page's loop reads it: 64 bytes, the last word unused. */
struct stub_call {
	uint64_t nr, args[6], unused;
};
enum { BATCH_MAX = BATCH_BYTES / sizeof(struct stub_call) };

/* stub_page.S: position independent, copied to STUB_CODE. */
extern const char stub_page[], stub_page_end[];
extern const char stub_one[], stub_one_syscall_end[]; /* one call from registers, then int3 */
extern const char stub_batch[], stub_batch_syscall_end[]; /* calls from [r15, r14), then int3 at the end or the first failure */
extern const char stub_clone[], stub_clone_syscall_end[]; /* clone from registers, then int3 in the parent */
extern const char stub_child[], stub_prctl_end[], stub_sleep_end[], stub_exit_end[]; /* what a child does until it is seized */
extern const char stub_int3_end[]; /* where every injection stops */
static inline uint64_t stub_address(const char *symbol)
{
	return STUB_CODE + (uint64_t)(symbol - stub_page);
}

/* --- contexts --- */

enum { CTX_IN_GUEST = 1, CTX_INTERRUPT = 2 };

enum ctx_job { JOB_NONE, JOB_RUN, JOB_RESET, JOB_END };
enum ctx_start { START_WAITS = 1, START_SEIZE, START_ABANDONED };

struct platform_ctx {
	struct platform_as *as; /* (I) */
	pid_t tgid, tid; /* (I) once started: the stub thread */
	pid_t sentry_tid; /* (I) once started */
	_Atomic uint32_t flags; /* (A) CTX_* */
	_Atomic uint32_t job; /* (A) enum ctx_job: the futex a parked context sleeps on */
	_Atomic int32_t started; /* (A) futex: enum ctx_start until the stub thread is seized, then 0 or negative errno */
	platform_fn fn; /* written before job is JOB_RUN */
	void *arg;
	bool first; /* (I) the stub's first thread: it maps the batch pages, and is never ended alone */

	bool dead; /* (O) the stub is known to be killed */
	bool reaped; /* (O) */

	/* The register cache (O). loaded: regs holds the thread's registers. dirty: they differ from the thread's. result_set: only rax does. */
	struct user_regs_struct regs;
	bool regs_loaded, regs_dirty, result_set;
	bool ip_known; /* ip and sp came with the event */
	bool xstate_stale; /* the extended state is a former guest's */
	uint64_t result, ip, sp;

	/* Debug registers (O), for debug.c. */
	uint64_t debug_addr[PLATFORM_DEBUG_PLACES], debug_control; /* as they shall be */
	bool debug_stale; /* the thread's differ */

	int64_t cpu_base; /* (I) while the function runs: processor time at platform_start() */

	/* Placement. */
	_Atomic int cpu; /* (A) where the pair is pinned, or -1 */
	_Atomic bool running; /* (A) its function runs: not parked */
	_Atomic bool blocked; /* (A) asleep inside a guest's call */
	_Atomic uint32_t blocks; /* (A) how often it slept */
	uint64_t seen_stops; /* (T) */
	uint32_t seen_blocks, quiet_ticks, busy_ticks; /* (T) */

	/* Counters: written by the owner only, read by any. */
	_Atomic uint64_t stops, syscalls, faults, batches, calls;

	LIST_ENTRY(platform_ctx) as_link; /* (L) */
	SLIST_ENTRY(platform_ctx) parked_link; /* (L) */
	LIST_ENTRY(platform_ctx) all_link; /* (T) */
};

struct platform_as {
	struct mutex lock;
	pthread_cond_t done; /* with lock: a queue was drained, or the stub died */
	pid_t tgid; /* (I) */
	unsigned index; /* (I) which piece of the batch file */
	struct stub_call *batch; /* (L) the sentry's view of it */
	_Atomic bool dead; /* (A) the host killed the stub */
	bool released; /* (L) */
	bool mapped; /* (L) something may be mapped below platform_max_addr() */
	int threads, running; /* (L) contexts, and those whose function runs or is about to */
	int parked_count; /* (L) */
	_Atomic int made; /* (A) stub threads ever made */
	LIST_HEAD(, platform_ctx) contexts; /* (L) */
	SLIST_HEAD(, platform_ctx) parked; /* (L) */

	/* Changes that wait for a context (L). `pending` is what platform_run() looks at. */
	struct stub_call *queue;
	size_t queue_len, queue_cap;
	bool queue_reset; /* everything must be unmapped before the queue is done */
	uint64_t queue_seq, done_seq; /* submissions made, submissions done */
	_Atomic bool pending; /* (A) */

	TAILQ_ENTRY(platform_as) ready_link; /* (P) */
};

/* Makes the counters' single writer explicit. */
static inline void count_add(_Atomic uint64_t *c, uint64_t n)
{
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n, memory_order_relaxed);
}

long ptrace_futex_wait(const void *word, uint32_t value);
void ptrace_futex_wake(const void *word, int count);

/* --- ptrace.c --- */

struct layout {
	uint64_t min_addr, max_addr;
	uint64_t vdso; /* of AT_SYSINFO_EHDR, 0 if none */
	uint64_t kept_start, kept_end; /* vvar and vDSO where they lie in stubs; equal if there are none */
};
extern struct layout layout; /* set by platform_init, then constant */
extern _Atomic uint64_t stubs_made, stubs_reused, remote_changes;

/* --- vdso.c --- */
enum { VDSO_PARTS_MAX = 4 };
struct vdso_part {
	uint64_t start, len, to; /* to: where it is wanted in stubs */
};
struct vdso_plan {
	int count;
	struct vdso_part parts[VDSO_PARTS_MAX];
	uint64_t start, end; /* as the sentry has it; equal if there is none */
	uint64_t ehdr; /* of the vDSO itself */
	uint64_t detour; /* room for `end - start` bytes that overlaps neither place; 0 if no detour is needed */
};
int vdso_plan(struct vdso_plan *p) MUST_CHECK;

/* --- filter.c --- */
/* Builds the stub's filter. free(prog->filter) when installed. */
int filter_build(struct sock_fprog *prog) MUST_CHECK;

/* --- keeper.c: stub processes, and the descriptor table that stubs share --- */
#define STUB_PROCESS_FLAGS (CLONE_PARENT | CLONE_FILES)
#define STUB_THREAD_FLAGS (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM)
enum { STUB_FD_BATCH = 1 }; /* the batch file's descriptor in every stub */
int keeper_start(const char **why) MUST_CHECK;
void keeper_stop(void);
/* A new stub process, asleep in the stub page until it is seized, or for half a minute: its pid, or negative errno. */
pid_t keeper_new_stub(void) MUST_CHECK;
/* The sentry's view of batch piece `index`. */
struct stub_call *keeper_batch(unsigned index);
/* The descriptor of f in the stubs, made at first use. */
int file_slot(struct platform_file *f) MUST_CHECK;

/* --- inject.c: all return 0 or -EOWNERDEAD, and store what the call returned --- */
int inject_one(struct platform_ctx *ctx, const struct stub_call *c, int64_t *result) MUST_CHECK;
/* Runs the first `count` calls of the batch page: *done of them succeeded; *error is what the next one failed with, or 0. */
int inject_batch_locked(struct platform_ctx *ctx, size_t count, size_t *done, int *error) MUST_CHECK;
int inject_clone(struct platform_ctx *ctx, uint64_t flags, int64_t *result) MUST_CHECK;

/* --- event.c --- */
/* Waits for the next stop; -EOWNERDEAD when the thread is gone. */
int ctx_wait_stop(struct platform_ctx *ctx, int *status) MUST_CHECK;
/* Records that the stub is dead. Returns -EOWNERDEAD. */
int ctx_died(struct platform_ctx *ctx);

/* --- regs.c --- */
int regs_load(struct platform_ctx *ctx) MUST_CHECK;
/* Writes what differs back to the thread. */
int regs_flush(struct platform_ctx *ctx) MUST_CHECK;
/* The thread's registers are known to be of no use: the next user sets all of them. */
void regs_fresh(struct platform_ctx *ctx);
/* A register set that runs stub code. */
void regs_for_stub(struct user_regs_struct *r, uint64_t rip);
void xstate_init(pid_t tid);
int xstate_clean(struct platform_ctx *ctx) MUST_CHECK;

/* --- debug.c --- */
/* Gives the thread the debug registers that it shall have. */
int debug_flush(struct platform_ctx *ctx) MUST_CHECK;
/* What DR6 says of the stop. */
int debug_read_status(struct platform_ctx *ctx, uint64_t *out) MUST_CHECK;

/* --- remote.c --- */
/* Does what others have queued. ctx is the caller's, stopped. */
void as_drain(struct platform_ctx *ctx);
void as_drain_locked(struct platform_ctx *ctx);
/* Unmaps all that the guest had. */
int as_reset_locked(struct platform_ctx *ctx) MUST_CHECK;

/* --- pool.c --- */
int pool_init(int ready_max) MUST_CHECK;
void pool_shutdown(void);
/* The address space is empty and nobody's: keep it, or end it (then false). Called by the thread of a context of it. */
bool pool_put(struct platform_as *as);
/* How many address spaces are ready. For tests. */
int pool_ready(void);
/* The last context's thread of an ended address space has left. */
void as_free(struct platform_as *as);

/* --- pair.c --- */
enum { PARKED_MAX = 4 };
/* Makes a context of as with its sentry thread, which waits for pair_start() or pair_abandon(). */
int pair_prepare(struct platform_as *as, bool first, struct platform_ctx **out) MUST_CHECK;
/* Gives it stub thread tid and waits until that is seized. Frees ctx on failure. */
int pair_start(struct platform_ctx *ctx, pid_t tid) MUST_CHECK;
/* There is no stub thread for it: ends the sentry thread and frees ctx. */
void pair_abandon(struct platform_ctx *ctx);
void pair_give_job(struct platform_ctx *ctx, enum ctx_job job);
/* Ends every parked context of as. as->lock held. */
void pair_end_all_locked(struct platform_as *as);
int64_t ctx_cpu_total(struct platform_ctx *ctx);
extern _Atomic int pair_threads;

/* --- placement.c --- */
int placement_init(void) MUST_CHECK;
void placement_shutdown(void);
void placement_add(struct platform_ctx *ctx);
void placement_remove(struct platform_ctx *ctx);
/* ctx is about to run: put it on the caller's processor. */
void placement_adopt(struct platform_ctx *ctx);
void placement_sum(struct platform_stats *out);
/* The signal that breaks a sentry thread's wait, and that interrupts a stub thread. */
#define KICK_SIGNAL SIGURG

#endif
