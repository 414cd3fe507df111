/* SPDX-License-Identifier: Apache-2.0 */
/* Thread groups: the objects, and the resources that their tasks have used together. */
#include "kernel/task_internal.h"

#include <errno.h>
#include <linux/capability.h>
#include <pthread.h>
#include <stdlib.h>

struct thread_group *group_new(void)
{
	struct thread_group *tg = calloc(1, sizeof(*tg));

	if (!tg)
		return NULL;
	ref_init(&tg->ref);
	TAILQ_INIT(&tg->tasks);
	TAILQ_INIT(&tg->children);
	waitq_init(&tg->child_wait);
	waitq_init(&tg->exit_wait);
	waitq_init(&tg->group_wait);
	sigpending_init(&tg->shared_pending);
	tg->exit_signal = SIGCHLD;
	tg->dumpable = 1;
	tg->start_time = mono_now();
	return tg;
}

void group_get(struct thread_group *tg)
{
	ref_get(&tg->ref);
}

void group_put(struct thread_group *tg)
{
	if (ref_put(&tg->ref))
		free(tg);
}

struct thread_group *group_lookup(pid_t tgid)
{
	mutex_lock(&tasks_lock);
	struct thread_group *tg = group_find_locked(tgid);

	if (tg)
		group_get(tg);
	mutex_unlock(&tasks_lock);
	return tg;
}

bool group_is_zombie(struct thread_group *tg)
{
	mutex_lock(&tasks_lock);
	bool zombie = tg->state == GROUP_ZOMBIE;
	mutex_unlock(&tasks_lock);
	return zombie;
}

/* --- processor time and other resources --- */

/* The one place that makes host calls under the tasks lock: t->ctx and its threads exist only for as long as it is held. */
static void task_cputime_locked(struct task *t, int64_t *utime, int64_t *stime) REQUIRES(tasks_lock)
{
	struct timespec ts;

	*utime = t->utime_base;
	*stime = t->stime_base;
	if (!t->ctx)
		return;
	*utime += platform_cputime(t->ctx);
	if (!clock_gettime(t->sentry_clock, &ts))
		*stime += (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec - t->sentry_start;
}

void task_cputime(struct task *t, int64_t *utime, int64_t *stime)
{
	mutex_lock(&tasks_lock);
	task_cputime_locked(t, utime, stime);
	mutex_unlock(&tasks_lock);
}

void group_cputime(struct thread_group *tg, int64_t *utime, int64_t *stime)
{
	struct task *t;

	mutex_lock(&tasks_lock);
	*utime = tg->dead_tasks.utime_ns;
	*stime = tg->dead_tasks.stime_ns;
	TAILQ_FOREACH(t, &tg->tasks, tg_link) {
		int64_t u, s;

		task_cputime_locked(t, &u, &s);
		*utime += u;
		*stime += s;
	}
	mutex_unlock(&tasks_lock);
}

void usage_add(struct rusage_acc *sum, const struct rusage_acc *u)
{
	sum->utime_ns += u->utime_ns;
	sum->stime_ns += u->stime_ns;
	sum->min_flt += u->min_flt;
	sum->maj_flt += u->maj_flt;
	sum->nvcsw += u->nvcsw;
	sum->nivcsw += u->nivcsw;
	sum->maxrss = MAX(sum->maxrss, u->maxrss);
}

void task_usage_locked(struct task *t, struct rusage_acc *out)
{
	*out = (struct rusage_acc){
		.min_flt = (int64_t)t->min_flt,
		.maj_flt = (int64_t)t->maj_flt,
		.nvcsw = (int64_t)t->nvcsw,
		.nivcsw = (int64_t)t->nivcsw,
	};
	task_cputime_locked(t, &out->utime_ns, &out->stime_ns);
}

static struct mm *group_mm_locked(struct thread_group *tg) REQUIRES(tasks_lock)
{
	struct task *t;

	TAILQ_FOREACH(t, &tg->tasks, tg_link)
		if (t->mm) {
			mm_get(t->mm);
			return t->mm;
		}
	return NULL;
}

static void add_peak(struct rusage_acc *u, struct mm *mm)
{
	if (!mm)
		return;
	u->maxrss = MAX(u->maxrss, mm_rss_peak(mm));
	mm_put(mm);
}

void task_usage(struct task *t, struct rusage_acc *out)
{
	mutex_lock(&tasks_lock);
	task_usage_locked(t, out);
	out->maxrss = t->tg->dead_tasks.maxrss;
	struct mm *mm = group_mm_locked(t->tg);
	mutex_unlock(&tasks_lock);
	add_peak(out, mm);
}

void group_usage(struct thread_group *tg, struct rusage_acc *out)
{
	struct task *t;

	mutex_lock(&tasks_lock);
	*out = tg->dead_tasks;
	TAILQ_FOREACH(t, &tg->tasks, tg_link) {
		struct rusage_acc u;

		task_usage_locked(t, &u);
		usage_add(out, &u);
	}
	struct mm *mm = group_mm_locked(tg);
	mutex_unlock(&tasks_lock);
	add_peak(out, mm);
}

/* --- limits --- */

uint64_t task_rlimit(struct task *t, int resource)
{
	/* One word, changed rarely by prlimit: a stale value is as good as a call made a moment earlier. */
	return __atomic_load_n(&t->tg->rlimits[resource].rlim_cur, __ATOMIC_RELAXED);
}

bool task_may_have_nice_locked(const struct task *t, int nice)
{
	return 20 - nice <= (int64_t)MIN(t->tg->rlimits[RLIMIT_NICE].rlim_cur, 40);
}

int ioprio_check(const struct task *t, int prio)
{
	enum { CLASS_SHIFT = 13, LEVEL_MASK = 7, CLASS_NONE = 0, CLASS_RT = 1, CLASS_IDLE = 3 };
	int class = prio >> CLASS_SHIFT;

	if (class < CLASS_NONE || class > CLASS_IDLE || (class == CLASS_NONE && (prio & LEVEL_MASK)))
		return -EINVAL;
	if (class == CLASS_RT && !cred_capable(t->cred, CAP_SYS_ADMIN) && !cred_capable(t->cred, CAP_SYS_NICE))
		return -EPERM;
	return 0;
}

void rlimits_apply_locked(struct thread_group *tg, struct mm *mm)
{
	struct mm_limits *l = mm_limits(mm);

	atomic_store(&l->as, tg->rlimits[RLIMIT_AS].rlim_cur);
	atomic_store(&l->data, tg->rlimits[RLIMIT_DATA].rlim_cur);
	atomic_store(&l->stack, tg->rlimits[RLIMIT_STACK].rlim_cur);
	atomic_store(&l->memlock, tg->rlimits[RLIMIT_MEMLOCK].rlim_cur);
}
