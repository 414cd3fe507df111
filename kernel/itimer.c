/* SPDX-License-Identifier: Apache-2.0 */
/* Interval timers and the limit on processor time of a thread group: setitimer(2), alarm(2), RLIMIT_CPU.
 *
 * ITIMER_REAL runs on the timer service. Its next period starts when its signal is taken, not when it is sent, so that a short
 * period with SIGALRM blocked costs nothing; where SIGALRM is ignored, and so never taken, periods pass at a bounded rate.
 *
 * Timers of processor time are sampled: nothing tells when a thread has used some amount. The earliest time at which the goal can have
 * been reached is when as many threads as can run have been at it all the while; then the clock is read, and the wait starts
 * anew for what is left. A process that does not run is looked at ever less often, down to once in IDLE_LOOK_NS; that bounds how late
 * such a timer can be.
 */
#include "kernel/process.h"
#include "kernel/signal_internal.h"
#include "kernel/timer_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/time.h>

enum { ITIMER_LIMIT = 3, LOOK_MIN_NS = NSEC_PER_MSEC, IDLE_LOOK_NS = 64 * NSEC_PER_MSEC };

static void itimer_fire(struct timer *tm, void *arg);

struct timers *timers_get_locked(struct thread_group *tg)
{
	struct timers *ts = tg->timers;

	mutex_assert_held(&tasks_lock);
	if (ts || tg->state >= GROUP_EXITING)
		return ts;
	ts = calloc(1, sizeof(*ts));
	if (!ts)
		return NULL;
	LIST_INIT(&ts->posix);
	for (int i = 0; i < 3; i++) {
		ts->interval[i].tg = tg;
		ts->interval[i].which = i;
		timer_init(&ts->interval[i].timer, itimer_fire, &ts->interval[i]);
	}
	ts->cpu_limit.tg = tg;
	ts->cpu_limit.which = ITIMER_LIMIT;
	timer_init(&ts->cpu_limit.timer, itimer_fire, &ts->cpu_limit);
	tg->timers = ts;
	return ts;
}

int64_t cpu_clock_recheck(struct thread_group *tg, int64_t target, int64_t now)
{
	int count = __atomic_load_n(&tg->task_count, __ATOMIC_RELAXED);
	int cpus = CPU_COUNT(kernel_cpus());
	int64_t wait = target - now;

	if (count > 1 && cpus > 1)
		wait /= MIN(count, cpus);
	return time_add(mono_now(), MAX(wait, (int64_t)LOOK_MIN_NS));
}

static int64_t itimer_cpu_now(struct thread_group *tg, int which)
{
	return cpu_clock_value(which == ITIMER_VIRTUAL ? CPU_CLOCK_USER : CPU_CLOCK_BOTH, false, NULL, tg);
}

static int itimer_signal(int which)
{
	return which == ITIMER_REAL ? SIGALRM : which == ITIMER_VIRTUAL ? SIGVTALRM : SIGPROF;
}

static void send_locked(struct thread_group *tg, int sig) REQUIRES(tasks_lock)
{
	siginfo_t info = signal_info(sig, SI_KERNEL, NULL);

	(void)!signal_send_group_locked(tg, &info);
}

/* The first multiple of interval after expiry that lies in the future. */
static int64_t next_period(int64_t expiry, int64_t interval, int64_t now)
{
	int64_t missed = now > expiry ? (now - expiry) / interval : 0;

	return time_add(expiry, (missed + 1) * interval);
}

/* Has the soft limit been reached, or the hard one? Linux moves the soft limit on by a second for each SIGXCPU. */
static void limit_reached_locked(struct itimer *it, int64_t now) REQUIRES(tasks_lock)
{
	struct rlimit *l = &it->tg->rlimits[RLIMIT_CPU];
	uint64_t seconds = (uint64_t)now / NSEC_PER_SEC;

	if (seconds >= l->rlim_max) {
		it->active = false;
		group_kill_locked(it->tg, SIGKILL);
		return;
	}
	if (seconds >= l->rlim_cur) {
		send_locked(it->tg, SIGXCPU);
		l->rlim_cur = MIN(seconds + 1, l->rlim_max);
	}
	it->active = l->rlim_cur != RLIM_INFINITY && l->rlim_cur < INT64_MAX / NSEC_PER_SEC;
	it->expiry = (int64_t)l->rlim_cur * NSEC_PER_SEC;
}

static void cpu_expired_locked(struct itimer *it, int64_t now) REQUIRES(tasks_lock)
{
	if (it->which == ITIMER_LIMIT) {
		limit_reached_locked(it, now);
		return;
	}
	send_locked(it->tg, itimer_signal(it->which));
	if (it->interval)
		it->expiry = next_period(it->expiry, it->interval, now);
	else
		it->active = false;
}

static void cpu_fire(struct itimer *it)
{
	int64_t now = itimer_cpu_now(it->tg, it->which), again;

	mutex_lock(&tasks_lock);
	if (it->active && it->tg->state < GROUP_EXITING) {
		if (now >= it->expiry)
			cpu_expired_locked(it, now);
		it->idle_looks = now == it->last_seen ? MIN(it->idle_looks + 1, 6) : 0;
		it->last_seen = now;
		again = cpu_clock_recheck(it->tg, it->expiry, now);
		if (it->idle_looks)
			again = MAX(again, mono_now() + ((int64_t)LOOK_MIN_NS << it->idle_looks));
		if (it->active)
			timer_arm(&it->timer, again);
	}
	mutex_unlock(&tasks_lock);
}

static void real_fire(struct itimer *it)
{
	struct thread_group *tg = it->tg;

	mutex_lock(&tasks_lock);
	if (it->active && tg->state < GROUP_EXITING && mono_now() >= it->expiry) {
		send_locked(tg, SIGALRM);
		if (!it->interval)
			it->active = false;
		else if (!(tg->shared_pending.set & sig_bit(SIGALRM)))
			/* Ignored: nobody will take it. */
			timer_arm(&it->timer, it->expiry = MAX(next_period(it->expiry, it->interval, mono_now()),
							       mono_now() + 10 * NSEC_PER_MSEC));
	}
	mutex_unlock(&tasks_lock);
}

static void itimer_fire(struct timer *tm, void *arg)
{
	struct itimer *it = arg;

	(void)tm;
	if (it->which == ITIMER_REAL)
		real_fire(it);
	else
		cpu_fire(it);
}

void itimer_dequeued_locked(struct thread_group *tg)
{
	struct itimer *it = tg->timers ? &tg->timers->interval[ITIMER_REAL] : NULL;
	int64_t now;

	if (!it || !it->active || !it->interval)
		return;
	now = mono_now();
	/* Some other SIGALRM while the timer still runs changes nothing. */
	if (it->expiry > now)
		return;
	it->expiry = next_period(it->expiry, it->interval, now);
	timer_arm(&it->timer, it->expiry);
}

static void remaining_locked(struct itimer *it, int64_t now, struct interval_value *out) REQUIRES(tasks_lock)
{
	out->interval = it->interval;
	out->value = 0;
	if (it->active)
		/* Due but not yet noticed counts as about to be: 0 would say disarmed. */
		out->value = MAX(it->expiry - now, (int64_t)NSEC_PER_USEC);
}

int itimer_exchange(struct thread_group *tg, int which, const struct interval_value *new, struct interval_value *old)
{
	int64_t now = which == ITIMER_REAL ? mono_now() : itimer_cpu_now(tg, which);
	struct timers *ts;

	*old = (struct interval_value){ 0 };
	mutex_lock(&tasks_lock);
	if (!new && !tg->timers) {
		mutex_unlock(&tasks_lock);
		return 0;
	}
	ts = timers_get_locked(tg);
	if (!ts) {
		mutex_unlock(&tasks_lock);
		return -ENOMEM;
	}
	struct itimer *it = &ts->interval[which];

	remaining_locked(it, now, old);
	if (new) {
		it->active = new->value != 0;
		it->interval = it->active ? new->interval : 0;
		it->expiry = time_add(now, new->value);
		it->idle_looks = 0;
		/* A timer that was disarmed may fire once more; `active` and `expiry` tell it that there is nothing to do. */
		if (it->active)
			timer_arm(&it->timer, which == ITIMER_REAL ? it->expiry : cpu_clock_recheck(tg, it->expiry, now));
	}
	mutex_unlock(&tasks_lock);
	return 0;
}

void timers_watch_cpu_limit(struct thread_group *tg)
{
	int64_t now;
	struct timers *ts;

	mutex_lock(&tasks_lock);
	bool finite = tg->rlimits[RLIMIT_CPU].rlim_cur != RLIM_INFINITY;

	mutex_unlock(&tasks_lock);
	if (!finite)
		return;
	now = itimer_cpu_now(tg, ITIMER_LIMIT);
	mutex_lock(&tasks_lock);
	ts = timers_get_locked(tg);
	if (ts) {
		struct itimer *it = &ts->cpu_limit;
		uint64_t limit = MIN(tg->rlimits[RLIMIT_CPU].rlim_cur, (rlim_t)(INT64_MAX / NSEC_PER_SEC));

		it->active = true;
		it->idle_looks = 0;
		/* Linux takes a limit of 0 for one second. */
		it->expiry = (int64_t)MAX(limit, 1u) * NSEC_PER_SEC;
		timer_arm(&it->timer, cpu_clock_recheck(tg, it->expiry, now));
	}
	mutex_unlock(&tasks_lock);
}

void timers_group_exec(struct thread_group *tg)
{
	posix_timers_delete_all(tg);
}

void timers_group_exit(struct thread_group *tg)
{
	struct timers *ts;

	posix_timers_delete_all(tg);
	mutex_lock(&tasks_lock);
	ts = tg->timers;
	if (ts) {
		for (int i = 0; i < 3; i++)
			ts->interval[i].active = false;
		ts->cpu_limit.active = false;
		tg->timers = NULL;
	}
	mutex_unlock(&tasks_lock);
	if (!ts)
		return;
	for (int i = 0; i < 3; i++)
		timer_cancel(&ts->interval[i].timer);
	timer_cancel(&ts->cpu_limit.timer);
	free(ts);
}
