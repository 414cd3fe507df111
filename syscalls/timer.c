/* SPDX-License-Identifier: Apache-2.0 */
/* Timers: setitimer(2), alarm(2), timer_create(2) and its kin. timerfd is in syscalls/event.c. */
#include "kernel/timer_internal.h"
#include "mm/guest.h"
#include "syscalls/syscalls.h"

#include <errno.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>

SYSCALL_DECLARE(getitimer);
SYSCALL_DECLARE(setitimer);
SYSCALL_DECLARE(alarm);
SYSCALL_DECLARE(timer_create);
SYSCALL_DECLARE(timer_settime);
SYSCALL_DECLARE(timer_gettime);
SYSCALL_DECLARE(timer_getoverrun);
SYSCALL_DECLARE(timer_delete);

enum { USEC_PER_SEC = 1000000 };

/* Seconds that do not fit in nanoseconds are as good as never. */
static int64_t to_ns(int64_t seconds, int64_t ns)
{
	return seconds >= NO_DEADLINE / NSEC_PER_SEC ? NO_DEADLINE : seconds * NSEC_PER_SEC + ns;
}

static struct timeval to_timeval(int64_t ns)
{
	return (struct timeval){ .tv_sec = ns / NSEC_PER_SEC, .tv_usec = ns % NSEC_PER_SEC / NSEC_PER_USEC };
}

static int write_itimer(struct task *t, uint64_t addr, const struct interval_value *v)
{
	struct itimerval it = { .it_interval = to_timeval(v->interval), .it_value = to_timeval(v->value) };

	return guest_write(t->mm, addr, &it, sizeof(it));
}

static bool timeval_ok(const struct timeval *tv)
{
	return tv->tv_sec >= 0 && tv->tv_usec >= 0 && tv->tv_usec < USEC_PER_SEC;
}

int64_t sys_getitimer(struct task *t, const uint64_t a[6])
{
	struct interval_value now;
	int which = (int)a[0], r;

	if (which < ITIMER_REAL || which > ITIMER_PROF)
		return -EINVAL;
	r = itimer_exchange(t->tg, which, NULL, &now);
	return r < 0 ? r : write_itimer(t, a[1], &now);
}

int64_t sys_setitimer(struct task *t, const uint64_t a[6])
{
	struct interval_value new = { 0 }, old;
	struct itimerval it;
	int which = (int)a[0], r;

	/* A missing value disarms; Linux says that this is a misfeature and keeps it. */
	if (a[1]) {
		if (guest_read(t->mm, &it, a[1], sizeof(it)) < 0)
			return -EFAULT;
		if (!timeval_ok(&it.it_value) || !timeval_ok(&it.it_interval))
			return -EINVAL;
		new.value = to_ns(it.it_value.tv_sec, it.it_value.tv_usec * NSEC_PER_USEC);
		new.interval = to_ns(it.it_interval.tv_sec, it.it_interval.tv_usec * NSEC_PER_USEC);
	}
	if (which < ITIMER_REAL || which > ITIMER_PROF)
		return -EINVAL;
	r = itimer_exchange(t->tg, which, &new, &old);
	return r < 0 || !a[2] ? r : write_itimer(t, a[2], &old);
}

int64_t sys_alarm(struct task *t, const uint64_t a[6])
{
	struct interval_value new = { .value = (int64_t)(unsigned)a[0] * NSEC_PER_SEC }, old;
	int r = itimer_exchange(t->tg, ITIMER_REAL, &new, &old);

	if (r < 0)
		return r;
	/* Rounded, but never to 0 while an alarm was set: 0 says that none was. */
	if (old.value && old.value < NSEC_PER_SEC / 2)
		return 1;
	return (old.value + NSEC_PER_SEC / 2) / NSEC_PER_SEC;
}

/* --- POSIX timers --- */

int64_t sys_timer_create(struct task *t, const uint64_t a[6])
{
	struct posix_timer_spec spec = { .clock = (int)a[0], .notify = SIGEV_SIGNAL, .sig = SIGALRM, .value_is_id = true };
	struct sigevent_guest ev;
	int64_t id;

	if (a[1]) {
		if (guest_read(t->mm, &ev, a[1], sizeof(ev)) < 0)
			return -EFAULT;
		spec.notify = ev.notify;
		spec.sig = ev.signo;
		spec.tid = ev.tid;
		spec.value = ev.value;
		spec.value_is_id = false;
	}
	id = posix_timer_create(t, &spec);
	if (id < 0)
		return id;
	int32_t out = (int32_t)id;

	if (guest_write(t->mm, a[2], &out, sizeof(out)) < 0) {
		(void)!posix_timer_delete(t, (int)id);
		return -EFAULT;
	}
	return 0;
}

static int write_timerspec(struct task *t, uint64_t addr, const struct interval_value *v)
{
	struct itimerspec it = {
		.it_interval = { .tv_sec = v->interval / NSEC_PER_SEC, .tv_nsec = v->interval % NSEC_PER_SEC },
		.it_value = { .tv_sec = v->value / NSEC_PER_SEC, .tv_nsec = v->value % NSEC_PER_SEC },
	};

	return guest_write(t->mm, addr, &it, sizeof(it));
}

static bool timespec_ok(const struct timespec *ts)
{
	return ts->tv_sec >= 0 && ts->tv_nsec >= 0 && ts->tv_nsec < NSEC_PER_SEC;
}

int64_t sys_timer_settime(struct task *t, const uint64_t a[6])
{
	struct interval_value new, old;
	struct itimerspec it;
	int r;

	if (!a[2])
		return -EINVAL;
	if (guest_read(t->mm, &it, a[2], sizeof(it)) < 0)
		return -EFAULT;
	if (!timespec_ok(&it.it_value) || !timespec_ok(&it.it_interval))
		return -EINVAL;
	new.value = to_ns(it.it_value.tv_sec, it.it_value.tv_nsec);
	new.interval = to_ns(it.it_interval.tv_sec, it.it_interval.tv_nsec);
	r = posix_timer_set(t, (int)a[0], (int)a[1] & TIMER_ABSTIME, &new, &old);
	return r < 0 || !a[3] ? r : write_timerspec(t, a[3], &old);
}

int64_t sys_timer_gettime(struct task *t, const uint64_t a[6])
{
	struct interval_value now;
	int r = posix_timer_get(t, (int)a[0], &now);

	return r < 0 ? r : write_timerspec(t, a[1], &now);
}

int64_t sys_timer_getoverrun(struct task *t, const uint64_t a[6])
{
	return posix_timer_overrun(t, (int)a[0]);
}

int64_t sys_timer_delete(struct task *t, const uint64_t a[6])
{
	return posix_timer_delete(t, (int)a[0]);
}
