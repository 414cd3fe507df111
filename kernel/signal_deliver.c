/* SPDX-License-Identifier: Apache-2.0 */
/* Delivery: what a task does about its pending signals before it returns to its guest. See signal.c for the stages.
 *
 * One signal after the other is taken, and each that has a handler pushes a frame on top of the one before it, so that the last one
 * taken runs first; that is what Linux does too. An interrupted call is settled by the first frame, or, if none was pushed, at the
 * end: a restart code becomes EINTR, the call made again (rip back over the two bytes of `syscall`), or restart_syscall(2).
 *
 * A process that a signal with the core action ends has status bit 0x80 off: no core file is ever written.
 */
#include "kernel/process.h"
#include "kernel/signal_internal.h"

#include <asm/unistd_64.h>
#include <errno.h>

enum next { NEXT_NONE, NEXT_HANDLER, NEXT_STOP, NEXT_DEATH };

/* Decides about signals until one needs something that cannot be done under the lock. */
static enum next next_signal(struct task *t, struct signal_ready *r)
{
	struct thread_group *tg = t->tg;
	enum next n = NEXT_NONE;

	mutex_lock(&tasks_lock);
	for (;;) {
		if (t->exit_pending || tg->state >= GROUP_EXITING)
			break;
		if (tg->stop_signal) {
			n = NEXT_STOP;
			break;
		}
		if (!signal_dequeue_locked(t, ~t->blocked, &r->info))
			break;
		int sig = r->info.si_signo;
		struct sigaction_guest *act = &t->sighand->actions[sig - 1];

		if (act->handler == signal_handler_ign())
			continue;
		if (act->handler != signal_handler_dfl()) {
			r->action = *act;
			if (act->flags & SA_RESETHAND)
				act->handler = signal_handler_dfl();
			n = NEXT_HANDLER;
			break;
		}
		enum signal_default def = signal_default_action(sig);

		if (def == SIGNAL_IGNORE || def == SIGNAL_CONTINUE)
			continue;
		if (def == SIGNAL_STOP) {
			/* signal(7): the stops that a terminal sends do nothing to a group that nobody could continue. */
			if (sig == SIGSTOP || !pgroup_orphaned_locked(tg->pgroup, NULL))
				signal_stop_start_locked(tg, sig);
			continue;
		}
		n = NEXT_DEATH;
		break;
	}
	mutex_unlock(&tasks_lock);
	return n;
}

/* A frame that cannot be written is a segmentation fault of its own, which kills where the handler that failed was SIGSEGV's. */
static void frame_failed(struct task *t, int sig)
{
	siginfo_t info = signal_info(SIGSEGV, SI_KERNEL, NULL);

	if (sig == SIGSEGV) {
		mutex_lock(&tasks_lock);
		t->sighand->actions[SIGSEGV - 1].handler = signal_handler_dfl();
		mutex_unlock(&tasks_lock);
	}
	signal_force(t, &info);
}

static void restart_call(struct task *t, uint64_t nr)
{
	struct user_regs_struct *regs = platform_regs(t->ctx);

	regs->rax = nr;
	regs->rip -= 2;
	platform_regs_changed(t->ctx);
}

/* Settles the interrupted call: act is the handler that is about to run, or NULL. */
static void settle_call(struct task *t, const struct sigaction_guest *act)
{
	if (!t->in_syscall)
		return;
	switch (-(int64_t)platform_regs(t->ctx)->rax) {
	case ERESTARTSYS:
		if (!act || act->flags & SA_RESTART)
			restart_call(t, t->sys_nr);
		else
			platform_set_result(t->ctx, (uint64_t)-EINTR);
		break;
	case ERESTARTNOINTR:
		restart_call(t, t->sys_nr);
		break;
	case ERESTARTNOHAND:
		if (!act)
			restart_call(t, t->sys_nr);
		else
			platform_set_result(t->ctx, (uint64_t)-EINTR);
		break;
	case ERESTART_RESTARTBLOCK:
		if (!act)
			restart_call(t, __NR_restart_syscall);
		else
			platform_set_result(t->ctx, (uint64_t)-EINTR);
		break;
	default:
		return;
	}
	/* Whatever rax becomes from here on is the guest's. */
	t->in_syscall = false;
}

static void run_handler(struct task *t, const struct signal_ready *r)
{
	sigset_guest mask = t->restore_mask ? t->saved_mask : t->blocked, during;
	int sig = r->info.si_signo;

	settle_call(t, &r->action);
	if (signal_frame_push(t, r, mask) < 0) {
		frame_failed(t, sig);
		return;
	}
	t->in_syscall = false;
	t->restore_mask = false;
	during = t->blocked | r->action.mask;
	if (!(r->action.flags & SA_NODEFER))
		during |= sig_bit(sig);
	signal_set_mask(t, during);
}

void signal_deliver(struct task *t)
{
	struct signal_ready r;

	for (;;) {
		switch (next_signal(t, &r)) {
		case NEXT_HANDLER:
			run_handler(t, &r);
			break;
		case NEXT_STOP:
			signal_stop_wait(t);
			break;
		case NEXT_DEATH:
			group_exit(t, r.info.si_signo);
			return;
		case NEXT_NONE:
			settle_call(t, NULL);
			if (t->restore_mask) {
				t->restore_mask = false;
				signal_set_mask(t, t->saved_mask);
			}
			return;
		}
	}
}
