/* SPDX-License-Identifier: Apache-2.0 */
/* Sending signals: see signal.c for the stages.
 *
 * A group-directed signal is offered to the group's leader, then to the others in turn; who blocks it, is stopped or already has something
 * to do is passed over, as Linux does. If nobody wants it now it stays queued, and whoever unblocks it or comes
 * back from a stop finds it. A signal that is certain to end the process ends it here, so that a parent in vfork or a task in any
 * other sleep need not wake up to die. Signals whose default is a core file are left to their taker, as Linux leaves them.
 */
#include "kernel/signal_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

/* Heap entries in the whole sandbox. RLIMIT_SIGPENDING counts per user, and a sandbox is one. */
static _Atomic long queued_entries;

static struct sigqueue_entry *entry_new(struct task *t, const siginfo_t *info, bool limited) REQUIRES(tasks_lock)
{
	struct sigqueue_entry *e;

	if (limited && (uint64_t)atomic_load(&queued_entries) >= t->tg->rlimits[RLIMIT_SIGPENDING].rlim_cur)
		return NULL;
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	atomic_fetch_add(&queued_entries, 1);
	e->info = *info;
	return e;
}

void signal_entry_free(struct sigqueue_entry *e)
{
	if (e->timer)
		return;
	atomic_fetch_sub(&queued_entries, 1);
	free(e);
}

siginfo_t signal_info(int sig, int code, struct task *sender)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	info.si_signo = sig;
	info.si_code = code;
	if (sender) {
		info.si_pid = sender->tg->tgid;
		info.si_uid = sender->cred->uid;
	}
	return info;
}

void signal_notify_task_locked(struct task *t)
{
	task_kick_locked(t);
}

/* Can t take sig now? */
static bool wants(struct task *t, int sig) REQUIRES(tasks_lock)
{
	if (t->dead || t->exit_pending)
		return false;
	if (t->blocked & ~t->wait_set & sig_bit(sig))
		return false;
	if (t->stopped || t->ptrace_stop)
		return false;
	return t == task_self() || !((t->pending.set | t->tg->shared_pending.set) & ~t->blocked & ~sig_bit(sig));
}

static struct task *choose(struct thread_group *tg, struct task *preferred, int sig) REQUIRES(tasks_lock)
{
	struct task *t;

	if (preferred && wants(preferred, sig))
		return preferred;
	TAILQ_FOREACH(t, &tg->tasks, tg_link)
		if (wants(t, sig))
			return t;
	/* All are busy with other signals: the first that does not block it will come to it after those. */
	TAILQ_FOREACH(t, &tg->tasks, tg_link)
		if (!t->dead && !t->stopped && !t->ptrace_stop && !(t->blocked & sig_bit(sig)))
			return t;
	return NULL;
}

/* Is sig, taken by t, certain to end the process without a core file? */
static bool certain_death(struct task *t, int sig) REQUIRES(tasks_lock)
{
	if (t->ptrace || (t->wait_set & sig_bit(sig)))
		return false;
	return t->sighand->actions[sig - 1].handler == signal_handler_dfl() &&
	       signal_default_action(sig) == SIGNAL_TERMINATE;
}

/* Stops and continues undo each other when they are sent, whatever their action and whoever blocks them. False: drop it. */
static bool prepare(struct task *t, int sig) REQUIRES(tasks_lock)
{
	struct thread_group *tg = t->tg;

	if (tg->state >= GROUP_EXITING || t->dead)
		return false;
	if (sig_bit(sig) & SIGNALS_STOP) {
		signal_flush_group_locked(tg, sig_bit(SIGCONT));
	} else if (sig == SIGCONT) {
		signal_flush_group_locked(tg, SIGNALS_STOP);
		signal_continue_locked(tg);
	}
	/* A blocked signal may get a handler before it is unblocked, so it is kept. A tracer sees what is ignored too. */
	if (t->blocked & sig_bit(sig) || t->ptrace)
		return true;
	return !signal_ignored_locked(t, sig);
}

static void complete(struct task *t, int sig, bool group) REQUIRES(tasks_lock)
{
	struct task *taker = t;

	waitq_notify(signal_waitq(t), POLLIN);
	if (group)
		taker = choose(t->tg, t, sig);
	else if (t->blocked & ~t->wait_set & sig_bit(sig))
		taker = NULL;
	if (!taker)
		return;
	if (certain_death(taker, sig) && !(taker->blocked & sig_bit(sig)))
		group_kill_locked(t->tg, sig);
	else
		signal_notify_task_locked(taker);
}

static int send(struct task *t, const siginfo_t *info, bool group) REQUIRES(tasks_lock)
{
	struct sigpending *p = group ? &t->tg->shared_pending : &t->pending;
	int sig = info->si_signo;
	bool realtime = sig >= KERNEL_SIGRTMIN;

	if (sig == SIGKILL) {
		group_kill_locked(t->tg, SIGKILL);
		return 0;
	}
	if (!prepare(t, sig))
		return 0;
	if (!realtime && (p->set & sig_bit(sig)))
		return 0;
	/* What the kernel itself or kill(2) sends of the standard signals is not held up by a limit. */
	struct sigqueue_entry *e = entry_new(t, info, realtime || info->si_code < 0);

	if (e) {
		e->queue = p;
		TAILQ_INSERT_TAIL(&p->queue, e, link);
	} else if (realtime && info->si_code != SI_USER) {
		return -EAGAIN;
	}
	p->set |= sig_bit(sig);
	complete(t, sig, group);
	return 0;
}

int signal_send_task_locked(struct task *t, const siginfo_t *info)
{
	mutex_assert_held(&tasks_lock);
	return send(t, info, false);
}

int signal_send_group_locked(struct thread_group *tg, const siginfo_t *info)
{
	mutex_assert_held(&tasks_lock);
	struct task *t = tg->leader;

	if (!t || t->dead)
		t = TAILQ_FIRST(&tg->tasks);
	return t ? send(t, info, true) : 0;
}

void signal_send_pgroup_locked(struct pgroup *pg, const siginfo_t *info)
{
	struct thread_group *tg, *next;

	for (tg = LIST_FIRST(&pg->members); tg; tg = next) {
		next = LIST_NEXT(tg, pgroup_link);
		(void)!signal_send_group_locked(tg, info);
	}
}

void signal_send_self(struct task *t, int sig)
{
	siginfo_t info = signal_info(sig, SI_USER, t);

	mutex_lock(&tasks_lock);
	(void)!send(t, &info, false);
	mutex_unlock(&tasks_lock);
}

int signal_send_entry_locked(struct task *t, struct sigqueue_entry *e, bool group)
{
	struct sigpending *p = group ? &t->tg->shared_pending : &t->pending;
	int sig = e->info.si_signo;

	if (e->queue)
		return 0;
	if (!prepare(t, sig))
		return 1;
	if (sig == SIGKILL) {
		group_kill_locked(t->tg, SIGKILL);
		return 0;
	}
	e->queue = p;
	TAILQ_INSERT_TAIL(&p->queue, e, link);
	p->set |= sig_bit(sig);
	complete(t, sig, group);
	return 0;
}

void signal_retarget_locked(struct task *t, sigset_guest set)
{
	sigset_guest left = t->tg->shared_pending.set & set;
	struct task *other;

	TAILQ_FOREACH(other, &t->tg->tasks, tg_link) {
		if (!left)
			return;
		if (other == t || other->dead || !(left & ~other->blocked))
			continue;
		left &= other->blocked;
		signal_notify_task_locked(other);
	}
}

void signal_task_exit_locked(struct task *t)
{
	mutex_assert_held(&tasks_lock);
	sigpending_flush(&t->pending);
	if (t->tg->state < GROUP_EXITING) {
		signal_retarget_locked(t, ~0ULL);
		signal_stop_check_locked(t->tg);
	}
}

/* --- signals that the task's own instruction causes --- */

static uint64_t trap_number(const siginfo_t *info)
{
	switch (info->si_signo) {
	case SIGFPE:
		return info->si_code == FPE_INTDIV || info->si_code == FPE_INTOVF ? 0 : 19;
	case SIGILL:
		return 6;
	case SIGTRAP:
		return info->si_code == TRAP_BRKPT || info->si_code == SI_KERNEL ? 3 : 1;
	case SIGBUS:
		return info->si_code == BUS_ADRALN ? 17 : 14;
	default:
		return info->si_code == SI_KERNEL ? 13 : 14;
	}
}

/* The default action takes the place of a handler that cannot run, so that the instruction is not repeated for ever. */
static void force(struct task *t, const siginfo_t *info)
{
	int sig = info->si_signo;

	mutex_lock(&tasks_lock);
	struct sigaction_guest *act = &t->sighand->actions[sig - 1];

	if ((t->blocked & sig_bit(sig)) || act->handler == signal_handler_ign()) {
		act->handler = signal_handler_dfl();
		t->blocked &= ~sig_bit(sig);
	}
	(void)!send(t, info, false);
	signal_recalc_locked(t);
	mutex_unlock(&tasks_lock);
}

void signal_force(struct task *t, const siginfo_t *info)
{
	if (info->si_signo != SIGSYS) { /* a verdict over a call is no trap of the processor */
		t->fault_trapno = trap_number(info);
		t->fault_err = 0;
	}
	force(t, info);
}

void signal_force_fault(struct task *t, const siginfo_t *info, int access)
{
	/* The error code of a page fault: bit 0 protection, 1 write, 2 user, 4 instruction fetch. */
	bool present = info->si_signo == SIGSEGV && info->si_code != SEGV_MAPERR;

	t->fault_trapno = 14;
	t->fault_err = 4 | (present ? 1 : 0) | (access & PROT_WRITE ? 2 : 0) | (access & PROT_EXEC ? 16 : 0);
	t->fault_addr = (uint64_t)info->si_addr;
	force(t, info);
}
