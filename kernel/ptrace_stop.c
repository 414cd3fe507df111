/* SPDX-License-Identifier: Apache-2.0 */
/* ptrace(2), the tracee's half: coming to a stop, sitting in it, going on. See ptrace.c for the theory of operation.
 *
 *   signal-delivery-stop    trace_signal(), for each signal but SIGKILL that is taken to act on the task
 *   group-stop, interrupt   trace_trap(): the task takes part in a group stop and shows it, or tr->trap was set
 *   syscall-stops           trace_syscall() at the entry, trace_work() at the end: a call that is interrupted shows its restart
 *                           code there, and is made again afterwards, as under Linux
 *   events                  trace_event(), in the middle of clone, vfork and exit; after execve, in the new context
 *
 * How the task goes on is t->trace_mode (O), set by the stop that it comes from. `trace_exit_due` says that the call which
 * the task is in ends with a stop: each stop inside a call decides it anew.
 *
 * A kill ends every stop but one: that of a task which is ending anyway. Only SIGKILL cuts that short.
 */
#include "kernel/ptrace_internal.h"
#include "kernel/signal_internal.h"
#include "kernel/task_internal.h"

#include <asm/unistd_64.h>
#include <errno.h>
#include <linux/sched.h>
#include <string.h>

static const uint64_t trap_flag = 0x100;

static bool mode_steps(enum trace_mode m)
{
	return m == TRACE_STEP || m == TRACE_SYSEMU_STEP;
}

static bool mode_emulates(enum trace_mode m)
{
	return m == TRACE_SYSEMU || m == TRACE_SYSEMU_STEP;
}

static void set_mode(struct task *t, enum trace_mode m)
{
	t->trace_mode = m;
	t->syscall = m == TRACE_CONT ? task_syscall : trace_syscall;
}

/* --- the stop itself --- */

/* The trap flag is the tracer's doing and not the guest's: it is never seen in its registers, nor in a frame. */
static void disarm_step(struct task *t)
{
	if (!t->trace_stepping)
		return;
	t->trace_stepping = false;
	platform_regs(t->ctx)->eflags &= ~trap_flag;
	platform_regs_changed(t->ctx);
}

static void take_snapshot(struct task *t, struct trace_stop *s)
{
	disarm_step(t);
	s->regs = *platform_regs(t->ctx);
	s->regs.orig_rax = t->in_syscall ? t->sys_nr : UINT64_MAX;
	if (s->kind == STOP_CALL_ENTRY || s->kind == STOP_SECCOMP)
		s->regs.rax = (uint64_t)-ENOSYS;
}

static void apply_changes(struct task *t, const struct trace_stop *s)
{
	if (UNLIKELY(s->debug_changed))
		debug_registers_apply(t);
	if (!s->regs_changed)
		return;
	*platform_regs(t->ctx) = s->regs;
	platform_regs_changed(t->ctx);
	/* A tracer that sets orig_rax to -1 takes the task out of its call: nothing is restarted. */
	t->in_syscall = (int64_t)s->regs.orig_rax >= 0;
	t->sys_nr = s->regs.orig_rax;
}

static bool over_locked(struct task *t, const struct trace_stop *s) REQUIRES(tasks_lock)
{
	if (s->resumed || (s->last ? t->tg->killed : t->exit_pending || t->tg->state >= GROUP_EXITING))
		return true;
	return t->ptrace->listening && t->ptrace->trap;
}

static void finish_errand_locked(struct trace_stop *s, int result) REQUIRES(tasks_lock)
{
	struct trace_errand *e = s->errand;

	if (!e)
		return;
	s->errand = NULL;
	e->result = result;
	e->done = true;
	sleeper_wake(&e->from->sleeper);
}

static void sit_locked(struct task *t, struct trace_stop *s) REQUIRES(tasks_lock)
{
	while (!over_locked(t, s)) {
		struct trace_errand *e = s->errand;
		int r;

		/* Every reason to wake is seen above, under the lock; whoever adds one wakes or kicks us after this point. */
		sleeper_clear_interrupt(&t->sleeper);
		mutex_unlock(&tasks_lock);
		r = e ? e->fn(t, e) : task_sleep(t, NO_DEADLINE);
		mutex_lock(&tasks_lock);
		if (e)
			finish_errand_locked(s, r);
	}
	finish_errand_locked(s, -ESRCH);
}

/* What arrived during the stop has had its kick consumed by it. */
static void look_again_locked(struct task *t) REQUIRES(tasks_lock)
{
	struct thread_group *tg = t->tg;

	if (t->exit_pending || tg->state >= GROUP_EXITING || (tg->stop_signal && !t->stop_shown) ||
	    (t->ptrace && t->ptrace->trap))
		task_kick_locked(t);
	else
		signal_recalc_locked(t);
}

/* The signal that the tracer passes on, 0 for none; -1 if there was no stop, because nobody traces t or it is being killed. */
static int stop(struct task *t, struct trace_stop *s, int why, uint64_t message)
{
	take_snapshot(t, s);
	mutex_lock(&tasks_lock);
	bool of_call = s->kind == STOP_CALL_ENTRY || s->kind == STOP_CALL_EXIT;

	if (!t->ptrace || (of_call && !t->ptrace->begun) || over_locked(t, s)) {
		mutex_unlock(&tasks_lock);
		set_mode(t, TRACE_CONT);
		return -1;
	}
	t->ptrace->begun = true;
	t->ptrace->message = message;
	t->ptrace_stop = s;
	signal_child_changed_locked(t->ptrace->tracer->tg, t, why, s->code & 0x7f);
	sit_locked(t, s);
	t->ptrace_stop = NULL;
	if (t->ptrace)
		t->ptrace->listening = false;
	look_again_locked(t);
	mutex_unlock(&tasks_lock);
	apply_changes(t, s);
	set_mode(t, s->resumed ? s->mode : TRACE_CONT);
	return s->resumed ? s->code : 0;
}

void trace_wake_locked(struct task *t)
{
	if (t->ptrace_stop)
		sleeper_wake(&t->sleeper);
}

/* What PTRACE_GETSIGINFO shows of a stop that is no signal's. */
static siginfo_t stop_info(struct task *t, int sig, int code)
{
	siginfo_t info = signal_info(sig, code, t);

	info.si_pid = t->tid;
	return info;
}

/* A stop with SIGTRAP that the kernel makes up: `code` is what wait reports. */
static struct trace_stop trap_stop(struct task *t, enum trace_stop_kind kind, int code)
{
	return (struct trace_stop){ .kind = kind, .code = code, .has_info = true, .info = stop_info(t, SIGTRAP, code) };
}

static int notify(struct task *t, enum trace_stop_kind kind, int code, uint64_t message)
{
	struct trace_stop s = trap_stop(t, kind, code);

	return stop(t, &s, CLD_TRAPPED, message);
}

/* --- signals and group stops --- */

bool trace_signal(struct task *t, siginfo_t *info)
{
	struct trace_stop s = { .kind = STOP_SIGNAL, .code = info->si_signo, .has_info = true, .info = *info };
	int sig = stop(t, &s, CLD_TRAPPED, 0);
	bool act = true;

	if (sig <= 0)
		return sig < 0;
	mutex_lock(&tasks_lock);
	*info = s.info;
	if (sig != info->si_signo)
		*info = signal_info(sig, SI_USER, t->ptrace ? t->ptrace->tracer : NULL);
	if (t->blocked & sig_bit(sig)) {
		act = false;
		(void)!signal_send_task_locked(t, info);
	}
	mutex_unlock(&tasks_lock);
	return act;
}

void trace_trap(struct task *t)
{
	struct trace_stop s = { .kind = STOP_GROUP };
	struct thread_group *tg = t->tg;

	mutex_lock(&tasks_lock);
	struct traced *tr = t->ptrace;
	int sig = tg->stop_signal;

	if (sig && !t->stop_shown) {
		t->stop_shown = t->stopped = true;
		signal_stop_check_locked(tg);
	}
	s.code = sig;
	s.has_info = tr && tr->seized;
	if (tr)
		tr->trap = false;
	mutex_unlock(&tasks_lock);
	if (s.has_info) {
		s.code = (sig ? sig : SIGTRAP) | PTRACE_EVENT_STOP << 8;
		s.info = stop_info(t, sig ? sig : SIGTRAP, s.code);
	}
	if (tr && s.code)
		stop(t, &s, CLD_STOPPED, 0);
	mutex_lock(&tasks_lock);
	t->stopped = false;
	mutex_unlock(&tasks_lock);
}

void trace_notify_group_locked(struct thread_group *tg, bool stopping)
{
	struct task *t;

	TAILQ_FOREACH(t, &tg->tasks, tg_link) {
		if (!t->ptrace || t->dead)
			continue;
		if (stopping)
			t->stop_shown = false;
		if (t->ptrace->seized)
			t->ptrace->trap = true;
		trace_wake_locked(t);
		task_kick_locked(t);
	}
}

/* --- events --- */

bool trace_event_wanted(struct task *t, int event)
{
	mutex_lock(&tasks_lock);
	bool r = t->ptrace && (t->ptrace->options & 1u << event);

	mutex_unlock(&tasks_lock);
	return r;
}

int trace_clone_event_locked(struct task *t, uint64_t flags, uint64_t exit_signal)
{
	int event = PTRACE_EVENT_FORK;

	if (flags & CLONE_UNTRACED)
		return 0;
	if (flags & CLONE_VFORK)
		event = PTRACE_EVENT_VFORK;
	else if (exit_signal != SIGCHLD)
		event = PTRACE_EVENT_CLONE;
	return t->ptrace && (t->ptrace->options & 1u << event) ? event : 0;
}

static bool mode_shows_exit(enum trace_mode m)
{
	return m != TRACE_CONT && !mode_emulates(m);
}

/* After a stop in the middle of a call, which may have begun unobserved. */
static void expect_call_exit(struct task *t)
{
	t->trace_exit_due = mode_shows_exit(t->trace_mode);
	if (t->trace_exit_due)
		atomic_store(&t->work, true);
}

void trace_event(struct task *t, int event, uint64_t message)
{
	(void)!notify(t, STOP_EVENT, SIGTRAP | event << 8, message);
	expect_call_exit(t);
}

void trace_exec(struct task *t, pid_t old_tid)
{
	t->trace_exec_tid = old_tid;
	atomic_store(&t->work, true);
}

static void exec_stop(struct task *t)
{
	pid_t old = t->trace_exec_tid;

	t->trace_exec_tid = 0;
	/* The call is over for everybody but the tracer. */
	t->in_syscall = true;
	t->sys_nr = __NR_execve;
	if (trace_event_wanted(t, PTRACE_EVENT_EXEC)) {
		trace_event(t, PTRACE_EVENT_EXEC, (uint64_t)old);
		return;
	}
	mutex_lock(&tasks_lock);
	siginfo_t info = signal_info(SIGTRAP, SI_USER, t);

	if (t->ptrace && !t->ptrace->seized)
		(void)!signal_send_task_locked(t, &info);
	mutex_unlock(&tasks_lock);
}

void trace_last_stop(struct task *t, int status)
{
	struct trace_stop s = trap_stop(t, STOP_EVENT, SIGTRAP | PTRACE_EVENT_EXIT << 8);

	s.last = true;
	(void)!stop(t, &s, CLD_TRAPPED, (uint64_t)status);
}

/* --- calls and steps --- */

static int call_stop(struct task *t, enum trace_stop_kind kind, struct trace_stop *s)
{
	int code = SIGTRAP;

	mutex_lock(&tasks_lock);
	if (t->ptrace && (t->ptrace->options & PTRACE_O_TRACESYSGOOD))
		code |= 0x80;
	mutex_unlock(&tasks_lock);
	*s = trap_stop(t, kind, code);
	int sig = stop(t, s, CLD_TRAPPED,
		       kind == STOP_CALL_ENTRY ? PTRACE_EVENTMSG_SYSCALL_ENTRY : PTRACE_EVENTMSG_SYSCALL_EXIT);

	/* What the tracer passes on here is a new signal. */
	if (sig > 0) {
		siginfo_t info = signal_info(sig, SI_KERNEL, NULL);

		mutex_lock(&tasks_lock);
		(void)!signal_send_task_locked(t, &info);
		mutex_unlock(&tasks_lock);
	}
	return sig;
}

/* The call that a tracer made of the one which it was shown. */
static void changed_call(const struct trace_stop *s, uint64_t *nr, uint64_t args[6])
{
	const uint64_t now[6] = { s->regs.rdi, s->regs.rsi, s->regs.rdx, s->regs.r10, s->regs.r8, s->regs.r9 };

	if (!s->regs_changed)
		return;
	*nr = (uint64_t)(int64_t)(int32_t)s->regs.orig_rax;
	memcpy(args, now, sizeof(now));
}

bool trace_seccomp(struct task *t, uint16_t data)
{
	struct trace_stop s = trap_stop(t, STOP_SECCOMP, SIGTRAP | PTRACE_EVENT_SECCOMP << 8);

	if (!trace_event_wanted(t, PTRACE_EVENT_SECCOMP) || stop(t, &s, CLD_TRAPPED, data) < 0) {
		platform_set_result(t->ctx, (uint64_t)-ENOSYS);
		return false;
	}
	expect_call_exit(t);
	changed_call(&s, &t->sys_nr, t->sys_args);
	if ((int64_t)t->sys_nr >= 0 && !signal_fatal_pending(t))
		return true;
	platform_set_result(t->ctx, s.regs.rax);
	return false;
}

/* The stop at the entry of a call. False: the call is not made, and its result is what the tracer left in rax. */
static bool enter_call(struct task *t, struct platform_ctx *ctx, struct platform_event *call)
{
	bool emulate = mode_emulates(t->trace_mode);
	struct trace_stop s;

	if (call_stop(t, STOP_CALL_ENTRY, &s) < 0)
		return true;
	t->trace_exit_due = mode_shows_exit(t->trace_mode);
	changed_call(&s, &call->nr, call->args);
	if (!emulate && !(s.regs_changed && call->nr == UINT64_MAX) && !signal_fatal_pending(t))
		return true;
	platform_set_result(ctx, s.regs.rax);
	return false;
}

void trace_syscall(struct task *t, struct platform_ctx *ctx, const struct platform_event *ev)
{
	struct platform_event call = *ev;
	bool make = true;

	t->in_syscall = true;
	t->sys_nr = ev->nr;
	memcpy(t->sys_args, ev->args, sizeof(t->sys_args));
	if (t->trace_mode == TRACE_STEP)
		t->trace_exit_due = true;
	else
		make = enter_call(t, ctx, &call);
	if (make)
		task_syscall(t, ctx, &call);
	if (t->trace_exit_due)
		atomic_store(&t->work, true);
}

/* A step over a call ends right after it: the processor's own trap would come one instruction late. */
static void report_step(struct task *t)
{
	siginfo_t info = { .si_signo = SIGTRAP, .si_code = TRAP_BRKPT };

	info.si_addr = (void *)(uintptr_t)platform_ip(t->ctx); /* NOLINT: the guest's address */
	signal_force(t, &info);
}

/* A tracer that is gone leaves its tracee running as it wanted it. */
static void forget_tracer(struct task *t)
{
	mutex_lock(&tasks_lock);
	bool gone = !t->ptrace || !t->ptrace->begun;

	mutex_unlock(&tasks_lock);
	if (!gone)
		return;
	disarm_step(t);
	set_mode(t, TRACE_CONT);
	t->trace_exit_due = false;
}

void trace_work(struct task *t)
{
	struct trace_stop s;

	if (t->trace_mode != TRACE_CONT)
		forget_tracer(t);
	if (t->trace_exec_tid)
		exec_stop(t);
	if (!t->trace_exit_due)
		return;
	t->trace_exit_due = false;
	if (mode_steps(t->trace_mode))
		report_step(t);
	else
		(void)!call_stop(t, STOP_CALL_EXIT, &s);
}

void trace_handler_entered(struct task *t)
{
	if (mode_steps(t->trace_mode))
		(void)!notify(t, STOP_SIGNAL, SIGTRAP, 0);
}

void trace_enter_guest(struct task *t)
{
	struct user_regs_struct *r;

	if (!mode_steps(t->trace_mode) || t->trace_stepping)
		return;
	r = platform_regs(t->ctx);
	/* A guest that steps itself keeps its flag. */
	if (r->eflags & trap_flag)
		return;
	r->eflags |= trap_flag;
	platform_regs_changed(t->ctx);
	t->trace_stepping = true;
}

bool trace_stale_step(struct task *t, const siginfo_t *info)
{
	if (!t->trace_stepping || info->si_signo != SIGTRAP || info->si_code != TRAP_TRACE)
		return false;
	mutex_lock(&tasks_lock);
	bool stale = !t->ptrace;

	mutex_unlock(&tasks_lock);
	if (stale) {
		disarm_step(t);
		set_mode(t, TRACE_CONT);
	}
	return stale;
}
