/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of an address space, by whichever thread asks.
 *
 * Only a stopped stub thread can make them, and only its owner can make it. Three cases:
 *
 *   own      the caller's context belongs to the address space: it injects, after what is queued already.
 *   idle     nobody is in the guest: the change is queued. Whoever enters the guest next makes the queued changes first,
 *            in one batch. fork and exec build a whole address space this way for one stop.
 *   remote   somebody is in the guest: the change is queued, that thread is kicked, and the caller waits until it is made.
 *
 * No change is lost: a submitter sets `pending` and then looks for CTX_IN_GUEST; a runner sets CTX_IN_GUEST and then looks
 * at `pending`, and again after it has lowered the flag. Both sides use sequentially consistent operations, so one of them
 * sees the other. The runner drains in platform_run(), where it holds no lock of a layer above; so a submitter may hold mm's.
 *
 * A queued change cannot report failure. A failed map is replaced by unmapping its range, a failed unmap or protect (the host's
 * vm.max_map_count forbids the split) by unmapping everything, which needs no split. Guests fault what they still have
 * in again, and then the failure meets somebody who can report it. The queue is bounded by the same trick.
 */
#include "platform/ptrace/ptrace_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { QUEUE_MAX = 8192, ENCODED_ON_STACK = 16 };

/* Unmaps [start, end) of the guest's part. */
static int unmap_range(struct platform_ctx *ctx, uint64_t start, uint64_t end)
{
	const struct stub_call c = { .nr = SYS_munmap, .args = { start, end - start } };
	int64_t r;

	if (start >= end)
		return 0;
	if (inject_one(ctx, &c, &r))
		return -EOWNERDEAD;
	return (int)r;
}

int as_reset_locked(struct platform_ctx *ctx)
{
	int r;

	mutex_assert_held(&ctx->as->lock);
	/* The vDSO lies above max_addr, but where it could not be moved there is guest memory on neither side of it. */
	r = unmap_range(ctx, 0, layout.max_addr);
	if (r && r != -EOWNERDEAD) {
		/* It cannot fail for want of memory: whole mappings go, none is split. A stub in doubt is not used again. */
		kill(ctx->tgid, SIGKILL);
		r = ctx_died(ctx);
	}
	if (!r)
		ctx->as->mapped = false;
	return r;
}

/* A queued call failed: leave nothing mapped that should not be. */
static int drain_fallback(struct platform_ctx *ctx, const struct stub_call *c)
{
	int r = -ENOMEM;

	if (c->nr == SYS_mmap)
		r = unmap_range(ctx, c->args[0], c->args[0] + c->args[1]);
	if (r && r != -EOWNERDEAD)
		r = as_reset_locked(ctx);
	return r;
}

static int drain_queue(struct platform_ctx *ctx)
{
	struct platform_as *as = ctx->as;
	size_t i = 0, n, done;
	int error;

	if (as->queue_reset && as_reset_locked(ctx))
		return -EOWNERDEAD;
	while (i < as->queue_len) {
		n = MIN(as->queue_len - i, (size_t)BATCH_MAX);
		memcpy(as->batch, as->queue + i, n * sizeof(*as->queue));
		if (inject_batch_locked(ctx, n, &done, &error))
			return -EOWNERDEAD;
		i += done;
		if (error) {
			if (drain_fallback(ctx, &as->queue[i]))
				return -EOWNERDEAD;
			i++;
		}
	}
	if (as->queue_len)
		as->mapped = true;
	return 0;
}

static void queue_clear_locked(struct platform_as *as)
{
	as->queue_len = 0;
	as->queue_reset = false;
	as->done_seq = as->queue_seq;
	atomic_store(&as->pending, false);
	if (as->queue_cap > 2 * BATCH_MAX) {
		free(as->queue);
		as->queue = NULL;
		as->queue_cap = 0;
	}
	pthread_cond_broadcast(&as->done);
}

void as_drain_locked(struct platform_ctx *ctx)
{
	struct platform_as *as = ctx->as;

	mutex_assert_held(&as->lock);
	if (!atomic_load(&as->pending))
		return;
	/* If the stub died, waiters are released all the same: they look at as->dead. */
	(void)!drain_queue(ctx);
	queue_clear_locked(as);
}

void as_drain(struct platform_ctx *ctx)
{
	mutex_lock(&ctx->as->lock);
	as_drain_locked(ctx);
	mutex_unlock(&ctx->as->lock);
}

/* --- encoding --- */

static int op_check(const struct platform_op *op)
{
	if ((op->addr | op->len) & (PAGE_SIZE - 1) || !op->len)
		return -EINVAL;
	if (op->addr < layout.min_addr || op->addr >= layout.max_addr || op->len > layout.max_addr - op->addr)
		return -ENOMEM;
	if (op->kind != PLATFORM_UNMAP && op->prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC))
		return -EINVAL;
	return 0;
}

static int op_encode(const struct platform_op *op, struct stub_call *c)
{
	int slot = 0, r = op_check(op);

	if (r)
		return r;
	switch (op->kind) {
	case PLATFORM_MAP:
		slot = file_slot(op->file);
		if (slot < 0)
			return slot;
		*c = (struct stub_call){
			.nr = SYS_mmap,
			.args = { op->addr, op->len, (uint64_t)op->prot,
				  MAP_SHARED | MAP_FIXED | (op->populate ? MAP_POPULATE : 0), (uint64_t)slot, op->off }
		};
		return 0;
	case PLATFORM_UNMAP:
		*c = (struct stub_call){ .nr = SYS_munmap, .args = { op->addr, op->len } };
		return 0;
	case PLATFORM_PROTECT:
		*c = (struct stub_call){ .nr = SYS_mprotect, .args = { op->addr, op->len, (uint64_t)op->prot } };
		return 0;
	}
	return -EINVAL;
}

/* --- submitting --- */

/* The caller's own stub makes the calls. Returns how many succeeded; *error as the first that failed had it. */
static size_t submit_own_locked(struct platform_ctx *ctx, const struct stub_call *calls, size_t count, int *error)
{
	struct platform_as *as = ctx->as;
	size_t i = 0, n, done;
	int64_t r;

	as_drain_locked(ctx);
	as->mapped = true;
	*error = 0;
	if (count == 1) {
		if (inject_one(ctx, calls, &r))
			r = -EOWNERDEAD;
		if (r >= 0 || r < -4095)
			return 1;
		*error = (int)r;
		return 0;
	}
	while (i < count && !*error) {
		n = MIN(count - i, (size_t)BATCH_MAX);
		memcpy(as->batch, calls + i, n * sizeof(*calls));
		done = 0;
		if (inject_batch_locked(ctx, n, &done, error))
			*error = -EOWNERDEAD;
		i += done;
	}
	return i;
}

/* Forgets what is queued: everything goes, and is faulted in again. */
static void queue_reset_locked(struct platform_as *as)
{
	as->queue_len = 0;
	as->queue_reset = true;
}

static void queue_append_locked(struct platform_as *as, const struct stub_call *calls, size_t count)
{
	if (as->queue_len + count > as->queue_cap) {
		size_t cap = MAX(as->queue_len + count, 2 * as->queue_cap);
		struct stub_call *q = cap > QUEUE_MAX ? NULL : realloc(as->queue, cap * sizeof(*q));

		if (!q) {
			queue_reset_locked(as);
			return;
		}
		as->queue = q;
		as->queue_cap = cap;
	}
	memcpy(as->queue + as->queue_len, calls, count * sizeof(*calls));
	as->queue_len += count;
}

/* A context of as that is in the guest, or about to be. */
static struct platform_ctx *as_runner_locked(struct platform_as *as)
{
	struct platform_ctx *ctx;

	LIST_FOREACH(ctx, &as->contexts, as_link)
		if (atomic_load(&ctx->flags) & CTX_IN_GUEST)
			return ctx;
	return NULL;
}

static void as_wait_locked(struct platform_as *as) NO_THREAD_SAFETY_ANALYSIS
{
#ifndef NDEBUG
	as->lock.held = false;
#endif
	pthread_cond_wait(&as->done, &as->lock.m);
#ifndef NDEBUG
	as->lock.owner = pthread_self();
	as->lock.held = true;
#endif
}

/* Has whoever is in the guest make what was queued, and waits for that. */
static int queue_submit_locked(struct platform_as *as)
{
	struct platform_ctx *runner;
	uint64_t seq = ++as->queue_seq;

	atomic_store(&as->pending, true);
	runner = as_runner_locked(as);
	if (!runner)
		return 0;
	atomic_fetch_add_explicit(&remote_changes, 1, memory_order_relaxed);
	syscall(SYS_tgkill, runner->tgid, runner->tid, KICK_SIGNAL);
	while (as->done_seq < seq && !atomic_load(&as->dead))
		as_wait_locked(as);
	return atomic_load(&as->dead) ? -EOWNERDEAD : 0;
}

static int submit(struct platform_as *as, const struct stub_call *calls, size_t count, size_t *failed)
{
	struct platform_ctx *self = platform_ctx_self();
	int error = 0;

	mutex_lock(&as->lock);
	if (atomic_load(&as->dead)) {
		error = -EOWNERDEAD;
	} else if (self && self->as == as) {
		size_t done = submit_own_locked(self, calls, count, &error);

		if (error && failed)
			*failed = done;
	} else {
		queue_append_locked(as, calls, count);
		error = queue_submit_locked(as);
	}
	mutex_unlock(&as->lock);
	return error;
}

int platform_as_batch(struct platform_as *as, const struct platform_op *ops, size_t count, size_t *failed)
{
	struct stub_call local[ENCODED_ON_STACK], *calls = local;
	size_t n;
	int r = 0, bad = 0;

	if (failed)
		*failed = 0;
	if (!count)
		return 0;
	if (count > ARRAY_SIZE(local)) {
		calls = malloc(count * sizeof(*calls));
		if (!calls)
			return -ENOMEM;
	}
	/* What precedes a bad operation is done before it is reported. */
	for (n = 0; n < count && !bad; n++)
		bad = op_encode(&ops[n], &calls[n]);
	if (bad)
		n--;
	if (n)
		r = submit(as, calls, n, failed);
	if (!r && bad) {
		r = bad;
		if (failed)
			*failed = n;
	}
	if (calls != local)
		free(calls);
	return r;
}

int platform_as_map(struct platform_as *as, uint64_t addr, uint64_t len, struct platform_file *f, uint64_t off, int prot,
		    bool populate)
{
	const struct platform_op op = { .kind = PLATFORM_MAP, .addr = addr, .len = len, .file = f, .off = off,
					.prot = prot, .populate = populate };

	return platform_as_batch(as, &op, 1, NULL);
}

int platform_as_unmap(struct platform_as *as, uint64_t addr, uint64_t len)
{
	const struct platform_op op = { .kind = PLATFORM_UNMAP, .addr = addr, .len = len };

	return platform_as_batch(as, &op, 1, NULL);
}

int platform_as_protect(struct platform_as *as, uint64_t addr, uint64_t len, int prot)
{
	const struct platform_op op = { .kind = PLATFORM_PROTECT, .addr = addr, .len = len, .prot = prot };

	return platform_as_batch(as, &op, 1, NULL);
}

int platform_as_clear(struct platform_as *as)
{
	struct platform_ctx *self = platform_ctx_self();
	int error;

	mutex_lock(&as->lock);
	queue_reset_locked(as);
	if (atomic_load(&as->dead)) {
		error = -EOWNERDEAD;
	} else if (self && self->as == as) {
		error = as_reset_locked(self);
		queue_clear_locked(as);
	} else {
		error = queue_submit_locked(as);
	}
	mutex_unlock(&as->lock);
	return error;
}
