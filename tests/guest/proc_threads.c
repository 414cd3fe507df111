/* SPDX-License-Identifier: Apache-2.0 */
/* Threads against the process: a leader that ends first, exit_group with threads in calls and in loops, execve with siblings. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void *sleeper(void *arg)
{
	(void)arg;
	for (;;)
		pause();
	return NULL;
}

static void *spinner(void *arg)
{
	volatile unsigned long *n = arg;

	for (;;)
		++*n;
	return NULL;
}

static void *late_exit(void *arg)
{
	usleep(20000);
	exit((int)(long)arg);
	return NULL;
}

static void *late_end(void *arg)
{
	usleep(20000);
	return arg;
}

static unsigned long spins;

static void start(void *(*fn)(void *), void *arg)
{
	pthread_t th;

	if (pthread_create(&th, NULL, fn, arg))
		_exit(99);
	pthread_detach(th);
}

static int run(const char *what, void (*fn)(void))
{
	int st = 0;
	pid_t pid = fork();

	if (!pid) {
		fn();
		_exit(98);
	}
	waitpid(pid, &st, 0);
	printf("%s: %x\n", what, st);
	return st;
}

static void exit_group_kills_all(void)
{
	start(sleeper, NULL);
	start(spinner, &spins);
	start(sleeper, NULL);
	usleep(5000);
	_exit(11);
}

static void leader_leaves_first(void)
{
	start(late_exit, (void *)12L);
	syscall(SYS_exit, 1);
}

static void leader_status_counts(void)
{
	start(late_end, NULL);
	syscall(SYS_exit, 13);
}

static void signal_kills_all(void)
{
	start(spinner, &spins);
	start(sleeper, NULL);
	kill(getpid(), SIGUSR2);
	for (;;)
		pause();
}

static void *exec_from_thread(void *arg)
{
	char line[64];

	(void)arg;
	snprintf(line, sizeof(line), "[ $$ = %d ] && exit 14", (int)getpid());
	execlp("sh", "sh", "-c", line, NULL);
	return NULL;
}

static void exec_in_a_thread(void)
{
	start(sleeper, NULL);
	start(spinner, &spins);
	start(exec_from_thread, NULL);
	sleeper(NULL);
}

static void *count_up(void *arg)
{
	return (void *)((long)arg * 2);
}

static void joins(void)
{
	pthread_t th[16];
	long sum = 0;

	for (int round = 0; round < 8; round++) {
		for (long i = 0; i < 16; i++)
			if (pthread_create(&th[i], NULL, count_up, (void *)i))
				exit(1);
		for (int i = 0; i < 16; i++) {
			void *r;

			pthread_join(th[i], &r);
			sum += (long)r;
		}
	}
	printf("joined %ld\n", sum);
}

static void *forker(void *arg)
{
	int st = 0;
	pid_t pid = fork();

	if (!pid)
		_exit((int)(long)arg);
	waitpid(pid, &st, 0);
	return (void *)(long)WEXITSTATUS(st);
}

static void forks_from_threads(void)
{
	pthread_t th[8];
	long sum = 0;

	for (long i = 0; i < 8; i++)
		if (pthread_create(&th[i], NULL, forker, (void *)(i + 1)))
			exit(1);
	for (int i = 0; i < 8; i++) {
		void *r;

		pthread_join(th[i], &r);
		sum += (long)r;
	}
	printf("forked %ld\n", sum);
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	joins();
	forks_from_threads();
	run("exit_group", exit_group_kills_all);
	run("leader first", leader_leaves_first);
	run("leader's status", leader_status_counts);
	run("signal", signal_kills_all);
	run("exec in a thread", exec_in_a_thread);
	return 0;
}
