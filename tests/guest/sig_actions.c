/* SPDX-License-Identifier: Apache-2.0 */
/* Actions, masks and queues: what is delivered, in which order, with which details. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int count, depth, max_depth, order[64], order_count;
static volatile siginfo_t last;

static void plain(int sig)
{
	order[order_count++ % 64] = sig;
	count++;
}

static void info_handler(int sig, siginfo_t *info, void *uc)
{
	(void)uc;
	last = *info;
	plain(sig);
}

static void nested(int sig)
{
	if (++depth > max_depth)
		max_depth = depth;
	if (++count < 3)
		raise(sig);
	depth--;
}

static void set(int sig, void *fn, int flags)
{
	struct sigaction sa = { .sa_flags = flags };

	sa.sa_sigaction = (void (*)(int, siginfo_t *, void *))fn;
	sigemptyset(&sa.sa_mask);
	printf("sigaction %d: %d\n", sig, sigaction(sig, &sa, NULL));
}

static void show_order(const char *what)
{
	printf("%s:", what);
	for (int i = 0; i < order_count; i++)
		printf(" %d", order[i]);
	printf("\n");
	order_count = 0;
}

static void errors(void)
{
	struct sigaction sa = { .sa_handler = SIG_IGN };
	unsigned long bad[4] = { 0, 1UL << 20 | 0x400, 0, 0 }, got[4];

	printf("KILL %d", sigaction(SIGKILL, &sa, NULL));
	printf(" %s\n", strerrorname_np(errno));
	printf("raw 0: %ld, 65: %ld, size 4: %ld\n", syscall(SYS_rt_sigaction, 0, NULL, NULL, 8),
	       syscall(SYS_rt_sigaction, 65, NULL, NULL, 8), syscall(SYS_rt_sigaction, 1, NULL, NULL, 4));
	syscall(SYS_rt_sigaction, SIGUSR2, bad, NULL, 8);
	syscall(SYS_rt_sigaction, SIGUSR2, NULL, got, 8);
	printf("unknown flags read back: %lx\n", got[1]);
	printf("kill: %d", kill(getpid(), 65));
	printf(" %s", strerrorname_np(errno));
	printf(", nobody: %d", kill(999999, 0));
	printf(" %s", strerrorname_np(errno));
	printf(", self 0: %d\n", kill(getpid(), 0));
	printf("mask: %ld", syscall(SYS_rt_sigprocmask, 7, bad, NULL, 8));
	printf(" %s", strerrorname_np(errno));
	printf(", fault: %ld", syscall(SYS_rt_sigprocmask, 0, 8L, NULL, 8));
	printf(" %s\n", strerrorname_np(errno));
}

static void queues(void)
{
	sigset_t all, none, pend;
	union sigval v;
	siginfo_t info;
	struct timespec zero = { 0, 0 };

	sigfillset(&all);
	sigemptyset(&none);
	sigprocmask(SIG_BLOCK, &all, NULL);
	set(SIGUSR1, plain, 0);
	set(SIGRTMIN, info_handler, SA_SIGINFO);
	set(SIGRTMIN + 1, info_handler, SA_SIGINFO);
	for (int i = 0; i < 3; i++) {
		v.sival_int = 10 + i;
		kill(getpid(), SIGUSR1);
		sigqueue(getpid(), SIGRTMIN + 1, v);
		sigqueue(getpid(), SIGRTMIN, v);
	}
	sigpending(&pend);
	printf("pending USR1 %d RT0 %d RT1 %d USR2 %d\n", sigismember(&pend, SIGUSR1), sigismember(&pend, SIGRTMIN),
	       sigismember(&pend, SIGRTMIN + 1), sigismember(&pend, SIGUSR2));
	int r = sigtimedwait(&all, &info, &zero);
	printf("first taken: USR1 %d code %d own pid %d\n", r == SIGUSR1, info.si_code, info.si_pid == getpid());
	r = sigtimedwait(&all, &info, &zero);
	printf("then: RT0 %d code %d value %d\n", r == SIGRTMIN, info.si_code, info.si_value.sival_int);
	count = order_count = 0;
	sigprocmask(SIG_SETMASK, &none, NULL);
	printf("delivered %d, last value %d\n", count, last.si_value.sival_int);
	for (int i = 0; i < order_count; i++)
		order[i] -= SIGRTMIN;
	show_order("frames run, highest number first");
	sigprocmask(SIG_BLOCK, &all, NULL);
	kill(getpid(), SIGUSR1);
	signal(SIGUSR1, SIG_IGN);
	sigpending(&pend);
	printf("ignored while pending: %d\n", sigismember(&pend, SIGUSR1));
	r = sigtimedwait(&all, &info, &zero);
	printf("nothing: %d %s\n", r, strerrorname_np(errno));
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void flags(void)
{
	struct sigaction sa;
	int status;

	set(SIGUSR1, nested, SA_NODEFER);
	count = 0;
	raise(SIGUSR1);
	printf("NODEFER: depth %d\n", max_depth);
	set(SIGUSR1, nested, 0);
	count = max_depth = 0;
	raise(SIGUSR1);
	printf("deferred: depth %d count %d\n", max_depth, count);
	set(SIGUSR1, plain, (int)SA_RESETHAND);
	raise(SIGUSR1);
	sigaction(SIGUSR1, NULL, &sa);
	printf("RESETHAND: default %d\n", sa.sa_handler == SIG_DFL);
	fflush(stdout);
	for (int sig = 1; sig < 32; sig++) {
		pid_t pid = fork();

		if (!pid) {
			signal(sig, SIG_DFL);
			if (sig != SIGSTOP && sig != SIGTSTP && sig != SIGTTIN && sig != SIGTTOU)
				kill(getpid(), sig);
			_exit(7);
		}
		waitpid(pid, &status, 0);
		printf("default of %d: %s %d\n", sig, WIFSIGNALED(status) ? "killed by" : "exit", status & 0x7f);
	}
}

static void suspend(void)
{
	sigset_t block, none, now;
	pid_t pid;

	sigemptyset(&none);
	sigemptyset(&block);
	sigaddset(&block, SIGUSR2);
	sigprocmask(SIG_BLOCK, &block, NULL);
	set(SIGUSR2, plain, 0);
	count = 0;
	fflush(stdout);
	pid = fork();
	if (!pid) {
		kill(getppid(), SIGUSR2);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	printf("before: %d\n", count);
	int r = sigsuspend(&none);
	printf("sigsuspend: %d %s, count %d\n", r, strerrorname_np(errno), count);
	sigprocmask(SIG_BLOCK, NULL, &now);
	printf("blocked again: %d\n", sigismember(&now, SIGUSR2));
}

int main(void)
{
	errors();
	queues();
	flags();
	suspend();
	return 0;
}
