/* SPDX-License-Identifier: Apache-2.0 */
/* Which error comes first when a call is wrong in two ways, and calls that have nothing to do: as random sequences found them. */
// again: -v {}:{}
#include "file.h"

#include <linux/fs.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/xattr.h>

static char too_long[300];

static void names(void)
{
	mkdir("d", 0755);
	put_file("f", "text");
	T(renameat2(AT_FDCWD, too_long, AT_FDCWD, "f/x", 0));
	T(renameat2(AT_FDCWD, "f", AT_FDCWD, too_long, 0));
	T(renameat2(AT_FDCWD, "d", AT_FDCWD, "d/x", RENAME_EXCHANGE));
	T(renameat2(AT_FDCWD, "d", AT_FDCWD, "d/x", 0));
	T(renameat2(AT_FDCWD, "d", AT_FDCWD, "f/", RENAME_EXCHANGE));
	T(unlink(too_long));
	T(mkdir(too_long, 0755));
	O(open(too_long, O_CREAT | O_RDWR, 0644));
	/* A directory in exchange must be writable, as its ".." changes. */
	mkdir("d/in", 0555);
	mkdir("out", 0755);
	T(renameat2(AT_FDCWD, "out", AT_FDCWD, "d/in", RENAME_EXCHANGE));
	T(rmdir("d/in"));
	T(rmdir("out"));
	T(mknod("f", S_IFCHR | 0600, 0x103));
	T(mknod("f/x", S_IFCHR | 0600, 0x103));
	T(mknod("none/x", S_IFBLK | 0600, 0x103));
	T(mknod("x", S_IFCHR | 0600, 0x103));
	T(mknod("f", S_IFDIR | 0600, 0));
	T(unlink("f"));
	T(rmdir("d"));
}

static void attributes(void)
{
	struct timespec wrong[2] = { { 1, 1000000000 }, { 1, 1 } };

	put_file("f", "text");
	T(utimensat(AT_FDCWD, "none", wrong, 0));
	T(utimensat(AT_FDCWD, "f/x", wrong, 0));
	T(utimensat(AT_FDCWD, "f", wrong, 0));
	T(utimensat(-1, "f", wrong, 0));
	T(futimens(-1, wrong));
	chmod("f", 0);
	T(setxattr("f", "user.", "v", 1, 0));
	T(setxattr("f", "other.a", "v", 1, 0));
	T(getxattr("f", "other.a", NULL, 0));
	T(getxattr("f", "user.a", NULL, 0));
	chmod("f", 0644);
	T(setxattr("f", "user.", "v", 1, 0));
	T(setxattr("f", "other.a", "v", 1, 0));
	T(setxattr("f", "nodot", "v", 1, 0));
	T(getxattr("f", "user.", NULL, 0));
	T(unlink("f"));
}

static void nothing_to_do(void)
{
	struct iovec none[2] = { { too_long, 0 }, { too_long, 0 } };
	int fd;

	put_file("f", "0123456789");
	fd = open("f", O_RDWR | O_APPEND);
	T(write(fd, "", 0));
	T(lseek(fd, 0, SEEK_CUR));
	T(pwrite(fd, "", 0, 3));
	close(fd);
	fd = open(".", O_RDONLY);
	T(readv(fd, none, 2));
	T(preadv(fd, none, 2, 7));
	T(read(fd, too_long, 0));
	close(fd);
	T(unlink("f"));
}

/* A directory's reader goes on when the right to read is taken away; listing needs none to search. */
static void lists(void)
{
	int fd;
	char buf[512];

	mkdir("d", 0755);
	put_file("d/f", "text");
	fd = open("d", O_RDONLY);
	T(fchmod(fd, 0600));
	T(syscall(SYS_getdents64, fd, buf, sizeof(buf)) > 0);
	T(fchmod(fd, 0));
	T(lseek(fd, 0, SEEK_SET));
	T(syscall(SYS_getdents64, fd, buf, sizeof(buf)) > 0);
	O(open("d", O_RDONLY));
	T(fchmod(fd, 0755));
	close(fd);
	T(unlink("d/f"));
	T(rmdir("d"));
}

static void copies(void)
{
	loff_t at = -1, low = 2, zero = 0;
	int in, out, dir = open(".", O_RDONLY), same, wronly, p[2];

	put_file("in", "0123456789");
	put_file("out", "");
	in = open("in", O_RDONLY);
	out = open("out", O_RDWR | O_APPEND);
	same = open("in", O_RDWR);
	wronly = open("out", O_WRONLY);
	T(pipe(p));
	T(copy_file_range(dir, NULL, out, NULL, 1, 0));
	T(copy_file_range(in, NULL, dir, NULL, 1, 0));
	T(copy_file_range(in, NULL, out, NULL, 1, 0));
	T(copy_file_range(wronly, NULL, in, NULL, 1, 0));
	T(copy_file_range(p[0], NULL, out, NULL, 1, 0));
	T(copy_file_range(-1, NULL, out, NULL, 1, 5));
	T(copy_file_range(in, &at, wronly, NULL, 1, 0));
	T(copy_file_range(in, NULL, wronly, &at, 1, 0));
	T(copy_file_range(in, &at, wronly, NULL, 0, 0));
	T(copy_file_range(same, NULL, same, &low, 100, 0));
	/* What lies behind the end is not copied, so it does not overlap. */
	low = 9;
	T(copy_file_range(in, &low, same, &zero, 100, 0));
	T(sendfile(-1, wronly, NULL, 1));
	T(sendfile(out, in, NULL, 1));
	T(sendfile(-1, in, &at, 1));
	T(sendfile(wronly, dir, NULL, 1));
	T(sendfile(wronly, p[0], NULL, 1));
	T(sendfile(same, same, NULL, 4));
	T(lseek(same, 0, SEEK_CUR));
	T(splice(dir, NULL, p[1], NULL, 1, 0));
	T(splice(p[1], &zero, wronly, NULL, 1, 0));
	T(splice(in, &at, p[1], NULL, 1, 0));
	close(p[0]);
	T(sendfile(p[1], in, NULL, 4));
	lseek(in, 0, SEEK_END);
	T(sendfile(p[1], in, NULL, 4));
	close(p[1]);
	show_file("in");
	T(unlink("in"));
	T(unlink("out"));
	close(in), close(out), close(same), close(wronly), close(dir);
}

/* An empty pipe is found before it is found that nobody reads the other. */
static void pipes(void)
{
	int a[2], b[2];

	T(pipe2(a, O_NONBLOCK));
	T(pipe2(b, O_NONBLOCK));
	close(b[0]);
	T(splice(a[0], NULL, b[1], NULL, 1, SPLICE_F_NONBLOCK));
	T(tee(a[0], b[1], 1, SPLICE_F_NONBLOCK));
	T(write(a[1], "x", 1));
	T(splice(a[0], NULL, b[1], NULL, 1, SPLICE_F_NONBLOCK));
	T(tee(a[0], b[1], 1, SPLICE_F_NONBLOCK));
	close(a[0]), close(a[1]), close(b[1]);
}

static void fifos(void)
{
	struct timespec old[2] = { { 7, 0 }, { 7, 0 } };
	struct stat st;
	int fd;

	T(mkfifo("fifo", 0644));
	fd = open("fifo", O_RDWR);
	T(futimens(fd, old));
	T(write(fd, "x", 1));
	T(fstat(fd, &st));
	printf("written %s\n", st.st_mtime == 7 ? "long ago" : "now");
	close(fd);
	T(unlink("fifo"));
}

static void all(void)
{
	fifos();
	names();
	attributes();
	nothing_to_do();
	lists();
	copies();
	pipes();
}

int main(void)
{
	memset(too_long, 'n', 256);
	signal(SIGPIPE, SIG_IGN);
	everywhere(all);
	return 0;
}
