/* SPDX-License-Identifier: Apache-2.0 */
/* kcmp(2), pidfd_getfd(2) and process_mrelease(2): what processes share, take from each other, and leave behind. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void check(const char *what, long r)
{
	printf("%s: %ld %s\n", what, r < 0 ? -1 : r, r < 0 ? strerrorname_np(errno) : "");
	fflush(stdout);
}

static long kcmp(pid_t a, pid_t b, int type, unsigned long i, unsigned long j)
{
	return syscall(SYS_kcmp, a, b, type, i, j);
}

/* Only equality is told: the order of different things is the kernel's own. */
static void same(const char *what, long r)
{
	if (r < 0)
		check(what, r);
	else
		printf("%s: %s\n", what, !r ? "same" : "differ");
}

static int waits(void *arg)
{
	(void)arg;
	for (;;)
		pause();
}

static void all_types(const char *what, pid_t other)
{
	static const char *const names[] = { "file", "vm", "files", "fs", "sighand" };

	printf("-- %s\n", what);
	for (int type = KCMP_VM; type <= KCMP_SIGHAND; type++)
		same(names[type], kcmp(getpid(), other, type, 0, 0));
}

static void sharing(void)
{
	static char stack[65536];
	const int flags[] = { 0, CLONE_VM, CLONE_FILES, CLONE_FS, CLONE_VM | CLONE_SIGHAND };

	all_types("oneself", getpid());
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		char what[32];
		pid_t pid = clone(waits, stack + sizeof(stack), flags[i] | SIGCHLD, NULL);

		snprintf(what, sizeof(what), "flags %x", flags[i]);
		all_types(what, pid);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
}

static void files(pid_t child)
{
	pid_t me = getpid();
	int fd = open("/dev/null", O_RDONLY), copy = dup(fd), again = open("/dev/null", O_RDONLY);

	same("dup", kcmp(me, me, KCMP_FILE, fd, copy));
	same("opened again", kcmp(me, me, KCMP_FILE, fd, again));
	long r = kcmp(me, me, KCMP_FILE, fd, again), back = kcmp(me, me, KCMP_FILE, again, fd);
	printf("an order: %d\n", r + back == 3);
	same("inherited", kcmp(me, child, KCMP_FILE, 1, 1));
	same("closed", kcmp(me, me, KCMP_FILE, fd, 999));
	same("no number", kcmp(me, me, KCMP_FILE, fd, ~0UL));
	same("bad type", kcmp(me, me, 99, 0, 0));
	same("nobody", kcmp(me, 999999, KCMP_VM, 0, 0));
}

static void taking(pid_t child)
{
	int pidfd = (int)syscall(SYS_pidfd_open, child, 0), fd;

	fd = (int)syscall(SYS_pidfd_getfd, pidfd, 1, 0);
	check("taken", fd >= 0);
	same("it is the child's", kcmp(getpid(), child, KCMP_FILE, (unsigned long)fd, 1));
	check("close on exec", fcntl(fd, F_GETFD));
	check("flags", syscall(SYS_pidfd_getfd, pidfd, 1, 1));
	check("closed there", syscall(SYS_pidfd_getfd, pidfd, 999, 0));
	check("no pidfd", syscall(SYS_pidfd_getfd, 1, 1, 0));
	check("release the living", syscall(SYS_process_mrelease, pidfd, 0));
	check("release with flags", syscall(SYS_process_mrelease, pidfd, 1));
	check("release no pidfd", syscall(SYS_process_mrelease, 1, 0));
	kill(child, SIGKILL);
	siginfo_t si;
	waitid(P_PID, (id_t)child, &si, WEXITED | WNOWAIT);
	check("release a zombie", syscall(SYS_process_mrelease, pidfd, 0));
	check("take from a zombie", syscall(SYS_pidfd_getfd, pidfd, 1, 0));
	waitpid(child, NULL, 0);
	check("take from one who is gone", syscall(SYS_pidfd_getfd, pidfd, 1, 0));
	check("release one who is gone", syscall(SYS_process_mrelease, pidfd, 0));
}

static void watched(pid_t child)
{
	int ep = epoll_create1(0), p[2], copy;
	struct kcmp_epoll_slot slot = { .efd = (unsigned)ep };
	struct epoll_event ev = { .events = EPOLLIN };
	pid_t me = getpid();
	unsigned long at = (unsigned long)&slot;

	pipe(p);
	copy = dup(p[0]);
	slot.tfd = (unsigned)p[0];
	same("nothing watched", kcmp(me, me, KCMP_EPOLL_TFD, p[0], at));
	epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev);
	same("watched", kcmp(me, me, KCMP_EPOLL_TFD, p[0], at));
	same("a copy of it", kcmp(me, me, KCMP_EPOLL_TFD, copy, at));
	same("another", kcmp(me, me, KCMP_EPOLL_TFD, p[1], at));
	same("no such file", kcmp(me, me, KCMP_EPOLL_TFD, 999, at));
	same("not the child's", kcmp(me, child, KCMP_EPOLL_TFD, p[0], at));
	slot.toff = 1;
	same("no second", kcmp(me, me, KCMP_EPOLL_TFD, p[0], at));
	/* The number goes to another file, while the first is watched still. */
	close(p[0]);
	dup2(p[1], p[0]);
	ev.events = EPOLLOUT;
	epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev);
	long first, second = kcmp(me, me, KCMP_EPOLL_TFD, copy, at);
	slot.toff = 0;
	first = kcmp(me, me, KCMP_EPOLL_TFD, copy, at);
	printf("two of one number: %d\n", (first == 0) + (second == 0));
	slot.tfd = 77;
	same("another number", kcmp(me, me, KCMP_EPOLL_TFD, p[0], at));
	slot.efd = (unsigned)p[1];
	same("no epoll", kcmp(me, me, KCMP_EPOLL_TFD, p[0], at));
	slot.efd = 999;
	same("no file for an epoll", kcmp(me, me, KCMP_EPOLL_TFD, p[0], at));
	same("from nowhere", kcmp(me, me, KCMP_EPOLL_TFD, p[0], 8));
}

int main(void)
{
	sharing();
	fflush(stdout);
	pid_t child = fork();
	if (!child)
		waits(NULL);
	files(child);
	watched(child);
	taking(child);
	return 0;
}
