/* SPDX-License-Identifier: Apache-2.0 */
/* ptrace: registers, memory, breakpoints and steps of a child that asked to be traced. */
#include "trace.h"

#include <elf.h>
#include <sys/mman.h>
#include <sys/reg.h>

/* mov $1..$4 to rax, nops between; a known number of instructions and a place for a breakpoint. */
__asm__(".pushsection .text\n"
	".globl steps, steps_break, steps_end\n"
	"steps: mov $1, %eax\n"
	"	mov $2, %eax\n"
	"steps_break: nop\n"
	"	mov $3, %eax\n"
	"steps_end: ret\n"
	".popsection\n");
extern long steps(void);
extern char steps_break[], steps_end[];

static volatile long word = 0x1122334455667788;
static const long constant = 42;

static void call_steps(void)
{
	long r = steps();

	if (r != 3)
		_exit(2);
	_exit(word == 99 && *(volatile const long *)&constant == 43 ? 0 : 1);
}

static void memory(void)
{
	pid_t pid = traced_child(call_steps);
	long value = 0, old;

	printf("peek: %s", outcome(request(PTRACE_PEEKDATA, pid, (unsigned long)&word, (unsigned long)&value)));
	printf(" %lx\n", value);
	printf("peek unaligned: %s", outcome(request(PTRACE_PEEKTEXT, pid, (unsigned long)&word + 3, (unsigned long)&value)));
	printf(" %lx\n", value & 0xffffffffff);
	printf("peek nowhere: %s\n", outcome(request(PTRACE_PEEKDATA, pid, 8, (unsigned long)&value)));
	printf("peek to nowhere: %s\n", outcome(request(PTRACE_PEEKDATA, pid, (unsigned long)&word, 8)));
	printf("poke: %s\n", outcome(request(PTRACE_POKEDATA, pid, (unsigned long)&word, 99)));
	printf("poke read-only data: %s\n", outcome(request(PTRACE_POKEDATA, pid, (unsigned long)&constant, 43)));
	printf("poke nowhere: %s\n", outcome(request(PTRACE_POKEDATA, pid, 8, 1)));
	/* A breakpoint in the text, which is private, read-only and the parent's too. */
	request(PTRACE_PEEKTEXT, pid, (unsigned long)steps_break, (unsigned long)&old);
	printf("breakpoint: %s\n", outcome(request(PTRACE_POKETEXT, pid, (unsigned long)steps_break, (old & ~0xffL) | 0xcc)));
	printf("our text is as it was: %d, and runs: %ld\n", (unsigned char)steps_break[0] == 0x90, steps());
	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "after cont");

	struct user_regs_struct r;
	siginfo_t info;

	printf("getregs: %s\n", outcome(request(PTRACE_GETREGS, pid, 0, (unsigned long)&r)));
	printf("past the breakpoint: %lld, rax %lld, cs %llx, ss %llx, orig_rax %lld\n", r.rip - (unsigned long)steps_break, r.rax,
	       r.cs, r.ss, r.orig_rax);
	request(PTRACE_GETSIGINFO, pid, 0, (unsigned long)&info);
	printf("siginfo: signo %d, code %x\n", info.si_signo, info.si_code);
	request(PTRACE_POKETEXT, pid, (unsigned long)steps_break, old);
	r.rip--;
	printf("setregs: %s\n", outcome(request(PTRACE_SETREGS, pid, 0, (unsigned long)&r)));
	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "the end");
}

static void stepping(void)
{
	pid_t pid = traced_child(call_steps);
	struct user_regs_struct r;
	siginfo_t info;
	long old;

	request(PTRACE_PEEKTEXT, pid, (unsigned long)steps, (unsigned long)&old);
	request(PTRACE_POKETEXT, pid, (unsigned long)steps, (old & ~0xffL) | 0xcc);
	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "at the function");
	request(PTRACE_POKETEXT, pid, (unsigned long)steps, old);
	request(PTRACE_GETREGS, pid, 0, (unsigned long)&r);
	r.rip = (unsigned long)steps;
	request(PTRACE_SETREGS, pid, 0, (unsigned long)&r);
	for (int i = 0; i < 4; i++) {
		printf("step: %s; ", outcome(request(PTRACE_SINGLESTEP, pid, 0, 0)));
		expect(pid, "then");
		request(PTRACE_GETREGS, pid, 0, (unsigned long)&r);
		request(PTRACE_GETSIGINFO, pid, 0, (unsigned long)&info);
		printf("  at %lld, rax %lld, trap flag %lld, code %d\n", r.rip - (unsigned long)steps, r.rax, r.eflags & 0x100,
		       info.si_code);
	}
	printf("at the end: %d\n", r.rip == (unsigned long)steps_end);
	request(PTRACE_KILL, pid, 0, 0);
	expect(pid, "after kill");
}

static void spin(void)
{
	raise(SIGUSR1);
	_exit(7);
}

static void user_area(void)
{
	pid_t pid = traced_child(spin);
	struct user_regs_struct r, again;
	unsigned long value;

	request(PTRACE_GETREGS, pid, 0, (unsigned long)&r);
	request(PTRACE_PEEKUSER, pid, RIP * 8, (unsigned long)&value);
	printf("peekuser rip: %d\n", value == r.rip);
	printf("orig_rax is tgkill's: %d, rax %lld\n", r.orig_rax == SYS_tgkill, r.rax);
	printf("pokeuser rbx: %s\n", outcome(request(PTRACE_POKEUSER, pid, RBX * 8, 0x1234)));
	request(PTRACE_PEEKUSER, pid, RBX * 8, (unsigned long)&value);
	printf("reads back %lx\n", value);
	printf("unaligned: %s\n", outcome(request(PTRACE_PEEKUSER, pid, 4, (unsigned long)&value)));
	printf("past the end: %s\n", outcome(request(PTRACE_PEEKUSER, pid, sizeof(struct user) + 16, (unsigned long)&value)));
	printf("u_dsize: %s", outcome(request(PTRACE_PEEKUSER, pid, offsetof(struct user, u_dsize), (unsigned long)&value)));
	printf(" %lu\n", value);
	for (int i = 0; i < 8; i++) {
		value = 77;
		if (i == 6) /* what the processor has set in it differs */
			continue;
		request(PTRACE_PEEKUSER, pid, offsetof(struct user, u_debugreg) + i * 8, (unsigned long)&value);
		printf("debug register %d: %lu\n", i, value);
	}
	printf("kernel cs: %s\n", outcome(request(PTRACE_POKEUSER, pid, CS * 8, 0x10)));
	printf("null ss: %s\n", outcome(request(PTRACE_POKEUSER, pid, SS * 8, 0)));
	printf("high fs_base: %s\n", outcome(request(PTRACE_POKEUSER, pid, FS_BASE * 8, 1UL << 63)));
	printf("flags with IF and IOPL: %s\n", outcome(request(PTRACE_POKEUSER, pid, EFLAGS * 8, r.eflags ^ 0x3200)));
	request(PTRACE_PEEKUSER, pid, EFLAGS * 8, (unsigned long)&value);
	printf("flags are as before: %d\n", value == r.eflags);

	struct iovec iov = { &again, sizeof(again) };

	printf("getregset: %s", outcome(request(PTRACE_GETREGSET, pid, NT_PRSTATUS, (unsigned long)&iov)));
	r.rbx = 0x1234;
	printf(" %zu, same %d\n", iov.iov_len, !memcmp(&r, &again, sizeof(r)));
	iov.iov_len = 100000;
	iov.iov_base = &again;
	printf("longer: %s", outcome(request(PTRACE_GETREGSET, pid, NT_PRSTATUS, (unsigned long)&iov)));
	printf(" %zu\n", iov.iov_len);
	iov.iov_len = 16;
	again.r15 = 15;
	again.r14 = 14;
	printf("set two: %s", outcome(request(PTRACE_SETREGSET, pid, NT_PRSTATUS, (unsigned long)&iov)));
	request(PTRACE_GETREGS, pid, 0, (unsigned long)&r);
	printf(" %zu, r15 %lld, r14 %lld, rbx %llx\n", iov.iov_len, r.r15, r.r14, r.rbx);
	iov.iov_len = 17;
	printf("odd length: %s\n", outcome(request(PTRACE_GETREGSET, pid, NT_PRSTATUS, (unsigned long)&iov)));
	iov.iov_len = 16;
	printf("unknown set: %s\n", outcome(request(PTRACE_GETREGSET, pid, 0x7777, (unsigned long)&iov)));
	printf("unknown request: %s\n", outcome(request(0x4299, pid, 0, 0)));
	kill(pid, SIGKILL);
	expect(pid, "after SIGKILL");
}

static volatile double result;

static void add_floats(void)
{
	double x = 1.5;

	__asm__ volatile("movsd %0, %%xmm5\n\tint3\n\tmovsd %%xmm5, %0" : "+m"(x) : : "xmm5", "memory");
	_exit((int)(x * 10));
}

static void floats(void)
{
	pid_t pid = traced_child(add_floats);
	struct user_fpregs_struct fp;
	double d;

	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "at int3");
	printf("getfpregs: %s", outcome(request(PTRACE_GETFPREGS, pid, 0, (unsigned long)&fp)));
	memcpy(&d, (char *)fp.xmm_space + 5 * 16, sizeof(d));
	printf(" cwd %x, mxcsr %x, xmm5 %g\n", fp.cwd, fp.mxcsr, d);
	d = 2.5;
	memcpy((char *)fp.xmm_space + 5 * 16, &d, sizeof(d));
	printf("setfpregs: %s\n", outcome(request(PTRACE_SETFPREGS, pid, 0, (unsigned long)&fp)));

	static unsigned char state[65536] __attribute__((aligned(64)));
	struct iovec iov = { state, sizeof(state) };

	printf("xstate: %s", outcome(request(PTRACE_GETREGSET, pid, NT_X86_XSTATE, (unsigned long)&iov)));
	memcpy(&d, state + 160 + 5 * 16, sizeof(d));
	printf(" more than fxsave %d, xmm5 %g\n", iov.iov_len > 512, d);
	d = 4.5;
	memcpy(state + 160 + 5 * 16, &d, sizeof(d));
	printf("set: %s\n", outcome(request(PTRACE_SETREGSET, pid, NT_X86_XSTATE, (unsigned long)&iov)));
	iov.iov_len = 512;
	printf("set a part: %s\n", outcome(request(PTRACE_SETREGSET, pid, NT_X86_XSTATE, (unsigned long)&iov)));
	iov.iov_len = sizeof(fp);
	iov.iov_base = &fp;
	printf("fpregset: %s", outcome(request(PTRACE_GETREGSET, pid, NT_PRFPREG, (unsigned long)&iov)));
	memcpy(&d, (char *)fp.xmm_space + 5 * 16, sizeof(d));
	printf(" %zu, xmm5 %g\n", iov.iov_len, d);
	fp.mxcsr = 0xffffffff;
	printf("impossible mxcsr: %s\n", outcome(request(PTRACE_SETREGSET, pid, NT_PRFPREG, (unsigned long)&iov)));
	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "the end");
}

static void mem_file(void)
{
	pid_t pid = traced_child(call_steps);
	char path[64];
	long value = 0;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	FILE *f = fopen(path, "r+");

	setvbuf(f, NULL, _IONBF, 0);
	fseek(f, (long)&word, SEEK_SET);
	printf("mem read: %zu", fread(&value, 8, 1, f));
	printf(" %lx\n", value);
	value = 99;
	fseek(f, (long)&word, SEEK_SET);
	printf("mem write: %zu\n", fwrite(&value, 8, 1, f));
	value = 43;
	fseek(f, (long)&constant, SEEK_SET);
	printf("mem write read-only: %zu\n", fwrite(&value, 8, 1, f));
	fclose(f);
	request(PTRACE_CONT, pid, 0, 0);
	expect(pid, "the end");
}

int main(void)
{
	memory();
	stepping();
	user_area();
	floats();
	mem_file();
	return 0;
}
