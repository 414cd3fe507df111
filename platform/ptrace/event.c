/* SPDX-License-Identifier: Apache-2.0 */
/* Stops, and what they mean.
 *
 *   SIGTRAP|0x80            a call under PTRACE_SYSEMU; PTRACE_GET_SYSCALL_INFO tells architecture, number, arguments, rip and
 *                           rsp in one read. Registers alone could not tell `int 0x80` from `syscall`.
 *   PTRACE_EVENT_SECCOMP    a call of the vsyscall page, which SYSEMU does not see.
 *   PTRACE_EVENT_STOP       a group-stop or PTRACE_INTERRUPT: resumed.
 *   SIGSEGV, SIGBUS ...     with a positive si_code that names an exception: the guest's fault or trap.
 *   any other signal        our kick, or somebody outside: dropped. ctx->flags says whether an interrupt is meant.
 *   exit                    the host killed the stub.
 *
 * ptrace(2) tells the address of a fault but not the access. It was an execution if the address is rip. The host says
 * SEGV_ACCERR when something is mapped there that does not allow the access; as stubs map nothing that is not readable, it was
 * a write. Otherwise nothing was mapped and a read may have been a write.
 */
#include "platform/ptrace/ptrace_internal.h"

#include <errno.h>
#include <linux/audit.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define X32_BIT UINT64_C(0x40000000)
/* glibc spells the structure of linux/ptrace.h with underscores, and the two headers exclude each other. */
typedef struct __ptrace_syscall_info syscall_info;

int ctx_died(struct platform_ctx *ctx)
{
	struct platform_as *as = ctx->as;

	ctx->dead = true;
	if (!as)
		return -EOWNERDEAD;
	/* Half a stub is of no use: what is left of it goes too. The pid is ours for as long as this thread is not reaped, or
	 * its leader is not; afterwards the first to die has already said so. */
	if (!atomic_exchange(&as->dead, true) && !(ctx->reaped && ctx->first))
		kill(as->tgid, SIGKILL);
	return -EOWNERDEAD;
}

int ctx_wait_stop(struct platform_ctx *ctx, int *status)
{
	for (;;) {
		pid_t r = wait4(ctx->tid, status, __WALL | __WNOTHREAD, NULL);

		if (LIKELY(r == ctx->tid)) {
			if (LIKELY(WIFSTOPPED(*status))) {
				count_add(&ctx->stops, 1);
				return 0;
			}
			ctx->reaped = true;
			return ctx_died(ctx);
		}
		if (r < 0 && errno == EINTR && !(ctx->as && atomic_load(&ctx->as->dead)))
			continue;
		if (r < 0 && errno == ECHILD)
			ctx->reaped = true;
		return ctx_died(ctx);
	}
}

enum decoded { DECODED_EVENT, DECODED_NOTHING };

static enum decoded decode_dead(struct platform_ctx *ctx, struct platform_event *ev)
{
	ctx_died(ctx);
	ev->kind = PLATFORM_DEAD;
	return DECODED_EVENT;
}

static enum decoded decode_syscall(struct platform_ctx *ctx, struct platform_event *ev)
{
	syscall_info info;

	if (UNLIKELY(ptrace(PTRACE_GET_SYSCALL_INFO, ctx->tid, sizeof(info), &info) < 0))
		return decode_dead(ctx, ev);
	if (UNLIKELY(info.op != PTRACE_SYSCALL_INFO_ENTRY))
		return DECODED_NOTHING;
	ctx->ip = info.instruction_pointer;
	ctx->sp = info.stack_pointer;
	ctx->ip_known = true;
	count_add(&ctx->syscalls, 1);
	/* The host looks at 32 bits of the number. */
	ev->nr = (uint64_t)(int64_t)(int32_t)info.entry.nr;
	memcpy(ev->args, info.entry.args, sizeof(ev->args));
	ev->kind = LIKELY(info.arch == AUDIT_ARCH_X86_64 && (ev->nr & (X32_BIT | UINT64_C(1) << 63)) != X32_BIT) ?
			   PLATFORM_SYSCALL :
			   PLATFORM_BAD_ARCH;
	return DECODED_EVENT;
}

/* The host's emulation of a vsyscall page entry asks the filter and waits for the answer in the middle of a fault. Voiding
 * the number lets it go on: it returns to the caller with rax as we set it, and insists that rip has not changed. So it is
 * finished first, with an interrupt to stop the thread before the guest's next instruction, and then reported like any call. */
static enum decoded decode_vsyscall(struct platform_ctx *ctx, struct platform_event *ev)
{
	syscall_info info;
	int status;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, ctx->tid, sizeof(info), &info) < 0 ||
	    ptrace(PTRACE_POKEUSER, ctx->tid, offsetof(struct user, regs.orig_rax), -1L) ||
	    ptrace(PTRACE_INTERRUPT, ctx->tid, NULL, NULL) || ptrace(PTRACE_SYSEMU, ctx->tid, NULL, NULL) ||
	    ctx_wait_stop(ctx, &status))
		return decode_dead(ctx, ev);
	count_add(&ctx->syscalls, 1);
	ev->kind = PLATFORM_SYSCALL;
	ev->nr = (uint64_t)(int64_t)(int32_t)info.seccomp.nr;
	memcpy(ev->args, info.seccomp.args, sizeof(ev->args));
	return DECODED_EVENT;
}

static bool exception_has_address(const siginfo_t *si)
{
	if (si->si_signo == SIGSEGV)
		return si->si_code != SI_KERNEL;
	return si->si_signo == SIGBUS && si->si_code != BUS_ADRALN && si->si_code != SI_KERNEL;
}

static enum decoded decode_exception(struct platform_ctx *ctx, int sig, struct platform_event *ev)
{
	uint64_t addr;

	if (ptrace(PTRACE_GETSIGINFO, ctx->tid, NULL, &ev->info))
		return decode_dead(ctx, ev);
	if (ev->info.si_signo != sig || ev->info.si_code <= 0)
		return DECODED_NOTHING;
	/* What follows a fault is almost always an injection or a signal frame, so read the registers, not just rip. */
	if (regs_load(ctx))
		return decode_dead(ctx, ev);
	ev->kind = PLATFORM_TRAP;
	if (platform_is_debug_trap(&ev->info) && debug_read_status(ctx, &ev->debug_status))
		return decode_dead(ctx, ev);
	if (!exception_has_address(&ev->info))
		return DECODED_EVENT;
	count_add(&ctx->faults, 1);
	addr = (uint64_t)(uintptr_t)ev->info.si_addr;
	ev->kind = PLATFORM_FAULT;
	ev->fault_mapped = sig == SIGBUS || ev->info.si_code != SEGV_MAPERR;
	ev->access_known = true;
	if (addr == ctx->regs.rip) {
		ev->access = PROT_EXEC;
	} else if (sig == SIGSEGV && ev->info.si_code == SEGV_ACCERR) {
		ev->access = PROT_WRITE;
	} else {
		ev->access = PROT_READ;
		ev->access_known = false;
	}
	return DECODED_EVENT;
}

static enum decoded decode(struct platform_ctx *ctx, int status, struct platform_event *ev)
{
	int sig = WSTOPSIG(status), event = status >> 16;

	if (LIKELY(sig == (SIGTRAP | 0x80)))
		return decode_syscall(ctx, ev);
	if (event == PTRACE_EVENT_SECCOMP)
		return decode_vsyscall(ctx, ev);
	if (event)
		return DECODED_NOTHING;
	if (sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE || sig == SIGILL || sig == SIGTRAP)
		return decode_exception(ctx, sig, ev);
	return DECODED_NOTHING;
}

/* Resumes the guest once and decodes the stop. */
static enum decoded run_once(struct platform_ctx *ctx, struct platform_event *ev)
{
	int status;

	if (UNLIKELY(ctx->dead || atomic_load_explicit(&ctx->as->dead, memory_order_relaxed)))
		return decode_dead(ctx, ev);
	if (UNLIKELY(ctx->xstate_stale) && xstate_clean(ctx))
		return decode_dead(ctx, ev);
	if (UNLIKELY(ctx->debug_stale) && debug_flush(ctx))
		return decode_dead(ctx, ev);
	if (UNLIKELY(regs_flush(ctx)) || UNLIKELY(ptrace(PTRACE_SYSEMU, ctx->tid, NULL, NULL)) ||
	    UNLIKELY(ctx_wait_stop(ctx, &status)))
		return decode_dead(ctx, ev);
	return decode(ctx, status, ev);
}

/* The order matters, see remote.c: the flag is raised before the queue is looked at, and lowered before it is looked at
 * again, so a change that was queued while the flag was up is made before this thread does anything else. An interrupt is
 * looked for after the queue: its kick may have met the stub thread in an injection, which drops it. */
void platform_run(struct platform_ctx *ctx, struct platform_event *ev)
{
	struct platform_as *as = ctx->as;

	atomic_fetch_or(&ctx->flags, CTX_IN_GUEST);
	do {
		if (UNLIKELY(atomic_load(&as->pending)))
			as_drain(ctx);
		if (UNLIKELY(atomic_load(&ctx->flags) & CTX_INTERRUPT)) {
			atomic_fetch_and(&ctx->flags, ~(uint32_t)CTX_INTERRUPT);
			ev->kind = PLATFORM_INTERRUPTED;
			break;
		}
	} while (run_once(ctx, ev) != DECODED_EVENT);
	atomic_fetch_and(&ctx->flags, ~(uint32_t)CTX_IN_GUEST);
	if (UNLIKELY(atomic_load(&as->pending)))
		as_drain(ctx);
}

void platform_interrupt(struct platform_ctx *ctx)
{
	uint32_t old = atomic_fetch_or(&ctx->flags, CTX_INTERRUPT);

	if ((old & CTX_IN_GUEST) && !(old & CTX_INTERRUPT))
		syscall(SYS_tgkill, ctx->tgid, ctx->tid, KICK_SIGNAL);
}
