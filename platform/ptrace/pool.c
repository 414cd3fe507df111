/* SPDX-License-Identifier: Apache-2.0 */
/* Address spaces: made from the template, kept ready when their guests are gone.
 *
 * A ready address space is empty below platform_max_addr(), has no queued change, and all its contexts are parked, at
 * least its first. The pool holds a bounded number; the least recently used is not sought, the most recent is warm. An address space
 * that finds the pool full is ended by its own contexts.
 */
#include "platform/ptrace/ptrace_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { READY_DEFAULT = 6, READY_LIMIT = 64, INDEX_MAX = 16384 };

static struct {
	struct mutex lock;
	TAILQ_HEAD(, platform_as) ready; /* protected by lock */
	int count, max; /* protected by lock */
	bool closed; /* protected by lock */
	uint64_t used[INDEX_MAX / 64]; /* protected by lock: pieces of the batch file */
	unsigned next_word; /* protected by lock */
} pool = { .lock = MUTEX_INITIALIZER };

int pool_init(int ready_max)
{
	mutex_lock(&pool.lock);
	TAILQ_INIT(&pool.ready);
	pool.count = 0;
	pool.max = ready_max <= 0 ? READY_DEFAULT : MIN(ready_max, (int)READY_LIMIT);
	pool.closed = false;
	mutex_unlock(&pool.lock);
	return 0;
}

static int index_take(unsigned *index)
{
	int r = -EAGAIN;

	mutex_lock(&pool.lock);
	for (unsigned i = 0; i < ARRAY_SIZE(pool.used) && r; i++) {
		unsigned w = (pool.next_word + i) % ARRAY_SIZE(pool.used);

		if (~pool.used[w]) {
			unsigned bit = (unsigned)__builtin_ctzll(~pool.used[w]);

			pool.used[w] |= UINT64_C(1) << bit;
			pool.next_word = w;
			*index = w * 64 + bit;
			r = 0;
		}
	}
	mutex_unlock(&pool.lock);
	return r;
}

static void index_give(unsigned index)
{
	mutex_lock(&pool.lock);
	pool.used[index / 64] &= ~(UINT64_C(1) << index % 64);
	mutex_unlock(&pool.lock);
}

static struct platform_as *as_alloc(void)
{
	struct platform_as *as = calloc(1, sizeof(*as));

	if (!as)
		return NULL;
	if (index_take(&as->index)) {
		free(as);
		return NULL;
	}
	mutex_init(&as->lock);
	pthread_cond_init(&as->done, NULL);
	LIST_INIT(&as->contexts);
	SLIST_INIT(&as->parked);
	as->batch = keeper_batch(as->index);
	return as;
}

void as_free(struct platform_as *as)
{
	index_give(as->index);
	pthread_cond_destroy(&as->done);
	mutex_destroy(&as->lock);
	free(as->queue);
	free(as);
}

static int as_make(struct platform_as **out)
{
	struct platform_as *as = as_alloc();
	struct platform_ctx *ctx;
	int r;

	if (!as)
		return -ENOMEM;
	r = pair_prepare(as, true, &ctx);
	if (r)
		goto out;
	as->tgid = keeper_new_stub();
	if (as->tgid < 0) {
		r = (int)as->tgid;
		pair_abandon(ctx);
		goto out;
	}
	r = pair_start(ctx, as->tgid);
	if (r) {
		kill(as->tgid, SIGKILL);
		waitpid(as->tgid, NULL, __WALL);
		goto out;
	}
	atomic_fetch_add_explicit(&stubs_made, 1, memory_order_relaxed);
	mutex_lock(&as->lock);
	SLIST_INSERT_HEAD(&as->parked, ctx, parked_link);
	as->parked_count++;
	mutex_unlock(&as->lock);
	*out = as;
	return 0;
out:
	as_free(as);
	return r == -EOWNERDEAD ? -EAGAIN : r;
}

int platform_as_new(struct platform_as **out)
{
	struct platform_as *as;

	mutex_lock(&pool.lock);
	as = TAILQ_FIRST(&pool.ready);
	if (as) {
		TAILQ_REMOVE(&pool.ready, as, ready_link);
		pool.count--;
	}
	mutex_unlock(&pool.lock);
	if (!as)
		return as_make(out);
	atomic_fetch_add_explicit(&stubs_reused, 1, memory_order_relaxed);
	*out = as;
	return 0;
}

bool pool_put(struct platform_as *as)
{
	bool kept;

	mutex_lock(&pool.lock);
	kept = !pool.closed && pool.count < pool.max && !atomic_load(&as->dead);
	if (kept) {
		TAILQ_INSERT_HEAD(&pool.ready, as, ready_link);
		pool.count++;
	}
	mutex_unlock(&pool.lock);
	return kept;
}

int pool_ready(void)
{
	int n;

	mutex_lock(&pool.lock);
	n = pool.count;
	mutex_unlock(&pool.lock);
	return n;
}

void platform_as_release(struct platform_as *as)
{
	struct platform_ctx *ctx = NULL;
	bool empty;

	mutex_lock(&as->lock);
	as->released = true;
	empty = !as->threads;
	if (!as->running) {
		/* Nobody will come by: one of the parked contexts cleans up. */
		ctx = SLIST_FIRST(&as->parked);
		if (ctx) {
			SLIST_REMOVE_HEAD(&as->parked, parked_link);
			as->parked_count--;
		}
	}
	mutex_unlock(&as->lock);
	if (ctx)
		pair_give_job(ctx, JOB_RESET);
	else if (empty)
		as_free(as);
}

void pool_shutdown(void)
{
	struct platform_as *as;

	mutex_lock(&pool.lock);
	pool.closed = true;
	while ((as = TAILQ_FIRST(&pool.ready))) {
		TAILQ_REMOVE(&pool.ready, as, ready_link);
		pool.count--;
		mutex_unlock(&pool.lock);
		mutex_lock(&as->lock);
		as->released = true;
		pair_end_all_locked(as);
		mutex_unlock(&as->lock);
		mutex_lock(&pool.lock);
	}
	mutex_unlock(&pool.lock);
	for (int n; (n = atomic_load(&pair_threads)) > 0;)
		ptrace_futex_wait(&pair_threads, (uint32_t)n);
}
