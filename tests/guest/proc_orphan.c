/* SPDX-License-Identifier: Apache-2.0 */
/* Orphans: subreapers, parent-death signals, and stopped process groups that nobody could continue any more. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int line[2];

static void say(const char *s)
{
	while (*s)
		if (write(line[1], s++, 1) != 1)
			_exit(9);
}

static void hear(char *buf, size_t n)
{
	size_t i = 0;

	while (i + 1 < n && read(line[0], buf + i, 1) == 1 && buf[i] != '.')
		i++;
	buf[i] = '\0';
}

static void subreaper(void)
{
	char buf[64];
	int st = 0, on = 0;

	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	prctl(PR_GET_CHILD_SUBREAPER, &on, 0, 0, 0);
	pid_t self = getpid(), pid = fork();
	if (!pid) {
		pid_t middle = getpid(); /* asked before the fork: it may be gone when the orphan begins */

		if (!fork()) {
			while (getppid() == middle)
				usleep(1000);
			say(getppid() == self ? "to the subreaper." : "elsewhere.");
			_exit(5);
		}
		usleep(20000);
		_exit(4);
	}
	waitpid(pid, &st, 0);
	hear(buf, sizeof(buf));
	printf("subreaper %d: child %d, orphan goes %s\n", on, WEXITSTATUS(st), buf);
	printf("orphan is ours: %d", wait(&st) > 0);
	printf(" %d\n", WEXITSTATUS(st));
	prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
}

static void on_usr1(int sig)
{
	(void)sig;
	say("parent died.");
	_exit(0);
}

static void pdeathsig(void)
{
	char buf[64];
	int sig = 0;
	pid_t pid = fork();

	if (!pid) {
		if (!fork()) {
			signal(SIGUSR1, on_usr1);
			prctl(PR_SET_PDEATHSIG, SIGUSR1);
			prctl(PR_GET_PDEATHSIG, &sig);
			say(sig == SIGUSR1 ? "set." : "not set.");
			for (;;)
				pause();
		}
		hear(buf, sizeof(buf));
		say(buf);
		say(".");
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	hear(buf, sizeof(buf));
	printf("pdeathsig %s,", buf);
	hear(buf, sizeof(buf));
	printf(" %s\n", buf);
}

static void on_hup(int sig)
{
	say(sig == SIGHUP ? "hup " : "cont.");
}

/* The parent of a stopped job ends: POSIX sends the job SIGHUP and SIGCONT. */
static void orphaned_job(void)
{
	char buf[64];
	int st;
	pid_t pid = fork();

	if (!pid) {
		setsid(); /* whoever adopts the job is in another session, pid 1 of a sandbox too */

		pid_t job = fork();

		if (!job) {
			sigset_t both;

			setpgid(0, 0);
			sigemptyset(&both);
			sigaddset(&both, SIGHUP);
			sigaddset(&both, SIGCONT);
			struct sigaction sa = { .sa_handler = on_hup, .sa_mask = both };

			sigaction(SIGHUP, &sa, NULL);
			sigaction(SIGCONT, &sa, NULL);
			kill(getpid(), SIGSTOP);
			usleep(5000);
			_exit(0);
		}
		waitpid(job, &st, WUNTRACED);
		_exit(WIFSTOPPED(st) ? 1 : 2);
	}
	waitpid(pid, &st, 0);
	hear(buf, sizeof(buf));
	/* Both are pending at once; which handler runs first is the kernel's business. */
	printf("orphaned job: shell saw %d, then %s\n", WEXITSTATUS(st), buf);
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	if (pipe(line) < 0)
		return 1;
	subreaper();
	pdeathsig();
	orphaned_job();
	return 0;
}
