/* SPDX-License-Identifier: Apache-2.0 */
/* madvise and process_madvise. */
#include "mem.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

static const struct {
	int advice;
	const char *name;
} advices[] = {
	{ MADV_NORMAL, "NORMAL" },
	{ MADV_RANDOM, "RANDOM" },
	{ MADV_SEQUENTIAL, "SEQUENTIAL" },
	{ MADV_WILLNEED, "WILLNEED" },
	{ MADV_DONTNEED, "DONTNEED" },
	{ MADV_FREE, "FREE" },
	{ MADV_REMOVE, "REMOVE" },
	{ MADV_DONTFORK, "DONTFORK" },
	{ MADV_DOFORK, "DOFORK" },
	{ MADV_DONTDUMP, "DONTDUMP" },
	{ MADV_DODUMP, "DODUMP" },
	{ MADV_WIPEONFORK, "WIPEONFORK" },
	{ MADV_KEEPONFORK, "KEEPONFORK" },
	{ MADV_COLD, "COLD" },
	{ MADV_PAGEOUT, "PAGEOUT" },
	{ MADV_POPULATE_READ, "POPULATE_READ" },
	{ MADV_POPULATE_WRITE, "POPULATE_WRITE" },
	{ MADV_DONTNEED_LOCKED, "DONTNEED_LOCKED" },
	{ 5, "5" },
	{ 6, "6" },
	{ 7, "7" },
	{ 99, "99" },
	{ -1, "-1" },
};

static const char *result(int r)
{
	return r ? strerrorname_np(errno) : "0";
}

/* Each advice on each kind of mapping. */
static void table(void)
{
	int fd = memfd_create("m", 0);

	static const char *const names[] = { "private", "shared", "file",    "file ro", "none",
					     "locked",  "hole",	  "private file" };
	ftruncate(fd, 4 * PG);
	for (unsigned i = 0; i < sizeof(advices) / sizeof(*advices); i++) {
		char *p[8];

		p[0] = anon(4);
		p[1] = mmap(NULL, 4 * PG, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		p[2] = mmap(NULL, 4 * PG, RW, MAP_SHARED, fd, 0);
		p[3] = mmap(NULL, 4 * PG, PROT_READ, MAP_SHARED, fd, 0);
		p[4] = mmap(NULL, 4 * PG, PROT_NONE, ANON, -1, 0);
		p[5] = anon(4);
		mlock(p[5], 4 * PG);
		p[6] = anon(4);
		munmap(p[6] + PG, PG);
		p[7] = mmap(NULL, 4 * PG, RW, MAP_PRIVATE, fd, 0);
		printf("%s:", advices[i].name);
		for (int k = 0; k < 8; k++)
			printf(" %s %s,", names[k], result(madvise(p[k], 4 * PG, advices[i].advice)));
		printf(" odd %s, empty %s, empty odd %s, long %s\n", result(madvise(p[0] + 1, PG, advices[i].advice)),
		       result(madvise(p[0], 0, advices[i].advice)), result(madvise(p[0] + 1, 0, advices[i].advice)),
		       result(madvise(p[0], -1UL, advices[i].advice)));
		for (int k = 0; k < 8; k++)
			munmap(p[k], 4 * PG);
	}
	close(fd);
}

static void contents(void)
{
	int fd = memfd_create("m", 0);
	char *p = anon(4), *s, *f, *q;

	ftruncate(fd, 4 * PG);
	memset(p, 1, 4 * PG);
	madvise(p + PG, PG, MADV_DONTNEED);
	printf("private: %d %d %d\n", p[0], p[PG], p[2 * PG]);
	s = mmap(NULL, 4 * PG, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memset(s, 2, 4 * PG);
	madvise(s, 4 * PG, MADV_DONTNEED);
	printf("shared, dropped: %d\n", s[PG]);
	madvise(s + PG, PG, MADV_REMOVE);
	printf("shared, removed: %d %d %d\n", s[0], s[PG], s[2 * PG]);
	f = mmap(NULL, 4 * PG, RW, MAP_SHARED, fd, 0);
	q = mmap(NULL, 4 * PG, RW, MAP_PRIVATE, fd, 0);
	memset(f, 3, 4 * PG);
	q[0] = 4;
	madvise(q, 4 * PG, MADV_DONTNEED);
	printf("private file, dropped: %d\n", q[0]);
	q[PG] = 5;
	madvise(f, 2 * PG, MADV_REMOVE);
	printf("file, removed: %d %d, copied page %d\n", f[0], f[2 * PG], q[PG]);
	/* Dropped where it cannot be read now. */
	mprotect(p, 4 * PG, PROT_NONE);
	T(madvise(p, 4 * PG, MADV_DONTNEED));
	mprotect(p, 4 * PG, RW);
	printf("dropped without access: %d\n", p[0]);
	munmap(p, 4 * PG);
	munmap(s, 4 * PG);
	munmap(f, 4 * PG);
	munmap(q, 4 * PG);
	close(fd);
}

static void forks(void)
{
	char *keep = anon(4), *none = anon(4), *wipe = anon(4);
	unsigned char vec[4];
	int st;

	memset(keep, 1, 4 * PG);
	memset(none, 2, 4 * PG);
	memset(wipe, 3, 4 * PG);
	madvise(none, 2 * PG, MADV_DONTFORK);
	madvise(wipe, 2 * PG, MADV_WIPEONFORK);
	fflush(stdout);
	if (!fork()) {
		printf("child: %d %d %d %d\n", keep[0], none[2 * PG], wipe[0], wipe[2 * PG]);
		T(mincore(none, PG, vec));
		get("not there", none);
		wipe[0] = 7;
		fflush(stdout);
		if (!fork()) {
			printf("wiped again: %d\n", wipe[0]);
			exit(0);
		}
		wait(&st);
		exit(0);
	}
	wait(&st);
	printf("parent: %d %d\n", none[0], wipe[0]);
	madvise(none, 4 * PG, MADV_DOFORK);
	madvise(wipe, 4 * PG, MADV_KEEPONFORK);
	fflush(stdout);
	if (!fork()) {
		printf("child: %d %d\n", none[0], wipe[0]);
		exit(0);
	}
	wait(&st);
	munmap(keep, 4 * PG);
	munmap(none, 4 * PG);
	munmap(wipe, 4 * PG);
}

static void populates(void)
{
	char *p = anon(4);
	unsigned char vec[4];

	T(madvise(p, 2 * PG, MADV_POPULATE_WRITE));
	mincore(p, 4 * PG, vec);
	printf("populated: %d%d%d%d\n", vec[0], vec[1], vec[2], vec[3]);
	mprotect(p + 2 * PG, PG, PROT_READ);
	T(madvise(p, 4 * PG, MADV_POPULATE_WRITE));
	T(madvise(p, 4 * PG, MADV_POPULATE_READ));
	mprotect(p + 2 * PG, PG, PROT_NONE);
	T(madvise(p, 4 * PG, MADV_POPULATE_READ));
	munmap(p + 2 * PG, PG);
	T(madvise(p, 4 * PG, MADV_POPULATE_READ));
	munmap(p, 4 * PG);
	int fd = memfd_create("m", 0);
	ftruncate(fd, PG);
	p = mmap(NULL, 2 * PG, RW, MAP_SHARED, fd, 0);
	T(madvise(p, 2 * PG, MADV_POPULATE_WRITE));
	T(madvise(p, PG, MADV_POPULATE_WRITE));
	munmap(p, 2 * PG);
	close(fd);
}

static int pidfd(pid_t pid)
{
	return syscall(SYS_pidfd_open, pid, 0);
}

static void of_processes(void)
{
	char *p = anon(8);
	struct iovec iov[3] = { { p, 2 * PG }, { p + 4 * PG, PG }, { NULL, 0 } };
	int self = pidfd(getpid()), st, other, null = open("/dev/null", O_RDONLY);
	pid_t child;

	memset(p, 1, 8 * PG);
	T(syscall(SYS_process_madvise, self, iov, 3, MADV_WILLNEED, 0));
	T(syscall(SYS_process_madvise, self, iov, 2, MADV_COLD, 0));
	T(syscall(SYS_process_madvise, self, iov, 2, MADV_PAGEOUT, 0));
	T(syscall(SYS_process_madvise, self, iov, 2, MADV_WILLNEED, 1));
	T(syscall(SYS_process_madvise, null, iov, 2, MADV_WILLNEED, 0));
	T(syscall(SYS_process_madvise, 99, iov, 2, MADV_WILLNEED, 0));
	T(syscall(SYS_process_madvise, self, (void *)8, 2, MADV_WILLNEED, 0));
	T(syscall(SYS_process_madvise, self, iov, 1025, MADV_WILLNEED, 0));
	T(syscall(SYS_process_madvise, self, iov, 0, MADV_WILLNEED, 0));
	T(syscall(SYS_process_madvise, self, iov, 2, 99, 0));
	iov[0].iov_base = p + 1;
	T(syscall(SYS_process_madvise, self, iov, 2, MADV_WILLNEED, 0));
	iov[0].iov_base = p;
	munmap(p + 4 * PG, PG);
	T(syscall(SYS_process_madvise, self, iov, 2, MADV_WILLNEED, 0));
	iov[1] = (struct iovec){ p + 5 * PG, PG };
	child = fork();
	if (!child) {
		pause();
		_exit(0);
	}
	other = pidfd(child);
	T(syscall(SYS_process_madvise, other, iov, 2, MADV_WILLNEED, 0));
	T(syscall(SYS_process_madvise, other, iov, 2, MADV_DONTNEED, 0));
	kill(child, SIGKILL);
	wait(&st);
	T(syscall(SYS_process_madvise, other, iov, 2, MADV_WILLNEED, 0));
	close(other);
	close(self);
	close(null);
	munmap(p, 8 * PG);
}

int main(void)
{
	catch_faults();
	no_caps();
	table();
	contents();
	forks();
	populates();
	of_processes();
	return 0;
}
