/* SPDX-License-Identifier: Apache-2.0 */
/* POSIX timers: timer_create(2), timer_settime(2), timer_getoverrun(2), timer_delete(2).
 *
 * Theory of operation. A timer owns the one queue entry that its signals use, so an expiry can never fail for want of memory. When it
 * expires the entry is queued and the timer rests; when the signal is taken (posix_timer_dequeued_locked) the periods that have
 * passed since are counted as overruns and the next one is armed. So a short period with its signal blocked costs nothing. A
 * signal that is ignored is never taken; then periods are skipped at a bounded rate.
 *
 * Invariants, under tasks_lock: `armed` is what the guest set; the service's timer runs only if `armed`, and not while the entry
 * is queued. A timer that is being deleted is off the list and `dead`; its callback then does nothing, and the deleter
 * waits for it without the lock.
 */
#include "kernel/signal_internal.h"
#include "kernel/timer_internal.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <time.h>

enum { TIMERS_MAX = 4096, IGNORED_PERIOD_NS = 10 * NSEC_PER_MSEC };

struct posix_timer {
	LIST_ENTRY(posix_timer) link; /* (T) */
	struct timer timer;
	struct sigqueue_entry entry; /* (T) */
	struct thread_group *tg; /* (I) */
	struct task *target; /* (I) SIGEV_THREAD_ID: referenced; else NULL */
	struct cpu_clock cpu; /* (I) processor time: task is referenced; else NULL */
	int id, clock, notify; /* (I) */
	bool armed, dead; /* (T) */
	int64_t expiry, interval; /* (T) monotonic, or processor time */
	int64_t overrun; /* (T) of the last signal taken */
};

/* Takes tasks_lock for processor time. */
static int64_t timer_now(struct posix_timer *pt)
{
	if (!pt->cpu.task)
		return mono_now();
	return cpu_clock_value(pt->cpu.kind, pt->cpu.thread, pt->cpu.task, pt->tg);
}

static void start_locked(struct posix_timer *pt, int64_t now) REQUIRES(tasks_lock)
{
	timer_arm(&pt->timer, pt->cpu.task ? cpu_clock_recheck(pt->tg, pt->expiry, now) : pt->expiry);
}

/* Moves the expiry past now; how many periods were skipped on the way. */
static int64_t forward_locked(struct posix_timer *pt, int64_t now) REQUIRES(tasks_lock)
{
	int64_t missed = now > pt->expiry ? (now - pt->expiry) / pt->interval : 0;

	pt->expiry = time_add(pt->expiry, (missed + 1) * pt->interval);
	return missed;
}

/* 1 if nobody will ever take the signal. */
static int send_locked(struct posix_timer *pt) REQUIRES(tasks_lock)
{
	struct task *t = pt->target ? pt->target : pt->tg->leader;

	if (pt->notify == SIGEV_NONE)
		return 1;
	if (!pt->target && (!t || t->dead))
		t = TAILQ_FIRST(&pt->tg->tasks);
	if (!t || t->dead)
		return 1;
	pt->entry.info.si_overrun = 0;
	return signal_send_entry_locked(t, &pt->entry, !pt->target);
}

static void posix_timer_fire(struct timer *tm, void *arg)
{
	struct posix_timer *pt = arg;
	int64_t now = timer_now(pt);

	(void)tm;
	mutex_lock(&tasks_lock);
	if (pt->dead || !pt->armed || pt->entry.queue || pt->tg->state >= GROUP_EXITING)
		goto out_unlock;
	if (now < pt->expiry) {
		start_locked(pt, now);
		goto out_unlock;
	}
	if (!send_locked(pt)) {
		/* posix_timer_dequeued_locked() goes on, perhaps has already. */
		if (!pt->interval)
			pt->armed = false;
	} else if (pt->interval) {
		forward_locked(pt, now);
		if (!pt->cpu.task)
			timer_arm(&pt->timer, MAX(pt->expiry, now + IGNORED_PERIOD_NS));
		else
			start_locked(pt, now);
	} else {
		pt->armed = false;
	}
out_unlock:
	mutex_unlock(&tasks_lock);
}

/* The lock that a look at processor time takes is held here, so such a timer goes on from the period that just ended; the service finds out
 * at once whether more have passed. */
void posix_timer_dequeued_locked(struct posix_timer *pt, siginfo_t *info)
{
	pt->overrun = 0;
	if (pt->armed && pt->interval) {
		int64_t now = pt->cpu.task ? pt->expiry : mono_now();

		pt->overrun = forward_locked(pt, now);
		start_locked(pt, now);
	}
	info->si_overrun = (int)MIN(pt->overrun, (int64_t)INT_MAX);
}

/* --- the calls --- */

static struct posix_timer *find_locked(struct task *t, int id) REQUIRES(tasks_lock)
{
	struct posix_timer *pt;

	if (!t->tg->timers)
		return NULL;
	LIST_FOREACH(pt, &t->tg->timers->posix, link)
		if (pt->id == id)
			return pt;
	return NULL;
}

static void free_timer(struct posix_timer *pt)
{
	timer_cancel(&pt->timer);
	if (pt->target)
		task_put(pt->target);
	if (pt->cpu.task)
		task_put(pt->cpu.task);
	free(pt);
}

/* Which clocks can have timers: timer_create(2). */
static int check_clock(struct task *t, int clock, struct cpu_clock *cpu)
{
	int64_t unused;

	if (clock_is_cpu(clock))
		return cpu_clock_decode(t, clock, cpu);
	if (clock_resolution(clock, &unused) < 0)
		return -EINVAL;
	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
	case CLOCK_TAI:
		return 0;
	case CLOCK_REALTIME_ALARM:
	case CLOCK_BOOTTIME_ALARM:
		return -EPERM; /* CAP_WAKE_ALARM, which no guest has */
	default:
		return -EOPNOTSUPP;
	}
}

static int check_target(struct task *t, const struct posix_timer_spec *spec, struct task **out)
{
	*out = NULL;
	if (spec->notify == SIGEV_NONE)
		return 0;
	if (spec->notify != SIGEV_SIGNAL && spec->notify != SIGEV_THREAD && spec->notify != SIGEV_THREAD_ID)
		return -EINVAL;
	if (spec->sig < 1 || spec->sig > SIGNAL_COUNT)
		return -EINVAL;
	if (spec->notify != SIGEV_THREAD_ID)
		return 0;
	*out = task_lookup(spec->tid);
	if (*out && (*out)->tg == t->tg)
		return 0;
	if (*out)
		task_put(*out);
	*out = NULL;
	return -EINVAL;
}

static void fill_entry(struct posix_timer *pt, const struct posix_timer_spec *spec)
{
	siginfo_t *info = &pt->entry.info;

	pt->entry.timer = pt;
	info->si_signo = spec->sig;
	info->si_code = SI_TIMER;
	info->si_timerid = pt->id;
	info->si_value.sival_ptr = (void *)(spec->value_is_id ? (uint64_t)pt->id : spec->value);
}

static int64_t publish(struct task *t, struct posix_timer *pt, const struct posix_timer_spec *spec)
{
	int64_t r = -EAGAIN;

	mutex_lock(&tasks_lock);
	struct timers *ts = timers_get_locked(t->tg);

	if (ts && ts->count < TIMERS_MAX && (uint64_t)ts->count < t->tg->rlimits[RLIMIT_SIGPENDING].rlim_cur) {
		do {
			pt->id = ts->next_id;
			ts->next_id = ts->next_id == INT_MAX ? 0 : ts->next_id + 1;
		} while (find_locked(t, pt->id));
		fill_entry(pt, spec);
		LIST_INSERT_HEAD(&ts->posix, pt, link);
		ts->count++;
		r = pt->id;
	}
	mutex_unlock(&tasks_lock);
	return r;
}

int64_t posix_timer_create(struct task *t, const struct posix_timer_spec *spec)
{
	struct posix_timer *pt = calloc(1, sizeof(*pt));
	int64_t r;

	if (!pt)
		return -EAGAIN;
	pt->tg = t->tg;
	pt->clock = spec->clock;
	pt->notify = spec->notify;
	timer_init(&pt->timer, posix_timer_fire, pt);
	r = check_clock(t, spec->clock, &pt->cpu);
	if (!r)
		r = check_target(t, spec, &pt->target);
	if (!r)
		r = publish(t, pt, spec);
	if (r < 0)
		free_timer(pt);
	return r;
}

static void value_locked(struct posix_timer *pt, int64_t now, struct interval_value *out) REQUIRES(tasks_lock)
{
	*out = (struct interval_value){ .interval = pt->interval };
	if (!pt->armed)
		return;
	out->value = pt->expiry - now;
	/* Expired, its signal not yet taken: what is left of the period that runs now. */
	if (out->value <= 0 && pt->interval && (pt->entry.queue || pt->notify == SIGEV_NONE))
		out->value = pt->interval - (-out->value % pt->interval);
	/* Due, but the service has not come to it yet: 0 would say disarmed. */
	if (out->value <= 0)
		out->value = pt->notify == SIGEV_NONE ? 0 : 1;
}

/* Finds the timer and its clock's time, for which the lock must be dropped in between: only the caller's threads delete timers, and
 * whoever does so while another thread uses the same timer gets what it asked for. */
static int look_up(struct task *t, int id, int64_t *now)
{
	struct cpu_clock cpu = { 0 };

	mutex_lock(&tasks_lock);
	struct posix_timer *pt = find_locked(t, id);

	if (pt && pt->cpu.task) {
		cpu = pt->cpu;
		task_get(cpu.task);
	}
	mutex_unlock(&tasks_lock);
	if (!pt)
		return -EINVAL;
	*now = cpu.task ? cpu_clock_value(cpu.kind, cpu.thread, cpu.task, t->tg) : mono_now();
	if (cpu.task)
		task_put(cpu.task);
	return 0;
}

int posix_timer_get(struct task *t, int id, struct interval_value *out)
{
	int64_t now;
	int r = look_up(t, id, &now);

	if (r < 0)
		return r;
	mutex_lock(&tasks_lock);
	struct posix_timer *pt = find_locked(t, id);

	if (pt)
		value_locked(pt, now, out);
	mutex_unlock(&tasks_lock);
	return pt ? 0 : -EINVAL;
}

int posix_timer_set(struct task *t, int id, bool absolute, const struct interval_value *new, struct interval_value *old)
{
	int64_t now;
	int r = look_up(t, id, &now);

	if (r < 0)
		return r;
	mutex_lock(&tasks_lock);
	struct posix_timer *pt = find_locked(t, id);

	if (!pt) {
		mutex_unlock(&tasks_lock);
		return -EINVAL;
	}
	value_locked(pt, now, old);
	if (pt->entry.queue)
		sigpending_unlink(&pt->entry);
	pt->armed = new->value != 0;
	pt->interval = new->interval;
	pt->overrun = 0;
	if (!absolute)
		pt->expiry = time_add(now, new->value);
	else if (pt->cpu.task)
		pt->expiry = new->value;
	else
		r = clock_to_mono(pt->clock, new->value, &pt->expiry);
	if (pt->armed && pt->notify != SIGEV_NONE)
		start_locked(pt, now);
	mutex_unlock(&tasks_lock);
	return r;
}

int64_t posix_timer_overrun(struct task *t, int id)
{
	mutex_lock(&tasks_lock);
	struct posix_timer *pt = find_locked(t, id);
	int64_t r = pt ? MIN(pt->overrun, (int64_t)INT_MAX) : -EINVAL;

	mutex_unlock(&tasks_lock);
	return r;
}

static void unlink_locked(struct posix_timer *pt) REQUIRES(tasks_lock)
{
	LIST_REMOVE(pt, link);
	pt->tg->timers->count--;
	pt->dead = true;
	if (pt->entry.queue)
		sigpending_unlink(&pt->entry);
}

int posix_timer_delete(struct task *t, int id)
{
	mutex_lock(&tasks_lock);
	struct posix_timer *pt = find_locked(t, id);

	if (pt)
		unlink_locked(pt);
	mutex_unlock(&tasks_lock);
	if (!pt)
		return -EINVAL;
	free_timer(pt);
	return 0;
}

void posix_timers_delete_all(struct thread_group *tg)
{
	for (;;) {
		struct posix_timer *pt = NULL;

		mutex_lock(&tasks_lock);
		if (tg->timers)
			pt = LIST_FIRST(&tg->timers->posix);
		if (pt)
			unlink_locked(pt);
		mutex_unlock(&tasks_lock);
		if (!pt)
			return;
		free_timer(pt);
	}
}
