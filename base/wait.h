/* SPDX-License-Identifier: Apache-2.0 */
/* Sleeping and waking.
 *
 * Theory of operation. A blocking guest call blocks its sentry thread and nobody else. Every sentry thread that runs a
 * guest has one `struct sleeper`, a futex word with two bits: WOKEN, set by whatever it waits for, and INTERRUPTED, set
 * by the kernel when a signal or a kill is pending for its task. sleep_until() consumes WOKEN, never INTERRUPTED: the
 * kernel clears that when it has looked at the signals.
 *
 * A wait queue lists waiters. A waiter is either a sleeper to wake or a callback (epoll, notifications). Events are
 * poll(2) bits. The pattern of every blocking call is
 *
 *     struct waiter w; waiter_init(&w, sleeper_self(), events);
 *     waitq_add(q, &w);
 *     while ((r = try()) == -EAGAIN && !(e = sleep_until(deadline))) ;
 *     waitq_remove(q, &w);
 *
 * so a wake between try() and the sleep is never lost.
 *
 * Lock order: a queue's lock is a leaf. Callbacks run under it and must take nothing but a lock documented as below it,
 * and must not add to or remove from the same queue. waitq_remove() returns only when no callback of that waiter runs.
 */
#ifndef BASE_WAIT_H
#define BASE_WAIT_H

#include "base/compiler.h"
#include "base/lock.h"

#include <stdatomic.h>
#include <stdint.h>
#include <sys/queue.h>

enum { SLEEPER_WOKEN = 1, SLEEPER_INTERRUPTED = 2, SLEEPER_ASLEEP = 4 };

struct sleeper {
	_Atomic uint32_t word;
};

#define NO_DEADLINE INT64_MAX

/* CLOCK_MONOTONIC now, in nanoseconds. */
int64_t mono_now(void);

/* The calling thread's sleeper. A thread that runs a task has that task's; any other has one of its own. */
struct sleeper *sleeper_self(void);
/* Makes s the calling thread's sleeper; NULL gives back its own. */
void sleeper_set_self(struct sleeper *s);

void sleeper_init(struct sleeper *s);
void sleeper_wake(struct sleeper *s);
void sleeper_interrupt(struct sleeper *s);
/* Clears INTERRUPTED; true if it was set. Only the thread that runs the task calls it. */
bool sleeper_clear_interrupt(struct sleeper *s);
bool sleeper_interrupted(const struct sleeper *s);

/* Sleeps until woken, interrupted, or CLOCK_MONOTONIC reaches deadline (nanoseconds; NO_DEADLINE for none).
 * Returns 0 when woken, -EINTR, or -ETIMEDOUT. A wake that is pending wins over both. */
int sleep_until(int64_t deadline) MUST_CHECK;
/* The same, but not interruptible: for waits that are bounded by the sentry itself. */
int sleep_uninterruptible(int64_t deadline);

struct waiter;
typedef void (*waiter_fn)(struct waiter *w, uint32_t events);

struct waiter {
	TAILQ_ENTRY(waiter) link;
	uint32_t events; /* poll bits of interest; immutable while queued */
	waiter_fn notify; /* NULL: wake `sleeper` */
	struct sleeper *sleeper;
	void *arg;
	bool exclusive; /* at most one exclusive waiter is notified per waitq_notify() */
};

struct waitq {
	struct mutex lock;
	TAILQ_HEAD(, waiter) waiters; /* protected by lock */
	_Atomic int count; /* of waiters: lets notify skip the lock when nobody waits */
};

#define WAITQ_INITIALIZER(q) { .lock = MUTEX_INITIALIZER, .waiters = TAILQ_HEAD_INITIALIZER((q).waiters) }

void waitq_init(struct waitq *q);
void waiter_init(struct waiter *w, struct sleeper *s, uint32_t events);
void waiter_init_callback(struct waiter *w, waiter_fn fn, void *arg, uint32_t events);
void waitq_add(struct waitq *q, struct waiter *w);
void waitq_remove(struct waitq *q, struct waiter *w);
/* Notifies every waiter interested in one of `events`. Cheap when there is none. */
void waitq_notify(struct waitq *q, uint32_t events);

#endif
