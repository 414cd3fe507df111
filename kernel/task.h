/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks (guest threads), thread groups (guest processes), process groups and sessions.
 *
 * Theory of operation. A task runs on whatever sentry thread drives its context: task_run() in run.c is the loop. A system call,
 * fault or interrupt brings the sentry thread into the kernel; before it goes back to the guest it does the task's pending
 * work: exit, stop, signals (run.c: task_work). Nobody but that thread changes a task's own registers, mask, or mm.
 * Others ask, under the tasks lock, by setting a pending flag or queueing a signal, and then task_kick() it: that
 * interrupts its sleep or its guest.
 *
 * Locks. `tasks_lock` is one mutex for the whole tree and all signal state (Linux's tasklist and siglocks in one). It is held
 * briefly, never over a sleep, a guest memory access or a host call other than a wake. Fields say what protects them:
 * (T) tasks_lock; (O) only the task's own sentry thread; (I) immutable after creation; (A) atomic.
 *
 * Ids. One pid space per sandbox, starting at 1; the first program is pid 1. Ids are reused late.
 */
#ifndef KERNEL_TASK_H
#define KERNEL_TASK_H

#include "base/lock.h"
#include "base/ref.h"
#include "base/wait.h"
#include "kernel/cred.h"
#include "kernel/signal.h"
#include "mm/mm.h"

#include <sched.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <time.h>

struct fdtable; /* fs/fdtable.h */
struct fs_context; /* fs/vfs.h: root, cwd, umask */
struct tty; /* fs/tty.h */
struct timers; /* kernel/timer.h: POSIX timers and itimers of a thread group */
struct kernel_hooks;
struct seccomp_filter;
struct traced; /* kernel/ptrace_internal.h */
struct trace_stop;

/* Results of system call handlers beside values and negative errno. The restart codes are Linux's internal ones: the guest never
 * sees them (run.c turns them into a restart or EINTR). */
enum {
	ERESTARTSYS = 512, /* restart if the handler has SA_RESTART, or no handler runs */
	ERESTARTNOINTR = 513, /* always restart */
	ERESTARTNOHAND = 514, /* restart only if no handler runs */
	ERESTART_RESTARTBLOCK = 516, /* restart through restart_syscall with task->restart */
};
/* The handler has set the registers itself, or the task is gone: write no result. */
#define SYSCALL_NO_RESULT INT64_MIN

struct session {
	struct ref ref;
	pid_t id; /* (I) */
	struct tty *tty; /* (T) controlling terminal or NULL */
	struct pgroup *foreground; /* (T) borrowed; NULL if none */
};

struct pgroup {
	struct ref ref;
	pid_t id; /* (I) */
	struct session *session; /* (I) owned */
	LIST_HEAD(, thread_group) members; /* (T) zombies included */
};

/* How a tracer resumed a task: until its next signal or event; with stops at calls; one instruction; with calls stopped at and not made. */
enum trace_mode { TRACE_CONT, TRACE_SYSCALL, TRACE_STEP, TRACE_SYSEMU, TRACE_SYSEMU_STEP };

/* The debug registers of a task: kernel/ptrace_debug.c. */
struct debug_place {
	uint64_t addr;
	uint8_t field; /* its type and length, as four bits of DR7 */
	bool used, enabled; /* used: it has been given an address, or enabled, since the program or the thread began */
};
struct debug_registers {
	struct debug_place place[PLATFORM_DEBUG_PLACES];
	uint64_t status, control; /* DR6 and DR7, as they read */
};

enum group_state { GROUP_RUNNING, GROUP_STOPPED, GROUP_EXITING, GROUP_ZOMBIE };

struct thread_group {
	struct ref ref;
	pid_t tgid; /* (I) */
	struct task *leader; /* (T) owned; maybe dead before its siblings; NULL once reaped */
	TAILQ_HEAD(, task) tasks; /* (T) living tasks */
	int task_count; /* (T) of tasks */
	int live_count; /* (T) of those that have not begun to end */
	enum group_state state; /* (T) */
	int exit_status; /* (T) wait(2) encoding, valid from GROUP_EXITING on */
	bool killed; /* (T) by SIGKILL: not even a tracer holds it up */
	int exit_signal; /* (T) what the parent gets: SIGCHLD unless clone said otherwise */

	struct thread_group *parent; /* (T) borrowed; NULL for pid 1 and once reaped */
	pid_t parent_tid; /* (T) the parent's task that made it: __WNOTHREAD, pdeathsig */
	TAILQ_HEAD(, thread_group) children; /* (T) includes zombies */
	TAILQ_ENTRY(thread_group) sibling; /* (T) */
	struct pgroup *pgroup; /* (T) owned */
	LIST_ENTRY(thread_group) pgroup_link; /* (T) */
	bool child_subreaper, has_execed; /* (T) */
	bool left_to_init; /* (T) an orphan whose parent would be init: spared() in syscalls/kill.c */

	struct waitq child_wait; /* notified when a child changes state (POLLIN) */
	struct waitq exit_wait; /* notified when this group becomes a zombie: pidfds */
	bool wait_stopped, wait_continued; /* (T) a stop or continue the parent has not collected */
	int stop_signal; /* (T) */
	int stop_pending; /* (T) tasks that must still stop */
	struct task *execing; /* (T) the task in execve that waits for its siblings to die */
	struct waitq group_wait; /* exec and group stop progress */

	struct sigpending shared_pending; /* (T) */
	struct timers *timers; /* (T) NULL until first used */
	struct rlimit rlimits[RLIM_NLIMITS]; /* (T) */
	struct rusage_acc {
		int64_t utime_ns, stime_ns, min_flt, maj_flt, nvcsw, nivcsw;
		uint64_t maxrss;
	} dead_tasks, dead_children; /* (T) summed at exit and at wait */
	int64_t start_time; /* (I) mono ns */
	int dumpable, oom_score_adj; /* (T) */
};

struct task {
	struct ref ref;
	pid_t tid; /* (I) except that exec gives the caller the leader's */
	struct thread_group *tg; /* (I) owned */
	TAILQ_ENTRY(task) tg_link; /* (T) */
	char comm[16]; /* (T) */

	struct platform_ctx *ctx; /* (T) to read from other threads; NULL while the task moves or is dead */
	struct mm *mm; /* (O) to change, under (T); one user reference */
	struct fdtable *files; /* (O) to change, under (T); owned */
	struct fs_context *fs; /* (O) to change, under (T); owned */
	struct cred *cred; /* (O) to change, under (T); owned, immutable contents */

	struct task_start *start; /* (O) registers for the next context that runs it: task.c */
	bool moving; /* (O) execve succeeded: go on in a context of the new mm */
	uint64_t set_child_tid; /* (O) CLONE_CHILD_SETTID */

	struct sleeper sleeper;
	_Atomic bool work; /* (A) task_work has something to do */
	bool exit_pending; /* (T) set by group exit, exec of a sibling, or SIGKILL */
	int exit_code; /* (T) wait encoding for exit_pending */
	bool dead; /* (T) */
	bool stopped; /* (T) sits in a group stop */
	bool stop_shown; /* (T) has shown the group stop in progress to its tracer, and may be running again */
	struct task *vfork_child; /* (T) the child we wait for */
	struct task *vfork_parent; /* (T) to be released at exec or exit; one reference */
	bool ends_group; /* own thread: the last one of its group to end */

	struct sighand *sighand; /* (T) shared by CLONE_SIGHAND */
	sigset_guest blocked; /* (O) to change, under (T) */
	sigset_guest wait_set; /* (T) what sigtimedwait waits for: sent to us even though blocked */
	uint64_t fault_trapno, fault_err, fault_addr; /* (O) of the last forced signal: what a frame shows */
	sigset_guest saved_mask; /* (O) for sigsuspend, ppoll and their like */
	bool restore_mask; /* (O) */
	struct sigpending pending; /* (T) */
	struct sigaltstack_guest altstack; /* (O) */

	_Atomic bool futexes_released; /* owns no PI futex any more: futex_task_release() has begun */
	uint64_t clear_child_tid, robust_list, robust_list_len; /* (O) guest addresses */

	/* The call in progress (O): what restart and tracing need. */
	uint64_t sys_nr, sys_args[6];
	bool in_syscall;
	struct {
		int64_t (*fn)(struct task *t);
		int64_t deadline;
		uint64_t args[6];
	} restart;

	int exit_signal; /* (I) as given to clone */
	int64_t start_time; /* (I) */
	int64_t utime_base, stime_base; /* (T) of contexts and sentry threads that it has left */
	int64_t sentry_start; /* (T) the sentry thread's processor time when it took over the task */
	clockid_t sentry_clock; /* (T) that thread's processor clock; valid while ctx is set */
	_Atomic uint64_t min_flt, maj_flt, nvcsw, nivcsw;
	int sched_policy, sched_priority, nice, ioprio; /* (T) */
	bool sched_reset_on_fork; /* (T) children start with the usual policy, and no better nice value than 0 */
	cpu_set_t affinity; /* (T) */
	int pdeathsig; /* (T) */
	_Atomic bool no_new_privs; /* (A) set by itself, or by a sibling's seccomp(2); never cleared */
	bool keepcaps; /* (O) */
	struct seccomp_filter *_Atomic seccomp; /* (T) to change: what it put on its own calls; see kernel/seccomp.c */
	_Atomic int seccomp_mode; /* (T) to change: SECCOMP_MODE_* */

	/* Tracing: kernel/ptrace.c. */
	struct traced *ptrace; /* (T) who traces it, and how; NULL if nobody does */
	struct trace_stop *ptrace_stop; /* (T) the stop that it sits in */
	LIST_HEAD(, traced) tracees; /* (T) what it traces */
	void (*syscall)(struct task *t, struct platform_ctx *ctx, const struct platform_event *ev); /* (O) answers a call */
	enum trace_mode trace_mode; /* (O) */
	bool trace_exit_due; /* (O) the call in progress ends with a stop */
	bool trace_stepping; /* (O) the trap flag in its registers is its tracer's */
	struct debug_registers debug; /* (O); its tracer's while it sits in a stop, (T) */
	pid_t trace_exec_tid; /* (O) execve is to be told to the tracer: the number that the caller had; 0 if not */

	uint64_t personality; /* (O) */
	uint64_t timer_slack; /* (O) */
};

extern struct mutex tasks_lock;

/* --- the current task --- */

/* The task whose sentry thread this is, or NULL. */
struct task *task_self(void);

/* --- lookup, tasks_lock held --- */
struct task *task_find_locked(pid_t tid) REQUIRES(tasks_lock);
struct thread_group *group_find_locked(pid_t tgid) REQUIRES(tasks_lock);
struct pgroup *pgroup_find_locked(pid_t id) REQUIRES(tasks_lock);
/* Tells one use of a number from the next, whatever it names: 0 if it names nothing. */
uint64_t pid_serial_locked(pid_t id) REQUIRES(tasks_lock);
/* The thread group with the lowest number above `after`, or NULL. */
struct thread_group *group_next_locked(pid_t after) REQUIRES(tasks_lock);
/* The tgids (tids of group) in increasing order; for /proc. Returns the count stored; at most max. */
size_t groups_list(pid_t *out, size_t max);
size_t group_tasks_list(pid_t tgid, pid_t *out, size_t max);
/* With a reference, or NULL. Take no lock beforehand. */
struct task *task_lookup(pid_t tid);
void task_get(struct task *t);
void task_put(struct task *t);

/* --- life --- */

/* What the upper layers do for tasks: they own descriptors, working directories and the system call table. */
struct kernel_hooks {
	int64_t (*syscall)(struct task *t, const struct platform_event *ev);
	struct fdtable *(*files_get)(struct fdtable *f);
	int (*files_copy)(struct fdtable *f, struct fdtable **out);
	void (*files_put)(struct fdtable *f);
	struct fs_context *(*fs_get)(struct fs_context *f);
	int (*fs_copy)(struct fs_context *f, struct fs_context **out);
	void (*fs_put)(struct fs_context *f);
	void (*group_exited)(struct thread_group *tg); /* locks, semaphore undo, terminals; no lock held */
	void (*init_exited)(int status); /* the first process has ended: wait(2) status */
};
void kernel_init(const struct kernel_hooks *hooks);
/* At most this many tasks at once, whatever RLIMIT_NPROC says; 0 for no limit. Before the first task. */
void kernel_set_task_limit(size_t max);
/* Processes and threads made so far, for the report. */
void kernel_task_counts(uint64_t *groups, uint64_t *tasks);
/* What uname(2) says; hostname (may be NULL for the host's own) at most 64 bytes. Before the first task. */
struct utsname;
const struct utsname *kernel_uts(void);
void kernel_set_hostname(const char *hostname);
/* The processors that the sandbox may use, as they were at kernel_init(). */
const cpu_set_t *kernel_cpus(void);

struct task_init {
	struct mm *mm;
	struct fdtable *files;
	struct fs_context *fs;
	struct cred *cred;
	struct user_regs_struct regs;
	struct rlimit rlimits[RLIM_NLIMITS];
	sigset_guest ignored, blocked; /* never SIGKILL or SIGSTOP */
	const char *comm;
};
/* Makes pid 1 and starts it. Takes over the references in `init`. */
int task_start_init(const struct task_init *init) MUST_CHECK;

/* clone, fork, vfork, clone3: the arguments of clone3(2), sanitised. Returns the new tid. Vfork waits included. */
struct clone_params {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
	bool chosen_tid; /* set_tid: refused for want of a capability */
	int (*make_pidfd)(struct task *child, void *arg); /* NULL unless CLONE_PIDFD */
	void *arg;
};
int64_t task_clone(struct task *t, const struct clone_params *p) MUST_CHECK;

/* execve's second half: every sibling dies, the caller becomes the leader, signals and timers are reset, and the task goes on
 * in `mm` with `regs`. The loader has built both. Consumes the reference to mm. The handler returns SYSCALL_NO_RESULT after success. */
int task_exec(struct task *t, struct mm *mm, const struct user_regs_struct *regs, const char *comm) MUST_CHECK;

/* The calling task ends; returns so that the caller can unwind: the handler returns SYSCALL_NO_RESULT. status: wait encoding. */
void task_exit(struct task *t, int status);
void group_exit(struct task *t, int status);
/* Ends a group from outside (host limit, sandbox time limit). Any thread. */
void group_kill(struct thread_group *tg, int status);
void group_kill_locked(struct thread_group *tg, int status) REQUIRES(tasks_lock);
/* Kills every task of the sandbox. Any thread; does not wait. */
void kernel_kill_all(void);
/* Waits until every task's function has returned. */
void kernel_wait_all(void);

/* Makes a task look at its pending work: interrupts its sleep or its guest. tasks_lock held. */
void task_kick_locked(struct task *t) REQUIRES(tasks_lock);

/* Sleeps inside a guest's call (sleep_until, with placement told). Returns 0, -EINTR or -ETIMEDOUT. */
int task_sleep(struct task *t, int64_t deadline) MUST_CHECK;

/* True when the task has a signal to handle, must exit or stop: what a loop that does not sleep asks now and then. */
bool task_interrupted(struct task *t);

/* Processor time so far in ns. */
void task_cputime(struct task *t, int64_t *utime, int64_t *stime);
void group_cputime(struct thread_group *tg, int64_t *utime, int64_t *stime);
uint64_t task_rlimit(struct task *t, int resource);
/* RLIMIT_NICE: may t have that nice value without CAP_SYS_NICE? */
bool task_may_have_nice_locked(const struct task *t, int nice) REQUIRES(tasks_lock);

#endif
