/* SPDX-License-Identifier: Apache-2.0 */
/* Timers and clocks. One service thread sleeps until the earliest deadline; with no timer armed it sleeps for ever.
 * The thread starts with the first timer that is armed. */
#ifndef KERNEL_TIMER_H
#define KERNEL_TIMER_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>

struct timer;
/* Runs on the service thread without locks held; may arm and cancel timers. */
typedef void (*timer_fn)(struct timer *t, void *arg);

struct timer {
	int64_t deadline; /* CLOCK_MONOTONIC ns */
	timer_fn fn;
	void *arg;
	bool armed; /* the service's, as is the rest: ask timer_armed() */
	struct timer *child, *next, *prev; /* the heap: first child, next sibling, previous sibling or parent */
};

void timer_service_init(void);
void timer_service_stop(void);
void timer_init(struct timer *t, timer_fn fn, void *arg);
/* (Re)arms t for an absolute CLOCK_MONOTONIC time. */
void timer_arm(struct timer *t, int64_t deadline);
bool timer_armed(struct timer *t);
/* Disarms t and waits for a running callback, unless called from it. True if it was armed. */
bool timer_cancel(struct timer *t);

/* --- POSIX timers, interval timers and RLIMIT_CPU of a thread group (timers are made at first use) --- */

struct thread_group;
/* exec: POSIX timers go, interval timers stay. Exit: all go. Without locks held; may wait for a running callback. */
void timers_group_exec(struct thread_group *tg);
void timers_group_exit(struct thread_group *tg);
/* To be called when a group is made with, or given, a finite RLIMIT_CPU: watches it (SIGXCPU, SIGKILL). */
void timers_watch_cpu_limit(struct thread_group *tg);

/* A guest clock's value in ns: CLOCK_* numbers and encoded per-process and per-thread CPU clocks. -EINVAL for an unknown clock. */
struct task;
int clock_read(struct task *t, int clock, int64_t *ns) MUST_CHECK;
int clock_resolution(int clock, int64_t *ns) MUST_CHECK;
/* Converts an absolute time of a settable or monotonic clock to a CLOCK_MONOTONIC deadline. */
int clock_to_mono(int clock, int64_t ns, int64_t *mono) MUST_CHECK;

#endif
