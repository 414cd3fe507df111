/* SPDX-License-Identifier: Apache-2.0 */
/* What the ptrace files share, and where the rest of kernel/ meets them. */
#ifndef KERNEL_PTRACE_INTERNAL_H
#define KERNEL_PTRACE_INTERNAL_H

#include "kernel/process.h"
#include "kernel/ptrace.h"

/* Linux's TASK_SIZE_MAX with four-level page tables: no address that a tracer writes into registers lies at or above. */
static const uint64_t task_size_max = 0x7ffffffff000;

/* How a task is traced: t->ptrace. Made by the tracer, freed when the tie is cut. All (T). */
struct traced {
	struct task *tracee; /* borrowed; a reference once `zombie` */
	struct task *tracer; /* borrowed: a tracer that ends cuts its ties first */
	LIST_ENTRY(traced) link; /* tracer->tracees */
	unsigned options; /* PTRACE_O_* */
	uint64_t message; /* PTRACE_GETEVENTMSG */
	bool seized;
	bool begun; /* it has sat in a stop: how it runs is this tracer's choice, and not a former one's */
	bool trap; /* PTRACE_EVENT_STOP is due: an interrupt, the first stop of a seized child, a SIGCONT */
	bool listening; /* PTRACE_LISTEN: the stop goes on, and its tracer may not touch the tracee */
	bool zombie; /* a thread that has ended and keeps its number until its tracer has waited for it */
	int exit_status; /* of a zombie */
};

enum trace_stop_kind { STOP_SIGNAL, STOP_GROUP, STOP_EVENT, STOP_SECCOMP, STOP_CALL_ENTRY, STOP_CALL_EXIT };

/* Something that only the tracee's own thread can do, for a tracer that waits until `done`. */
struct trace_errand {
	int (*fn)(struct task *t, struct trace_errand *e); /* without locks */
	void *buf;
	size_t size;
	struct task *from; /* (T) */
	int result; /* (T) */
	bool done; /* (T) */
};

/* One stop: on the stack of the tracee's thread, published as t->ptrace_stop. All (T) while it is. */
struct trace_stop {
	enum trace_stop_kind kind;
	int code; /* what wait reports (status >> 8); 0 once collected; then what the tracer passes on */
	bool last; /* the stop of a task that ends: only SIGKILL cuts it short */
	bool has_info, info_changed;
	siginfo_t info;
	struct user_regs_struct regs;
	bool regs_changed, debug_changed;
	bool resumed;
	enum trace_mode mode; /* once resumed */
	struct trace_errand *errand;
};

/* --- ptrace.c --- */

/* What t traces, if it sits in a stop. NULL: no such. */
struct task *trace_stopped_locked(struct task *t, pid_t tid) REQUIRES(tasks_lock);
/* Cuts the tie of t to its tracer, if it has one. A stop of it ends. */
void trace_unlink_locked(struct task *t) REQUIRES(tasks_lock);
/* Ties child to the tracer of t (with tr, made beforehand) and arranges its first stop. */
void trace_inherit_locked(struct task *t, struct task *child, struct traced *tr) REQUIRES(tasks_lock);
/* t ends: what it traces goes free, or dies. */
void trace_tracer_exit_locked(struct task *t) REQUIRES(tasks_lock);
/* t, not its group's leader, has ended. True: it keeps its number until its tracer has waited for it. */
bool trace_becomes_zombie_locked(struct task *t) REQUIRES(tasks_lock);
/* Does a task outside the parent's process trace the leader of tg? Then the parent hears of its end later. */
bool trace_hides_end_locked(const struct thread_group *tg) REQUIRES(tasks_lock);
/* Tells the tracer of the leader that the whole of tg has ended. */
void trace_tell_end_locked(struct thread_group *tg) REQUIRES(tasks_lock);
void trace_zombie_reap_locked(struct traced *tr) REQUIRES(tasks_lock);

/* --- ptrace_stop.c --- */

/* A signal is about to act on t: its tracer decides. False: it has been suppressed. *info may have become another. */
bool trace_signal(struct task *t, siginfo_t *info) MUST_CHECK;
/* t looks at a group stop or at tr->trap. */
void trace_trap(struct task *t);
/* An event that the tracer asked for (PTRACE_EVENT_*). */
bool trace_event_wanted(struct task *t, int event);
void trace_event(struct task *t, int event, uint64_t message);
/* A filter leaves the call that t->sys_nr and t->sys_args name to t's tracer, with `data`; they are as the tracer left them afterwards.
 * False: the call is not made, and its result is set: -ENOSYS when no tracer wants to know of it. */
bool trace_seccomp(struct task *t, uint16_t data) MUST_CHECK;
/* Which event a clone with these flags is; 0 for none that is asked for. */
int trace_clone_event_locked(struct task *t, uint64_t flags, uint64_t exit_signal) REQUIRES(tasks_lock);
/* The program was exchanged, by a task that had the number old_tid: told at the next trace_work(). */
void trace_exec(struct task *t, pid_t old_tid);
/* Stops that are due before signals are: after execve, at the end of a call, and a step over a call. */
void trace_work(struct task *t);
/* A handler's frame was pushed while t is stepped: it stops at the handler's first instruction. */
void trace_handler_entered(struct task *t);
/* t goes back to its guest, as its tracer asked. */
void trace_enter_guest(struct task *t);
/* The trap flag's exception arrived. True: nobody wants it any more. */
bool trace_stale_step(struct task *t, const siginfo_t *info);
/* t is about to end. */
void trace_last_stop(struct task *t, int status);
/* What t->syscall points to while calls are looked at. */
void trace_syscall(struct task *t, struct platform_ctx *ctx, const struct platform_event *ev);
/* Wakes the tracee of a stop that something was changed of. */
void trace_wake_locked(struct task *t) REQUIRES(tasks_lock);
/* The group is to stop, to go on, or has got another SIGCONT: tasks that are traced look again. */
void trace_notify_group_locked(struct thread_group *tg, bool stopping) REQUIRES(tasks_lock);

/* --- ptrace_debug.c --- */

/* Those of a fresh program. */
void debug_registers_init(struct debug_registers *d);
/* DR0 to DR7. -EIO: there is no such register; -EINVAL: what it may not be. */
uint64_t debug_register_get(const struct debug_registers *d, unsigned n);
int debug_register_set(struct debug_registers *d, unsigned n, uint64_t value) MUST_CHECK;
/* t's registers have changed: the thread that runs its guest follows. */
void debug_registers_apply(struct task *t);

/* --- ptrace_wait.c --- */

/* Looks for news of t's tracees. The number collected, or 0; *waitable as in wait.c. */
pid_t trace_wait_locked(struct task *t, const struct wait_request *w, bool *waitable, struct wait_result *out)
	REQUIRES(tasks_lock);
/* Is c's leader traced by a task of c's parent? Then its parent's waits see it as a tracee alone. */
bool trace_by_parent_locked(const struct thread_group *c) REQUIRES(tasks_lock);

#endif
