/* SPDX-License-Identifier: Apache-2.0 */
/* ptrace: signals pass by the tracer, which lets them through, drops them, changes them; masks and queues. */
#include "trace.h"

static volatile sig_atomic_t usr1, usr2, code, value;

static void on_usr1(int sig)
{
	usr1++;
}

static void on_usr2(int sig, siginfo_t *info, void *uc)
{
	usr2++;
	code = info->si_code;
	value = info->si_value.sival_int;
}

static void raise_two(void)
{
	struct sigaction sa = { .sa_sigaction = on_usr2, .sa_flags = SA_SIGINFO };

	signal(SIGUSR1, on_usr1);
	sigaction(SIGUSR2, &sa, NULL);
	raise(SIGUSR1);
	raise(SIGUSR1);
	_exit(usr1 * 10 + usr2);
}

static void through(void)
{
	pid_t pid = traced_child(raise_two);
	siginfo_t info;

	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "first");
	request(PTRACE_GETSIGINFO, pid, 0, (unsigned long)&info);
	printf("siginfo: %d, code %d, its own pid %d\n", info.si_signo, info.si_code, info.si_pid == pid);
	printf("bad signal: %s\n", outcome(request(PTRACE_CONT, pid, 0, 65)));
	request(PTRACE_CONT, pid, 0, SIGUSR1);
	expect(pid, "second");
	printf("dropped: %s\n", outcome(request(PTRACE_CONT, pid, 0, 0)));
	expect(pid, "one of each taken");
}

static void show_changed(void)
{
	struct sigaction sa = { .sa_sigaction = on_usr2, .sa_flags = SA_SIGINFO };

	sigaction(SIGUSR2, &sa, NULL);
	raise(SIGUSR1);
	raise(SIGUSR2);
	_exit(usr2 * 100 + (code == SI_QUEUE) * 10 + (value == 5));
}

static void changed(void)
{
	pid_t pid = traced_child(show_changed);
	siginfo_t info;

	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "USR1");
	/* Becomes another signal, sent by the tracer. */
	request(PTRACE_CONT, pid, 0, SIGUSR2);
	expect(pid, "USR2");
	request(PTRACE_GETSIGINFO, pid, 0, (unsigned long)&info);
	info.si_code = SI_QUEUE;
	info.si_value.sival_int = 5;
	printf("setsiginfo: %s\n", outcome(request(PTRACE_SETSIGINFO, pid, 0, (unsigned long)&info)));
	request(PTRACE_CONT, pid, 0, SIGUSR2);
	expect(pid, "211");
}

static void ignore_and_die(void)
{
	signal(SIGUSR1, SIG_IGN);
	raise(SIGUSR1);
	raise(SIGCHLD);
	raise(SIGTERM);
	_exit(1);
}

static void ignored(void)
{
	pid_t pid = traced_child(ignore_and_die);

	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "ignored, and seen");
	request(PTRACE_CONT, pid, 0, SIGUSR1);
	expect(pid, "ignored by default");
	request(PTRACE_CONT, pid, 0, SIGCHLD);
	expect(pid, "TERM is seen");
	printf("status of the parent's wait: %ld\n", (long)waitpid(pid, NULL, WNOHANG | __WALL));
	request(PTRACE_CONT, pid, 0, SIGTERM);
	expect(pid, "and kills");
}

static void block_and_stop(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = 1 });
	sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = 2 });
	signal(SIGUSR1, on_usr1);
	raise(SIGTRAP);
	_exit(usr1);
}

static void queues(void)
{
	pid_t pid = traced_child(block_and_stop);
	struct __ptrace_peeksiginfo_args args = { .off = 0, .flags = 1, .nr = 8 };
	siginfo_t infos[8];
	uint64_t mask = 0;
	long n;

	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "TRAP");
	printf("mask: %s", outcome(request(PTRACE_GETSIGMASK, pid, 8, (unsigned long)&mask)));
	printf(" %lx\n", mask);
	printf("mask of another size: %s\n", outcome(request(PTRACE_GETSIGMASK, pid, 4, (unsigned long)&mask)));
	n = request(PTRACE_PEEKSIGINFO, pid, (unsigned long)&args, (unsigned long)infos);
	printf("shared queue: %ld\n", n);
	for (long i = 0; i < n; i++)
		printf("  signal %d value %d\n", infos[i].si_signo - SIGRTMIN, infos[i].si_value.sival_int);
	args.off = 1;
	printf("from the second on: %ld\n", request(PTRACE_PEEKSIGINFO, pid, (unsigned long)&args, (unsigned long)infos));
	args.off = 0;
	args.flags = 0;
	printf("its own: %ld", request(PTRACE_PEEKSIGINFO, pid, (unsigned long)&args, (unsigned long)infos));
	printf(" signal %d\n", infos[0].si_signo);
	args.flags = 2;
	printf("unknown flag: %s\n", outcome(request(PTRACE_PEEKSIGINFO, pid, (unsigned long)&args, (unsigned long)infos)));
	mask = 1ULL << (SIGRTMIN - 1);
	printf("unblock USR1: %s\n", outcome(request(PTRACE_SETSIGMASK, pid, 8, (unsigned long)&mask)));
	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "USR1 comes");
	request(PTRACE_CONT, pid, 0, SIGUSR1);
	expect(pid, "the end");
}

static void loop(void)
{
	for (;;)
		pause();
}

static void requests_of_the_running(void)
{
	pid_t pid = traced_child(loop);
	long v;

	request(PTRACE_CONT, pid, 0, 0);
	printf("peek while it runs: %s\n", outcome(request(PTRACE_PEEKDATA, pid, (unsigned long)&usr1, (unsigned long)&v)));
	printf("cont while it runs: %s\n", outcome(request(PTRACE_CONT, pid, 0, 0)));
	printf("detach while it runs: %s\n", outcome(request(PTRACE_DETACH, pid, 0, 0)));
	printf("interrupt what is not seized: %s\n", outcome(request(PTRACE_INTERRUPT, pid, 0, 0)));
	printf("attach again: %s\n", outcome(request(PTRACE_ATTACH, pid, 0, 0)));
	printf("attach to oneself: %s\n", outcome(request(PTRACE_ATTACH, getpid(), 0, 0)));
	printf("attach to nobody: %s\n", outcome(request(PTRACE_ATTACH, 4000000, 0, 0)));
	printf("cont of a stranger: %s\n", outcome(request(PTRACE_CONT, getppid(), 0, 0)));
	kill(pid, SIGUSR2);
	expect(pid, "a signal stops it");
	printf("listen: %s\n", outcome(request(PTRACE_LISTEN, pid, 0, 0)));
	printf("detach with a signal: %s\n", outcome(request(PTRACE_DETACH, pid, 0, SIGUSR2)));
	expect(pid, "it dies of it");
}

static void fault(void)
{
	*(volatile int *)16 = 1;
}

static void faults(void)
{
	pid_t pid = traced_child(fault);
	siginfo_t info;

	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "fault");
	request(PTRACE_GETSIGINFO, pid, 0, (unsigned long)&info);
	printf("code %d, address %lx\n", info.si_code, (long)info.si_addr);
	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "again, since it was dropped");
	request(PTRACE_CONT, pid, 0, SIGSEGV);
	int status = expect(pid, "dies");

	printf("%d\n", WTERMSIG(status));
}

static void step_into_handler(void)
{
	signal(SIGUSR1, on_usr1);
	raise(SIGUSR1);
	_exit(usr1);
}

static void step_handler(void)
{
	pid_t pid = traced_child(step_into_handler);
	struct user_regs_struct r;
	siginfo_t info;

	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "USR1");
	request(PTRACE_SINGLESTEP, pid, 0, SIGUSR1);
	expect(pid, "step");
	request(PTRACE_GETREGS, pid, 0, (unsigned long)&r);
	request(PTRACE_GETSIGINFO, pid, 0, (unsigned long)&info);
	printf("at the handler: %d, for signal %lld, code %d\n", r.rip == (unsigned long)on_usr1, r.rdi, info.si_code);
	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "the end");
}

static volatile int told_code, told_status;

static void on_child(int sig, siginfo_t *info, void *uc)
{
	told_code = info->si_code;
	told_status = info->si_status;
}

/* The signal may come a moment after what it tells can be waited for. */
static void show_told(int code)
{
	while (told_code != code)
		usleep(1000);
	printf("SIGCHLD: code %d, status %d\n", told_code, told_status);
}

static void notices(void)
{
	struct sigaction sa = { .sa_sigaction = on_child, .sa_flags = SA_SIGINFO | SA_RESTART };
	siginfo_t info = { 0 };

	sigaction(SIGCHLD, &sa, NULL);
	pid_t pid = traced_child(raise_two);

	show_told(CLD_TRAPPED);
	request(PTRACE_CONT, pid, 0, 0);
	printf("waitid: %d", waitid(P_PID, pid, &info, WSTOPPED | WNOWAIT));
	printf(" code %d, status %d\n", info.si_code, info.si_status);
	printf("waitid again: %d", waitid(P_PID, pid, &info, WEXITED));
	printf(" code %d, status %d\n", info.si_code, info.si_status);
	printf("nothing more: %d\n", waitpid(pid, NULL, WNOHANG));
	kill(pid, SIGKILL);
	expect(pid, "killed in its stop");
	show_told(CLD_KILLED);
	signal(SIGCHLD, SIG_DFL);
}

int main(void)
{
	through();
	changed();
	ignored();
	queues();
	requests_of_the_running();
	faults();
	step_handler();
	notices();
	return 0;
}
