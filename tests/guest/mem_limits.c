/* SPDX-License-Identifier: Apache-2.0 */
/* What limits memory: RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK, the number of mappings, the address space. And what does not. */
#include "mem.h"

static unsigned long field(const char *file, const char *key)
{
	char line[256];
	unsigned long v = 0;
	FILE *f = fopen(file, "r");

	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			v = strtoul(line + strlen(key), NULL, 10);
	fclose(f);
	return v << 10;
}

static void address_space(void)
{
	unsigned long now = field("/proc/self/status", "VmSize:");
	char *p;

	set_limit(RLIMIT_AS, now + (1 << 20));
	M(p = mmap(NULL, 2 << 20, RW, ANON, -1, 0));
	M(mmap(NULL, 2 << 20, PROT_NONE, ANON | MAP_NORESERVE, -1, 0));
	M(mmap(NULL, 2 << 20, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	M(p = mmap(NULL, 512 << 10, RW, ANON, -1, 0));
	M(mmap(p, 512 << 10, RW, ANON | MAP_FIXED, -1, 0));
	M(mremap(p, 512 << 10, 4 << 20, MREMAP_MAYMOVE));
	munmap(p, 512 << 10);
	char *b = sbrk(0);

	printf("brk: %d\n", brk(b + (1 << 20)) == 0);
	printf("brk, a little: %d\n", brk(b + (64 << 10)) == 0);
	set_limit(RLIMIT_AS, RLIM_INFINITY);
}

static void data(void)
{
	char *b = sbrk(0), *p;

	set_limit(RLIMIT_DATA, 64 << 20);
	M(mmap(NULL, 128 << 20, RW, ANON, -1, 0));
	M(p = mmap(NULL, 128 << 20, PROT_READ, ANON, -1, 0));
	T(mprotect(p, 128 << 20, RW));
	T(mprotect(p, 1 << 20, RW));
	munmap(p, 128 << 20);
	M(p = mmap(NULL, 128 << 20, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	munmap(p, 128 << 20);
	M(p = mmap(NULL, 128 << 20, RW, ANON | MAP_GROWSDOWN, -1, 0));
	munmap(p, 128 << 20);
	printf("brk: %d\n", brk(b + (128 << 20)) == 0);
	printf("brk, less: %d\n", brk(b + (16 << 20)) == 0);
	T(brk(b));
}

static void brk_moves(void)
{
	char *b = sbrk(0), *at = (char *)(((unsigned long)b + PG - 1) & -PG);

	T(brk(b + 3 * PG));
	memset(at, 1, 2 * PG);
	T(brk(at + 10));
	get("kept", at + 5);
	get("cut off", at + PG);
	T(brk(at + 2 * PG));
	get("new again", at + PG);
	printf("under the start: %d\n", (char *)syscall(SYS_brk, 0x1000) == at + 2 * PG);
	printf("too far: %d\n", (char *)syscall(SYS_brk, 1UL << 47) == at + 2 * PG);
	mmap(at + 10 * PG, PG, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
	printf("into a mapping: %d\n", (char *)syscall(SYS_brk, at + 20 * PG) == at + 2 * PG);
	munmap(at + 10 * PG, PG);
	T(brk(b));
}

static void locks(void)
{
	char *p = anon(16);
	unsigned char vec[4];

	set_limit(RLIMIT_MEMLOCK, 8 * PG);
	T(mlock(p + 100, 4 * PG));
	mincore(p, 4 * PG, vec);
	printf("resident: %d%d%d%d\n", vec[0] & 1, vec[1] & 1, vec[2] & 1, vec[3] & 1);
	printf("VmLck %lu\n", field("/proc/self/status", "VmLck:") / PG);
	T(mlock(p + 4 * PG, 4 * PG));
	T(mlock(p, 8 * PG));
	T(mlock(p, 5 * PG));
	T(mlock(p + 8 * PG, PG));
	M(mmap(NULL, PG, RW, ANON | MAP_LOCKED, -1, 0));
	T(munlock(p, 4 * PG));
	T(mlock2(p, 2 * PG, MLOCK_ONFAULT));
	T(syscall(SYS_mlock2, p, PG, 2));
	T(mlock(p, 0));
	T(mlock(p, -1UL));
	T(mlock(p, -PG));
	T(munlock(p, 16 * PG));
	munmap(p + 4 * PG, PG);
	T(mlock(p + 3 * PG, 3 * PG));
	T(munlock(p + 3 * PG, 3 * PG));
	printf("VmLck %lu\n", field("/proc/self/status", "VmLck:") / PG);
	T(mprotect(p, PG, PROT_NONE));
	T(mlock(p, PG));
	T(munlock(p, PG));
	T(mlockall(0));
	T(mlockall(8));
	T(mlockall(MCL_ONFAULT));
	T(mlockall(MCL_CURRENT));
	T(mlockall(MCL_FUTURE));
	M(mmap(NULL, 16 * PG, RW, ANON, -1, 0));
	M(mmap(NULL, 2 * PG, RW, ANON, -1, 0));
	T(munlockall());
	printf("VmLck %lu\n", field("/proc/self/status", "VmLck:") / PG);
	set_limit(RLIMIT_MEMLOCK, 0);
	T(mlock(p, PG));
	T(mlockall(MCL_FUTURE));
	M(mmap(NULL, PG, RW, ANON | MAP_LOCKED, -1, 0));
	T(munlockall());
	T(munlock(p, PG));
	munmap(p, 16 * PG);
}

static void many(void)
{
	long n, i;
	int err = 0;
	char *p = mmap(NULL, 110000 * PG, PROT_NONE, ANON | MAP_NORESERVE, -1, 0), *q;

	/* Every second page another protection: two more vmas a call. */
	for (n = 0; n < 70000; n++)
		if (mmap(p + n * 2 * PG, PG, PROT_READ, ANON | MAP_FIXED, -1, 0) == MAP_FAILED) {
			err = errno;
			break;
		}
	printf("%s near the limit: %d\n", strerrorname_np(err), n > 32700 && n < 32766);
	/* Up to the last one. */
	for (i = 0; i < 100; i++) {
		q = mmap(NULL, PG, i % 2 ? RW : PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (q == MAP_FAILED)
			break;
	}
	printf("at the limit: %s %d\n", strerrorname_np(errno), i < 100);
	T(mprotect(p + 2 * n * PG + 10 * PG, PG, PROT_READ));
	T(munmap(p + 2 * n * PG + 10 * PG, PG));
	T(madvise(p + 2 * n * PG + 10 * PG, PG, MADV_DONTFORK));
	T(mlock(p + 2 * n * PG + 10 * PG, PG));
	get("works", p + 2 * PG);
	T(munmap(p, 110000 * PG));
	M(q = mmap(NULL, PG, RW, ANON, -1, 0));
	/* Touched ones cost more than mapped ones. */
	q = mmap(NULL, 1000 * PG, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (i = 0; i < 1000; i += 2)
		mprotect(q + i * PG, PG, PROT_READ);
	for (i = 1; i < 1000; i += 2)
		q[i * PG] = 1;
	printf("touched: %d\n", q[999 * PG]);
	munmap(q, 1000 * PG);
}

static void sparse(void)
{
	unsigned long size = 1UL << 40, rss = field("/proc/self/status", "VmRSS:");
	char *p = M(mmap(NULL, size, RW, ANON | MAP_NORESERVE, -1, 0));

	for (unsigned long i = 0; i < 64; i++)
		p[i * (size / 64)] = i;
	printf("far apart: %d %d\n", p[63 * (size / 64)], p[size / 2]);
	printf("costs little: %d\n", field("/proc/self/status", "VmRSS:") - rss < 64 * 2 * PG + (1 << 20));
	T(madvise(p, size, MADV_DONTNEED));
	printf("dropped: %d\n", p[63 * (size / 64)]);
	T(munmap(p, size));
	/* And nobody's memory is promised too early. */
	M(p = mmap(NULL, 1UL << 46, PROT_NONE, ANON | MAP_NORESERVE, -1, 0));
	T(munmap(p, 1UL << 46));
	M(mmap(NULL, 3UL << 46, PROT_NONE, ANON | MAP_NORESERVE, -1, 0));
}

static void given_back(void)
{
	unsigned long rss = field("/proc/self/status", "VmRSS:"), full;
	int bad = 0;

	for (int round = 0; round < 3; round++) {
		char *p = anon(2048);

		for (long i = 0; i < 2048; i++) {
			bad += p[i * PG] != 0;
			p[i * PG] = 1;
		}
		full = field("/proc/self/status", "VmRSS:");
		printf("full: %d\n", full >= rss + 2048 * PG && full < rss + 2048 * PG + (1 << 20));
		if (round == 1)
			madvise(p, 2048 * PG, MADV_DONTNEED);
		else
			munmap(p, 2048 * PG);
		printf("back: %d\n", field("/proc/self/status", "VmRSS:") < rss + (1 << 20));
		if (round == 1)
			munmap(p, 2048 * PG);
	}
	printf("not zeroed: %d\n", bad);
}

int main(void)
{
	catch_faults();
	no_caps();
	in_child(address_space);
	in_child(data);
	in_child(brk_moves);
	in_child(locks);
	in_child(many);
	in_child(sparse);
	given_back();
	return 0;
}
