/* SPDX-License-Identifier: Apache-2.0 */
/* mmap, munmap, mprotect: every flag and every refusal. */
#include "mem.h"

static void refusals(void)
{
	int fd = open("/dev/null", O_RDWR);

	M(mmap(NULL, 0, RW, ANON, -1, 0));
	M(mmap(NULL, PG, RW, MAP_ANONYMOUS, -1, 0));
	M(mmap(NULL, PG, RW, MAP_ANONYMOUS | 0x5, -1, 0));
	M(mmap(NULL, PG, RW, ANON, -1, 100));
	M((void *)syscall(SYS_mmap, NULL, PG, RW, ANON, -1, 100));
	M(mmap(NULL, -1UL, RW, ANON, -1, 0));
	M(mmap(NULL, 1UL << 62, RW, ANON, -1, 0));
	M(mmap(NULL, 1UL << 47, PROT_NONE, ANON | MAP_NORESERVE, -1, 0));
	M(mmap(NULL, PG, RW, MAP_PRIVATE, -1, 0));
	M(mmap(NULL, PG, RW, MAP_PRIVATE, 999, 0));
	M(mmap(NULL, PG, PROT_READ, MAP_PRIVATE, fd, 0));
	M(mmap((void *)0x10001, PG, RW, ANON | MAP_FIXED, -1, 0));
	M(mmap((void *)0x10001, PG, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
	M(mmap((void *)(1UL << 47), PG, RW, ANON | MAP_FIXED, -1, 0));
	M(mmap((void *)-PG, PG, RW, ANON | MAP_FIXED, -1, 0));
	M(mmap(NULL, PG, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0));
	M(mmap(NULL, PG, RW, MAP_SHARED_VALIDATE | MAP_ANONYMOUS, -1, 0));
	M(mmap(NULL, 2 << 20, RW, ANON | MAP_HUGETLB, -1, 0));
	M(mmap(NULL, PG, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_SYNC, -1, 0));
	close(fd);
}

static void addresses(void)
{
	char *p = room(16), *q;

	q = mmap(p + 5 * PG, 2 * PG, RW, ANON, -1, 0);
	printf("a free hint is taken: %d\n", q == p + 5 * PG);
	q = mmap(p + 5 * PG + 100, PG, RW, ANON, -1, 0);
	printf("a busy one is not: %d\n", q != p + 5 * PG && q != MAP_FAILED);
	munmap(q, PG);
	q = mmap(p + 7 * PG + 100, PG, RW, ANON, -1, 0);
	printf("an odd one is rounded: %d\n", q == p + 7 * PG || q == p + 8 * PG);
	munmap(q, PG);
	q = mmap((void *)100, PG, RW, ANON, -1, 0);
	printf("below the minimum: %d\n", q == (void *)0x10000 || (unsigned long)q > 0x10000);
	munmap(q, PG);
	M(mmap(p + 4 * PG, 2 * PG, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
	M(mmap(p + 6 * PG, 2 * PG, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
	M(mmap(p + 8 * PG, 2 * PG, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
	p[5 * PG] = 1;
	M(mmap(p + 5 * PG, PG, PROT_READ, ANON | MAP_FIXED, -1, 0));
	get("replaced", p + 5 * PG);
	put("replaced", p + 5 * PG, 1);
	show_maps("pieces", p, 16);
	q = mmap(NULL, 5 * PG, RW, ANON | MAP_32BIT, -1, 0);
	printf("low: %d\n", (unsigned long)q < 1UL << 32);
	munmap(q, 5 * PG);
	q = mmap(p + 12 * PG, PG, RW, ANON | MAP_32BIT, -1, 0);
	printf("low in spite of the hint: %d\n", (unsigned long)q < 1UL << 32);
	munmap(q, PG);
	M(mmap(NULL, 2UL << 30, RW, ANON | MAP_32BIT | MAP_NORESERVE, -1, 0));
	T(munmap(p, 16 * PG));
}

static void kinds(void)
{
	int zero = open("/dev/zero", O_RDWR), st;
	char *p, *q;

	static const int flags[] = { MAP_POPULATE, MAP_NORESERVE, MAP_STACK, MAP_LOCKED, MAP_POPULATE | MAP_NONBLOCK,
				     MAP_DENYWRITE, MAP_EXECUTABLE, 0x40000000 };
	for (unsigned i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		unsigned char vec[4] = { 0 };

		p = mmap(NULL, 4 * PG, RW, ANON | flags[i], -1, 0);
		printf("flags %#x: %d", flags[i], p != MAP_FAILED);
		mincore(p, 4 * PG, vec);
		if (flags[i] == MAP_POPULATE || flags[i] == MAP_LOCKED)
			printf(" resident %d%d%d%d", vec[0], vec[1], vec[2], vec[3]);
		printf(" byte %d\n", p[2 * PG]);
		munmap(p, 4 * PG);
	}
	p = M(mmap(NULL, 4 * PG, RW, MAP_PRIVATE, zero, 0));
	p[0] = 7;
	q = M(mmap(NULL, 4 * PG, RW, MAP_SHARED, zero, 0));
	if (!fork()) {
		p[0] = 8;
		q[PG] = 9;
		_exit(0);
	}
	wait(&st);
	printf("private %d shared %d\n", p[0], q[PG]);
	show_maps("/dev/zero, privately", p, 4);
	show_maps("/dev/zero, shared", q, 4);
	munmap(p, 4 * PG);
	munmap(q, 4 * PG);
	p = M(mmap(NULL, 4 * PG, RW, MAP_SHARED, zero, 2 * PG));
	q = M(mmap(NULL, 4 * PG, RW, MAP_SHARED | MAP_ANONYMOUS, zero, 2 * PG));
	p[0] = q[0] = 1;
	show_maps("anonymous, shared", q, 4);
	munmap(p, 4 * PG);
	munmap(q, 4 * PG);
	close(zero);
}

static void unmaps(void)
{
	char *p = anon(10);

	memset(p, 1, 10 * PG);
	T(munmap(p + 1, PG));
	T(munmap(p, 0));
	T(munmap(p, -1UL));
	T(munmap((void *)-PG, PG));
	T(munmap(p + 3 * PG, 1));
	T(munmap(p + 3 * PG, PG));
	T(munmap(p + 5 * PG, 2 * PG));
	show_maps("holes", p, 10);
	get("hole", p + 3 * PG);
	get("beside", p + 4 * PG);
	T(munmap(p, 10 * PG));
	get("gone", p);
	M(mmap(p, 10 * PG, RW, ANON | MAP_FIXED, -1, 0));
	get("zeroed", p);
	munmap(p, 10 * PG);
}

static void protections(void)
{
	char *p = room(32);

	mmap(p, 10 * PG, RW, ANON | MAP_FIXED, -1, 0);
	memset(p, 3, 10 * PG);
	T(mprotect(p + 1, PG, PROT_READ));
	T(mprotect(p, PG, 0x80));
	T(mprotect(p, PG, PROT_READ | PROT_GROWSDOWN));
	T(mprotect(p, PG, PROT_READ | PROT_GROWSUP));
	T(mprotect(p, PG, PROT_READ | PROT_GROWSUP | PROT_GROWSDOWN));
	T(mprotect(p, 0, PROT_READ));
	T(mprotect(p, -1UL, PROT_READ));
	T(mprotect(p, 1UL << 47, PROT_READ));
	T(mprotect(p + 2 * PG, PG, PROT_READ));
	T(mprotect(p + 4 * PG, PG, PROT_NONE));
	T(mprotect(p + 6 * PG, PG, PROT_WRITE));
	T(mprotect(p + 8 * PG, PG, PROT_EXEC));
	show_maps("protected", p, 10);
	put("read only", p + 2 * PG, 1);
	get("read only", p + 2 * PG);
	get("none", p + 4 * PG);
	put("none", p + 4 * PG, 1);
	get("write only", p + 6 * PG);
	put("execute only", p + 8 * PG, 1);
	T(mprotect(p, 10 * PG, RW));
	show_maps("one again", p, 10);
	get("kept", p + 4 * PG);
	munmap(p + 5 * PG, PG);
	T(mprotect(p, 10 * PG, PROT_READ));
	show_maps("up to the hole", p, 10);
	T(mprotect(p + 5 * PG, PG, PROT_READ));
	T(mprotect(p + 4 * PG, 2 * PG, PROT_NONE));
	show_maps("before the hole", p, 10);
	munmap(p, 10 * PG);
}

static void execution(void)
{
	unsigned char *p = (unsigned char *)anon(1);
	int (*volatile fn)(void) = (int (*)(void))p;
	static const unsigned char code[] = { 0xb8, 42, 0, 0, 0, 0xc3 };
	int sig;

	memcpy(p, code, sizeof(code));
	sig = sigsetjmp(mem_jump, 1);
	if (!sig)
		fn();
	tell_access("no execution", sig, p, 0);
	T(mprotect(p, PG, PROT_READ | PROT_EXEC));
	printf("executed: %d\n", fn());
	put("code", p + 1, 43);
	T(mprotect(p, PG, RW | PROT_EXEC));
	p[1] = 43;
	printf("changed: %d\n", fn());
	munmap(p, PG);
	sig = sigsetjmp(mem_jump, 1);
	if (!sig)
		fn();
	tell_access("nothing there", sig, p, 0);
}

static void odd_addresses(void)
{
	get("null", NULL);
	get("first page", (void *)8);
	get("last of user space", (void *)0x7ffffffff000);
	mem_addr = (void *)1;
	put("null", NULL, 1);
	T(write(1, (void *)0x10, 1));
	T(write(1, (void *)-1, 1));
	T(write(1, (void *)0x8000000000000000, 1));
}

int main(void)
{
	catch_faults();
	no_caps();
	refusals();
	addresses();
	kinds();
	unmaps();
	protections();
	execution();
	odd_addresses();
	return 0;
}
