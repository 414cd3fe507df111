/* SPDX-License-Identifier: Apache-2.0 */
/* pidfds: opening, polling, waiting, signalling, and what they still mean when the process is gone. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int pidfd_open_(pid_t pid, unsigned flags)
{
	return (int)syscall(SYS_pidfd_open, pid, flags);
}

static long send_signal(int fd, int sig)
{
	return syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0);
}

static void check(const char *what, long r)
{
	printf("%s: %s %d\n", what, r < 0 ? "error" : "ok", r < 0 ? errno : 0);
}

/* A directory of /proc serves for signals, and for nothing else. */
static void directories(void)
{
	static const char *const others[] = { "/proc", "/proc/self/stat", "/proc/self/fd", "/proc/self/task", "/proc/thread-self", "/" };
	int self = open("/proc/self", O_RDONLY), path = open("/proc/self", O_PATH);
	char name[32];
	siginfo_t si;
	pid_t pid;

	check("signal 0 to /proc/self", send_signal(self, 0));
	check("by a descriptor without access", send_signal(path, 0));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		check(others[i], send_signal(open(others[i], O_RDONLY), 0));
	check("waitid", waitid(3, (id_t)self, &si, WEXITED));
	check("getfd", syscall(SYS_pidfd_getfd, self, 0, 0));
	pid = fork();
	if (!pid)
		for (;;)
			pause();
	snprintf(name, sizeof(name), "/proc/%d", pid);
	int fd = open(name, O_RDONLY | O_DIRECTORY);

	check("kill by directory", send_signal(fd, SIGKILL));
	waitpid(pid, NULL, 0);
	check("directory of nobody", send_signal(fd, 0));
}

static pid_t paused_child(void)
{
	pid_t pid = fork();

	if (!pid)
		for (;;)
			pause();
	return pid;
}

int main(void)
{
	siginfo_t si;
	pid_t pid;

	setvbuf(stdout, NULL, _IONBF, 0);
	directories();
	check("flags", pidfd_open_(getpid(), 77));
	check("pid 0", pidfd_open_(0, 0));
	check("nobody", pidfd_open_(999999, 0));

	pid = paused_child();
	int fd = pidfd_open_(pid, 0), nb = pidfd_open_(pid, O_NONBLOCK);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	printf("cloexec %d\n", fcntl(fd, F_GETFD));
	printf("poll running %d\n", poll(&p, 1, 0));
	check("signal 0", send_signal(fd, 0));
	check("signal 99", send_signal(fd, 99));
	check("not a pidfd", send_signal(0, 0));
	check("waitid nonblocking", waitid(3, (id_t)nb, &si, WEXITED));
	check("kill", send_signal(fd, SIGKILL));
	printf("poll %d", poll(&p, 1, 200000));
	printf(" %x\n", (unsigned)p.revents & POLLIN);
	check("signal to a zombie", send_signal(fd, SIGTERM));
	memset(&si, 0, sizeof(si));
	check("waitid", waitid(3, (id_t)fd, &si, WEXITED));
	printf("code %d status %d pid %d\n", si.si_code, si.si_status, si.si_pid == pid);
	check("signal when gone", send_signal(fd, 0));
	check("waitid when gone", waitid(3, (id_t)fd, &si, WEXITED));
	printf("poll when gone %d\n", poll(&p, 1, 0));
	char c;
	check("read", read(fd, &c, 1));
	close(fd);
	close(nb);

	int from_clone = -1;
	struct clone_args ca = { .flags = CLONE_PIDFD, .pidfd = (unsigned long)&from_clone, .exit_signal = SIGCHLD };
	pid = (pid_t)syscall(SYS_clone3, &ca, sizeof(ca));
	if (!pid)
		_exit(21);
	p.fd = from_clone;
	printf("clone pidfd %d", poll(&p, 1, 200000));
	int st = 0;
	waitpid(pid, &st, 0);
	printf(" %d\n", WEXITSTATUS(st));
	return 0;
}
