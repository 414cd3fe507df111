/* SPDX-License-Identifier: Apache-2.0 */
/* All 64 signals and their queues; who may pretend what with rt_sigqueueinfo; sigtimedwait, signalfd, sigsuspend, ppoll, pselect and
 * epoll_pwait with masks. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void check(const char *what, long r)
{
	printf("%s: %ld %s\n", what, r < 0 ? -1 : r, r < 0 ? strerrorname_np(errno) : "");
	fflush(stdout);
}

static volatile int got[65], order[256], n_order, code, value;

static void handler(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	got[sig]++;
	order[n_order++ % 256] = sig;
	code = si->si_code;
	value = si->si_value.sival_int;
}

/* The raw calls: the library hides 32 and 33. */
struct kernel_action {
	void *handler;
	unsigned long flags;
	void *restorer;
	uint64_t mask;
};

static void *restorer;

static long raw_action(int sig, void *fn, unsigned long flags)
{
	struct kernel_action a = { fn, flags | 0x04000000, restorer, 0 };

	return syscall(SYS_rt_sigaction, sig, &a, NULL, 8);
}

static void find_restorer(void)
{
	struct sigaction sa = { .sa_handler = (void (*)(int))handler };
	struct kernel_action a;

	sigaction(SIGUSR1, &sa, NULL);
	syscall(SYS_rt_sigaction, SIGUSR1, NULL, &a, 8);
	restorer = a.restorer;
}

static void every_one(void)
{
	int sum = 0;
	uint64_t all = ~0ULL, none = 0;

	for (int sig = 1; sig <= 64; sig++)
		if (raw_action(sig, handler, SA_SIGINFO) < 0)
			printf("no handler for %d\n", sig);
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, 8);
	for (int sig = 1; sig <= 64; sig++)
		if (sig != SIGKILL && sig != SIGSTOP && syscall(SYS_kill, getpid(), sig) < 0)
			printf("kill %d: %s\n", sig, strerrorname_np(errno));
	n_order = 0;
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, 8);
	for (int sig = 1; sig <= 64; sig++)
		sum += got[sig] == 1;
	printf("delivered once: %d\nfirst taken runs last:", sum);
	for (int i = 0; i < n_order; i++)
		printf(" %d", order[i]);
	printf("\n");
	for (int sig = 1; sig <= 64; sig++)
		raw_action(sig, NULL, 0);
}

/* What each does by default, in a child each. */
static void defaults(void)
{
	struct rlimit no_core = { 0, 0 };
	int st;

	setrlimit(RLIMIT_CORE, &no_core);
	fflush(stdout);
	for (int sig = 32; sig <= 64; sig++) {
		pid_t pid = fork();

		if (!pid) {
			syscall(SYS_kill, getpid(), sig);
			_exit(1);
		}
		waitpid(pid, &st, 0);
		if (!WIFSIGNALED(st) || WTERMSIG(st) != sig || WCOREDUMP(st))
			printf("%d: %x\n", sig, st);
	}
}

static void pretending(void)
{
	siginfo_t si = { .si_signo = SIGRTMIN };
	pid_t pid, me = getpid();
	int codes[] = { SI_USER, SI_TKILL, SI_QUEUE, SI_TIMER, SI_KERNEL, -60 };

	fflush(stdout);
	pid = fork();
	if (!pid)
		for (;;)
			pause();
	signal(SIGRTMIN, SIG_IGN);
	for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
		si.si_code = codes[i];
		check("bad signal to another", syscall(SYS_rt_sigqueueinfo, pid, SIGRTMIN + 60, &si));
		check("to oneself", syscall(SYS_rt_sigqueueinfo, me, SIGRTMIN, &si));
		check("to own thread", syscall(SYS_rt_tgsigqueueinfo, me, me, SIGRTMIN, &si));
		check("signal 0 to another", syscall(SYS_rt_sigqueueinfo, pid, 0, &si));
		check("signal 0 to another's thread", syscall(SYS_rt_tgsigqueueinfo, pid, pid, 0, &si));
	}
	check("unreadable", syscall(SYS_rt_sigqueueinfo, me, SIGRTMIN, (void *)8));
	check("nobody", syscall(SYS_rt_sigqueueinfo, 999999, 0, &si));
	check("thread of another group", syscall(SYS_tgkill, me, pid, 0));
	check("thread 0", syscall(SYS_tgkill, me, 0, 0));
	check("group -1", syscall(SYS_tgkill, -1, me, 0));
	check("tkill", syscall(SYS_tkill, me, 0));
	check("tkill 0", syscall(SYS_tkill, 0, 0));
	check("tkill bad", syscall(SYS_tkill, me, 65));
	check("kill of no group", kill(-999999, 0));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void taking(void)
{
	sigset_t set;
	siginfo_t si;
	struct signalfd_siginfo fsi[4];
	union sigval v = { .sival_int = 77 };
	const struct timespec zero = { 0, 0 }, bad = { 0, -1 };

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN);
	signal(SIGRTMIN, SIG_DFL);
	sigprocmask(SIG_BLOCK, &set, NULL);
	check("nothing", sigtimedwait(&set, &si, &zero));
	check("bad time", sigtimedwait(&set, &si, &bad));
	check("bad size", syscall(SYS_rt_sigtimedwait, &set, &si, &zero, 4));
	sigqueue(getpid(), SIGRTMIN, v);
	check("taken", sigtimedwait(&set, &si, NULL) == SIGRTMIN);
	printf("code %d value %d mine %d\n", si.si_code, si.si_value.sival_int, si.si_pid == getpid());
	int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	check("signalfd empty", read(fd, fsi, sizeof(fsi)));
	check("signalfd short", read(fd, fsi, 10));
	check("signalfd bad flags", signalfd(-1, &set, 0x1));
	check("signalfd of another file", signalfd(0, &set, 0));
	v.sival_int = 78;
	sigqueue(getpid(), SIGRTMIN, v);
	v.sival_int = 79;
	sigqueue(getpid(), SIGRTMIN, v);
	kill(getpid(), SIGUSR1);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	check("signalfd ready", poll(&p, 1, 0));
	check("signalfd", read(fd, fsi, sizeof(fsi)) / (long)sizeof(*fsi));
	printf("%d %d %d, %d %d %d, %d %d mine %d\n", fsi[0].ssi_signo, fsi[0].ssi_code, fsi[0].ssi_int, fsi[1].ssi_signo - SIGRTMIN,
	       fsi[1].ssi_code, fsi[1].ssi_int, fsi[2].ssi_signo - SIGRTMIN, fsi[2].ssi_int, fsi[0].ssi_pid == (uint32_t)getpid());
	close(fd);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* A blocked signal that is pending ends a call whose mask lets it through, and only such a call. */
static void masks(void)
{
	struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART };
	sigset_t set, none, now;
	const struct timespec zero = { 0, 0 };
	struct epoll_event ev;
	int p[2], ep = epoll_create1(0);

	if (pipe(p))
		return;
	struct pollfd pfd = { .fd = p[0], .events = POLLIN };
	sigemptyset(&none);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaction(SIGUSR1, &sa, NULL);
	sigprocmask(SIG_BLOCK, &set, NULL);
	got[SIGUSR1] = 0;
	kill(getpid(), SIGUSR1);
	check("poll keeps it blocked", poll(&pfd, 1, 0));
	check("ppoll", ppoll(&pfd, 1, NULL, &none));
	printf("handled %d\n", got[SIGUSR1]);
	kill(getpid(), SIGUSR1);
	check("pselect", pselect(0, NULL, NULL, NULL, NULL, &none));
	printf("handled %d\n", got[SIGUSR1]);
	kill(getpid(), SIGUSR1);
	check("epoll_pwait", epoll_pwait(ep, &ev, 1, -1, &none));
	printf("handled %d\n", got[SIGUSR1]);
	kill(getpid(), SIGUSR1);
	check("sigsuspend", sigsuspend(&none));
	printf("handled %d\n", got[SIGUSR1]);
	kill(getpid(), SIGUSR1);
	if (write(p[1], "x", 1) != 1)
		return;
	check("ppoll with something to report", ppoll(&pfd, 1, NULL, &none));
	check("ppoll at once", ppoll(&pfd, 1, &zero, &none));
	printf("handled %d\n", got[SIGUSR1]);
	sigprocmask(SIG_BLOCK, NULL, &now);
	printf("blocked again %d\n", sigismember(&now, SIGUSR1));
	check("ppoll bad size", syscall(SYS_ppoll, &pfd, 1, NULL, &none, 4));
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	printf("handled %d\n", got[SIGUSR1]);
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	find_restorer();
	every_one();
	defaults();
	taking();
	masks();
	pretending();
	return 0;
}
