/* SPDX-License-Identifier: Apache-2.0 */
/* Futex operations on two words: requeue and wake-op. See futex(2). */
#include "kernel/futex_internal.h"

#include <errno.h>

/* --- requeue --- */

/* PI: the first waiter gets the lock at addr2 if that is free, as if it had asked for it itself; others are queued for it with the
 * waiters' bit on, so that the owner unlocks through the kernel. 1: w owns the lock now; 0: it has to wait. */
static int claim_for(struct task *t, uint64_t addr2, struct futex_waiter *w, bool last)
{
	uint32_t value, seen;
	int r = guest_load32(t->mm, addr2, &value);

	while (!r) {
		bool is_free = !(value & FUTEX_TID_MASK);
		uint32_t new = is_free ? (uint32_t)w->task->tid | (value & FUTEX_OWNER_DIED) | (last ? 0 : FUTEX_WAITERS) :
					 value | FUTEX_WAITERS;

		w->owner = (pid_t)(value & FUTEX_TID_MASK);
		if (w->owner == w->task->tid)
			return -EDEADLK;
		r = guest_cmpxchg32(t->mm, addr2, value, new, &seen);
		if (!r && seen == value)
			return is_free;
		value = seen;
	}
	return r;
}

static void move(struct futex_bucket *from, struct futex_bucket *to, struct futex_waiter *w, const struct guest_key *key,
		 bool pi)
{
	TAILQ_REMOVE(&from->waiters, w, link);
	w->key = *key;
	w->pi = pi;
	w->requeue_pi = false;
	atomic_fetch_add(&to->count, 1);
	atomic_fetch_sub(&from->count, 1);
	futex_queue_locked(to, w);
}

struct requeue_state {
	struct futex_bucket *from, *to;
	struct guest_key key, key2;
	struct futex_wakes wakes;
	int woken, moved;
};

/* One waiter that matches: wakes it, moves it, or says that enough is done (1). */
static int requeue_one(struct task *t, const struct futex_requeue_args *a, struct requeue_state *s, struct futex_waiter *w)
{
	/* A waiter that did not ask for it cannot be moved to a PI futex, nor one that did to another. */
	if (w->pi || w->requeue_pi != a->pi || (a->pi && !futex_same(&w->pi_key, &s->key2)))
		return -EINVAL;
	if (a->pi) {
		struct futex_waiter *next = TAILQ_NEXT(w, link);
		int r = claim_for(t, a->addr2, w, !next);

		if (r < 0)
			return r;
		if (r) {
			if (!futex_mark(s->from, w, FUTEX_OWNER, &s->wakes))
				return 1;
			s->woken++;
			return 0;
		}
	} else if (s->woken < a->wake) {
		if (!futex_mark(s->from, w, FUTEX_WOKEN, &s->wakes))
			return 1;
		s->woken++;
		return 0;
	}
	if (s->moved >= a->requeue)
		return 1;
	move(s->from, s->to, w, &s->key2, a->pi);
	s->moved++;
	return 0;
}

int64_t futex_requeue(struct task *t, const struct futex_requeue_args *a)
{
	struct requeue_state s = { .woken = 0 };
	struct futex_waiter *w, *next;
	uint32_t value;
	int r;

	if (a->wake < 0 || a->requeue < 0)
		return -EINVAL;
	r = guest_futex_key(t->mm, a->addr, a->priv, &s.key);
	if (!r)
		r = guest_futex_key(t->mm, a->addr2, a->priv2, &s.key2);
	if (r < 0)
		return r;
	if (a->pi && (a->wake != 1 || futex_same(&s.key, &s.key2)))
		return -EINVAL;
	s.from = futex_bucket(&s.key);
	s.to = futex_bucket(&s.key2);
	futex_lock_two(s.from, s.to);
	if (a->want) {
		r = guest_load32(t->mm, a->addr, &value);
		if (!r && value != *a->want)
			r = -EAGAIN;
	}
	/* Moving within one bucket puts a waiter behind `last`, where the walk ends. */
	struct futex_waiter *last = TAILQ_LAST(&s.from->waiters, futex_waiter_list);

	for (w = TAILQ_FIRST(&s.from->waiters); !r && w; w = next) {
		next = w == last ? NULL : TAILQ_NEXT(w, link);
		if (futex_same(&w->key, &s.key))
			r = requeue_one(t, a, &s, w);
	}
	futex_unlock_two(s.from, s.to);
	futex_wake_all(&s.wakes);
	if (r < 0 && !s.woken && !s.moved)
		return r;
	/* FUTEX_REQUEUE and CMP_REQUEUE count both. */
	return s.woken + s.moved;
}

/* --- wake-op --- */

static int sign_extend12(uint32_t x)
{
	return (int)(x << 20) >> 20;
}

/* *addr2 = old OP oparg, atomically; -ENOSYS for an operation that is none. */
static int apply(struct task *t, uint64_t addr, uint32_t op, uint32_t *old)
{
	int arg = sign_extend12(op >> 12);
	uint32_t value, new, seen;
	int r = guest_load32(t->mm, addr, &value);

	if (op & ((uint32_t)FUTEX_OP_OPARG_SHIFT << 28))
		arg = (int)(1u << (arg & 31));
	while (!r) {
		switch ((op >> 28) & 7) {
		case FUTEX_OP_SET:
			new = (uint32_t)arg;
			break;
		case FUTEX_OP_ADD:
			new = value + (uint32_t)arg;
			break;
		case FUTEX_OP_OR:
			new = value | (uint32_t)arg;
			break;
		case FUTEX_OP_ANDN:
			new = value & ~(uint32_t)arg;
			break;
		case FUTEX_OP_XOR:
			new = value ^ (uint32_t)arg;
			break;
		default:
			return -ENOSYS;
		}
		r = guest_cmpxchg32(t->mm, addr, value, new, &seen);
		if (!r && seen == value)
			break;
		value = seen;
	}
	*old = value;
	return r;
}

static int compare(uint32_t op, uint32_t old)
{
	int arg = sign_extend12(op), value = (int)old;

	switch ((op >> 24) & 15) {
	case FUTEX_OP_CMP_EQ:
		return value == arg;
	case FUTEX_OP_CMP_NE:
		return value != arg;
	case FUTEX_OP_CMP_LT:
		return value < arg;
	case FUTEX_OP_CMP_GE:
		return value >= arg;
	case FUTEX_OP_CMP_LE:
		return value <= arg;
	case FUTEX_OP_CMP_GT:
		return value > arg;
	default:
		return -ENOSYS;
	}
}

/* Wakes up to `count` (at least one, as Linux does) waiters of key in the locked bucket b. */
static int wake_locked(struct futex_bucket *b, const struct guest_key *key, int count, struct futex_wakes *wakes)
{
	struct futex_waiter *w, *next;
	int woken = 0;

	for (w = TAILQ_FIRST(&b->waiters); w; w = next) {
		next = TAILQ_NEXT(w, link);
		if (!futex_same(&w->key, key))
			continue;
		if (w->pi || w->requeue_pi)
			return -EINVAL;
		if (!futex_mark(b, w, FUTEX_WOKEN, wakes))
			break;
		if (++woken >= count)
			break;
	}
	return woken;
}

int64_t futex_wake_op(struct task *t, uint64_t addr, uint64_t addr2, bool priv, int wake, int wake2, uint32_t op)
{
	struct futex_wakes wakes = { .count = 0 };
	struct guest_key key, key2;
	struct futex_bucket *b, *b2;
	uint32_t old;
	int r, both = 0;

	r = guest_futex_key(t->mm, addr, priv, &key);
	if (!r)
		r = guest_futex_key(t->mm, addr2, priv, &key2);
	if (r < 0)
		return r;
	b = futex_bucket(&key);
	b2 = futex_bucket(&key2);
	futex_lock_two(b, b2);
	r = apply(t, addr2, op, &old);
	if (!r) {
		int also = compare(op, old);

		r = also < 0 ? also : wake_locked(b, &key, wake, &wakes);
		if (r >= 0 && also > 0)
			both = wake_locked(b2, &key2, wake2, &wakes);
		if (both < 0)
			r = both;
		else if (r >= 0)
			r += both;
	}
	futex_unlock_two(b, b2);
	futex_wake_all(&wakes);
	return r;
}
