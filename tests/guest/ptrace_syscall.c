/* SPDX-License-Identifier: Apache-2.0 */
/* ptrace: stops at the entry and the end of calls; what a tracer changes there; calls emulated, stepped over, restarted. */
#include "trace.h"

#include <fcntl.h>

static const char *op_name(int op)
{
	static const char *const names[] = { "none", "entry", "exit", "seccomp" };

	return op < 4 ? names[op] : "?";
}

static void show_call(pid_t pid)
{
	struct __ptrace_syscall_info info;
	unsigned long message = 99;
	siginfo_t si;
	long size;

	memset(&info, 0, sizeof(info));
	size = request(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), (unsigned long)&info);
	request(PTRACE_GETEVENTMSG, pid, 0, (unsigned long)&message);
	request(PTRACE_GETSIGINFO, pid, 0, (unsigned long)&si);
	printf("  %s, size %ld, message %lu, arch %x, code %x", op_name(info.op), size, message, info.arch, si.si_code);
	if (info.op == 1)
		printf(", nr %lld, second argument %lld\n", (long long)info.entry.nr, (long long)info.entry.args[1]);
	else if (info.op == 2)
		printf(", result %lld, error %d\n", (long long)info.exit.rval, info.exit.is_error);
	else
		printf("\n");
}

static void two_calls(void)
{
	syscall(SYS_lseek, -1, 77, 0);
	syscall(SYS_exit_group, syscall(SYS_dup2, 1, 50) == 50 ? 5 : 6, 0);
}

static void plain(void)
{
	pid_t pid = traced_child(two_calls);
	struct user_regs_struct r;
	uint64_t small[2] = { ~0ULL, ~0ULL };

	printf("options: %s\n", outcome(request(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD)));
	printf("unknown option: %s\n", outcome(request(PTRACE_SETOPTIONS, pid, 0, 1 << 19)));
	show_call(pid);
	request(PTRACE_SYSCALL, pid, 0, 0);
	expect(pid, "end of tgkill, or entry of what follows");
	for (int i = 0; i < 20; i++) {
		struct __ptrace_syscall_info info;

		request(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), (unsigned long)&info);
		if (info.op == 1 && info.entry.nr == SYS_lseek)
			break;
		request(PTRACE_SYSCALL, pid, 0, 0);
		waitpid(pid, NULL, 0);
	}
	printf("lseek\n");
	show_call(pid);
	printf("short buffer: %ld", request(PTRACE_GET_SYSCALL_INFO, pid, 8, (unsigned long)small));
	printf(" %d\n", small[1] == ~0ULL);
	request(PTRACE_GETREGS, pid, 0, (unsigned long)&r);
	printf("rax %lld, orig_rax %lld\n", r.rax, r.orig_rax);
	request(PTRACE_SYSCALL, pid, 0, 0);
	expect(pid, "end");
	show_call(pid);
	request(PTRACE_GETREGS, pid, 0, (unsigned long)&r);
	printf("rax %lld, orig_rax %lld\n", r.rax, r.orig_rax);
	request(PTRACE_SYSCALL, pid, 0, 0);
	expect(pid, "dup2");
	show_call(pid);
	request(PTRACE_SYSCALL, pid, 0, 0);
	expect(pid, "end");
	show_call(pid);
	request(PTRACE_SYSCALL, pid, 0, 0);
	expect(pid, "exit_group");
	show_call(pid);
	request(PTRACE_SYSCALL, pid, 0, 0);
	expect(pid, "over");
}

/* Runs the child up to the entry of `nr`. */
static void run_to(pid_t pid, long nr, long how)
{
	struct __ptrace_syscall_info info;

	request(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD);
	do {
		request(how, pid, 0, 0);
		waitpid(pid, NULL, 0);
		memset(&info, 0, sizeof(info));
		request(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), (unsigned long)&info);
	} while (info.op != 1 || (long)info.entry.nr != nr);
}

static void ask(void)
{
	long a = syscall(SYS_getppid, 0, 0), b = syscall(SYS_close, 1000, 0);

	_exit(a == 123 && b == 0 ? 9 : 8);
}

static void changed(void)
{
	pid_t pid = traced_child(ask);

	/* The call is not made: its number is none, and the result what is in rax. */
	run_to(pid, SYS_getppid, PTRACE_SYSCALL);
	request(PTRACE_POKEUSER, pid, offsetof(struct user, regs.orig_rax), -1);
	request(PTRACE_POKEUSER, pid, offsetof(struct user, regs.rax), 123);
	request(PTRACE_SYSCALL, pid, 0, 0);
	expect(pid, "end of what was not made");
	show_call(pid);
	/* Another call, with another argument. */
	run_to(pid, SYS_close, PTRACE_SYSCALL);
	request(PTRACE_POKEUSER, pid, offsetof(struct user, regs.orig_rax), SYS_alarm);
	request(PTRACE_POKEUSER, pid, offsetof(struct user, regs.rdi), 0);
	request(PTRACE_SYSCALL, pid, 0, 0);
	expect(pid, "end of another");
	show_call(pid);
	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "9");
}

static void result(void)
{
	pid_t pid = traced_child(ask);

	run_to(pid, SYS_getppid, PTRACE_SYSCALL);
	request(PTRACE_SYSCALL, pid, 0, 0);
	waitpid(pid, NULL, 0);
	request(PTRACE_POKEUSER, pid, offsetof(struct user, regs.rax), 123);
	run_to(pid, SYS_close, PTRACE_SYSCALL);
	request(PTRACE_SYSCALL, pid, 0, 0);
	waitpid(pid, NULL, 0);
	request(PTRACE_POKEUSER, pid, offsetof(struct user, regs.rax), 0);
	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "results changed");
}

static void emulated(void)
{
	pid_t pid = traced_child(ask);

	run_to(pid, SYS_getppid, 31 /* PTRACE_SYSEMU */);
	show_call(pid);
	request(PTRACE_POKEUSER, pid, offsetof(struct user, regs.rax), 123);
	request(31, pid, 0, 0);
	expect(pid, "no stop at its end");
	show_call(pid);
	request(PTRACE_POKEUSER, pid, offsetof(struct user, regs.rax), 0);
	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "9");
}

static void on_alarm(int sig)
{
}

static void sleep_long(void)
{
	struct timespec ts = { .tv_sec = 1000 };

	signal(SIGUSR1, on_alarm);
	_exit(syscall(SYS_nanosleep, &ts, NULL) == -1 && errno == EINTR ? 4 : 3);
}

static void interrupted(void)
{
	pid_t pid = traced_child(sleep_long);

	run_to(pid, SYS_nanosleep, PTRACE_SYSCALL);
	request(PTRACE_SYSCALL, pid, 0, 0);
	kill(pid, SIGWINCH);
	expect(pid, "the end shows the restart code");
	show_call(pid);
	request(PTRACE_SYSCALL, pid, 0, 0);
	expect(pid, "then the signal");
	show_call(pid);
	request(PTRACE_SYSCALL, pid, 0, SIGWINCH);
	expect(pid, "then the call again");
	show_call(pid);
	request(PTRACE_SYSCALL, pid, 0, 0);
	kill(pid, SIGUSR1);
	expect(pid, "interrupted again");
	show_call(pid);
	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "the signal with a handler");
	request(PTRACE_CONT, pid, 0, SIGUSR1);
	expect(pid, "EINTR");
}

static void inject(void)
{
	pid_t pid = traced_child(two_calls);

	run_to(pid, SYS_lseek, PTRACE_SYSCALL);
	request(PTRACE_SYSCALL, pid, 0, SIGUSR1);
	expect(pid, "the call's end");
	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "the signal given at its entry");
	request(PTRACE_CONT, pid, 0, SIGUSR1);
	expect(pid, "dies of it");
}

__asm__(".pushsection .text\n"
	".globl call_stepped, after_call\n"
	"call_stepped: mov $39, %eax\n"
	"	syscall\n"
	"after_call: nop\n"
	"	ret\n"
	".popsection\n");
extern long call_stepped(void);
extern char after_call[];

static void stepped(void)
{
	__asm__ volatile("int3");
	call_stepped();
	_exit(2);
}

static void step_over(void)
{
	pid_t pid = traced_child(stepped);
	struct user_regs_struct r;
	siginfo_t info;
	int steps = 0;

	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "int3");
	do {
		request(PTRACE_SINGLESTEP, pid, 0, 0);
		waitpid(pid, NULL, 0);
		request(PTRACE_GETREGS, pid, 0, (unsigned long)&r);
	} while (r.rip != (unsigned long)after_call && steps++ < 100);
	request(PTRACE_GETSIGINFO, pid, 0, (unsigned long)&info);
	printf("right after the call: %d, its result %d, code %d\n", steps < 100, r.rax == pid, info.si_code);
	request(PTRACE_SINGLESTEP, pid, 0, 0);
	expect(pid, "one more");
	request(PTRACE_GETREGS, pid, 0, (unsigned long)&r);
	request(PTRACE_GETSIGINFO, pid, 0, (unsigned long)&info);
	printf("at %lld, code %d\n", r.rip - (unsigned long)after_call, info.si_code);
	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "the end");
}

static void program(void)
{
	execl("/bin/true", "true", NULL);
}

static void at_exec(void)
{
	pid_t pid = traced_child(program);
	siginfo_t info;

	run_to(pid, SYS_execve, PTRACE_SYSCALL);
	request(PTRACE_SYSCALL, pid, 0, 0);
	expect(pid, "the end of execve");
	show_call(pid);
	request(PTRACE_SYSCALL, pid, 0, 0);
	expect(pid, "a signal tells of the new program");
	request(PTRACE_GETSIGINFO, pid, 0, (unsigned long)&info);
	printf("code %d, its own pid %d\n", info.si_code, info.si_pid == pid);
	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "true");
}

int main(void)
{
	plain();
	changed();
	result();
	emulated();
	interrupted();
	inject();
	step_over();
	at_exec();
	return 0;
}
