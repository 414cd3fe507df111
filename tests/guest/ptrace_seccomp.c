/* SPDX-License-Identifier: Apache-2.0 */
/* ptrace and seccomp: calls that a filter leaves to the tracer, which looks at them, changes them, or takes their place. */
#include "trace.h"
#include "seccomp.h"

#include <linux/ptrace.h>
#include <sys/prctl.h>

enum { COOKIE = 0xbeef };

/* getpgid and getsid are the tracer's, getuid fails. */
static void filtered(void)
{
	struct sock_filter f[] = {
		LOAD(nr),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpgid, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getsid, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getuid, 1, 2),
		RET(SECCOMP_RET_TRACE | COOKIE),
		RET(SECCOMP_RET_ERRNO | 77),
		RET(SECCOMP_RET_ALLOW),
	};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || install(f, COUNT(f), 0))
		_exit(99);
	raise(SIGSTOP);
	/* Printed at the end, lest the tracer of every call sees that too. */
	long r[5];

	for (int i = 0; i < 5; i++)
		r[i] = syscall(SYS_getpgid, 1L << 30) == -1 ? -errno : 1;
	for (int i = 0; i < 5; i++)
		check("the child's", r[i]);
}

static void nobody_asks(void)
{
	pid_t pid = traced_child(filtered);

	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "without the option");
	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "it ends");
}

static void show_call(pid_t pid)
{
	struct __ptrace_syscall_info info;
	unsigned long message = 0;
	long size = request(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), (unsigned long)&info);
	struct user_regs_struct regs;

	request(PTRACE_GETEVENTMSG, pid, 0, (unsigned long)&message);
	request(PTRACE_GETREGS, pid, 0, (unsigned long)&regs);
	printf("info %ld op %d call %d argument %llx data %x message %lx rax %d orig_rax is the call %d\n", size, info.op,
	       info.seccomp.nr == SYS_getpgid, (unsigned long long)info.seccomp.args[0], info.seccomp.ret_data, message, (int)regs.rax,
	       regs.orig_rax == SYS_getpgid);
}

static void change(pid_t pid, long nr, long rax, unsigned long first)
{
	struct user_regs_struct regs;

	request(PTRACE_GETREGS, pid, 0, (unsigned long)&regs);
	regs.orig_rax = (unsigned long)nr;
	regs.rax = (unsigned long)rax;
	regs.rdi = first;
	request(PTRACE_SETREGS, pid, 0, (unsigned long)&regs);
}

static void asked(void)
{
	pid_t pid = traced_child(filtered);

	request(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESECCOMP | PTRACE_O_TRACESYSGOOD);
	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "ready");
	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "let go on");
	show_call(pid);
	request(PTRACE_SYSCALL, pid, 0, 0);
	expect(pid, "and its end seen");
	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "skipped");
	change(pid, -1, -EXDEV, 0);
	request(PTRACE_SYSCALL, pid, 0, 0);
	expect(pid, "and its end seen");
	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "another argument");
	change(pid, SYS_getpgid, -ENOSYS, (unsigned long)pid);
	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "a call that is the tracer's too");
	change(pid, SYS_getsid, -ENOSYS, 1ul << 30);
	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "a call that the filter refuses");
	change(pid, SYS_getuid, -ENOSYS, 0);
	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "it ends");
}

/* With a tracer that sees every call, the filter's stop comes after the call's. */
static void order(void)
{
	pid_t pid = traced_child(filtered);

	request(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESECCOMP | PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "ready");
	/* The rest of raise(): the end of its call, and what it does with its mask. */
	for (int stops = 0; stops < 20; stops++) {
		struct user_regs_struct regs;
		int status;

		request(PTRACE_SYSCALL, pid, 0, 0);
		waitpid(pid, &status, 0);
		request(PTRACE_GETREGS, pid, 0, (unsigned long)&regs);
		if (regs.orig_rax != SYS_getpgid)
			continue;
		show_status("getpgid", status);
		break;
	}
	request(PTRACE_SYSCALL, pid, 0, 0);
	expect(pid, "then");
	request(PTRACE_SYSCALL, pid, 0, 0);
	expect(pid, "then");
	/* Killed in the filter's stop. */
	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "the next");
	kill(pid, SIGKILL);
	expect(pid, "it ends");
}

int main(void)
{
	nobody_asks();
	asked();
	order();
	return 0;
}
