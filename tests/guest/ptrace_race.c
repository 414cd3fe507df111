/* SPDX-License-Identifier: Apache-2.0 */
/* ptrace: ends and requests that cross each other, many times over. What is printed does not depend on who wins. */
#include "trace.h"

#include <sys/prctl.h>

enum { ROUNDS = 100 };

static void loop(void)
{
	for (;;)
		getppid();
}

/* A tracer that is killed while its tracee is stopped, runs, or is on its way: the tracee goes on, and dies when told. */
static void tracer_killed(void)
{
	int odd = 0;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (int i = 0; i < ROUNDS; i++) {
		int p[2], status;
		pid_t tracer, tracee = 0;
		char c;

		pipe(p);
		tracer = fork();
		if (!tracer) {
			tracee = traced_child(loop);
			write(p[1], &tracee, sizeof(tracee));
			for (;;) {
				request(i % 2 ? PTRACE_SYSCALL : PTRACE_SINGLESTEP, tracee, 0, 0);
				waitpid(tracee, &status, 0);
			}
		}
		read(p[0], &tracee, sizeof(tracee));
		for (volatile int j = 0; j < (i % 10) * 2000; j++)
			;
		kill(tracer, SIGKILL);
		odd += waitpid(tracer, &status, 0) != tracer || !WIFSIGNALED(status);
		kill(tracee, SIGKILL);
		/* A trap that was under way when its tracer went may have been first. */
		odd += waitpid(tracee, &status, 0) != tracee || !WIFSIGNALED(status);
		close(p[0]);
		close(p[1]);
	}
	printf("tracer killed: %d odd\n", odd);
	fflush(stdout);
}

/* Detaching while the tracee is killed. */
static void detach_against_kill(void)
{
	int odd = 0;

	for (int i = 0; i < ROUNDS; i++) {
		int status;
		pid_t pid = traced_child(loop), killer;

		killer = fork();
		if (!killer) {
			for (volatile int j = 0; j < (i % 10) * 300; j++)
				;
			kill(pid, SIGKILL);
			_exit(0);
		}
		if (request(PTRACE_DETACH, pid, 0, 0) < 0 && errno != ESRCH)
			odd++;
		odd += waitpid(pid, &status, __WALL) != pid || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL;
		waitpid(killer, NULL, 0);
	}
	printf("detach against kill: %d odd\n", odd);
	fflush(stdout);
}

int main(void)
{
	tracer_killed();
	detach_against_kill();
	return 0;
}
