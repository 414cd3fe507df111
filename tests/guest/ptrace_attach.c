/* SPDX-License-Identifier: Apache-2.0 */
/* ptrace: attaching to what runs, sleeps or is stopped; seizing, interrupting, listening; group stops; permission. */
#include "trace.h"

#include <pthread.h>

static volatile int *words;

static pid_t child(void (*fn)(void))
{
	fflush(stdout);
	pid_t pid = fork();

	if (!pid) {
		fn();
		_exit(0);
	}
	return pid;
}

static void sleeps(void)
{
	words[0] = 1;
	for (;;)
		pause();
}

static void spins(void)
{
	words[0] = 1;
	while (words[1] == 0)
		;
	_exit(words[1]);
}

static pid_t started(void (*fn)(void))
{
	words[0] = words[1] = 0;
	pid_t pid = child(fn);

	while (!words[0])
		usleep(1000);
	return pid;
}

static void status_lines(pid_t pid)
{
	char path[64], line[256];

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	FILE *f = fopen(path, "r");

	while (fgets(line, sizeof(line), f)) {
		int tracer;

		if (!strncmp(line, "State:", 6))
			printf("  %s", line);
		else if (sscanf(line, "TracerPid: %d", &tracer) == 1)
			printf("  tracer: %s\n", tracer == getpid() ? "us" : tracer ? "another" : "none");
	}
	fclose(f);
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	expect(pid, "killed");
}

static void attach(void)
{
	pid_t pid = started(sleeps);
	siginfo_t info;

	printf("attach: %s\n", outcome(request(PTRACE_ATTACH, pid, 0, 0)));
	expect(pid, "a sleeper");
	status_lines(pid);
	request(PTRACE_GETSIGINFO, pid, 0, (unsigned long)&info);
	printf("code %x\n", info.si_code);
	printf("detach: %s\n", outcome(request(PTRACE_DETACH, pid, 0, 0)));
	printf("detached already: %s\n", outcome(request(PTRACE_DETACH, pid, 0, 0)));
	printf("not stopped: %d\n", waitpid(pid, NULL, WNOHANG | WUNTRACED));
	printf("attach again: %s\n", outcome(request(PTRACE_ATTACH, pid, 0, 0)));
	expect(pid, "stops");
	request(PTRACE_DETACH, pid, 0, SIGSTOP);
	int status;

	waitpid(pid, &status, WUNTRACED);
	show_status("detached with SIGSTOP", status);
	status_lines(pid);
	/* Attached while it is stopped: that stop is shown, and the attach's own comes after. */
	printf("attach to the stopped: %s\n", outcome(request(PTRACE_ATTACH, pid, 0, 0)));
	expect(pid, "stops");
	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "once more");
	request(PTRACE_CONT, pid, 0, 0);
	end(pid);

	pid = started(spins);
	request(PTRACE_ATTACH, pid, 0, 0);
	expect(pid, "one that computes");
	request(PTRACE_DETACH, pid, 0, 0);
	words[1] = 7;
	expect(pid, "it goes on");
}

static void seize(void)
{
	pid_t pid = started(spins);
	siginfo_t info;

	printf("seize with an address: %s\n", outcome(request(PTRACE_SEIZE, pid, 1, 0)));
	printf("seize with a wrong option: %s\n", outcome(request(PTRACE_SEIZE, pid, 0, 1 << 30)));
	printf("seize: %s\n", outcome(request(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD)));
	printf("runs on: %d\n", waitpid(pid, NULL, WNOHANG));
	status_lines(pid);
	printf("interrupt: %s\n", outcome(request(PTRACE_INTERRUPT, pid, 0, 0)));
	expect(pid, "interrupted");
	request(PTRACE_GETSIGINFO, pid, 0, (unsigned long)&info);
	printf("signo %d, code %x\n", info.si_signo, info.si_code);
	request(PTRACE_SYSCALL, pid, 0, 0);
	words[1] = 4;
	expect(pid, "its next call");
	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "the end");

	pid = started(sleeps);
	request(PTRACE_SEIZE, pid, 0, 0);
	request(PTRACE_INTERRUPT, pid, 0, 0);
	expect(pid, "a sleeper");
	request(PTRACE_CONT, pid, 0, 0);
	request(PTRACE_INTERRUPT, pid, 0, 0);
	expect(pid, "again");
	printf("detach: %s\n", outcome(request(PTRACE_DETACH, pid, 0, 0)));
	end(pid);
}

/* A group stop of what is attached to: its tracer may send it on in spite of it. */
static void group_stop(void)
{
	pid_t pid = started(sleeps);
	siginfo_t info;

	request(PTRACE_ATTACH, pid, 0, 0);
	expect(pid, "attached");
	request(PTRACE_CONT, pid, 0, 0);
	kill(pid, SIGSTOP);
	expect(pid, "the signal");
	printf("siginfo: %s\n", outcome(request(PTRACE_GETSIGINFO, pid, 0, (unsigned long)&info)));
	request(PTRACE_CONT, pid, 0, SIGSTOP);
	expect(pid, "the group stop");
	printf("siginfo: %s\n", outcome(request(PTRACE_GETSIGINFO, pid, 0, (unsigned long)&info)));
	request(PTRACE_CONT, pid, 0, 0);
	kill(pid, SIGUSR1);
	expect(pid, "it runs");
	request(PTRACE_CONT, pid, 0, 0);
	kill(pid, SIGCONT);
	expect(pid, "the continuing signal");
	end(pid);
}

static void listen_stop(void)
{
	pid_t pid = started(sleeps);
	siginfo_t info;
	unsigned long v;

	request(PTRACE_SEIZE, pid, 0, 0);
	kill(pid, SIGSTOP);
	expect(pid, "the signal");
	printf("listen in a signal's stop: %s\n", outcome(request(PTRACE_LISTEN, pid, 0, 0)));
	request(PTRACE_CONT, pid, 0, SIGSTOP);
	expect(pid, "the group stop");
	request(PTRACE_GETSIGINFO, pid, 0, (unsigned long)&info);
	printf("signo %d, code %x\n", info.si_signo, info.si_code);
	printf("listen: %s\n", outcome(request(PTRACE_LISTEN, pid, 0, 0)));
	printf("no request while it listens: %s\n", outcome(request(PTRACE_PEEKDATA, pid, (unsigned long)&v, (unsigned long)&v)));
	kill(pid, SIGUSR1);
	printf("a signal does not wake it: %d\n", waitpid(pid, NULL, WNOHANG));
	printf("interrupt: %s\n", outcome(request(PTRACE_INTERRUPT, pid, 0, 0)));
	expect(pid, "still in the group stop");
	request(PTRACE_LISTEN, pid, 0, 0);
	kill(pid, SIGCONT);
	expect(pid, "told of SIGCONT");
	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "the first signal");
	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "SIGCONT itself");
	request(PTRACE_CONT, pid, 0, 0);
	end(pid);
}

static void forks(void)
{
	words[0] = 1;
	while (!words[1])
		usleep(1000);
	pid_t pid = fork();

	if (!pid)
		_exit(3);
	waitpid(pid, NULL, 0);
	_exit(0);
}

/* The child of a seized parent begins in a stop of its own kind. */
static void seized_child(void)
{
	pid_t pid = started(forks);
	unsigned long new = 0;

	request(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACEFORK);
	words[1] = 1;
	expect(pid, "forks");
	request(PTRACE_GETEVENTMSG, pid, 0, (unsigned long)&new);
	expect(new, "its child");
	request(PTRACE_CONT, new, 0, 0);
	expect(new, "its child ends");
	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "SIGCHLD");
	request(PTRACE_CONT, pid, 0, SIGCHLD);
	expect(pid, "ends");
}

/* Only the thread that attached is the tracer. */
static pid_t shared_tracee;

static void *other_thread(void *arg)
{
	int status = 0;

	printf("request of another thread: %s\n", outcome(request(PTRACE_CONT, shared_tracee, 0, 0)));
	printf("__WNOTHREAD: %s\n", outcome(waitpid(shared_tracee, &status, __WALL | __WNOTHREAD | WNOHANG)));
	printf("its wait: %d\n", waitpid(shared_tracee, &status, __WALL) == shared_tracee);
	return NULL;
}

static void threads(void)
{
	pthread_t t;

	shared_tracee = started(sleeps);
	request(PTRACE_ATTACH, shared_tracee, 0, 0);
	fflush(stdout);
	pthread_create(&t, NULL, other_thread, NULL);
	pthread_join(t, NULL);
	printf("ours: %s\n", outcome(request(PTRACE_CONT, shared_tracee, 0, 0)));
	end(shared_tracee);
}

int main(void)
{
	words = shared_words();
	attach();
	seize();
	group_stop();
	listen_stop();
	seized_child();
	threads();
	return 0;
}
