/* SPDX-License-Identifier: Apache-2.0 */
/* mseal(2): what sealed memory is safe from and what it is not; how far calls get before they meet it; fork, exec, /proc. */
#include "mem.h"

#include <sys/shm.h>
#include <sys/syscall.h>

#ifndef SYS_mseal
#define SYS_mseal 462
#endif

static long seal(void *p, unsigned long len)
{
	return syscall(SYS_mseal, p, len, 0);
}

static void arguments(void)
{
	char *p = anon(8);

	T(syscall(SYS_mseal, p, PG, 1));
	T(syscall(SYS_mseal, p, PG, 1UL << 63));
	T(seal(p + 1, PG));
	T(seal(p, 0));
	T(seal(p, -1UL));
	T(seal(p, -PG));
	munmap(p + 4 * PG, PG);
	T(seal(p, 8 * PG));
	T(munmap(p, PG));
	T(seal(p + 4 * PG, PG));
	T(seal((void *)-PG, 0));
	T(seal(p + PG, 1));
	T(seal(p + PG, PG));
	T(munmap(p + PG, PG));
	T(munmap(p + 2 * PG, 2 * PG));
}

/* Pages 2 and 3 of 6 are sealed. */
static char *sealed(int prot)
{
	char *p = anon(6);

	memset(p, 1, 6 * PG);
	mprotect(p + 2 * PG, 2 * PG, prot);
	seal(p + 2 * PG, 2 * PG);
	return p;
}

static void kept(void)
{
	char *p = sealed(RW), *b, *far = room(16);

	T(munmap(p, 6 * PG));
	put("all or nothing", p, 2);
	T(mprotect(p, 6 * PG, PROT_READ));
	put("before the sealed ones", p, 3);
	put("sealed", p + 2 * PG, 3);
	put("behind", p + 4 * PG, 3);
	T(mprotect(p + 2 * PG, PG, RW));
	T(mprotect(p + 2 * PG, PG, PROT_NONE));
	M(mremap(p + 2 * PG, PG, 4 * PG, MREMAP_MAYMOVE));
	M(mremap(p + 2 * PG, PG, PG, 0));
	M(mremap(p, 6 * PG, PG, 0));
	M(mremap(p + 4 * PG, PG, PG, MREMAP_MAYMOVE | MREMAP_FIXED, p + 2 * PG));
	M(mremap(p + 2 * PG, PG, PG, MREMAP_MAYMOVE | MREMAP_FIXED, far));
	M(mmap(p + PG, 2 * PG, RW, ANON | MAP_FIXED, -1, 0));
	M(mmap(p + 2 * PG, PG, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
	T(mlock(p + 2 * PG, PG));
	T(munlock(p + 2 * PG, PG));
	T(seal(p, 6 * PG));
	put("writing stays allowed", p + 2 * PG, 4);
	b = (char *)(((unsigned long)sbrk(0) + PG - 1) & -PG);
	T(brk(b + 4 * PG));
	T(seal(b + PG, PG));
	brk(b);
	printf("brk down: %d\n", (char *)sbrk(0) == b);
	T(brk(b + 8 * PG));
}

static const struct {
	int advice;
	const char *name;
} advices[] = { { MADV_NORMAL, "NORMAL" },     { MADV_WILLNEED, "WILLNEED" }, { MADV_DONTNEED, "DONTNEED" },
		{ MADV_FREE, "FREE" },	       { MADV_DONTFORK, "DONTFORK" }, { MADV_DOFORK, "DOFORK" },
		{ MADV_WIPEONFORK, "WIPE" },   { MADV_KEEPONFORK, "KEEP" },   { MADV_COLD, "COLD" },
		{ MADV_PAGEOUT, "PAGEOUT" },   { 22, "POPULATE_READ" },	      { 23, "POPULATE_WRITE" },
		{ 24, "DONTNEED_LOCKED" } };

static void advise_all(const char *what, char *p)
{
	printf("%s\n", what);
	for (size_t i = 0; i < sizeof(advices) / sizeof(*advices); i++)
		printf("%s: %s\n", advices[i].name, madvise(p, PG, advices[i].advice) ? strerrorname_np(errno) : "0");
}

static void advice(void)
{
	int fd = memfd_create("sealed", 0);
	char *p;

	ftruncate(fd, 4 * PG);
	advise_all("writable", sealed(RW) + 2 * PG);
	advise_all("readable", sealed(PROT_READ) + 2 * PG);
	advise_all("not accessible", sealed(PROT_NONE) + 2 * PG);
	p = sealed(PROT_READ);
	T(madvise(p, 6 * PG, MADV_DONTNEED));
	get("lost", p + PG);
	get("kept", p + 2 * PG);
	get("not reached", p + 4 * PG);
	p = mmap(NULL, PG, PROT_READ, MAP_SHARED, fd, 0);
	seal(p, PG);
	advise_all("shared", p);
	p = mmap(NULL, PG, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	seal(p, PG);
	T(remap_file_pages(p, PG, 0, 0, 0));
}

static void attachment(void)
{
	int id = shmget(IPC_PRIVATE, 2 * PG, 0600);
	char *p = shmat(id, NULL, 0);

	T(seal(p, PG));
	T(shmdt(p));
	put("attached still", p, 1);
	get("detached", p + PG);
	shmctl(id, IPC_RMID, NULL);
}

static void child(void)
{
	char *p = sealed(RW);

	fflush(stdout);
	if (!fork()) {
		T(munmap(p + 2 * PG, PG));
		put("in a child", p + 2 * PG, 1);
		exit(0);
	}
	wait(NULL);
}

/* VmFlags of the mapping at p: sealed? */
static void in_smaps(void)
{
	char line[512], *p = sealed(RW), *q = anon(1);
	unsigned long start = 0, end, ends[] = { (unsigned long)p + 2 * PG, (unsigned long)q };
	FILE *f = fopen("/proc/self/smaps", "r");

	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2 || strncmp(line, "VmFlags:", 8))
			continue;
		for (int i = 0; i < 2; i++)
			if (start == ends[i])
				printf("%d: %s\n", i, strstr(line, " sl") ? "sealed" : "not sealed");
	}
	fclose(f);
}

int main(void)
{
	if (seal(NULL, 0) && errno == ENOSYS)
		return 77;
	catch_faults();
	arguments();
	kept();
	advice();
	attachment();
	child();
	in_smaps();
	return 0;
}
