/* SPDX-License-Identifier: Apache-2.0 */
/* Mapped files: shared and private mappings against read, write and truncate; files of the tree that was there before, which are
 * copied when they are first written to, while they are mapped. */
// before: for i in 1 2 3 4 5 6 7 8; do head -c 10000 /dev/zero | tr '\0' $i > old$i; done; head -c 3000000 /dev/zero | tr '\0' x > big
// again: -v {}:{}
#include "file.h"

#include <linux/falloc.h>
#include <setjmp.h>
#include <sys/mman.h>

static sigjmp_buf jump;
static volatile int code;

static void on_signal(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	code = si->si_code;
	siglongjmp(jump, sig);
}

/* What touching p gives: the byte, or the signal. */
static void touch(const char *what, const volatile char *p)
{
	int sig = sigsetjmp(jump, 1);

	if (!sig)
		printf("%s: '%c'\n", what, *p ? *p : '0');
	else
		printf("%s: %s code %d\n", what, sigabbrev_np(sig), code);
}

static void poke(const char *what, volatile char *p, char c)
{
	int sig = sigsetjmp(jump, 1);

	if (!sig) {
		*p = c;
		printf("%s: written\n", what);
	} else {
		printf("%s: %s code %d\n", what, sigabbrev_np(sig), code);
	}
}

static char *map(int fd, size_t len, int prot, int flags, off_t off)
{
	char *p = mmap(NULL, len, prot, flags, fd, off);

	if (p == MAP_FAILED)
		printf("mmap: %s\n", strerrorname_np(errno));
	return p;
}

static char byte_at(int fd, off_t off)
{
	char c = '?';

	pread(fd, &c, 1, off);
	return c ? c : '0';
}

static void refusals(void)
{
	int ro, wo, rw, dir;

	put_file("m", "hello");
	ro = open("m", O_RDONLY);
	wo = open("m", O_WRONLY);
	rw = open("m", O_RDWR);
	dir = open(".", O_RDONLY);
	T(map(ro, 100, PROT_READ | PROT_WRITE, MAP_SHARED, 0) == MAP_FAILED);
	T(map(ro, 100, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0) == MAP_FAILED);
	T(map(wo, 100, PROT_WRITE, MAP_SHARED, 0) == MAP_FAILED);
	T(map(wo, 100, PROT_WRITE, MAP_PRIVATE, 0) == MAP_FAILED);
	T(map(wo, 100, PROT_NONE, MAP_PRIVATE, 0) == MAP_FAILED);
	T(map(rw, 0, PROT_READ, MAP_SHARED, 0) == MAP_FAILED);
	T(map(rw, 100, PROT_READ, MAP_SHARED, 100) == MAP_FAILED);
	T(map(rw, 100, PROT_READ, 0, 0) == MAP_FAILED);
	T(map(rw, 100, PROT_READ, MAP_SHARED_VALIDATE, 0) == MAP_FAILED);
	T(map(rw, 100, PROT_READ, MAP_SHARED_VALIDATE | 0x800000, 0) == MAP_FAILED);
	T(map(rw, 100, PROT_READ, MAP_SHARED | 0x800000, 0) == MAP_FAILED);
	T(map(rw, 4096, PROT_READ, MAP_SHARED, 0x7ffffffffffff000) == MAP_FAILED);
	T(map(dir, 4096, PROT_READ, MAP_SHARED, 0) == MAP_FAILED);
	T(map(-1, 4096, PROT_READ, MAP_SHARED, 0) == MAP_FAILED);
	char *p = map(ro, 100, PROT_READ, MAP_SHARED, 0);
	T(mprotect(p, 100, PROT_READ | PROT_WRITE));
	T(mprotect(p, 100, PROT_READ | PROT_EXEC));
	munmap(p, 100);
	p = map(ro, 100, PROT_READ, MAP_PRIVATE, 0);
	T(mprotect(p, 100, PROT_READ | PROT_WRITE));
	munmap(p, 100);
	p = map(rw, 100, PROT_READ, MAP_SHARED, 0);
	T(mprotect(p, 100, PROT_READ | PROT_WRITE));
	munmap(p, 100);
	close(ro);
	close(wo);
	close(rw);
	close(dir);
}

static void coherence(void)
{
	int fd = open("m", O_RDWR | O_TRUNC), other = open("m", O_RDWR);
	char *s, *p, *s2;

	ftruncate(fd, 10000);
	s = map(fd, 16384, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	s2 = map(other, 16384, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	p = map(fd, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);
	s[0] = 'a';
	printf("read sees %c, other mapping %c, private %c\n", byte_at(other, 0), s2[0], p[0]);
	pwrite(other, "b", 1, 0);
	printf("after write: %c %c\n", s[0], s2[0]);
	p[0] = 'p';
	printf("private change: %c %c %c\n", s[0], p[0], byte_at(fd, 0));
	pwrite(fd, "c", 1, 1);
	printf("copied page does not see writes: '%c'\n", p[1] ? p[1] : '0');
	p[5000] = 'd';
	touch("end of file", s + 9999);
	touch("rest of the last page", s + 12000);
	touch("behind it", s + 12288);
	poke("behind it", s + 12288, 'x');
	T(ftruncate(fd, 16384));
	touch("now inside", s + 12288);
	s[13000] = 'z';
	T(ftruncate(other, 100));
	touch("cut off", s + 13000);
	touch("cut off, private copy", p + 5000);
	printf("not written through: '%c'\n", byte_at(other, 50) == 'd' ? 'd' : '0');
	touch("private copy kept", p);
	touch("first page", s + 50);
	touch("zeroed behind the end", s + 101);
	T(ftruncate(other, 16384));
	touch("back again", s + 13000);
	printf("file has %c\n", byte_at(fd, 13000));
	T(msync(s, 16384, MS_SYNC));
	T(msync(s, 16384, MS_ASYNC));
	T(msync(s, 16384, MS_SYNC | MS_ASYNC));
	T(msync(s + 1, 16384, MS_SYNC));
	T(munmap(s, 16384));
	T(msync(s, 16384, MS_SYNC));
	munmap(s2, 16384);
	munmap(p, 16384);
	close(fd);
	close(other);
}

static void unlinked_and_closed(void)
{
	int fd = open("gone", O_RDWR | O_CREAT, 0644), st;
	char *s, line[512];
	FILE *f;

	ftruncate(fd, 4096);
	s = map(fd, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	close(fd);
	unlink("gone");
	s[0] = 'k';
	if (!fork()) {
		s[1] = 'c';
		_exit(s[0]);
	}
	wait(&st);
	printf("child saw %c, parent sees %c\n", WEXITSTATUS(st), s[1]);
	f = fopen("/proc/self/maps", "r");
	while (fgets(line, sizeof(line), f))
		if (strstr(line, "/gone"))
			printf("maps: %.4s%s", strchr(line, ' ') + 1, strstr(line, "/gone"));
	fclose(f);
	T(madvise(s, 4096, MADV_DONTNEED));
	touch("kept", s);
	munmap(s, 4096);
}

static void forks(void)
{
	int fd = open("m", O_RDWR | O_TRUNC), st;
	char *s, *p;

	ftruncate(fd, 8192);
	s = map(fd, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	p = map(fd, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);
	p[0] = '1';
	if (!fork()) {
		p[0] = '2';
		s[0] = '3';
		_exit(0);
	}
	wait(&st);
	printf("private %c shared %c\n", p[0], s[0]);
	if (!fork()) {
		ftruncate(fd, 0);
		_exit(0);
	}
	wait(&st);
	touch("cut by a child", s);
	touch("cut by a child, private", p);
	munmap(s, 8192);
	munmap(p, 8192);
	close(fd);
}

static void io_from_and_to_mappings(void)
{
	int fd = open("m", O_RDWR | O_TRUNC), out = open("m2", O_RDWR | O_CREAT, 0644);
	char *s, *o;

	ftruncate(fd, 8192);
	ftruncate(out, 8192);
	s = map(fd, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	o = map(out, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	memset(s, 'w', 8192);
	T(pwrite(out, s, 8192, 0));
	printf("%c %c\n", o[0], o[8191]);
	/* From a file into a mapping of itself. */
	pwrite(fd, "1234", 4, 0);
	T(pread(fd, s + 4096, 4, 0));
	printf("%.4s\n", s + 4096);
	T(pwrite(fd, s + 4096, 4, 2));
	printf("%.6s\n", s);
	/* Half of the source is behind the end. */
	ftruncate(fd, 4096);
	T(pwrite(out, s + 4000, 200, 0));
	T(pwrite(out, s + 4096, 200, 0));
	T(pread(out, s + 4000, 200, 0));
	T(pread(out, s + 4096, 200, 0));
	munmap(s, 8192);
	munmap(o, 8192);
	close(fd);
	close(out);
}

static void holes(void)
{
	int fd = open("m", O_RDWR | O_TRUNC);
	char *s, *p;

	ftruncate(fd, 16384);
	pwrite(fd, "A", 1, 0);
	pwrite(fd, "B", 1, 4096);
	s = map(fd, 16384, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	p = map(fd, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);
	p[1] = 'P';
	touch("shared", s);
	T(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 8192));
	touch("shared, punched", s);
	touch("shared, punched", s + 4096);
	touch("private copy stays", p + 1);
	touch("private copy stays", p);
	s[4096] = 'N';
	printf("new page: %c\n", byte_at(fd, 4096));
	T(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4000, 100));
	touch("part of a page", s + 4096);
	munmap(s, 16384);
	munmap(p, 16384);
	close(fd);
}

static void remap(void)
{
	int fd = open("m", O_RDWR | O_TRUNC);
	char *s, *n;

	ftruncate(fd, 16384);
	pwrite(fd, "A", 1, 0);
	pwrite(fd, "B", 1, 4096);
	pwrite(fd, "C", 1, 8192);
	s = map(fd, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	n = mremap(s, 4096, 12288, MREMAP_MAYMOVE);
	printf("grown: %c%c%c\n", n[0], n[4096], n[8192]);
	s = mremap(n, 12288, 4096, 0);
	printf("shrunk in place: %d\n", s == n);
	munmap(s, 4096);
	s = map(fd, 8192, PROT_READ, MAP_SHARED, 4096);
	printf("offset: %c%c\n", s[0], s[4096]);
	T(madvise(s, 8192, MADV_WILLNEED));
	T(madvise(s, 4096, MADV_REMOVE));
	printf("removed: '%c' kept: '%c'\n", s[0] ? s[0] : '0', s[4096] ? s[4096] : '0');
	munmap(s, 8192);
	close(fd);
}

static void before_and_after_copy(void)
{
	int ro = open("old1", O_RDONLY), rw;
	char *shared, *private, *write;

	shared = map(ro, 10000, PROT_READ, MAP_SHARED, 0);
	private = map(ro, 10000, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);
	private[1] = 'P';
	touch("old, shared", shared);
	touch("old, private", private);
	rw = open("old1", O_RDWR);
	T(pwrite(rw, "new", 3, 0));
	touch("shared sees the write", shared);
	touch("copied page", private);
	printf("descriptor from before: %c\n", byte_at(ro, 0));
	write = map(rw, 10000, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	write[8200] = 'W';
	touch("one mapping to the other", shared + 8200);
	printf("read: %c\n", byte_at(ro, 8200));
	T(ftruncate(rw, 4096));
	touch("cut", shared + 5000);
	munmap(shared, 10000);
	munmap(private, 10000);
	munmap(write, 10000);
	close(ro);
	close(rw);
}

static void copies(void)
{
	int fd, st;
	char *p;

	/* Truncated to something while mapped. */
	fd = open("old2", O_RDWR);
	p = map(fd, 10000, PROT_READ, MAP_PRIVATE, 0);
	touch("before", p + 5000);
	T(truncate("old2", 5001));
	touch("last byte", p + 5000);
	touch("behind", p + 5001);
	touch("far behind", p + 8192);
	munmap(p, 10000);
	close(fd);
	/* Opened with O_TRUNC. */
	fd = open("old3", O_RDONLY);
	p = map(fd, 10000, PROT_READ, MAP_SHARED, 0);
	touch("before", p);
	O(open("old3", O_WRONLY | O_TRUNC));
	touch("emptied", p);
	put_file("old3", "again");
	touch("written anew", p);
	munmap(p, 10000);
	close(fd);
	/* Removed, renamed over. */
	fd = open("old4", O_RDONLY);
	p = map(fd, 10000, PROT_READ, MAP_SHARED, 0);
	T(unlink("old4"));
	touch("removed, first touch", p);
	T(rename("old5", "old4"));
	touch("still", p + 4096);
	close(fd);
	munmap(p, 10000);
	show_mode("old4");
	/* Written by a child through a shared mapping. */
	fd = open("old6", O_RDWR);
	p = map(fd, 10000, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	if (!fork()) {
		p[9000] = 'C';
		_exit(0);
	}
	wait(&st);
	touch("child's write", p + 9000);
	touch("the rest", p + 8999);
	printf("%c%c\n", byte_at(fd, 9000), byte_at(fd, 0));
	munmap(p, 10000);
	close(fd);
	/* Only metadata changes. */
	fd = open("old7", O_RDONLY);
	p = map(fd, 10000, PROT_READ, MAP_SHARED, 0);
	T(chmod("old7", 0600));
	T(rename("old7", "new7"));
	touch("renamed", p + 4096);
	show_mode("new7");
	munmap(p, 10000);
	close(fd);
}

static void big(void)
{
	int fd = open("big", O_RDWR), out = open("bigcopy", O_RDWR | O_CREAT, 0644);
	char *p = map(fd, 3000000, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0), *s;
	long sum = 0;

	T(write(out, p, 3000000));
	for (int i = 0; i < 3000000; i += 1000)
		sum += p[i];
	printf("sum %ld\n", sum);
	for (int i = 0; i < 3000000; i += 4096)
		p[i] = 'y';
	printf("file %c mapping %c\n", byte_at(fd, 4096), p[4096]);
	s = map(fd, 3000000, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	for (int i = 0; i < 3000000; i += 4096)
		s[i] = 'z';
	printf("file %c next %c private %c private next %c\n", byte_at(fd, 4096), byte_at(fd, 4097), p[4096], p[4097]);
	close(fd);
	fd = open("bigcopy", O_RDONLY);
	printf("copy %c\n", byte_at(fd, 2999999));
	close(fd);
	close(out);
	munmap(p, 3000000);
	munmap(s, 3000000);
}

static void all(void)
{
	refusals();
	coherence();
	unlinked_and_closed();
	forks();
	io_from_and_to_mappings();
	holes();
	remap();
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };

	setvbuf(stdout, NULL, _IONBF, 0);
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	before_and_after_copy();
	copies();
	big();
	everywhere(all);
	return 0;
}
