/* SPDX-License-Identifier: Apache-2.0 */
/* clone3(2): what it adds to clone: chosen ids, pidfds, groups of control, handlers cleared, sizes of its structure. */
#include "file.h"

#include <linux/sched.h>
#include <poll.h>

#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif

static long clone3(struct clone_args *a, size_t size)
{
	long r = syscall(SYS_clone3, a, size);

	if (!r)
		_exit(7);
	return r;
}

static int reap(pid_t pid)
{
	int st = -1;

	return waitpid(pid, &st, __WALL) == pid ? st : -1;
}

static void outcome(const char *what, struct clone_args a, size_t size)
{
	long r = clone3(&a, size);

	if (r < 0)
		printf("%s: %s\n", what, strerrorname_np(errno));
	else
		printf("%s: ended with %#x\n", what, reap(r));
}

static void sizes(void)
{
	struct {
		struct clone_args a;
		unsigned long more[600];
	} big = { .a = { .exit_signal = SIGCHLD } };

	for (size_t size = 56; size <= 112; size += 8) {
		printf("%zu ", size);
		outcome("bytes", big.a, size);
	}
	T(reap(clone3(&big.a, sizeof(big.a) + 16)));
	big.more[1] = 1;
	T(clone3(&big.a, sizeof(big.a) + 16));
	T(clone3(&big.a, 4096));
	T(clone3(&big.a, 4097));
	T(clone3(NULL, sizeof(big.a)));
}

static void chosen_ids(void)
{
	pid_t tid[40] = { 1, 5 };
	struct clone_args a = { .exit_signal = SIGCHLD, .set_tid = (uintptr_t)tid, .set_tid_size = 1 };

	outcome("an id of one's choice", a, sizeof(a));
	tid[0] = 0;
	outcome("id 0", a, sizeof(a));
	tid[0] = -1;
	outcome("id -1", a, sizeof(a));
	a.set_tid_size = 33;
	outcome("33 of them", a, sizeof(a));
	a.set_tid_size = 1;
	a.set_tid = 8;
	outcome("from nowhere", a, sizeof(a));
	a.set_tid_size = 0;
	outcome("none of them", a, sizeof(a));
}

static void groups_of_control(void)
{
	struct clone_args a = { .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = 99 };

	outcome("no descriptor", a, sizeof(a));
	outcome("no room for one", a, 80);
	a.cgroup = -1;
	outcome("descriptor -1", a, sizeof(a));
	a.cgroup = 1ULL << 31;
	outcome("beyond int", a, sizeof(a));
	a.cgroup = open(".", O_RDONLY);
	outcome("another directory", a, sizeof(a));
}

static void pidfds(void)
{
	int fd = -1;
	struct clone_args a = { .flags = CLONE_PIDFD, .exit_signal = SIGCHLD, .pidfd = (uintptr_t)&fd };
	long pid = clone3(&a, sizeof(a));
	struct pollfd p = { .fd = fd, .events = POLLIN };
	siginfo_t si = { 0 };

	T(poll(&p, 1, -1));
	T(fcntl(fd, F_GETFD));
	T(waitid(P_PIDFD, fd, &si, WEXITED));
	printf("the child %d, status %d\n", si.si_pid == pid, si.si_status);
	a.flags |= CLONE_DETACHED;
	outcome("detached", a, sizeof(a));
	a.flags = CLONE_PIDFD;
	a.pidfd = 8;
	outcome("to nowhere", a, sizeof(a));
	a.pidfd = a.parent_tid = (uintptr_t)&fd;
	a.flags = CLONE_PIDFD | CLONE_PARENT_SETTID;
	outcome("both to one place", a, sizeof(a));
}

static volatile sig_atomic_t handled;

static void handler(int sig)
{
	handled = sig;
}

static void clear_handlers(void)
{
	struct clone_args a = { .flags = CLONE_CLEAR_SIGHAND, .exit_signal = SIGCHLD };
	struct sigaction sa;

	signal(SIGUSR1, handler);
	signal(SIGUSR2, SIG_IGN);
	long pid = syscall(SYS_clone3, &a, sizeof(a));

	if (!pid) {
		sigaction(SIGUSR1, NULL, &sa);
		int cleared = sa.sa_handler == SIG_DFL;

		sigaction(SIGUSR2, NULL, &sa);
		_exit(cleared * 2 + (sa.sa_handler == SIG_IGN));
	}
	printf("handled ones cleared, ignored ones kept: %#x\n", reap(pid));
	raise(SIGUSR1);
	printf("kept here: %d\n", handled == SIGUSR1);
}

static void exit_signals(void)
{
	struct clone_args a = { .exit_signal = 64 };

	signal(64, SIG_IGN);
	outcome("signal 64", a, sizeof(a));
	a.exit_signal = 0;
	outcome("no signal", a, sizeof(a));
	a.exit_signal = 256;
	outcome("beyond its byte", a, sizeof(a));
	a.exit_signal = SIGCHLD;
	a.flags = 0x100;
	outcome("vm alone", (struct clone_args){ .flags = CLONE_SIGHAND, .exit_signal = SIGCHLD }, sizeof(a));
	outcome("thread with a signal",
		(struct clone_args){ .flags = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, .exit_signal = SIGCHLD }, sizeof(a));
	outcome("stack with a wrong end", (struct clone_args){ .stack = -4096UL, .stack_size = 8192, .exit_signal = SIGCHLD },
		sizeof(a));
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	close_range(3, ~0U, 0);
	no_caps();
	sizes();
	chosen_ids();
	groups_of_control();
	pidfds();
	clear_handlers();
	exit_signals();
	return 0;
}
