/* SPDX-License-Identifier: Apache-2.0 */
/* Sending signals: kill(2), tgkill(2), rt_sigqueueinfo(2). */
#include "kernel/signal.h"
#include "mm/guest.h"
#include "syscalls/syscalls.h"

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>

SYSCALL_DECLARE(kill);
SYSCALL_DECLARE(tkill);
SYSCALL_DECLARE(tgkill);
SYSCALL_DECLARE(rt_sigqueueinfo);
SYSCALL_DECLARE(rt_tgsigqueueinfo);

/* kill(2): the sender's real or effective uid must be the target's real or saved one; SIGCONT needs only the same session. */
static int permitted(struct task *t, struct task *target, int sig) REQUIRES(tasks_lock)
{
	const struct cred *c = t->cred, *d = target->cred;

	if (sig < 0 || sig > SIGNAL_COUNT)
		return -EINVAL;
	if (target->tg == t->tg)
		return 0;
	if (c->euid == d->suid || c->euid == d->uid || c->uid == d->suid || c->uid == d->uid ||
	    cred_capable(c, CAP_KILL))
		return 0;
	if (sig == SIGCONT && target->tg->pgroup && t->tg->pgroup->session == target->tg->pgroup->session)
		return 0;
	return -EPERM;
}

int kill_process_locked(struct task *t, struct thread_group *tg, const siginfo_t *info)
{
	int r = tg->leader ? permitted(t, tg->leader, info->si_signo) : -ESRCH;

	if (r < 0 || !info->si_signo)
		return r;
	return signal_send_group_locked(tg, info);
}

/*
 * An orphan that signals its parent natively meets init, which is spared what it has no handler for (kill(2)). Here it meets the
 * program that was run, which must not end for that. Its other descendants may end it, as they may natively.
 */
static bool spared(struct task *t, struct thread_group *tg, int sig) REQUIRES(tasks_lock)
{
	return t->tg->left_to_init && tg == t->tg->parent && sig >= 1 && sig <= SIGNAL_COUNT &&
	       tg->leader->sighand->actions[sig - 1].handler == signal_handler_dfl();
}

/* A process by its own id or by that of any of its threads. */
static int kill_pid(struct task *t, pid_t pid, const siginfo_t *info) REQUIRES(tasks_lock)
{
	struct thread_group *tg = group_find_locked(pid);
	struct task *target = tg ? NULL : task_find_locked(pid);

	if (target)
		tg = target->tg;
	if (!tg)
		return -ESRCH;
	return spared(t, tg, info->si_signo) ? permitted(t, tg->leader, info->si_signo) : kill_process_locked(t, tg, info);
}

static int kill_pgroup(struct task *t, struct pgroup *pg, const siginfo_t *info) REQUIRES(tasks_lock)
{
	struct thread_group *tg, *next;
	int r = -ESRCH;
	bool success = false;

	for (tg = pg ? LIST_FIRST(&pg->members) : NULL; tg; tg = next) {
		next = LIST_NEXT(tg, pgroup_link);
		r = kill_process_locked(t, tg, info);
		success = success || !r;
	}
	return success ? 0 : r;
}

/* Everybody but the first process and oneself. In one go: nobody escapes by forking. */
static int kill_all(struct task *t, const siginfo_t *info) REQUIRES(tasks_lock)
{
	bool any = false;
	int result = 0;

	for (struct thread_group *tg = group_next_locked(1); tg; tg = group_next_locked(tg->tgid)) {
		if (tg == t->tg)
			continue;
		int r = kill_process_locked(t, tg, info);

		any = true;
		if (r != -EPERM)
			result = r;
	}
	return any ? result : -ESRCH;
}

int64_t sys_kill(struct task *t, const uint64_t a[6])
{
	pid_t pid = (pid_t)a[0];
	siginfo_t info = signal_info((int)a[1], SI_USER, t);
	int r;

	if (pid == INT_MIN)
		return -ESRCH;
	mutex_lock(&tasks_lock);
	if (pid == -1)
		r = kill_all(t, &info);
	else if (pid > 0)
		r = kill_pid(t, pid, &info);
	else
		r = kill_pgroup(t, pid ? pgroup_find_locked(-pid) : t->tg->pgroup, &info);
	mutex_unlock(&tasks_lock);
	return r;
}

/* tgid 0: whatever group the thread is in. */
static int64_t send_thread(struct task *t, pid_t tgid, pid_t tid, const siginfo_t *info)
{
	struct task *target;
	int r = -ESRCH;

	mutex_lock(&tasks_lock);
	target = task_find_locked(tid);
	if (target && (!tgid || target->tg->tgid == tgid)) {
		r = permitted(t, target, info->si_signo);
		if (!r && info->si_signo)
			r = signal_send_task_locked(target, info);
	}
	mutex_unlock(&tasks_lock);
	return r;
}

int64_t sys_tgkill(struct task *t, const uint64_t a[6])
{
	siginfo_t info = signal_info((int)a[2], SI_TKILL, t);

	if ((pid_t)a[0] <= 0 || (pid_t)a[1] <= 0)
		return -EINVAL;
	return send_thread(t, (pid_t)a[0], (pid_t)a[1], &info);
}

int64_t sys_tkill(struct task *t, const uint64_t a[6])
{
	siginfo_t info = signal_info((int)a[1], SI_TKILL, t);

	if ((pid_t)a[0] <= 0)
		return -EINVAL;
	return send_thread(t, 0, (pid_t)a[0], &info);
}

/* Nobody may pretend to be the kernel or kill(2), except to himself. */
static int read_info(struct task *t, uint64_t addr, int sig, pid_t target, siginfo_t *info)
{
	if (guest_read(t->mm, info, addr, sizeof(*info)) < 0)
		return -EFAULT;
	info->si_signo = sig;
	if ((info->si_code >= 0 || info->si_code == SI_TKILL) && target != t->tg->tgid)
		return -EPERM;
	return 0;
}

int64_t sys_rt_sigqueueinfo(struct task *t, const uint64_t a[6])
{
	siginfo_t info;
	int r = read_info(t, a[2], (int)a[1], (pid_t)a[0], &info);

	if (r < 0)
		return r;
	mutex_lock(&tasks_lock);
	r = kill_pid(t, (pid_t)a[0], &info);
	mutex_unlock(&tasks_lock);
	return r;
}

int64_t sys_rt_tgsigqueueinfo(struct task *t, const uint64_t a[6])
{
	siginfo_t info;
	int r = read_info(t, a[3], (int)a[2], (pid_t)a[0], &info);

	if (r < 0)
		return r;
	if ((pid_t)a[0] <= 0 || (pid_t)a[1] <= 0)
		return -EINVAL;
	return send_thread(t, (pid_t)a[0], (pid_t)a[1], &info);
}
