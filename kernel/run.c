/* SPDX-License-Identifier: Apache-2.0 */
/* The loop that runs a task: into the guest, out with an event, answer it, do pending work, back.
 *
 * Theory of operation. task_run() is the function of a platform context. It owns the task for as long as it runs: fields
 * marked (O) are this thread's. A pass through the loop for a system call that needs nothing else takes no lock and
 * makes no host call beyond the platform's own: one load of t->work decides.
 *
 * Work is announced by task_kick_locked(): t->work first, then an interrupt of the sleep or of the guest. So whoever
 * clears t->work and then looks at the state under the tasks lock misses nothing, and whoever is about to enter the guest
 * with stale knowledge is interrupted at once.
 *
 * The loop ends in one of two ways. The task ends (exit_pending): task_finish(). Or execve gave it another mm
 * (t->moving): it is started anew in a context of that mm, and this function lets go of the old mm and returns. From the
 * moment platform_start() succeeds the task belongs to the new thread. */
#include "base/log.h"
#include "kernel/ptrace_internal.h"
#include "kernel/task_internal.h"
#include "mm/guest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int64_t thread_cputime(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void load_start_state(struct task *t, struct platform_ctx *ctx)
{
	struct task_start *s = t->start;

	t->start = NULL;
	*platform_regs(ctx) = s->regs;
	platform_regs_changed(ctx);
	/* The parent's own state is acceptable to the host, so a refusal means that the stub is dead: the next run says so. */
	if (!s->xstate_size || platform_xstate_set(ctx, s->xstate, s->xstate_size) < 0)
		platform_xstate_reset(ctx);
	free(s);
}

static void task_enter(struct task *t, struct platform_ctx *ctx)
{
	task_set_self(t);
	load_start_state(t, ctx);
	if (t->set_child_tid) {
		/* clone(2): an address that cannot be written is not an error. */
		pid_t tid = t->tid;
		int ignored = guest_write(t->mm, t->set_child_tid, &tid, sizeof(tid));

		(void)ignored;
		t->set_child_tid = 0;
	}
	mutex_lock(&tasks_lock);
	pthread_getcpuclockid(pthread_self(), &t->sentry_clock);
	t->sentry_start = thread_cputime();
	t->ctx = ctx;
	mutex_unlock(&tasks_lock);
}

/* The host killed the stub under us: for the guest that is a SIGKILL from nowhere. */
static void stub_died(struct task *t)
{
	log_debug("task %d: the host killed its stub", t->tid);
	group_kill(t->tg, SIGKILL);
}

/* What must be done before t goes back to its guest. False when it must not. */
static bool task_work(struct task *t)
{
	do {
		atomic_store(&t->work, false);
		sleeper_clear_interrupt(&t->sleeper);
		mutex_lock(&tasks_lock);
		bool exiting = t->exit_pending, traced = t->ptrace;
		mutex_unlock(&tasks_lock);
		if (exiting)
			return false;
		if (UNLIKELY(traced || t->trace_mode != TRACE_CONT))
			trace_work(t);
		/* Group stops included: it sleeps in there until SIGCONT or a kill. */
		signal_deliver(t);
	} while (UNLIKELY(atomic_load(&t->work)));
	trace_enter_guest(t);
	return true;
}

static bool is_restart_code(int64_t r)
{
	return r == -ERESTARTSYS || r == -ERESTARTNOINTR || r == -ERESTARTNOHAND || r == -ERESTART_RESTARTBLOCK;
}

void task_syscall(struct task *t, struct platform_ctx *ctx, const struct platform_event *ev)
{
	t->in_syscall = true;
	int64_t r = kernel_hooks->syscall(t, ev);

	if (UNLIKELY(r == SYSCALL_NO_RESULT)) {
		t->in_syscall = false;
		return;
	}
	platform_set_result(ctx, (uint64_t)r);
	/* signal_deliver() turns the code into a restart or EINTR, even if the signal has gone elsewhere meanwhile. */
	if (UNLIKELY(is_restart_code(r)))
		atomic_store(&t->work, true);
}

static void task_fault(struct task *t, const struct platform_event *ev)
{
	struct mm_fault f = {
		.addr = (uint64_t)ev->info.si_addr,
		.access = ev->access,
		.access_known = ev->access_known,
		.mapped = ev->fault_mapped,
		.bus = ev->info.si_signo == SIGBUS,
	};
	int code = 0;

	atomic_fetch_add_explicit(&t->min_flt, 1, memory_order_relaxed);
	int sig = mm_handle_fault(t->mm, &f, &code);
	if (UNLIKELY(log_debug_on()))
		log_debug("%d fault at %#lx, access %d%s, ip %#lx: %s", t->tid, f.addr, f.access, f.access_known ? "" : " or more",
			  platform_ip(t->ctx), sig > 0 ? strsignal(sig) : "resolved");
	if (sig <= 0)
		return;
	siginfo_t info = { .si_signo = sig, .si_code = code };
	info.si_addr = ev->info.si_addr;
	signal_force_fault(t, &info, ev->access);
}

static void task_event(struct task *t, struct platform_ctx *ctx, const struct platform_event *ev)
{
	if (LIKELY(ev->kind == PLATFORM_SYSCALL)) {
		t->syscall(t, ctx, ev);
		return;
	}
	t->in_syscall = false;
	switch (ev->kind) {
	case PLATFORM_FAULT:
		task_fault(t, ev);
		break;
	case PLATFORM_TRAP:
		if (platform_is_debug_trap(&ev->info))
			t->debug.status = ev->debug_status;
		if (!trace_stale_step(t, &ev->info))
			signal_force(t, &ev->info);
		break;
	case PLATFORM_BAD_ARCH:
		/* There is no 32-bit kernel here. No handler may run: what the stub would do next is not known to be a 64-bit
		 * program's doing. */
		group_kill(t->tg, SIGSYS);
		break;
	case PLATFORM_DEAD:
		stub_died(t);
		break;
	default:
		break; /* an interrupt: its reason is in t->work */
	}
}

/* Hands t over to a context of its new mm. False: there is none to be had, and t must end. */
static bool task_move(struct task *t, struct platform_ctx *ctx)
{
	int64_t utime = platform_cputime(ctx), stime = thread_cputime();

	t->moving = false;
	mutex_lock(&tasks_lock);
	t->utime_base += utime;
	t->stime_base += stime - t->sentry_start;
	t->ctx = NULL;
	mutex_unlock(&tasks_lock);
	if (!task_start_running(t))
		return true;
	group_kill(t->tg, SIGKILL);
	return false;
}

void task_run(struct platform_ctx *ctx, void *arg)
{
	struct task *t = arg;
	struct mm *mm = t->mm;
	struct platform_event ev;

	task_enter(t, ctx);
	for (;;) {
		if (UNLIKELY(atomic_load(&t->work)) && !task_work(t))
			break;
		platform_run(ctx, &ev);
		task_event(t, ctx, &ev);
		if (LIKELY(!t->moving))
			continue;
		if (!task_move(t, ctx))
			break;
		mm_user_put(mm);
		task_set_self(NULL);
		task_function_ended();
		return;
	}
	/* t->mm is another one if execve's last step failed. */
	if (t->mm != mm)
		mm_user_put(mm);
	task_finish(t, ctx);
	task_function_ended();
}
