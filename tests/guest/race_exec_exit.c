/* SPDX-License-Identifier: Apache-2.0 */
/* execve against the end: of a sibling, of the process, by a signal, by another thread's execve. One of them wins, whole. */
#include "race.h"
#include <limits.h>

enum { ROUNDS = 16, WON = 42, EXITED = 17, NO_THREAD = 98 };

static char self[PATH_MAX];

static void run_program(void)
{
	char *argv[] = { self, "won", NULL };

	execv(self, argv);
	_exit(99);
}

static int round_now;

static void *execs(void *arg)
{
	dawdle((int)(long)arg);
	run_program();
	return NULL;
}

static void *exits(void *arg)
{
	dawdle((int)(long)arg);
	_exit(EXITED);
}

static void *ends(void *arg)
{
	dawdle((int)(long)arg);
	return NULL;
}

static void *forks(void *arg)
{
	for (;;) {
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		waitpid(pid, NULL, 0);
	}
	return arg;
}

static void start(void *(*fn)(void *), int delay)
{
	pthread_t th;

	if (pthread_create(&th, NULL, fn, (void *)(long)delay))
		_exit(NO_THREAD);
	pthread_detach(th);
}

static void exec_against_exit_group(void)
{
	start(execs, round_now);
	dawdle(round_now * 5);
	_exit(EXITED);
}

static void exec_against_siblings_exit_group(void)
{
	start(exits, round_now * 3);
	dawdle(round_now * 5);
	run_program();
}

/* Linux makes no thread (EAGAIN) while another is at the beginning of execve, since they would share the working directory. */
static void exec_against_exec(void)
{
	start(execs, round_now);
	start(execs, round_now * 2);
	dawdle(round_now * 3);
	run_program();
}

static void exec_against_ends(void)
{
	for (int i = 0; i < 4; i++)
		start(ends, round_now * i);
	run_program();
}

static void exec_of_a_thread_whose_leader_ends(void)
{
	start(execs, round_now);
	dawdle(round_now * 2);
	pthread_exit(NULL);
}

static void exec_against_forks(void)
{
	start(forks, 0);
	start(forks, 0);
	dawdle(round_now * 20);
	run_program();
}

static void exec_against_kill(void)
{
	run_program();
}

/* How many of the rounds ended in a way that is neither `a` nor `b`. */
static int rounds(void (*fn)(void), int a, int b, int sig)
{
	int wrong = 0, st;

	for (round_now = 0; round_now < race_rounds(ROUNDS); round_now++) {
		pid_t pid = fork();

		if (!pid) {
			fn();
			_exit(97);
		}
		if (sig) {
			dawdle(round_now * 31);
			kill(pid, sig);
		}
		if (waitpid(pid, &st, 0) != pid) {
			wrong++;
			continue;
		}
		int end = WIFSIGNALED(st) ? 1000 + WTERMSIG(st) : WEXITSTATUS(st);
		if (end != a && end != b) {
			wrong++;
			fprintf(stderr, "round %d: %d\n", round_now, end);
		}
	}
	return wrong;
}

int main(int argc, char **argv)
{
	if (argc > 1)
		_exit(WON);
	(void)argv;
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return 1;
	printf("against its own exit_group: %d\n", rounds(exec_against_exit_group, WON, EXITED, 0));
	printf("against a sibling's exit_group: %d\n", rounds(exec_against_siblings_exit_group, WON, EXITED, 0));
	printf("against execve: %d\n", rounds(exec_against_exec, WON, NO_THREAD, 0));
	printf("against siblings that end: %d\n", rounds(exec_against_ends, WON, WON, 0));
	printf("against the end of the leader: %d\n", rounds(exec_of_a_thread_whose_leader_ends, WON, WON, 0));
	printf("against siblings that fork: %d\n", rounds(exec_against_forks, WON, WON, 0));
	printf("against SIGKILL: %d\n", rounds(exec_against_kill, WON, 1000 + SIGKILL, SIGKILL));
	printf("against SIGTERM: %d\n", rounds(exec_against_kill, WON, 1000 + SIGTERM, SIGTERM));
	return 0;
}
