/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of memory share: mappings told without their addresses, and accesses that tell the signal they raise. */
#ifndef GUEST_MEM_H
#define GUEST_MEM_H

#include "file.h"

#include <setjmp.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define PG 4096L
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static sigjmp_buf mem_jump;
static volatile int mem_code;
static void *volatile mem_addr;

static void mem_signal(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	mem_code = si->si_code;
	mem_addr = si->si_addr;
	siglongjmp(mem_jump, sig);
}

/* Signals of bad accesses come back as results from now on, on a stack of their own. */
static inline void catch_faults(void)
{
	struct sigaction sa = { .sa_sigaction = mem_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	stack_t ss = { .ss_sp = malloc(65536), .ss_size = 65536 };

	setvbuf(stdout, NULL, _IOLBF, 0);
	sigaltstack(&ss, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
}

static inline void tell_access(const char *what, int sig, const volatile void *p, int value)
{
	const char *code = sig == SIGBUS ? (mem_code == BUS_ADRERR ? "ADRERR" : "?") :
			   mem_code == SEGV_MAPERR ? "MAPERR" :
			   mem_code == SEGV_ACCERR ? "ACCERR" :
						     "?";

	if (sig)
		printf("%s: SIG%s %s%s\n", what, sigabbrev_np(sig), code, mem_addr == p ? "" : " elsewhere");
	else
		printf("%s: %d\n", what, value);
}

/* A load or a store of one byte, and what it gives. */
static __attribute__((noipa)) void get(const char *what, const volatile void *p)
{
	volatile int value = -1;
	int sig = sigsetjmp(mem_jump, 1);

	if (!sig)
		value = *(const volatile unsigned char *)p;
	tell_access(what, sig, p, value);
}

static __attribute__((noipa)) void put(const char *what, volatile void *p, int value)
{
	int sig = sigsetjmp(mem_jump, 1);

	if (!sig)
		*(volatile unsigned char *)p = value;
	tell_access(what, sig, p, value);
}

static inline void *tell_map(const char *what, void *p)
{
	if (p == MAP_FAILED)
		printf("%s: %s\n", what, strerrorname_np(errno));
	else
		printf("%s: mapped\n", what);
	return p;
}
/* A mapping whose address is not told. */
#define M(call) tell_map(#call, (call))

/* A range of n pages in which nothing else lies, unmapped again. */
static inline char *room(long n)
{
	char *p = mmap(NULL, n * PG, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);

	munmap(p, n * PG);
	return p;
}

static inline char *anon(long n)
{
	return mmap(NULL, n * PG, RW, ANON, -1, 0);
}

static inline void set_limit(int which, unsigned long value)
{
	struct rlimit rl;

	getrlimit(which, &rl);
	rl.rlim_cur = value;
	if (setrlimit(which, &rl))
		printf("setrlimit: %s\n", strerrorname_np(errno));
}

/* Runs fn in a child, whose end is told when it is no exit with 0. */
static inline void in_child(void (*fn)(void))
{
	int st;

	fflush(stdout);
	if (!fork()) {
		fn();
		exit(0);
	}
	wait(&st);
	if (st)
		printf("child ended with %#x\n", st);
}

/* The lines of /proc/self/maps that lie in [p, p + n pages), relative to p. */
static inline void show_maps(const char *what, const void *p, long n)
{
	unsigned long base = (unsigned long)p, a, b, off;
	char line[512], perms[8];
	FILE *f = fopen("/proc/self/maps", "r");
	int name;

	printf("%s:", what);
	while (f && fgets(line, sizeof(line), f)) {
		name = 0;
		if (sscanf(line, "%lx-%lx %7s %lx %*s %*s %n", &a, &b, perms, &off, &name) < 4 || b <= base ||
		    a >= base + n * PG)
			continue;
		line[strcspn(line, "\n")] = 0;
		a = a < base ? base : a;
		b = b > base + n * PG ? base + n * PG : b;
		printf(" %lu-%lu %s%s%s", (a - base) / PG, (b - base) / PG, perms, line[name] ? " " : "",
		       line[name] != '/'		    ? line + name :
		       !strncmp(line + name, "/SYSV", 5) ? "/SYSV" /* the key follows */ :
							      strrchr(line, '/'));
	}
	printf("\n");
	if (f)
		fclose(f);
}

#endif
