/* SPDX-License-Identifier: Apache-2.0 */
/* Injection: calls that a stub thread makes for the sentry.
 *
 * The thread is stopped. Its guest's registers are cached and marked dirty, its own are set to run the stub page's code, and
 * it is resumed with PTRACE_CONT, the one way of resuming that lets calls reach the host. It stops at the int3, however
 * many calls the batch held. The guest's registers return with the next resumption of the guest, on every path.
 *
 * The thread may be interrupted on the way by signals from outside or by a late kick; they are dropped, what they meant is
 * in ctx->flags or as->pending already. A refusal by the filter is a stop too: the call is voided and fails with ENOSYS.
 *
 * The guest's extended state stays in place meanwhile. It holds one thing that can stop stub code, protection keys (PKRU): who forbids
 * himself to read pages of key 0 forbids it to the stub page's loop. Such a fault is answered once, by the initial state until the injection
 * is done; another one ends the stub, so that no guest can make the sentry go in circles.
 */
#include "platform/ptrace/ptrace_internal.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* Did the stub's own code raise the signal of this stop? */
static bool is_exception(struct platform_ctx *ctx, int status)
{
	siginfo_t info;

	if (status >> 16 || (WSTOPSIG(status) != SIGSEGV && WSTOPSIG(status) != SIGBUS))
		return false;
	return !ptrace(PTRACE_GETSIGINFO, ctx->tid, NULL, &info) && info.si_code > 0;
}

/* Puts the guest's extended state aside. */
static int xstate_lend(struct platform_ctx *ctx, void **saved)
{
	int r = *saved ? -EFAULT : 0;

	if (!r && !(*saved = malloc(platform_xstate_size())))
		r = -ENOMEM;
	if (!r)
		r = platform_xstate_get(ctx, *saved, platform_xstate_size());
	if (!r) {
		ctx->xstate_stale = true;
		r = xstate_clean(ctx);
	}
	return r ? ctx_died(ctx) : 0;
}

static int xstate_give_back(struct platform_ctx *ctx, void *saved)
{
	int r = saved ? platform_xstate_set(ctx, saved, platform_xstate_size()) : 0;

	free(saved);
	return r ? ctx_died(ctx) : 0;
}

/* Runs stub code until the int3; *r receives the registers there. */
static int inject_run(struct platform_ctx *ctx, struct user_regs_struct *r)
{
	void *saved = NULL;
	const uint64_t stop = stub_address(stub_int3_end);
	int status;

	if (ctx->dead || regs_load(ctx))
		return -EOWNERDEAD;
	ctx->regs_dirty = true;
	count_add(&ctx->batches, 1);
	if (ptrace(PTRACE_SETREGS, ctx->tid, NULL, r))
		return ctx_died(ctx);
	for (;;) {
		if (ptrace(PTRACE_CONT, ctx->tid, NULL, NULL) || ctx_wait_stop(ctx, &status))
			break;
		if (status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8)) {
			if (ptrace(PTRACE_POKEUSER, ctx->tid, offsetof(struct user, regs.orig_rax), -1L))
				break;
		} else if (status >> 8 == SIGTRAP) {
			if (ptrace(PTRACE_GETREGS, ctx->tid, NULL, r))
				break;
			if (r->rip == stop)
				return xstate_give_back(ctx, saved);
		} else if (UNLIKELY(is_exception(ctx, status)) && xstate_lend(ctx, &saved)) {
			break;
		}
	}
	free(saved);
	return ctx_died(ctx);
}

static void regs_for_call(struct user_regs_struct *r, uint64_t rip, const struct stub_call *c)
{
	regs_for_stub(r, rip);
	r->rax = c->nr;
	r->rdi = c->args[0];
	r->rsi = c->args[1];
	r->rdx = c->args[2];
	r->r10 = c->args[3];
	r->r8 = c->args[4];
	r->r9 = c->args[5];
}

int inject_one(struct platform_ctx *ctx, const struct stub_call *c, int64_t *result)
{
	struct user_regs_struct r;

	regs_for_call(&r, stub_address(stub_one), c);
	if (inject_run(ctx, &r))
		return -EOWNERDEAD;
	count_add(&ctx->calls, 1);
	*result = (int64_t)r.rax;
	return 0;
}

int inject_clone(struct platform_ctx *ctx, uint64_t flags, int64_t *result)
{
	const struct stub_call c = { .nr = SYS_clone, .args = { flags } };
	struct user_regs_struct r;

	regs_for_call(&r, stub_address(stub_clone), &c);
	if (inject_run(ctx, &r))
		return -EOWNERDEAD;
	count_add(&ctx->calls, 1);
	*result = (int64_t)r.rax;
	return 0;
}

int inject_batch_locked(struct platform_ctx *ctx, size_t count, size_t *done, int *error)
{
	struct user_regs_struct r;
	uint64_t n;

	mutex_assert_held(&ctx->as->lock);
	regs_for_stub(&r, stub_address(stub_batch));
	r.r15 = STUB_BATCH;
	r.r14 = STUB_BATCH + count * sizeof(struct stub_call);
	if (inject_run(ctx, &r))
		return -EOWNERDEAD;
	n = (r.r15 - STUB_BATCH) / sizeof(struct stub_call);
	if (n > count)
		n = count;
	count_add(&ctx->calls, n);
	*done = n;
	*error = n < count ? (int)(int64_t)r.rax : 0;
	return 0;
}
