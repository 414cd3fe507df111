/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's registers as the sentry caches them, and the extended state.
 *
 * Invariants. While the guest runs, nothing is cached. After a stop the cache is filled by need: a system call that only
 * returns a value costs no read and one word written. Injection clobbers everything, so it loads the cache first and marks
 * it dirty: whatever happens afterwards, the next resumption restores the guest's registers.
 *
 * What is written back is forced into a 64-bit user-mode thread. The host refuses some values (a null cs, a base outside
 * the user half); a refusal must not wedge the guest, so they are replaced here. orig_rax is voided, else the host could
 * take a guest's rax for one of its own restart codes.
 */
#include "platform/ptrace/ptrace_internal.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

enum { USER_CS = 0x33, USER_DS = 0x2b };
/* CF PF AF ZF SF TF DF OF NT RF AC ID: what a user may own. IF and the always-one bit are added. */
#define USER_FLAGS UINT64_C(0x254dd5)
#define FIXED_FLAGS UINT64_C(0x202)

/* The XSAVE area (Intel's manual, volume 1, chapter 13): x87 and SSE first, then the header, which begins with a bitmap of the parts that
 * are there. */
enum { XSTATE_HEADER = PLATFORM_FXSAVE_SIZE, XSTATE_MAX = 16 * PAGE_SIZE /* ample for any processor today (AMX: 11 KiB) */ };
/* Bits of that bitmap: x87 and SSE; those with AVX and the three parts of AVX-512. */
#define LEGACY_FEATURES UINT64_C(0x3)
#define VECTOR_FEATURES UINT64_C(0xe7)

static size_t xstate_size = XSTATE_HEADER;

static void regs_sanitise(struct user_regs_struct *r)
{
	r->cs = USER_CS;
	r->ss = USER_DS;
	if (r->ds != USER_DS)
		r->ds = 0;
	if (r->es != USER_DS)
		r->es = 0;
	if (r->fs != USER_DS)
		r->fs = 0;
	if (r->gs != USER_DS)
		r->gs = 0;
	r->eflags = (r->eflags & USER_FLAGS) | FIXED_FLAGS;
	if (r->fs_base >= STUB_TOP)
		r->fs_base = 0;
	if (r->gs_base >= STUB_TOP)
		r->gs_base = 0;
	r->orig_rax = UINT64_MAX;
}

void regs_for_stub(struct user_regs_struct *r, uint64_t rip)
{
	*r = (struct user_regs_struct){
		.rip = rip, .cs = USER_CS, .ss = USER_DS, .eflags = FIXED_FLAGS, .orig_rax = UINT64_MAX
	};
}

int regs_load(struct platform_ctx *ctx)
{
	if (ctx->regs_loaded)
		return 0;
	if (ctx->dead || ptrace(PTRACE_GETREGS, ctx->tid, NULL, &ctx->regs)) {
		memset(&ctx->regs, 0, sizeof(ctx->regs));
		ctx->regs_loaded = true;
		return ctx_died(ctx);
	}
	ctx->regs_loaded = true;
	if (ctx->result_set) {
		ctx->regs.rax = ctx->result;
		ctx->result_set = false;
		ctx->regs_dirty = true;
	}
	return 0;
}

int regs_flush(struct platform_ctx *ctx)
{
	long r = 0;

	if (ctx->regs_dirty) {
		regs_sanitise(&ctx->regs);
		r = ptrace(PTRACE_SETREGS, ctx->tid, NULL, &ctx->regs);
	} else if (ctx->result_set) {
		r = ptrace(PTRACE_POKEUSER, ctx->tid, offsetof(struct user, regs.rax), ctx->result);
	}
	if (r && errno != ESRCH) {
		/* Not refused for what regs_sanitise() lets through; if it ever is, the guest dies and not the sentry. */
		kill(ctx->tgid, SIGKILL);
	}
	if (r)
		return ctx_died(ctx);
	ctx->regs_loaded = ctx->regs_dirty = ctx->result_set = ctx->ip_known = false;
	return 0;
}

void regs_fresh(struct platform_ctx *ctx)
{
	regs_for_stub(&ctx->regs, 0);
	ctx->regs_loaded = ctx->regs_dirty = true;
	ctx->result_set = ctx->ip_known = false;
}

struct user_regs_struct *platform_regs(struct platform_ctx *ctx)
{
	/* A stub that died meanwhile has zeroes for registers; the next platform_run() says so. */
	(void)!regs_load(ctx);
	return &ctx->regs;
}

void platform_regs_changed(struct platform_ctx *ctx)
{
	/* Now as well as at the resumption: who looks at them meanwhile sees what the guest will have. */
	regs_sanitise(&ctx->regs);
	ctx->regs_dirty = true;
}

void platform_set_result(struct platform_ctx *ctx, uint64_t rax)
{
	if (ctx->regs_loaded) {
		ctx->regs.rax = rax;
		ctx->regs_dirty = true;
		return;
	}
	ctx->result = rax;
	ctx->result_set = true;
	/* The host would restart the call on these (ERESTARTSYS to ERESTART_RESTARTBLOCK) unless orig_rax is voided. */
	if (UNLIKELY((int64_t)rax <= -512 && (int64_t)rax >= -516))
		(void)!regs_load(ctx);
}

uint64_t platform_sp(struct platform_ctx *ctx)
{
	if (!ctx->regs_loaded && ctx->ip_known)
		return ctx->sp;
	return platform_regs(ctx)->rsp;
}

uint64_t platform_ip(struct platform_ctx *ctx)
{
	if (!ctx->regs_loaded && ctx->ip_known)
		return ctx->ip;
	return platform_regs(ctx)->rip;
}

/* --- extended state --- */

void xstate_init(pid_t tid)
{
	static unsigned char buf[XSTATE_MAX] __attribute__((aligned(64)));
	struct iovec iov = { buf, sizeof(buf) };

	if (!ptrace(PTRACE_GETREGSET, tid, NT_X86_XSTATE, &iov) && iov.iov_len <= sizeof(buf))
		xstate_size = iov.iov_len;
}

size_t platform_xstate_size(void)
{
	return xstate_size;
}

int platform_xstate_get(struct platform_ctx *ctx, void *buf, size_t size)
{
	struct iovec iov = { buf, size };

	if (size < xstate_size)
		return -EINVAL;
	if (xstate_clean(ctx))
		return -EOWNERDEAD;
	if (ptrace(PTRACE_GETREGSET, ctx->tid, NT_X86_XSTATE, &iov))
		return errno == ESRCH ? ctx_died(ctx) : -errno;
	return 0;
}

static uint64_t features_of(const void *xstate)
{
	uint64_t features;

	memcpy(&features, (const unsigned char *)xstate + XSTATE_HEADER, sizeof(features));
	return features;
}

/* True if the state beyond x87 and SSE is already what buf holds. */
static bool wide_part_is(struct platform_ctx *ctx, const unsigned char *buf)
{
	unsigned char *now = ctx->xstate_stale || xstate_size <= XSTATE_HEADER ? NULL : malloc(xstate_size);
	struct iovec iov = { now, xstate_size };
	bool same = false;

	if (now && !ptrace(PTRACE_GETREGSET, ctx->tid, NT_X86_XSTATE, &iov)) {
		const uint64_t difference = features_of(now) ^ features_of(buf);
		const size_t rest = XSTATE_HEADER + sizeof(difference);

		same = !(difference & ~LEGACY_FEATURES) && !memcmp(now + rest, buf + rest, xstate_size - rest);
	}
	free(now);
	return same;
}

int platform_xstate_set(struct platform_ctx *ctx, const void *buf, size_t size)
{
	struct iovec iov = { (void *)(uintptr_t)buf, xstate_size };

	if (ctx->dead)
		return -EOWNERDEAD;
	if (size < xstate_size)
		return -EINVAL;
	/* The host allocates and frees kernel address space for the whole, at ten times the price of reading it or of writing its first part:
	 * the usual return from a signal handler, which has not changed the rest. */
	if (wide_part_is(ctx, buf) ? ptrace(PTRACE_SETFPREGS, ctx->tid, 0, buf) : ptrace(PTRACE_SETREGSET, ctx->tid, NT_X86_XSTATE, &iov))
		return errno == ESRCH ? ctx_died(ctx) : -EINVAL;
	ctx->xstate_stale = false;
	return 0;
}

static void fill_legacy_initial(unsigned char *buf)
{
	enum { FCW = 0, MXCSR = 24 };
	const uint16_t fcw = 0x37f;
	const uint32_t mxcsr = 0x1f80;

	memset(buf, 0, XSTATE_HEADER);
	memcpy(buf + FCW, &fcw, sizeof(fcw));
	memcpy(buf + MXCSR, &mxcsr, sizeof(mxcsr));
}

/* Everything absent from the header's bitmap takes its initial value; x87 and SSE are given, because their control words
 * are not zero. */
static int xstate_write_initial(struct platform_ctx *ctx)
{
	const uint64_t bv = LEGACY_FEATURES;
	unsigned char buf[XSTATE_MAX] __attribute__((aligned(64)));
	struct iovec iov = { buf, xstate_size };

	memset(buf, 0, xstate_size);
	fill_legacy_initial(buf);
	if (xstate_size > XSTATE_HEADER)
		memcpy(buf + XSTATE_HEADER, &bv, sizeof(bv));
	if (ptrace(PTRACE_SETREGSET, ctx->tid, NT_X86_XSTATE, &iov))
		return ctx_died(ctx);
	ctx->xstate_stale = false;
	return 0;
}

int platform_xstate_enter_handler(struct platform_ctx *ctx, const void *saved)
{
	unsigned char legacy[XSTATE_HEADER] __attribute__((aligned(16)));

	if (ctx->dead)
		return -EOWNERDEAD;
	if (xstate_size > XSTATE_HEADER && (features_of(saved) & ~VECTOR_FEATURES)) {
		platform_xstate_reset(ctx);
		return 0;
	}
	fill_legacy_initial(legacy);
	if (ptrace(PTRACE_SETFPREGS, ctx->tid, 0, legacy))
		return ctx_died(ctx);
	return 0;
}

int xstate_clean(struct platform_ctx *ctx)
{
	if (ctx->dead)
		return -EOWNERDEAD;
	return ctx->xstate_stale ? xstate_write_initial(ctx) : 0;
}

void platform_xstate_reset(struct platform_ctx *ctx)
{
	/* Done at the next resumption: exec moves to another context anyway. */
	ctx->xstate_stale = true;
}
