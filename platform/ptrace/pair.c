/* SPDX-License-Identifier: Apache-2.0 */
/* Pairs of a stub thread and the sentry thread that owns it, from birth to parking to end.
 *
 * Stages of a stub thread. Cloned untraced by an injected call, it sleeps in the stub page (stub_child) until its sentry
 * thread seizes and interrupts it; unseized, it ends its stub after half a minute. From then on it is stopped, or runs stub code,
 * or the guest. Ownership never moves: ptrace allows requests from the attaching thread only.
 *
 * Stages of a sentry thread. It is there before its stub thread: the other way round, a host that has no thread left for the
 * sentry would leave a stub thread that nobody can end alone. pair_main() waits until it is told whom to seize, then serves
 * jobs: run a function, reset a released address space, end.
 * Between jobs it is parked: asleep on its `job` word, counted in as->parked. The one that parks last in a released
 * address space resets it and gives it to the pool, so fork and exec in a loop make no host process.
 *
 * Invariants: as->running counts contexts whose function runs or has been promised to run; a context is in as->parked or
 * running or on its way out, never two of them; the stub's first thread ends only with the whole stub.
 */
#include "platform/ptrace/ptrace_internal.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAIR_STACK ((size_t)(SANITIZED ? 8 : 1) << 20) /* address space, not memory */

_Atomic int pair_threads;
static _Thread_local struct platform_ctx *self_ctx;

struct platform_ctx *platform_ctx_self(void)
{
	return self_ctx;
}

struct platform_as *platform_ctx_as(struct platform_ctx *ctx)
{
	return ctx->as;
}

/* --- ends --- */

/* Waits until the host has let go of the stub thread. */
static void ctx_reap(struct platform_ctx *ctx)
{
	int status;

	while (!ctx->reaped) {
		pid_t r = wait4(ctx->tid, &status, __WALL, NULL);

		if (r == ctx->tid && WIFSTOPPED(status)) {
			/* A stop on the way to death: let it go. */
			ptrace(PTRACE_CONT, ctx->tid, NULL, NULL);
			continue;
		}
		if (r < 0 && errno == EINTR)
			continue;
		ctx->reaped = true;
	}
}

/* Takes the context off its address space and frees what nobody needs any more. */
static void ctx_leave(struct platform_ctx *ctx)
{
	struct platform_as *as = ctx->as;
	bool last;

	placement_remove(ctx);
	mutex_lock(&as->lock);
	LIST_REMOVE(ctx, as_link);
	as->threads--;
	last = !as->threads && as->released;
	mutex_unlock(&as->lock);
	free(ctx);
	if (last)
		as_free(as);
}

/* Ends one stub thread of several. */
static void ctx_end_thread(struct platform_ctx *ctx)
{
	struct user_regs_struct r;

	regs_for_stub(&r, stub_address(stub_one));
	r.rax = SYS_exit;
	if (ctx->dead || ptrace(PTRACE_SETREGS, ctx->tid, NULL, &r) || ptrace(PTRACE_CONT, ctx->tid, NULL, NULL))
		ctx_died(ctx);
	ctx_reap(ctx);
}

/* The whole stub goes. */
static void ctx_end_stub(struct platform_ctx *ctx)
{
	ctx_died(ctx);
	ctx_reap(ctx);
}

/* --- parking --- */

enum after { AFTER_PARK, AFTER_END_THREAD, AFTER_END_STUB };

/* A released address space whose last function has returned, or that was given a reset job. Precondition: nobody else runs. */
static enum after as_recycle(struct platform_ctx *ctx)
{
	struct platform_as *as = ctx->as;
	int r = 0;

	mutex_lock(&as->lock);
	as->queue_len = 0;
	as->queue_reset = false;
	atomic_store(&as->pending, false);
	if (atomic_load(&as->dead))
		r = -EOWNERDEAD;
	else if (as->mapped)
		r = as_reset_locked(ctx);
	if (!r) {
		as->released = false;
		SLIST_INSERT_HEAD(&as->parked, ctx, parked_link);
		as->parked_count++;
	}
	mutex_unlock(&as->lock);
	if (!r && pool_put(as))
		return AFTER_PARK;
	/* The pool is full, or the stub is dead. Nobody but its parked contexts knows of it now. */
	mutex_lock(&as->lock);
	as->released = true;
	if (!r) {
		SLIST_REMOVE(&as->parked, ctx, platform_ctx, parked_link);
		as->parked_count--;
	}
	pair_end_all_locked(as);
	mutex_unlock(&as->lock);
	return AFTER_END_STUB;
}

/* The function has returned. */
static enum after ctx_finish(struct platform_ctx *ctx)
{
	struct platform_as *as = ctx->as;
	enum after what = AFTER_PARK;
	bool recycle;

	atomic_store(&ctx->running, false);
	atomic_fetch_and(&ctx->flags, ~(uint32_t)CTX_INTERRUPT);
	/* The lock orders this with a release by another thread: exactly one of the two finds the last context done. */
	mutex_lock(&as->lock);
	as->running--;
	recycle = as->released && !as->running;
	if (!recycle) {
		if (atomic_load(&as->dead)) {
			what = AFTER_END_STUB;
		} else if (as->parked_count >= PARKED_MAX && !ctx->first) {
			what = AFTER_END_THREAD;
		} else {
			SLIST_INSERT_HEAD(&as->parked, ctx, parked_link);
			as->parked_count++;
		}
	}
	mutex_unlock(&as->lock);
	return recycle ? as_recycle(ctx) : what;
}

void pair_give_job(struct platform_ctx *ctx, enum ctx_job job)
{
	atomic_store(&ctx->job, job);
	ptrace_futex_wake(&ctx->job, 1);
}

void pair_end_all_locked(struct platform_as *as)
{
	struct platform_ctx *ctx;

	mutex_assert_held(&as->lock);
	while ((ctx = SLIST_FIRST(&as->parked))) {
		SLIST_REMOVE_HEAD(&as->parked, parked_link);
		as->parked_count--;
		pair_give_job(ctx, JOB_END);
	}
}

static enum ctx_job ctx_wait_job(struct platform_ctx *ctx)
{
	uint32_t job;

	while (!(job = atomic_exchange(&ctx->job, JOB_NONE)))
		ptrace_futex_wait(&ctx->job, JOB_NONE);
	return (enum ctx_job)job;
}

static enum after ctx_do_job(struct platform_ctx *ctx, enum ctx_job job)
{
	switch (job) {
	case JOB_RUN:
		regs_fresh(ctx);
		ctx->xstate_stale = true;
		platform_debug_set(ctx, (const uint64_t[PLATFORM_DEBUG_PLACES]){ 0 }, 0);
		ctx->fn(ctx, ctx->arg);
		return ctx_finish(ctx);
	case JOB_RESET:
		return as_recycle(ctx);
	case JOB_NONE:
	case JOB_END:
		break;
	}
	return AFTER_END_STUB;
}

/* --- birth --- */

static int ctx_seize(struct platform_ctx *ctx)
{
	const long options = PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACESECCOMP;
	int status;

	/* EPERM of a thread of our own making means that it has ended already, as ESRCH does. */
	if (ptrace(PTRACE_SEIZE, ctx->tid, NULL, options))
		return errno == ESRCH || errno == EPERM ? -EOWNERDEAD : -errno;
	if (ptrace(PTRACE_INTERRUPT, ctx->tid, NULL, NULL) || ctx_wait_stop(ctx, &status))
		return -EOWNERDEAD;
	return 0;
}

/* A new stub's view of its piece of the batch file. */
static int ctx_map_batch(struct platform_ctx *ctx)
{
	const struct stub_call c = { .nr = SYS_mmap,
				     .args = { STUB_BATCH, BATCH_BYTES, PROT_READ, MAP_SHARED | MAP_FIXED, STUB_FD_BATCH,
					       ctx->as->index * BATCH_BYTES } };
	int64_t r;

	regs_fresh(ctx);
	if (inject_one(ctx, &c, &r))
		return -EOWNERDEAD;
	return r == (int64_t)STUB_BATCH ? 0 : (int)r;
}

/* Waits for the order to seize, and obeys. */
static int ctx_begin(struct platform_ctx *ctx)
{
	int32_t order;
	int r;

	while ((order = atomic_load(&ctx->started)) == START_WAITS)
		ptrace_futex_wait(&ctx->started, START_WAITS);
	if (order == START_ABANDONED)
		return -ECANCELED;
	r = ctx_seize(ctx);
	if (!r && ctx->first)
		r = ctx_map_batch(ctx);
	if (!r) {
		placement_add(ctx);
		mutex_lock(&ctx->as->lock);
		LIST_INSERT_HEAD(&ctx->as->contexts, ctx, as_link);
		ctx->as->threads++;
		mutex_unlock(&ctx->as->lock);
	}
	return r;
}

static void *pair_main(void *arg)
{
	struct platform_ctx *ctx = arg;
	enum after what = AFTER_PARK;
	int r;

	self_ctx = ctx;
	ctx->sentry_tid = (pid_t)syscall(SYS_gettid);
	r = ctx_begin(ctx);
	atomic_store(&ctx->started, r);
	ptrace_futex_wake(&ctx->started, 1);
	/* After a failure the starter frees ctx. A traced stub dies with this thread. */
	if (!r) {
		while (what == AFTER_PARK)
			what = ctx_do_job(ctx, ctx_wait_job(ctx));
		if (what == AFTER_END_THREAD)
			ctx_end_thread(ctx);
		else
			ctx_end_stub(ctx);
		ctx_leave(ctx);
	}
	atomic_fetch_sub(&pair_threads, 1);
	ptrace_futex_wake(&pair_threads, 1);
	return NULL;
}

static int pair_thread_create(struct platform_ctx *ctx)
{
	pthread_attr_t attr;
	sigset_t all, old;
	pthread_t thread;
	int r;

	/* Signals for the sentry go to the threads that care. Exceptions and the kick stay open. */
	sigfillset(&all);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGILL);
	sigdelset(&all, SIGFPE);
	sigdelset(&all, SIGTRAP);
	sigdelset(&all, SIGABRT);
	sigdelset(&all, KICK_SIGNAL);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, PAIR_STACK);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	atomic_fetch_add(&pair_threads, 1);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&thread, &attr, pair_main, ctx);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (r)
		atomic_fetch_sub(&pair_threads, 1);
	return -r;
}

int pair_prepare(struct platform_as *as, bool first, struct platform_ctx **out)
{
	struct platform_ctx *ctx = calloc(1, sizeof(*ctx));
	int r;

	if (!ctx)
		return -ENOMEM;
	ctx->as = as;
	ctx->first = first;
	atomic_init(&ctx->started, START_WAITS);
	atomic_init(&ctx->cpu, -1);
	r = pair_thread_create(ctx);
	if (r) {
		free(ctx);
		return r;
	}
	*out = ctx;
	return 0;
}

/* Gives the waiting sentry thread its order; returns how that ended. ctx is freed unless it succeeded. */
static int pair_order(struct platform_ctx *ctx, enum ctx_start order)
{
	int32_t r;

	atomic_store(&ctx->started, order);
	ptrace_futex_wake(&ctx->started, 1);
	while ((r = atomic_load(&ctx->started)) > 0)
		ptrace_futex_wait(&ctx->started, (uint32_t)r);
	if (r)
		free(ctx);
	return r;
}

int pair_start(struct platform_ctx *ctx, pid_t tid)
{
	struct platform_as *as = ctx->as;
	int r;

	ctx->tgid = as->tgid;
	ctx->tid = tid;
	r = pair_order(ctx, START_SEIZE);
	if (!r)
		atomic_fetch_add(&as->made, 1);
	return r;
}

void pair_abandon(struct platform_ctx *ctx)
{
	(void)!pair_order(ctx, START_ABANDONED);
}

/* --- starting --- */

/* One more thread in the stub of the caller's own context. The caller has counted it in as->running already. */
static int clone_thread(struct platform_as *as, struct platform_ctx **out)
{
	struct platform_ctx *self = platform_ctx_self();
	struct platform_ctx *ctx;
	int64_t tid;
	int r;

	if (!self || self->as != as)
		return -EAGAIN;
	r = pair_prepare(as, false, &ctx);
	if (r)
		return r;
	if (inject_clone(self, STUB_THREAD_FLAGS, &tid))
		tid = -EOWNERDEAD;
	if (tid < 0) {
		pair_abandon(ctx);
		return (int)tid;
	}
	r = pair_start(ctx, (pid_t)tid);
	if (!r)
		*out = ctx;
	return r;
}

int platform_start(struct platform_as *as, platform_fn fn, void *arg)
{
	struct platform_ctx *ctx = NULL;
	int r = 0;

	mutex_lock(&as->lock);
	if (atomic_load(&as->dead)) {
		r = -EOWNERDEAD;
	} else {
		as->running++;
		ctx = SLIST_FIRST(&as->parked);
		if (ctx) {
			SLIST_REMOVE_HEAD(&as->parked, parked_link);
			as->parked_count--;
		}
	}
	mutex_unlock(&as->lock);
	if (r)
		return r;
	if (!ctx)
		r = clone_thread(as, &ctx);
	if (r) {
		mutex_lock(&as->lock);
		as->running--;
		mutex_unlock(&as->lock);
		return r;
	}
	ctx->fn = fn;
	ctx->arg = arg;
	ctx->cpu_base = ctx_cpu_total(ctx);
	atomic_store(&ctx->blocked, false);
	placement_adopt(ctx);
	atomic_store(&ctx->running, true);
	pair_give_job(ctx, JOB_RUN);
	return 0;
}
