/* SPDX-License-Identifier: Apache-2.0 */
/* What the futex files share. See futex.c for the theory of operation. */
#ifndef KERNEL_FUTEX_INTERNAL_H
#define KERNEL_FUTEX_INTERNAL_H

#include "kernel/futex.h"
#include "mm/guest.h"

#include <linux/futex.h>

struct futex_bucket {
	struct mutex lock;
	TAILQ_HEAD(futex_waiter_list, futex_waiter) waiters; /* (lock) first come, first served */
	_Atomic int count; /* of waiters and of those about to queue: lets a wake skip the lock */
} __attribute__((aligned(64)));

enum futex_woken {
	FUTEX_ASLEEP,
	FUTEX_WOKEN,
	FUTEX_OWNER, /* PI: the lock was handed over */
	FUTEX_RETRY, /* PI: the owner has died; look again */
};

/* A queued waiter, on its task's stack. Whoever takes it out of the queue sets `woken` last and may not touch it then. */
struct futex_waiter {
	TAILQ_ENTRY(futex_waiter) link;
	struct task *task;
	struct guest_key key; /* (bucket) changed by a requeue */
	struct futex_bucket *_Atomic bucket; /* (bucket) where it is, or was last, queued */
	uint32_t bitset;
	bool pi; /* (bucket) waits for a PI lock */
	pid_t owner; /* (bucket) PI: whom it waits for */
	bool requeue_pi; /* WAIT_REQUEUE_PI: waits to be moved to the PI futex pi_key */
	struct guest_key pi_key;
	_Atomic int woken;
};

struct futex_bucket *futex_bucket(const struct guest_key *key);
static inline bool futex_same(const struct guest_key *a, const struct guest_key *b)
{
	return a->object == b->object && a->offset == b->offset;
}
/* Counts the caller as about to wait, then locks. futex_unlock_waiter() undoes both where it does not queue. */
struct futex_bucket *futex_lock_waiter(const struct guest_key *key);
void futex_unlock_waiter(struct futex_bucket *b);
void futex_queue_locked(struct futex_bucket *b, struct futex_waiter *w);
/* Takes w out of b's queue. The caller sets w->woken. */
void futex_unqueue_locked(struct futex_bucket *b, struct futex_waiter *w);
/* True if w was still queued, and is not any more. */
bool futex_unqueue(struct futex_waiter *w);
/* Locks two buckets, which may be one, in order of address. */
void futex_lock_two(struct futex_bucket *a, struct futex_bucket *b);
void futex_unlock_two(struct futex_bucket *a, struct futex_bucket *b);

/* Tasks to wake once no bucket is locked. Zeroed to start with. */
enum { FUTEX_WAKES_INLINE = 8 };
struct futex_wakes {
	struct task *few[FUTEX_WAKES_INLINE], **many; /* many: on the heap once there are more than a few */
	int count, room;
};
/* Takes w out and marks it; false when there is no memory to remember it, and nothing was done. */
bool futex_mark(struct futex_bucket *b, struct futex_waiter *w, enum futex_woken how, struct futex_wakes *wakes);
void futex_wake_all(struct futex_wakes *wakes);

/* Sleeps until w is woken, interrupted or the deadline has passed: FUTEX_WOKEN.., -EINTR, -ETIMEDOUT. On an error w is
 * not queued any more. */
int futex_sleep(struct task *t, struct futex_waiter *w, int64_t deadline);

void futex_each_bucket(void (*fn)(struct futex_bucket *b, pid_t arg), pid_t arg);

int64_t futex_lock_pi(struct task *t, uint64_t addr, bool priv, int64_t deadline, bool try);
int64_t futex_unlock_pi(struct task *t, uint64_t addr, bool priv);
int64_t futex_wait_requeue_pi(struct task *t, uint64_t addr, uint64_t addr2, bool priv, uint32_t value, int64_t deadline,
			      uint32_t bitset);
/* requeue and cmp_requeue (want != NULL), the PI variant too. */
struct futex_requeue_args {
	uint64_t addr, addr2;
	bool priv, priv2, pi;
	int wake, requeue;
	const uint32_t *want;
};
int64_t futex_requeue(struct task *t, const struct futex_requeue_args *r);
int64_t futex_wake_op(struct task *t, uint64_t addr, uint64_t addr2, bool priv, int wake, int wake2, uint32_t op);
/* PI waiters of a task that ends look again. */
void futex_owner_died(struct task *t);

/* futex_waitv(2) and futex_wait(2): the first of `count` words whose value is not the expected one, or whose wake comes. */
struct futex_wait_one {
	uint64_t addr;
	uint32_t value, bitset;
	bool priv;
};
int64_t futex_wait_many(struct task *t, const struct futex_wait_one *v, int count, int64_t deadline);

#endif
