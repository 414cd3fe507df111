/* SPDX-License-Identifier: Apache-2.0 */
/* Guest clocks. They are the host's: guests read most of them through the host's vDSO without our knowledge, so a clock of our own would
 * contradict it. Processor time clocks count what the guest's threads and the sentry on their behalf have used.
 *
 * A change of the host's CLOCK_REALTIME does not move deadlines that were computed before it. See clock_gettime(2) and
 * clock_getcpuclockid(3) for the encoding of other processes' clocks.
 */
#include "kernel/timer.h"

#include "base/wait.h"
#include "kernel/process.h"
#include "kernel/timer_internal.h"

#include <errno.h>
#include <time.h>

enum { CPUCLOCK_PROF = 0, CPUCLOCK_VIRT = 1, CPUCLOCK_SCHED = 2, CPUCLOCK_THREAD = 4 };

/* A thread of the caller's process, or a process by the id of any of its threads' leader. With a reference to the task. */
static struct task *clock_task(struct task *t, pid_t id, bool thread)
{
	struct task *target;

	if (!id) {
		task_get(t);
		return t;
	}
	target = task_lookup(id);
	if (!target)
		return NULL;
	if (thread ? target->tg == t->tg : target->tid == target->tg->tgid)
		return target;
	task_put(target);
	return NULL;
}

int cpu_clock_decode(struct task *t, int clock, struct cpu_clock *out)
{
	bool thread = clock & CPUCLOCK_THREAD;
	pid_t id = ~(clock >> 3);

	if (clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID) {
		thread = clock == CLOCK_THREAD_CPUTIME_ID;
		clock = CPUCLOCK_SCHED;
		id = 0;
	} else if (clock >= 0 || (clock & 3) > CPUCLOCK_SCHED) {
		return -EINVAL;
	}
	struct task *target = clock_task(t, id, thread);

	if (!target)
		return -EINVAL;
	*out = (struct cpu_clock){ .kind = clock & 3, .thread = thread, .task = target };
	return 0;
}

int64_t cpu_clock_value(enum cpu_clock_kind kind, bool thread, struct task *t, struct thread_group *tg)
{
	int64_t user, system;

	if (thread)
		task_cputime(t, &user, &system);
	else
		group_cputime(tg, &user, &system);
	return kind == CPU_CLOCK_USER ? user : user + system;
}

bool clock_is_cpu(int clock)
{
	return clock < 0 || clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID;
}

static bool host_clock(int clock)
{
	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME:
	case CLOCK_REALTIME_ALARM:
	case CLOCK_BOOTTIME_ALARM:
	case CLOCK_TAI:
		return true;
	default:
		return false;
	}
}

/* The alarm clocks differ from their namesakes only in what they wake, and hosts without a clock chip lack them. */
static int plain_clock(int clock)
{
	return clock == CLOCK_REALTIME_ALARM ? CLOCK_REALTIME : clock == CLOCK_BOOTTIME_ALARM ? CLOCK_BOOTTIME : clock;
}

static int64_t host_now(int clock)
{
	struct timespec ts = { 0 };

	clock_gettime(plain_clock(clock), &ts);
	return (int64_t)ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

int clock_read(struct task *t, int clock, int64_t *ns)
{
	struct cpu_clock c;
	int r;

	if (!clock_is_cpu(clock)) {
		if (!host_clock(clock))
			return -EINVAL;
		*ns = host_now(clock);
		return 0;
	}
	r = cpu_clock_decode(t, clock, &c);
	if (r < 0)
		return r;
	*ns = cpu_clock_value(c.kind, c.thread, c.task, c.task->tg);
	task_put(c.task);
	return 0;
}

int clock_resolution(int clock, int64_t *ns)
{
	struct timespec ts;

	if (clock_is_cpu(clock)) {
		if (clock < 0 && (clock & 3) > CPUCLOCK_SCHED)
			return -EINVAL;
		/* Linux: the scheduler's clock counts nanoseconds, the other two ticks. We count nanoseconds in all. */
		*ns = 1;
		return 0;
	}
	if (!host_clock(clock))
		return -EINVAL;
	if (clock_getres(plain_clock(clock), &ts) < 0)
		return -errno;
	*ns = (int64_t)ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
	return 0;
}

int64_t time_add(int64_t a, int64_t b)
{
	int64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? NO_DEADLINE : sum;
}

int clock_to_mono(int clock, int64_t ns, int64_t *mono)
{
	if (clock_is_cpu(clock) || !host_clock(clock))
		return -EINVAL;
	if (ns == NO_DEADLINE || clock == CLOCK_MONOTONIC)
		*mono = ns;
	else
		*mono = time_add(ns - host_now(clock), mono_now());
	return 0;
}
