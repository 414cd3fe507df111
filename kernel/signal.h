/* SPDX-License-Identifier: Apache-2.0 */
/* Signals: queues, actions, delivery. Numbers 1..64; sets are 64-bit masks with bit n-1 for signal n (the guest's layout).
 * See signal(7), sigaction(2). The frame is Linux's rt_sigframe for x86-64 with the full XSAVE area. */
#ifndef KERNEL_SIGNAL_H
#define KERNEL_SIGNAL_H

#include "base/compiler.h"
#include "base/lock.h"
#include "base/ref.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

struct task;
struct thread_group;
struct pgroup;
struct cred;
struct posix_timer;
struct waitq;

typedef uint64_t sigset_guest;

static inline sigset_guest sig_bit(int sig)
{
	return 1ULL << (sig - 1);
}

enum { SIGNAL_COUNT = 64 };

struct sigaction_guest { /* as rt_sigaction(2) passes it */
	uint64_t handler, flags, restorer;
	sigset_guest mask;
};

/* What `handler` holds where there is none. */
static inline uint64_t signal_handler_dfl(void)
{
	return 0;
}
static inline uint64_t signal_handler_ign(void)
{
	return 1;
}

struct sigaltstack_guest {
	uint64_t sp;
	uint32_t flags, pad;
	uint64_t size;
};

struct sighand {
	struct ref ref;
	struct sigaction_guest actions[SIGNAL_COUNT]; /* tasks_lock */
};

struct sigqueue_entry {
	TAILQ_ENTRY(sigqueue_entry) link;
	siginfo_t info;
	struct posix_timer *timer; /* the POSIX timer that owns the entry, or NULL: then it is on the heap */
	struct sigpending *queue; /* (T) where it is queued; NULL if nowhere */
};

struct sigpending {
	sigset_guest set;
	TAILQ_HEAD(, sigqueue_entry) queue;
};

extern struct mutex tasks_lock;

void sigpending_init(struct sigpending *p);
void sigpending_flush(struct sigpending *p);

/* Sends sig to one task or to a whole group (any task of it that does not block it). `info` is copied. Takes no permission check.
 * -EAGAIN when a real-time queue is full. A signal that is ignored is dropped. */
int signal_send_task_locked(struct task *t, const siginfo_t *info) REQUIRES(tasks_lock);
int signal_send_group_locked(struct thread_group *tg, const siginfo_t *info) REQUIRES(tasks_lock);
void signal_send_pgroup_locked(struct pgroup *pg, const siginfo_t *info) REQUIRES(tasks_lock);
/* What a task's own call brings upon it (SIGPIPE, SIGXFSZ), and no other thread of its process. Without the lock held. */
void signal_send_self(struct task *t, int sig);
/* A signal that the task's own instruction caused: if blocked or ignored it kills. */
void signal_force(struct task *t, const siginfo_t *info);
/* An info for sig with si_code and the sender's pid and uid. */
siginfo_t signal_info(int sig, int code, struct task *sender);

/* The same for a memory fault; access (PROT_*) says what the frame's error code shows. */
void signal_force_fault(struct task *t, const siginfo_t *info, int access);

/* Group stop (signal_stop.c). A group stops or is stopped while tg->stop_signal is not 0. Every task of it that looks at its
 * pending work calls signal_stop_wait(), which sleeps until SIGCONT or a kill; run.c calls it from task_work. */
void signal_stop_start_locked(struct thread_group *tg, int sig) REQUIRES(tasks_lock);
void signal_stop_wait(struct task *t);
/* A task has left the group: completes a stop that waited for it alone. Called by exit. */
void signal_stop_check_locked(struct thread_group *tg) REQUIRES(tasks_lock);
/* t leaves its group: its own signals are dropped, those of the group find another taker, a stop may be complete. */
void signal_task_exit_locked(struct task *t) REQUIRES(tasks_lock);
/* Must t's sleep end even where signals do not count (vfork, exec)? True when it is being killed. */
bool signal_fatal_pending(struct task *t);
/* True if sig to the group would be dropped: SIG_IGN, or SIG_DFL where the default is to ignore. For SIGTTIN/SIGTTOU. */
bool signal_ignored_locked(struct task *t, int sig) REQUIRES(tasks_lock);

/* Changes the mask of the calling task (KILL and STOP excluded) and recomputes pending work. */
void signal_set_mask(struct task *t, sigset_guest mask);
/* Signals pending for t that are not blocked; all that are pending. */
bool signal_pending(struct task *t);
sigset_guest signal_pending_set(struct task *t);
/* Takes one pending signal out of `set`, own queue first; false if none. For delivery, sigtimedwait, signalfd. */
bool signal_dequeue_locked(struct task *t, sigset_guest set, siginfo_t *out) REQUIRES(tasks_lock);
/* Notified (POLLIN) when a signal is queued for the group or the task: signalfd, sigtimedwait. */
struct waitq *signal_waitq(struct task *t);

/* Delivers what is pending before the task goes back to its guest: runs default actions, builds frames, applies restart rules.
 * When t->in_syscall the call's result, restart codes included, is in platform_regs()->rax (platform_set_result), and a
 * restart code is always resolved, signal or not. Called by run.c only, on t's own sentry thread, without locks. A default action that
 * ends the process calls group_exit(): the caller looks at t->exit_pending afterwards. */
void signal_deliver(struct task *t);
int64_t signal_sigreturn(struct task *t);

/* How much stack a frame may need: AT_MINSIGSTKSZ. */
uint64_t signal_frame_size(void);

/* For rt_sigaction: exchanges the action of sig; pending signals that are ignored from now on are dropped. */
void signal_set_action(struct task *t, int sig, const struct sigaction_guest *act, struct sigaction_guest *old);
/* sigaltstack(2) for a stack pointer sp. 0, -EPERM, -EINVAL, -ENOMEM. */
int signal_set_altstack(struct task *t, const struct sigaltstack_guest *ss, uint64_t sp) MUST_CHECK;
struct sigaltstack_guest signal_get_altstack(struct task *t, uint64_t sp);

/* All default. -ENOMEM. */
int sighand_new(struct sighand **out) MUST_CHECK;
/* Makes the signals of `set` ignored, in what no task has yet. */
void sighand_ignore(struct sighand *s, sigset_guest set);
/* execve: handlers to default (SIG_IGN stays), altstack gone. The caller made t->sighand its own. */
void signal_exec_locked(struct task *t) REQUIRES(tasks_lock);
/* CLONE_CLEAR_SIGHAND: handlers to default, SIG_IGN stays. */
void sighand_reset(struct sighand *s);
int sighand_copy(const struct sighand *s, struct sighand **out) MUST_CHECK;
void sighand_put(struct sighand *s);

#endif
