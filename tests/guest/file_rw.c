/* SPDX-License-Identifier: Apache-2.0 */
/* Moving bytes: plain, positioned and vectored reads and writes, their errors at page ends, appending, copies between files. */
// again: -v {}:{}
#include "file.h"

#include <limits.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

static char *pages; /* two pages, and after them none */

static void fill(int fd, size_t size)
{
	char buf[4096];

	ftruncate(fd, 0);
	for (size_t at = 0; at < size; at += sizeof(buf)) {
		for (size_t i = 0; i < sizeof(buf); i++)
			buf[i] = 'a' + (at / sizeof(buf) + i) % 26;
		pwrite(fd, buf, size - at < sizeof(buf) ? size - at : sizeof(buf), at);
	}
}

static unsigned sum(int fd)
{
	char buf[4096];
	unsigned s = 0;
	off_t at = 0;
	ssize_t n;

	while ((n = pread(fd, buf, sizeof(buf), at)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			s = s * 31 + (unsigned char)buf[i];
		at += n;
	}
	return s;
}

static void plain(int fd)
{
	char buf[64];

	fill(fd, 10000);
	printf("%08x\n", sum(fd));
	T(read(fd, buf, 10));
	T(read(fd, buf, 0));
	T(read(fd, (void *)8, 0));
	T(lseek(fd, -5, SEEK_END));
	T(read(fd, buf, 64));
	T(read(fd, buf, 64));
	T(lseek(fd, 20000, SEEK_SET));
	T(read(fd, buf, 64));
	T(write(fd, "z", 1));
	T(lseek(fd, 0, SEEK_END));
	T(pread(fd, buf, 3, 19998));
	printf("%d %d %c\n", buf[0], buf[1], buf[2]);
	T(pread(fd, buf, 3, -1));
	T(pwrite(fd, buf, 3, -1));
	T(pread(fd, buf, 3, INT64_MAX));
	T(pread(fd, buf, -1, 0));
	T(read(fd, (void *)-4096L, 4096));
	T(lseek(fd, INT64_MAX, SEEK_END));
	T(lseek(fd, INT64_MAX, SEEK_CUR));
	T(lseek(fd, INT64_MIN, SEEK_CUR));
	T(write(99, buf, 1));
	T(read(-1, buf, 1));
	T(write(fd, buf, 0));
	lseek(fd, 0, SEEK_SET);
}

/* A buffer that ends where memory does. */
static void page_ends(int fd)
{
	char *end = pages + 8192;

	fill(fd, 10000);
	T(pread(fd, end - 100, 100, 0));
	T(pread(fd, end - 100, 200, 0));
	T(pread(fd, end, 200, 0));
	T(pread(fd, pages, 9000, 0));
	T(pwrite(fd, end - 100, 100, 0));
	T(pwrite(fd, end - 100, 200, 0));
	T(pwrite(fd, end, 200, 0));
	T(lseek(fd, 0, SEEK_END));
	T(write(fd, end, 1));
	T(lseek(fd, 0, SEEK_CUR));
	mprotect(pages + 4096, 4096, PROT_READ);
	T(pread(fd, pages + 4096, 10, 0));
	T(pread(fd, pages + 4000, 200, 0));
	T(pwrite(fd, pages + 4096, 10, 0));
	mprotect(pages + 4096, 4096, PROT_NONE);
	T(pwrite(fd, pages + 4096, 10, 0));
	mprotect(pages + 4096, 4096, PROT_READ | PROT_WRITE);
}

static void vectors(int fd)
{
	struct iovec many[1025];
	char a[8] = "", b[8] = "", c[8] = "";
	struct iovec v[3] = { { a, 3 }, { b, 0 }, { c, 5 } };

	fill(fd, 100);
	lseek(fd, 0, SEEK_SET);
	T(readv(fd, v, 3));
	printf("%s|%s|%s\n", a, b, c);
	T(lseek(fd, 0, SEEK_CUR));
	T(preadv(fd, v, 3, 50));
	T(preadv(fd, v, 3, 97));
	T(preadv(fd, v, 3, -1));
	T(pwritev(fd, v, 3, 200));
	T(lseek(fd, 0, SEEK_END));
	T(writev(fd, v, 0));
	T(readv(fd, v, -1));
	T(readv(fd, v, 1025));
	T(readv(fd, (void *)8, 1));
	T(readv(99, v, 1));
	v[1].iov_len = -1;
	T(readv(fd, v, 3));
	v[1] = (struct iovec){ (void *)8, 4 };
	lseek(fd, 0, SEEK_SET);
	T(readv(fd, v, 3));
	T(pwritev(fd, v, 3, 0));
	v[0].iov_base = (void *)8;
	T(readv(fd, v, 3));
	for (int i = 0; i < 1024; i++)
		many[i] = (struct iovec){ a, 1 };
	T(preadv(fd, many, 1024, 0));
	T(pwritev(fd, many, 1024, 0));
	v[0] = (struct iovec){ a, 4 };
	T(preadv2(fd, v, 1, -1, 0));
	T(preadv2(fd, v, 1, 0, RWF_NOWAIT) != 0);
	T(preadv2(fd, v, 1, 0, 0x10000));
	T(preadv2(fd, v, 1, -2, 0));
	T(pwritev2(fd, v, 1, 0, RWF_APPEND));
	T(lseek(fd, 0, SEEK_END));
	T(pwritev2(fd, v, 1, 0, RWF_DSYNC));
}

static void appending(void)
{
	int a = open("app", O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0644), b = open("app", O_WRONLY | O_APPEND), w = open("app", O_WRONLY);
	char buf[32];

	T(write(a, "one", 3));
	T(write(b, "two", 3));
	T(lseek(a, 0, SEEK_SET));
	T(write(a, "three", 5));
	T(lseek(a, 0, SEEK_CUR));
	T(pwrite(a, "four", 4, 0));
	T(write(w, "ONE", 3));
	ssize_t n = pread(a, buf, sizeof(buf), 0);
	printf("%.*s\n", (int)n, buf);
	close(a);
	close(b);
	close(w);
}

/* Records that several threads append are whole. */
static void *appender(void *arg)
{
	int fd = open("log", O_WRONLY | O_APPEND);
	char line[32];

	memset(line, 'A' + (long)arg, 31);
	line[31] = '\n';
	for (int i = 0; i < 200; i++)
		write(fd, line, 32);
	close(fd);
	return NULL;
}

static void together(void)
{
	pthread_t t[4];
	char line[32];
	int counts[4] = { 0 }, torn = 0, fd = open("log", O_RDWR | O_CREAT, 0644);

	for (long i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, appender, (void *)i);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	while (read(fd, line, 32) == 32) {
		for (int i = 1; i < 31; i++)
			torn += line[i] != line[0];
		counts[(line[0] - 'A') & 3]++;
	}
	printf("%d %d %d %d torn %d\n", counts[0], counts[1], counts[2], counts[3], torn);
	close(fd);
}

static void copies(void)
{
	int a = open("from", O_RDWR | O_CREAT | O_TRUNC, 0644), b = open("to", O_RDWR | O_CREAT | O_TRUNC, 0644), p[2];
	off_t off = 10, out = 5;
	char buf[16];

	fill(a, 50000);
	T(sendfile(b, a, NULL, 50000));
	T(sendfile(b, a, NULL, 50000));
	printf("%d\n", sum(a) == sum(b));
	T(sendfile(b, a, &off, 20));
	T(off);
	T(lseek(b, 0, SEEK_CUR));
	off = -1;
	T(sendfile(b, a, &off, 20));
	T(sendfile(b, 99, NULL, 20));
	T(sendfile(99, a, NULL, 20));
	T(sendfile(b, a, (void *)8, 20));
	ftruncate(b, 0);
	lseek(a, 0, SEEK_SET);
	off = 10;
	T(copy_file_range(a, &off, b, &out, 100, 0));
	printf("%ld %ld\n", (long)off, (long)out);
	T(lseek(b, 0, SEEK_END));
	T(copy_file_range(a, NULL, b, NULL, 100000, 0));
	T(lseek(a, 0, SEEK_CUR));
	T(copy_file_range(a, NULL, b, NULL, 100, 0));
	T(copy_file_range(a, NULL, b, NULL, 100, 1));
	off = 0;
	out = 50;
	T(copy_file_range(a, &off, a, &out, 100, 0));
	T(copy_file_range(a, &off, a, &out, 20, 0));
	int ro = open("to", O_RDONLY), ap = open("to", O_WRONLY | O_APPEND), dir = open(".", O_RDONLY);
	T(copy_file_range(a, &off, ro, &out, 20, 0));
	T(copy_file_range(ap, &off, b, &out, 20, 0));
	T(copy_file_range(a, &off, ap, &out, 20, 0));
	T(copy_file_range(dir, NULL, b, &out, 20, 0));
	pipe(p);
	T(copy_file_range(a, &off, p[1], NULL, 20, 0));
	off = 3;
	T(splice(a, &off, p[1], NULL, 10, 0));
	T(read(p[0], buf, 16));
	printf("%.10s %ld\n", buf, (long)off);
	write(p[1], "spliced", 7);
	off = 1;
	T(splice(p[0], NULL, b, &off, 100, 0));
	T(pread(b, buf, 9, 0));
	printf("%.7s\n", buf + 1);
	T(splice(a, NULL, b, NULL, 10, 0));
	T(splice(p[0], &off, b, NULL, 10, 0));
	T(sendfile(p[1], a, &off, 100));
	T(read(p[0], buf, 16));
	close(ro);
	close(ap);
	close(dir);
	close(a);
	close(b);
}

static void large(void)
{
	int fd = open("large", O_RDWR | O_CREAT, 0644);
	size_t size = 9 << 20;
	char *buf = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *back;

	for (size_t i = 0; i < size; i++)
		buf[i] = (char)(i * 7 + (i >> 12));
	T(write(fd, buf, size));
	back = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	T(pread(fd, back, size, 0));
	printf("equal %d\n", !memcmp(buf, back, size));
	T(pread(fd, back, size, 4097));
	printf("equal %d\n", !memcmp(buf + 4097, back, size - 4097));
	T(pwrite(fd, buf, 100000, 12345));
	T(pread(fd, back, 100000, 12345));
	printf("equal %d\n", !memcmp(buf, back, 100000));
	/* Into a mapping of the same file, and out of it. */
	char *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	T(pread(fd, map, 8192, 100000));
	T(pwrite(fd, map + 1000000, 50000, 2000000));
	printf("equal %d %d\n", !memcmp(map, map + 100000, 8192), !memcmp(map + 1000000, map + 2000000, 50000));
	T(read(fd, map + size - 100, 200));
	close(fd);
	unlink("large");
}

/* Pieces of many sizes, at the end, over holes and over what is there, as read and as mapped. */
static void pieces(void)
{
	static const int sizes[] = { 1, 255, 256, 257, 3000, 4095, 4096, 4097, 10240, 70000 };
	static unsigned char want[1 << 19], got[1 << 19];
	int fd = open("pieces", O_RDWR | O_CREAT, 0644), size = 0, bad = 0;

	for (int i = 0; i < 60; i++) {
		int n = sizes[i * 7 % 10], at = i % 3 == 0 ? size : i % 3 == 1 ? size + i * 53 % 9000 : size / 2 - size / 2 % 100;

		for (int k = 0; k < n; k++)
			want[at + k] = (unsigned char)(i + k * 31);
		bad += pwrite(fd, want + at, n, at) != n;
		size = at + n > size ? at + n : size;
		if (i % 10 == 9) {
			unsigned char *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);

			bad += memcmp(map, want, size) != 0;
			munmap(map, size);
		}
		bad += pread(fd, got, sizeof(got), 0) != size || memcmp(got, want, size);
	}
	T(bad);
	T(size);
	/* From memory that ends in the middle of a piece, behind the end of the file. */
	T(pwrite(fd, pages + 8192 - 5000, 6000, size + 5000));
	T(lseek(fd, 0, SEEK_END) - size);
	T(pwrite(fd, pages + 8192 - 100, 6000, 1 << 20));
	T(pwrite(fd, pages + 8192, 6000, 0));
	T(lseek(fd, 0, SEEK_END));
	close(fd);
	unlink("pieces");
}

static void directories(void)
{
	char buf[16];
	int fd = open(".", O_RDONLY);
	struct iovec v = { buf, 16 };

	T(read(fd, buf, 16));
	T(pread(fd, buf, 16, 0));
	T(readv(fd, &v, 1));
	T(write(fd, buf, 16));
	T(read(fd, buf, 0));
	close(fd);
	fd = open("/dev/null", O_RDWR);
	T(read(fd, buf, 16));
	T(write(fd, buf, 16));
	T(write(fd, (void *)8, 16));
	T(lseek(fd, 100, SEEK_SET));
	T(pread(fd, buf, 16, 5));
	close(fd);
	fd = open("/dev/zero", O_RDWR);
	buf[3] = 1;
	T(read(fd, buf, 16));
	T(buf[3]);
	T(read(fd, pages + 8100, 200));
	T(write(fd, buf, 16));
	close(fd);
	fd = open("/dev/full", O_RDWR);
	T(read(fd, buf, 16));
	T(write(fd, buf, 16));
	close(fd);
}

int main(void)
{
	int fd;

	setvbuf(stdout, NULL, _IONBF, 0);
	close_range(3, ~0U, 0);
	pages = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(pages + 8192, 4096);
	fd = open("f", O_RDWR | O_CREAT, 0644);
	plain(fd);
	page_ends(fd);
	vectors(fd);
	appending();
	together();
	copies();
	large();
	pieces();
	directories();
	return 0;
}
