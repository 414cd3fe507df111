/* SPDX-License-Identifier: Apache-2.0 */
/* The second half of execve(2): one process, a new program.
 *
 * Stages: everything that can fail for want of memory is made; the caller's siblings are told to end and waited for
 * (after that there is no way back: a failure kills); the caller takes the leader's place and number; what POSIX resets is
 * reset; the mm is exchanged. The task still runs in a context of the old mm. Its run loop sees `moving` when the call
 * returns, and starts it anew in a context of the new one. */
#include "kernel/futex.h"
#include "kernel/ptrace_internal.h"
#include "kernel/task_internal.h"
#include "kernel/timer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>

static bool alone(struct task *t)
{
	return t->tg->task_count == 1;
}

/* Ends every other task of the group. -EINTR or -EAGAIN: t itself is being killed, or another task's execve won. */
static int kill_siblings(struct task *t)
{
	struct thread_group *tg = t->tg;
	struct task *other;

	mutex_lock(&tasks_lock);
	if (t->exit_pending || tg->execing) {
		mutex_unlock(&tasks_lock);
		return -EAGAIN;
	}
	tg->execing = t;
	TAILQ_FOREACH(other, &tg->tasks, tg_link) {
		if (other == t)
			continue;
		other->exit_pending = true;
		other->exit_code = 0;
		task_kick_locked(other);
	}
	mutex_unlock(&tasks_lock);
	int r = task_wait_killable(t, alone);
	mutex_lock(&tasks_lock);
	tg->execing = NULL;
	mutex_unlock(&tasks_lock);
	return r;
}

/* The process keeps its number whichever of its tasks called. Returns the old leader's reference to be dropped, or NULL. */
static struct task *become_leader_locked(struct task *t) REQUIRES(tasks_lock)
{
	struct thread_group *tg = t->tg;
	struct task *old = tg->leader;
	pid_t tid = t->tid;

	if (old == t)
		return NULL;
	/* A tracer of the old leader hears no more of it: its number is another task's. */
	trace_unlink_locked(old);
	task_get(t);
	tg->leader = t;
	t->start_time = old->start_time;
	t->tid = tg->tgid;
	ids_find_locked(tg->tgid)->task = t;
	ids_find_locked(tid)->task = NULL;
	ids_release_locked(tid);
	return old;
}

static void reset_group_locked(struct task *t) REQUIRES(tasks_lock)
{
	struct thread_group *tg = t->tg;
	struct thread_group *c;

	tg->has_execed = true;
	tg->exit_signal = SIGCHLD;
	tg->dumpable = 1;
	t->exit_signal = SIGCHLD;
	TAILQ_FOREACH(c, &tg->children, sibling)
		c->parent_tid = t->tid;
}

static void reset_task(struct task *t)
{
	t->clear_child_tid = 0;
	t->set_child_tid = 0;
	t->robust_list = t->robust_list_len = 0;
	t->keepcaps = false;
	t->personality &= ~(uint64_t)READ_IMPLIES_EXEC;
	debug_registers_init(&t->debug);
	t->restart.fn = NULL;
	t->in_syscall = false;
}

/* execve(2) undoes CLONE_SIGHAND. */
static int own_sighand(struct task *t)
{
	struct sighand *copy, *old = t->sighand;

	if (ref_count(&old->ref) == 1)
		return 0;
	int r = sighand_copy(old, &copy);
	if (r)
		return r;
	mutex_lock(&tasks_lock);
	t->sighand = copy;
	mutex_unlock(&tasks_lock);
	sighand_put(old);
	return 0;
}

int task_exec(struct task *t, struct mm *mm, const struct user_regs_struct *regs, const char *comm)
{
	struct thread_group *tg = t->tg;
	struct task_start *start = task_start_new(regs, 0);
	struct cred *cred = cred_exec(t->cred, t->no_new_privs);
	uint64_t peak;
	int r = -ENOMEM;

	if (!start || !cred)
		goto out_free;
	r = kill_siblings(t);
	if (r < 0)
		goto out_free;
	r = own_sighand(t);
	if (r < 0) {
		group_kill(tg, SIGKILL); /* the siblings are gone: the old program cannot go on */
		goto out_free;
	}
	futex_task_release(t);
	atomic_store(&t->futexes_released, false); /* the task goes on */
	peak = task_mm_peak(t);

	mutex_lock(&tasks_lock);
	pid_t old_tid = t->tid;
	struct task *old_leader = become_leader_locked(t);
	bool traced = t->ptrace;
	reset_group_locked(t);
	signal_exec_locked(t);
	memset(t->comm, 0, sizeof(t->comm));
	strncpy(t->comm, comm, sizeof(t->comm) - 1);
	tg->dead_tasks.maxrss = MAX(tg->dead_tasks.maxrss, peak);
	t->mm = mm; /* the run loop still has the old one */
	rlimits_apply_locked(tg, mm);
	mutex_unlock(&tasks_lock);

	if (old_leader)
		task_put(old_leader);
	reset_task(t);
	task_set_cred(t, cred);
	timers_group_exec(tg);
	t->start = start;
	t->moving = true;
	vfork_release(t);
	if (traced)
		trace_exec(t, old_tid);
	return 0;
out_free:
	free(start);
	if (cred)
		cred_put(cred);
	mm_user_put(mm);
	return r;
}
