/* SPDX-License-Identifier: Apache-2.0 */
/* Limits and resource use: getrlimit(2), prlimit(2), getrusage(2), times(2). */
#include "kernel/process.h"
#include "kernel/timer.h"
#include "mm/guest.h"
#include "syscalls/syscalls.h"
#include "syscalls/usage.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/times.h>

enum { NR_OPEN_MAX = 1048576, NSEC_PER_TICK = 10000000 };

static struct timeval to_timeval(int64_t ns)
{
	return (struct timeval){ .tv_sec = ns / 1000000000, .tv_usec = ns % 1000000000 / 1000 };
}

int usage_write(struct task *t, uint64_t addr, const struct rusage_acc *u)
{
	struct rusage ru = {
		.ru_utime = to_timeval(u->utime_ns),
		.ru_stime = to_timeval(u->stime_ns),
		.ru_maxrss = (long)(u->maxrss >> 10),
		.ru_minflt = u->min_flt,
		.ru_majflt = u->maj_flt,
		.ru_nvcsw = u->nvcsw,
		.ru_nivcsw = u->nivcsw,
	};

	return guest_write(t->mm, addr, &ru, sizeof(ru));
}

static struct rusage_acc children_usage(struct thread_group *tg)
{
	mutex_lock(&tasks_lock);
	struct rusage_acc u = tg->dead_children;
	mutex_unlock(&tasks_lock);
	return u;
}

int64_t sys_getrusage(struct task *t, const uint64_t a[6])
{
	struct rusage_acc u;

	switch ((int)a[0]) {
	case RUSAGE_SELF:
		group_usage(t->tg, &u);
		break;
	case RUSAGE_CHILDREN:
		u = children_usage(t->tg);
		break;
	case RUSAGE_THREAD:
		task_usage(t, &u);
		break;
	default:
		return -EINVAL;
	}
	return usage_write(t, a[1], &u);
}

int64_t sys_times(struct task *t, const uint64_t a[6])
{
	if (a[0]) {
		struct rusage_acc children = children_usage(t->tg);
		int64_t utime, stime;

		group_cputime(t->tg, &utime, &stime);
		struct tms tms = {
			.tms_utime = utime / NSEC_PER_TICK,
			.tms_stime = stime / NSEC_PER_TICK,
			.tms_cutime = children.utime_ns / NSEC_PER_TICK,
			.tms_cstime = children.stime_ns / NSEC_PER_TICK,
		};
		int r = guest_write(t->mm, a[0], &tms, sizeof(tms));
		if (r < 0)
			return r;
	}
	return mono_now() / NSEC_PER_TICK;
}

/* --- limits --- */

static int check_new_limit(struct task *t, int resource, const struct rlimit *old, const struct rlimit *new)
{
	if (new->rlim_cur > new->rlim_max)
		return -EINVAL;
	if (resource == RLIMIT_NOFILE && new->rlim_max > NR_OPEN_MAX)
		return -EPERM;
	if (new->rlim_max > old->rlim_max && !cred_capable(t->cred, CAP_SYS_RESOURCE))
		return -EPERM;
	return 0;
}

/* Limits that the mm enforces are kept there too. */
static void apply_to_mm_locked(struct thread_group *tg) REQUIRES(tasks_lock)
{
	struct task *member = TAILQ_FIRST(&tg->tasks);

	if (member && member->mm)
		rlimits_apply_locked(tg, member->mm);
}

static int change_limit(struct task *t, struct thread_group *tg, int resource, const struct rlimit *new,
			struct rlimit *old)
{
	int r = 0;

	mutex_lock(&tasks_lock);
	*old = tg->rlimits[resource];
	if (new) {
		r = check_new_limit(t, resource, old, new);
		if (!r) {
			tg->rlimits[resource].rlim_max = new->rlim_max;
			/* task_rlimit() reads it without the lock. */
			__atomic_store_n(&tg->rlimits[resource].rlim_cur, new->rlim_cur, __ATOMIC_RELAXED);
			apply_to_mm_locked(tg);
		}
	}
	mutex_unlock(&tasks_lock);
	if (!r && new && resource == RLIMIT_CPU && new->rlim_cur != RLIM_INFINITY)
		timers_watch_cpu_limit(tg);
	return r;
}

/* prlimit(2): real ids against all of the target's. */
static bool may_limit(struct task *t, struct task *target)
{
	if (t->tg == target->tg)
		return true;
	struct cred *o = task_get_cred(target);
	const struct cred *c = t->cred;
	bool ok = (c->uid == o->euid && c->uid == o->suid && c->uid == o->uid && c->gid == o->egid && c->gid == o->sgid &&
		   c->gid == o->gid) ||
		  cred_capable(c, CAP_SYS_RESOURCE);

	cred_put(o);
	return ok;
}

int64_t sys_prlimit64(struct task *t, const uint64_t a[6])
{
	pid_t pid = (pid_t)a[0];
	unsigned resource = (unsigned)a[1];
	struct rlimit new, old;
	int r = 0;

	if (a[2])
		r = guest_read(t->mm, &new, a[2], sizeof(new));
	if (r < 0)
		return r;
	struct task *target = task_lookup(pid ? pid : t->tid);
	if (!target)
		return -ESRCH;
	if (!may_limit(t, target))
		r = -EPERM;
	else if (resource >= RLIM_NLIMITS)
		r = -EINVAL;
	else
		r = change_limit(t, target->tg, (int)resource, a[2] ? &new : NULL, &old);
	task_put(target);
	if (!r && a[3])
		r = guest_write(t->mm, a[3], &old, sizeof(old));
	return r;
}

int64_t sys_getrlimit(struct task *t, const uint64_t a[6])
{
	unsigned resource = (unsigned)a[0];
	struct rlimit old;

	if (resource >= RLIM_NLIMITS)
		return -EINVAL;
	int r = change_limit(t, t->tg, (int)resource, NULL, &old);
	return r ? r : guest_write(t->mm, a[1], &old, sizeof(old));
}

int64_t sys_setrlimit(struct task *t, const uint64_t a[6])
{
	unsigned resource = (unsigned)a[0];
	struct rlimit new, old;
	int r = guest_read(t->mm, &new, a[1], sizeof(new));

	if (r < 0)
		return r;
	if (resource >= RLIM_NLIMITS)
		return -EINVAL;
	return change_limit(t, t->tg, (int)resource, &new, &old);
}
