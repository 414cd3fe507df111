/* SPDX-License-Identifier: Apache-2.0 */
/* What the signal files share among themselves and with the POSIX timers. */
#ifndef KERNEL_SIGNAL_INTERNAL_H
#define KERNEL_SIGNAL_INTERNAL_H

#include "kernel/task.h"

/* Values of the x86-64 kernel ABI, which are not those that libc shows. */
enum {
	KERNEL_SIGRTMIN = 32,
	KERNEL_SA_RESTORER = 0x04000000,
	KERNEL_SA_EXPOSE_TAGBITS = 0x800,
	KERNEL_MINSIGSTKSZ = 2048,
};

#define SIGNALS_STOP (sig_bit(SIGSTOP) | sig_bit(SIGTSTP) | sig_bit(SIGTTIN) | sig_bit(SIGTTOU))
#define SIGNALS_UNBLOCKABLE (sig_bit(SIGKILL) | sig_bit(SIGSTOP))
/* Raised by the instruction that runs: they go first, so that their frame shows the instruction. */
#define SIGNALS_SYNCHRONOUS \
	(sig_bit(SIGSEGV) | sig_bit(SIGBUS) | sig_bit(SIGILL) | sig_bit(SIGTRAP) | sig_bit(SIGFPE) | sig_bit(SIGSYS))

enum signal_default { SIGNAL_TERMINATE, SIGNAL_CORE, SIGNAL_IGNORE, SIGNAL_STOP, SIGNAL_CONTINUE };
enum signal_default signal_default_action(int sig);

/* Frees an entry that is queued nowhere, unless a timer owns it. */
void signal_entry_free(struct sigqueue_entry *e);
/* Takes sig out of p, every instance. */
void sigpending_remove(struct sigpending *p, sigset_guest set) REQUIRES(tasks_lock);
/* Unlinks one entry and clears its bit if it was the last of its number. Does not free it. */
void sigpending_unlink(struct sigqueue_entry *e) REQUIRES(tasks_lock);
/* Drops `set` from the group's queue and from those of its tasks. */
void signal_flush_group_locked(struct thread_group *tg, sigset_guest set) REQUIRES(tasks_lock);
/* Gives what is pending for the group and in `set` to tasks other than t that can take it. */
void signal_retarget_locked(struct task *t, sigset_guest set) REQUIRES(tasks_lock);
/* Tells t to look at its signals. */
void signal_notify_task_locked(struct task *t) REQUIRES(tasks_lock);
/* Sets work if something deliverable is pending for t. */
void signal_recalc_locked(struct task *t) REQUIRES(tasks_lock);

/* Queues a timer's own entry for the task, or for its group if `group`. 0: queued (or still queued), 1: ignored. */
int signal_send_entry_locked(struct task *t, struct sigqueue_entry *e, bool group) REQUIRES(tasks_lock);

/* Tells `to` by SIGCHLD and its wait queue that a child, or what one of its tasks traces, has changed: a CLD_* code and its status. */
void signal_child_changed_locked(struct thread_group *to, struct task *child, int code, int status) REQUIRES(tasks_lock);
/* Ends a stop: SIGCONT was sent. */
void signal_continue_locked(struct thread_group *tg) REQUIRES(tasks_lock);

/* A signal that is ready for its handler. */
struct signal_ready {
	siginfo_t info;
	struct sigaction_guest action;
};
/* Builds the frame and enters the handler; mask is what sigreturn restores. -EFAULT when the stack cannot take it. */
int signal_frame_push(struct task *t, const struct signal_ready *r, sigset_guest mask) MUST_CHECK;

/* posix_timer.c, itimer.c: a timer's signal was taken: fills in the overrun, starts the next period. */
void posix_timer_dequeued_locked(struct posix_timer *pt, siginfo_t *info) REQUIRES(tasks_lock);
void itimer_dequeued_locked(struct thread_group *tg) REQUIRES(tasks_lock);

#endif
