/* SPDX-License-Identifier: Apache-2.0 */
/* memfd_create(2) and seals: fcntl(2). */
#include "file.h"

#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/uio.h>

#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x20
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#define MFD_EXEC 0x10U
#endif

static int sealed(int seals)
{
	int fd = memfd_create("sealed", MFD_ALLOW_SEALING);

	ftruncate(fd, 8192);
	if (fcntl(fd, F_ADD_SEALS, seals))
		printf("cannot seal: %d\n", errno);
	return fd;
}

static void creation(void)
{
	char name[300], link[64], target[300];
	struct stat st;
	int fd;

	O(memfd_create("a", 0));
	O(memfd_create("", 0));
	O(memfd_create("a/b", 0));
	O(memfd_create("a", MFD_CLOEXEC));
	O(memfd_create("a", 0x20));
	O(memfd_create("a", MFD_EXEC | MFD_NOEXEC_SEAL));
	O(memfd_create((char *)8, 0));
	memset(name, 'n', sizeof(name));
	name[249] = 0;
	O(memfd_create(name, 0));
	name[249] = 'n';
	name[250] = 0;
	O(memfd_create(name, 0));
	fd = FD(memfd_create("the name", MFD_CLOEXEC));
	T(fcntl(fd, F_GETFD));
	printf("flags %o\n", fcntl(fd, F_GETFL));
	T(fstat(fd, &st));
	printf("mode %o size %ld blocks %ld links %ld\n", st.st_mode, (long)st.st_size, (long)st.st_blocks, (long)st.st_nlink);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	memset(target, 0, sizeof(target));
	T(readlink(link, target, sizeof(target)));
	puts(target);
	O(open(link, O_RDWR));
	O(open(link, O_RDWR | O_TRUNC));
	O(open(link, O_RDONLY | O_CREAT | O_EXCL, 0600));
	T(linkat(AT_FDCWD, link, AT_FDCWD, "linked", AT_SYMLINK_FOLLOW));
	close(fd);
}

static void contents(void)
{
	char buf[16] = "";
	struct stat st;
	int fd = memfd_create("c", 0), other;

	T(write(fd, "hello", 5));
	T(pread(fd, buf, 16, 0));
	T(lseek(fd, 0, SEEK_END));
	T(ftruncate(fd, 1 << 20));
	T(lseek(fd, 0, SEEK_DATA));
	T(lseek(fd, 0, SEEK_HOLE));
	T(lseek(fd, 4096, SEEK_DATA));
	T(lseek(fd, 1 << 20, SEEK_HOLE));
	T(fallocate(fd, 0, 65536, 8192)); /* kernels differ in whether this is data now */
	T(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
	T(pread(fd, buf, 5, 0));
	printf("punched: %d\n", buf[0]);
	fstat(fd, &st);
	printf("blocks %ld\n", (long)st.st_blocks);
	T(fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, 4096));
	T(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, 4096));
	T(fallocate(fd, FALLOC_FL_INSERT_RANGE, 0, 4096));
	T(pwrite(fd, "x", 1, 5000));
	snprintf(buf, sizeof(buf), "/proc/self/fd/%d", fd);
	other = open(buf, O_RDWR);
	T(lseek(other, 0, SEEK_CUR));
	T(pread(other, buf, 1, 5000));
	close(other);
	close(fd);
}

static void which_files(void)
{
	int fd = memfd_create("plain", 0);

	T(fcntl(fd, F_GET_SEALS));
	T(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	close(fd);
	fd = memfd_create("may", MFD_ALLOW_SEALING);
	T(fcntl(fd, F_GET_SEALS));
	T(fcntl(fd, F_ADD_SEALS, 0));
	T(fcntl(fd, F_ADD_SEALS, 0x40));
	T(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	T(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
	T(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	T(fcntl(fd, F_GET_SEALS));
	close(fd);
	fd = memfd_create("noexec", MFD_NOEXEC_SEAL);
	T(fcntl(fd, F_GET_SEALS));
	T(fchmod(fd, 0700));
	T(fchmod(fd, 0600));
	T(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
	close(fd);
	fd = memfd_create("exec", MFD_EXEC);
	T(fcntl(fd, F_GET_SEALS));
	close(fd);
	fd = open("disk", O_RDWR | O_CREAT, 0600);
	T(fcntl(fd, F_GET_SEALS) < 0 ? -1 : 0);
	close(fd);
	fd = open("/dev/shm/.sealed", O_RDWR | O_CREAT | O_EXCL, 0600);
	T(fcntl(fd, F_GET_SEALS));
	T(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	close(fd);
	unlink("/dev/shm/.sealed");
	fd = open("/dev/null", O_RDWR);
	T(fcntl(fd, F_GET_SEALS));
	close(fd);
}

static void against(const char *what, int fd)
{
	struct iovec v = { "x", 1 };

	printf("-- %s\n", what);
	T(pwrite(fd, "abc", 3, 0));
	T(pwrite(fd, "abc", 3, 8190));
	T(pwrite(fd, "abc", 3, 8192));
	T(pwrite(fd, "abc", 3, 20000));
	T(pwritev2(fd, &v, 1, 0, RWF_APPEND));
	T(write(fd, "", 0));
	T(ftruncate(fd, 9000));
	T(ftruncate(fd, 4000));
	T(ftruncate(fd, lseek(fd, 0, SEEK_END)));
	T(fallocate(fd, 0, 0, 100));
	T(fallocate(fd, 0, 0, 100000));
	T(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 100000));
	T(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
	T(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
	T(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0);
	void *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

	T(p == MAP_FAILED ? -1 : 0);
	T(mprotect(p, 4096, PROT_READ | PROT_WRITE));
	T(lseek(fd, 0, SEEK_END));
	close(fd);
}

static void mapped(void)
{
	int fd = memfd_create("mapped", MFD_ALLOW_SEALING), ro;
	char *p, link[64];

	ftruncate(fd, 8192);
	p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	T(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	T(mprotect(p, 8192, PROT_READ));
	T(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	T(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
	T(mprotect(p, 8192, PROT_READ | PROT_WRITE));
	p[0] = 'm';
	T(pwrite(fd, "x", 1, 0));
	T(munmap(p, 4096));
	T(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	T(munmap(p + 4096, 4096));
	T(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	T(fcntl(fd, F_GET_SEALS));
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ro = open(link, O_RDONLY);
	T(fcntl(ro, F_ADD_SEALS, F_SEAL_SEAL));
	T(fcntl(ro, F_GET_SEALS));
	O(open(link, O_RDWR));
	O(open(link, O_RDWR | O_TRUNC));
	close(ro);
	close(fd);
	fd = memfd_create("private", MFD_ALLOW_SEALING);
	ftruncate(fd, 4096);
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	p[1] = 1;
	T(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	p[2] = 2;
	close(fd);
}

static void executed(void)
{
	int fd = memfd_create("prog", MFD_CLOEXEC), in = open("/proc/self/exe", O_RDONLY), st = 0;
	char buf[65536];
	ssize_t n;

	while ((n = read(in, buf, sizeof(buf))) > 0)
		if (write(fd, buf, (size_t)n) != n)
			puts("short");
	close(in);
	if (!fork()) {
		char *argv[] = { "prog", "again", NULL }, *env[] = { NULL };

		fexecve(fd, argv, env);
		printf("fexecve: %s\n", strerrorname_np(errno));
		_exit(1);
	}
	wait(&st);
	printf("status %x\n", st);
	T(ftruncate(fd, 10));
	close(fd);
}

int main(int argc, char **argv)
{
	char exe[256] = "";

	setvbuf(stdout, NULL, _IONBF, 0);
	no_caps();
	if (argc > 1) {
		readlink("/proc/self/exe", exe, sizeof(exe));
		printf("running as %s from %s\n", argv[0], exe);
		return 7;
	}
	creation();
	contents();
	which_files();
	against("nothing", sealed(0));
	against("shrink", sealed(F_SEAL_SHRINK));
	against("grow", sealed(F_SEAL_GROW));
	against("write", sealed(F_SEAL_WRITE));
	against("future write", sealed(F_SEAL_FUTURE_WRITE));
	against("exec", sealed(F_SEAL_EXEC));
	against("all", sealed(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL));
	mapped();
	executed();
	return 0;
}
