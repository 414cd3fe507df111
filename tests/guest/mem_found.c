/* SPDX-License-Identifier: Apache-2.0 */
/* What random sequences of memory calls (tests/diff) once found to differ from Linux, each in its smallest form. */
// again: -v {}:{}
#include "mem.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

static unsigned long locked_kb(void)
{
	unsigned long kb = 0;
	char line[256];
	FILE *f = fopen("/proc/self/status", "r");

	while (fgets(line, sizeof(line), f))
		sscanf(line, "VmLck: %lu", &kb);
	fclose(f);
	return kb;
}

static unsigned long mapping_start(void *in)
{
	unsigned long start, end;
	char line[512];
	FILE *f = fopen("/proc/self/maps", "r");

	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx", &start, &end) == 2 && start <= (unsigned long)in && (unsigned long)in < end)
			break;
	fclose(f);
	return start;
}

/* Locks go as far as there are mappings, then ENOMEM; locked neighbours are no hindrance. */
static void locks(void)
{
	char *p = anon(8);

	munmap(p + 4 * PG, PG);
	T(mlock(p, 8 * PG));
	printf("locked before the hole: %lu kB\n", locked_kb());
	T(mlock(p + PG, PG));
	T(mlock(p + 2 * PG, PG));
	T(munlock(p + PG, 2 * PG));
	printf("%lu kB\n", locked_kb());
	T(mlock(p + 4 * PG, 2 * PG));
	T(munlock(p, 8 * PG));
	printf("%lu kB\n", locked_kb());
}

/* MREMAP_DONTUNMAP takes the lock along, from the whole mapping that is left. */
static void dont_unmap(void)
{
	char *p = anon(4), *q;

	memset(p, 1, 4 * PG);
	mlock(p, 4 * PG);
	M(q = mremap(p + PG, PG, PG, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL));
	get("moved", q);
	get("left behind", p + PG);
	get("beside", p);
	/* Refused where it is locked. */
	T(madvise(q, PG, MADV_DONTNEED));
	T(madvise(p + PG, PG, MADV_DONTNEED));
	T(madvise(p, PG, MADV_DONTNEED));
	T(madvise(p + 2 * PG, PG, MADV_DONTNEED));
	munmap(q, PG);
	munmap(p, 4 * PG);
}

/* What mmap looks at first: sizes, then fixed addresses, then the type, then the file. */
static void error_order(void)
{
	int w = open("w", O_WRONLY | O_CREAT, 0600), dir = open(".", O_RDONLY | O_DIRECTORY);

	M(mmap(NULL, 0, RW, MAP_SHARED, w, 0));
	M(mmap(NULL, 0, RW, MAP_SHARED, 99, 0));
	M(mmap(NULL, PG, RW, MAP_SHARED, w, 1));
	M(mmap(NULL, -PG, RW, MAP_SHARED, w, 0));
	M(mmap(NULL, 2 * PG, RW, MAP_SHARED, w, -PG));
	M(mmap((void *)1, PG, RW, MAP_SHARED | MAP_FIXED, w, 0));
	M(mmap(NULL, PG, RW, 0, w, 0));
	M(mmap(NULL, PG, RW, 0x80, w, 0));
	M(mmap(NULL, PG, RW, MAP_SHARED, w, 0));
	M(mmap(NULL, PG, RW, MAP_SHARED, dir, 0));
	M(mmap(NULL, PG, RW, 0x03 | MAP_ANONYMOUS, -1, 0));
	M(mmap(NULL, PG, PROT_READ, 0x03 | 0x10000000, dir, 0));
	M(mmap(NULL, PG, PROT_READ, 0x03 | 1 << 21, dir, 0));
	M(mmap(NULL, PG, RW, 0x03 | MAP_SYNC, dir, 0));
	close(w);
	close(dir);
	unlink("w");
}

/* Once a file that was open for writing is closed, to ask for its attributes is no end of what is mapped. */
static void asked_after_closing(void)
{
	int fd = open("asked", O_RDWR | O_CREAT, 0600);
	struct stat st;
	char *p;

	write(fd, "still there", 11);
	p = mmap(NULL, PG, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	T(stat("asked", &st));
	get("mapped", p);
	munmap(p, PG);
	unlink("asked");
}

static void grows_down(void)
{
	int zero = open("/dev/zero", O_RDWR), fd = open("f", O_RDWR | O_CREAT, 0600);

	ftruncate(fd, PG);
	M(mmap(NULL, PG, RW, MAP_PRIVATE | MAP_GROWSDOWN, fd, 0));
	M(mmap(NULL, PG, RW, MAP_PRIVATE | MAP_GROWSDOWN, zero, 0));
	M(mmap(NULL, PG, RW, MAP_SHARED | MAP_GROWSDOWN, fd, 0));
	close(zero);
	close(fd);
	unlink("f");
}

/* A stack of the guest's own grows by what is touched; mremap below it asks for no guard gap. */
static void stacks(void)
{
	char *top = room(1024) + 1024 * PG, *p = top - 600 * PG;

	mmap(top - PG, PG, RW, ANON | MAP_FIXED | MAP_GROWSDOWN, -1, 0);
	put("below", top - 3 * PG - 1, 1);
	printf("grown to %ld pages\n", (long)((unsigned long)top - mapping_start(top - 1)) / PG);
	put("further", top - 40 * PG, 1);
	printf("grown to %ld pages\n", (long)((unsigned long)top - mapping_start(top - 1)) / PG);
	mmap(p, PG, RW, ANON | MAP_FIXED, -1, 0);
	M(p = mremap(p, PG, 500 * PG, 0));
	get("nearer than the gap", top - 101 * PG);
	put("no growing there", top - 60 * PG, 1);
}

/* An offset into a shared mapping of /dev/zero counts: behind the new object's end there is nothing. Privately it does not. */
static void zeroes(void)
{
	int zero = open("/dev/zero", O_RDWR);
	char *p = mmap(NULL, 4 * PG, RW, MAP_SHARED, zero, 2 * PG), *q = mmap(NULL, 4 * PG, RW, MAP_PRIVATE, zero, 2 * PG);

	put("its first page", p, 1);
	put("its second page", p + PG, 1);
	put("its third page", p + 2 * PG, 1);
	put("privately", q + 2 * PG, 1);
	T(madvise(q, PG, MADV_WIPEONFORK));
	T(madvise(q, PG, MADV_REMOVE));
	T(madvise(anon(1), PG, MADV_WIPEONFORK));
	T(madvise(anon(1), PG, MADV_REMOVE));
	T(madvise(p, PG, MADV_WIPEONFORK));
	close(zero);
}

static void resident(const char *what, char *p, long n)
{
	unsigned char vec[64];

	mincore(p, n * PG, vec);
	printf("%s:", what);
	for (long i = 0; i < n; i++)
		printf(" %d", vec[i] & 1);
	printf("\n");
}

/* Mapping by mapping: what lies before the one that refuses is there. */
static void populate(void)
{
	char *p = anon(6);

	mprotect(p + 2 * PG, PG, PROT_READ);
	mprotect(p + 4 * PG, PG, PROT_NONE);
	T(madvise(p, 6 * PG, 23 /* POPULATE_WRITE */));
	resident("up to what cannot be written", p, 2);
	T(madvise(p, 6 * PG, 22 /* POPULATE_READ */));
	resident("up to what cannot be read", p, 4);
	resident("not behind", p + 5 * PG, 1);
	munmap(p + 3 * PG, PG);
	T(madvise(p + 2 * PG, 3 * PG, 22));
	p = mmap(NULL, PG, PROT_WRITE, ANON, -1, 0);
	T(madvise(p, PG, 22));
	p = mmap(NULL, PG, PROT_EXEC, ANON, -1, 0);
	T(madvise(p, PG, 22));
}

/* Where a file has nothing to give, no buffer is looked at. */
static void read_at_end(void)
{
	int fd = open("f", O_RDWR | O_CREAT, 0600);
	char *gone = room(1);

	T(write(fd, "abc", 3));
	T(pread(fd, gone, 10, 3));
	T(pread(fd, gone, 10, 100));
	T(pread(fd, gone, 10, 2));
	T(read(fd, gone, 10));
	T(pread(fd, gone, 0, 0));
	close(fd);
	unlink("f");
}

/* The peak is remembered when the memory has gone. */
static void peak(void)
{
	char *p = mmap(NULL, 128 << 20, RW, ANON, -1, 0);
	struct rusage u;

	memset(p, 1, 64 << 20);
	munmap(p, 128 << 20);
	getrusage(RUSAGE_SELF, &u);
	printf("64 MB: %d\n", u.ru_maxrss >= 64 << 10 && u.ru_maxrss < 80 << 10);
}

/* What maps says of the file that is mapped at `at`; long lines too. */
static void name_at(const char *what, void *at)
{
	unsigned long start, end;
	size_t room = 0, base;
	char *line = NULL, *slash;
	FILE *f = fopen("/proc/self/maps", "r");

	while (getline(&line, &room, f) > 0)
		if (sscanf(line, "%lx-%lx", &start, &end) == 2 && start <= (unsigned long)at && (unsigned long)at < end)
			break;
	slash = strchr(line, '/');
	base = slash ? strlen(strrchr(slash, '/')) : 0;
	printf("%s: %s", what, base > 200 ? "a long name\n" : base ? strrchr(slash, '/') : "no name\n");
	free(line);
	fclose(f);
}

/* A file has its name for as long as anything maps it, however long the name is. */
static void names(void)
{
	char path[300], *p;
	int fd;

	memset(path, 'n', 250);
	strcpy(path + 250, "");
	fd = open(path, O_RDWR | O_CREAT, 0600);
	T(ftruncate(fd, 4 * PG));
	p = mmap(NULL, 4 * PG, PROT_READ, MAP_PRIVATE, fd, 0);
	name_at("mapped", p);
	mmap(p, 4 * PG, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0);
	name_at("mapped over itself", p);
	mmap(p + PG, PG, PROT_READ, ANON | MAP_FIXED, -1, 0);
	close(fd);
	name_at("in parts", p + 2 * PG);
	mkdir("d", 0700);
	chdir("d");
	fd = open(path, O_RDWR | O_CREAT, 0600);
	T(ftruncate(fd, PG));
	p = mmap(NULL, PG, PROT_READ, MAP_SHARED, fd, 0);
	T(mmap(p, 1L << 50, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED);
	name_at("after a failure", p);
	T(rename(path, "short"));
	name_at("renamed", p);
	unlink("short");
	name_at("gone", p);
	chdir("..");
	unlink(path);
	rmdir("d");
}

/* mincore(2) of what nobody has touched: of a file's holes and of shared memory nothing is there, and asking makes nothing. */
static void ask(void)
{
	int fd = open("sparse", O_RDWR | O_CREAT, 0600);
	char *p, *q = mmap(NULL, 64 * PG, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct stat st;

	T(ftruncate(fd, 64 * PG));
	p = mmap(NULL, 64 * PG, RW, MAP_SHARED, fd, 0);
	resident("sparse", p, 64);
	resident("shared", q, 64);
	T(fstat(fd, &st));
	printf("%ld blocks\n", (long)st.st_blocks);
	T(pwrite(fd, "x", 1, 3 * PG));
	q[5 * PG] = 1;
	resident("written", p, 8);
	resident("touched", q, 8);
	close(fd);
	unlink("sparse");
}

int main(void)
{
	catch_faults();
	locks();
	dont_unmap();
	error_order();
	asked_after_closing();
	grows_down();
	stacks();
	zeroes();
	populate();
	read_at_end();
	peak();
	names();
	ask();
	return 0;
}
