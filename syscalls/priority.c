/* SPDX-License-Identifier: Apache-2.0 */
/* Nice values and input-output priorities: getpriority(2), setpriority(2), ioprio_set(2). Remembered, without effect on the host. */
#include "kernel/process.h"
#include "mm/guest.h"
#include "syscalls/syscalls.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/resource.h>

/* Calls fn for every task that (which, who) names; returns how many. Under the tasks lock. */
static int for_each_target_locked(struct task *t, int which, uint32_t who, void (*fn)(struct task *target, void *arg),
				  void *arg) REQUIRES(tasks_lock)
{
	struct thread_group *tg;
	struct task *m;
	int n = 0;

	if (which == PRIO_PROCESS) {
		m = who ? task_find_locked((pid_t)who) : t;
		if (!m)
			return 0;
		fn(m, arg);
		return 1;
	}
	struct pgroup *pg = who ? pgroup_find_locked((pid_t)who) : t->tg->pgroup;
	if (!pg)
		return 0;
	LIST_FOREACH(tg, &pg->members, pgroup_link)
		TAILQ_FOREACH(m, &tg->tasks, tg_link) {
			fn(m, arg);
			n++;
		}
	return n;
}

static int for_each_of_user(uint32_t uid, void (*fn)(struct task *target, void *arg), void *arg)
{
	int n = 0;

	mutex_lock(&tasks_lock);
	for (struct thread_group *tg = group_next_locked(0); tg; tg = group_next_locked(tg->tgid)) {
		struct task *m;

		TAILQ_FOREACH(m, &tg->tasks, tg_link)
			if (m->cred->uid == uid) {
				fn(m, arg);
				n++;
			}
	}
	mutex_unlock(&tasks_lock);
	return n;
}

static int for_each_target(struct task *t, int which, uint32_t who, void (*fn)(struct task *target, void *arg), void *arg)
{
	if (which == PRIO_USER)
		return for_each_of_user(who ? who : t->cred->uid, fn, arg);
	mutex_lock(&tasks_lock);
	int n = for_each_target_locked(t, which, who, fn, arg);
	mutex_unlock(&tasks_lock);
	return n;
}

static void lowest_nice(struct task *target, void *arg) REQUIRES(tasks_lock)
{
	int *nice = arg;

	*nice = MIN(*nice, target->nice);
}

/* The kernel's answer is 20 - nice, so that it is never negative; the C library undoes it. */
int64_t sys_getpriority(struct task *t, const uint64_t a[6])
{
	int which = (int)a[0], nice = 20;

	if (which < PRIO_PROCESS || which > PRIO_USER)
		return -EINVAL;
	if (!for_each_target(t, which, (uint32_t)a[1], lowest_nice, &nice))
		return -ESRCH;
	return 20 - nice;
}

struct renice {
	struct task *by;
	int nice, error;
};

static void set_nice(struct task *target, void *arg) REQUIRES(tasks_lock)
{
	struct renice *r = arg;
	const struct cred *c = r->by->cred, *o = target->cred;

	if (c->euid != o->euid && c->euid != o->uid && !cred_capable(c, CAP_SYS_NICE)) {
		r->error = -EPERM;
	} else if (r->nice < target->nice && !task_may_have_nice_locked(target, r->nice) && !cred_capable(c, CAP_SYS_NICE)) {
		r->error = -EACCES;
	} else {
		target->nice = r->nice;
		if (r->error == -ESRCH)
			r->error = 0;
	}
}

int64_t sys_setpriority(struct task *t, const uint64_t a[6])
{
	int which = (int)a[0];
	struct renice r = { .by = t, .nice = MAX(-20, MIN((int)a[2], 19)), .error = -ESRCH };

	if (which < PRIO_PROCESS || which > PRIO_USER)
		return -EINVAL;
	for_each_target(t, which, (uint32_t)a[1], set_nice, &r);
	return r.error;
}

/* --- input-output priorities: classes none 0, realtime 1, best effort 2, idle 3 --- */

static void set_ioprio(struct task *target, void *arg)
{
	target->ioprio = *(const int *)arg;
}

/* The smallest number among those set is the highest priority. */
static void best_ioprio(struct task *target, void *arg)
{
	int *best = arg;

	if (target->ioprio && (!*best || target->ioprio < *best))
		*best = target->ioprio;
}

int64_t sys_ioprio_set(struct task *t, const uint64_t a[6])
{
	int which = (int)a[0], prio = (int)a[2], err = ioprio_check(t, prio);

	if (err)
		return err;
	if (which < 1 || which > 3)
		return -EINVAL;
	return for_each_target(t, which - 1, (uint32_t)a[1], set_ioprio, &prio) ? 0 : -ESRCH;
}

int64_t sys_ioprio_get(struct task *t, const uint64_t a[6])
{
	int which = (int)a[0], prio = 0;

	if (which < 1 || which > 3)
		return -EINVAL;
	return for_each_target(t, which - 1, (uint32_t)a[1], best_ioprio, &prio) ? prio : -ESRCH;
}
