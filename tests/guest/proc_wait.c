/* SPDX-License-Identifier: Apache-2.0 */
/* fork and the ways to wait: statuses, options, which children count, what is left of a zombie. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pid_t child_exit(int status)
{
	pid_t pid = fork();

	if (!pid)
		_exit(status);
	return pid;
}

static pid_t child_pause(void)
{
	pid_t pid = fork();

	if (!pid)
		for (;;)
			pause();
	return pid;
}

static void show(const char *what, long r, pid_t pid, const int *status)
{
	printf("%s: %s status %x\n", what, r == pid ? "child" : r ? "error" : "none", r == pid ? *status : 0);
}

static void statuses(void)
{
	int st = 0;
	pid_t pid = child_exit(0);

	show("exit 0", waitpid(pid, &st, 0), pid, &st);
	pid = child_exit(300);
	show("exit 300", waitpid(-1, &st, 0), pid, &st);
	pid = child_pause();
	show("running", waitpid(pid, &st, WNOHANG), pid, &st);
	kill(pid, SIGTERM);
	show("killed", waitpid(pid, &st, 0), pid, &st);
	errno = 0;
	printf("again: %d", waitpid(pid, &st, 0));
	printf(" %d\n", errno);
}

static void stop_and_continue(void)
{
	int st = 0;
	siginfo_t si;
	pid_t pid = child_pause();

	kill(pid, SIGSTOP);
	show("stopped", waitpid(pid, &st, WUNTRACED), pid, &st);
	show("collected once", waitpid(pid, &st, WUNTRACED | WNOHANG), pid, &st);
	kill(pid, SIGCONT);
	show("continued", waitpid(pid, &st, WCONTINUED), pid, &st);
	kill(pid, SIGTSTP);
	memset(&si, 0, sizeof(si));
	printf("waitid %d", waitid(P_PID, pid, &si, WSTOPPED | WNOWAIT));
	printf(" code %d status %d child %d\n", si.si_code, si.si_status, si.si_pid == pid);
	printf("still there %d\n", waitid(P_PID, pid, &si, WSTOPPED | WNOHANG));
	kill(pid, SIGKILL);
	show("killed while stopped", waitpid(pid, &st, 0), pid, &st);
}

static void waitid_rules(void)
{
	siginfo_t si;
	pid_t pid = child_exit(7);

	memset(&si, 0, sizeof(si));
	printf("nowait %d code %d", waitid(P_ALL, 0, &si, WEXITED | WNOWAIT), si.si_code);
	printf(" status %d signo %d uid %d\n", si.si_status, si.si_signo, si.si_uid == getuid());
	printf("no flags %d", waitid(P_PID, pid, &si, 0));
	printf(" %d\n", errno);
	printf("zombie without WEXITED %d", waitid(P_PID, pid, &si, WSTOPPED | WNOHANG));
	printf(" %d\n", errno);
	printf("bad type %d", waitid(9, pid, &si, WEXITED));
	printf(" %d\n", errno);
	printf("__WCLONE %d", waitpid(pid, NULL, __WCLONE));
	printf(" %d\n", errno);
	memset(&si, 0x55, sizeof(si));
	printf("reap %d", waitid(P_PGID, getpgrp(), &si, WEXITED));
	printf(" %d\n", si.si_status);
	printf("none left %d", waitid(P_ALL, 0, &si, WEXITED));
	printf(" %d signo %d\n", errno, si.si_signo);
}

static void ignored_children(void)
{
	signal(SIGCHLD, SIG_IGN);
	child_exit(1);
	printf("SIG_IGN: %d", waitpid(-1, NULL, 0));
	printf(" %d\n", errno);
	signal(SIGCHLD, SIG_DFL);
}

static void usage(void)
{
	struct rusage ru;
	int st;
	pid_t pid = fork();

	if (!pid) {
		volatile unsigned long n = 0;

		while (clock() < CLOCKS_PER_SEC / 20)
			n++;
		_exit(0);
	}
	memset(&ru, 0, sizeof(ru));
	pid_t got = wait4(pid, &st, 0, &ru);
	long us = ru.ru_utime.tv_sec * 1000000 + ru.ru_utime.tv_usec + ru.ru_stime.tv_sec * 1000000 + ru.ru_stime.tv_usec;

	printf("wait4 %d, time counted %d, memory counted %d\n", got == pid, us >= 40000, ru.ru_maxrss > 0);
	getrusage(RUSAGE_CHILDREN, &ru);
	printf("children's memory %d\n", ru.ru_maxrss > 0);
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	statuses();
	stop_and_continue();
	waitid_rules();
	ignored_children();
	usage();
	return 0;
}
