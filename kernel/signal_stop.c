/* SPDX-License-Identifier: Apache-2.0 */
/* Group stop: see signal.c for the stages.
 *
 * tg->stop_signal says that the group is to stop. Every task that sees it sets `stopped` and sleeps; the last one completes the stop:
 * the state becomes GROUP_STOPPED, the parent gets SIGCHLD with CLD_STOPPED and its waits are told. SIGCONT undoes
 * all of it when it is sent, not when it is delivered. A kill ends the sleep; the task then finds exit_pending.
 */
#include "kernel/ptrace_internal.h"
#include "kernel/signal_internal.h"

#include <poll.h>

void signal_child_changed_locked(struct thread_group *to, struct task *child, int code, int status)
{
	struct task *first = TAILQ_FIRST(&to->tasks);

	mutex_assert_held(&tasks_lock);
	if (first) {
		const struct sigaction_guest *act = &first->sighand->actions[SIGCHLD - 1];
		bool ended = code == CLD_EXITED || code == CLD_KILLED || code == CLD_DUMPED;

		if (act->handler != signal_handler_ign() && (ended || !(act->flags & SA_NOCLDSTOP))) {
			siginfo_t info = signal_info(SIGCHLD, code, child);

			info.si_pid = child->tid;
			info.si_status = status;
			(void)!signal_send_group_locked(to, &info);
		}
	}
	waitq_notify(&to->child_wait, POLLIN);
}

static void notify_parent(struct thread_group *tg, int code, int status) REQUIRES(tasks_lock)
{
	struct thread_group *parent = tg->parent;

	if (!parent || parent->state == GROUP_ZOMBIE)
		return;
	/* A parent that is the tracer too has seen the stop as its tracee's. */
	if (code == CLD_STOPPED && trace_by_parent_locked(tg))
		return;
	signal_child_changed_locked(parent, tg->leader, code, status);
}

/* Completes a stop once no living task still runs. */
void signal_stop_check_locked(struct thread_group *tg)
{
	struct task *t;
	int running = 0, stopped = 0;

	mutex_assert_held(&tasks_lock);
	if (!tg->stop_signal || tg->state != GROUP_RUNNING)
		return;
	TAILQ_FOREACH(t, &tg->tasks, tg_link) {
		if (t->dead)
			continue;
		if (t->stopped || t->stop_shown)
			stopped++;
		else
			running++;
	}
	tg->stop_pending = running;
	if (running || !stopped)
		return;
	tg->state = GROUP_STOPPED;
	tg->wait_stopped = true;
	tg->wait_continued = false;
	notify_parent(tg, CLD_STOPPED, tg->stop_signal);
	waitq_notify(&tg->group_wait, POLLIN);
}

void signal_stop_start_locked(struct thread_group *tg, int sig)
{
	struct task *t;

	mutex_assert_held(&tasks_lock);
	if (tg->state >= GROUP_EXITING)
		return;
	if (tg->stop_signal) {
		/* Tracees that their tracers sent on during the stop stop again. */
		trace_notify_group_locked(tg, true);
		return;
	}
	tg->stop_signal = sig;
	tg->stop_pending = 0;
	TAILQ_FOREACH(t, &tg->tasks, tg_link) {
		if (t->dead)
			continue;
		tg->stop_pending++;
		t->stop_shown = false;
		signal_notify_task_locked(t);
	}
	trace_notify_group_locked(tg, true);
}

void signal_continue_locked(struct thread_group *tg)
{
	struct task *t;

	trace_notify_group_locked(tg, false);
	if (!tg->stop_signal)
		return;
	tg->stop_signal = 0;
	tg->stop_pending = 0;
	if (tg->state == GROUP_STOPPED)
		tg->state = GROUP_RUNNING;
	tg->wait_stopped = false;
	tg->wait_continued = true;
	TAILQ_FOREACH(t, &tg->tasks, tg_link) {
		t->stopped = t->stop_shown = false;
		if (!t->dead)
			signal_notify_task_locked(t);
	}
	notify_parent(tg, CLD_CONTINUED, SIGCONT);
}

void signal_stop_wait(struct task *t)
{
	struct thread_group *tg = t->tg;

	mutex_lock(&tasks_lock);
	while (tg->stop_signal && !t->ptrace && !t->exit_pending && tg->state < GROUP_EXITING) {
		if (!t->stopped) {
			t->stopped = true;
			signal_stop_check_locked(tg);
		}
		/* Every reason to go on is seen above, under the lock; whoever adds one kicks us after this point. */
		sleeper_clear_interrupt(&t->sleeper);
		mutex_unlock(&tasks_lock);
		(void)!task_sleep(t, NO_DEADLINE);
		mutex_lock(&tasks_lock);
	}
	t->stopped = false;
	/* The kick that ended the sleep may have meant a signal as well. */
	atomic_store(&t->work, true);
	mutex_unlock(&tasks_lock);
}

bool signal_fatal_pending(struct task *t)
{
	mutex_lock(&tasks_lock);
	bool r = t->exit_pending || t->tg->state >= GROUP_EXITING ||
		 ((t->pending.set | t->tg->shared_pending.set) & sig_bit(SIGKILL));

	mutex_unlock(&tasks_lock);
	return r;
}
