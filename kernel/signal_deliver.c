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
#include "kernel/ptrace_internal.h"
#include "kernel/signal_internal.h"

#include <asm/unistd_64.h>
#include <errno.h>

enum next { NEXT_NONE, NEXT_HANDLER, NEXT_STOP, NEXT_TRAP, NEXT_TRACER, NEXT_DEATH };

/* What r->info does to t: NEXT_NONE if nothing, or no more than to be marked here. */
static enum next act_on_locked(struct task *t, struct signal_ready *r) REQUIRES(tasks_lock)
{
	int sig = r->info.si_signo;
	struct sigaction_guest *act = &t->sighand->actions[sig - 1];

	if (act->handler == signal_handler_ign())
		return NEXT_NONE;
	if (act->handler != signal_handler_dfl()) {
		r->action = *act;
		if (act->flags & SA_RESETHAND)
			act->handler = signal_handler_dfl();
		return NEXT_HANDLER;
	}
	switch (signal_default_action(sig)) {
	case SIGNAL_IGNORE:
	case SIGNAL_CONTINUE:
		return NEXT_NONE;
	case SIGNAL_STOP:
		/* signal(7): the stops that a terminal sends do nothing to a group that nobody could continue. */
		if (sig == SIGSTOP || !pgroup_orphaned_locked(t->tg->pgroup, NULL))
			signal_stop_start_locked(t->tg, sig);
		return NEXT_NONE;
	default:
		return NEXT_DEATH;
	}
}

/* Decides about signals until one needs something that cannot be done under the lock. With `taken` the first is r->info, which
 * a tracer has let pass. */
static enum next next_signal(struct task *t, struct signal_ready *r, bool taken)
{
	struct thread_group *tg = t->tg;
	enum next n = NEXT_NONE;

	mutex_lock(&tasks_lock);
	for (; n == NEXT_NONE; taken = false) {
		if (t->exit_pending || tg->state >= GROUP_EXITING)
			break;
		if (!taken) {
			bool stop = tg->stop_signal && !t->stop_shown;

			if (t->ptrace ? stop || t->ptrace->trap : stop) {
				n = t->ptrace ? NEXT_TRAP : NEXT_STOP;
				break;
			}
			if (!signal_dequeue_locked(t, ~t->blocked, &r->info))
				break;
			if (t->ptrace) {
				n = NEXT_TRACER;
				break;
			}
		}
		n = act_on_locked(t, r);
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
	trace_handler_entered(t);
}

void signal_deliver(struct task *t)
{
	struct signal_ready r;
	bool taken = false;

	for (;;) {
		enum next n = next_signal(t, &r, taken);

		taken = false;
		switch (n) {
		case NEXT_HANDLER:
			run_handler(t, &r);
			break;
		case NEXT_STOP:
			signal_stop_wait(t);
			break;
		case NEXT_TRAP:
			trace_trap(t);
			break;
		case NEXT_TRACER:
			taken = trace_signal(t, &r.info);
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
