/* SPDX-License-Identifier: Apache-2.0 */
/* What the files about time share: clock.c, posix_timer.c, itimer.c, and their system calls. */
#ifndef KERNEL_TIMER_INTERNAL_H
#define KERNEL_TIMER_INTERNAL_H

#include "kernel/task.h"
#include "kernel/timer.h"

enum { NSEC_PER_SEC = 1000000000, NSEC_PER_MSEC = 1000000, NSEC_PER_USEC = 1000 };

/* a + b for b >= 0, NO_DEADLINE where that is too far away. */
int64_t time_add(int64_t a, int64_t b);

/* --- processor time --- */

enum cpu_clock_kind { CPU_CLOCK_BOTH = 0, CPU_CLOCK_USER = 1, CPU_CLOCK_SCHED = 2 };

struct cpu_clock {
	enum cpu_clock_kind kind;
	bool thread; /* of one thread, not of the process */
	struct task *task; /* with a reference */
};

bool clock_is_cpu(int clock);
/* -EINVAL: no such clock, or nobody has it. */
int cpu_clock_decode(struct task *t, int clock, struct cpu_clock *out) MUST_CHECK;
/* Takes tasks_lock. t may be NULL unless `thread`. */
int64_t cpu_clock_value(enum cpu_clock_kind kind, bool thread, struct task *t, struct thread_group *tg);
/* When to look again at a clock that shall reach `target` and has `now`: as many threads as can run might be at it. */
int64_t cpu_clock_recheck(struct thread_group *tg, int64_t target, int64_t now);

/* --- interval timers (itimer.c) --- */

struct itimer {
	struct timer timer;
	struct thread_group *tg;
	int which; /* ITIMER_* */
	bool active; /* (T) */
	int64_t expiry; /* (T) on the timer's clock: monotonic, or processor time */
	int64_t interval; /* (T) 0: once */
	int64_t last_seen; /* (T) processor time at the last look: an idle process is looked at less often */
	int idle_looks; /* (T) */
};

/* All timers of a thread group. Made at first use; freed by timers_group_exit(). */
struct timers {
	LIST_HEAD(, posix_timer) posix; /* (T) */
	int next_id, count; /* (T) */
	struct itimer interval[3];
	struct itimer cpu_limit; /* RLIMIT_CPU */
};

/* NULL: no memory, or the group has ended. */
struct timers *timers_get_locked(struct thread_group *tg) REQUIRES(tasks_lock);

struct interval_value {
	int64_t value, interval; /* ns; value 0: disarmed */
};
/* new may be NULL (read only). -ENOMEM. */
int itimer_exchange(struct thread_group *tg, int which, const struct interval_value *new,
		    struct interval_value *old) MUST_CHECK;

/* --- POSIX timers (posix_timer.c) --- */

struct posix_timer_spec {
	int clock;
	int notify; /* SIGEV_* */
	int sig;
	pid_t tid; /* SIGEV_THREAD_ID */
	bool value_is_id; /* no sigevent was given */
	uint64_t value;
};
/* The id, -EINVAL, -EAGAIN, -EOPNOTSUPP, -EPERM. */
int64_t posix_timer_create(struct task *t, const struct posix_timer_spec *spec) MUST_CHECK;
int posix_timer_set(struct task *t, int id, bool absolute, const struct interval_value *new,
		    struct interval_value *old) MUST_CHECK;
int posix_timer_get(struct task *t, int id, struct interval_value *out) MUST_CHECK;
int64_t posix_timer_overrun(struct task *t, int id) MUST_CHECK;
int posix_timer_delete(struct task *t, int id) MUST_CHECK;
void posix_timers_delete_all(struct thread_group *tg);

#endif
