/* SPDX-License-Identifier: Apache-2.0 */
/* What the ptrace guests share: children that are traced, and words for what waiting for them says. */
#ifndef TRACE_H
#define TRACE_H

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

/* The call itself: the C library's wrapper turns a peeked -1 and an error into one. */
static long request(long what, pid_t pid, unsigned long addr, unsigned long data)
{
	return syscall(SYS_ptrace, what, pid, addr, data);
}

/* "ok" or the error's name, for requests that return nothing else. */
static const char *outcome(long r)
{
	return r < 0 ? strerrorname_np(errno) : "ok";
}

static const char *event_name(int event)
{
	static const char *const names[] = { "", "FORK", "VFORK", "CLONE", "EXEC", "VFORK_DONE", "EXIT", "SECCOMP" };

	if (event == 128)
		return "STOP";
	return event < 8 ? names[event] : "?";
}

static void show_status(const char *what, int status)
{
	printf("%s: ", what);
	if (WIFEXITED(status))
		printf("exited %d\n", WEXITSTATUS(status));
	else if (WIFSIGNALED(status))
		printf("killed by %s\n", sigabbrev_np(WTERMSIG(status)));
	else if (status == 0xffff)
		printf("continued\n");
	else if (status >> 16)
		printf("event %s, signal %s\n", event_name(status >> 16), sigabbrev_np(WSTOPSIG(status)));
	else if (WSTOPSIG(status) & 0x80)
		printf("stopped at a call\n");
	else
		printf("stopped by %s\n", sigabbrev_np(WSTOPSIG(status)));
	fflush(stdout);
}

/* Waits for pid, prints what it says, returns it; -1 if the wait failed. */
static int expect(pid_t pid, const char *what)
{
	int status = 0;
	pid_t r = waitpid(pid, &status, __WALL);

	if (r != pid) {
		printf("%s: wait says %s\n", what, outcome(r));
		return -1;
	}
	show_status(what, status);
	return status;
}

/* A child that asks to be traced, stops itself, and then runs fn. It has been waited for. */
static pid_t traced_child(void (*fn)(void))
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		request(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		fn();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGSTOP)
		show_status("the child did not stop", status);
	return pid;
}

/* A pair of pipes or a futex would be calls that a traced child makes: shared memory is not. */
static volatile int *shared_words(void)
{
	extern void *mmap(void *, size_t, int, int, int, off_t);

	return mmap(NULL, 4096, 3, 0x21, -1, 0);
}

#endif
