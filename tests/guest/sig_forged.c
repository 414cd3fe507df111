/* SPDX-License-Identifier: Apache-2.0 */
/* Frames that a handler has forged before it returns through them: registers, flags, segments, extended state, its header and its software
 * words, mask and alternate stack, by numbers that are the same natively. What a child is afterwards, or how it ended. */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

enum { FRAMES = 500, SW_WORDS = 464, HEADER = 512, KINDS = 16 };

static uint64_t state;

static uint64_t number(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static uint64_t below(uint64_t n)
{
	return number() % n;
}

static void forge_header(unsigned char *header)
{
	uint64_t word = below(8), value = below(2) ? number() : 1ULL << below(64);

	/* The compacted form of the state is a matter of the processor. */
	if (word == 1)
		value &= ~(1ULL << 63);
	memcpy(header + word * sizeof(value), &value, sizeof(value));
}

static void forge(ucontext_t *u)
{
	greg_t *r = u->uc_mcontext.gregs;
	unsigned char *fp = (unsigned char *)u->uc_mcontext.fpregs;
	uint32_t *sw = (uint32_t *)(fp + SW_WORDS);

	switch (below(KINDS)) {
	case 0: r[REG_EFL] = number(); break;
	case 1: r[REG_EFL] ^= 1LL << below(32); break;
	case 2: r[REG_CSGSFS] = number(); break;
	case 3: r[REG_CSGSFS] ^= 1ULL << below(64); break;
	case 4: r[REG_RIP] = number(); break;
	case 5: r[REG_RSP] = number() << below(20); break;
	case 6: u->uc_mcontext.fpregs = (fpregset_t)(below(4) ? number() : 0); break;
	case 7: *(uint32_t *)(fp + 24) = number(); break; /* MXCSR */
	case 8: sw[below(12)] = number(); break;
	case 9: sw[below(12)] ^= 1U << below(32); break;
	case 10: memcpy(fp + below(HEADER - 8), &state, 8); break;
	case 11: forge_header(fp + HEADER); break;
	case 12: u->uc_sigmask.__val[0] = number(); break;
	case 13: u->uc_stack = (stack_t){ (void *)number(), below(5), number() }; break;
	case 14: u->uc_flags = number(); break;
	case 15: u->uc_mcontext.fpregs = (fpregset_t)(fp + 16 * below(16)); break;
	}
}

static void handler(int sig, siginfo_t *si, void *u)
{
	(void)sig, (void)si;
	for (uint64_t n = below(3); forge(u), n; n--)
		;
}

static void child(int seed)
{
	static char alt[65536];
	struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
	stack_t ss = { .ss_sp = alt, .ss_size = sizeof(alt) };
	uint32_t mxcsr;
	uint64_t flags;
	uint16_t cs, stack;
	sigset_t mask;

	state = seed * 0x9e3779b97f4a7c15ULL + 1;
	for (int i = 0; i < 5; i++)
		number();
	sigaction(SIGUSR1, &sa, NULL);
	sigaltstack(&ss, NULL);
	raise(SIGUSR1);
	__asm__ volatile("stmxcsr %0; pushfq; pop %1; mov %%cs, %2; mov %%ss, %3"
			 : "=m"(mxcsr), "=r"(flags), "=r"(cs), "=r"(stack)::"memory");
	sigprocmask(SIG_SETMASK, NULL, &mask);
	sigaltstack(NULL, &ss);
	/* DF, TF, AC and what arithmetic does not change. */
	printf("%d: mxcsr %x flags %lx mask %lx alt %d %d cs %x ss %x\n", seed, mxcsr, flags & 0x254700, mask.__val[0],
	       ss.ss_sp == alt, ss.ss_flags, cs, stack);
	fflush(stdout);
	_exit(0);
}

int main(void)
{
	for (int seed = 0; seed < FRAMES; seed++) {
		int st;

		fflush(stdout);
		if (!fork())
			child(seed);
		wait(&st);
		if (st)
			printf("%d: ended with %x\n", seed, st);
	}
	return 0;
}
