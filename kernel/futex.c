/* SPDX-License-Identifier: Apache-2.0 */
/* Futexes: queues, wait and wake. futex_op.c has requeue and wake-op, futex_pi.c the locks that the kernel hands over, futex_robust.c what
 * happens when an owner ends. See futex(2).
 *
 * Theory of operation. A waiter is queued in a bucket chosen by its key. Waiting counts itself in the bucket, locks it, compares the
 * guest's word, queues itself, unlocks, sleeps on its task's sleeper. Waking finds the key's bucket empty by its count, or locks
 * it and takes matching waiters out. The count is raised before the word is read, and a waker has changed the word before
 * it reads the count, so one of them sees the other; both are sequentially consistent.
 *
 * Whoever takes a waiter out of its queue takes a reference on the task, sets `woken`, and wakes the task after the bucket is
 * unlocked. From `woken` on the waiter's memory, which is its task's stack, is gone. So a ping-pong costs one host call to wake and one to sleep, and
 * the woken thread never finds the bucket locked by its waker.
 *
 * Lock order: a bucket's lock lies above the mapping lock of mm/: the guest's word is read with it held. Nothing that
 * mm or the platform do waits for a bucket. Two buckets are locked in order of address. tasks_lock may be taken with a bucket
 * locked (who owns a PI lock?), never the reverse.
 */
#include "kernel/futex_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 256 };

static struct futex_bucket buckets[BUCKETS];
static pthread_once_t buckets_once = PTHREAD_ONCE_INIT;

static void init_buckets(void)
{
	for (int i = 0; i < BUCKETS; i++) {
		mutex_init(&buckets[i].lock);
		TAILQ_INIT(&buckets[i].waiters);
	}
}

void futex_init(void)
{
	pthread_once(&buckets_once, init_buckets);
}

struct futex_bucket *futex_bucket(const struct guest_key *key)
{
	uint64_t h = ((uint64_t)key->object >> 4) * 0x9e3779b97f4a7c15ull;

	futex_init();
	h = (h ^ (key->offset >> 2)) * 0xff51afd7ed558ccdull;
	return &buckets[h >> 56];
}

void futex_each_bucket(void (*fn)(struct futex_bucket *b, pid_t arg), pid_t arg)
{
	futex_init();
	for (int i = 0; i < BUCKETS; i++)
		fn(&buckets[i], arg);
}

struct futex_bucket *futex_lock_waiter(const struct guest_key *key) NO_THREAD_SAFETY_ANALYSIS
{
	struct futex_bucket *b = futex_bucket(key);

	atomic_fetch_add(&b->count, 1);
	mutex_lock(&b->lock);
	return b;
}

void futex_unlock_waiter(struct futex_bucket *b) NO_THREAD_SAFETY_ANALYSIS
{
	mutex_unlock(&b->lock);
	atomic_fetch_sub(&b->count, 1);
}

/* The count was raised by futex_lock_waiter(), or by whoever moves w here. */
void futex_queue_locked(struct futex_bucket *b, struct futex_waiter *w)
{
	mutex_assert_held(&b->lock);
	atomic_store(&w->bucket, b);
	TAILQ_INSERT_TAIL(&b->waiters, w, link);
}

void futex_unqueue_locked(struct futex_bucket *b, struct futex_waiter *w)
{
	mutex_assert_held(&b->lock);
	TAILQ_REMOVE(&b->waiters, w, link);
	atomic_fetch_sub(&b->count, 1);
}

bool futex_unqueue(struct futex_waiter *w) NO_THREAD_SAFETY_ANALYSIS
{
	for (;;) {
		struct futex_bucket *b = atomic_load(&w->bucket);
		bool woken, moved;

		mutex_lock(&b->lock);
		/* A requeue may have moved w while we waited for the lock; both fields change only with w's bucket locked. */
		moved = atomic_load(&w->bucket) != b;
		woken = atomic_load(&w->woken) != FUTEX_ASLEEP;
		if (!moved && !woken)
			futex_unqueue_locked(b, w);
		mutex_unlock(&b->lock);
		if (!moved || woken)
			return !woken;
	}
}

void futex_lock_two(struct futex_bucket *a, struct futex_bucket *b) NO_THREAD_SAFETY_ANALYSIS
{
	mutex_lock(a < b ? &a->lock : &b->lock);
	if (a != b)
		mutex_lock(a < b ? &b->lock : &a->lock);
}

void futex_unlock_two(struct futex_bucket *a, struct futex_bucket *b) NO_THREAD_SAFETY_ANALYSIS
{
	mutex_unlock(&a->lock);
	if (a != b)
		mutex_unlock(&b->lock);
}

static bool wakes_grow(struct futex_wakes *wakes)
{
	int room = wakes->room ? wakes->room * 2 : 8 * FUTEX_WAKES_INLINE;
	struct task **many = realloc(wakes->many, (size_t)room * sizeof(*many));

	if (!many)
		return false;
	if (!wakes->many)
		memcpy(many, wakes->few, sizeof(wakes->few));
	wakes->many = many;
	wakes->room = room;
	return true;
}

bool futex_mark(struct futex_bucket *b, struct futex_waiter *w, enum futex_woken how, struct futex_wakes *wakes)
{
	if (wakes->count >= MAX(wakes->room, (int)FUTEX_WAKES_INLINE) && !wakes_grow(wakes))
		return false;
	task_get(w->task);
	(wakes->many ? wakes->many : wakes->few)[wakes->count++] = w->task;
	futex_unqueue_locked(b, w);
	atomic_store(&w->woken, how);
	return true;
}

void futex_wake_all(struct futex_wakes *wakes)
{
	struct task **tasks = wakes->many ? wakes->many : wakes->few;

	for (int i = 0; i < wakes->count; i++) {
		sleeper_wake(&tasks[i]->sleeper);
		task_put(tasks[i]);
	}
	free(wakes->many);
	wakes->many = NULL;
	wakes->count = wakes->room = 0;
}

int futex_sleep(struct task *t, struct futex_waiter *w, int64_t deadline)
{
	for (;;) {
		int how = atomic_load(&w->woken), r;

		if (how != FUTEX_ASLEEP)
			return how;
		/* 0 may be a wake meant for an earlier wait of this task. */
		r = task_sleep(t, deadline);
		if (r == 0)
			continue;
		return futex_unqueue(w) ? r : atomic_load(&w->woken);
	}
}

/* Locks the word's bucket and checks the value: 0 with the bucket locked and counted, or an error without. */
static int lock_and_compare(struct task *t, const struct futex_wait_one *v, struct futex_waiter *w,
			    struct futex_bucket **out) NO_THREAD_SAFETY_ANALYSIS
{
	uint32_t value;
	int r = guest_futex_key(t->mm, v->addr, v->priv, &w->key);

	if (r < 0)
		return r;
	*out = futex_lock_waiter(&w->key);
	r = guest_load32(t->mm, v->addr, &value);
	if (!r && value != v->value)
		r = -EAGAIN;
	if (r < 0)
		futex_unlock_waiter(*out);
	return r;
}

static int wait_once(struct task *t, const struct futex_wait_one *v, int64_t deadline) NO_THREAD_SAFETY_ANALYSIS
{
	struct futex_waiter w = { .task = t, .bitset = v->bitset };
	struct futex_bucket *b;
	int r = lock_and_compare(t, v, &w, &b);

	if (r < 0)
		return r;
	futex_queue_locked(b, &w);
	mutex_unlock(&b->lock);
	r = futex_sleep(t, &w, deadline);
	return r < 0 ? r : 0;
}

static int64_t wait_restart(struct task *t)
{
	return futex_wait(t, t->restart.args[0], t->restart.args[1], (uint32_t)t->restart.args[2], t->restart.deadline,
			  (uint32_t)t->restart.args[3]);
}

int64_t futex_wait(struct task *t, uint64_t addr, bool process_private, uint32_t value, int64_t deadline, uint32_t bitset)
{
	struct futex_wait_one v = { .addr = addr, .value = value, .bitset = bitset, .priv = process_private };
	int r;

	if (!bitset)
		return -EINVAL;
	r = wait_once(t, &v, deadline);
	if (r != -EINTR)
		return r;
	if (deadline == NO_DEADLINE)
		return -ERESTARTSYS;
	/* The timeout goes on from where it was, which the call's own arguments could not say. */
	t->restart.fn = wait_restart;
	t->restart.deadline = deadline;
	t->restart.args[0] = addr;
	t->restart.args[1] = process_private;
	t->restart.args[2] = value;
	t->restart.args[3] = bitset;
	return -ERESTART_RESTARTBLOCK;
}

int64_t futex_wake(struct mm *mm, uint64_t addr, bool process_private, uint64_t count,
		   uint32_t bitset) NO_THREAD_SAFETY_ANALYSIS
{
	struct futex_wakes wakes = { .count = 0 };
	struct futex_waiter *w, *next;
	struct futex_bucket *b;
	struct guest_key key;
	int64_t woken = 0;
	bool full;
	int r;

	if (!bitset)
		return -EINVAL;
	r = guest_futex_key(mm, addr, process_private, &key);
	if (r < 0)
		return r;
	b = futex_bucket(&key);
	if (!atomic_load(&b->count))
		return 0;
	do {
		full = false;
		r = 0;
		mutex_lock(&b->lock);
		for (w = TAILQ_FIRST(&b->waiters); w && (uint64_t)woken < count; w = next) {
			next = TAILQ_NEXT(w, link);
			if (!futex_same(&w->key, &key) || !(w->bitset & bitset))
				continue;
			if (w->pi || w->requeue_pi) {
				r = -EINVAL;
				break;
			}
			full = !futex_mark(b, w, FUTEX_WOKEN, &wakes);
			if (full)
				break;
			woken++;
		}
		mutex_unlock(&b->lock);
		futex_wake_all(&wakes);
	} while (full);
	return r < 0 && !woken ? r : woken;
}

/* --- several words at once --- */

/* Takes all out; the index of the first that was woken before that, or -1. */
static int unqueue_many(struct futex_waiter *w, int count)
{
	int first = -1;

	for (int i = 0; i < count; i++)
		if (!futex_unqueue(&w[i]) && first < 0)
			first = i;
	return first;
}

static int sleep_many(struct task *t, struct futex_waiter *w, int count, int64_t deadline)
{
	for (;;) {
		int r;

		for (int i = 0; i < count; i++)
			if (atomic_load(&w[i].woken) != FUTEX_ASLEEP) {
				(void)!unqueue_many(w, count);
				return i;
			}
		r = task_sleep(t, deadline);
		if (r < 0) {
			int i = unqueue_many(w, count);

			return i >= 0 ? i : r;
		}
	}
}

int64_t futex_wait_many(struct task *t, const struct futex_wait_one *v, int count,
			int64_t deadline) NO_THREAD_SAFETY_ANALYSIS
{
	struct futex_waiter *w = calloc((size_t)count, sizeof(*w));
	struct futex_bucket *b;
	int queued, r = 0;

	if (!w)
		return -ENOMEM;
	for (queued = 0; queued < count; queued++) {
		w[queued].task = t;
		w[queued].bitset = v[queued].bitset;
		r = lock_and_compare(t, &v[queued], &w[queued], &b);
		if (r < 0)
			break;
		futex_queue_locked(b, &w[queued]);
		mutex_unlock(&b->lock);
	}
	if (r < 0) {
		/* A wake that came meanwhile for a word queued earlier must not be lost. */
		int woken = unqueue_many(w, queued);

		r = woken >= 0 ? woken : r;
	} else {
		r = sleep_many(t, w, count, deadline);
	}
	free(w);
	return r == -EINTR ? -ERESTARTSYS : r;
}
