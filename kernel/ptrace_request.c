/* SPDX-License-Identifier: Apache-2.0 */
/* ptrace(2), the tracer's half: what it may do with a task that sits in a stop. See ptrace.c for the theory of operation. */
#include "kernel/ptrace_internal.h"
#include "kernel/signal_internal.h"

#include <errno.h>
#include <linux/audit.h>
#include <stddef.h>
#include <string.h>

static void go_locked(struct task *target, enum trace_mode mode, int sig) REQUIRES(tasks_lock)
{
	struct trace_stop *s = target->ptrace_stop;

	s->code = sig;
	s->mode = mode;
	s->resumed = true;
	trace_wake_locked(target);
}

int trace_resume(struct task *t, pid_t tid, enum trace_mode mode, uint64_t sig)
{
	int r = -ESRCH;

	mutex_lock(&tasks_lock);
	struct task *target = trace_stopped_locked(t, tid);

	if (target)
		r = sig > SIGNAL_COUNT ? -EIO : 0;
	if (!r)
		go_locked(target, mode, (int)sig);
	mutex_unlock(&tasks_lock);
	return r;
}

int trace_detach(struct task *t, pid_t tid, uint64_t sig)
{
	int r = -ESRCH;

	mutex_lock(&tasks_lock);
	struct task *target = trace_stopped_locked(t, tid);

	if (target)
		r = sig > SIGNAL_COUNT ? -EIO : 0;
	if (!r) {
		go_locked(target, TRACE_CONT, (int)sig);
		trace_unlink_locked(target);
	}
	mutex_unlock(&tasks_lock);
	return r;
}

int trace_listen(struct task *t, pid_t tid)
{
	int r = -ESRCH;

	mutex_lock(&tasks_lock);
	struct task *target = trace_stopped_locked(t, tid);

	if (target) {
		const struct trace_stop *s = target->ptrace_stop;

		r = target->ptrace->seized && s->kind == STOP_GROUP ? 0 : -EIO;
	}
	if (!r) {
		target->ptrace->listening = true;
		trace_wake_locked(target);
	}
	mutex_unlock(&tasks_lock);
	return r;
}

int trace_kill(struct task *t, pid_t tid)
{
	int r = -ESRCH;

	mutex_lock(&tasks_lock);
	struct task *target = task_find_locked(tid);

	if (target && target->ptrace && target->ptrace->tracer == t) {
		group_kill_locked(target->tg, SIGKILL);
		r = 0;
	}
	mutex_unlock(&tasks_lock);
	return r;
}

int trace_set_options(struct task *t, pid_t tid, uint64_t options)
{
	int r = -ESRCH;

	mutex_lock(&tasks_lock);
	struct task *target = trace_stopped_locked(t, tid);

	if (target) {
		target->ptrace->options = (unsigned)options;
		r = 0;
	}
	mutex_unlock(&tasks_lock);
	return r;
}

int trace_message(struct task *t, pid_t tid, uint64_t *out)
{
	mutex_lock(&tasks_lock);
	struct task *target = trace_stopped_locked(t, tid);

	if (target)
		*out = target->ptrace->message;
	mutex_unlock(&tasks_lock);
	return target ? 0 : -ESRCH;
}

/* --- signals --- */

int trace_get_siginfo(struct task *t, pid_t tid, siginfo_t *out)
{
	int r = -ESRCH;

	mutex_lock(&tasks_lock);
	struct task *target = trace_stopped_locked(t, tid);

	if (target)
		r = target->ptrace_stop->has_info ? 0 : -EINVAL;
	if (!r)
		*out = target->ptrace_stop->info;
	mutex_unlock(&tasks_lock);
	return r;
}

int trace_set_siginfo(struct task *t, pid_t tid, const siginfo_t *info)
{
	int r = -ESRCH;

	mutex_lock(&tasks_lock);
	struct task *target = trace_stopped_locked(t, tid);

	if (target)
		r = target->ptrace_stop->has_info ? 0 : -EINVAL;
	if (!r)
		target->ptrace_stop->info = *info;
	mutex_unlock(&tasks_lock);
	return r;
}

int trace_get_mask(struct task *t, pid_t tid, sigset_guest *out)
{
	mutex_lock(&tasks_lock);
	struct task *target = trace_stopped_locked(t, tid);

	if (target)
		*out = target->restore_mask ? target->saved_mask : target->blocked;
	mutex_unlock(&tasks_lock);
	return target ? 0 : -ESRCH;
}

int trace_set_mask(struct task *t, pid_t tid, sigset_guest mask)
{
	mutex_lock(&tasks_lock);
	struct task *target = trace_stopped_locked(t, tid);

	/* Its own thread sleeps, and looks at its signals anew when the stop ends. */
	if (target) {
		target->blocked = mask & ~SIGNALS_UNBLOCKABLE;
		target->restore_mask = false;
	}
	mutex_unlock(&tasks_lock);
	return target ? 0 : -ESRCH;
}

int trace_peek_signal(struct task *t, pid_t tid, bool shared, uint64_t index, siginfo_t *out)
{
	int r = -ESRCH;

	mutex_lock(&tasks_lock);
	struct task *target = trace_stopped_locked(t, tid);

	if (target) {
		struct sigpending *p = shared ? &target->tg->shared_pending : &target->pending;
		struct sigqueue_entry *e = TAILQ_FIRST(&p->queue);

		while (e && index--)
			e = TAILQ_NEXT(e, link);
		if (e)
			*out = e->info;
		r = !!e;
	}
	mutex_unlock(&tasks_lock);
	return r;
}

/* --- calls --- */

static int fill_syscall_info(const struct trace_stop *s, uint64_t message, struct ptrace_syscall_info *out)
{
	const struct user_regs_struct *r = &s->regs;
	const uint64_t args[6] = { r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9 };

	memset(out, 0, sizeof(*out));
	out->arch = AUDIT_ARCH_X86_64;
	out->instruction_pointer = r->rip;
	out->stack_pointer = r->rsp;
	switch (s->kind) {
	case STOP_CALL_ENTRY:
		out->op = PTRACE_SYSCALL_INFO_ENTRY;
		out->entry.nr = r->orig_rax;
		memcpy(out->entry.args, args, sizeof(args));
		return offsetof(struct ptrace_syscall_info, entry.args) + sizeof(out->entry.args);
	case STOP_SECCOMP:
		out->op = PTRACE_SYSCALL_INFO_SECCOMP;
		out->seccomp.nr = r->orig_rax;
		memcpy(out->seccomp.args, args, sizeof(args));
		out->seccomp.ret_data = (uint32_t)message;
		return offsetof(struct ptrace_syscall_info, seccomp.ret_data) + sizeof(out->seccomp.ret_data);
	case STOP_CALL_EXIT:
		out->op = PTRACE_SYSCALL_INFO_EXIT;
		out->exit.rval = (int64_t)r->rax;
		out->exit.is_error = out->exit.rval < 0 && out->exit.rval >= -4095;
		return offsetof(struct ptrace_syscall_info, exit.is_error) + sizeof(out->exit.is_error);
	default:
		out->op = PTRACE_SYSCALL_INFO_NONE;
		return offsetof(struct ptrace_syscall_info, entry);
	}
}

int trace_syscall_info(struct task *t, pid_t tid, struct ptrace_syscall_info *out)
{
	int r = -ESRCH;

	mutex_lock(&tasks_lock);
	struct task *target = trace_stopped_locked(t, tid);

	if (target)
		r = fill_syscall_info(target->ptrace_stop, target->ptrace->message, out);
	mutex_unlock(&tasks_lock);
	return r;
}

int trace_mm(struct task *t, pid_t tid, struct mm **out)
{
	int r = -ESRCH;

	mutex_lock(&tasks_lock);
	struct task *target = trace_stopped_locked(t, tid);

	if (target && target->mm) {
		mm_get(*out = target->mm);
		r = 0;
	}
	mutex_unlock(&tasks_lock);
	return r;
}
