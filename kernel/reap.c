/* SPDX-License-Identifier: Apache-2.0 */
/* From the last task's end to the group's disappearance: orphans, the parent's news, zombies. See exit(3), wait(2),
 * prctl(2) PR_SET_CHILD_SUBREAPER and PR_SET_PDEATHSIG, credentials(7) on orphaned process groups. */
#include "kernel/ptrace_internal.h"
#include "kernel/task_internal.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

static const uint64_t guest_sig_ign = 1;

/* Kernel-internal ids start to matter only to their owner: SIGCHLD tells times in clock ticks of 10 ms. */
static clock_t ticks(int64_t ns)
{
	return ns / 10000000;
}

/* Tells tg's parent that it is a zombie. True when the parent does not want zombies and it must be reaped at once. */
static bool notify_parent_locked(struct thread_group *tg) REQUIRES(tasks_lock)
{
	struct thread_group *parent = tg->parent;
	int sig = tg->exit_signal;
	bool autoreap = false;

	if (sig == SIGCHLD) {
		const struct sigaction_guest *sa = &parent->leader->sighand->actions[SIGCHLD - 1];

		/* Who traces its child wants to see its end. */
		autoreap = !tg->leader->ptrace && (sa->handler == guest_sig_ign || (sa->flags & SA_NOCLDWAIT));
		if (sa->handler == guest_sig_ign)
			sig = 0;
	}
	if (sig) {
		siginfo_t info = { .si_signo = sig, .si_code = wait_status_code(tg->exit_status) };

		info.si_pid = tg->tgid;
		info.si_uid = tg->leader->cred->uid;
		info.si_status = wait_status_value(tg->exit_status);
		info.si_utime = ticks(tg->dead_tasks.utime_ns);
		info.si_stime = ticks(tg->dead_tasks.stime_ns);
		int ignored = signal_send_group_locked(parent, &info); /* a full queue drops it, as Linux does */
		(void)ignored;
	}
	waitq_notify(&parent->child_wait, POLLIN);
	return autoreap;
}

void group_tell_parent_locked(struct thread_group *tg)
{
	if (!tg->parent || notify_parent_locked(tg))
		group_reap_locked(tg);
}

static bool has_stopped_member_locked(struct pgroup *pg) REQUIRES(tasks_lock)
{
	struct thread_group *tg;

	LIST_FOREACH(tg, &pg->members, pgroup_link)
		if (tg->state == GROUP_STOPPED)
			return true;
	return false;
}

/* A newly orphaned process group with stopped members can be continued by nobody: it is hung up. */
static void check_orphaned_locked(struct pgroup *pg, const struct thread_group *without) REQUIRES(tasks_lock)
{
	siginfo_t hup = { .si_signo = SIGHUP, .si_code = SI_KERNEL };
	siginfo_t cont = { .si_signo = SIGCONT, .si_code = SI_KERNEL };

	if (!pgroup_orphaned_locked(pg, without) || !has_stopped_member_locked(pg))
		return;
	signal_send_pgroup_locked(pg, &hup);
	signal_send_pgroup_locked(pg, &cont);
}

/* The signal that tasks of c asked for when their creator ends. */
static void send_pdeathsig_locked(struct thread_group *c, struct thread_group *dying) REQUIRES(tasks_lock)
{
	struct task *t;

	TAILQ_FOREACH(t, &c->tasks, tg_link) {
		if (!t->pdeathsig)
			continue;
		siginfo_t info = signal_info(t->pdeathsig, SI_USER, dying->leader);
		int ignored = signal_send_group_locked(c, &info);
		(void)ignored;
	}
}

static struct thread_group *find_reaper_locked(struct thread_group *tg) REQUIRES(tasks_lock)
{
	for (struct thread_group *p = tg->parent; p; p = p->parent)
		if (p->child_subreaper && p->task_count)
			return p;
	return init_group && init_group != tg && init_group->task_count ? init_group : NULL;
}

static void reparent_locked(struct thread_group *c, struct thread_group *from, struct thread_group *to) REQUIRES(tasks_lock)
{
	TAILQ_REMOVE(&from->children, c, sibling);
	c->parent = to;
	send_pdeathsig_locked(c, from);
	if (!to) { /* pid 1 is gone; c is being killed */
		if (c->state == GROUP_ZOMBIE)
			group_reap_locked(c);
		return;
	}
	TAILQ_INSERT_TAIL(&to->children, c, sibling);
	c->parent_tid = to->leader->tid;
	c->exit_signal = SIGCHLD;
	c->left_to_init = to == init_group && !to->child_subreaper;
	if (c->pgroup != from->pgroup && c->pgroup->session == from->pgroup->session)
		check_orphaned_locked(c->pgroup, NULL);
	if (c->state == GROUP_ZOMBIE && !trace_hides_end_locked(c))
		group_tell_parent_locked(c);
}

void children_change_creator_locked(struct task *t)
{
	struct thread_group *c;
	struct task *other = TAILQ_FIRST(&t->tg->tasks);

	TAILQ_FOREACH(c, &t->tg->children, sibling)
		if (c->parent_tid == t->tid) {
			c->parent_tid = other->tid;
			send_pdeathsig_locked(c, t->tg);
		}
}

void group_zombie_locked(struct thread_group *tg)
{
	struct thread_group *c, *next, *reaper = find_reaper_locked(tg);

	mutex_assert_held(&tasks_lock);
	tg->state = GROUP_ZOMBIE;
	session_leader_exit_locked(tg);
	for (c = TAILQ_FIRST(&tg->children); c; c = next) {
		next = TAILQ_NEXT(c, sibling);
		reparent_locked(c, tg, reaper);
	}
	check_orphaned_locked(tg->pgroup, tg);
	waitq_notify(&tg->exit_wait, POLLIN | POLLHUP);
	if (trace_hides_end_locked(tg))
		trace_tell_end_locked(tg);
	else
		group_tell_parent_locked(tg);
}

void group_reap_locked(struct thread_group *tg)
{
	struct task *leader = tg->leader;
	struct pid_slot *s = ids_find_locked(tg->tgid);
	struct pgroup *pg = tg->pgroup;

	mutex_assert_held(&tasks_lock);
	if (tg->parent)
		TAILQ_REMOVE(&tg->parent->children, tg, sibling);
	tg->parent = NULL;
	LIST_REMOVE(tg, pgroup_link);
	tg->pgroup = NULL;
	tg->leader = NULL;
	if (tg == init_group)
		init_group = NULL;
	s->group = NULL;
	s->task = NULL;
	trace_unlink_locked(leader);
	pgroup_put_locked(pg);
	ids_release_locked(tg->tgid);
	task_put(leader);
	group_put(tg); /* the tree's */
}
