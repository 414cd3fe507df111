/* SPDX-License-Identifier: Apache-2.0 */
/* mappings COUNT...   what single memory operations cost in an address space of COUNT other mappings, one line each:
 *
 *   COUNT OPERATION NANOSECONDS
 *
 * The mappings are single pages with different neighbours, so that no kernel can merge them, and every second one was touched. The time of
 * an operation is the median of several rounds. Runs natively or in a sandbox. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, ROUNDS = 9 };

static char *field; /* the mappings: page 2i is one, what lies between them is free */
static long count;

static void check(int bad, const char *what)
{
	if (!bad)
		return;
	perror(what);
	exit(1);
}

static char *map(void *at, size_t len, int prot, int flags)
{
	char *p = mmap(at, len, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);

	check(p == MAP_FAILED, "mmap");
	return p;
}

/* Somewhere in the middle, another place each time. */
static char *pick(long i)
{
	return field + (size_t)((uint64_t)i * 7919 % (uint64_t)count) * 2 * PAGE;
}

static void map_unmap(long i)
{
	char *gap = pick(i) + PAGE;

	map(gap, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_FIXED);
	check(munmap(gap, PAGE), "munmap");
}

static void map_anywhere(long i)
{
	char *p = map(NULL, 4 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, 0);

	(void)i;
	check(munmap(p, 4 * PAGE), "munmap");
}

static void map_touch_unmap(long i)
{
	char *gap = map(pick(i) + PAGE, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_FIXED);

	*(volatile char *)gap = 1;
	check(munmap(gap, PAGE), "munmap");
}

static void protect(long i)
{
	check(mprotect(pick(i), PAGE, PROT_NONE), "mprotect");
	check(mprotect(pick(i), PAGE, PROT_READ | PROT_WRITE), "mprotect");
}

static void move(long i)
{
	static char *at;

	if (!at)
		at = map(NULL, 2 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, 0);
	(void)i;
	at = mremap(at, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE);
	check(at == MAP_FAILED, "mremap");
	at = mremap(at, 4 * PAGE, 2 * PAGE, 0);
	check(at == MAP_FAILED, "mremap");
}

static void drop_and_touch(long i)
{
	check(madvise(pick(i), PAGE, MADV_DONTNEED), "madvise");
	*(volatile char *)pick(i) = 1;
}

static void fork_wait(long i)
{
	pid_t pid = fork();

	(void)i;
	check(pid < 0, "fork");
	if (!pid)
		_exit(0);
	check(waitpid(pid, NULL, 0) != pid, "waitpid");
}

static const struct {
	const char *name;
	void (*fn)(long i);
	long times; /* a round */
} operations[] = {
	{ "mmap+munmap in a gap", map_unmap, 200 },	   { "mmap+munmap anywhere", map_anywhere, 200 },
	{ "mmap+touch+munmap", map_touch_unmap, 100 },	   { "mprotect twice", protect, 100 },
	{ "mremap grow+shrink", move, 200 },		   { "madvise DONTNEED+touch", drop_and_touch, 100 },
	{ "fork+exit+wait", fork_wait, 3 },
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure(size_t op)
{
	double took[ROUNDS];
	long n = 0;

	for (int r = 0; r < ROUNDS; r++) {
		double start = now();

		for (long i = 0; i < operations[op].times; i++)
			operations[op].fn(n++);
		took[r] = (now() - start) / (double)operations[op].times;
	}
	qsort(took, ROUNDS, sizeof(*took), by_value);
	printf("%ld\t%s\t%.0f\n", count, operations[op].name, took[ROUNDS / 2]);
}

/* One address space a count: the operations of the next find nothing left over. */
static void run(void)
{
	field = map(NULL, (size_t)count * 2 * PAGE, PROT_NONE, 0);
	check(munmap(field, (size_t)count * 2 * PAGE), "munmap");
	for (long i = 0; i < count; i++) {
		map(field + (size_t)i * 2 * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_FIXED);
		if (i % 2)
			field[(size_t)i * 2 * PAGE] = 1;
	}
	for (size_t op = 0; op < sizeof(operations) / sizeof(*operations); op++)
		measure(op);
	fflush(stdout);
	_exit(0);
}

int main(int argc, char **argv)
{
	int status;

	for (int i = 1; i < argc; i++) {
		pid_t pid;

		count = atol(argv[i]);
		check(count <= 0, "a count of mappings is wanted");
		pid = fork();
		check(pid < 0, "fork");
		if (!pid)
			run();
		check(waitpid(pid, &status, 0) != pid || status, "a count failed");
	}
	return 0;
}
