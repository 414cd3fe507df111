/* SPDX-License-Identifier: Apache-2.0 */
/* The timer service.
 *
 * Theory of operation. Armed timers are in a pairing heap that is built of pointers in the timers themselves, so that arming
 * one never needs memory. One thread sleeps until the earliest deadline, takes what is due out of the heap, and runs
 * it without locks held. Arming wakes the thread only when the new deadline is earlier than the one that it sleeps for: a program that
 * keeps moving a timeout into the future, as most do, makes no host call.
 *
 * Invariants, under `lock`: a timer is in the heap if and only if `armed`; a parent's deadline is no later than its children's;
 * `running` is the timer whose callback runs. After a callback the service does not touch the timer again: it may
 * be freed by then.
 *
 * Lock order: `lock` is a leaf. timer_cancel() waits for a callback, so its caller must hold nothing that the callback takes.
 */
#include "kernel/timer.h"

#include "base/lock.h"
#include "base/log.h"
#include "base/wait.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

static struct mutex lock = MUTEX_INITIALIZER;
static pthread_cond_t idle = PTHREAD_COND_INITIALIZER; /* `running` became NULL */
static struct timer *root; /* (lock) */
static struct timer *running; /* (lock) */
static bool started, stopping; /* (lock) */
static int64_t sleeping_for; /* (lock) the deadline that the service sleeps for; INT64_MIN while it is awake */
static pthread_t thread;
static struct sleeper sleeper;

/* --- the heap --- */

static struct timer *meld(struct timer *a, struct timer *b)
{
	struct timer *t;

	if (!a || !b)
		return a ? a : b;
	if (b->deadline < a->deadline) {
		t = a;
		a = b;
		b = t;
	}
	b->prev = a;
	b->next = a->child;
	if (b->next)
		b->next->prev = b;
	a->child = b;
	return a;
}

/* Melds siblings in pairs, then the pairs from the last to the first. */
static struct timer *meld_siblings(struct timer *first)
{
	struct timer *pairs = NULL, *result = NULL;

	while (first) {
		struct timer *a = first, *b = a->next;

		first = b ? b->next : NULL;
		a->next = a->prev = NULL;
		if (b)
			b->next = b->prev = NULL;
		a = meld(a, b);
		a->next = pairs;
		pairs = a;
	}
	while (pairs) {
		struct timer *a = pairs;

		pairs = a->next;
		a->next = NULL;
		result = meld(result, a);
	}
	return result;
}

static void heap_insert(struct timer *t)
{
	t->child = t->next = t->prev = NULL;
	t->armed = true;
	root = meld(root, t);
}

static void heap_remove(struct timer *t)
{
	struct timer *rest = meld_siblings(t->child);

	if (t == root) {
		root = rest;
	} else {
		if (t->prev->child == t)
			t->prev->child = t->next;
		else
			t->prev->next = t->next;
		if (t->next)
			t->next->prev = t->prev;
		root = meld(root, rest);
	}
	t->child = t->next = t->prev = NULL;
	t->armed = false;
}

/* --- the service --- */

/* pthread_cond_wait() for a struct mutex, whose owner it must keep true. */
static void wait_idle(void) NO_THREAD_SAFETY_ANALYSIS
{
#ifndef NDEBUG
	lock.held = false;
#endif
	pthread_cond_wait(&idle, &lock.m);
#ifndef NDEBUG
	lock.owner = pthread_self();
	lock.held = true;
#endif
}

static void run_due(int64_t now) NO_THREAD_SAFETY_ANALYSIS
{
	while (root && root->deadline <= now && !stopping) {
		struct timer *t = root;
		timer_fn fn = t->fn;
		void *arg = t->arg;

		heap_remove(t);
		running = t;
		mutex_unlock(&lock);
		fn(t, arg);
		mutex_lock(&lock);
		running = NULL;
		pthread_cond_broadcast(&idle);
	}
}

static void *service(void *arg)
{
	(void)arg;
	pthread_setname_np(pthread_self(), "timers");
	mutex_lock(&lock);
	while (!stopping) {
		run_due(mono_now());
		if (stopping)
			break;
		int64_t deadline = root ? root->deadline : NO_DEADLINE;

		sleeping_for = deadline;
		mutex_unlock(&lock);
		sleep_uninterruptible(deadline);
		mutex_lock(&lock);
		sleeping_for = INT64_MIN;
	}
	mutex_unlock(&lock);
	return NULL;
}

static void *service_entry(void *arg)
{
	sleeper_set_self(&sleeper);
	return service(arg);
}

/* The host's signals belong to other threads. When the host refuses the thread, the next arming tries again. */
static void start_locked(void) REQUIRES(lock)
{
	sigset_t all, old;
	pthread_attr_t attr;
	int r;

	if (started || stopping)
		return;
	sleeper_init(&sleeper);
	sleeping_for = INT64_MIN;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 * 1024);
	r = pthread_create(&thread, &attr, service_entry, NULL);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r)
		log_debug("timers: no thread: %s", strerror(r));
	started = !r;
}

void timer_service_init(void)
{
	mutex_lock(&lock);
	stopping = false;
	mutex_unlock(&lock);
}

void timer_service_stop(void)
{
	mutex_lock(&lock);
	bool join = started;

	stopping = true;
	started = false;
	sleeper_wake(&sleeper);
	mutex_unlock(&lock);
	if (join)
		pthread_join(thread, NULL);
}

/* --- the interface --- */

void timer_init(struct timer *t, timer_fn fn, void *arg)
{
	*t = (struct timer){ .fn = fn, .arg = arg };
}

void timer_arm(struct timer *t, int64_t deadline)
{
	mutex_lock(&lock);
	if (t->armed)
		heap_remove(t);
	t->deadline = deadline;
	heap_insert(t);
	start_locked();
	if (deadline < sleeping_for) {
		sleeping_for = INT64_MIN;
		sleeper_wake(&sleeper);
	}
	mutex_unlock(&lock);
}

bool timer_armed(struct timer *t)
{
	mutex_lock(&lock);
	bool r = t->armed;

	mutex_unlock(&lock);
	return r;
}

bool timer_cancel(struct timer *t)
{
	bool was;

	mutex_lock(&lock);
	was = t->armed;
	if (was)
		heap_remove(t);
	if (!started || !pthread_equal(pthread_self(), thread)) {
		while (running == t)
			wait_idle();
		/* The callback that we waited for may have armed it again. */
		if (t->armed) {
			heap_remove(t);
			was = true;
		}
	}
	mutex_unlock(&lock);
	return was;
}
