/* SPDX-License-Identifier: Apache-2.0 */
/* ptrace: events of fork, vfork, clone, exec and exit; children and threads that are traced from birth; the tracer's end. */
#include "trace.h"

#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>

static unsigned long message(pid_t pid)
{
	unsigned long m = 0;

	request(PTRACE_GETEVENTMSG, pid, 0, (unsigned long)&m);
	return m;
}

static void forks(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(3);
	waitpid(pid, NULL, 0);
	_exit(0);
}

static void at_fork(void)
{
	pid_t pid = traced_child(forks), child;
	siginfo_t info;

	request(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACESYSGOOD);
	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "parent");
	request(PTRACE_GETSIGINFO, pid, 0, (unsigned long)&info);
	printf("code %x\n", info.si_code);
	child = message(pid);
	expect(child, "child");
	request(PTRACE_GETSIGINFO, child, 0, (unsigned long)&info);
	printf("code %x\n", info.si_code);
	/* The end of a call whose beginning was not stopped at. */
	request(PTRACE_SYSCALL, pid, 0, 0);
	expect(pid, "fork ends");
	request(PTRACE_CONT, pid, 0, 0);
	request(PTRACE_CONT, child, 0, 0);
	expect(child, "child ends");
	expect(pid, "parent hears");
	printf("SIGCHLD's pid is the child: %d\n",
	       !request(PTRACE_GETSIGINFO, pid, 0, (unsigned long)&info) && info.si_pid == child);
	request(PTRACE_CONT, pid, 0, SIGCHLD);
	expect(pid, "parent ends");
}

static void vforks(void)
{
	pid_t pid = vfork();

	if (!pid)
		_exit(3);
	waitpid(pid, NULL, 0);
	_exit(0);
}

static void at_vfork(void)
{
	pid_t pid = traced_child(vforks), child;

	request(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEVFORK | PTRACE_O_TRACEVFORKDONE);
	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "parent");
	child = message(pid);
	expect(child, "child");
	request(PTRACE_CONT, pid, 0, 0);
	printf("parent waits: %d\n", waitpid(pid, NULL, WNOHANG));
	request(PTRACE_CONT, child, 0, 0);
	expect(child, "child ends");
	expect(pid, "parent goes on");
	printf("the same child: %d\n", message(pid) == (unsigned long)child);
	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "SIGCHLD");
	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "parent ends");
}

static void execs(void)
{
	execl("/bin/sh", "sh", "-c", "exit 6", NULL);
}

static void at_exec(void)
{
	pid_t pid = traced_child(execs);
	struct user_regs_struct r;

	request(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT);
	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "exec");
	printf("its own number: %d\n", message(pid) == (unsigned long)pid);
	request(PTRACE_GETREGS, pid, 0, (unsigned long)&r);
	printf("rbx %lld, orig_rax %lld, cs %llx\n", r.rbx, r.orig_rax, r.cs);
	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "exit");
	printf("status %lx\n", message(pid));
	printf("still readable: %s\n", outcome(request(PTRACE_PEEKDATA, pid, r.rsp, (unsigned long)&r)));
	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "the end");
}

static void *thread(void *arg)
{
	return arg;
}

static void makes_thread(void)
{
	pthread_t t;

	pthread_create(&t, NULL, thread, NULL);
	pthread_join(t, NULL);
	_exit(0);
}

static void at_clone(void)
{
	pid_t pid = traced_child(makes_thread), tid;

	request(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXIT);
	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "first thread");
	tid = message(pid);
	expect(tid, "second thread");
	request(PTRACE_CONT, pid, 0, 0);
	request(PTRACE_CONT, tid, 0, 0);
	expect(tid, "it ends");
	request(PTRACE_CONT, tid, 0, 0);
	expect(tid, "a thread is waited for");
	printf("and gone: %s\n", outcome(request(PTRACE_CONT, tid, 0, 0)));
	expect(pid, "first thread ends");
	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "the end");
}

/* execve by a thread: it takes the leader's number, and tells the one it had. */
static void *exec_thread(void *arg)
{
	execl("/bin/true", "true", NULL);
	return NULL;
}

static void exec_from_thread(void)
{
	pthread_t t;

	pthread_create(&t, NULL, exec_thread, NULL);
	for (;;)
		pause();
}

static void at_thread_exec(void)
{
	pid_t pid = traced_child(exec_from_thread), tid;

	request(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC);
	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "thread made");
	tid = message(pid);
	expect(tid, "thread");
	request(PTRACE_CONT, pid, 0, 0);
	request(PTRACE_CONT, tid, 0, 0);
	expect(pid, "exec, by the leader's number");
	printf("it was the thread: %d\n", message(pid) == (unsigned long)tid);
	printf("the thread's number is gone: %s\n", outcome(waitpid(tid, NULL, __WALL)));
	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "the end");
}

/* The tracer, a child of ours, ends; what becomes of the tracee, our grandchild. */
static void tracer_ends(unsigned long options)
{
	int p[2];
	pid_t tracee = 0, tracer;
	int status = 0;

	pipe(p);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	fflush(stdout);
	tracer = fork();
	if (!tracer) {
		tracee = fork();
		if (!tracee) {
			request(PTRACE_TRACEME, 0, 0, 0);
			raise(SIGSTOP);
			_exit(12);
		}
		waitpid(tracee, NULL, 0);
		request(PTRACE_SETOPTIONS, tracee, 0, options);
		write(p[1], &tracee, sizeof(tracee));
		_exit(0);
	}
	read(p[0], &tracee, sizeof(tracee));
	expect(tracer, "tracer");
	expect(tracee, "tracee");
	close(p[0]);
	close(p[1]);
}

/* A tracer that is not the parent sees the end first. */
static void two_waits(void)
{
	int p[2], back[2], status;
	pid_t tracee, tracer;
	siginfo_t info = { 0 };
	char c;

	pipe(p);
	pipe(back);
	fflush(stdout);
	tracee = fork();
	if (!tracee) {
		for (;;)
			pause();
	}
	tracer = fork();
	if (!tracer) {
		printf("seize: %s\n", outcome(request(PTRACE_SEIZE, tracee, 0, 0)));
		write(p[1], "", 1);
		waitid(P_PID, tracee, &info, WEXITED | WNOWAIT);
		printf("tracer sees code %d\n", info.si_code);
		fflush(stdout);
		write(p[1], "", 1);
		read(back[0], &c, 1);
		waitpid(tracee, &status, __WALL);
		_exit(WTERMSIG(status));
	}
	read(p[0], &c, 1);
	kill(tracee, SIGKILL);
	read(p[0], &c, 1);
	printf("parent sees nothing: %d\n", waitpid(tracee, NULL, WNOHANG));
	write(back[1], "", 1);
	expect(tracee, "parent");
	expect(tracer, "tracer ends with what it saw");
}

int main(void)
{
	at_fork();
	at_vfork();
	at_exec();
	at_clone();
	at_thread_exec();
	puts("tracer ends");
	tracer_ends(0);
	puts("tracer ends, with the option to kill");
	tracer_ends(PTRACE_O_EXITKILL);
	two_waits();
	return 0;
}
