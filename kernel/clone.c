/* SPDX-License-Identifier: Apache-2.0 */
/* New tasks: clone(2), clone3(2), fork(2), vfork(2), and the first task of all.
 *
 * Stages of task_clone(): the flags are checked (in the order of Linux's copy_process, so that the same mistake wins);
 * the child is built in private, sharing or copying each part of the parent; under the tasks lock it gets a number and
 * its place in the tree, unless the parent has a signal to look at first: then the call starts again afterwards, so a signal
 * to a whole group never misses a child that is being made; it is started. A failure after it was published takes it out
 * again: nobody has seen it run. */
#include "base/log.h"
#include "kernel/ptrace_internal.h"
#include "kernel/seccomp.h"
#include "kernel/task_internal.h"
#include "kernel/timer.h"
#include "mm/guest.h"

#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMESPACE_FLAGS \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | \
	 CLONE_NEWTIME)

static int check_flags(struct task *t, const struct clone_params *p)
{
	uint64_t f = p->flags;

	if ((f & (CLONE_NEWNS | CLONE_FS)) == (CLONE_NEWNS | CLONE_FS))
		return -EINVAL;
	if ((f & (CLONE_NEWUSER | CLONE_FS)) == (CLONE_NEWUSER | CLONE_FS))
		return -EINVAL;
	if ((f & CLONE_THREAD) && !(f & CLONE_SIGHAND))
		return -EINVAL;
	if ((f & CLONE_SIGHAND) && !(f & CLONE_VM))
		return -EINVAL;
	if ((f & CLONE_SIGHAND) && (f & CLONE_CLEAR_SIGHAND))
		return -EINVAL;
	/* pid 1 has no parent to share, and a sibling of it would be outside its pid namespace. */
	if ((f & CLONE_PARENT) && t->tg->tgid == 1)
		return -EINVAL;
	if ((f & CLONE_THREAD) && (f & (CLONE_NEWUSER | CLONE_NEWPID)))
		return -EINVAL;
	/* No guest has the capability for any of these, nor may it make user namespaces: see docs/threat-model.md. */
	if (f & NAMESPACE_FLAGS)
		return -EPERM;
	if (p->chosen_tid)
		return -EPERM;
	return 0;
}

/* --- building --- */

static int copy_sighand(struct task *t, struct task *child, uint64_t flags)
{
	if (flags & CLONE_SIGHAND) {
		ref_get(&t->sighand->ref);
		child->sighand = t->sighand;
		return 0;
	}
	int r = sighand_copy(t->sighand, &child->sighand);
	if (!r && (flags & CLONE_CLEAR_SIGHAND))
		sighand_reset(child->sighand);
	return r;
}

static int copy_mm(struct task *t, struct task *child, uint64_t flags)
{
	if (!(flags & CLONE_VM))
		return mm_fork(t->mm, &child->mm);
	mm_user_get(t->mm);
	child->mm = t->mm;
	return 0;
}

static int copy_files(struct task *t, struct task *child, uint64_t flags)
{
	if (!(flags & CLONE_FILES))
		return kernel_hooks->files_copy(t->files, &child->files);
	child->files = kernel_hooks->files_get(t->files);
	return 0;
}

static int copy_fs(struct task *t, struct task *child, uint64_t flags)
{
	if (!(flags & CLONE_FS))
		return kernel_hooks->fs_copy(t->fs, &child->fs);
	child->fs = kernel_hooks->fs_get(t->fs);
	return 0;
}

static int copy_registers(struct task *t, struct task *child, const struct clone_params *p)
{
	size_t size = platform_xstate_size();
	struct task_start *s = task_start_new(platform_regs(t->ctx), size);

	if (!s)
		return -ENOMEM;
	child->start = s;
	s->regs.rax = 0;
	if (p->stack)
		s->regs.rsp = p->stack + p->stack_size;
	if (p->flags & CLONE_SETTLS)
		s->regs.fs_base = p->tls;
	return platform_xstate_get(t->ctx, s->xstate, size);
}

/* sched(7), "Resetting scheduling policy for child processes". */
static void reset_scheduling_locked(struct task *child) REQUIRES(tasks_lock)
{
	if (child->sched_policy == SCHED_FIFO || child->sched_policy == SCHED_RR) {
		child->sched_policy = SCHED_OTHER;
		child->sched_priority = 0;
		child->nice = 0;
	}
	child->nice = MAX(child->nice, 0);
}

/* What a child takes over by value. */
static void copy_attributes(struct task *t, struct task *child, const struct clone_params *p)
{
	mutex_lock(&tasks_lock);
	memcpy(child->comm, t->comm, sizeof(child->comm));
	child->sched_policy = t->sched_policy;
	child->sched_priority = t->sched_priority;
	child->nice = t->nice;
	child->ioprio = t->ioprio;
	child->affinity = t->affinity;
	if (t->sched_reset_on_fork)
		reset_scheduling_locked(child);
	mutex_unlock(&tasks_lock);
	cred_get(t->cred);
	child->cred = t->cred;
	child->blocked = t->blocked;
	/* sigaltstack(2): a child that shares memory but is no vfork child must not share the stack. */
	if ((p->flags & (CLONE_VM | CLONE_VFORK)) != CLONE_VM)
		child->altstack = t->altstack;
	child->keepcaps = t->keepcaps;
	child->personality = t->personality;
	child->timer_slack = t->timer_slack;
	/* Where it stops is not inherited, though the registers that say so are. */
	child->debug.status = t->debug.status;
	child->debug.control = t->debug.control;
	child->exit_signal = (int)p->exit_signal;
	if (p->flags & CLONE_CHILD_SETTID)
		child->set_child_tid = p->child_tid;
	if (p->flags & CLONE_CHILD_CLEARTID)
		child->clear_child_tid = p->child_tid;
}

/* Gives back what a child that never ran holds, and the child. */
static void discard(struct task *child)
{
	if (child->files)
		kernel_hooks->files_put(child->files);
	if (child->fs)
		kernel_hooks->fs_put(child->fs);
	if (child->mm)
		mm_user_put(child->mm);
	child->files = NULL;
	child->fs = NULL;
	child->mm = NULL;
	task_put(child);
	task_unreserve();
}

static struct thread_group *group_for_child(struct task *t, uint64_t flags)
{
	if (flags & CLONE_THREAD) {
		group_get(t->tg);
		return t->tg;
	}
	return group_new();
}

static int build_child(struct task *t, const struct clone_params *p, struct task **out)
{
	int r = -ENOMEM;

	if (!task_reserve(t))
		return -EAGAIN;
	struct thread_group *tg = group_for_child(t, p->flags);
	if (!tg)
		goto out_unreserve;
	struct task *child = task_new(tg);
	group_put(tg); /* the child has its own */
	if (!child)
		goto out_unreserve;
	copy_attributes(t, child, p);
	r = copy_sighand(t, child, p->flags);
	if (!r)
		r = copy_files(t, child, p->flags);
	if (!r)
		r = copy_fs(t, child, p->flags);
	if (!r)
		r = copy_registers(t, child, p);
	if (!r)
		r = copy_mm(t, child, p->flags);
	if (r < 0) {
		discard(child);
		return r;
	}
	*out = child;
	return 0;
out_unreserve:
	task_unreserve();
	return r;
}

/* --- publishing --- */

static void init_group_locked(struct task *t, struct task *child, const struct clone_params *p) REQUIRES(tasks_lock)
{
	struct thread_group *tg = child->tg, *self = t->tg;

	tg->tgid = child->tid;
	memcpy(tg->rlimits, self->rlimits, sizeof(tg->rlimits));
	tg->dumpable = self->dumpable;
	tg->oom_score_adj = self->oom_score_adj;
	if (p->flags & CLONE_PARENT) {
		tg->parent = self->parent;
		tg->parent_tid = self->parent_tid;
		tg->exit_signal = self->exit_signal;
	} else {
		tg->parent = self;
		tg->parent_tid = t->tid;
		tg->exit_signal = (int)p->exit_signal;
	}
	group_get(tg); /* the tree's */
	TAILQ_INSERT_TAIL(&tg->parent->children, tg, sibling);
	group_join_pgroup_locked(tg, self->pgroup);
	if (!(p->flags & CLONE_VM))
		rlimits_apply_locked(tg, child->mm);
}

static int publish(struct task *t, struct task *child, const struct clone_params *p, struct traced **tr)
{
	int r = 0;

	mutex_lock(&tasks_lock);
	if (t->exit_pending || atomic_load(&t->work)) {
		r = -ERESTARTNOINTR;
		goto out_unlock;
	}
	r = ids_alloc_locked();
	if (r < 0)
		goto out_unlock;
	child->tid = r;
	r = 0;
	if (!(p->flags & CLONE_THREAD))
		init_group_locked(t, child, p);
	seccomp_inherit_locked(child, t);
	task_publish_locked(child);
	if (p->flags & CLONE_VFORK) {
		task_get(t);
		child->vfork_parent = t;
		t->vfork_child = child;
	}
	if (*tr && t->ptrace) {
		trace_inherit_locked(t, child, *tr);
		*tr = NULL;
	}
out_unlock:
	mutex_unlock(&tasks_lock);
	return r;
}

/* The child was published and could not be started. */
static void unpublish(struct task *child)
{
	struct thread_group *tg = child->tg;

	vfork_release(child);
	mutex_lock(&tasks_lock);
	trace_unlink_locked(child);
	child->dead = true;
	TAILQ_REMOVE(&tg->tasks, child, tg_link);
	tg->task_count--;
	tg->live_count--;
	sigpending_flush(&child->pending);
	if (tg->leader == child) {
		tg->state = GROUP_ZOMBIE;
		sigpending_flush(&tg->shared_pending);
		group_reap_locked(tg);
	} else {
		ids_find_locked(child->tid)->task = NULL;
		ids_release_locked(child->tid);
	}
	mutex_unlock(&tasks_lock);
}

static bool vfork_done(struct task *t)
{
	return !t->vfork_child;
}

static void wait_for_vfork(struct task *t)
{
	struct task *child;

	if (!task_wait_killable(t, vfork_done))
		return;
	/* We are being killed; the child goes on alone. It is alive: it has not released us. */
	mutex_lock(&tasks_lock);
	child = t->vfork_child;
	if (child)
		child->vfork_parent = NULL;
	t->vfork_child = NULL;
	mutex_unlock(&tasks_lock);
	if (child)
		task_put(t);
}

static bool cpu_limited(struct thread_group *tg)
{
	return tg->rlimits[RLIMIT_CPU].rlim_cur != RLIM_INFINITY;
}

/* What is told and arranged between the child's publication and its start. */
static int announce_child(struct task *t, struct task *child, const struct clone_params *p)
{
	pid_t tid = child->tid;
	int r = 0;

	/* clone(2): an address that cannot be written is not an error. */
	if ((p->flags & CLONE_PARENT_SETTID) && guest_write(t->mm, p->parent_tid, &tid, sizeof(tid)) < 0)
		log_debug("clone: parent_tid cannot be written");
	if (!(p->flags & CLONE_THREAD) && cpu_limited(child->tg))
		timers_watch_cpu_limit(child->tg);
	if (p->make_pidfd)
		r = p->make_pidfd(child, p->arg);
	if (r >= 0) {
		r = task_start_running(child);
		if (r < 0)
			r = r == -ENOMEM ? -ENOMEM : -EAGAIN;
	}
	return r;
}

/* A child that is traced from its birth on: by an event that t's tracer asked for, or CLONE_PTRACE. */
static int new_tie(struct task *t, const struct clone_params *p, int *event, struct traced **out)
{
	mutex_lock(&tasks_lock);
	*event = trace_clone_event_locked(t, p->flags, p->exit_signal);
	bool wanted = *event || (t->ptrace && (p->flags & CLONE_PTRACE));
	mutex_unlock(&tasks_lock);
	*out = NULL;
	if (wanted)
		*out = calloc(1, sizeof(**out));
	return wanted && !*out ? -ENOMEM : 0;
}

int64_t task_clone(struct task *t, const struct clone_params *p)
{
	struct traced *tr = NULL;
	struct task *child;
	int r = check_flags(t, p), event;

	if (!r)
		r = build_child(t, p, &child);
	if (r < 0)
		return r;
	r = new_tie(t, p, &event, &tr);
	if (!r)
		r = publish(t, child, p, &tr);
	free(tr);
	if (r < 0) {
		discard(child);
		return r;
	}
	pid_t tid = child->tid;
	r = announce_child(t, child, p);
	if (r < 0) {
		if (!(p->flags & CLONE_THREAD))
			timers_group_exit(child->tg);
		unpublish(child);
		discard(child);
		return r;
	}
	if (event)
		trace_event(t, event, (uint64_t)tid);
	if (p->flags & CLONE_VFORK) {
		wait_for_vfork(t);
		if (trace_event_wanted(t, PTRACE_EVENT_VFORK_DONE))
			trace_event(t, PTRACE_EVENT_VFORK_DONE, (uint64_t)tid);
	}
	return tid;
}

/* --- the first task --- */

static int publish_init(struct task *t, const struct rlimit *limits)
{
	struct thread_group *tg = t->tg;
	struct session *s;
	struct pgroup *pg;

	mutex_lock(&tasks_lock);
	int r = ids_alloc_locked();
	if (r < 0)
		goto out_unlock;
	t->tid = tg->tgid = r;
	memcpy(tg->rlimits, limits, sizeof(tg->rlimits));
	rlimits_apply_locked(tg, t->mm);
	r = session_new_locked(t->tid, &s);
	if (r < 0)
		goto out_unlock;
	r = pgroup_new_locked(t->tid, s, &pg);
	session_put_locked(s);
	if (r < 0)
		goto out_unlock;
	group_join_pgroup_locked(tg, pg);
	pgroup_put_locked(pg);
	tg->has_execed = true;
	group_get(tg);
	init_group = tg;
	task_publish_locked(t);
out_unlock:
	mutex_unlock(&tasks_lock);
	return r;
}

int task_start_init(const struct task_init *init)
{
	struct thread_group *tg = group_new();
	struct task *t = tg ? task_new(tg) : NULL;
	int r = -ENOMEM;

	if (!t)
		return r; /* at start: the process ends, and what it holds with it */
	group_put(tg);
	if (!task_reserve(NULL))
		return -EAGAIN;
	t->mm = init->mm;
	t->files = init->files;
	t->fs = init->fs;
	t->cred = init->cred;
	t->no_new_privs = true;
	t->exit_signal = SIGCHLD;
	t->blocked = init->blocked;
	snprintf(t->comm, sizeof(t->comm), "%s", init->comm);
	t->start = task_start_new(&init->regs, 0);
	if (t->start)
		r = sighand_new(&t->sighand);
	if (!r)
		sighand_ignore(t->sighand, init->ignored);
	if (!r)
		r = publish_init(t, init->rlimits);
	if (r < 0)
		return r;
	if (cpu_limited(tg))
		timers_watch_cpu_limit(tg);
	return task_start_running(t);
}
