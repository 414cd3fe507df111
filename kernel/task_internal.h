/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the task tree share: ids.c, task.c, group.c, session.c, clone.c, exec.c, exit.c, run.c, wait.c. */
#ifndef KERNEL_TASK_INTERNAL_H
#define KERNEL_TASK_INTERNAL_H

#include "kernel/process.h"
#include "kernel/task.h"

#include <sys/user.h>

/* --- ids --- */

enum { PID_MAX = 4194304, PID_RESERVED = 300 };

/* What one number names. All borrowed: who is named clears its field before it goes. */
struct pid_slot {
	struct task *task;
	struct thread_group *group;
	struct pgroup *pgroup;
	struct session *session;
	uint64_t serial; /* which use of the number this is: no two in a sandbox's life are the same */
	bool used; /* handed out; stays set until ids_release_locked() finds nothing named */
};

/* A free number, in use from now on. -EAGAIN: none is left; -ENOMEM. */
pid_t ids_alloc_locked(void) MUST_CHECK REQUIRES(tasks_lock);
/* NULL if the number is free. */
struct pid_slot *ids_find_locked(pid_t id) REQUIRES(tasks_lock);
/* Gives the number back if it names nothing (any more). */
void ids_release_locked(pid_t id) REQUIRES(tasks_lock);
/* The first number in use >= from, or 0. */
pid_t ids_next_locked(pid_t from) REQUIRES(tasks_lock);

/* --- task.c --- */

/* What a task takes along to its next context. */
struct task_start {
	struct user_regs_struct regs;
	size_t xstate_size; /* 0: the state of a fresh program */
	unsigned char xstate[];
};
struct task_start *task_start_new(const struct user_regs_struct *regs, size_t xstate_size) MUST_CHECK;

extern const struct kernel_hooks *kernel_hooks;
extern struct thread_group *init_group; /* (T) pid 1's; NULL before it is made and after it is reaped */

/* A task with its own reference, no id, and nothing attached but tg (referenced). NULL: no memory. */
struct task *task_new(struct thread_group *tg) MUST_CHECK;
/* Takes room for one task: false at the limit. task_unreserve() gives it back. */
bool task_reserve(struct task *for_task);
void task_unreserve(void);
void task_set_self(struct task *t);
/* Puts t into its group and under its number. */
void task_publish_locked(struct task *t) REQUIRES(tasks_lock);
/* Starts task_run() for t in its mm. */
int task_start_running(struct task *t) MUST_CHECK;
void task_run(struct platform_ctx *ctx, void *arg);
/* Answers a call of t: what t->syscall is unless t is traced. */
void task_syscall(struct task *t, struct platform_ctx *ctx, const struct platform_event *ev);
/* A task's function returns; counts those that have not. */
void task_function_ended(void);
void kernel_wait_functions(int remaining, int64_t deadline);
/* Sleeps until *done becomes true under the tasks lock (its changer wakes t), not for signals. -EINTR: t is being killed. */
int task_wait_killable(struct task *t, bool (*done)(struct task *t)) MUST_CHECK;

/* --- group.c --- */

struct thread_group *group_new(void) MUST_CHECK;
void task_usage_locked(struct task *t, struct rusage_acc *out) REQUIRES(tasks_lock);

/* --- session.c --- */

int pgroup_new_locked(pid_t id, struct session *s, struct pgroup **out) MUST_CHECK REQUIRES(tasks_lock);
int session_new_locked(pid_t id, struct session **out) MUST_CHECK REQUIRES(tasks_lock);
void pgroup_put_locked(struct pgroup *pg) REQUIRES(tasks_lock);
void session_put_locked(struct session *s) REQUIRES(tasks_lock);
/* Makes tg a member of pg, for which it takes a reference, and leave its present one. */
void group_join_pgroup_locked(struct thread_group *tg, struct pgroup *pg) REQUIRES(tasks_lock);
void session_leader_exit_locked(struct thread_group *tg) REQUIRES(tasks_lock);

/* --- exit.c, reap.c --- */

/* The end of a task, on its own sentry thread, still with its context. t may be freed on return. */
void task_finish(struct task *t, struct platform_ctx *ctx);
/* Wakes the parent that waits in vfork(2) for t, if any. */
void vfork_release(struct task *t);
/* The most that was resident of t's memory; 0 where it is borrowed by vfork(2): to ask for it would cost what the parent holds. */
uint64_t task_mm_peak(struct task *t);
/* The group's last task is gone. */
void group_zombie_locked(struct thread_group *tg) REQUIRES(tasks_lock);
/* Takes a zombie out of the tree. The caller must not use tg afterwards without a reference of its own. */
void group_reap_locked(struct thread_group *tg) REQUIRES(tasks_lock);
/* The tracer of a zombie has let go of it: now its parent hears of it. tg may be gone on return. */
void group_tell_parent_locked(struct thread_group *tg) REQUIRES(tasks_lock);
/* The thread t ends but its group lives on: its children get another creator. */
void children_change_creator_locked(struct task *t) REQUIRES(tasks_lock);

#endif
