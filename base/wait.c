/* SPDX-License-Identifier: Apache-2.0 */
/* Sleepers are futex words; see wait.h for the theory. ASLEEP tells wakers whether a host call is needed, so that waking a
 * thread that is not asleep costs an atomic operation and nothing else. */
#include "base/wait.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static _Thread_local struct sleeper own_sleeper;
static _Thread_local struct sleeper *current_sleeper;

int64_t mono_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

struct sleeper *sleeper_self(void)
{
	return current_sleeper ? current_sleeper : &own_sleeper;
}

void sleeper_set_self(struct sleeper *s)
{
	current_sleeper = s;
}

void sleeper_init(struct sleeper *s)
{
	atomic_init(&s->word, 0);
}

static void sleeper_set(struct sleeper *s, uint32_t bit)
{
	uint32_t old = atomic_fetch_or(&s->word, bit);

	if ((old & SLEEPER_ASLEEP) && !(old & bit))
		syscall(SYS_futex, &s->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void sleeper_wake(struct sleeper *s)
{
	sleeper_set(s, SLEEPER_WOKEN);
}

void sleeper_interrupt(struct sleeper *s)
{
	sleeper_set(s, SLEEPER_INTERRUPTED);
}

bool sleeper_clear_interrupt(struct sleeper *s)
{
	return atomic_fetch_and(&s->word, ~(uint32_t)SLEEPER_INTERRUPTED) & SLEEPER_INTERRUPTED;
}

bool sleeper_interrupted(const struct sleeper *s)
{
	return atomic_load(&s->word) & SLEEPER_INTERRUPTED;
}

/* Sleeps while none of `bits` is set. The futex compares the whole word, so a bit outside `bits` that changes makes one
 * more round, never a lost wake. */
static int sleep_on_bits(struct sleeper *s, uint32_t bits, int64_t deadline)
{
	struct timespec ts, *abs = NULL;

	if (deadline != NO_DEADLINE) {
		if (deadline < 0)
			deadline = 0;
		ts = (struct timespec){ .tv_sec = deadline / 1000000000, .tv_nsec = deadline % 1000000000 };
		abs = &ts;
	}
	for (;;) {
		uint32_t word = atomic_fetch_or(&s->word, SLEEPER_ASLEEP) | SLEEPER_ASLEEP;
		long r = 0;

		if (!(word & bits))
			r = syscall(SYS_futex, &s->word, FUTEX_WAIT_BITSET_PRIVATE, word, abs, NULL,
				    FUTEX_BITSET_MATCH_ANY);
		bool timed_out = r < 0 && errno == ETIMEDOUT;
		word = atomic_fetch_and(&s->word, ~(uint32_t)(SLEEPER_ASLEEP | (bits & SLEEPER_WOKEN)));
		if (word & bits & SLEEPER_WOKEN)
			return 0;
		if (word & bits & SLEEPER_INTERRUPTED)
			return -EINTR;
		if (timed_out)
			return -ETIMEDOUT;
	}
}

int sleep_until(int64_t deadline)
{
	return sleep_on_bits(sleeper_self(), SLEEPER_WOKEN | SLEEPER_INTERRUPTED, deadline);
}

int sleep_uninterruptible(int64_t deadline)
{
	return sleep_on_bits(sleeper_self(), SLEEPER_WOKEN, deadline);
}

void waitq_init(struct waitq *q)
{
	mutex_init(&q->lock);
	TAILQ_INIT(&q->waiters);
	atomic_init(&q->count, 0);
}

void waiter_init(struct waiter *w, struct sleeper *s, uint32_t events)
{
	*w = (struct waiter){ .events = events, .sleeper = s };
}

void waiter_init_callback(struct waiter *w, waiter_fn fn, void *arg, uint32_t events)
{
	*w = (struct waiter){ .events = events, .notify = fn, .arg = arg };
}

void waitq_add(struct waitq *q, struct waiter *w)
{
	mutex_lock(&q->lock);
	if (w->exclusive)
		TAILQ_INSERT_TAIL(&q->waiters, w, link);
	else
		TAILQ_INSERT_HEAD(&q->waiters, w, link);
	atomic_fetch_add(&q->count, 1);
	mutex_unlock(&q->lock);
}

void waitq_remove(struct waitq *q, struct waiter *w)
{
	mutex_lock(&q->lock);
	TAILQ_REMOVE(&q->waiters, w, link);
	atomic_fetch_sub(&q->count, 1);
	mutex_unlock(&q->lock);
}

void waitq_notify(struct waitq *q, uint32_t events)
{
	struct waiter *w, *next;

	/* Pairs with the fetch_add in waitq_add(): whoever adds itself afterwards tries once more before it sleeps. */
	if (!atomic_load(&q->count))
		return;
	mutex_lock(&q->lock);
	for (w = TAILQ_FIRST(&q->waiters); w; w = next) {
		next = TAILQ_NEXT(w, link);
		if (!(w->events & events))
			continue;
		if (w->notify)
			w->notify(w, events);
		else
			sleeper_wake(w->sleeper);
		if (w->exclusive)
			break;
	}
	mutex_unlock(&q->lock);
}
