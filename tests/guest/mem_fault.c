/* SPDX-License-Identifier: Apache-2.0 */
/* Faults and growing stacks: signals, codes and addresses; guard gaps; what system calls make of bad memory. */
#include "mem.h"

#include <pthread.h>

static void guards(void)
{
	char *p = anon(4);

	mprotect(p, PG, PROT_NONE);
	mprotect(p + 3 * PG, PG, PROT_NONE);
	put("guard below", p + PG - 1, 1);
	put("first byte", p + PG, 1);
	put("last byte", p + 3 * PG - 1, 2);
	put("guard above", p + 3 * PG, 3);
	/* Calls stop where the guard is. */
	int fd = memfd_create("f", 0);

	T(pwrite(fd, p + 3 * PG - 5, 10, 0));
	T(pwrite(fd, p + 3 * PG, 10, 0));
	T(pread(fd, p + 3 * PG - 2, 5, 0));
	T(pread(fd, p + PG - 1, 1, 0));
	close(fd);
	munmap(p, 4 * PG);
}

static void files(void)
{
	int fd = memfd_create("f", 0);
	char *s, *p;

	ftruncate(fd, PG + 10);
	s = mmap(NULL, 4 * PG, RW, MAP_SHARED, fd, 0);
	p = mmap(NULL, 4 * PG, RW, MAP_PRIVATE, fd, 0);
	put("inside", s + PG, 1);
	put("rest of the page", s + PG + 20, 2);
	get("behind", s + 2 * PG);
	put("behind", s + 3 * PG + 5, 1);
	put("behind, private", p + 2 * PG, 1);
	T(ftruncate(fd, 3 * PG));
	put("inside now", s + 2 * PG, 1);
	put("own copy", p + 2 * PG, 7);
	T(ftruncate(fd, PG));
	get("cut", s + PG);
	get("cut, own copy", p + 2 * PG);
	T(write(1, s + 2 * PG, 1));
	T(pwrite(fd, s + PG, 1, 0));
	T(pread(fd, s + PG, 1, 0));
	get("still there", s);
	munmap(s, 4 * PG);
	munmap(p, 4 * PG);
	close(fd);
}

static __attribute__((noinline)) long deep(long n)
{
	volatile char frame[4096];

	frame[0] = n;
	return n ? deep(n - 1) + frame[0] : 0;
}

/* The main stack grows down to its limit and no further. */
static void main_stack(void)
{
	int sig;

	printf("a megabyte and more: %d\n", deep(1500) != 0);
	set_limit(RLIMIT_STACK, 1 << 20);
	sig = sigsetjmp(mem_jump, 1);
	if (!sig)
		deep(5000);
	printf("beyond: %s code %d\n", sigabbrev_np(sig), mem_code);
	set_limit(RLIMIT_STACK, 16 << 20);
	printf("limit raised: %d\n", deep(3000) != 0);
}

static void no_handler(void)
{
	signal(SIGSEGV, SIG_DFL);
	deep(1 << 20);
}

static void no_alternate(void)
{
	stack_t off = { .ss_flags = SS_DISABLE };

	/* A handler without a stack to run on is the end. */
	sigaltstack(&off, NULL);
	deep(1 << 20);
}

static void own_stack(void)
{
	char *base = room(2048), *top = base + 2000 * PG;
	long gap = 256;

	mmap(top - PG, PG, RW, ANON | MAP_FIXED | MAP_GROWSDOWN, -1, 0);
	put("at the page", top - PG, 1);
	put("just below", top - PG - 1, 2);
	put("far below", top - 100 * PG, 3);
	mmap(top - 1000 * PG, PG, RW, ANON | MAP_FIXED, -1, 0);
	put("above the gap", top - (999 - gap) * PG, 4);
	put("in the gap", top - 999 * PG + gap * PG - 1, 4);
	get("kept", top - PG - 1);
	munmap(top - 1000 * PG, PG);
	put("nothing in the way", top - 999 * PG, 5);
	T(mprotect(top - PG, PG, PROT_READ | PROT_GROWSDOWN));
	put("protected down to its end", top - 500 * PG, 1);
	T(mprotect(top - PG, PG, RW | PROT_GROWSDOWN));
	/* Mappings keep away from a stack. */
	char *q = mmap(top - 1100 * PG, 50 * PG, RW, ANON, -1, 0);

	printf("hint in the gap is not taken: %d\n", q != top - 1100 * PG);
	munmap(q, 50 * PG);
	munmap(base, 2048 * PG);
}

static void *thread(void *arg)
{
	char *p = arg;

	catch_faults();
	put("of a thread", p, 1);
	get("of a thread, read", p);
	return NULL;
}

static void threads(void)
{
	char *p = mmap(NULL, PG, PROT_READ, ANON, -1, 0);
	pthread_t t;

	pthread_create(&t, NULL, thread, p);
	pthread_join(t, NULL);
	munmap(p, PG);
	pthread_create(&t, NULL, thread, p);
	pthread_join(t, NULL);
}

static void *toucher(void *arg)
{
	char *p = arg;

	for (int i = 0; i < 256; i++)
		__atomic_fetch_add((int *)(p + i * PG), 1, __ATOMIC_RELAXED);
	return NULL;
}

/* The same pages for the first time from four threads at once, fresh and after a fork. */
static void races(void)
{
	char *p = anon(256);
	pthread_t t[4];
	int bad = 0, st;

	for (int round = 0; round < 4; round++) {
		pid_t child = round % 2 ? fork() : -1;

		if (!child)
			_exit(0);
		for (int i = 0; i < 4; i++)
			pthread_create(&t[i], NULL, toucher, p);
		for (int i = 0; i < 4; i++)
			pthread_join(t[i], NULL);
		if (child > 0)
			waitpid(child, &st, 0);
	}
	for (int i = 0; i < 256; i++)
		bad += *(int *)(p + i * PG) != 16;
	printf("lost additions: %d\n", bad);
	munmap(p, 256 * PG);
}

int main(void)
{
	catch_faults();
	no_caps();
	guards();
	files();
	in_child(main_stack);
	in_child(no_handler);
	in_child(no_alternate);
	own_stack();
	threads();
	races();
	return 0;
}
