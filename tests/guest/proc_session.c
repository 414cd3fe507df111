/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions and process groups. The test works in a child that starts a session of its own. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void check(const char *what, long r)
{
	printf("%s: %s %d\n", what, r < 0 ? "error" : "ok", r < 0 ? errno : 0);
}

static pid_t paused_child(int exec_it)
{
	int p[2];
	char c;

	if (pipe2(p, O_CLOEXEC) < 0)
		exit(1);
	pid_t pid = fork();
	if (!pid) {
		if (exec_it)
			execlp("sleep", "sleep", "100", NULL);
		close(p[1]);
		for (;;)
			pause();
	}
	close(p[1]);
	/* End of file: the program has been executed. The other child closes its end as well. */
	if (read(p[0], &c, 1) != 0)
		exit(1);
	close(p[0]);
	return pid;
}

static void reap(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static int in_session(void)
{
	pid_t self = getpid(), a = paused_child(0), b = paused_child(0), c = paused_child(1);

	printf("ids %d %d %d\n", getsid(0) == self, getpgrp() == self, getpgid(a) == self);
	check("setsid again", setsid());
	check("leader cannot move", setpgid(0, 0));
	check("child to its own group", setpgid(a, 0));
	printf("moved %d\n", getpgid(a) == a);
	check("other child joins it", setpgid(b, a));
	printf("joined %d\n", getpgid(b) == a);
	check("into no group", setpgid(b, 999999));
	check("negative", setpgid(b, -1));
	check("no such process", setpgid(999999, 0));
	check("has executed a program", setpgid(c, c));
	check("parent is no child", setpgid(getppid(), 0));
	check("getpgid of nobody", getpgid(999999));
	check("getsid of a child", getsid(a));
	check("kill the group", kill(-a, SIGTERM));
	int st = 0;
	pid_t first = waitpid(-a, &st, 0), second = waitpid(-a, &st, 0);
	printf("both died %d\n", first + second == a + b && first != second);
	check("group is gone", kill(-a, 0));
	reap(c);

	/* A group lives on without its leader, and its number with it. */
	a = paused_child(0);
	b = paused_child(0);
	setpgid(a, 0);
	setpgid(b, a);
	reap(a);
	check("leaderless group", kill(-a, 0));
	check("its leader", kill(a, 0));
	a = fork();
	if (!a)
		_exit(setpgid(0, getpgid(b)) < 0);
	waitpid(a, &st, 0);
	printf("joined without leader %d\n", WEXITSTATUS(st) == 0);
	reap(b);
	return 0;
}

int main(void)
{
	int st;

	setvbuf(stdout, NULL, _IONBF, 0);
	pid_t pid = fork();
	if (!pid)
		_exit(setsid() == getpid() ? in_session() : 1);
	waitpid(pid, &st, 0);
	printf("session %d\n", WEXITSTATUS(st));
	return 0;
}
