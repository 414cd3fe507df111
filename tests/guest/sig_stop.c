/* SPDX-License-Identifier: Apache-2.0 */
/* Stopping and continuing: what the parent sees, and how stops and continues undo each other. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile int chld, chld_code, chld_status;

static void on_child(int sig, siginfo_t *info, void *uc)
{
	(void)sig;
	(void)uc;
	chld++;
	chld_code = info->si_code;
	chld_status = info->si_status;
}

static void watch(int flags)
{
	struct sigaction sa = { .sa_sigaction = on_child, .sa_flags = SA_SIGINFO | SA_RESTART | flags };

	sigemptyset(&sa.sa_mask);
	sigaction(SIGCHLD, &sa, NULL);
	chld = 0;
}

/* Long enough for the signal of what the wait has reported already: a continued child sends its own, when it runs. */
static void settle(void)
{
	struct timespec left = { .tv_nsec = 20000000 };

	while (nanosleep(&left, &left) < 0)
		;
}

static void show(pid_t pid, const char *what, int options)
{
	int status = 0;
	pid_t r = waitpid(pid, &status, options);

	settle();
	printf("%s: %s stopped %d (%d) continued %d exited %d signalled %d; SIGCHLD %d", what, r == pid ? "ok" : "none",
	       WIFSTOPPED(status), WIFSTOPPED(status) ? WSTOPSIG(status) : 0, !!WIFCONTINUED(status), WIFEXITED(status),
	       WIFSIGNALED(status), chld);
	if (chld)
		printf(" code %d status %d", chld_code, chld_status);
	printf("\n");
	fflush(stdout);
}

static void *spin(void *arg)
{
	(void)arg;
	for (;;)
		usleep(1000);
	return NULL;
}

static pid_t child(int threads)
{
	pid_t pid = fork();

	if (!pid) {
		pthread_t th;

		signal(SIGCHLD, SIG_DFL);
		while (threads--)
			pthread_create(&th, NULL, spin, NULL);
		for (;;)
			pause();
	}
	return pid;
}

static void basics(void)
{
	pid_t pid = child(2);

	watch(0);
	kill(pid, SIGSTOP);
	show(pid, "stop", WUNTRACED);
	kill(pid, SIGTERM);
	printf("a stopped process does not take SIGTERM: %d\n", waitpid(pid, NULL, WNOHANG));
	/* A wait for it would have to be repeated for as long as it takes to die; SIGCONT comes first here. */
	kill(pid, SIGCONT);
	/* Whether the parent hears of the continuing before the end is a race: the count of signals is not shown. */
	int status = 0;
	waitpid(pid, &status, 0);
	printf("then: signalled %d by %d\n", WIFSIGNALED(status), WTERMSIG(status));
	settle();
	pid = child(0);
	chld = 0;
	kill(pid, SIGSTOP);
	show(pid, "stop", WUNTRACED);
	printf("collected once: %d\n", waitpid(pid, NULL, WUNTRACED | WNOHANG));
	kill(pid, SIGCONT);
	show(pid, "cont", WCONTINUED);
	kill(pid, SIGSTOP);
	show(pid, "stop", WUNTRACED);
	kill(pid, SIGKILL);
	show(pid, "kill while stopped", 0);
}

static void quiet(void)
{
	pid_t pid = child(0);

	watch(SA_NOCLDSTOP);
	kill(pid, SIGSTOP);
	show(pid, "NOCLDSTOP stop", WUNTRACED);
	kill(pid, SIGKILL);
	show(pid, "NOCLDSTOP kill", 0);
	watch(SA_NOCLDWAIT);
	pid = fork();
	if (!pid)
		_exit(3);
	int r = waitpid(pid, NULL, 0);
	printf("NOCLDWAIT: %d %s, SIGCHLD %d\n", r, strerrorname_np(errno), chld);
	signal(SIGCHLD, SIG_DFL);
}

/* In an orphaned process group the terminal's stops do nothing; SIGSTOP works all the same. */
static void orphaned(void)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		setsid();
		raise(SIGTSTP);
		_exit(5);
	}
	waitpid(pid, &status, WUNTRACED);
	printf("orphaned TSTP: exited %d\n", WIFEXITED(status));
}

static void self_stop(void)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		raise(SIGSTOP);
		_exit(9);
	}
	waitpid(pid, &status, WUNTRACED);
	printf("stopped itself: %d\n", WIFSTOPPED(status));
	kill(pid, SIGCONT);
	waitpid(pid, &status, 0);
	printf("went on: %d\n", WEXITSTATUS(status));
}

int main(void)
{
	basics();
	quiet();
	fflush(stdout);
	orphaned();
	fflush(stdout);
	self_stop();
	return 0;
}
