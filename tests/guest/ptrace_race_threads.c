/* SPDX-License-Identifier: Apache-2.0 */
/* ptrace: ends, execve, interrupts and group stops of what is traced, many times over. What is printed does not depend on who wins. */
#include "trace.h"

#include <pthread.h>

enum { ROUNDS = 100 };

static void loop(void)
{
	for (;;)
		getppid();
}

/* The tracee ends by itself while it is told to go on, from a call or from nowhere. */
static void ends(void)
{
	_exit(5);
}

static void exit_during_cont(void)
{
	int odd = 0;

	for (int i = 0; i < ROUNDS; i++) {
		int status = 0;
		pid_t pid = traced_child(ends);

		request(PTRACE_CONT, pid, 0, 0);
		for (int j = 0; j < i % 5; j++)
			if (request(PTRACE_CONT, pid, 0, 0) < 0 && errno != ESRCH)
				odd++;
		odd += waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 5;
	}
	printf("exit during cont: %d odd\n", odd);
	fflush(stdout);
}

/* Threads that come, run and end while one of them calls execve, all traced. */
static void *spin(void *arg)
{
	for (;;)
		getppid();
}

static void *brief(void *arg)
{
	return NULL;
}

static void exec_among_threads(void)
{
	pthread_t t;

	pthread_create(&t, NULL, spin, NULL);
	pthread_create(&t, NULL, brief, NULL);
	pthread_create(&t, NULL, spin, NULL);
	execl("/bin/true", "true", NULL);
	_exit(9);
}

static void exec_threads(void)
{
	int odd = 0, execs = 0;

	for (int i = 0; i < 30; i++) {
		pid_t pid = traced_child(exec_among_threads), r;
		int status, done = 0;

		request(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | (i % 2 ? PTRACE_O_TRACEEXIT : 0));
		request(i % 3 ? PTRACE_CONT : PTRACE_SYSCALL, pid, 0, 0);
		while (!done && (r = waitpid(-1, &status, __WALL)) > 0) {
			int event = WIFSTOPPED(status) ? status >> 16 : 0;

			execs += event == PTRACE_EVENT_EXEC;
			if (WIFSTOPPED(status))
				request(i % 3 ? PTRACE_CONT : PTRACE_SYSCALL, r, 0, 0);
			else if (r == pid)
				done = 1;
		}
		odd += !done || !WIFEXITED(status) || WEXITSTATUS(status);
		odd += waitpid(-1, NULL, __WALL | WNOHANG) != -1 || errno != ECHILD;
	}
	printf("exec among threads: %d odd, %d events\n", odd, execs);
	fflush(stdout);
}

/* Seize, interrupt and detach of what makes calls without pause. */
static void interrupts(void)
{
	fflush(stdout);
	pid_t pid = fork();
	int odd = 0, status;

	if (!pid)
		loop();
	for (int i = 0; i < ROUNDS; i++) {
		odd += request(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD) < 0;
		odd += request(PTRACE_INTERRUPT, pid, 0, 0) < 0;
		odd += waitpid(pid, &status, 0) != pid || status >> 16 != 128 /* PTRACE_EVENT_STOP */;
		if (i % 2) {
			request(PTRACE_SYSCALL, pid, 0, 0);
			odd += waitpid(pid, &status, 0) != pid || WSTOPSIG(status) != (SIGTRAP | 0x80);
		}
		odd += request(PTRACE_DETACH, pid, 0, 0) < 0;
	}
	kill(pid, SIGKILL);
	odd += waitpid(pid, &status, 0) != pid || WTERMSIG(status) != SIGKILL;
	printf("interrupts: %d odd\n", odd);
	fflush(stdout);
}

/* Stops and continues of a group of threads of which one is traced, and killed at last. */
static void threads_stop(void)
{
	pthread_t t;

	pthread_create(&t, NULL, spin, NULL);
	spin(NULL);
}

static void group_stops(void)
{
	int odd = 0;

	for (int i = 0; i < 20; i++) {
		int status;

		fflush(stdout);
		pid_t pid = fork();

		if (!pid)
			threads_stop();
		odd += request(PTRACE_SEIZE, pid, 0, 0) < 0;
		for (int j = 0; j < 5; j++) {
			kill(pid, SIGSTOP);
			/* The signal, if the traced thread takes it; the group stop. */
			do {
				odd += waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status);
				if (status >> 16 != 128)
					request(PTRACE_CONT, pid, 0, WSTOPSIG(status));
				else if (WSTOPSIG(status) != SIGSTOP)
					request(PTRACE_CONT, pid, 0, 0);
			} while (status >> 16 != 128 || WSTOPSIG(status) != SIGSTOP);
			request(PTRACE_LISTEN, pid, 0, 0);
			kill(pid, SIGCONT);
			odd += waitpid(pid, &status, __WALL) != pid || status >> 16 != 128;
			request(PTRACE_CONT, pid, 0, 0);
		}
		kill(pid, SIGKILL);
		while (waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status))
			;
		odd += !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL;
	}
	printf("group stops: %d odd\n", odd);
	fflush(stdout);
}

int main(void)
{
	exit_during_cont();
	exec_threads();
	interrupts();
	group_stops();
	return 0;
}
