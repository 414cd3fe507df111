/* SPDX-License-Identifier: Apache-2.0 */
/* The platform: address spaces that run guest instructions, and contexts that run guest threads in them.
 *
 * Theory of operation. An address space (struct platform_as) is one host process, the stub, whose every system call and
 * fault stops. A context (struct platform_ctx) is two host threads: a stub thread and the sentry thread that alone may
 * drive it. Contexts are started with platform_start(), which runs a function on a sentry thread that owns a stub thread
 * of the address space; when the function returns, the pair is parked for reuse or ended. So a guest thread that moves to
 * another address space (execve) is started anew there and its old function returns: no ptrace ownership is ever passed.
 *
 * The map operations may be called by any sentry thread. If the caller's context belongs to the address space, or no
 * context of it is inside the guest, they are cheap; otherwise the platform interrupts a running context and waits until the change
 * has been made, like a TLB shootdown. On return no guest thread can still use a mapping that was removed. A failure
 * leaves the stub's mappings unspecified in [addr, addr+len) only; the caller unmaps the range or tells the guest.
 *
 * Nothing here knows vmas, files of the guest, or tasks; mm is tested against a fake that implements these functions.
 * How events arrive is hidden: a later tier delivers system calls through shared memory without a stop, so callers use
 * the accessors and never assume that registers have been read.
 *
 * Errors are negative errno. -EOWNERDEAD: the stub was killed by the host; the caller ends the guest process.
 */
#ifndef PLATFORM_PLATFORM_H
#define PLATFORM_PLATFORM_H

#include "base/compiler.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/user.h>

/* PAGE_SIZE, PAGE_SHIFT and PAGE_MASK come from <sys/user.h>. */

/* Access kinds are PROT_READ, PROT_WRITE and PROT_EXEC throughout the program. */

/* A host file that may be mapped into address spaces: the memory file, or a host file mapped for a guest.
 * `fd` is the sentry's and is owned by whoever initialised the object. The platform hands a copy to the stubs when it is first mapped. */
struct platform_file {
	int fd;
	_Atomic int slot; /* the descriptor's number in the stubs, or -1; the platform's */
};

void platform_file_init(struct platform_file *f, int fd);
/* Takes the descriptor back from the stubs. No mapping of f may be left. Does not close f->fd. */
void platform_file_fini(struct platform_file *f);

struct platform_options {
	int ready_stubs; /* how many idle stubs to keep at most; 0 for the default */
};

/* Starts the platform: template stub, filter. Must run before any other thread exists.
 * Fails with the errno of the host's refusal; *why then names the step (a static string). */
int platform_init(const struct platform_options *o, const char **why) MUST_CHECK;
/* Kills every stub and waits for them. Contexts must have returned. */
void platform_shutdown(void);

/* What guests may use: [platform_min_addr(), platform_max_addr()). The stub pages and the vDSO lie above. */
uint64_t platform_min_addr(void);
uint64_t platform_max_addr(void);
/* Where the host's vDSO is mapped in every address space (AT_SYSINFO_EHDR), 0 if the host has none. */
uint64_t platform_vdso(void);
/* Copies out of it, for who reads a guest's memory from outside: how many of `size` bytes at the guest's addr lie in it. */
size_t platform_vdso_read(void *dst, uint64_t addr, size_t size);
/* Every guest thread that runs passes a full memory barrier before this returns. */
int platform_barrier(void) MUST_CHECK;

/* --- address spaces --- */

struct platform_as;

int platform_as_new(struct platform_as **out) MUST_CHECK;
/* Gives the address space back. All its contexts' functions have returned or are the caller's own, about to.
 * Everything the guest had mapped is gone before the stub is used again. */
void platform_as_release(struct platform_as *as);

/* Maps [off, off+len) of f at addr, shared, replacing what was there. prot may be 0. populate asks for the pages to be
 * entered in the page table at once. Page-aligned. -ENOMEM when the host has no room for another mapping. */
int platform_as_map(struct platform_as *as, uint64_t addr, uint64_t len, struct platform_file *f, uint64_t off, int prot,
		    bool populate) MUST_CHECK;
int platform_as_unmap(struct platform_as *as, uint64_t addr, uint64_t len) MUST_CHECK;
/* Unmaps everything, which the host cannot refuse: 0, or -EOWNERDEAD. */
int platform_as_clear(struct platform_as *as) MUST_CHECK;
int platform_as_protect(struct platform_as *as, uint64_t addr, uint64_t len, int prot) MUST_CHECK;

/* One change of a batch. */
struct platform_op {
	enum { PLATFORM_MAP, PLATFORM_UNMAP, PLATFORM_PROTECT } kind;
	uint64_t addr, len;
	struct platform_file *file; /* MAP */
	uint64_t off; /* MAP */
	int prot; /* MAP, PROTECT */
	bool populate; /* MAP */
};
/* Does the operations in order in as few stops as it can and stops at the first failure: returns its error and stores
 * its index in *failed (may be NULL). */
int platform_as_batch(struct platform_as *as, const struct platform_op *ops, size_t count, size_t *failed) MUST_CHECK;

/* --- contexts --- */

struct platform_ctx;
typedef void (*platform_fn)(struct platform_ctx *ctx, void *arg);

/* Runs fn(ctx, arg) on a sentry thread that owns a stub thread of as. Returns once that is certain to happen. */
int platform_start(struct platform_as *as, platform_fn fn, void *arg) MUST_CHECK;

/* The context of the calling sentry thread, or NULL. */
struct platform_ctx *platform_ctx_self(void);
struct platform_as *platform_ctx_as(struct platform_ctx *ctx);

enum platform_event_kind {
	PLATFORM_SYSCALL, /* the guest made a system call */
	PLATFORM_FAULT, /* SIGSEGV or SIGBUS with an address: `access`, `fault_mapped`, `info` */
	PLATFORM_TRAP, /* the guest's instruction raised another signal (SIGFPE, SIGILL, SIGTRAP, a SIGSEGV without address): `info` */
	PLATFORM_INTERRUPTED, /* platform_interrupt() */
	PLATFORM_BAD_ARCH, /* a call through int 0x80, sysenter or another foreign entry */
	PLATFORM_DEAD, /* the stub was killed by the host */
};

struct platform_event {
	enum platform_event_kind kind;
	uint64_t nr, args[6]; /* SYSCALL */
	siginfo_t info; /* FAULT, TRAP: as the host reported it; si_addr is the guest's address */
	uint64_t debug_status; /* TRAP by the processor's debugging facilities (see platform_is_debug_trap): what DR6 says of it */
	int access; /* FAULT: PROT_READ, PROT_WRITE or PROT_EXEC as far as it can be told: see fault_known */
	bool access_known; /* FAULT: false when a read may have been a write */
	bool fault_mapped; /* FAULT: something was mapped at the address (SEGV_ACCERR, BUS_ADRERR) */
};

/* Runs the guest until something happens. ctx must be the caller's. A pending interrupt returns at once. */
void platform_run(struct platform_ctx *ctx, struct platform_event *ev);

/* Makes ctx's platform_run return PLATFORM_INTERRUPTED, now or at its next call. Any thread. Coalesces.
 * The caller guarantees that ctx's function has not returned. */
void platform_interrupt(struct platform_ctx *ctx);

/* The general registers of the stopped guest thread, read at first use, written back by platform_run() if
 * platform_regs_changed() was called since. At a system call rip is after the instruction, rax is undefined, and
 * orig_rax is the call number. Segment registers and flags are sanitised when written back: whatever the guest asked for, the
 * resumed thread is a 64-bit user-mode thread. */
struct user_regs_struct *platform_regs(struct platform_ctx *ctx);
void platform_regs_changed(struct platform_ctx *ctx);
/* Sets rax alone: the whole of most system calls' return. */
void platform_set_result(struct platform_ctx *ctx, uint64_t rax);
/* Stack pointer and instruction pointer without reading the rest where the event carried them. */
uint64_t platform_sp(struct platform_ctx *ctx);
uint64_t platform_ip(struct platform_ctx *ctx);

/* The extended state (XSAVE layout of the host, standard format). set refuses with -EINVAL what the host refuses. x87 and SSE come first,
 * as FXSAVE lays them out; all that a processor without XSAVE has. */
enum { PLATFORM_FXSAVE_SIZE = sizeof(struct user_fpregs_struct) };
size_t platform_xstate_size(void);
int platform_xstate_get(struct platform_ctx *ctx, void *buf, size_t size) MUST_CHECK;
int platform_xstate_set(struct platform_ctx *ctx, const void *buf, size_t size) MUST_CHECK;
/* The state of a freshly executed program. */
void platform_xstate_reset(struct platform_ctx *ctx);
/* Readies it for a signal handler: x87 and SSE, and with them rounding and exceptions, as for a fresh program. The wider vector registers,
 * which the calling convention gives no value at a function's entry, are left as they are: Linux clears them too, but here that costs as
 * much as a stop. `saved` is what platform_xstate_get() has just read. */
int platform_xstate_enter_handler(struct platform_ctx *ctx, const void *saved) MUST_CHECK;

/* Debug registers: up to four places in what guests may use, a use of which is a PLATFORM_TRAP from then on; `control` is as in DR7. What the
 * sentry or the host itself does there is none. A context starts without. The addresses suit the lengths: the host refuses others. */
enum { PLATFORM_DEBUG_PLACES = 4 };
void platform_debug_set(struct platform_ctx *ctx, const uint64_t addr[PLATFORM_DEBUG_PLACES], uint64_t control);
/* A single step, a hit of a debug register, or an INT1: not a breakpoint instruction. */
static inline bool platform_is_debug_trap(const siginfo_t *info)
{
	return info->si_signo == SIGTRAP && info->si_code >= TRAP_BRKPT && info->si_code <= TRAP_HWBKPT;
}

/* Processor time that ctx's stub thread has used since platform_start(), in nanoseconds. Any thread. */
int64_t platform_cputime(struct platform_ctx *ctx);

/* Told by the kernel when a sentry thread goes to sleep inside a guest's call and when it is back: placement counts who
 * is busy. */
void platform_block_begin(struct platform_ctx *ctx);
void platform_block_end(struct platform_ctx *ctx);

/* Counters for the report and for tests: stops, injected calls, stubs made, stubs reused, hand-overs. */
struct platform_stats {
	uint64_t stops, syscalls, faults, injected_batches, injected_calls, stubs_made, stubs_reused, remote_changes;
};
void platform_get_stats(struct platform_stats *out);

#endif
