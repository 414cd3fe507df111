/* SPDX-License-Identifier: Apache-2.0 */
/* ptrace(2): who traces whom. See ptrace(2); its text is the specification, Linux's behaviour the rest of it.
 *
 * Theory of operation. A guest's tracer never touches the host's ptrace: only a task's own sentry thread can. So a tracee does its
 * stops itself. It comes to one on the path that every task takes back to its guest (run.c: task_work, for signals, group stops,
 * interrupts, the end of a call), at the entry of a call, or in the middle of one (clone, vfork), and then:
 *
 *   1. it takes a snapshot of its registers into a struct trace_stop on its stack;
 *   2. publishes that, tells its tracer (SIGCHLD, the tracer's wait queue), and sleeps;
 *   3. requests of the tracer are answered by the tracer's own thread from the snapshot, under the tasks lock, or from
 *      the tracee's mm; what needs the stub (the extended state) is an errand for which the tracee wakes and goes back to sleep;
 *   4. the tracer resumes it, or goes away, or the tracee is killed: it takes the stop back, writes changed registers
 *      to its context, and goes on in the mode that was asked for.
 *
 * Nothing of this costs a task that is not traced anything. Signals, stops and ends of calls are looked at in task_work(), which runs
 * only when t->work is set. The entry of a call is seen by exchanging the function that a task calls for it (t->syscall). Steps
 * are the trap flag, set when the task goes back to its guest.
 *
 * Pieces: ptrace.c ties and ends; ptrace_stop.c the tracee's half; ptrace_request.c the tracer's; ptrace_regs.c registers;
 * ptrace_wait.c waiting; syscalls/ptrace.c decodes.
 *
 * Invariants. t->ptrace and t->ptrace_stop change under the tasks lock. t->ptrace_stop is set exactly while t sleeps in a stop, or
 * does an errand; only t's own thread sets and clears it. A tracer that ends cuts its ties before it is dead, so tr->tracer is never
 * stale. A thread that ends while it is traced keeps its number, and its tracer's tie a reference to it, until the tracer has waited
 * for it or is gone; a whole process that ends is first its tracer's to wait for, then its parent's.
 *
 * Locks. Everything is under tasks_lock. Errands run without it: the tracer's buffer stays, because it waits for `done`,
 * which comes for certain: the tracee is in a stop, and every way out of one finishes the errand. */
#include "kernel/ptrace_internal.h"
#include "kernel/signal_internal.h"
#include "kernel/task_internal.h"

#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <stdlib.h>

/* --- ties --- */

static void link_locked(struct traced *tr, struct task *tracer, struct task *tracee) REQUIRES(tasks_lock)
{
	tr->tracer = tracer;
	tr->tracee = tracee;
	LIST_INSERT_HEAD(&tracer->tracees, tr, link);
	tracee->ptrace = tr;
}

void trace_unlink_locked(struct task *t)
{
	struct traced *tr = t->ptrace;

	mutex_assert_held(&tasks_lock);
	if (!tr)
		return;
	LIST_REMOVE(tr, link);
	t->ptrace = NULL;
	free(tr);
	/* A group stop that t had only shown to its tracer is its own again. */
	t->stop_shown = false;
	if (t->ptrace_stop)
		t->ptrace_stop->resumed = true;
	if (!t->dead)
		task_kick_locked(t);
}

pid_t trace_tracer_locked(const struct task *t)
{
	return t->ptrace ? t->ptrace->tracer->tg->tgid : 0;
}

struct task *trace_stopped_locked(struct task *t, pid_t tid)
{
	struct task *target = task_find_locked(tid);

	mutex_assert_held(&tasks_lock);
	if (!target || !target->ptrace || target->ptrace->tracer != t || !target->ptrace_stop)
		return NULL;
	/* Resumed and not yet awake is running; and one that is being killed will not wait for a request. */
	if (target->ptrace_stop->resumed || target->ptrace->listening)
		return NULL;
	return target;
}

/* --- making them --- */

/* The thread that made t's process, or one that has taken its place. */
static struct task *parent_task_locked(struct task *t) REQUIRES(tasks_lock)
{
	struct thread_group *parent = t->tg->parent;
	struct task *maker;

	if (!parent)
		return NULL;
	maker = task_find_locked(t->tg->parent_tid);
	if (maker && maker->tg == parent && !maker->dead)
		return maker;
	return TAILQ_FIRST(&parent->tasks);
}

int trace_me(struct task *t)
{
	struct traced *tr = calloc(1, sizeof(*tr));
	int r = -EPERM;

	if (!tr)
		return -ENOMEM;
	mutex_lock(&tasks_lock);
	struct task *parent = parent_task_locked(t);

	if (!t->ptrace && parent) {
		link_locked(tr, parent, t);
		tr = NULL;
		r = 0;
	}
	mutex_unlock(&tasks_lock);
	free(tr);
	return r;
}

/* Linux announces itself with a SIGSTOP, and has a task that sits in a group stop show it at once. */
static void announce_attach_locked(struct task *t, struct task *target) REQUIRES(tasks_lock)
{
	siginfo_t info = signal_info(SIGSTOP, SI_KERNEL, NULL);

	(void)t;
	target->stop_shown = false;
	if (!target->ptrace->seized)
		(void)!signal_send_task_locked(target, &info);
	task_kick_locked(target);
}

int trace_attach(struct task *t, pid_t tid, bool seize, unsigned options)
{
	struct task *target = task_lookup(tid);
	struct traced *tr;
	int r = -EPERM;

	if (!target)
		return -ESRCH;
	tr = calloc(1, sizeof(*tr));
	if (!tr) {
		r = -ENOMEM;
		goto out_put;
	}
	if (target->tg == t->tg || !target->cred || !task_may_access(t, target))
		goto out_free;
	mutex_lock(&tasks_lock);
	if (!target->dead && !target->ptrace && !t->exit_pending) {
		tr->seized = seize;
		tr->options = options;
		link_locked(tr, t, target);
		tr = NULL;
		announce_attach_locked(t, target);
		r = 0;
	}
	mutex_unlock(&tasks_lock);
out_free:
	free(tr);
out_put:
	task_put(target);
	return r;
}

void trace_inherit_locked(struct task *t, struct task *child, struct traced *tr)
{
	siginfo_t stop = signal_info(SIGSTOP, SI_USER, NULL);

	tr->seized = t->ptrace->seized;
	tr->options = t->ptrace->options;
	link_locked(tr, t->ptrace->tracer, child);
	if (tr->seized)
		tr->trap = true;
	else
		(void)!signal_send_task_locked(child, &stop);
	atomic_store(&child->work, true);
}

int trace_interrupt(struct task *t, pid_t tid)
{
	int r = -ESRCH;

	mutex_lock(&tasks_lock);
	struct task *target = task_find_locked(tid);
	struct traced *tr = target ? target->ptrace : NULL;

	if (!tr || tr->tracer != t || target->dead)
		goto out_unlock;
	r = -EIO;
	if (!tr->seized)
		goto out_unlock;
	tr->trap = true;
	trace_wake_locked(target);
	task_kick_locked(target);
	r = 0;
out_unlock:
	mutex_unlock(&tasks_lock);
	return r;
}

/* --- ends --- */

bool trace_by_parent_locked(const struct thread_group *tg)
{
	const struct traced *tr = tg->leader ? tg->leader->ptrace : NULL;

	return tr && tg->parent && tr->tracer->tg == tg->parent;
}

bool trace_hides_end_locked(const struct thread_group *tg)
{
	return tg->leader && tg->leader->ptrace && !trace_by_parent_locked(tg);
}

static void tell_end_locked(struct traced *tr, int status) REQUIRES(tasks_lock)
{
	signal_child_changed_locked(tr->tracer->tg, tr->tracee, wait_status_code(status), wait_status_value(status));
}

void trace_tell_end_locked(struct thread_group *tg)
{
	tell_end_locked(tg->leader->ptrace, tg->exit_status);
}

bool trace_becomes_zombie_locked(struct task *t)
{
	struct traced *tr = t->ptrace;

	if (!tr)
		return false;
	task_get(t);
	tr->zombie = true;
	tr->exit_status = t->tg->state >= GROUP_EXITING ? t->tg->exit_status : t->exit_code;
	tell_end_locked(tr, tr->exit_status);
	return true;
}

void trace_zombie_reap_locked(struct traced *tr)
{
	struct task *t = tr->tracee;
	struct pid_slot *s = ids_find_locked(t->tid);

	mutex_assert_held(&tasks_lock);
	trace_unlink_locked(t);
	if (s && s->task == t) {
		s->task = NULL;
		ids_release_locked(t->tid);
	}
	task_put(t);
}

void trace_tracer_exit_locked(struct task *t)
{
	struct traced *tr;

	mutex_assert_held(&tasks_lock);
	while ((tr = LIST_FIRST(&t->tracees))) {
		struct task *tracee = tr->tracee;
		struct thread_group *tg = tracee->tg;
		bool hidden = tracee == tg->leader && tg->state == GROUP_ZOMBIE && trace_hides_end_locked(tg);

		if (tr->options & PTRACE_O_EXITKILL)
			group_kill_locked(tg, SIGKILL);
		if (tr->zombie) {
			trace_zombie_reap_locked(tr);
			continue;
		}
		trace_unlink_locked(tracee);
		if (hidden)
			group_tell_parent_locked(tg);
	}
}
