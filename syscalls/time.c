/* SPDX-License-Identifier: Apache-2.0 */
/* Reading clocks and sleeping: clock_gettime(2), clock_nanosleep(2), gettimeofday(2), adjtimex(2). */
#include "kernel/timer_internal.h"
#include "mm/guest.h"
#include "syscalls/syscalls.h"

#include <errno.h>
#include <string.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>

SYSCALL_DECLARE(clock_gettime);
SYSCALL_DECLARE(clock_getres);
SYSCALL_DECLARE(clock_settime);
SYSCALL_DECLARE(nanosleep);
SYSCALL_DECLARE(clock_nanosleep);
SYSCALL_DECLARE(gettimeofday);
SYSCALL_DECLARE(settimeofday);
SYSCALL_DECLARE(time);
SYSCALL_DECLARE(adjtimex);
SYSCALL_DECLARE(clock_adjtime);

int64_t sys_clock_gettime(struct task *t, const uint64_t a[6])
{
	int64_t ns;
	int r = clock_read(t, (int)a[0], &ns);

	return r < 0 ? r : syscall_write_timespec(t, a[1], ns);
}

int64_t sys_clock_getres(struct task *t, const uint64_t a[6])
{
	int64_t ns, now;
	int clock = (int)a[0], r;

	r = clock_resolution(clock, &ns);
	/* Somebody's clock: there must be somebody. */
	if (!r && clock < 0)
		r = clock_read(t, clock, &now);
	if (r < 0)
		return r;
	return a[1] ? syscall_write_timespec(t, a[1], ns) : 0;
}

int64_t sys_clock_settime(struct task *t, const uint64_t a[6])
{
	int64_t ns;
	int clock = (int)a[0], r;

	/* clock_settime(2): only CLOCK_REALTIME can be set at all. */
	if (clock != CLOCK_REALTIME)
		return clock_is_cpu(clock) && clock_read(t, clock, &ns) == 0 ? -EPERM : -EINVAL;
	if (!a[1])
		return -EFAULT;
	r = syscall_timespec(t, a[1], &ns);
	return r < 0 ? r : -EPERM;
}

/* --- sleeping --- */

/* restart.args: 0 where the rest of the time goes, 1 the clock if it is one of processor time (plus 1, 0 for none). */
static int64_t sleep_mono(struct task *t, int64_t deadline, uint64_t rem, bool absolute);

static int64_t sleep_restart(struct task *t)
{
	return sleep_mono(t, t->restart.deadline, t->restart.args[0], false);
}

static int64_t sleep_mono(struct task *t, int64_t deadline, uint64_t rem, bool absolute)
{
	int64_t left;
	int r;

	do
		r = task_sleep(t, deadline);
	while (!r);
	if (r == -ETIMEDOUT)
		return 0;
	if (absolute)
		return -ERESTARTNOHAND;
	left = deadline == NO_DEADLINE ? NO_DEADLINE : deadline - mono_now();
	if (left <= 0)
		return 0;
	if (rem && syscall_write_timespec(t, rem, left) < 0)
		return -EFAULT;
	t->restart.fn = sleep_restart;
	t->restart.deadline = deadline;
	t->restart.args[0] = rem;
	return -ERESTART_RESTARTBLOCK;
}

int64_t sys_nanosleep(struct task *t, const uint64_t a[6])
{
	int64_t ns;
	int r = a[0] ? syscall_timespec(t, a[0], &ns) : -EFAULT;

	return r < 0 ? r : sleep_mono(t, time_add(mono_now(), ns), a[1], false);
}

/* Processor time passes for somebody else: looked at as the interval timers do. target is absolute. */
static int64_t sleep_cpu_until(struct task *t, int clock, int64_t target, uint64_t rem, bool absolute);

static int64_t sleep_cpu_restart(struct task *t)
{
	return sleep_cpu_until(t, (int)t->restart.args[1], t->restart.deadline, t->restart.args[0], false);
}

static int64_t sleep_cpu_until(struct task *t, int clock, int64_t target, uint64_t rem, bool absolute)
{
	struct cpu_clock c;
	int64_t now, pause = NSEC_PER_MSEC;
	int r = cpu_clock_decode(t, clock, &c);

	if (r < 0)
		return r;
	for (;;) {
		int64_t before = now = cpu_clock_value(c.kind, c.thread, c.task, c.task->tg);

		if (now >= target) {
			r = 0;
			break;
		}
		r = task_sleep(t, MAX(cpu_clock_recheck(c.task->tg, target, now), mono_now() + pause));
		if (r == -EINTR)
			break;
		/* Nobody runs: look less often. */
		now = cpu_clock_value(c.kind, c.thread, c.task, c.task->tg);
		pause = now - before > NSEC_PER_USEC * 500 ? NSEC_PER_MSEC : MIN(pause * 2, 64 * (int64_t)NSEC_PER_MSEC);
	}
	task_put(c.task);
	if (r != -EINTR)
		return 0;
	if (absolute)
		return -ERESTARTNOHAND;
	if (rem && syscall_write_timespec(t, rem, target - now) < 0)
		return -EFAULT;
	t->restart.fn = sleep_cpu_restart;
	t->restart.deadline = target;
	t->restart.args[0] = rem;
	t->restart.args[1] = (uint64_t)clock;
	return -ERESTART_RESTARTBLOCK;
}

static int64_t sleep_cpu(struct task *t, int clock, bool absolute, int64_t ns, uint64_t rem)
{
	int64_t now;
	int r = clock_read(t, clock, &now);

	if (r < 0)
		return r;
	/* clock_nanosleep(2): a thread cannot wait for its own processor time, which stands still meanwhile. */
	if (clock == CLOCK_THREAD_CPUTIME_ID)
		return -EINVAL;
	return sleep_cpu_until(t, clock, absolute ? ns : time_add(now, ns), rem, absolute);
}

int64_t sys_clock_nanosleep(struct task *t, const uint64_t a[6])
{
	int clock = (int)a[0];
	bool absolute = (int)a[1] & TIMER_ABSTIME;
	int64_t ns, deadline, now;
	int r;

	r = clock_read(t, clock, &now);
	if (r < 0)
		return -EINVAL;
	switch (clock) {
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_THREAD_CPUTIME_ID:
		return clock == CLOCK_THREAD_CPUTIME_ID ? -EINVAL : -EOPNOTSUPP;
	case CLOCK_REALTIME_ALARM:
	case CLOCK_BOOTTIME_ALARM:
		return -EPERM;
	default:
		break;
	}
	r = a[2] ? syscall_timespec(t, a[2], &ns) : -EFAULT;
	if (r < 0)
		return r;
	if (clock_is_cpu(clock))
		return sleep_cpu(t, clock, absolute, ns, absolute ? 0 : a[3]);
	if (!absolute)
		return sleep_mono(t, time_add(mono_now(), ns), a[3], false);
	r = clock_to_mono(clock, ns, &deadline);
	return r < 0 ? r : sleep_mono(t, deadline, 0, true);
}

/* --- the time of day --- */

int64_t sys_gettimeofday(struct task *t, const uint64_t a[6])
{
	struct timezone tz = { 0 };
	struct timeval tv;
	int64_t ns;
	int r = clock_read(t, CLOCK_REALTIME, &ns);

	tv = (struct timeval){ .tv_sec = ns / NSEC_PER_SEC, .tv_usec = ns % NSEC_PER_SEC / NSEC_PER_USEC };
	if (!r && a[0])
		r = guest_write(t->mm, a[0], &tv, sizeof(tv));
	if (!r && a[1])
		r = guest_write(t->mm, a[1], &tz, sizeof(tz));
	return r;
}

int64_t sys_settimeofday(struct task *t, const uint64_t a[6])
{
	struct timezone tz;
	struct timeval tv;

	if (a[0]) {
		if (guest_read(t->mm, &tv, a[0], sizeof(tv)) < 0)
			return -EFAULT;
		if (tv.tv_usec < 0 || tv.tv_usec > 1000000 || tv.tv_sec < 0)
			return -EINVAL;
	}
	if (a[1] && guest_read(t->mm, &tz, a[1], sizeof(tz)) < 0)
		return -EFAULT;
	return -EPERM;
}

int64_t sys_time(struct task *t, const uint64_t a[6])
{
	int64_t ns, seconds;
	int r = clock_read(t, CLOCK_REALTIME_COARSE, &ns);

	if (r < 0)
		return r;
	seconds = ns / NSEC_PER_SEC;
	if (a[0] && guest_write(t->mm, a[0], &seconds, sizeof(seconds)) < 0)
		return -EFAULT;
	return seconds;
}

/* The clock is the host's business: it is shown as one that nobody disciplines. */
static int64_t read_timex(struct task *t, uint64_t addr)
{
	struct timex tx;
	int64_t ns;
	int r = guest_read(t->mm, &tx, addr, sizeof(tx));

	if (!r)
		r = clock_read(t, CLOCK_REALTIME, &ns);
	if (r < 0)
		return r;
	if (tx.modes && tx.modes != ADJ_OFFSET_SS_READ)
		return -EPERM;
	memset(&tx, 0, sizeof(tx));
	tx.status = STA_UNSYNC;
	tx.maxerror = tx.esterror = 16000000;
	tx.constant = 2;
	tx.precision = 1;
	tx.tolerance = 32768000;
	tx.tick = 10000;
	tx.time.tv_sec = ns / NSEC_PER_SEC;
	tx.time.tv_usec = ns % NSEC_PER_SEC / NSEC_PER_USEC;
	r = guest_write(t->mm, addr, &tx, sizeof(tx));
	return r < 0 ? r : TIME_ERROR;
}

int64_t sys_adjtimex(struct task *t, const uint64_t a[6])
{
	return read_timex(t, a[0]);
}

int64_t sys_clock_adjtime(struct task *t, const uint64_t a[6])
{
	int64_t ns;
	int clock = (int)a[0];

	if (clock == CLOCK_REALTIME)
		return read_timex(t, a[1]);
	return clock_read(t, clock, &ns) < 0 ? -EINVAL : -EOPNOTSUPP;
}
