/* SPDX-License-Identifier: Apache-2.0 */
/* clone and clone3: refused flag combinations, what is shared, numbers written, threads without a library, vfork. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void raw(const char *what, unsigned long flags)
{
	long r = syscall(SYS_clone, flags, NULL, NULL, NULL, 0);

	if (!r)
		_exit(0);
	printf("%s: %s %d\n", what, r < 0 ? "error" : "ok", r < 0 ? errno : 0);
	if (r > 0)
		waitpid((pid_t)r, NULL, __WALL);
}

static void raw3(const char *what, struct clone_args *ca, size_t size)
{
	long r = syscall(SYS_clone3, ca, size);

	if (!r)
		_exit(3);
	printf("%s: %s %d\n", what, r < 0 ? "error" : "ok", r < 0 ? errno : 0);
	if (r > 0)
		waitpid((pid_t)r, NULL, __WALL);
}

static void refused(void)
{
	struct clone_args ca = { 0 };

	raw("thread without sighand", CLONE_THREAD | SIGCHLD);
	raw("sighand without vm", CLONE_SIGHAND | SIGCHLD);
	raw("newns with fs", CLONE_NEWNS | CLONE_FS | SIGCHLD);
	raw("newuser with fs", CLONE_NEWUSER | CLONE_FS | SIGCHLD);
	raw("thread newpid", CLONE_THREAD | CLONE_SIGHAND | CLONE_VM | CLONE_NEWPID);
	raw("no exit signal", 0);
	raw("sysvsem, io, untraced", CLONE_SYSVSEM | CLONE_IO | CLONE_UNTRACED | SIGCHLD);
	raw3("clone3 nothing", &ca, sizeof(ca));
	raw3("clone3 short", &ca, 63);
	raw3("clone3 huge", &ca, 100000);
	ca.exit_signal = 65;
	raw3("clone3 signal 65", &ca, sizeof(ca));
	ca.exit_signal = SIGCHLD;
	raw3("clone3 fork", &ca, sizeof(ca));
	ca.flags = SIGCHLD;
	raw3("clone3 signal in flags", &ca, sizeof(ca));
	ca.flags = 1ULL << 40;
	raw3("clone3 unknown flag", &ca, sizeof(ca));
	ca.flags = CLONE_PARENT;
	raw3("clone3 parent with signal", &ca, sizeof(ca));
	ca.flags = 0;
	ca.stack = 4096;
	raw3("clone3 stack without size", &ca, sizeof(ca));
	ca.stack = 0;
	ca.stack_size = 4096;
	raw3("clone3 size without stack", &ca, sizeof(ca));
	ca.stack_size = 0;
	ca.set_tid_size = 1;
	raw3("clone3 set_tid_size without set_tid", &ca, sizeof(ca));
	ca.set_tid_size = 0;
	ca.flags = CLONE_CLEAR_SIGHAND | CLONE_SIGHAND | CLONE_VM;
	raw3("clone3 clear and share", &ca, sizeof(ca));
	printf("fault: %ld", syscall(SYS_clone3, (void *)8, sizeof(ca)));
	printf(" %d\n", errno);
}

static void numbers(void)
{
	volatile pid_t parent_tid = -1, child_tid = -1;
	int p[2];
	pid_t seen = 0;

	if (pipe(p) < 0)
		exit(1);
	long r = syscall(SYS_clone, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, NULL, &parent_tid, &child_tid, 0);
	if (!r) {
		pid_t mine = child_tid == getpid() && getpid() == gettid() ? getpid() : -1;

		_exit(write(p[1], &mine, sizeof(mine)) != sizeof(mine));
	}
	if (read(p[0], &seen, sizeof(seen)) != sizeof(seen))
		exit(1);
	printf("numbers: %d %d %d\n", parent_tid == r, child_tid == -1, seen == r);
	waitpid((pid_t)r, NULL, 0);
	r = syscall(SYS_clone, CLONE_PARENT_SETTID | SIGCHLD, NULL, 8, NULL, 0);
	if (!r)
		_exit(0);
	printf("bad parent_tid is no error: %d\n", r > 0);
	waitpid((pid_t)r, NULL, 0);
}

static _Alignas(16) char stack[65536];
static volatile int shared;
static volatile pid_t tid_word = 1;

static int thread(void *arg)
{
	shared = *(int *)arg + (getpid() != gettid());
	syscall(SYS_exit, 0);
	return 0;
}

static void raw_thread(void)
{
	int arg = 41;
	unsigned long flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
			      CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
	pid_t parent_tid = 0;
	int tid = clone(thread, stack + sizeof(stack), (int)flags, &arg, &parent_tid, NULL, &tid_word);
	pid_t seen;

	while ((seen = tid_word))
		syscall(SYS_futex, &tid_word, FUTEX_WAIT, seen, NULL, NULL, 0);
	printf("thread: %d %d\n", shared, parent_tid == tid);
	errno = 0;
	printf("not a child: %d", waitpid(tid, NULL, __WALL));
	printf(" %d\n", errno);
}

static int vm_child(void *arg)
{
	(void)arg;
	shared = 7;
	if (chdir("/") < 0)
		_exit(1);
	_exit(0);
}

static void shared_memory(void)
{
	char before[512], after[512];
	int st = 0;

	shared = 0;
	if (!getcwd(before, sizeof(before)))
		exit(1);
	pid_t pid = clone(vm_child, stack + sizeof(stack), CLONE_VM | CLONE_VFORK, NULL);
	printf("vfork by clone: %d at once", shared);
	printf(", plain wait %d", waitpid(pid, &st, 0));
	printf(" %d", errno);
	printf(", __WCLONE %d\n", waitpid(pid, &st, __WCLONE) == pid);
	if (!getcwd(after, sizeof(after)))
		exit(1);
	printf("directory kept: %d\n", !strcmp(before, after));

	pid = clone(vm_child, stack + sizeof(stack), CLONE_FS | SIGCHLD, NULL);
	waitpid(pid, &st, 0);
	printf("directory shared: %d\n", getcwd(after, sizeof(after)) && !strcmp(after, "/"));

	pid = vfork();
	if (!pid) {
		shared = 9;
		execlp("sh", "sh", "-c", "exit 12", NULL);
		_exit(1);
	}
	int at_once = shared;
	waitpid(pid, &st, 0);
	printf("vfork: %d, exit %d\n", at_once, WEXITSTATUS(st));
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	pid_t pid = fork(); /* so that CLONE_PARENT has somebody to share */
	if (!pid) {
		refused();
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	numbers();
	raw_thread();
	shared_memory();
	return 0;
}
