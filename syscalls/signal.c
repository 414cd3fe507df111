/* SPDX-License-Identifier: Apache-2.0 */
/* Signals: actions, masks, waiting, the alternate stack. syscalls/kill.c sends. */
#include "kernel/signal.h"
#include "mm/guest.h"
#include "syscalls/syscalls.h"

#include <errno.h>
#include <string.h>

SYSCALL_DECLARE(rt_sigaction);
SYSCALL_DECLARE(rt_sigprocmask);
SYSCALL_DECLARE(rt_sigpending);
SYSCALL_DECLARE(rt_sigsuspend);
SYSCALL_DECLARE(rt_sigtimedwait);
SYSCALL_DECLARE(rt_sigreturn);
SYSCALL_DECLARE(sigaltstack);
SYSCALL_DECLARE(pause);
SYSCALL_DECLARE(restart_syscall);

/* Flags that mean something to the kernel; others read back as 0, which is how programs find out (sigaction(2)). */
static const uint64_t known_flags = SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER |
				    (uint32_t)SA_RESETHAND | 0x800 /* EXPOSE_TAGBITS */ | 0x04000000 /* RESTORER */;

int64_t sys_rt_sigaction(struct task *t, const uint64_t a[6])
{
	struct sigaction_guest act, old;
	int sig = (int)a[0];

	if (a[3] != sizeof(sigset_guest))
		return -EINVAL;
	if (a[1] && guest_read(t->mm, &act, a[1], sizeof(act)) < 0)
		return -EFAULT;
	if (sig < 1 || sig > SIGNAL_COUNT || (a[1] && (sig == SIGKILL || sig == SIGSTOP)))
		return -EINVAL;
	if (a[1])
		act.flags &= known_flags;
	signal_set_action(t, sig, a[1] ? &act : NULL, &old);
	return a[2] ? guest_write(t->mm, a[2], &old, sizeof(old)) : 0;
}

int64_t sys_rt_sigprocmask(struct task *t, const uint64_t a[6])
{
	sigset_guest set, old = t->blocked;

	if (a[3] != sizeof(sigset_guest))
		return -EINVAL;
	if (a[1]) {
		if (guest_read(t->mm, &set, a[1], sizeof(set)) < 0)
			return -EFAULT;
		switch ((int)a[0]) {
		case SIG_BLOCK:
			set |= old;
			break;
		case SIG_UNBLOCK:
			set = old & ~set;
			break;
		case SIG_SETMASK:
			break;
		default:
			return -EINVAL;
		}
		signal_set_mask(t, set);
	}
	return a[2] ? guest_write(t->mm, a[2], &old, sizeof(old)) : 0;
}

int64_t sys_rt_sigpending(struct task *t, const uint64_t a[6])
{
	sigset_guest set = signal_pending_set(t) & t->blocked;

	if (a[1] > sizeof(set))
		return -EINVAL;
	return guest_write(t->mm, a[0], &set, a[1]);
}

/* Sleeps until there is work. A kick that turns out to mean nothing makes the call start again. */
static int64_t sleep_for_signal(struct task *t)
{
	while (!task_sleep(t, NO_DEADLINE))
		;
	return -ERESTARTNOHAND;
}

int64_t sys_rt_sigsuspend(struct task *t, const uint64_t a[6])
{
	sigset_guest set;

	if (a[1] != sizeof(set))
		return -EINVAL;
	if (guest_read(t->mm, &set, a[0], sizeof(set)) < 0)
		return -EFAULT;
	t->saved_mask = t->blocked;
	t->restore_mask = true;
	signal_set_mask(t, set);
	return sleep_for_signal(t);
}

int64_t sys_pause(struct task *t, const uint64_t a[6])
{
	(void)a;
	return sleep_for_signal(t);
}

/* Takes a signal of `set`, waiting until deadline. The number, -EAGAIN, or -EINTR when another one came. */
static int64_t wait_for(struct task *t, sigset_guest set, int64_t deadline, siginfo_t *info)
{
	bool waited = deadline == 0;
	int r = 0;

	for (;;) {
		mutex_lock(&tasks_lock);
		bool got = signal_dequeue_locked(t, set, info);

		t->wait_set = got || waited ? 0 : set;
		mutex_unlock(&tasks_lock);
		if (got)
			return info->si_signo;
		if (waited)
			return r == -EINTR ? -EINTR : -EAGAIN;
		r = task_sleep(t, deadline);
		waited = r < 0;
	}
}

int64_t sys_rt_sigtimedwait(struct task *t, const uint64_t a[6])
{
	sigset_guest set;
	siginfo_t info;
	int64_t deadline, r;

	if (a[3] != sizeof(set))
		return -EINVAL;
	if (guest_read(t->mm, &set, a[0], sizeof(set)) < 0)
		return -EFAULT;
	r = syscall_timespec(t, a[2], &deadline);
	if (r < 0)
		return r;
	if (deadline && deadline != NO_DEADLINE) {
		int64_t now = mono_now();

		deadline = deadline > NO_DEADLINE - now ? NO_DEADLINE : now + deadline;
	}
	r = wait_for(t, set & ~(sig_bit(SIGKILL) | sig_bit(SIGSTOP)), deadline, &info);
	if (r > 0 && a[1] && guest_write(t->mm, a[1], &info, sizeof(info)) < 0)
		return -EFAULT;
	return r;
}

int64_t sys_rt_sigreturn(struct task *t, const uint64_t a[6])
{
	(void)a;
	return signal_sigreturn(t);
}

int64_t sys_sigaltstack(struct task *t, const uint64_t a[6])
{
	uint64_t sp = platform_sp(t->ctx);
	struct sigaltstack_guest new, old = signal_get_altstack(t, sp);
	int r;

	if (a[0]) {
		if (guest_read(t->mm, &new, a[0], sizeof(new)) < 0)
			return -EFAULT;
		r = signal_set_altstack(t, &new, sp);
		if (r < 0)
			return r;
	}
	return a[1] ? guest_write(t->mm, a[1], &old, sizeof(old)) : 0;
}

int64_t sys_restart_syscall(struct task *t, const uint64_t a[6])
{
	int64_t (*fn)(struct task *t) = t->restart.fn;

	(void)a;
	t->restart.fn = NULL;
	return fn ? fn(t) : -EINTR;
}
