/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a task; see exit(2), exit_group(2), pid_namespaces(7).
 *
 * Theory of operation. Ending is always asked for, never done, by setting exit_pending under the tasks lock: by the task
 * itself (exit), by its group (exit_group, a fatal signal, an execve of a sibling), or from outside. The task sees it in
 * task_work() and unwinds to task_finish() on its own sentry thread, in these stages:
 *   0. a tracer that asked for it sees the task once more;
 *   1. what must still be told to guest memory: robust futexes, clear_child_tid;
 *   2. memory, descriptors and working directory are given back; a parent in vfork goes on;
 *   3. the group's last task runs the group's own ending, without a lock, while no other task of it is left that could
 *      see it half done: timers, locks, terminal (hook group_exited);
 *   4. under the tasks lock the task leaves its group, and the last one makes the group a zombie (reap.c).
 *
 * The end of pid 1 ends the sandbox, as it ends a pid namespace: every other task is killed, and when all are gone the hook
 * init_exited is called. Should one not go (the host has hung it in a call), the hook is called after five seconds all the
 * same: the end of the sentry kills what is left. */
#include "kernel/sysv.h"
#include "kernel/futex.h"
#include "kernel/ptrace_internal.h"
#include "kernel/task_internal.h"
#include "kernel/timer.h"

#include <poll.h>

#define INIT_EXIT_PATIENCE_NS 5000000000

static struct rusage_acc total; /* (T) */

void kernel_usage(struct rusage_acc *out)
{
	mutex_lock(&tasks_lock);
	*out = total;
	mutex_unlock(&tasks_lock);
}

/* --- asking --- */

void task_exit(struct task *t, int status)
{
	mutex_lock(&tasks_lock);
	t->exit_pending = true;
	t->exit_code = status;
	atomic_store(&t->work, true);
	mutex_unlock(&tasks_lock);
}

void group_kill_locked(struct thread_group *tg, int status)
{
	struct task *t;

	mutex_assert_held(&tasks_lock);
	if (status == SIGKILL) {
		tg->killed = true;
		TAILQ_FOREACH(t, &tg->tasks, tg_link)
			trace_wake_locked(t);
	}
	if (tg->state == GROUP_EXITING || tg->state == GROUP_ZOMBIE)
		return;
	tg->state = GROUP_EXITING;
	tg->exit_status = status;
	tg->wait_stopped = tg->wait_continued = false;
	TAILQ_FOREACH(t, &tg->tasks, tg_link) {
		t->exit_pending = true;
		task_kick_locked(t);
	}
}

void group_kill(struct thread_group *tg, int status)
{
	mutex_lock(&tasks_lock);
	group_kill_locked(tg, status);
	mutex_unlock(&tasks_lock);
}

void group_exit(struct task *t, int status)
{
	group_kill(t->tg, status);
}

void kernel_kill_all(void)
{
	mutex_lock(&tasks_lock);
	for (struct thread_group *tg = group_next_locked(0); tg; tg = group_next_locked(tg->tgid))
		group_kill_locked(tg, SIGKILL);
	mutex_unlock(&tasks_lock);
}

/* --- doing --- */

void vfork_release(struct task *t)
{
	mutex_lock(&tasks_lock);
	struct task *parent = t->vfork_parent;

	t->vfork_parent = NULL;
	if (parent) {
		parent->vfork_child = NULL;
		sleeper_wake(&parent->sleeper);
	}
	mutex_unlock(&tasks_lock);
	if (parent)
		task_put(parent);
}

/* A process whose tasks all end by exit(2) has the status of the one that did so last, as in Linux since 5.19; before, it
 * was the leader's. */
static void announce_end_locked(struct task *t) REQUIRES(tasks_lock)
{
	struct thread_group *tg = t->tg;

	t->ends_group = !--tg->live_count;
	if (!t->ends_group || tg->state == GROUP_EXITING)
		return;
	tg->state = GROUP_EXITING;
	tg->exit_status = t->exit_code;
}

uint64_t task_mm_peak(struct task *t)
{
	bool borrowed;

	mutex_lock(&tasks_lock);
	borrowed = t->vfork_parent;
	mutex_unlock(&tasks_lock);
	return borrowed ? 0 : mm_rss_peak(t->mm);
}

/* Stage 2. */
static void give_back_resources(struct task *t)
{
	uint64_t peak = t->ends_group ? task_mm_peak(t) : 0;

	mutex_lock(&tasks_lock);
	struct mm *mm = t->mm;
	struct fdtable *files = t->files;
	struct fs_context *fs = t->fs;
	struct rusage_acc *u = &t->tg->dead_tasks;

	t->mm = NULL;
	t->files = NULL;
	t->fs = NULL;
	u->maxrss = MAX(u->maxrss, peak);
	mutex_unlock(&tasks_lock);
	vfork_release(t);
	kernel_hooks->files_put(files);
	kernel_hooks->fs_put(fs);
	mm_user_put(mm);
}

/* Stage 3. The lock is dropped in between; nobody else can join or leave the group meanwhile. */
static void last_task_locked(struct thread_group *tg) REQUIRES(tasks_lock)
{
	mutex_unlock(&tasks_lock);
	timers_group_exit(tg);
	sem_group_exited(tg);
	kernel_hooks->group_exited(tg);
	mutex_lock(&tasks_lock);
}

static void account_locked(struct task *t, int64_t utime, int64_t stime) REQUIRES(tasks_lock)
{
	struct rusage_acc u = {
		.utime_ns = t->utime_base + utime,
		.stime_ns = t->stime_base + stime - t->sentry_start,
		.min_flt = (int64_t)t->min_flt,
		.maj_flt = (int64_t)t->maj_flt,
		.nvcsw = (int64_t)t->nvcsw,
		.nivcsw = (int64_t)t->nivcsw,
		.maxrss = t->tg->dead_tasks.maxrss,
	};

	usage_add(&t->tg->dead_tasks, &u);
	usage_add(&total, &u);
	t->utime_base = u.utime_ns;
	t->stime_base = u.stime_ns;
}

/* Takes t out of its group and off its number. */
static void leave_group_locked(struct task *t) REQUIRES(tasks_lock)
{
	struct thread_group *tg = t->tg;

	t->ctx = NULL;
	trace_tracer_exit_locked(t);
	t->dead = true;
	TAILQ_REMOVE(&tg->tasks, t, tg_link);
	tg->task_count--;
	sigpending_flush(&t->pending);
	/* A dead leader keeps its number for the group, unless execve has given it to somebody else already. */
	struct pid_slot *s = ids_find_locked(t->tid);
	if (s && s->task == t && tg->leader != t && !trace_becomes_zombie_locked(t)) {
		s->task = NULL;
		ids_release_locked(t->tid);
	}
	if (!tg->task_count) {
		sigpending_flush(&tg->shared_pending);
		group_zombie_locked(tg);
		return;
	}
	children_change_creator_locked(t);
	signal_task_exit_locked(t);
	if (tg->execing)
		sleeper_wake(&tg->execing->sleeper);
}

static void end_of_init(int status)
{
	kernel_kill_all();
	kernel_wait_functions(1, mono_now() + INIT_EXIT_PATIENCE_NS);
	kernel_hooks->init_exited(status);
}

/* Its tracer may look at it once more, while there is something to look at. */
static void last_stop(struct task *t)
{
	mutex_lock(&tasks_lock);
	bool wanted = t->ptrace && (t->ptrace->options & PTRACE_O_TRACEEXIT);
	int status = t->tg->state >= GROUP_EXITING ? t->tg->exit_status : t->exit_code;
	mutex_unlock(&tasks_lock);
	if (wanted)
		trace_last_stop(t, status);
}

void task_finish(struct task *t, struct platform_ctx *ctx)
{
	struct thread_group *tg = t->tg;
	struct timespec ts = { 0 };

	last_stop(t);
	/* Before anybody can learn from guest memory that t has ended, and end after it. */
	mutex_lock(&tasks_lock);
	announce_end_locked(t);
	mutex_unlock(&tasks_lock);
	futex_task_release(t);
	give_back_resources(t);
	int64_t utime = t->ctx ? platform_cputime(ctx) : 0;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	int64_t stime = t->ctx ? (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec : t->sentry_start;

	mutex_lock(&tasks_lock);
	bool last = tg->task_count == 1, init = last && tg == init_group;
	if (last)
		last_task_locked(tg);
	account_locked(t, utime, stime);
	leave_group_locked(t);
	int status = tg->exit_status;
	mutex_unlock(&tasks_lock);

	if (init)
		end_of_init(status);
	task_set_self(NULL);
	task_unreserve();
	task_put(t);
}
