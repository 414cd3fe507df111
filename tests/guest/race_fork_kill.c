/* SPDX-License-Identifier: Apache-2.0 */
/* fork and clone against signals that kill: a child is seen once or never, a signal to a group misses nobody who is being made. */
#include "race.h"

enum { ROUNDS = 120 };

/* A process that forks without end, all in one group, is killed as a group: nobody survives it. */
static int group_of_forkers(void)
{
	int survivors = 0;

	for (int round = 0; round < race_rounds(ROUNDS / 6); round++) {
		int alive[2];
		char c;

		if (pipe(alive))
			return -1;
		pid_t pid = fork();
		if (!pid) {
			setpgid(0, 0);
			for (int i = 0; i < 3; i++)
				if (fork() < 0)
					break;
			for (;;)
				pause();
		}
		setpgid(pid, pid);
		close(alive[1]);
		dawdle(round * 50);
		kill(-pid, SIGKILL);
		waitpid(pid, NULL, 0);
		/* Every one of them holds the pipe's other end: its end comes when the last is gone. */
		if (read(alive[0], &c, 1) != 0)
			survivors++;
		close(alive[0]);
	}
	return survivors;
}

/* The child is killed while it is born. */
static int newborn_killed(void)
{
	int wrong = 0, st;

	for (int round = 0; round < race_rounds(ROUNDS); round++) {
		pid_t pid = fork();

		if (!pid) {
			dawdle(round);
			_exit(3);
		}
		dawdle(round * 7);
		kill(pid, SIGTERM);
		if (waitpid(pid, &st, 0) != pid)
			wrong++;
		else if (!(WIFSIGNALED(st) && WTERMSIG(st) == SIGTERM) && !(WIFEXITED(st) && WEXITSTATUS(st) == 3))
			wrong++;
		if (waitpid(pid, &st, WNOHANG) != -1 || errno != ECHILD)
			wrong++;
	}
	return wrong;
}

static volatile sig_atomic_t signals;

static void count(int sig)
{
	(void)sig;
	signals++;
}

static void *signaller(void *arg)
{
	volatile int *stop = arg;
	int round = 0;

	while (!*stop) {
		dawdle(round++);
		kill(getpid(), SIGUSR1);
	}
	return NULL;
}

/* fork starts again when a signal is first: it neither fails nor makes two. */
static int fork_interrupted(void)
{
	static volatile int stop;
	pthread_t th;
	int wrong = 0, st;

	signal(SIGUSR1, count);
	pthread_create(&th, NULL, signaller, (void *)&stop);
	for (int round = 0; round < race_rounds(ROUNDS / 3); round++) {
		pid_t pid = fork();

		if (!pid)
			_exit(5);
		if (pid < 0) {
			wrong++;
			continue;
		}
		while (waitpid(pid, &st, 0) < 0)
			if (errno != EINTR)
				wrong++;
		if (!WIFEXITED(st) || WEXITSTATUS(st) != 5)
			wrong++;
	}
	stop = 1;
	pthread_join(th, NULL);
	if (waitpid(-1, &st, WNOHANG) != -1 || errno != ECHILD)
		wrong++;
	return wrong;
}

/* A parent ends while its children fork: the orphans find a reaper, and their parent is told what became of them. */
static int parent_gone(void)
{
	int wrong = 0;

	for (int round = 0; round < race_rounds(ROUNDS / 6); round++) {
		int p[2], got = 0, v;

		if (pipe(p))
			return -1;
		pid_t pid = fork();
		if (!pid) {
			for (int i = 0; i < 3; i++)
				if (!fork()) {
					dawdle(round * 11);
					_exit(write(p[1], &i, sizeof(i)) != sizeof(i));
				}
			_exit(0);
		}
		close(p[1]);
		while (read(p[0], &v, sizeof(v)) == sizeof(v))
			got += 1 << v;
		close(p[0]);
		if (waitpid(pid, NULL, 0) != pid || got != 7)
			wrong++;
	}
	return wrong;
}

/* In a process of its own: orphans of the others must not become its children, as they do where the program is the first of all. */
static void show(const char *what, int (*fn)(void))
{
	int st;

	fflush(stdout);
	pid_t pid = fork();
	if (!pid)
		_exit(fn());
	waitpid(pid, &st, 0);
	printf("%s: %x\n", what, st);
}

int main(void)
{
	show("survivors of a killed group", group_of_forkers);
	show("newborn", newborn_killed);
	show("interrupted", fork_interrupted);
	show("parent gone", parent_gone);
	return 0;
}
