/* SPDX-License-Identifier: Apache-2.0 */
/* ptrace(2) between guests. See ptrace.c for the theory of operation.
 *
 * Requests are made by the calling task (t) of a task named by its number. All but the first group need it to sit in a
 * stop that t, and no other thread of t's process, is the tracer of: -ESRCH if not. No lock is held by the caller unless a name ends in _locked. */
#ifndef KERNEL_PTRACE_H
#define KERNEL_PTRACE_H

#include "kernel/task.h"

#include <linux/ptrace.h>

/* Every option that PTRACE_SETOPTIONS knows. */
#define TRACE_OPTIONS (0xffu | PTRACE_O_EXITKILL | PTRACE_O_SUSPEND_SECCOMP)

/* --- who traces whom --- */

int trace_me(struct task *t) MUST_CHECK;
int trace_attach(struct task *t, pid_t tid, bool seize, unsigned options) MUST_CHECK;
int trace_interrupt(struct task *t, pid_t tid) MUST_CHECK;
/* The number of t's tracer's process, 0 if it has none. */
pid_t trace_tracer_locked(const struct task *t) REQUIRES(tasks_lock);

/* --- a stopped tracee goes on --- */

int trace_resume(struct task *t, pid_t tid, enum trace_mode mode, uint64_t sig) MUST_CHECK;
int trace_detach(struct task *t, pid_t tid, uint64_t sig) MUST_CHECK;
int trace_listen(struct task *t, pid_t tid) MUST_CHECK;
int trace_kill(struct task *t, pid_t tid) MUST_CHECK;

/* --- what its tracer looks at and changes --- */

int trace_set_options(struct task *t, pid_t tid, uint64_t options) MUST_CHECK;
int trace_message(struct task *t, pid_t tid, uint64_t *out) MUST_CHECK;
int trace_get_siginfo(struct task *t, pid_t tid, siginfo_t *out) MUST_CHECK;
int trace_set_siginfo(struct task *t, pid_t tid, const siginfo_t *info) MUST_CHECK;
int trace_get_mask(struct task *t, pid_t tid, sigset_guest *out) MUST_CHECK;
int trace_set_mask(struct task *t, pid_t tid, sigset_guest mask) MUST_CHECK;
/* The pending signal number `index` (from 0) of its own queue or its group's, not taken out. 1, or 0 past the end. */
int trace_peek_signal(struct task *t, pid_t tid, bool shared, uint64_t index, siginfo_t *out) MUST_CHECK;
/* PTRACE_GET_SYSCALL_INFO: the size of what is known. */
int trace_syscall_info(struct task *t, pid_t tid, struct ptrace_syscall_info *out) MUST_CHECK;
/* Its memory, with a reference. */
int trace_mm(struct task *t, pid_t tid, struct mm **out) MUST_CHECK;

/* --- registers (ptrace_regs.c) --- */

int trace_get_regs(struct task *t, pid_t tid, struct user_regs_struct *out) MUST_CHECK;
/* The first `size` bytes of them. -EIO for what no user thread may have. */
int trace_set_regs(struct task *t, pid_t tid, const struct user_regs_struct *regs, size_t size) MUST_CHECK;
/* A word of struct user. */
int trace_peek_user(struct task *t, pid_t tid, uint64_t off, uint64_t *out) MUST_CHECK;
int trace_poke_user(struct task *t, pid_t tid, uint64_t off, uint64_t value) MUST_CHECK;
/* The extended state: size is at most platform_xstate_size(). A set of fewer bytes changes the x87 and SSE part alone. */
int trace_get_xstate(struct task *t, pid_t tid, void *buf, size_t size) MUST_CHECK;
int trace_set_xstate(struct task *t, pid_t tid, const void *buf, size_t size) MUST_CHECK;

#endif
