/* SPDX-License-Identifier: Apache-2.0 */
/* PI futexes: locks whose word holds the owner's thread id and which the kernel hands over. See futex(2).
 *
 * Theory of operation. The word is 0, or the owner's tid with FUTEX_WAITERS when somebody is queued and FUTEX_OWNER_DIED when an
 * earlier owner ended without unlocking. All changes made here happen with the word's bucket locked, by compare and exchange, since
 * the guest changes free words and words without waiters on its own. Unlocking writes the first waiter's tid into the word and
 * wakes it as the owner (FUTEX_OWNER): nobody can slip in between.
 *
 * A task that ends marks itself released and then makes those who wait for it look again (FUTEX_RETRY). A waiter checks the mark with
 * the bucket locked before it queues, so either it sees the mark or the ending task sees it.
 *
 * Priorities are not inherited: the host schedules stub threads alike. Waiters are served first come, first served.
 */
#include "kernel/futex_internal.h"

#include <errno.h>

/* PI waiters in all buckets: a task that ends need not look when there are none. */
static _Atomic int pi_waiters;

static struct futex_waiter *first_waiter(struct futex_bucket *b, const struct guest_key *key, struct futex_waiter *after)
{
	struct futex_waiter *w = after ? TAILQ_NEXT(after, link) : TAILQ_FIRST(&b->waiters);

	for (; w; w = TAILQ_NEXT(w, link))
		if (futex_same(&w->key, key))
			return w;
	return NULL;
}

/* Does tid name a task that can still unlock? A task with any number of PI futexes keeps them until it ends. */
static bool owner_lives(pid_t tid)
{
	struct task *owner = task_lookup(tid);
	bool r = owner && !atomic_load(&owner->futexes_released);

	if (owner)
		task_put(owner);
	return r;
}

enum claim { CLAIM_OWNED = 0, CLAIM_WAIT = 1 };

/* Takes the word if it is free, or puts the waiters' bit on. `died` is an owner whose death woke us, else 0: its lock is ours to take. */
static int claim(struct task *t, struct futex_bucket *b, struct futex_waiter *w, uint64_t addr, pid_t died)
{
	uint32_t value, new, seen;
	int r = guest_load32(t->mm, addr, &value);

	while (!r) {
		pid_t owner = (pid_t)(value & FUTEX_TID_MASK);
		struct futex_waiter *other = first_waiter(b, &w->key, NULL);

		if (owner == t->tid)
			return -EDEADLK;
		if (other && !other->pi)
			return -EINVAL;
		new = (uint32_t)t->tid | (other ? FUTEX_WAITERS : 0) | (value & FUTEX_OWNER_DIED);
		if (owner && !owner_lives(owner)) {
			if (owner != died)
				return -ESRCH;
			new |= FUTEX_OWNER_DIED;
		} else if (owner) {
			new = value | FUTEX_WAITERS;
		}
		r = new == value ? 0 : guest_cmpxchg32(t->mm, addr, value, new, &seen);
		if (!r && (new == value || seen == value)) {
			w->owner = owner;
			return (pid_t)(new & FUTEX_TID_MASK) == t->tid ? CLAIM_OWNED : CLAIM_WAIT;
		}
		value = seen;
	}
	return r;
}

int64_t futex_lock_pi(struct task *t, uint64_t addr, bool priv, int64_t deadline, bool try) NO_THREAD_SAFETY_ANALYSIS
{
	pid_t died = 0;

	for (;;) {
		struct futex_waiter w = { .task = t, .bitset = FUTEX_BITSET_MATCH_ANY, .pi = true };
		struct futex_bucket *b;
		int r = guest_futex_key(t->mm, addr, priv, &w.key);

		if (r < 0)
			return r;
		/* Before the look at the owner: see the head comment. */
		atomic_fetch_add(&pi_waiters, 1);
		b = futex_lock_waiter(&w.key);
		r = claim(t, b, &w, addr, died);
		if (r == CLAIM_WAIT && try)
			r = -EAGAIN;
		if (r != CLAIM_WAIT) {
			futex_unlock_waiter(b);
			atomic_fetch_sub(&pi_waiters, 1);
			return r;
		}
		futex_queue_locked(b, &w);
		mutex_unlock(&b->lock);
		r = futex_sleep(t, &w, deadline);
		atomic_fetch_sub(&pi_waiters, 1);
		if (r != FUTEX_RETRY)
			return r == FUTEX_OWNER ? 0 : r == -EINTR ? -ERESTARTNOINTR : r;
		died = w.owner;
	}
}

/* With the bucket locked: writes the next owner, or 0, over the caller's tid. */
static int hand_over(struct task *t, struct futex_bucket *b, const struct guest_key *key, uint64_t addr,
		     struct futex_wakes *wakes)
{
	struct futex_waiter *w = first_waiter(b, key, NULL), *next = w ? first_waiter(b, key, w) : NULL;
	uint32_t new = w ? (uint32_t)w->task->tid | (next ? FUTEX_WAITERS : 0) : 0, value, seen;
	pid_t tid = w ? w->task->tid : 0;
	int r;

	if (w && !w->pi)
		return -EINVAL;
	r = guest_load32(t->mm, addr, &value);
	for (;;) {
		if (r < 0)
			return r;
		if ((pid_t)(value & FUTEX_TID_MASK) != t->tid)
			return -EPERM;
		r = guest_cmpxchg32(t->mm, addr, value, new, &seen);
		if (!r && seen == value)
			break;
		value = seen;
	}
	for (; next; next = first_waiter(b, key, next))
		next->owner = tid;
	if (w && !futex_mark(b, w, FUTEX_OWNER, wakes))
		return -ENOMEM;
	return 0;
}

int64_t futex_unlock_pi(struct task *t, uint64_t addr, bool priv) NO_THREAD_SAFETY_ANALYSIS
{
	struct futex_wakes wakes = { .count = 0 };
	struct futex_bucket *b;
	struct guest_key key;
	uint32_t value;
	int r = guest_load32(t->mm, addr, &value);

	if (r < 0)
		return r;
	if ((pid_t)(value & FUTEX_TID_MASK) != t->tid)
		return -EPERM;
	r = guest_futex_key(t->mm, addr, priv, &key);
	if (r < 0)
		return r;
	b = futex_bucket(&key);
	mutex_lock(&b->lock);
	r = hand_over(t, b, &key, addr, &wakes);
	mutex_unlock(&b->lock);
	futex_wake_all(&wakes);
	return r;
}

int64_t futex_wait_requeue_pi(struct task *t, uint64_t addr, uint64_t addr2, bool priv, uint32_t value, int64_t deadline,
			      uint32_t bitset) NO_THREAD_SAFETY_ANALYSIS
{
	struct futex_waiter w = { .task = t, .bitset = bitset, .requeue_pi = true };
	struct futex_bucket *b;
	uint32_t now;
	int r;

	if (!bitset || addr == addr2)
		return -EINVAL;
	r = guest_futex_key(t->mm, addr, priv, &w.key);
	if (!r)
		r = guest_futex_key(t->mm, addr2, priv, &w.pi_key);
	if (r < 0)
		return r;
	if (futex_same(&w.key, &w.pi_key))
		return -EINVAL;
	atomic_fetch_add(&pi_waiters, 1);
	b = futex_lock_waiter(&w.key);
	r = guest_load32(t->mm, addr, &now);
	if (!r && now != value)
		r = -EAGAIN;
	if (r < 0) {
		futex_unlock_waiter(b);
	} else {
		futex_queue_locked(b, &w);
		mutex_unlock(&b->lock);
		r = futex_sleep(t, &w, deadline);
	}
	atomic_fetch_sub(&pi_waiters, 1);
	switch (r) {
	case FUTEX_OWNER:
		return 0;
	case FUTEX_RETRY:
		return futex_lock_pi(t, addr2, priv, deadline, false);
	case -EINTR:
		/* Once it waits for the lock, the caller must look at the word again: the condition was signalled. */
		return w.pi ? -EAGAIN : -ERESTARTNOINTR;
	default:
		return r;
	}
}

static void retry_bucket(struct futex_bucket *b, pid_t owner)
{
	struct futex_wakes wakes = { .count = 0 };
	struct futex_waiter *w, *next;

	if (!atomic_load(&b->count))
		return;
	mutex_lock(&b->lock);
	for (w = TAILQ_FIRST(&b->waiters); w; w = next) {
		next = TAILQ_NEXT(w, link);
		if (w->pi && w->owner == owner && !futex_mark(b, w, FUTEX_RETRY, &wakes))
			break;
	}
	mutex_unlock(&b->lock);
	futex_wake_all(&wakes);
}

void futex_owner_died(struct task *t)
{
	if (atomic_load(&pi_waiters))
		futex_each_bucket(retry_bucket, t->tid);
}
