/* SPDX-License-Identifier: Apache-2.0 */
/* Frames: layout, alternate stacks, faults, extended state, hostile returns, restarted calls. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static sigjmp_buf jump;
static volatile int count, on_alt, flags_in, aligned, fp_ok;
static volatile void *address;
static volatile int code, trapno, err;
static char *alt;
enum { ALT_SIZE = 65536 };

static void set(int sig, void (*fn)(int, siginfo_t *, void *), int flags)
{
	struct sigaction sa = { .sa_sigaction = fn, .sa_flags = flags | SA_SIGINFO };

	sigemptyset(&sa.sa_mask);
	sigaction(sig, &sa, NULL);
}

static void look(int sig, siginfo_t *info, void *p)
{
	ucontext_t *uc = p;
	char *here = __builtin_frame_address(0);
	stack_t ss;

	(void)sig;
	(void)info;
	count++;
	on_alt = here > alt && here < alt + ALT_SIZE;
	sigaltstack(NULL, &ss);
	flags_in = ss.ss_flags;
	aligned = ((uintptr_t)p & 7) == 0 && ((uintptr_t)uc->uc_mcontext.fpregs & 63) == 0;
	/* FP_XSTATE_MAGIC1 in the software words, and its fellow where they say that the state ends. */
	uint32_t *sw = (uint32_t *)((char *)uc->uc_mcontext.fpregs + 464);
	fp_ok = sw[0] == 0x46505853 && *(uint32_t *)((char *)uc->uc_mcontext.fpregs + sw[4]) == 0x46505845;
	memset((char *)uc->uc_mcontext.fpregs + 160 + 16 * 15, 0x5a, 16); /* xmm15 */
	__asm__ volatile("pxor %%xmm7, %%xmm7" : : : "xmm7");
}

static void fault(int sig, siginfo_t *info, void *p)
{
	ucontext_t *uc = p;

	address = info->si_addr;
	code = info->si_code;
	trapno = (int)uc->uc_mcontext.gregs[REG_TRAPNO];
	err = (int)uc->uc_mcontext.gregs[REG_ERR];
	siglongjmp(jump, sig);
}

static void altstacks(void)
{
	stack_t ss = { .ss_sp = alt, .ss_size = ALT_SIZE }, small = { .ss_sp = alt, .ss_size = 100 };
	uint64_t before[2] = { 0x1122334455667788, 0x99aabbccddeeff00 }, x7[2], x15[2];

	printf("small: %d", sigaltstack(&small, NULL));
	printf(" %s\n", strerrorname_np(errno));
	ss.ss_flags = 1 << 20;
	printf("bad flags: %d", sigaltstack(&ss, NULL));
	printf(" %s\n", strerrorname_np(errno));
	ss.ss_flags = 0;
	sigaltstack(&ss, NULL);
	set(SIGUSR1, look, SA_ONSTACK);
	__asm__ volatile("movdqu %2, %%xmm7\n\tmov %3, %%eax\n\tmov %4, %%edi\n\tmov %5, %%esi\n\tsyscall\n\t"
			 "movdqu %%xmm7, %0\n\tmovdqu %%xmm15, %1"
			 : "=m"(x7), "=m"(x15)
			 : "m"(before), "i"(SYS_kill), "r"(getpid()), "i"(SIGUSR1)
			 : "rax", "rdi", "rsi", "rcx", "r11", "xmm7", "xmm15", "memory");
	printf("on alternate stack %d, flags %d, aligned %d, xsave frame %d\n", on_alt, flags_in, aligned, fp_ok);
	printf("xmm7 kept %d, xmm15 changed by the handler %d\n", !memcmp(before, x7, 16), x15[0] == 0x5a5a5a5a5a5a5a5a);
	ss.ss_flags = (int)(1u << 31);
	sigaltstack(&ss, NULL);
	raise(SIGUSR1);
	printf("autodisarm: on it %d, flags inside %d", on_alt, flags_in);
	sigaltstack(NULL, &ss);
	printf(", after %x\n", (unsigned)ss.ss_flags);
	ss.ss_flags = SS_DISABLE;
	sigaltstack(&ss, NULL);
	raise(SIGUSR1);
	printf("disabled: on it %d\n", on_alt);
}

static void faults(void)
{
	char *ro = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int sig;

	set(SIGSEGV, fault, 0);
	set(SIGFPE, fault, 0);
	set(SIGILL, fault, 0);
	set(SIGTRAP, fault, 0);
	sig = sigsetjmp(jump, 1);
	if (!sig)
		*(volatile char *)16 = 1;
	/* ptrace does not say whether an access to nothing was a write, so sbx cannot either. */
	printf("null: %d code %d addr %p trap %d err %d\n", sig, code, (void *)address, trapno, err & ~2);
	sig = sigsetjmp(jump, 1);
	if (!sig) {
		code = ro[0];
		*(volatile char *)(ro + 5) = 1;
	}
	printf("read only: %d code %d at 5: %d trap %d err %d\n", sig, code, address == ro + 5, trapno, err);
	sig = sigsetjmp(jump, 1);
	if (!sig)
		*(volatile char *)0x8000000000000000 = 1;
	printf("non canonical: %d code %d addr %p trap %d\n", sig, code, (void *)address, trapno);
	sig = sigsetjmp(jump, 1);
	if (!sig)
		__asm__ volatile("xor %%edx, %%edx\n\tmov $1, %%eax\n\txor %%ecx, %%ecx\n\tdiv %%ecx" : : : "eax", "ecx", "edx");
	printf("division: %d code %d trap %d\n", sig, code, trapno);
	sig = sigsetjmp(jump, 1);
	if (!sig)
		__asm__ volatile("ud2");
	printf("ud2: %d code %d trap %d\n", sig, code, trapno);
	sig = sigsetjmp(jump, 1);
	if (!sig)
		__asm__ volatile("int3");
	printf("int3: %d code %d trap %d\n", sig, code, trapno);
}

static int in_child(void (*fn)(void))
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		signal(SIGSEGV, SIG_DFL);
		fn();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

static void bad_sp(void)
{
	__asm__ volatile("mov $64, %%rsp\n\tmov $15, %%eax\n\tsyscall" : : : "memory");
}

static void wreck(int sig, siginfo_t *info, void *p)
{
	ucontext_t *uc = p;

	(void)sig;
	(void)info;
	uc->uc_mcontext.fpregs = (void *)24;
}

static void bad_fp(void)
{
	set(SIGUSR1, wreck, 0);
	raise(SIGUSR1);
}

static void wreck_header(int sig, siginfo_t *info, void *p)
{
	(void)sig;
	(void)info;
	memset((char *)((ucontext_t *)p)->uc_mcontext.fpregs + 512 + 8, 0xff, 56);
}

static void bad_header(void)
{
	set(SIGUSR1, wreck_header, 0);
	raise(SIGUSR1);
}

static void no_stack(void)
{
	set(SIGUSR1, look, 0);
	__asm__ volatile("mov $4096, %%rsp\n\tmov $39, %%eax\n\tsyscall\n\tmov %%eax, %%edi\n\tmov $10, %%esi\n\tmov $62, %%eax\n\tsyscall"
			 : : : "memory");
}

static void blocked_fault(void)
{
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, SIGSEGV);
	sigprocmask(SIG_BLOCK, &s, NULL);
	set(SIGSEGV, fault, 0);
	*(volatile char *)16 = 1;
}

static volatile int *ticks; /* shared with children */

static void tick(int sig, siginfo_t *info, void *p)
{
	(void)sig, (void)info, (void)p;
	++*ticks;
}

/* The alarm comes again and again, so one meets the read; what is read is written only after some were handled. */
static void restarts(void)
{
	struct itimerval on = { { .tv_usec = 20000 }, { .tv_usec = 20000 } }, off = { 0 };
	int p[2];
	char c = 'x';

	ticks = mmap(NULL, sizeof(*ticks), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int restart = 0; restart < 2; restart++) {
		if (pipe(p))
			return;
		*ticks = 0;
		set(SIGALRM, tick, restart ? SA_RESTART : 0);
		pid_t pid = fork();
		if (!pid) {
			while (!restart || *ticks < 3)
				usleep(1000);
			_exit(write(p[1], &c, 1) != 1);
		}
		setitimer(ITIMER_REAL, &on, NULL);
		ssize_t n = read(p[0], &c, 1);
		printf("restart %d: read %zd %s, handled %d\n", restart, n, n < 0 ? strerrorname_np(errno) : "", *ticks > 0);
		setitimer(ITIMER_REAL, &off, NULL);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		close(p[0]);
		close(p[1]);
	}
}

static volatile int round_x87, round_sse, round_in_sse;

static int sse_rounding(void)
{
	return (int)(__builtin_ia32_stmxcsr() >> 13 & 3);
}

static int x87_rounding(void)
{
	uint16_t cw;

	__asm__ volatile("fnstcw %0" : "=m"(cw));
	return cw >> 10 & 3;
}

static void round_handler(int sig, siginfo_t *info, void *p)
{
	uint16_t cw = 0x37f | 1 << 10;

	(void)sig, (void)info, (void)p;
	round_in_sse = sse_rounding();
	round_x87 = x87_rounding();
	__builtin_ia32_ldmxcsr(0x1f80 | 1 << 13);
	__asm__ volatile("fldcw %0" : : "m"(cw));
	if (__builtin_cpu_supports("avx"))
		__asm__ volatile("vpcmpeqb %%xmm9, %%xmm9, %%xmm9\n\tvinsertf128 $1, %%xmm9, %%ymm9, %%ymm9" : : : "xmm9");
}

/* The handler starts with the usual rounding, whatever the program's, and the program goes on with its own and with its vectors. */
static void float_state(void)
{
	uint16_t cw = 0x37f | 2 << 10;
	uint64_t in[4] = { 1, 2, 3, 4 }, out[4] = { 1, 2, 3, 4 };

	set(SIGUSR1, round_handler, 0);
	for (int i = 0; i < 3; i++) {
		bool avx = __builtin_cpu_supports("avx");

		__builtin_ia32_ldmxcsr(0x1f80 | 2 << 13);
		__asm__ volatile("fldcw %0" : : "m"(cw));
		in[3] += (uint64_t)i;
		out[3] = in[3];
		long pid = getpid(), nr = SYS_kill, sig = SIGUSR1;
		if (avx)
			__asm__ volatile("vmovdqu %[in], %%ymm9\n\tsyscall\n\tvmovdqu %%ymm9, %[out]"
					 : [out] "=m"(out), "+a"(nr)
					 : [in] "m"(in), "D"(pid), "S"(sig)
					 : "rcx", "r11", "xmm9", "memory");
		else
			kill((pid_t)pid, SIGUSR1);
		printf("rounding in the handler %d %d after it %d %d vector kept %d\n", round_in_sse, round_x87, sse_rounding(), x87_rounding(),
		       !memcmp(in, out, sizeof(in)));
	}
	__builtin_ia32_ldmxcsr(0x1f80);
	cw = 0x37f;
	__asm__ volatile("fldcw %0" : : "m"(cw));
}

int main(void)
{
	alt = malloc(ALT_SIZE);
	altstacks();
	faults();
	printf("sigreturn without a frame: %d\n", in_child(bad_sp));
	printf("bad fpstate pointer: %d\n", in_child(bad_fp));
	printf("bad xsave header: %d\n", in_child(bad_header));
	printf("no stack for a frame: %d\n", in_child(no_stack));
	printf("fault while blocked: %d\n", in_child(blocked_fault));
	restarts();
	float_state();
	return 0;
}
